"""Promise: an entry leaves the journal only a while after it and all before it were settled."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.storage.journal.settled import Settled


class Settling(SynchronousTestCase):
    """What is settled, and what is ripe."""

    def test_a_gap_holds_back_what_is_behind_it(self):
        """In any order, again too."""
        settled = Settled(5, 600.0)
        for lsn in (6, 8, 8, 4):
            settled.add(lsn, 0.0)
        self.assertEqual((settled.all_below, settled.above, settled.ripe(10_000.0)), (5, 2, 5))
        settled.add(5, 0.0)
        self.assertEqual((settled.all_below, settled.above), (7, 1))
        settled.add(7, 0.0)
        self.assertEqual((settled.all_below, settled.above), (9, 0))

    def test_nothing_is_ripe_too_early(self):
        """Each entry stays for the retention from when it was settled, whatever came after it."""
        settled = Settled(1, 600.0)
        for lsn in range(1, 1001):
            settled.add(lsn, lsn / 10)
            now = lsn / 10 + 599.0
            self.assertTrue((settled.ripe(now) - 1) / 10 <= max(0.0, now - 600.0))
        self.assertEqual(settled.ripe(700.0), 1001)

    @given(st.lists(st.integers(1, 30), max_size=60))
    def test_any_order(self, lsns):
        """As a set would count them."""
        settled, there = Settled(1, 600.0), set()
        for lsn in lsns:
            settled.add(lsn, 0.0)
            there.add(lsn)
            below = next(number for number in range(1, 99) if number not in there)
            self.assertEqual((settled.all_below, settled.above), (below, sum(one > below for one in there)))

    def test_one_that_is_stuck(self):
        """A million behind it take no more room than one."""
        settled = Settled(1, 600.0)
        for lsn in range(2, 100_000):
            settled.add(lsn, 0.0)
        self.assertEqual((len(settled._begins), settled.above), (1, 99_998))

    def test_memory_is_bounded(self):
        """A second of a thousand entries costs no more than one entry."""
        settled = Settled(1, 600.0)
        for lsn in range(1, 5000):
            settled.add(lsn, lsn / 1000)
        self.assertTrue(len(settled._ripening) <= 6)
