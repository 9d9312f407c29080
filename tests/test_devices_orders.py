"""Orders: by priority, one at a time, one answer each."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.devices.orders import WAITING_AT_MOST, NotSent, Orders, OutcomeUnknown, Priority
from smok_twisted.modbus.protocol import LineFault
from smok_twisted.readings import Fault


class HeldLine:
    """A line on which the test answers."""

    def __init__(self) -> None:
        self.running: list[tuple[bytes, Deferred[bytes]]] = []
        self.sent: list[bytes] = []

    def execute(self, unit: int, pdu: bytes, timeout_seconds: float) -> Deferred[bytes]:
        answer: Deferred[bytes] = Deferred()
        self.running.append((pdu, answer))
        self.sent.append(pdu)
        return answer

    def answer(self) -> None:
        pdu, answer = self.running.pop(0)
        answer.callback(b"answer to " + pdu)


class Queue(SynchronousTestCase):
    def setUp(self) -> None:
        self.orders, self.line = Orders(), HeldLine()

    def ask(self, pdu: bytes, priority: Priority = Priority.POLLER) -> Deferred[bytes]:
        return self.orders.ask(1, pdu, priority)

    def test_who_goes_first(self) -> None:
        """Operator write > operator read > gateway > poller, each in order of arrival."""
        self.orders.connected(self.line)
        for name, priority in [
            (b"now", Priority.POLLER),
            (b"poll", Priority.POLLER),
            (b"master", Priority.GATEWAY),
            (b"write 1", Priority.OPERATOR_WRITE),
            (b"read", Priority.OPERATOR_READ),
            (b"write 2", Priority.OPERATOR_WRITE),
        ]:
            self.ask(name, priority)
        for _ in range(6):
            self.assertEqual(len(self.line.running), 1)
            self.line.answer()
        self.assertEqual(self.line.sent, [b"now", b"write 1", b"write 2", b"read", b"master", b"poll"])

    def test_several_at_once(self) -> None:
        """A link that takes three gets three; then the order of priorities holds again."""
        self.orders.connected(self.line, 3)
        orders = [self.ask(b"%d" % number) for number in range(5)]
        write = self.ask(b"write", Priority.OPERATOR_WRITE)
        self.assertEqual(self.line.sent, [b"0", b"1", b"2"])
        self.line.answer()
        self.assertEqual(self.line.sent, [b"0", b"1", b"2", b"write"])
        self.orders.disconnected()
        self.assertEqual(self.successResultOf(orders[0]), b"answer to 0")
        for order in (orders[1], orders[2], write):
            self.failureResultOf(order, OutcomeUnknown)
        for order in orders[3:]:
            self.failureResultOf(order, NotSent)

    def test_nothing_waits_for_a_device_that_is_away(self) -> None:
        """Orders are not queued across a lost connection."""
        self.failureResultOf(self.ask(b"x"), NotSent)
        self.orders.connected(self.line)
        running, waiting = self.ask(b"a"), self.ask(b"b")
        self.orders.disconnected()
        self.failureResultOf(running, OutcomeUnknown)
        self.failureResultOf(waiting, NotSent)
        self.orders.connected(HeldLine())
        self.line.answer()  # too late: nobody is told twice
        self.assertEqual(self.line.sent, [b"a"])

    def test_an_order_that_nobody_wants_any_more_is_not_sent(self) -> None:
        """Cancelled before its turn it never goes out; cancelled later its answer is dropped."""
        self.orders.connected(self.line)
        running, waiting, last = self.ask(b"a"), self.ask(b"b"), self.ask(b"c")
        for order in (running, waiting):
            order.addErrback(lambda _: None)
            order.cancel()
        self.line.answer()
        self.line.answer()
        self.assertEqual(self.line.sent, [b"a", b"c"])
        self.assertEqual(self.successResultOf(last), b"answer to c")

    def test_the_queue_is_bounded(self) -> None:
        """One too many is refused at once, with the reason."""
        self.orders.connected(self.line)
        for _ in range(WAITING_AT_MOST + 1):
            self.ask(b"x")
        self.assertIn("256 orders wait", str(self.failureResultOf(self.ask(b"x"), NotSent).value))

    def test_cancelled_orders_make_room(self) -> None:
        """Who gave up does not keep others out, and those that stay keep their order."""
        self.orders.connected(self.line)
        self.ask(b"running")
        first, *given_up, last = [self.ask(b"%d" % number) for number in range(WAITING_AT_MOST)]
        for order in given_up:
            order.addErrback(lambda failure: failure.trap(CancelledError))
            order.cancel()
        urgent = self.ask(b"urgent", Priority.OPERATOR_WRITE)
        for _ in range(4):
            self.line.answer()
        self.assertEqual(self.line.sent, [b"running", b"urgent", b"0", b"%d" % (WAITING_AT_MOST - 1)])
        for order in (urgent, first, last):
            self.successResultOf(order)

    def test_a_line_that_answers_at_once(self) -> None:
        """Hundreds of instant answers do not nest."""
        asked: list[bytes] = []

        class Instant:
            def execute(self, unit: int, pdu: bytes, timeout_seconds: float) -> Deferred[bytes]:
                asked.append(pdu)
                return succeed(pdu)

        self.orders.connected(self.line)
        answers = [self.ask(b"%d" % number) for number in range(WAITING_AT_MOST)]
        self.orders._line = Instant()
        self.line.answer()
        self.assertEqual(len([self.successResultOf(answer) for answer in answers]), WAITING_AT_MOST)
        self.assertEqual(len(asked), WAITING_AT_MOST - 1)


class OnceEach(RuleBasedStateMachine):
    """Whatever happens, each order is answered exactly once, never sent twice, and never before a more urgent one.

    A line takes one order at a time, as a serial one does, or three.
    """

    def __init__(self) -> None:
        super().__init__()
        self.orders = Orders()
        self.line: HeldLine | None = None
        self.old_lines: list[HeldLine] = []
        self.answers: dict[int, list[Any]] = {}
        self.open: dict[int, Deferred[bytes]] = {}
        self.ranks: dict[int, tuple[Priority, int]] = {}
        self.line_before: dict[int, int] = {}  # how many orders its line had sent when this one came
        self.at_once = 1

    @rule(priority=st.sampled_from(Priority))
    def ask(self, priority: Priority) -> None:
        number = len(self.answers)
        self.answers[number] = []
        self.ranks[number] = (priority, number)
        self.line_before[number] = len(self.line.sent) if self.line else 0
        self.open[number] = self.orders.ask(1, b"%d" % number, priority)
        self.open[number].addBoth(self.answers[number].append)

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Whoever asked waits no longer; he hears so, once."""
        numbers = [number for number, answers in self.answers.items() if not answers]
        if numbers:
            number = data.draw(st.sampled_from(numbers))
            self.open[number].cancel()
            assert self.answers[number][0].check(CancelledError)

    @rule(at_once=st.sampled_from([1, 1, 3]))
    def connect(self, at_once: int) -> None:
        if self.line is None:
            self.line, self.at_once = HeldLine(), at_once
            self.orders.connected(self.line, at_once)

    @rule()
    def disconnect(self) -> None:
        self.orders.disconnected()
        if self.line is not None:
            self.old_lines.append(self.line)
            self.line = None
        assert all(len(answers) == 1 for answers in self.answers.values())

    @rule()
    def answer(self) -> None:
        if self.line is not None and self.line.running:
            self.line.answer()

    @rule()
    def fail(self) -> None:
        """The equipment does not answer in time."""
        if self.line is not None and self.line.running:
            self.line.running.pop(0)[1].errback(LineFault(Fault.TIMEOUT))

    @rule()
    def answer_too_late(self) -> None:
        for line in self.old_lines:
            if line.running:
                line.answer()

    @invariant()
    def no_more_outstanding_than_the_line_takes(self) -> None:
        assert self.line is None or len(self.line.running) <= self.at_once

    @invariant()
    def nobody_waits_for_nothing_or_behind_the_less_urgent(self) -> None:
        """What waits is less urgent than whatever was sent since it came."""
        sent = {int(pdu) for line in self.lines() for pdu in line.sent}
        waiting = [number for number, answers in self.answers.items() if not answers and number not in sent]
        if self.line is None:
            assert not waiting
            return
        assert not waiting or len(self.line.running) == self.at_once
        for number in waiting:
            later = self.line.sent[self.line_before.get(number, 0) :]
            assert all(self.ranks[int(pdu)] < self.ranks[number] for pdu in later)

    @invariant()
    def answered_at_most_once(self) -> None:
        assert all(len(answers) <= 1 for answers in self.answers.values())
        for number, answers in self.answers.items():
            if answers and not isinstance(answers[0], Failure):
                assert answers[0] == b"answer to %d" % number

    @invariant()
    def sent_at_most_once(self) -> None:
        sent = [pdu for line in self.lines() for pdu in line.sent]
        assert len(sent) == len(set(sent))

    def lines(self) -> list[HeldLine]:
        return [*self.old_lines, *([self.line] if self.line else [])]


class AnyMix(SynchronousTestCase):
    def test_once_each(self) -> None:
        """Any mix of orders, answers, late answers and lost links."""
        run_state_machine_as_test(OnceEach)
