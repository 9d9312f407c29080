"""Reconnects and takeovers at any point, against a model of what a device and its operator may rely on."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.devices.orders import NotSent, OutcomeUnknown, Priority
from smok_twisted.links.smok4 import messages
from smok_twisted.links.smok4.messages import ModbusRequest, ModbusResponse, Type
from smok_twisted.links.smok4.rounds import RoundEncoder
from smok_twisted.links.smok4.server import SessionTimes
from smok_twisted.readings import BlockReport, Round
from smok_twisted.storage.memory import MemoryStore
from smok_twisted.storage.records import Batch

from .server_in_memory import DEVICE_ID, DeviceEnd, Server, result_of

#: So long that no session ends by silence within a run.
TIMES = SessionTimes(keepalive_seconds=2550)
SELDOM = st.integers(0, 5).map(lambda number: number == 5)
HOSTS = ("198.51.100.1", "203.0.113.7")


class Lives(RuleBasedStateMachine):
    """One credential, its connections one after the other, and orders. ``kept``: batches not acknowledged yet."""

    def __init__(self) -> None:
        super().__init__()
        self.server = Server(TIMES)
        self.ends: list[DeviceEnd] = []
        self.boot, self.batch, self.host = 7, 0, HOSTS[0]
        self.kept: list[int] = []
        self.acknowledged: set[tuple[int, int]] = set()
        self.results: list[list[Any]] = []
        self.handed: list[tuple[int, int]] = []
        append = self.server.store.append
        self.server.store.append = lambda batch: self.note(batch) or append(batch)  # type: ignore[method-assign]

    def note(self, batch: Batch) -> None:
        """The store gets this, for the first and the last time: it need not tell repeats apart."""
        assert (batch.boot, batch.batch) not in self.handed
        self.handed.append((batch.boot, batch.batch))

    @initialize()
    def begin(self) -> None:
        self.server.store.hold()
        self.dial(False, False)
        self.end.hold(0)
        self.end.take_plan()

    @property
    def end(self) -> DeviceEnd:
        return self.ends[-1]

    # -- what may happen

    @rule(elsewhere=SELDOM, is_rebooted=st.integers(0, 2).map(lambda number: number == 2))
    def dial(self, elsewhere: bool, is_rebooted: bool) -> None:
        """A new connection proves itself, whatever became of the old ones: it is the session from then on."""
        if elsewhere:
            self.server.clock.advance(601)  # else it would be a clone
            self.host = next(host for host in HOSTS if host != self.host)
        if is_rebooted:
            self.boot, self.batch, self.kept = self.boot + 1, 0, []
        pending = self.seen_and_not_answered()
        before = self.server.device.session
        end = self.server.dial(self.host, boot=self.boot, cursor=self.batch)
        assert end.welcome is not None
        self.ends.append(end)
        self.session = self.server.device.session
        assert self.session is not before
        for number, results in enumerate(self.results):
            (result,) = results  # of the old session: settled, each once
            if number in pending:
                assert result.check(OutcomeUnknown), result
        self.told(end.welcome.cursor)
        self.send_all()

    @rule(count=st.integers(1, 3), is_delivered=SELDOM.map(lambda no: not no))
    def report(self, count: int, is_delivered: bool) -> None:
        """Batches; they may stay on the line."""
        for _ in range(count):
            self.batch += 1
            self.kept.append(self.batch)
            if self.end.wire.up:
                self.send(self.batch)
        if is_delivered:
            self.flow()

    @rule()
    def flow(self) -> None:
        """What is on the line arrives, and acknowledgements come back."""
        self.server.clock.advance(0)
        self.end.wire.pump()
        for batch in self.end.acks():
            self.told(batch)

    @rule(direction=st.sampled_from([None, 0, 1]))
    def cut(self, direction: int | None) -> None:
        """The line breaks; what is on it may still arrive at one end."""
        if self.end.wire.up and direction is not None:
            self.end.wire._deliver(direction, 1 - direction)
        self.end.wire.cut()

    @rule()
    def ghosts_speak(self) -> None:
        """What the old connections still had on their way arrives now, where nobody listens any more."""
        for ghost in self.ends[:-1]:
            ghost.wire.pump()
            assert not ghost.wire.up
        self.stranger()

    def stranger(self) -> None:
        """Who knows the id and not the secret changes nothing."""
        before = self.server.device.session
        assert self.server.dial(HOSTS[1], secret=bytes(20)).welcome is None
        assert self.server.device.session is before

    @rule(most=st.integers(1, 4))
    def become_durable(self, most: int) -> None:
        """What was handed to the store stays on its way to the disk until then."""
        held = self.server.store._held
        while held and most:
            batch, deferred = held.pop(0)
            MemoryStore.append(self.server.store, batch).chainDeferred(deferred)
            most -= 1

    @rule(priority=st.sampled_from(Priority))
    def ask(self, priority: Priority) -> None:
        """An order; its number stands in its request."""
        results: list[Any] = []
        self.results.append(results)
        pdu = b"\x03" + (len(self.results) - 1).to_bytes(2) + b"\x00\x01"
        self.server.device.orders.ask(1, pdu, priority, timeout_seconds=5000).addBoth(results.append)

    @rule(which=st.integers(0, 3))
    def answer(self, which: int) -> None:
        """Of the newest connection, or of one that should be silent."""
        end = self.ends[max(-1 - which, -len(self.ends))]
        for request in self.requests(end)[-1:]:
            end.below.send(messages.modbus_response(ModbusResponse(request.txid, b"\x03\x02" + request.pdu[1:3])))
            end.wire.pump()

    # -- the device

    def send(self, batch: int) -> None:
        words = (self.boot & 0xFFFF, batch)
        octets = self.end.encoder.encode([Round(0, (BlockReport(1, words),))])
        self.end.below.send(bytes((Type.DATA,)) + batch.to_bytes(2) + octets)

    def send_all(self) -> None:
        """After a login: everything that is not acknowledged, anew."""
        plan = self.server.device.wanted
        assert plan is not None
        self.end.encoder = RoundEncoder(plan.blocks)
        if len(self.ends) > 1:
            self.end.hold(plan.number)
            for batch in self.kept:
                self.send(batch)

    def told(self, batch: int) -> None:
        """Everything up to this one is durable, says the server."""
        self.acknowledged |= {(self.boot, one) for one in self.kept if one <= batch}
        self.kept = [one for one in self.kept if one > batch]

    @staticmethod
    def requests(end: DeviceEnd) -> list[ModbusRequest]:
        return [messages.decode_modbus_request(body[1:]) for body in end.got if body[0] == Type.MODBUS_REQ]

    def seen_and_not_answered(self) -> set[int]:
        """Orders that reached the equipment and have no answer yet."""
        seen = {int.from_bytes(one.pdu[1:3]) for end in self.ends for one in self.requests(end)}
        return {number for number in seen if not self.results[number]}

    # -- the promises

    @invariant()
    def acknowledged_is_stored_once(self) -> None:
        stored = result_of(self.server.store.reports(DEVICE_ID, 0, 1 << 62))
        found = [(one.boot, one.batch) for one in stored]
        assert len(found) == len(set(found)), found
        assert self.acknowledged <= set(found), self.acknowledged - set(found)
        assert all(one.blocks == (BlockReport(1, (one.boot, one.batch)),) for one in stored)

    @invariant()
    def the_newest_is_the_session(self) -> None:
        if self.ends:
            assert self.server.device.session is (self.session if self.end.wire.up else None)

    @invariant()
    def orders_are_answered_once_and_with_their_own_answer(self) -> None:
        for number, results in enumerate(self.results):
            assert len(results) <= 1
            if results and isinstance(results[0], Failure):
                assert results[0].check(NotSent, OutcomeUnknown)
                is_sent = any(int.from_bytes(one.pdu[1:3]) == number for end in self.ends for one in self.requests(end))
                assert not (is_sent and results[0].check(NotSent)), number
            elif results:
                assert results[0] == b"\x03\x02" + number.to_bytes(2)

    @invariant()
    def no_fault_of_ours(self) -> None:
        assert not self.server.notes.crashes and not self.server.notes.reasons.count("bad-tag")

    def teardown(self) -> None:
        """In the end everything that the device still has is acknowledged, and nobody waits for an answer."""
        self.dial(False, False)
        self.flow()
        self.become_durable(1_000_000)
        self.server.clock.advance(1)
        self.flow()
        assert not self.kept
        self.acknowledged_is_stored_once()
        for end in self.ends:
            end.wire.cut()
        assert all(len(results) == 1 for results in self.results)
        assert self.server.clock.getDelayedCalls() == []


class AnyLife(SynchronousTestCase):
    def test_takeovers_at_any_point(self) -> None:
        """Acknowledged means stored once; the newest proven session wins; orders of the old one end once."""
        run_state_machine_as_test(Lives, settings=settings(stateful_step_count=40))
