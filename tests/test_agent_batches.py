"""Rounds are numbered when they come, and every batch fits a record even when it is encoded anew."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.agent.batches import Batches, Placed
from smok_twisted.links.smok4.rounds import ROOM_OCTETS, RoundEncoder
from smok_twisted.readings import OLDEST_AGE, Block, BlockReport, Round, Table

BLOCKS = [
    Block(1, Table.HOLDING, 0, 60, 10, 0, 0),
    Block(1, Table.COIL, 0, 255, 10, 0, 0),
    Block(2, Table.INPUT, 0, 1, 10, 0, 0),
]
WORDS = st.integers(0, 0xFFFF)
REPORTS = st.one_of(
    st.lists(WORDS, min_size=60, max_size=60).map(lambda words: BlockReport(0, tuple(words))),
    st.lists(st.integers(0, 1), min_size=255, max_size=255).map(lambda bits: BlockReport(1, tuple(bits))),
    WORDS.map(lambda word: BlockReport(2, (word,))),
    st.tuples(st.integers(0, 2), st.sampled_from([2, 0xE0])).map(lambda one: BlockReport(one[0], (), one[1])),
)
ROUNDS = st.lists(st.tuples(st.lists(REPORTS, min_size=1, max_size=4).map(tuple), st.booleans()), max_size=25)


def one(word: int) -> tuple[BlockReport, ...]:
    return (BlockReport(2, (word,)),)


class Numbering(SynchronousTestCase):
    def test_rounds_share_a_batch_until_it_is_closed(self) -> None:
        """Several rounds share one record; what must go now closes it."""
        batches = Batches(7, BLOCKS)
        self.assertEqual(batches.add(one(1)), [Placed(8, 0, one(1))])
        self.assertEqual(batches.add(one(2)), [Placed(8, 1, one(2))])
        self.assertEqual((batches.closed, batches.newest), (7, 8))
        batches.close()
        self.assertEqual((batches.closed, batches.newest), (8, 8))
        self.assertEqual(batches.add(one(3)), [Placed(9, 0, one(3))])

    def test_closing_an_empty_batch_uses_no_number(self) -> None:
        """A jump in the numbers means loss, so none may be skipped."""
        batches = Batches(0, BLOCKS)
        batches.close(), batches.close()
        self.assertEqual(batches.add(one(1)), [Placed(1, 0, one(1))])

    @given(ROUNDS)
    def test_every_batch_fits_a_record_when_encoded_anew(
        self, rounds: list[tuple[tuple[BlockReport, ...], bool]]
    ) -> None:
        """After an outage of 400 days, with a server that remembers nothing, each batch still is one record."""
        batches, placed = Batches(0, BLOCKS), list[Placed]()
        for reports, send_now in rounds:
            placed += batches.add(reports)
            if send_now:
                batches.close()
        by_serial = defaultdict(list)
        for serial, position, reports in placed:
            self.assertEqual(position, len(by_serial[serial]))
            by_serial[serial].append(Round(OLDEST_AGE, reports))
        self.assertEqual(list(by_serial), list(range(1, batches.newest + 1)))
        for batch in by_serial.values():
            self.assertLessEqual(len(RoundEncoder(BLOCKS).encode(batch)), ROOM_OCTETS)
        told = [report for batch in by_serial.values() for one in batch for report in one.reports]
        self.assertEqual(told, [report for reports, _ in rounds for report in reports])
