"""The executor reads equipment by a plan, politely: one request at a time, and operators go first."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.agent.executor import ROUND_SECONDS, Executor
from smok_twisted.devices.orders import Orders, Priority
from smok_twisted.modbus.bank import RegisterBank
from smok_twisted.modbus.pdu import WriteRegister
from smok_twisted.modbus.protocol import LineFault
from smok_twisted.readings import Block, BlockReport, Fault, Table
from smok_twisted.testing import BankLine

NOW_US = 1_800_000_000_000_000


def block(
    unit: int = 1, start: int = 0, interval: int = 10, report: int = 0, deadband: int = 0, count: int = 1
) -> Block:
    return Block(unit, Table.HOLDING, start, count, interval, report, deadband)


class SlowLine:
    """Every request takes ``seconds``; ``busy`` counts those on the bus."""

    def __init__(self, line: BankLine, clock: Clock, seconds: float) -> None:
        self.line, self.clock, self.seconds = line, clock, seconds
        self.busy = 0

    def execute(self, unit: int, pdu: bytes, timeout_seconds: float) -> Deferred[bytes]:
        assert not self.busy, "two requests on one bus"
        self.busy += 1
        answer: Deferred[bytes] = Deferred()
        self.clock.callLater(self.seconds, self._answer, answer, unit, pdu, timeout_seconds)
        return answer

    def _answer(self, answer: Deferred[bytes], unit: int, pdu: bytes, timeout_seconds: float) -> None:
        self.busy -= 1
        self.line.execute(unit, pdu, timeout_seconds).chainDeferred(answer)


class Reading(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.orders = Clock(), Orders()
        self.banks = {unit: RegisterBank() for unit in (1, 2)}
        for bank in self.banks.values():
            bank.registers[Table.HOLDING] = dict.fromkeys(range(10), 7)
        self.line = BankLine(self.banks)
        self.orders.connected(self.line)
        self.rounds: list[tuple[float, tuple[BlockReport, ...], bool]] = []
        self.executor = Executor(self.orders, self.clock, self.wall_clock, self.deliver, timeout_seconds=2.0)

    def wall_clock(self) -> int:
        return NOW_US + int(self.clock.seconds() * 1e6)

    def deliver(self, time_us: int, reports: tuple[BlockReport, ...], send_now: bool) -> None:
        self.rounds.append(((time_us - NOW_US) / 1e6, reports, send_now))

    def slow(self, seconds: float) -> SlowLine:
        slow = SlowLine(self.line, self.clock, seconds)
        self.orders.connected(slow)
        return slow

    def pass_time(self, seconds: float, step: float = 0.1) -> None:
        self.clock.pump([step] * round(seconds / step))

    def test_blocks_are_read_on_their_intervals(self) -> None:
        """What is due together shares one round with one time; in whole numbers, for ever."""
        self.executor.run([block(interval=10), block(start=1, interval=5)])
        self.pass_time(20.5)
        both = (BlockReport(0, (7,)), BlockReport(1, (7,)))
        self.assertEqual([reports for _, reports, _ in self.rounds], [both, both[1:], both, both[1:], both])
        for (moment, _, _), turn in zip(self.rounds, (0, 5, 10, 15, 20), strict=True):
            self.assertApproximates(moment, turn, 0.11)

    def test_no_drift_on_a_slow_line(self) -> None:
        """After an hour of reads that take 0.7 s each, the 360th still begins in time."""
        self.slow(0.7)
        self.executor.run([block(interval=10)])
        self.pass_time(3600)
        self.assertEqual(len(self.rounds), 360)
        self.assertApproximates(self.rounds[-1][0], 3590.7, 0.25)

    def test_no_burst_after_a_pause(self) -> None:
        """The box slept for an hour: one read, not 360."""
        self.executor.run([block(interval=10)])
        self.clock.advance(3600)
        self.assertEqual(len(self.line.asked), 2)

    def test_one_request_at_a_time(self) -> None:
        """A plan that is too much for its bus keeps it busy, not crowded, and every block gets its turn."""
        self.slow(0.3)
        self.executor.run([block(start=start, interval=1) for start in range(10)])
        self.pass_time(30)
        counts = [sum(one.block == number for _, reports, _ in self.rounds for one in reports) for number in range(10)]
        self.assertLessEqual(max(counts) - min(counts), 2)
        self.assertGreaterEqual(min(counts), 7)

    def test_a_round_is_handed_over_even_while_the_bus_hangs(self) -> None:
        """A reading must not wait in memory for a unit that takes its time."""
        self.executor.run([block(), block(unit=2)])
        self.line.hold = True
        self.pass_time(10.0)
        self.assertEqual(len(self.rounds), 1)
        self.line.held.pop(0)()
        self.pass_time(ROUND_SECONDS + 0.1)
        self.assertEqual(self.rounds[1][1], (BlockReport(1, (7,)),))

    def test_report_and_deadband(self) -> None:
        """Every sample is handed over; what may wait is not urgent, a change beyond the deadband is."""
        self.executor.run([block(interval=10, report=60, deadband=3)])
        for word in (7, 8, 20, 20):
            self.banks[1].registers[Table.HOLDING][0] = word
            self.clock.advance(10)
        self.assertEqual(
            [(one[0].words[0], urgent) for _, one, urgent in self.rounds],
            [(7, True), (7, False), (8, False), (20, True), (20, False)],
        )

    def test_faults_are_never_zeros(self) -> None:
        """F23: exception, time-out, wrong reply and dead bus each keep their name."""
        self.executor.run([block(start=100)])
        self.clock.advance(0)
        self.assertEqual(self.rounds[-1][1], (BlockReport(0, (), 2),))
        for fault in Fault:
            self.line.execute = lambda *_, fault=fault: self.failing(fault)  # type: ignore[method-assign]
            self.executor = Executor(self.orders, self.clock, self.wall_clock, self.deliver, 2.0)
            self.executor.run([block()])
            self.clock.advance(0)
            self.assertEqual(self.rounds[-1][1], (BlockReport(0, (), fault),))

    @staticmethod
    def failing(fault: Fault) -> Deferred[bytes]:
        answer: Deferred[bytes] = Deferred()
        answer.errback(LineFault(fault))
        return answer

    def test_an_answer_to_something_else(self) -> None:
        """Two registers where one was asked for are a wrong reply."""
        self.line.hold = True
        self.executor.run([block()])
        self.line.execute(1, b"\x03\x00\x00\x00\x02", 2.0).addCallback(self.orders._running[0].answer.callback)
        self.line.held[1]()
        self.clock.advance(1)
        self.assertEqual(self.rounds[-1][1], (BlockReport(0, (), Fault.WRONG_REPLY),))

    def test_a_dead_unit_does_not_starve_its_neighbours(self) -> None:
        """F23: it is asked less and less, reported with its fault all the while; its neighbour misses nothing."""
        self.line.silent = {2}
        slow = self.slow(2.0)
        self.executor.run([block(unit=2, interval=4), block(unit=2, start=1, interval=4), block(unit=1, interval=4)])
        slow.seconds = 2.0
        self.pass_time(600)
        asked = [unit for unit, _ in self.line.asked]
        self.assertLess(asked.count(2), 10)
        self.assertGreaterEqual(asked.count(1), 140)
        dead = [one for _, reports, _ in self.rounds for one in reports if one.block == 0]
        self.assertGreaterEqual(len(dead), 140)
        self.assertEqual(set(dead), {BlockReport(0, (), Fault.TIMEOUT)})

    def test_a_unit_that_comes_back(self) -> None:
        """After its rest it is asked again, and then it is a unit like the others."""
        self.line.silent = {2}
        self.executor.run([block(unit=2, interval=1)])
        self.pass_time(4)
        self.line.silent = set()
        self.pass_time(6)
        self.line.asked.clear()
        self.pass_time(10)
        self.assertIn(len(self.line.asked), (10, 11))

    def test_an_exception_is_an_answer(self) -> None:
        """A unit that says no is there: it does not rest."""
        self.executor.run([block(start=100, interval=1)])
        self.pass_time(9.5)
        self.assertEqual(len(self.line.asked), 10)

    def test_operators_go_first(self) -> None:
        """A write waits for the request that is on the bus, not for the plan."""
        self.line.hold = True
        self.executor.run([block(start=start) for start in range(5)])
        write = self.orders.ask(1, WriteRegister(0, 1).encode(), Priority.OPERATOR_WRITE)
        self.line.held.pop(0)()
        self.assertEqual(self.line.asked[1], (1, WriteRegister(0, 1).encode()))
        self.line.held.pop(0)()
        self.successResultOf(write)

    def test_a_new_plan_replaces_the_old_one_at_once(self) -> None:
        """An answer to the old plan that still comes is not mistaken for one of the new."""
        self.line.hold = True
        self.executor.run([block(start=0, count=3)])
        self.executor.run([block(start=5, count=1)])
        while self.line.held:
            self.line.held.pop(0)()
            self.clock.advance(0)
        self.assertEqual([reports for _, reports, _ in self.rounds], [(BlockReport(0, (7,)),)])

    def test_stopped_means_stopped(self) -> None:
        """Nothing is asked, no timer is left, what was read is handed over."""
        self.slow(0.2)
        self.executor.run([block(), block(start=1)])
        self.pass_time(0.3)
        self.executor.stop()
        self.assertEqual(self.rounds[0][1], (BlockReport(0, (7,)),))
        self.pass_time(1)
        self.assertEqual(len(self.line.asked), 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_crowd_of_operators_is_no_fault_of_the_equipment(self) -> None:
        """When 256 requests wait already, a read is left out, not reported as a fault."""
        self.line.hold = True
        for _ in range(257):
            self.orders.ask(1, b"\x03\x00\x00\x00\x01", Priority.OPERATOR_READ)
        self.executor.run([block(interval=1)])
        self.clock.advance(0.9)
        self.assertEqual(self.rounds, [])
