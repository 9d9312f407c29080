"""How long rows of history live in Cassandra."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.storage.cassandra.rows import DAY_US, LEAST_SECONDS, seconds_to_live

DAY = 86_400
KEPT = 10 * DAY


class SecondsToLive(SynchronousTestCase):
    """Of chunks and summaries."""

    def test_all_of_a_day_ends_together(self):
        """So long after the day, whenever it is written."""
        for age_us in (-1, 0, 3600_000_000, 5 * DAY_US):
            now_us = 100 * DAY_US + age_us
            self.assertAlmostEqual(now_us // 1_000_000 + seconds_to_live(99, KEPT, now_us), 110 * DAY, delta=1)

    def test_for_ever(self):
        self.assertEqual(seconds_to_live(99, None, 500 * DAY_US), 0)

    def test_what_is_over_already(self):
        """Never for ever, and never at once."""
        for now_us in (110 * DAY_US, 500 * DAY_US):
            self.assertEqual(seconds_to_live(99, KEPT, now_us), LEAST_SECONDS)

    def test_what_has_a_moment_left(self):
        """It keeps to its day, unless somebody needs it for longer."""
        self.assertEqual(seconds_to_live(99, KEPT, 110 * DAY_US - 5_000_000), 5)
        self.assertEqual(seconds_to_live(99, KEPT, 110 * DAY_US - 5_000_000, LEAST_SECONDS), LEAST_SECONDS)

    def test_no_longer_than_cassandra_takes(self):
        self.assertEqual(seconds_to_live(99, 100 * 366 * DAY, 100 * DAY_US), 630_720_000)
