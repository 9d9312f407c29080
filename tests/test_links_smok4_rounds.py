"""Readings on the wire: what a device packs is what the server unpacks, in few octets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import RemoteError
from smok_twisted.links.smok4.rounds import (
    ROOM_OCTETS,
    RoundDecoder,
    RoundEncoder,
    read_varint,
    split,
    unzigzag,
    varint,
    zigzag,
)
from smok_twisted.readings import OLDEST_AGE, Block, BlockReport, Fault, Round, Table

WORD = st.integers(0, 0xFFFF)
FAULT = st.one_of(st.integers(1, 0x7F), st.sampled_from(sorted(Fault)))


def block(table: Table, count: int) -> Block:
    return Block(1, table, 0, count, 60, 0, 0)


REGISTERS, COILS, MANY = block(Table.HOLDING, 4), block(Table.COIL, 11), block(Table.INPUT, 90)
BLOCKS = (REGISTERS, COILS, MANY)


@st.composite
def reports(draw: st.DrawFn) -> BlockReport:
    number = draw(st.integers(0, len(BLOCKS) - 1))
    if draw(st.booleans()) and draw(st.booleans()):
        return BlockReport(number, (), draw(FAULT))
    shape = BLOCKS[number]
    one = st.integers(0, 1) if shape.table.is_bits else st.one_of(st.integers(0, 3), WORD)
    return BlockReport(number, tuple(draw(st.lists(one, min_size=shape.count, max_size=shape.count))))


ROUNDS = st.lists(st.builds(Round, st.integers(0, OLDEST_AGE), st.lists(reports(), min_size=1, max_size=4).map(tuple)))


class RoundTrip(SynchronousTestCase):
    @given(st.lists(ROUNDS, max_size=4))
    def test_what_is_encoded_is_decoded(self, batches: list[list[Round]]) -> None:
        """Over several batches of a session, whatever kinds the encoder chooses."""
        encoder, decoder = RoundEncoder(BLOCKS), RoundDecoder(BLOCKS)
        for rounds in batches:
            self.assertEqual(decoder.decode(encoder.encode(rounds)), rounds)

    def test_octets_of_each_kind(self) -> None:
        """full, changes, same, error: by hand from the design note."""
        encoder = RoundEncoder([REGISTERS])
        octets = [
            encoder.encode([Round(age, (BlockReport(0, words, fault),))])
            for age, words, fault in [
                (0, (1, 2, 3, 4), 0),
                (300, (1, 2, 2, 4), 0),
                (0, (1, 2, 2, 4), 0),
                (0, (), Fault.TIMEOUT),
                (0, (1, 66, 2, 4), 0),
            ]
        ]
        self.assertEqual(
            [one.hex() for one in octets],
            [
                "0001" "00" "0001000200030004",
                "ac0201" "40" "04" "01",
                "0001" "c0",
                "0001" "80" "e0",
                "0001" "40" "02" "8001",
            ],
        )

    def test_octets_of_coils(self) -> None:
        """Bits least significant first; a change flips."""
        encoder = RoundEncoder([block(Table.COIL, 9)])
        first = encoder.encode([Round(0, (BlockReport(0, (1, 0, 0, 0, 0, 0, 0, 0, 1)),))])
        self.assertEqual(first.hex(), "0001" "00" "0101")

    def test_a_change_that_costs_more_than_all_values_is_sent_full(self) -> None:
        """The shortest kind wins."""
        encoder = RoundEncoder([REGISTERS])
        encoder.encode([Round(0, (BlockReport(0, (0, 0, 0, 0)),))])
        self.assertEqual(encoder.encode([Round(0, (BlockReport(0, (0xFFFF,) * 4),))])[2] >> 6, 0)

    def test_a_delta_may_wrap(self) -> None:
        """A small device may compute deltas with 16 bits."""
        decoder = RoundDecoder([block(Table.HOLDING, 1)])
        decoder.decode(bytes.fromhex("0001" "00" "ffff"))
        self.assertEqual(decoder.decode(bytes.fromhex("0001" "40" "01" "02"))[0].reports[0].words, (0,))


class Wrong(SynchronousTestCase):
    def refuse(self, octets: str) -> str:
        decoder = RoundDecoder([REGISTERS, block(Table.COIL, 3)])
        error = self.assertRaises(RemoteError, decoder.decode, bytes.fromhex(octets))
        self.assertEqual(error.reason, "bad-data")
        return error.detail

    def test_what_a_stranger_may_send(self) -> None:
        """Each is refused with its reason, none raises anything else."""
        for octets, detail in {
            "00": "cut short",
            "0001": "cut short",
            "0001" "00" "000102": "cut short",
            "0001" "01": "cut short",
            "0001" "02": "no block 2",
            "0001" "40" "00": "changes before any values",
            "0001" "c0": "changes before any values",
            "0001" "80" "00": "unknown error code 0",
            "0001" "80" "e4": "unknown error code 228",
            "8080808080" "01": "more than five octets",
            "0001" "00" "0000000000000000" "0001" "40" "10": "beyond its 4 values",
            "0001" "01" "00" "0001" "41" "08": "beyond its 3 values",
        }.items():
            self.assertIn(detail, self.refuse(octets))

    @given(st.binary(max_size=60))
    def test_any_octets(self, octets: bytes) -> None:
        """Rounds or RemoteError."""
        decoder = RoundDecoder(BLOCKS)
        try:
            decoder.decode(octets)
        except RemoteError as error:
            self.assertEqual(error.reason, "bad-data")


class Splitting(SynchronousTestCase):
    @given(ROUNDS, st.lists(reports(), max_size=6))
    def test_a_batch_fits_also_when_it_is_encoded_anew(self, rounds: list[Round], before: list[BlockReport]) -> None:
        """After a reconnect the same batch is encoded from another memory and at the greatest age: it still fits."""
        batches = split(rounds, BLOCKS)
        for fresh in (True, False):
            encoder = RoundEncoder(BLOCKS)
            if not fresh:
                encoder.encode([Round(0, tuple(before))])
            for batch in batches:
                aged = [Round(OLDEST_AGE, one.reports) for one in batch]
                self.assertLessEqual(len(encoder.encode(aged)), ROOM_OCTETS)
        self.assertEqual(
            [(one.age, report) for one in rounds for report in one.reports],
            [(one.age, report) for batch in batches for one in batch for report in one.reports],
        )

    def test_small_changes_share_a_batch(self) -> None:
        """Five minutes of a block that hardly changes are one record, although five full rounds would not fit."""
        rounds = [Round(age, (BlockReport(0, (age,) + (7,) * 39),)) for age in range(5)]
        self.assertEqual(len(split(rounds, [block(Table.HOLDING, 40)])), 1)


class Numbers(SynchronousTestCase):
    @given(st.integers(0, (1 << 35) - 1))
    def test_varint(self, number: int) -> None:
        """LEB128 there and back."""
        self.assertEqual(read_varint(varint(number), 0), (number, len(varint(number))))

    @given(st.integers(-0xFFFF, 0xFFFF))
    def test_zigzag(self, delta: int) -> None:
        """Small deltas of either sign are small numbers."""
        self.assertEqual(unzigzag(zigzag(delta)), delta)
        self.assertEqual([zigzag(one) for one in (0, -1, 1, -2)], [0, 1, 2, 3])
