"""The order of batches and the newest of each block: the rules that every store shares."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.readings import BlockReport
from smok_twisted.storage.records import Cursor, Latest, latest_of

from .store_samples import report

u16 = st.integers(0, 65535)


class Cursors(SynchronousTestCase):
    """Which batches are stored already."""

    def test_by_example(self):
        """At or below the cursor, also across the wrap."""
        cursor = Cursor(7, 2)
        self.assertEqual([n for n in (0, 1, 2, 3, 65535, 32769, 40000) if cursor.covers(7, n)], [0, 1, 2, 65535, 40000])

    def test_32767_may_be_unacknowledged(self):
        """The furthest batch that smok4.md allows ahead is new, the furthest behind is not."""
        self.assertFalse(Cursor(1, 0).covers(1, 32767))
        self.assertTrue(Cursor(1, 0).covers(1, 65536 - 32767))

    @given(u16, st.integers(0, 32767))
    @example(5, 32767)
    def test_behind(self, newest, distance):
        """Everything up to half a turn behind is covered."""
        self.assertTrue(Cursor(1, newest).covers(1, (newest - distance) % 65536))

    @given(u16, st.integers(1, 32768))
    @example(5, 32768)
    def test_ahead(self, newest, distance):
        """Everything up to half a turn ahead is new."""
        self.assertFalse(Cursor(1, newest).covers(1, (newest + distance) % 65536))

    @given(u16, u16, u16)
    def test_another_boot(self, boot, newest, number):
        """Nothing of another boot is covered."""
        self.assertFalse(Cursor(boot, newest).covers((boot + 1) % 65536, number))


class LatestOf(SynchronousTestCase):
    """The newest of each block."""

    def test_newest_by_time_then_by_round(self):
        """Later in time wins; at the same time, later in the batch."""
        found = latest_of([
            report(1, 2, time_us=5, words=(2,)),
            report(1, 1, time_us=5, words=(1,)),
            report(1, 0, time_us=4, words=(0,)),
            report(1, 3, time_us=1, words=(3,), block=1, flags=2),
        ])  # fmt: skip
        self.assertEqual(
            found, {(3, 0): Latest(5, BlockReport(0, (2,)), 0), (3, 1): Latest(1, BlockReport(1, (3,)), 2)}
        )
