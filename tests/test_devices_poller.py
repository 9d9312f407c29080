"""The poller reads by a plan over links that hold none: in its rhythm, politely, and never twice at once."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.devices.orders import WAITING_AT_MOST, Orders, Priority
from smok_twisted.devices.poller import LOOK_AGAIN_SECONDS, Poller
from smok_twisted.modbus.bank import RegisterBank
from smok_twisted.modbus.pdu import Read, WriteRegister
from smok_twisted.readings import Block, BlockReport, Plan, Table
from smok_twisted.testing import BankLine

NOW_US = 1_800_000_000_000_000
READ = Read(Table.HOLDING, 9, 1).encode()


def block(unit: int = 1, start: int = 0, interval: int = 10, count: int = 1) -> Block:
    return Block(unit, Table.HOLDING, start, count, interval, 0, 0)


def plan(*blocks: Block, number: int = 1) -> Plan:
    return Plan(number, blocks, "m", "v")


class SlowLine:
    """Every request takes ``seconds``; ``most_busy`` is how many were on it at once."""

    def __init__(self, line: BankLine, clock: Clock, seconds: float) -> None:
        self.line, self.clock, self.seconds = line, clock, seconds
        self.busy = self.most_busy = 0

    def execute(self, unit: int, pdu: bytes, timeout_seconds: float) -> Deferred[bytes]:
        self.busy += 1
        self.most_busy = max(self.busy, self.most_busy)
        answer: Deferred[bytes] = Deferred()
        self.clock.callLater(self.seconds, self._answer, answer, unit, pdu, timeout_seconds)
        return answer

    def _answer(self, answer: Deferred[bytes], unit: int, pdu: bytes, timeout_seconds: float) -> None:
        self.busy -= 1
        self.line.execute(unit, pdu, timeout_seconds).chainDeferred(answer)


class Polling(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.orders = Clock(), Orders()
        self.banks = {unit: RegisterBank() for unit in (1, 2)}
        for bank in self.banks.values():
            bank.registers[Table.HOLDING] = {address: 100 + address for address in range(10)}
        self.line = BankLine(self.banks)
        self.orders.connected(self.line)
        self.kept: list[tuple[float, int, tuple[BlockReport, ...]]] = []
        self.poller = self.new_poller()

    def new_poller(self, words_at_most: int = 125, orders_at_once: int = 1) -> Poller:
        return Poller(
            self.orders,
            self.clock,
            self.wall_clock,
            self.keep,
            words_at_most=words_at_most,
            orders_at_once=orders_at_once,
        )

    def wall_clock(self) -> int:
        return NOW_US + int(self.clock.seconds() * 1e6)

    def keep(self, plan_number: int, time_us: int, reports: tuple[BlockReport, ...]) -> None:
        self.kept.append(((time_us - NOW_US) / 1e6, plan_number, reports))

    def pass_time(self, seconds: float, step: float = 0.25) -> None:
        self.clock.pump([step] * round(seconds / step))

    def slow(self, seconds: float) -> SlowLine:
        slow = SlowLine(self.line, self.clock, seconds)
        self.orders.connected(slow)
        return slow

    def times_of(self, number: int) -> list[float]:
        return [moment for moment, _, reports in self.kept for report in reports if report.block == number]

    def asked(self) -> list[tuple[int, int, int]]:
        """Every read on the line: unit, start, count."""
        return [(unit, int.from_bytes(pdu[1:3]), int.from_bytes(pdu[3:5])) for unit, pdu in self.line.asked]


class Rhythm(Polling):
    def test_blocks_are_read_on_their_intervals(self) -> None:
        """What came at one moment is kept together, with that moment."""
        self.poller.run(plan(block(interval=10, count=2), block(start=5, interval=5), number=7))
        self.pass_time(20.5)
        both = (BlockReport(0, (100, 101)), BlockReport(1, (105,)))
        expected = [(0, 7, both), (5, 7, both[1:]), (10, 7, both), (15, 7, both[1:]), (20, 7, both)]
        self.assertEqual(self.kept, expected)

    def test_stamped_when_the_answer_arrives(self) -> None:
        """Not when it was asked for; and the rhythm does not drift."""
        self.slow(0.5)
        self.poller.run(plan(block(), block(start=1)))
        self.pass_time(3600)
        self.assertEqual([moment for moment, _, _ in self.kept[:4]], [0.5, 1.0, 10.5, 11.0])
        self.assertEqual(self.times_of(1)[-1], 3591.0)

    def test_no_burst_after_a_pause(self) -> None:
        """An hour without reading is followed by one read a block, back on the old grid."""
        self.poller.run(plan(block(), block(start=1)))
        self.pass_time(1)
        self.poller.stop()
        self.pass_time(3602)
        self.line.asked.clear()
        self.poller.run(plan(block(), block(start=1)))
        self.pass_time(5)
        self.assertEqual(self.asked(), [(1, 0, 1), (1, 1, 1)])
        self.kept.clear()
        self.pass_time(10)
        self.assertEqual([moment for moment, _, _ in self.kept], [3610.0])

    def test_a_clock_that_leaps(self) -> None:
        """The daemon was frozen for an hour: the same."""
        self.poller.run(plan(block()))
        self.clock.advance(3605)
        self.clock.advance(0)
        self.pass_time(10)
        self.assertEqual(self.times_of(0), [0, 3605, 3610])

    def test_a_line_too_slow_for_the_plan(self) -> None:
        """It delays, it never piles up; every block has its turn."""
        slow = self.slow(4)
        self.poller.run(plan(*(block(start=start, interval=5) for start in range(4))))
        self.pass_time(400)
        counts = [len(self.times_of(number)) for number in range(4)]
        self.assertEqual((min(counts) > 20, sum(counts), slow.most_busy), (True, 100, 1), counts)

    def test_an_empty_plan(self) -> None:
        """Nothing to do, and no timer."""
        self.poller.run(plan())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_new_plan(self) -> None:
        """Its blocks are read at once; what the old one still gets belongs to nobody."""
        self.line.hold = True
        self.poller.run(plan(block()))
        self.line.hold = False
        self.poller.run(plan(block(start=3), number=2))
        self.line.held.pop()()
        self.pass_time(1)
        self.assertEqual([kept[1:] for kept in self.kept], [(2, (BlockReport(0, (103,)),))])

    def test_a_plan_that_changes_at_the_moment_of_an_answer(self) -> None:
        """Each report goes with the plan under which it was read."""
        self.poller.run(plan(block()))
        self.poller.run(plan(block(start=3), number=2))
        self.pass_time(1)
        self.assertEqual(
            [kept[1:] for kept in self.kept], [(1, (BlockReport(0, (100,)),)), (2, (BlockReport(0, (103,)),))]
        )

    def test_the_same_plan_again(self) -> None:
        """A device that connects every second is not polled every second."""
        for _ in range(9):
            self.poller.run(plan(block()))
            self.pass_time(1)
            self.poller.stop()
        self.assertEqual(self.times_of(0), [0])

    def test_stopped(self) -> None:
        """Nothing is asked, and no timer stays."""
        self.poller.run(plan(block()))
        self.pass_time(1)
        self.poller.stop()
        self.line.asked.clear()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.pass_time(60)
        self.assertEqual(self.line.asked, [])


class Manners(Polling):
    def test_in_parts(self) -> None:
        """A link that reads one register with a command is asked for one, so that others need not wait for a block."""
        self.poller = self.new_poller(words_at_most=1)
        slow = self.slow(1)
        self.poller.run(plan(block(count=3)))
        self.pass_time(1.5)
        self.orders.ask(2, READ, Priority.OPERATOR_READ)
        self.pass_time(5)
        self.assertEqual(self.asked(), [(1, 0, 1), (1, 1, 1), (2, 9, 1), (1, 2, 1)])
        self.assertEqual(self.kept, [(4.0, 1, (BlockReport(0, (100, 101, 102)),))])
        self.assertEqual(slow.most_busy, 1)

    def test_parts_of_several(self) -> None:
        """The last part has what is left."""
        self.poller = self.new_poller(words_at_most=4)
        self.poller.run(plan(block(count=10)))
        self.pass_time(1)
        self.assertEqual(self.asked(), [(1, 0, 4), (1, 4, 4), (1, 8, 2)])
        self.assertEqual(self.kept[0][2], (BlockReport(0, tuple(range(100, 110))),))

    def test_a_line_that_answers_at_once(self) -> None:
        """Thousands of instant answers do not nest."""
        self.poller = self.new_poller(words_at_most=1)
        self.banks[1].registers[Table.HOLDING] = dict.fromkeys(range(2400), 7)
        self.poller.run(plan(*(block(start=start, count=120) for start in range(0, 2400, 120))))
        self.pass_time(1)
        self.assertEqual((len(self.line.asked), len(self.kept[0][2])), (2400, 20))

    def test_operators_go_first(self) -> None:
        """Whoever asks while blocks wait is next."""
        self.poller = self.new_poller(orders_at_once=10)
        self.slow(1)
        self.poller.run(plan(*(block(start=start) for start in range(4))))
        self.orders.ask(2, WriteRegister(9, 1).encode(), Priority.OPERATOR_WRITE)
        self.pass_time(6)
        self.assertEqual([unit for unit, _, _ in self.asked()], [1, 2, 1, 1, 1])

    def test_a_full_queue(self) -> None:
        """The poller comes back later; nothing is lost but time."""
        self.line.hold = True
        others = [self.orders.ask(2, READ, Priority.GATEWAY) for _ in range(WAITING_AT_MOST + 1)]
        self.poller.run(plan(block()))
        self.line.hold = False
        self.line.held.pop()()
        self.assertEqual(len([self.successResultOf(other) for other in others]), WAITING_AT_MOST + 1)
        self.pass_time(LOOK_AGAIN_SECONDS + 1)
        self.assertEqual(self.times_of(0), [LOOK_AGAIN_SECONDS])

    def test_a_lost_link(self) -> None:
        """No reading, so no report; over the next connection what was lost is read at once."""
        self.line.hold = True
        self.poller.run(plan(block(), block(start=1)))
        self.orders.disconnected()
        self.line.hold = False
        self.pass_time(60)
        self.assertEqual(self.kept, [])
        self.orders.connected(self.line)
        self.poller.run(plan(block(), block(start=1)))
        self.pass_time(1)
        self.assertEqual((self.times_of(0), self.times_of(1)), ([60], [60]))

    def test_stopped_in_the_middle(self) -> None:
        """What waits in the queue is taken out; what was sent is not looked at."""
        self.poller = self.new_poller(words_at_most=1, orders_at_once=3)
        self.line.hold = True
        self.poller.run(plan(block(count=5)))
        self.poller.stop()
        self.line.held.pop()()
        self.pass_time(60)
        self.assertEqual((len(self.line.asked), self.kept), (1, []))
