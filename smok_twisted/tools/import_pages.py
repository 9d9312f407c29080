"""Values on their way from a file to the daemon: page by page for each point, and counted. Pure but for the API."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from .csv_history import Cell, Table
from .csv_times import rhythm_seconds

if TYPE_CHECKING:
    from .client import Client

#: Values of one point that are sent together; the API takes no more.
PAGE = 1000
#: And a half of what the body of a request may have; a cell is far smaller than the other half.
PAGE_OCTETS = 1 << 19
_TIME_OCTETS = 20
REASONS_AT_MOST = 5


class Import:
    """Sends values page by page, and counts."""

    def __init__(self, api: Client, device: str, rounds: bool, interval_seconds: int | None = None) -> None:
        """``interval_seconds`` None: as far apart as the values are where the file begins."""
        self.counts: Counter[str] = Counter()
        self._api = api
        self._device = device
        self._rounds = rounds
        self._interval_seconds = interval_seconds
        self._rhythms: dict[str, int] = {}  # by point
        self._table: Table | None = None
        self._waiting: dict[str, _Page] = {}
        self._refusals: list[str] = []
        self._differences: list[str] = []

    def take(self, table: Table) -> None:
        """All of it."""
        self._table = table
        for cell in table.cells():
            self._add(cell)
        for point in list(self._waiting):
            self._send(point)

    @property
    def is_begun(self) -> bool:
        """Whether there was a file that could be read."""
        return self._table is not None

    @property
    def is_clean(self) -> bool:
        """Whether nothing was refused or different, and not all of it left out."""
        counts = self.counts
        is_any = counts["stored"] + counts["there"] > 0
        return not counts["refused"] + counts["differ"] and (is_any or not self._left_out().total())

    def lines(self) -> Iterator[str]:
        """What became of it."""
        if not self.is_begun:
            return
        if left_out := self._left_out():
            names = ", ".join(f"{name} ({count} values)" for name, count in left_out.items())
            yield f"left out, there is no such point that can be imported: {names}"
        counts = self.counts
        rounded = f", {counts['rounded']} rounded" if counts["rounded"] else ""
        yield f"{counts['stored']} values stored, {counts['there']} already there, {counts['refused']} refused{rounded}"
        yield from _first(self._refusals, counts["refused"])
        if counts["differ"]:
            yield f"{counts['differ']} differ from what is there, which was kept"
            yield from _first(self._differences, counts["differ"])

    def _left_out(self) -> Counter[str]:
        return self._table.left_out if self._table is not None else Counter()

    def _add(self, cell: Cell) -> None:
        if cell.problem:
            self.counts["refused"] += 1
            return _tell(self._refusals, [(cell, cell.problem)])
        page = self._waiting.setdefault(cell.point, _Page())
        page.add(cell)
        if page.is_full:
            self._send(cell.point)
        return None

    def _send(self, point: str) -> None:
        cells = self._waiting.pop(point).cells
        body = {
            "point": point,
            "time": [cell.time_us // 1000 for cell in cells],
            "value": [cell.value for cell in cells],
            "round": self._rounds,
            "interval": self._interval_seconds or self._rhythm(point, cells),
        }
        answer = self._api.post("devices", self._device, "history", body=body)
        self.counts.update({name: answer[name] for name in ("stored", "there", "rounded", "differ", "refused")})
        _tell(self._refusals, ((cells[one["index"]], one["reason"]) for one in answer["reasons"]))
        _tell(self._differences, ((cells[one["index"]], one["reason"]) for one in answer["differences"]))

    def _rhythm(self, point: str, cells: list[Cell]) -> int:
        """Of its first page and kept, so that it is the same however often the file is imported."""
        if point not in self._rhythms:
            self._rhythms[point] = rhythm_seconds([cell.time_us for cell in cells])
        return self._rhythms[point]


def _tell(told: list[str], found: Iterable[tuple[Cell, str]]) -> None:
    told += [f"line {cell.line}: {reason}" for cell, reason in found]
    del told[REASONS_AT_MOST:]


def _first(told: list[str], count: int) -> Iterator[str]:
    yield from told
    if count > len(told):
        yield f"... and {count - len(told)} more"


class _Page:
    """Values of one point that wait to be sent together."""

    def __init__(self) -> None:
        self.cells: list[Cell] = []
        self._octets = 0

    def add(self, cell: Cell) -> None:
        """One more."""
        self.cells.append(cell)
        self._octets += _TIME_OCTETS + len(json.dumps(cell.value))  # escaped, so never fewer than are sent

    @property
    def is_full(self) -> bool:
        return len(self.cells) >= PAGE or self._octets >= PAGE_OCTETS
