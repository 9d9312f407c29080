"""One run: its rows and the machine, as a table to read and as a file from which everything can be drawn again."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import NamedTuple

from .table import Row, Verdict, render

RUN, TABLE = "run.json", "table.txt"


class Run(NamedTuple):
    """``machine``: the line that describes it."""

    machine: str
    rows: list[Row]

    def table(self) -> str:
        """To be read."""
        return f"{textwrap.fill(self.machine, 90)}\n\n{render(self.rows)}\n"

    def save(self, folder: Path) -> None:
        """``run.json`` and ``table.txt``; the plots are made by ``plots``."""
        rows = [{**row._asdict(), "verdict": [str(row.verdict), row.margin]} for row in self.rows]
        text = json.dumps({"machine": self.machine, "rows": rows}, indent=1, ensure_ascii=False)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RUN).write_text(text + "\n", encoding="utf-8")
        (folder / TABLE).write_text(self.table(), encoding="utf-8")


def load(folder: Path) -> Run:
    """What ``Run.save`` has left there."""
    kept = json.loads((folder / RUN).read_text(encoding="utf-8"))
    return Run(kept["machine"], [Row(**{**row, "verdict": Verdict(*row["verdict"])}) for row in kept["rows"]])
