"""Promise: a slow serial line delays, it is no silence: only when nothing is answered any more is time up."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.devices.commands import Asker, Commands
from smok_twisted.devices.orders import NotSent, OutcomeUnknown
from smok_twisted.devices.writes import to_point
from smok_twisted.modbus.bank import RegisterBank
from smok_twisted.modbus.pdu import Request, WriteRegister
from smok_twisted.modbus.protocol import LineFault
from smok_twisted.readings import Fault, Table
from smok_twisted.testing import BankLine

from .p24_in_memory import Server
from .server_in_memory import result_of
from .test_links_p24_server import HOLDING, READ_10, READ_11, THREE, Session

HEALTHY_SECONDS, DEAD_SECONDS = 0.07, 1.5

#: Unit 1 is read first and is dead, unit 2 is well.
TWO_UNITS = "\n".join(
    ['name = "boiler"', 'interval = "60s"']
    + [f'[[point]]\nname = "a{n}"\nregister = "holding"\naddress = {n}\nunit_id = 1' for n in range(25)]
    + [f'[[point]]\nname = "b{n}"\nregister = "holding"\naddress = {n}\nunit_id = 2' for n in range(5)]
    + ['[[point]]\nname = "set"\nregister = "holding"\naddress = 9\nunit_id = 2\naccess = "rw"\nmin = 0\nmax = 90']
    + ["verify = false"]
)


class SlowLine(BankLine):
    """Takes the time that a serial line takes."""

    def __init__(self, clock: Clock, units: dict[int, RegisterBank]) -> None:
        super().__init__(units)
        self._clock = clock
        self.times: list[tuple[float, int]] = []

    def execute(self, unit: int, pdu: bytes, timeout_seconds: float) -> Deferred[bytes]:
        seconds = DEAD_SECONDS if unit in self.silent else HEALTHY_SECONDS
        self.times.append((self._clock.seconds(), unit))
        answer: Deferred[bytes] = deferLater(self._clock, seconds, super().execute, unit, pdu, timeout_seconds)
        return answer


class DeadUnit(SynchronousTestCase):
    """Window 100: everything that is due is at the device at once, and the dead unit's reads come first."""

    def setUp(self) -> None:
        self.server = Server(100, TWO_UNITS)
        self.device = self.server.device
        bank = RegisterBank()
        bank.registers[Table.HOLDING] = dict.fromkeys(range(10), 7)
        self.line = SlowLine(self.server.clock, {2: bank})
        self.line.silent = {1}
        self.end = self.server.dial(self.line)

    def tearDown(self) -> None:
        self.end.wire.cut()
        self.server.clock.advance(2)
        self.assertEqual([crash.getTraceback() for crash in self.server.notes.crashes], [])
        self.assertEqual(self.server.clock.getDelayedCalls(), [])

    def qualities(self, letter: str) -> set[str]:
        found = self.device.point_values(self.server.wall_clock())
        return {one.quality for one in found if one.point.name.startswith(letter)}

    def test_its_neighbour_is_late_and_well(self) -> None:
        """25 reads of 1.5 s go before: the neighbour's values come after 37.5 s, and never a time-out."""
        seen = set()
        for _ in range(60):
            self.end.pass_time(1, 0.1)
            seen |= self.qualities("b")
        self.assertEqual(self.qualities("a"), {"timeout"})
        self.assertEqual(seen, {"stale", "unauthenticated"})
        kept = [(block.block, block.fault) for one in self.server.reports() for block in one.blocks]
        self.assertEqual(kept, [(0, Fault.TIMEOUT), (1, 0), (2, 0)])

    def test_a_users_write_behind_it(self) -> None:
        """It is confirmed, late; its outcome is not unknown."""
        commands = Commands(self.server.store, self.server.clock, self.server.wall_clock, lambda: "1")
        assert self.device.register_map is not None
        write = to_point(self.device.record, self.device.register_map, "set", 55)
        command: Any = result_of(commands.submit(self.device, write, Asker("anna", "web")))
        done = command.when_settled()
        self.end.pass_time(36, 0.1)
        self.assertNoResult(done)
        self.end.pass_time(4, 0.1)
        self.assertEqual(self.successResultOf(done).state, "confirmed")
        self.assertEqual(self.line.units[2].registers[Table.HOLDING][9], 55)


class Patience(Session):
    """What an order's time-out counts: silence of the connection, while it is on its way."""

    window = 100

    def execute(self, request: Request, timeout_seconds: float) -> Deferred[bytes]:
        return self.server.session.execute(1, request.encode(), timeout_seconds)

    def assertTimeout(self, answer: Deferred[bytes]) -> None:
        self.assertEqual(self.failureResultOf(answer, LineFault).value.fault, Fault.TIMEOUT)

    def test_any_answer_is_news_for_everybody(self) -> None:
        """Three seconds of patience last as long as something comes every three seconds, and three seconds more."""
        first, second = self.execute(THREE, 3), self.execute(HOLDING, 3)
        for packet in ("03 00 00 01", "02 fe 00", "03 00 00 03"):  # the last one is nobody's any more
            self.tick(2.9)
            self.end.say(packet)
        self.assertEqual(self.failureResultOf(first, LineFault).value.fault, Fault.CRC)
        self.tick(2.9)
        self.assertNoResult(second)
        self.tick(0.1)
        self.assertTimeout(second)

    def test_what_came_before_it_was_asked_does_not_count(self) -> None:
        """Each order has its own time, from when it was asked at the earliest."""
        late = self.execute(HOLDING, 10)
        self.tick(4)
        soon = self.execute(HOLDING, 3)
        self.tick(2.9)
        self.assertNoResult(soon)
        self.tick(0.1)
        self.assertTimeout(soon)
        self.assertNoResult(late)
        self.tick(3)
        self.assertTimeout(late)

    def test_a_sign_of_life_counts(self) -> None:
        """A keepalive's answer is one too."""
        self.tick(24)
        self.end.take()
        self.tick(1)
        answer = self.execute(HOLDING, 5)
        self.tick(4)
        self.end.say("01 00")
        self.tick(4)
        self.end.say("03 00 00 29")
        self.successResultOf(answer)

    def test_a_dead_connection_is_found_with_a_hundred_on_their_way(self) -> None:
        """F11: twenty seconds after the last answer, however many wait; each is told once that nobody knows."""
        told: list[object] = []
        for _ in range(100):
            self.ask(HOLDING.encode()).addBoth(told.append)
        self.tick(15)
        self.end.say("03 00 00 29")
        self.tick(19.9)
        self.assertEqual((len(told), self.end.wire.up), (1, True))
        self.tick(0.1)
        self.assertClosed("no-answer")
        self.assertEqual(len(told), 100)
        self.assertTrue(all(one.check(OutcomeUnknown) for one in told[1:] if isinstance(one, Failure)))
        self.assertEqual(sum(isinstance(one, Failure) for one in told), 99)


class Deadlines(Session):
    """Window 1: what is asked for waits here, not at the device."""

    def test_a_write_is_not_sent_after_its_deadline(self) -> None:
        """The answers to others give it no more time; it is told that nothing has happened. A read may wait."""
        session = self.server.session
        before = session.execute(1, THREE.encode(), 10)
        write = session.execute(1, WriteRegister(7, 1).encode(), 10)
        read = session.execute(1, HOLDING.encode(), 10)
        self.assertEqual(self.end.take(), READ_10)
        self.tick(9)
        self.end.say("03 00 00 01")
        self.assertEqual(self.end.take(), READ_11)
        self.tick(0.9)
        self.assertNoResult(write)
        self.tick(0.1)
        reason = self.failureResultOf(write, NotSent).value
        self.assertEqual(str(reason), "others were before it for 10 s; nothing was sent, try again")
        self.end.say("03 00 00 02")
        self.end.take()
        self.end.say("03 00 00 03")
        self.successResultOf(before)
        self.assertEqual(self.end.take(), "04 03 0f f9 01")
        self.end.say("03 00 00 29")
        self.successResultOf(read)

    def test_a_write_that_is_sent_in_time_may_take_longer(self) -> None:
        """Then its deadline is over: what counts is that something comes."""
        session = self.server.session
        before = session.execute(1, HOLDING.encode(), 10)
        write = session.execute(1, WriteRegister(7, 1).encode(), 10)
        self.end.take()
        self.tick(9)
        self.end.say("03 00 00 29")
        self.successResultOf(before)
        self.assertEqual(self.end.take(), "06 05 00 07 00 01 01")
        self.tick(9.9)
        self.assertNoResult(write)
        self.end.say("02 00 00")
        self.assertEqual(self.successResultOf(write), WriteRegister(7, 1).encode())
