"""Cursors and latest values between two times at which they are written down; the journal has what came since."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks

from ...readings import Report
from ..journal.batches import decode
from ..journal.journal import Journal
from ..records import Batch, Cursor, LatestByBlock, Snapshot, latest_of
from .local import LocalStore
from .pending import Name

_PAGE = 1000


class Progress:
    """Of all devices."""

    def __init__(self, journal: Journal, local: LocalStore, acknowledge_journal: bool = False) -> None:
        self.durable: dict[int, Cursor] = {}  #: the newest batch of each device that is durable
        self.taken: dict[int, Cursor] = {}  #: and that is in the journal
        self._acknowledge_journal = acknowledge_journal
        self._journal = journal
        self._local = local
        self.settled = 0  #: entries of the journal below this were durable when it was last written down
        self._lsn = 0  # the journal is folded in up to here
        self._moved: dict[int, Cursor] = {}
        self._moved_taken: dict[int, Cursor] = {}
        self._latest: dict[int, LatestByBlock] = {}

    @inlineCallbacks
    def load(self, snapshot: Snapshot, next_lsn: int) -> Generator[Deferred[Any], Any, None]:
        """From the local file, and from what the journal has since then; ``snapshot`` gets its latest values."""
        kept = yield self._local.progress()
        self.durable, self.taken = dict(snapshot.cursors), dict(kept.taken)
        self._lsn, self.settled = kept.lsn, kept.settled
        if kept.lsn > next_lsn:  # another journal: what only the old one had, devices must send again
            self.taken, self._lsn, self.settled = dict(snapshot.cursors), self._journal.first_lsn, 0
        while self._lsn < next_lsn:
            entries = yield self._journal.read(self._lsn, _PAGE)
            for entry in entries:
                self.took(entry.lsn, decode(entry.payload)[1])
            self._lsn = entries[-1].lsn + 1 if entries else next_lsn
        if self._acknowledge_journal:
            self.durable |= self.taken
        for device_id in self._latest.keys() & snapshot.devices.keys():
            _renew(snapshot.latest.setdefault(device_id, {}), self._latest[device_id])

    @property
    def behind(self) -> dict[int, Cursor]:
        """The newest batch in the journal of each device of which it is not durable, as far as anybody knows."""
        return {
            device_id: cursor
            for device_id, cursor in self.taken.items()
            if device_id not in self.durable or not self.durable[device_id].covers(*cursor)
        }

    def took(self, lsn: int, batch: Batch) -> None:
        """The journal has it."""
        self._lsn = max(self._lsn, lsn + 1)
        cursor = self.taken.get(batch.device_id)
        if cursor is None or not cursor.covers(batch.boot, batch.batch):
            self.taken[batch.device_id] = self._moved_taken[batch.device_id] = Cursor(batch.boot, batch.batch)
        self.renew(batch.device_id, batch.reports)

    def renew(self, device_id: int, reports: Iterable[Report]) -> None:
        """Readings that came by another way than the device's batches."""
        _renew(self._latest.setdefault(device_id, {}), latest_of(reports))

    def became_durable(self, name: Name) -> None:
        """And all of its device before it."""
        self.durable[name.device_id] = self._moved[name.device_id] = Cursor(name.boot, name.batch)

    def adopted(self, device_id: int, cursor: Cursor) -> None:
        """Another store's cursor of the device is ours now."""
        for known in (self.durable, self.taken, self._moved, self._moved_taken):
            known[device_id] = cursor
        self._latest.pop(device_id, None)

    def forget(self, device_id: int) -> None:
        """The device is removed."""
        for known in (self.durable, self.taken, self._moved, self._moved_taken):
            known.pop(device_id, None)
        self._latest.pop(device_id, None)

    @inlineCallbacks
    def keep(self) -> Generator[Deferred[Any], Any, None]:
        """Write down what moved. Raises StorageError; then it is written down the next time."""
        moved, moved_taken, latest = self._moved, self._moved_taken, self._latest
        self._moved, self._moved_taken, self._latest = {}, {}, {}
        try:
            yield self._local.keep(self._lsn, self._journal.settled_below, moved, moved_taken, latest)
        except Exception:
            self._moved, self._moved_taken = moved | self._moved, moved_taken | self._moved_taken
            for device_id, newer in self._latest.items():
                _renew(latest.setdefault(device_id, {}), newer)
            self._latest = latest
            raise


def _renew(known: LatestByBlock, newer: LatestByBlock) -> None:
    for key, one in newer.items():
        if key not in known or one.time_us >= known[key].time_us:
            known[key] = one
