"""What the server read itself becomes durable, or is counted as lost."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.devices.keeping import Keeping
from smok_twisted.devices.pressure import Pressure
from smok_twisted.devices.registry import Registry
from smok_twisted.errors import StorageError
from smok_twisted.readings import UNAUTHENTICATED, BlockReport, Report
from smok_twisted.storage.memory import ManualStore
from smok_twisted.storage.records import Batch, DeviceRecord

from .server_in_memory import MODEL, NOW_US, result_of

ON = (BlockReport(0, (1,)),)


class FullStore(ManualStore):
    """Takes no readings while ``full``."""

    full = False

    def append(self, batch: Batch) -> Deferred[None]:
        return fail(StorageError("16000 writes wait already")) if self.full else super().append(batch)


class Daemon:
    """A registry with one device; ``data`` of an older one is a restart."""

    def __init__(self, data: Any = None) -> None:
        self.clock, self.pressure, self.store = Clock(), Pressure(), FullStore(data)
        self.stored: list[tuple[Report, ...]] = []
        self.lost = 0
        snapshot = result_of(self.store.open())
        self.registry = Registry(self.store, self.clock, self.wall_clock, lambda octets: bytes(octets), self.pressure)
        self.registry.load(snapshot)
        if not snapshot.devices:
            result_of(self.registry.add_model(MODEL))
            result_of(self.registry.add(DeviceRecord(7, "old boiler", "boiler", NOW_US, link="p24")))
        result_of(self.registry.start())
        self.device = self.registry.devices[7]
        self.keeping = Keeping(
            self.store,
            self.clock,
            self.registry.tell,
            self.pressure,
            lambda reports, seconds: self.stored.append(reports),
            self.count,
        )

    def wall_clock(self) -> int:
        return NOW_US + int(self.clock.seconds() * 1e6)

    def count(self) -> None:
        self.lost += 1

    def keep(self, seconds: int) -> None:
        self.clock.advance(seconds - self.clock.seconds())
        self.keeping.keep(self.device, 1, NOW_US + seconds * 1_000_000, ON)

    def history(self, since: int = 0) -> list[tuple[int, int, int]]:
        """(seconds, boot, batch) of what is stored."""
        reports = result_of(self.store.reports(7, NOW_US + since * 1_000_000, 1 << 62))
        return [((one.time_us - NOW_US) // 1_000_000, one.boot, one.batch) for one in reports]

    def events(self) -> list[str]:
        return [event.kind for event in result_of(self.store.events())]


class Durable(SynchronousTestCase):
    def setUp(self) -> None:
        self.daemon = Daemon()

    def test_history_and_live_value(self) -> None:
        """Both at once, with the mark of a link that proves nothing."""
        self.daemon.keep(3)
        self.assertEqual(
            result_of(self.daemon.store.reports(7, 0, 1 << 62)),
            [Report(7, NOW_US + 3_000_000, 1, 1, 0, 1, ON, UNAUTHENTICATED)],
        )
        pump = self.daemon.device.point_values(NOW_US + 4_000_000)[2]
        self.assertEqual((pump.value, pump.quality, pump.time_us), (True, "unauthenticated", NOW_US + 3_000_000))
        self.assertEqual(self.daemon.device.last_contact_us, NOW_US + 3_000_000)

    def test_counted_when_durable(self) -> None:
        """Not before."""
        self.daemon.store.hold()
        self.daemon.keep(0)
        self.assertEqual(self.daemon.stored, [])
        self.daemon.store.release()
        self.assertEqual(len(self.daemon.stored), 1)

    def test_after_a_restart(self) -> None:
        """A new epoch: nothing is taken for a repeat of what was stored before."""
        self.daemon.keep(0)
        self.daemon.keep(1)
        self.daemon = Daemon(self.daemon.store.data)
        self.daemon.keep(2)
        self.assertEqual(self.daemon.history(), [(0, 1, 1), (1, 1, 2), (2, 2, 1)])

    def test_numbers_that_begin_anew(self) -> None:
        """After 65,535 batches of one start, and after as many starts."""
        self.daemon.device.ledger.boot = 0xFFFF
        for second in range(0x10002):
            self.daemon.keep(second)
        self.assertEqual(
            self.daemon.history(0xFFFD),
            [(0xFFFD, 0, 0xFFFE), (0xFFFE, 0, 0xFFFF), (0xFFFF, 0, 0), (0x10000, 0, 1), (0x10001, 0, 2)],
        )


class Lost(SynchronousTestCase):
    def test_a_store_that_takes_nothing(self) -> None:
        """Each is counted, one event tells; the live value is there all the same, and the session goes on."""
        daemon = Daemon()
        daemon.store.full = True
        for second in range(3):
            daemon.keep(second)
        self.assertEqual((daemon.lost, daemon.events(), daemon.history()), (3, ["readings-lost"], []))
        self.assertIs(daemon.device.point_values(daemon.wall_clock())[2].value, True)
        daemon.store.full = False
        daemon.keep(3)
        daemon.store.full = True
        daemon.keep(4)
        self.assertEqual((daemon.lost, daemon.events(), daemon.history()), (4, ["readings-lost"] * 2, [(3, 1, 4)]))
