"""Promise: times may be typed as people say them, and arrive as RFC 3339."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import UserError
from smok_twisted.tools.times import duration_seconds, last_moment, past, whole_seconds

NOW_US = 1_790_000_000_000_000  # 2026-09-21T14:13:20.000Z


class Past(SynchronousTestCase):
    def test_how_long_ago(self):
        for text, time in (
            ("500ms", "2026-09-21T14:13:19.500Z"),
            ("20s", "2026-09-21T14:13:00.000Z"),
            ("24h", "2026-09-20T14:13:20.000Z"),
            ("7d", "2026-09-14T14:13:20.000Z"),
        ):
            self.assertEqual(past(text, NOW_US), time)

    def test_longer_ago_than_there_is_time_is_the_beginning(self):
        self.assertEqual(past("999999999d", NOW_US), "1970-01-01T00:00:00.000Z")

    def test_a_time_in_any_zone(self):
        for text in ("2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00", "2026-01-31 12:00:00.000Z"):
            self.assertEqual(past(text, NOW_US), "2026-01-31T12:00:00.000Z")

    def test_a_date_is_its_beginning(self):
        self.assertEqual(past("2026-01-31", NOW_US), "2026-01-31T00:00:00.000Z")

    def test_anything_else_is_refused_with_what_is_accepted(self):
        form = "2026-01-31T12:00:00Z, 2026-01-31, or how long ago, such as 24h or 7d"
        for text in ("", "yesterday", "2026-13-01", "2026-01-31T12:00:00", "12:00", "0000-01-01T00:00:00Z"):
            error = self.assertRaises(UserError, past, text, NOW_US)
            self.assertEqual(str(error), f"the time {text!r} is not accepted: {form}")

    def test_an_unknown_unit_is_told_the_known_ones(self):
        error = self.assertRaises(UserError, past, "7y", NOW_US)
        self.assertIn("'7y' is no duration", str(error))


class LastMoment(SynchronousTestCase):
    def test_a_date_lasts_until_its_end(self):
        self.assertEqual(last_moment("2026-12-31"), "2027-01-01T00:00:00.000Z")
        self.assertEqual(last_moment("9999-12-31"), "9999-12-30T00:00:00.000Z")

    def test_a_time_is_that_time(self):
        self.assertEqual(last_moment("2026-12-31T12:00:00Z"), "2026-12-31T12:00:00.000Z")

    def test_how_long_ago_makes_no_sense(self):
        self.assertRaises(UserError, last_moment, "24h")


class Durations(SynchronousTestCase):
    def test_in_seconds(self):
        self.assertEqual((duration_seconds("1500ms"), duration_seconds("5m"), whole_seconds("1h")), (1.5, 300, 3600))

    def test_steps_are_whole_seconds(self):
        for text in ("1500ms", "0s", "0ms"):
            error = self.assertRaises(UserError, whole_seconds, text)
            self.assertEqual(str(error), f"{text!r} is not accepted: whole seconds, at least 1s")
