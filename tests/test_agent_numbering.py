"""Batch numbers: the server can always tell new from old, whatever was lost on either side."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.agent.numbering import Numbering
from smok_twisted.devices.ledger import is_newer


class Settling(SynchronousTestCase):
    def test_an_ack_settles_everything_before_it(self) -> None:
        """ACK is cumulative."""
        numbers = Numbering(boot=1, base=0, acknowledged=10, gone=10)
        self.assertTrue(numbers.settle(13, newest=20))
        self.assertEqual((numbers.gone, numbers.acknowledged), (13, 13))

    def test_old_news_change_nothing(self) -> None:
        """An ACK of what was acknowledged or dropped long ago, also across the wrap of numbers."""
        for gone in (10, 65_536, 65_540, 200_000):
            numbers = Numbering(1, 0, gone - 5, gone)
            for behind in (0, 1, 5, 9, 32_767):
                self.assertTrue(numbers.settle((gone - behind) % 65_536, newest=gone + 3))
                self.assertEqual((numbers.gone, numbers.acknowledged), (gone, gone - 5))

    def test_a_number_that_was_never_given_is_not_believed(self) -> None:
        """The server cannot have what was not sent."""
        numbers = Numbering(1, 0, 10, 10)
        self.assertFalse(numbers.settle(21, newest=20))
        self.assertEqual(numbers.gone, 10)

    @given(st.integers(0, 300_000), st.integers(0, 32_767), st.data())
    def test_any_batch_in_flight_is_found_by_its_number(self, gone: int, held: int, data: st.DataObject) -> None:
        """Numbers wrap, serials do not."""
        numbers = Numbering(1, 0, gone, gone)
        serial = data.draw(st.integers(gone, gone + held))
        self.assertTrue(numbers.settle(numbers.number_of(serial), gone + held))
        self.assertEqual(numbers.gone, serial)


class LongOutages(SynchronousTestCase):
    def first_number(self, dropped: int) -> tuple[Numbering, int]:
        """After an outage with 100 batches acknowledged before it; the number of the first batch still held."""
        numbers = Numbering(boot=5, base=0, acknowledged=100, gone=100)
        numbers.drop(100 + dropped)
        if numbers.is_ambiguous:
            numbers.begin_anew(lambda below: 0)
        return numbers, numbers.number_of(numbers.gone + 1)

    def test_a_jump_tells_how_many_were_dropped(self) -> None:
        """As long as a jump can tell it, the epoch stays."""
        for dropped in (0, 1, 32_766):
            numbers, first = self.first_number(dropped)
            self.assertEqual((numbers.boot, (first - 101) % 65_536), (5, dropped))
            self.assertTrue(is_newer(first, 100))

    def test_more_was_dropped_than_a_jump_can_tell(self) -> None:
        """18 hours at one batch a second: under the old boot the server would take all that is left for repeats."""
        for dropped in (32_767, 40_000, 65_536, 1_000_000):
            numbers, first = self.first_number(dropped)
            self.assertNotEqual(numbers.boot, 5)
            self.assertEqual(first, 32_767)
            self.assertTrue(is_newer(first, 0))
            self.assertFalse(numbers.is_ambiguous)

    def test_a_new_epoch_never_has_the_old_boot(self) -> None:
        """Whatever the dice say."""
        for rolled in (0, 1, 65_534):
            numbers = Numbering(65_535, 0, 0, 0)
            numbers.begin_anew(lambda below, rolled=rolled: min(rolled, below - 1))
            self.assertNotEqual(numbers.boot, 65_535)
            self.assertLess(numbers.boot, 65_536)

    def test_a_spool_from_a_backup_loses_nothing(self) -> None:
        """The server knows later numbers: what is held goes out under another boot, counted from 1."""
        numbers = Numbering(5, 0, 100, 100)
        numbers.begin_anew(lambda below: 7)
        self.assertEqual((numbers.number_of(101), numbers.boot), (1, 13))
