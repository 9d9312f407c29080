"""What an agent must not forget: readings, plan, secrets, nonce, server addresses.

A reading that was taken is on disk within a second (half of it may go by while its round fills, half while a commit
is shared), and no batch is sent before it is there: a number never stands for other readings than those the server
knows under it, even after ``kill -9``. Acknowledgements reach the disk with the next write; if they are lost, the
server's cursor says them again.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..clock import WallClock, wall_clock_us
from ..errors import StorageError
from ..links.smok4.upload import KeptBatch
from ..readings import Block, BlockReport
from ..storage.commit import Write
from ..storage.database import Database, explained
from ..storage.records import Health
from ..storage.writer import Signals, Writer
from . import spool_file as file
from .batches import Batches

#: No more batches than this may be unacknowledged; beyond it the oldest are dropped.
MOST_BATCHES = 32_767
#: One commit in so many seconds at most, so that a memory card is not worn out.
COMMIT_SECONDS = 0.5


class Writes(Protocol):
    """What the spool needs of ``storage.writer.Writer``."""

    def submit(self, write: Write) -> Deferred[Any]:
        """Fires with the result once it is durable."""

    def close(self) -> Deferred[None]:
        """Fires when everything is written."""


class Spool:
    """See the module. ``on_ready`` is called when more batches may be sent."""

    _log = Logger()

    def __init__(
        self,
        database: Database,
        writer: Writes,
        state: file.State,
        wall_clock: WallClock = wall_clock_us,
        random_below: Callable[[int], int] = secrets.randbelow,
        most_batches: int = MOST_BATCHES,
    ) -> None:
        self.numbering = state.numbering
        self.plan = state.plan  #: number of the plan that is held; 0: none
        self.secrets = state.secrets  #: the newest first
        self.servers = state.servers  #: as the server told them
        self.ready = state.newest  #: newest serial that may be sent: it is on disk and takes nothing more
        self.on_ready: Callable[[], None] = lambda: None
        self.on_broken: Callable[[StorageError], None] = lambda error: None  #: what is kept cannot be read
        self._database = database
        self._writer = writer
        self._wall_clock = wall_clock
        self._random_below = random_below
        self._most_batches = most_batches
        self._reader = database.connect()
        self._nonce = state.nonce
        self._plans: dict[int, file.Blocks] = {0: (), **state.plans}
        self._batches = Batches(state.newest, self.blocks)
        self._is_dropping = False

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The plan that is held."""
        return self._plans[self.plan]

    @property
    def gone(self) -> int:
        """Newest serial that is not kept any more."""
        return self.numbering.gone

    @property
    def is_ambiguous(self) -> bool:
        """So much was dropped that only a login under a new boot helps."""
        return self.numbering.is_ambiguous

    # -- readings

    def add(self, time_us: int, reports: tuple[BlockReport, ...], send_now: bool) -> None:
        """Keep one round, read by the held plan; it is sent when ``send_now``, or when its record is full."""
        placed = self._batches.add(reports)
        if send_now:
            self._batches.close()
        self._drop_oldest()
        plan = self.plan
        written = self._write(lambda cursor: file.write_rounds(cursor, placed, plan, time_us))
        written.addCallbacks(self._on_disk, self._not_kept, (self._batches.closed,))

    def batches(self, after: int, until: int) -> list[KeptBatch]:
        """What is kept beyond serial ``after``, not beyond ``until``, and may be sent."""
        first, last = max(after, self.numbering.gone) + 1, min(until, self.ready)
        if first > last:
            return []
        try:
            return file.read_batches(self._reader, self.numbering, self._plans, first, last)
        except (sqlite3.Error, StorageError, KeyError) as error:
            self.on_broken(explained(self._database.path, error))
            return []

    def settle(self, number: int) -> bool:
        """The server has everything up to ``number``. False: that number was never given."""
        settled = self.numbering.settle(number, max(self.ready, self.gone))
        self._is_dropping &= not settled
        return settled

    def begin_anew(self) -> None:
        """The server knows numbers that were never given here: number what is kept anew, under another boot."""
        self.numbering.begin_anew(self._random_below)

    # -- what else is kept; each answer fires when it is durable

    def keep_plan(self, number: int, blocks: tuple[Block, ...]) -> Deferred[None]:
        """Rounds that are added from now on were read by this plan; none may be added until the answer."""
        kept = self._write(lambda cursor: file.write_plan(cursor, number, blocks))
        return kept.addCallback(self._hold, number, blocks)

    def keep_secret(self, kid: int, secret: bytes, slot_in_use: int) -> Deferred[None]:
        """Put a secret into the spare slot and read it back. Fails with StorageError when it is not the same."""
        slot = file.Secret(self.secrets[0].slot + 1, kid, secret)
        kept = self._write(lambda cursor: file.write_secret(cursor, slot, slot_in_use))
        return kept.addCallback(self._read_back, slot)

    def keep_servers(self, servers: tuple[str, ...]) -> Deferred[None]:
        """The addresses that the server has told."""
        self.servers = servers
        return self._write(lambda cursor: file.write_servers(cursor, servers))

    def next_nonce(self) -> Deferred[int]:
        """Larger than all before, and on disk before it is used. The numbering is fit for a login, too, then."""
        if self.numbering.is_ambiguous:
            self.numbering.begin_anew(self._random_below)
        nonce = self._nonce = max(self._nonce + 1, self._wall_clock())
        return self._write(lambda cursor: file.write_nonce(cursor, nonce)).addCallback(lambda _: nonce)

    def close(self) -> Deferred[None]:
        """Write what waits and let go of the file."""
        self._batches.close()
        self._write(lambda cursor: None).addErrback(lambda _: None)
        return self._writer.close().addBoth(self._let_go)

    # -- inside

    def _write(self, write: Write) -> Deferred[Any]:
        """Have ``write`` done, and note what is acknowledged by the way."""
        numbering = self.numbering
        numbers, gone = (numbering.boot, numbering.base, numbering.acknowledged), numbering.gone

        def both(cursor: sqlite3.Cursor) -> None:
            write(cursor)
            file.write_progress(cursor, numbers, gone)

        return self._writer.submit(both)

    def _on_disk(self, _: None, closed: int) -> None:
        self.ready = max(self.ready, closed)
        self.on_ready()

    def _hold(self, _: None, number: int, blocks: tuple[Block, ...]) -> None:
        self._batches.close()
        self.plan, self._plans[number] = number, blocks
        self._batches = Batches(self._batches.closed, blocks)
        self._on_disk(None, self._batches.closed)

    def _not_kept(self, failure: Failure) -> None:
        self._log.error("readings are lost: {reason}", reason=failure.getErrorMessage())

    def _drop_oldest(self) -> None:
        dropped = self.numbering.drop(self._batches.newest - self._most_batches)
        if dropped and not self._is_dropping:
            self._is_dropping = True
            self._log.warn("{most} batches wait for the server: the oldest are dropped", most=self._most_batches)

    def _read_back(self, _: None, slot: file.Secret) -> None:
        found = file.read_secrets(self._reader)
        if found[0] != slot:
            raise StorageError(f"the new secret in {self._database.path} does not read back")
        self.secrets = found

    def _let_go(self, _: Any) -> None:
        self._reader.close()
        self._database.close()


def open_spool(folder: Path, reactor: Any, kid: int, secret: bytes, on_health: Callable[[Health], None]) -> Spool:
    """The spool in ``folder``, made if need be. ``kid`` and ``secret`` are as the user gives them now.

    ``on_health`` hears of a full disk, a file that is locked, and of the failure that ends it. Raises StorageError
    with one clear line when the file is damaged, in use, or not ours.
    """
    database = file.open_file(folder)
    try:
        with closing(database.connect()) as connection:
            state = file.load(connection, secrets.randbelow, kid, secret)
        return Spool(database, Writer(database, reactor, Signals(on_health), window_seconds=COMMIT_SECONDS), state)
    except (sqlite3.Error, ValueError, StorageError) as error:
        database.close()
        raise explained(database.path, error) from error
