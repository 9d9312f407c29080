"""``smok journal drain``: what waits in the journal goes into Cassandra, without a daemon.

The way is the daemon's own: oldest first, a page at a time, and what Cassandra refuses again and again is
put aside. Nothing is removed; a daemon that starts later writes it once more, which changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import StorageError
from .problems import Unreachable

if TYPE_CHECKING:
    from ..settings import Settings
    from ..storage.cassandra.bridge import Bridge
    from ..storage.cassandra.drain import Drain
    from ..storage.cassandra.local import LocalStore

#: For the database to answer at the beginning.
_PATIENCE_SECONDS = 20.0
_LOOK_SECONDS = 0.1


class Drained(NamedTuple):
    """What became of it."""

    entries: int  #: that were in the journal, those of ``problems`` too
    problems: list[str]  #: what was damaged or put aside, and what is known of devices that is not copied


async def drained(settings: Settings, reactor: Any, step: Callable[[int, int], None]) -> Drained:
    """Write all of the journal; ``step(done, total)`` hears how far it is, in entries.

    Raises StorageError: a daemon has the journal, it cannot be read, or the database has no tables for it;
    Unreachable: the database is away, or went away before the end; UserError without the driver.
    """
    from ..storage.cassandra.bridge import Bridge
    from ..storage.cassandra.drain import Drain
    from ..storage.cassandra.driver import require_driver
    from ..storage.cassandra.history import CassandraHistory
    from ..storage.cassandra.local import LocalStore
    from ..storage.cassandra.options import options_of
    from ..storage.cassandra.schema import expect_tables
    from ..storage.journal.journal import Journal

    require_driver()
    problems: list[str] = []

    def told(kind: str, text: str) -> None:
        if kind != "journal-filling":  # nothing comes into it
            problems.append(text)

    folder = settings.daemon.data_dir
    bridge = Bridge(options_of(settings.storage.cassandra), reactor)
    bridge.expect = expect_tables
    journal = Journal(folder / "journal", reactor, alarm=told)
    local = LocalStore(settings.daemon.local, reactor)
    try:
        state = await journal.open()
        await _reach(bridge, reactor)
        problems += await _tell_devices(bridge, local) if settings.daemon.local.exists() else []
        drain = Drain(journal, CassandraHistory(bridge, local), told, reactor)
        drain.begin(state.first_lsn, state.next_lsn)
        await _followed(drain, bridge, reactor, step, state.next_lsn - state.first_lsn)
    finally:
        for part in (bridge, journal, local):
            await part.close()
    return Drained(state.next_lsn - state.first_lsn, problems)


async def _reach(bridge: Bridge, reactor: Any) -> None:
    from twisted.internet.defer import TimeoutError

    try:
        await bridge.connect().addTimeout(_PATIENCE_SECONDS, reactor)
    except TimeoutError:
        raise Unreachable(f"nothing is written, the database is away: {bridge.health.detail}") from None


async def _tell_devices(bridge: Bridge, local: LocalStore) -> list[str]:
    """Devices, models and events that the database was not told either; a file that is damaged keeps nobody waiting."""
    from ..clock import wall_clock_us
    from ..storage.cassandra.mirror import Mirror

    try:
        await local.open()
    except StorageError as error:
        return [f"what it knows of devices is not copied: {error}"]
    await local.doubt()  # as the daemon does: what the database was told lately may be lost
    is_there = await Mirror(bridge, local, wall_clock_us).caught_up()
    return [] if is_there else ["not all that is known of devices is in the database: run it again"]


async def _followed(drain: Drain, bridge: Bridge, reactor: Any, step: Callable[[int, int], None], total: int) -> None:
    from twisted.internet.task import deferLater

    while drain.is_running:
        step(total - drain.waiting, total)
        await deferLater(reactor, _LOOK_SECONDS)
    if not drain.waiting:
        return
    done = f"{total - drain.waiting} of {total} batches are written; run it again, nothing is lost"
    if drain.refusal is not None:
        raise StorageError(f"{drain.refusal}: {done}")
    if bridge.is_up:
        raise StorageError(f"the journal cannot be read to its end: {done}")
    raise Unreachable(f"the database went away ({bridge.health.detail}): {done}")
