"""Promise: whatever a P24 device answers and in whatever order, each order is answered exactly once."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.devices.orders import Priority
from smok_twisted.modbus.pdu import Read
from smok_twisted.modbus.responses import read_values
from smok_twisted.readings import Table

from .p24_in_memory import RawEnd, Server


class OnceEach(RuleBasedStateMachine):
    """Connections come and go, the device answers well, badly or not at all: each order is answered exactly once."""

    def __init__(self) -> None:
        super().__init__()
        self.server = Server(window=3)
        self.ends: list[RawEnd] = []
        self.results: dict[int, list[Any]] = {}
        self.answered_at_device: dict[int, int] = {}
        self.outstanding: list[int] = []

    @property
    def end(self) -> RawEnd:
        return self.ends[-1]

    def hear(self) -> None:
        """The device takes what was sent to it."""
        self.end.wire.pump()
        octets, self.end.got = self.end.got, b""
        while octets:
            size = octets[0]
            self.outstanding.append(int.from_bytes(octets[2:4]) if size > 1 else -1)
            octets = octets[1 + size :]

    @rule()
    def connect(self) -> None:
        self.ends.append(self.server.dial_raw())
        for end in self.ends[:-1]:
            end.wire.pump()
            assert not end.wire.up
        self.outstanding = []
        assert self.end.take() == "01 00"

    @precondition(lambda self: self.ends)
    @rule(priority=st.sampled_from(Priority), count=st.integers(1, 4))
    def ask(self, priority: Priority, count: int) -> None:
        number = len(self.results)
        self.results[number] = []
        request = Read(Table.HOLDING, 10 * number, count)
        asked = self.server.device.orders.ask(1, request.encode(), priority, timeout_seconds=8)
        asked.addBoth(self.results[number].append)

    @precondition(lambda self: self.ends)
    @rule(packet=st.sampled_from(["good"] * 6 + ["02fe01", "02fe00", "020001", "00"]))
    def answer(self, packet: str) -> None:
        self.hear()
        if self.outstanding:
            register = self.outstanding.pop(0)
            good = b"\x01\x00" if register < 0 else b"\x03\x00" + register.to_bytes(2)
            self.end.say(good if packet == "good" else packet)

    @precondition(lambda self: self.ends)
    @rule()
    def lose(self) -> None:
        self.end.wire.cut()
        assert all(len(results) == 1 for results in self.results.values())

    @rule(seconds=st.sampled_from([0.1, 5.0, 30.0]))
    def wait(self, seconds: float) -> None:
        self.server.clock.advance(seconds)
        if self.ends:
            self.end.wire.pump()

    @invariant()
    def answered_at_most_once_and_with_its_own_values(self) -> None:
        for number, results in self.results.items():
            assert len(results) <= 1
            if results and not isinstance(results[0], Failure):
                words = read_values(Read(Table.HOLDING, 0, results[0][1] // 2), results[0])
                assert words == tuple(range(10 * number, 10 * number + len(words)))

    @invariant()
    def no_fault_of_ours(self) -> None:
        assert not self.server.notes.crashes

    def teardown(self) -> None:
        if self.ends:
            self.end.wire.cut()
        assert all(len(results) == 1 for results in self.results.values())
        assert self.server.clock.getDelayedCalls() == []


class AnyMix(SynchronousTestCase):
    def test_once_each(self) -> None:
        """Any mix of orders, answers, faults, silence and reconnects."""
        run_state_machine_as_test(OnceEach)
