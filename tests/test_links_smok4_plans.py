"""A plan reaches the device whole, in records that it can take."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import LocalError, RemoteError
from smok_twisted.links.smok4.plans import PlanAssembler, encode
from smok_twisted.readings import Block, Table

BLOCK = st.builds(
    Block,
    st.integers(0, 255),
    st.sampled_from(Table),
    st.integers(0, 0xFFFF - 120),
    st.integers(1, 120),
    st.integers(1, 0xFFFF),
    st.integers(0, 0xFFFF),
    st.integers(0, 255),
)


class Plans(SynchronousTestCase):
    @given(st.lists(BLOCK, max_size=64), st.integers(15, 255), st.integers(1, 0xFFFF), st.randoms())
    def test_there_and_back(self, blocks: list[Block], room: int, number: int, order: random.Random) -> None:
        """Whatever the device's largest record, and in whatever order the parts come."""
        bodies = encode(number, blocks, room)
        self.assertLessEqual(max(map(len, bodies)), room)
        order.shuffle(bodies)
        assembler = PlanAssembler()
        answers = [assembler.add(body[1:]) for body in bodies]
        self.assertEqual(answers, [None] * (len(bodies) - 1) + [(number, tuple(blocks))])

    def test_octets(self) -> None:
        """By hand from the design note."""
        body = encode(7, [Block(1, Table.HOLDING, 4089, 16, 60, 300, 2)])[0]
        self.assertEqual(body.hex(), "0d" "0007" "00" "01" "01" "03" "0ff9" "10" "003c" "012c" "02")

    def test_a_new_plan_puts_an_unfinished_one_aside(self) -> None:
        """Only whole plans count."""
        old, new = (encode(number, [Block(1, Table.COIL, n, 1, 1, 0, 0) for n in range(30)]) for number in (1, 2))
        assembler = PlanAssembler()
        self.assertEqual([assembler.add(body[1:]) for body in (old[0], new[0], old[1], new[1])][:3], [None] * 3)

    def test_what_cannot_be_told(self) -> None:
        """More than 64 blocks, or a device that takes less than one block."""
        block = Block(1, Table.COIL, 0, 1, 1, 0, 0)
        self.assertRaises(LocalError, encode, 1, [block] * 65)
        self.assertRaises(LocalError, encode, 1, [block], 14)

    def test_what_a_server_gone_wrong_may_send(self) -> None:
        """Refused, never installed."""
        for payload in (
            "",
            "000100",
            "00010001" "00",
            "00010101",  # part 1 of 1
            "00000001",  # plan 0
            "00010001" "01" "05" "0000" "01" "003c" "0000" "00",  # table 5
            "00010001" "01" "03" "0000" "79" "003c" "0000" "00",  # 121 registers
            "00010001" "01" "03" "0000" "00" "003c" "0000" "00",  # no registers
            "00010001" "01" "03" "ffff" "02" "003c" "0000" "00",  # beyond the last address
            "00010001" "01" "03" "0000" "01" "0000" "0000" "00",  # every 0 s
        ):
            error = self.assertRaises(RemoteError, PlanAssembler().add, bytes.fromhex(payload))
            self.assertEqual(error.reason, "bad-plan")

    def test_too_many_blocks_in_parts(self) -> None:
        """64 blocks are the limit over all parts."""
        assembler = PlanAssembler()
        block = bytes.fromhex("01" "03" "0000" "01" "003c" "0000" "00")
        for part in range(2):
            self.assertIsNone(assembler.add(bytes((0, 1, part, 3)) + block * 25))
        self.assertRaises(RemoteError, assembler.add, bytes((0, 1, 2, 3)) + block * 25)
