"""The machine that knew the cursors is lost: what the database has says which batches it has all of."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.readings import BlockReport, Report
from smok_twisted.storage.cassandra.newest import cursor_of
from smok_twisted.storage.records import Cursor


def reports(*batches, boot=3):
    """Newest first."""
    return [Report(7, 1_000 - place, boot, batch, 0, 1, (BlockReport(0, (1,)),)) for place, batch in enumerate(batches)]


class Cursors(SynchronousTestCase):
    def test_the_newest(self):
        """Whatever the order of their times: a device that catches up reports old readings last."""
        self.assertEqual(cursor_of(reports(12, 13, 11)), Cursor(3, 13))
        self.assertEqual(cursor_of(reports(1)), Cursor(3, 1))

    def test_only_of_the_newest_boot(self):
        """Numbers of another boot count for themselves."""
        self.assertEqual(cursor_of(reports(2, 1) + reports(900, 899, boot=2)), Cursor(3, 2))

    def test_one_that_was_on_its_way(self):
        """It was never acknowledged: were the cursor beyond it, its device would throw it away."""
        self.assertEqual(cursor_of(reports(14, 13, 11, 10)), Cursor(3, 11))
        self.assertEqual(cursor_of(reports(14, 12, 10)), Cursor(3, 10))

    def test_numbers_begin_again(self):
        """After 65535, with or without 0."""
        self.assertEqual(cursor_of(reports(2, 1, 65535, 65534)), Cursor(3, 2))
        self.assertEqual(cursor_of(reports(2, 1, 0, 65535)), Cursor(3, 2))
        self.assertEqual(cursor_of(reports(2, 1, 65534)), Cursor(3, 65534))
