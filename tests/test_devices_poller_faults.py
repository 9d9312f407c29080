"""The poller when equipment does not answer as it should, and within the window of orders."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from smok_twisted.devices.orders import Orders, Priority
from smok_twisted.devices.poller import LOOK_AGAIN_SECONDS
from smok_twisted.modbus.protocol import LineFault
from smok_twisted.readings import BlockReport, Fault, Table
from smok_twisted.testing import BankLine

from .test_devices_poller import Polling, block, plan


class ManyAtOnce(Orders):
    """Hands every order to its line at once, as a link with a window of that size would."""

    def ask(self, unit: int, pdu: bytes, priority: Priority, timeout_seconds: float = 30.0) -> Deferred[bytes]:
        assert self._line is not None
        return self._line.execute(unit, pdu, timeout_seconds)


class Faults(Polling):
    def test_a_fault_is_a_report(self) -> None:
        """A time-out, and the equipment's no; never a value."""
        self.line.silent = {2}
        self.poller.run(plan(block(start=99), block(2)))
        self.pass_time(1)
        self.assertEqual(self.kept[0][2], (BlockReport(0, (), 2), BlockReport(1, (), Fault.TIMEOUT)))

    def test_a_dead_unit_does_not_starve_its_neighbour(self) -> None:
        """It rests longer and longer, up to five minutes, and does not waste the line."""
        self.line.silent = {2}
        self.poller.run(plan(*(block(2, start) for start in range(5)), block(1)))
        self.pass_time(995)
        self.assertEqual(len(self.times_of(5)), 100)
        dead = [unit for unit, _, _ in self.asked() if unit == 2]
        self.assertTrue(6 <= len(dead) <= 9, dead)

    def test_a_unit_that_rests_costs_little(self) -> None:
        """What is due and may not be asked for is looked at now and then only."""
        self.line.silent = {2}
        self.poller.run(plan(block(2, interval=1)))
        self.clock.advance(0)
        self.clock.advance(1)
        self.assertEqual([call.getTime() for call in self.clock.getDelayedCalls()], [1 + LOOK_AGAIN_SECONDS])

    def test_a_unit_that_comes_back(self) -> None:
        """All its blocks are read again as soon as it answers."""
        self.line.silent = {2}
        self.poller.run(plan(block(2), block(2, 1)))
        self.pass_time(12)
        self.line.silent = set()
        self.kept.clear()
        self.pass_time(20)
        self.assertEqual(self.kept[0][2], (BlockReport(0, (100,)), BlockReport(1, (101,))))

    def test_a_register_that_looks_dead(self) -> None:
        """P24 cannot tell a missing register from a dead unit: the other blocks are late, and never left out."""
        del self.banks[1].registers[Table.HOLDING][4]

        class Vague(BankLine):
            def execute(self, unit: int, pdu: bytes, timeout_seconds: float) -> Deferred[bytes]:
                answer = super().execute(unit, pdu, timeout_seconds)
                return answer.addCallback(self.no_exceptions)

            @staticmethod
            def no_exceptions(pdu: bytes) -> bytes:
                if pdu[0] & 0x80:
                    raise LineFault(Fault.TIMEOUT)
                return pdu

        self.orders.connected(Vague(self.banks))
        self.poller.run(plan(*(block(start=start, interval=60) for start in (3, 4, 5))))
        self.pass_time(595)
        counts = [len(self.times_of(number)) for number in range(3)]
        self.assertEqual(counts, [10, 10, 10])

    def test_the_rest_of_a_block_is_not_asked_after_a_fault(self) -> None:
        """Each would take the line as long as the first."""
        self.poller = self.new_poller(words_at_most=1)
        self.line.silent = {2}
        self.poller.run(plan(block(2, count=10)))
        self.pass_time(1)
        self.assertEqual(self.asked(), [(2, 0, 1)])
        self.assertEqual(self.kept[0][2], (BlockReport(0, (), Fault.TIMEOUT),))


class Window(Polling):
    """Several orders at once."""

    def setUp(self) -> None:
        super().setUp()
        self.orders = ManyAtOnce()
        self.orders.connected(self.line)
        self.line.hold = True
        self.poller = self.new_poller(words_at_most=1, orders_at_once=6)

    def answer(self, count: int) -> None:
        held, self.line.held = self.line.held[:count], self.line.held[count:]
        for one in held:
            one()

    def test_all_that_is_due_is_asked_at_once(self) -> None:
        """Over the blocks, up to the window; each answer lets one more out."""
        self.poller.run(plan(block(count=2), block(start=5), block(2, 3, count=5)))
        first = [(1, 0, 1), (1, 1, 1), (1, 5, 1), (2, 3, 1), (2, 4, 1), (2, 5, 1)]
        self.assertEqual(self.asked(), first)
        self.answer(1)
        self.assertEqual(self.asked(), [*first, (2, 6, 1)])
        self.answer(6)
        self.answer(1)
        self.pass_time(1)
        blocks = (BlockReport(0, (100, 101)), BlockReport(1, (105,)), BlockReport(2, (103, 104, 105, 106, 107)))
        self.assertEqual(self.kept, [(0, 1, blocks)])

    def test_a_unit_that_was_silent_is_asked_one_thing(self) -> None:
        """Until it has answered: with a window of a hundred it would take the line for minutes."""
        self.line.silent = {2}
        self.poller.run(plan(block(2, 3, count=2), block(2, 5, count=2)))
        self.pass_time(1)
        self.assertEqual(self.asked(), [(2, 3, 1)])
        self.line.asked.clear()
        self.line.silent = set()
        self.pass_time(10)
        self.assertEqual(self.asked(), [(2, 5, 1)])
        self.answer(1)
        self.assertEqual(self.asked(), [(2, 5, 1), (2, 6, 1), (2, 3, 1), (2, 4, 1)])

    def test_one_fault_of_many_outstanding_counts_once(self) -> None:
        """Twenty reads that were on their way to a dead unit do not send it to rest for five minutes."""
        self.line.hold = False
        self.line.silent = {2}
        self.poller = self.new_poller(words_at_most=1, orders_at_once=20)
        self.slow(1)
        self.poller.run(plan(*(block(2, start) for start in range(10))))
        self.pass_time(2)
        self.line.asked.clear()
        self.pass_time(12)
        self.assertEqual(len(self.line.asked), 1)
