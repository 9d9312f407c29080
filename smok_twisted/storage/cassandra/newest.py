"""Cursors and latest values out of history, when the machine that knew them is lost."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks

from ...readings import Report
from ..records import Cursor, Snapshot, latest_of
from .history import CassandraHistory
from .local import LocalStore

#: Their numbers are modulo this.
_BATCHES = 1 << 16


@inlineCallbacks
def newest(history: CassandraHistory, local: LocalStore, snapshot: Snapshot) -> Generator[Deferred[Any], Any, Snapshot]:
    """``snapshot`` with them; they are written down, too."""
    cursors, latest = {}, {}
    for device_id in snapshot.devices:
        reports = yield history.newest(device_id)
        if reports:
            cursors[device_id] = cursor_of(reports)
            latest[device_id] = latest_of(reports)
    yield local.keep(0, 0, cursors, cursors, latest)
    return replace(snapshot, cursors=cursors, latest=latest)


def cursor_of(reports: Iterable[Report]) -> Cursor:
    """Of the newest boot in ``reports``, newest first and at least one: the newest batch without a gap before it.

    Batches are written side by side: one may be there before an earlier one, which was never acknowledged then, and
    which only its device has.
    """
    first, *rest = reports
    batches = {one.batch for one in (first, *rest) if one.boot == first.boot}
    newest = Cursor(first.boot, first.batch)
    for batch in batches:
        if not newest.covers(first.boot, batch):
            newest = Cursor(first.boot, batch)
    steps = {(newest.batch - batch) % _BATCHES for batch in batches}
    gaps = [step for step in range(max(steps)) if step not in steps and newest.batch != step]  # 0 may be no number
    return newest if not gaps else newest._replace(batch=(newest.batch - gaps[-1] - 1) % _BATCHES)
