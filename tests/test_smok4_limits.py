"""The numbers of docs/protocol.rst, "Times and limits": other people's firmware relies on them."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.agent.dialer import DialTimes
from smok_twisted.agent.requests import LONGEST_LIFE_SECONDS
from smok_twisted.cipher.record import MAX_BODY_OCTETS, MAX_RECORDS
from smok_twisted.framing.admission import AdmissionLimits
from smok_twisted.framing.protocol import FramingTimes
from smok_twisted.handshake.keyring import LOGINS_TO_RETIRE, RETIRE_AFTER_US
from smok_twisted.handshake.protocol import idle_seconds
from smok_twisted.handshake.takeover import TAKEOVERS, WAIT_SECONDS, WINDOW_SECONDS
from smok_twisted.links.smok4.plans import MOST_BLOCKS
from smok_twisted.links.smok4.server import ORDER_LIFE_SECONDS, SessionTimes
from smok_twisted.links.smok4.upload import WIDEST_BATCHES
from smok_twisted.readings import OLDEST_AGE

DAY = 24 * 3600


class Limits(SynchronousTestCase):
    def test_connections(self) -> None:
        """60 s to log in, 60 s for a frame; 2,000 strangers, 32 from one source, 20 more a second."""
        times, limits = FramingTimes(), AdmissionLimits()
        self.assertEqual((times.login_seconds, times.frame_seconds, times.unsent_seconds), (60, 60, 60))
        self.assertEqual((limits.unauthenticated, limits.per_source, limits.accepts_per_second), (2000, 32, 20))

    def test_sessions(self) -> None:
        """A keepalive of 240 s, closed after 600 s of silence, asked to come anew after 27 to 30 days."""
        times = SessionTimes()
        self.assertEqual((times.keepalive_seconds, times.idle_seconds, idle_seconds(24)), (240, 600, 600))
        self.assertEqual((times.age_seconds, times.age_jitter), (30 * DAY, 0.1))
        self.assertEqual((MAX_BODY_OCTETS, MAX_RECORDS), (255, 2**32 - 1))

    def test_devices(self) -> None:
        """They come again after 5 s, doubling up to 600 s, small again after 10 minutes."""
        times = DialTimes()
        self.assertEqual((times.first_pause_seconds, times.longest_pause_seconds, times.steady_seconds), (5, 600, 600))

    def test_clones_and_keys(self) -> None:
        """More than 3 takeovers in 10 minutes wait 60 s; an old secret goes after 3 logins or 30 days."""
        self.assertEqual((TAKEOVERS, WINDOW_SECONDS, WAIT_SECONDS), (3, 600, 60))
        self.assertEqual((LOGINS_TO_RETIRE, RETIRE_AFTER_US), (3, 30 * DAY * 1_000_000))

    def test_writes_and_readings(self) -> None:
        """A write lives 30 s and never more than 600; 64 blocks, ages to 400 days, 32,767 batches unacknowledged."""
        self.assertEqual((ORDER_LIFE_SECONDS, LONGEST_LIFE_SECONDS), (30, 600))
        self.assertEqual((MOST_BLOCKS, OLDEST_AGE), (64, 400 * DAY * 10))
        self.assertLess(WIDEST_BATCHES, 32_767)

    def test_they_are_on_the_page(self) -> None:
        """The page says the same."""
        page = (Path(__file__).parent.parent / "docs" / "protocol.rst").read_text(encoding="utf-8")
        for words in (
            "60 s, and nothing resets it",
            "240 s, shorter than",
            "2.5 keepalives",
            "30 days, spread by 10 %",
            "2000 in all, 32 from one source, 20 new ones a second",
            "5 s, doubling up to 600 s",
            "after 3 logins with the new one, or after one such login and 30 days",
            "<= 600",
        ):
            self.assertIn(words, page)
