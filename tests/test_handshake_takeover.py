"""Two devices with one secret."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.handshake.takeover import Takeovers


class CredentialInUseTwice(SynchronousTestCase):
    """When the alarm is raised, and when it is not."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.takeovers = Takeovers(self.clock.seconds)

    def alternate(self, times: int, every_seconds: float) -> list[bool]:
        """Two sources that throw each other out."""
        answers = []
        for turn in range(times):
            old, new = ("10.0.0.1", "192.0.2.9") if turn % 2 else ("192.0.2.9", "10.0.0.1")
            answers.append(self.takeovers.in_use_twice(old, new))
            self.clock.advance(every_seconds)
        return answers

    def test_the_fourth_takeover_raises_it(self) -> None:
        """Three takeovers within ten minutes are bad luck, each further one is a clone."""
        self.assertEqual(self.alternate(6, 60), [False, False, False, True, True, True])

    def test_exactly_ten_minutes(self) -> None:
        """The fourth at ten minutes sharp counts, less than a second later it does not."""
        self.assertEqual(self.alternate(4, 200), [False, False, False, True])
        self.clock.advance(10_000)
        self.assertEqual(self.alternate(4, 200.25), [False] * 4)

    def test_slow_roaming(self) -> None:
        """A device that changes its network every five minutes is no clone, all night long."""
        self.assertEqual(self.alternate(200, 300), [False] * 200)

    def test_it_calms_down(self) -> None:
        """Ten quiet minutes later it starts from nothing."""
        self.alternate(5, 1)
        self.clock.advance(601)
        self.assertEqual(self.alternate(4, 60), [False, False, False, True])

    def test_one_source(self) -> None:
        """A device that is thrown out by its own NAT again and again is no clone."""
        answers = [self.takeovers.in_use_twice("10.0.0.1", "10.0.0.1") for _ in range(20)]
        self.assertEqual(answers, [False] * 20)
        self.assertEqual(self.alternate(3, 1), [False] * 3)
