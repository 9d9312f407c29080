"""Hold the pure halves of the wire layers, and all of the cipher, to their bar: 98 % of the lines and every branch.

``coverage_gate.py coverage.json`` prints a line for each layer and what was missed; exit status 1 when a layer
misses the bar. ``coverage.json`` is what ``coverage json`` writes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pure_modules import pure_modules

LINES_PERCENT = 98.0

#: The record layer has a bar of its own beside that of its package.
LAYERS = {
    "framing": "smok_twisted/framing/",
    "cipher": "smok_twisted/cipher/",
    "record": "smok_twisted/cipher/record.py",
    "handshake": "smok_twisted/handshake/",
}

#: Layers whose Twisted half is held to the bar too.
WHOLE = ("cipher",)


def missed(path: str, measured: dict[str, Any]) -> Iterable[str]:
    """What of one file was not run, as words."""
    yield from (f"{path}:{line}" for line in measured["missing_lines"])
    yield from (f"{path}:{start} -> {end}" for start, end in measured["missing_branches"])


def judge(layer: str, files: dict[str, dict[str, Any]]) -> tuple[bool, str]:
    """Whether a layer's files reach the bar, and the text that says so."""
    summaries = [measured["summary"] for measured in files.values()]
    statements, covered, branches, branches_covered = (
        sum(summary[key] for summary in summaries)
        for key in ("num_statements", "covered_lines", "num_branches", "covered_branches")
    )
    percent = 100 * covered / statements
    good = percent >= LINES_PERCENT and branches_covered == branches
    line = f"{layer:10} {percent:5.1f} % of {statements} lines, {branches_covered} of {branches} branches"
    misses = [f"    {text}" for path, measured in files.items() for text in missed(path, measured)]
    return good, "\n".join([line + ("" if good else "  <- below the bar"), *misses])


def main(report: Path) -> int:
    """The exit status."""
    measured = json.loads(report.read_text(encoding="utf-8"))["files"]
    verdicts = []
    for layer, prefix in LAYERS.items():
        known = [*pure_modules(), *(measured if layer in WHOLE else ())]
        paths = [path for path in dict.fromkeys(known) if path.startswith(prefix)]
        if unmeasured := [path for path in paths if path not in measured]:
            verdicts.append((False, f"{layer:10} not measured: {', '.join(unmeasured)}"))
        else:
            verdicts.append(judge(layer, {path: measured[path] for path in paths}))
    print(*(text for _, text in verdicts), sep="\n")
    print(f"The bar: {LINES_PERCENT:g} % of the lines, every branch; of pure modules, and of all of the cipher.")
    return 0 if all(good for good, _ in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
