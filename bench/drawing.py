"""What plots cost: our history beside plain rows, in a process of its own that only reads.

``python -m bench.drawing STORE ROWS``: files of ``SqliteStore`` and ``PlainRows``. Each line is answered with one:
``ours SECONDS`` and ``rows SECONDS WIDTH`` (0: as read) with points, and for ours the width; ``series SECONDS`` with
the plot itself; ``days FILE`` with how many days are there as the generator made them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred

from smok_twisted.history.reader import History
from smok_twisted.history.series import Question, Series
from smok_twisted.history.slices import Span
from smok_twisted.history.traces import traces_of
from smok_twisted.storage.records import HOUR_US, HOURS_A_DAY
from smok_twisted.storage.sqlite import SqliteStore

from . import mix
from .plain_rows import PlainRows
from .seven_years import DEVICE, digest

reactor: Any = installed_reactor


class Drawer:
    """Answers lines about the one device of a store; ``end_us`` is where its data end."""

    def __init__(self, store: SqliteStore, rows: PlainRows, end_hour: int) -> None:
        self._history = History(store)
        self._rows = rows
        self._end_us = end_hour * HOUR_US
        view = mix.view()
        self._views = {1: view}
        self._point = view.points[mix.POINT]
        self._traces = traces_of(self._point, [view], view.points)

    async def answer(self, line: str) -> str:
        """To one line."""
        kind, *words = line.split()
        if kind == "days":
            return str(await self._days(_digests(words[0])))
        if kind == "series":
            series = await self._series(int(words[0]))
            return json.dumps([series.time_us, series.value, series.lowest, series.highest])
        seconds = int(words[0])
        if kind == "rows":
            width_us = int(words[1]) * 1_000_000 or None
            return str(self._rows.plot(DEVICE, 0, self._end_us - seconds * 1_000_000, self._end_us, width_us))
        series = await self._series(seconds)
        return f"{len(series.time_us)} {series.step_seconds or 0}"

    async def _series(self, seconds: int) -> Series:
        question = Question(self._point, self._end_us - seconds * 1_000_000, self._end_us)
        return await self._history.series(DEVICE, question, self._traces, self._views)

    async def _days(self, expected: list[str]) -> int:
        """Of the digests, one for each day since the first, how many are those of what is read."""
        good = 0
        for number, wanted in enumerate(expected):
            first_us = (mix.FIRST_HOUR + number * HOURS_A_DAY) * HOUR_US
            span = Span(first_us, first_us + HOURS_A_DAY * HOUR_US)
            found = [report async for page in self._history.reports(DEVICE, span) for report in page]
            good += digest(found) == wanted
        return good


def _digests(file: str) -> list[str]:
    found: list[str] = json.loads(Path(file).read_text())
    return found


async def start(store_file: str, rows_file: str, end_hour: str) -> None:
    """Open, then answer lines until there are no more."""
    store = SqliteStore(Path(store_file), reactor)
    await store.open()
    drawer = Drawer(store, PlainRows(Path(rows_file)), int(end_hour))
    print("ready", flush=True)
    reactor.callInThread(_read, drawer)


def _read(drawer: Drawer) -> None:
    for line in sys.stdin:
        reactor.callFromThread(_answer, drawer, line)


def _answer(drawer: Drawer, line: str) -> None:
    told = Deferred.fromCoroutine(drawer.answer(line))
    told.addCallbacks(lambda text: print(text, flush=True), _fail)


def _fail(failure: Any) -> None:
    failure.printTraceback()
    print(f"failed: {failure.getErrorMessage()}", flush=True)


def main() -> None:
    """Until killed."""
    Deferred.fromCoroutine(start(*sys.argv[2:])).addErrback(_fail)
    reactor.run(installSignalHandlers=False)


if __name__ == "__main__":
    main()
