"""Answers find their commands: strictly first in, first out."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import RemoteError
from smok_twisted.links.p24.commands import Answer, Code, Command, encode_answer
from smok_twisted.links.p24.pipeline import Pipeline
from smok_twisted.readings import Fault


def read(register: int) -> Command:
    return Command(Code.READ_HOLDING, (register, 1))


def packets(octets: bytes) -> list[int]:
    """The registers that a run of reads asks for."""
    return [int.from_bytes(octets[at + 2 : at + 4]) for at in range(0, len(octets), 5)]


class Windows(SynchronousTestCase):
    def test_one_at_a_time(self) -> None:
        """With a window of 1 the next command goes out when the one before is answered."""
        pipeline: Pipeline[str] = Pipeline(1)
        pipeline.put([read(1), read(2)], "a")
        pipeline.put([read(3)], "b")
        self.assertEqual((packets(pipeline.due()), pipeline.due()), ([1], b""))
        self.assertEqual(pipeline.answered(bytes.fromhex("03000029")), (read(1), "a", Answer(41)))
        self.assertEqual(packets(pipeline.due()), [2])

    def test_worked_example_15(self) -> None:
        """Three reads in one piece: ok, time-out, coil on."""
        pipeline: Pipeline[int] = Pipeline(100)
        for number, command in enumerate([read(4089), read(4134), Command(Code.READ_COIL, (7077, 1))]):
            pipeline.put([command], number)
        self.assertEqual(pipeline.due(), bytes.fromhex("0403 0ff9 01 0403 1026 01 0404 1ba5 01"))
        answers = [pipeline.answered(bytes.fromhex(packet))[1:] for packet in ("03000029", "02fe01", "020001")]
        self.assertEqual(answers, [(0, Answer(41)), (1, Answer(fault=Fault.TIMEOUT)), (2, Answer(1))])

    def test_a_hundred_and_no_more(self) -> None:
        """The device has room for about a hundred."""
        pipeline: Pipeline[None] = Pipeline(100)
        pipeline.put(map(read, range(150)), None)
        self.assertEqual((packets(pipeline.due()), pipeline.outstanding), (list(range(100)), 100))
        for _ in range(30):
            pipeline.answered(bytes.fromhex("03000029"))
        self.assertEqual(packets(pipeline.due()), list(range(100, 130)))

    def test_an_answer_to_nothing(self) -> None:
        """The device speaks unasked."""
        error = self.assertRaises(RemoteError, Pipeline(1).answered, b"\x01\x00")
        self.assertEqual(error.reason, "unexpected-answer")

    def test_what_nobody_wants_any_more(self) -> None:
        """It is not sent; what was sent keeps its place, so the next answer is not taken for another's."""
        pipeline: Pipeline[str] = Pipeline(1)
        pipeline.put([read(1), read(2)], "a")
        pipeline.put([read(3)], "b")
        pipeline.due()
        pipeline.drop("a")
        self.assertEqual(pipeline.answered(bytes.fromhex("03000001"))[1], "a")
        self.assertEqual(packets(pipeline.due()), [3])
        self.assertEqual(pipeline.answered(bytes.fromhex("03000003"))[1], "b")


class FirstInFirstOut(RuleBasedStateMachine):
    """Against a device that answers each read with the register's own number."""

    window = 1

    def __init__(self) -> None:
        super().__init__()
        self.pipeline: Pipeline[int] = Pipeline(self.window)
        self.register = 0
        self.at_device: list[int] = []
        self.seen_by_device: list[int] = []

    @rule(count=st.integers(1, 5))
    def put(self, count: int) -> None:
        owner = self.register
        self.pipeline.put(map(read, range(owner, owner + count)), owner)
        self.register += count

    @rule()
    def send(self) -> None:
        sent = packets(self.pipeline.due())
        self.at_device += sent
        self.seen_by_device += sent

    @precondition(lambda self: self.at_device)
    @rule()
    def answer(self) -> None:
        register = self.at_device.pop(0)
        command, owner, answer = self.pipeline.answered(encode_answer(Code.READ_HOLDING, Answer(register)))
        assert (command, answer.value) == (read(register), register)
        assert owner <= register < owner + 5

    @rule(back=st.integers(0, 10))
    def drop(self, back: int) -> None:
        self.pipeline.drop(self.register - back)

    @invariant()
    def bounded(self) -> None:
        assert self.pipeline.outstanding == len(self.at_device) <= self.window

    @invariant()
    def in_order_and_never_twice(self) -> None:
        assert self.seen_by_device == sorted(set(self.seen_by_device))


class WiderFirstInFirstOut(FirstInFirstOut):
    window = 7


class AnyMix(SynchronousTestCase):
    def test_window_of_one(self) -> None:
        """Any mix of commands, answers and askers who go away."""
        run_state_machine_as_test(FirstInFirstOut)

    def test_wider_window(self) -> None:
        """The same with several outstanding."""
        run_state_machine_as_test(WiderFirstInFirstOut)
