"""Write the machines of the login, as the code has them, into ``docs/machines``: NAME.txt, NAME.dot and NAME.svg.

They are kept with the source, so that building the documentation needs no graphviz. ``tests/test_docs.py`` fails when
they are out of date.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from smok_twisted.handshake import diagram

MACHINES = Path(__file__).resolve().parent.parent / "docs" / "machines"


def texts() -> dict[str, str]:
    """File name -> what it has to hold: the table and the graph of each machine."""
    drawn = (diagram.SERVER, diagram.DEVICE)
    tables = {f"{machine.name}.txt": diagram.as_table(machine) for machine in drawn}
    return tables | {f"{machine.name}.dot": diagram.as_dot(machine) for machine in drawn}


def drawn_from(dot: str) -> str:
    """The last line of a drawing: it says which graph it shows."""
    return f"<!-- drawn from {hashlib.sha256(dot.encode()).hexdigest()} -->\n"


def main() -> None:
    """Write all of them."""
    if shutil.which("dot") is None:
        sys.exit("graphviz is missing: install it (Debian, Ubuntu: apt install graphviz)")
    MACHINES.mkdir(exist_ok=True)
    for name, text in texts().items():
        path = MACHINES / name
        path.write_text(text, encoding="utf-8")
        if path.suffix == ".dot":
            drawing = subprocess.run(["dot", "-Tsvg", path], capture_output=True, text=True, check=True).stdout
            path.with_suffix(".svg").write_text(drawing + drawn_from(text), encoding="utf-8")


if __name__ == "__main__":
    main()
