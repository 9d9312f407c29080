"""What another store has, taken over as it is (``storage.copying``).

History goes into Cassandra, the rest into the local file. It does not go through the journal: whoever copies has it
all, and compares at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks

from ...clock import WallClock
from ..records import HOURS_A_DAY, Adopted
from .bridge import Unknown
from .history import CassandraHistory, PackedRow
from .local import LocalStore
from .rows import CHUNK, LEAST_SECONDS, SUMMARY, partitions_of, seconds_to_live

#: So often something is written before it counts as not written.
_TRIES = 5


class Adoption:
    """For ``CassandraStore.adopt``."""

    def __init__(self, history: CassandraHistory, local: LocalStore, now_us: WallClock) -> None:
        self._history = history
        self._local = local
        self._now_us = now_us

    @inlineCallbacks
    def adopt(self, device_id: int, part: Adopted) -> Generator[Deferred[Any], Any, None]:
        """Marks and partitions first: what is in the database can be found, and is packed; the cursor last."""
        packed = list(self._packed_rows(part))
        partitions = partitions_of(part.reports) | {(row.table.name, row.partition) for row in packed}
        number = yield self._local.note(device_id, part.unpacked, partitions)
        yield _again(lambda: self._history.write(number, part.reports, is_live=False))
        if packed:
            stamp = yield self._local.stamp(self._now_us())
            yield _again(lambda: self._history.put(number, packed, stamp))
        yield self._local.adopt(device_id, replace(part, reports=(), chunks=(), summaries=(), unpacked=()))

    def _packed_rows(self, part: Adopted) -> Iterable[PackedRow]:
        for table, rows_a_day, rows in ((CHUNK, HOURS_A_DAY, part.chunks), (SUMMARY, 1, part.summaries)):
            for place, octets in rows:
                seconds = seconds_to_live(place // rows_a_day, part.keep_seconds, self._now_us(), LEAST_SECONDS)
                yield PackedRow(table, place, octets, seconds)


@inlineCallbacks
def _again(write: Callable[[], Deferred[Any]]) -> Generator[Deferred[Any], Any, None]:
    """Of what nobody knows whether it was written: the same once more changes nothing."""
    for left in reversed(range(_TRIES)):
        try:
            yield write()
            return
        except Unknown:
            if not left:
                raise
