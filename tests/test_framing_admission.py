"""A crowd of strangers is kept at the door, and the door keeps little about them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.framing.admission import Admission, AdmissionLimits, source_of


class Sources(SynchronousTestCase):
    def test_what_is_one_source(self) -> None:
        """An IPv4 address, or a /64 of IPv6, however it is written."""
        self.assertEqual(source_of("192.0.2.7"), "192.0.2.7")
        self.assertEqual(source_of("::ffff:192.0.2.7"), "192.0.2.7")
        self.assertEqual(source_of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64")
        self.assertEqual(source_of("fe80::1%eth0"), "fe80::/64")
        self.assertEqual(source_of("local"), "local")


class Limits(SynchronousTestCase):
    def enter(self, admission: Admission, source: str, now: float = 0.0, times: int = 1) -> list[str | None]:
        return [admission.enter(source, now) for _ in range(times)]

    def test_strangers_in_all(self) -> None:
        """No more than so many at once, from anywhere."""
        admission = Admission(AdmissionLimits(unauthenticated=3))
        self.assertEqual(self.enter(admission, "a", times=2) + self.enter(admission, "b"), [None] * 3)
        self.assertEqual(self.enter(admission, "c"), ["too-many-strangers"])
        admission.leave("a")
        self.assertEqual(self.enter(admission, "c"), [None])

    def test_strangers_from_one_source(self) -> None:
        """One source cannot take every place."""
        admission = Admission(AdmissionLimits(per_source=2))
        self.assertEqual(self.enter(admission, "a", times=3), [None, None, "too-many-from-source"])
        self.assertEqual(self.enter(admission, "b"), [None])
        admission.leave("a")
        self.assertEqual(self.enter(admission, "a"), [None])

    def test_accepts_per_second(self) -> None:
        """A burst of one second's worth, then the rate."""
        admission = Admission(AdmissionLimits(per_source=1000, accepts_per_second=5))
        self.assertEqual(self.enter(admission, "a", times=6), [None] * 5 + ["too-fast-from-source"])
        self.assertEqual(self.enter(admission, "a", now=0.2, times=2), [None, "too-fast-from-source"])
        self.assertEqual(self.enter(admission, "a", now=60, times=6), [None] * 5 + ["too-fast-from-source"])

    def test_a_rate_below_one_still_lets_one_in(self) -> None:
        """Half an accept a second is one in two seconds."""
        admission = Admission(AdmissionLimits(accepts_per_second=0.5))
        self.assertEqual(self.enter(admission, "a", times=2), [None, "too-fast-from-source"])
        self.assertEqual(self.enter(admission, "a", now=1.9), ["too-fast-from-source"])
        self.assertEqual(self.enter(admission, "a", now=4.0), [None])

    def test_sources_are_forgotten(self) -> None:
        """Memory is bounded by who came in the last moments, not by who ever came."""
        admission = Admission(AdmissionLimits(unauthenticated=10**6))
        for number in range(10_000):
            source = f"10.0.{number >> 8}.{number & 255}"
            admission.enter(source, number * 0.01)
            admission.leave(source)
        self.assertLess(len(admission._allowance), 250)
        self.assertEqual((admission.unauthenticated, len(admission._waiting)), (0, 0))
