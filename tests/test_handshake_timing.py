"""Unknown id and wrong secret look the same from outside: same octets, same work, over 10,000 attempts."""

from __future__ import annotations

import gc
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from .handshake_timing import FAR_OUT, IDS, Door, calls, cpu_ns, lines, right_share, welch_t

PAIRS = 5000
WARM_UP = 6


class Oracle(SynchronousTestCase):
    """The real layers from the frame up, with the daemon's own counters and log behind them."""

    def setUp(self) -> None:
        self.door = Door()
        for number in range(-WARM_UP, 0):  # the first of a kind is counted anew, the tenth of all raises the alarm
            for device_id in IDS.values():
                self.door.attempt(device_id, number, cpu_ns)
        self.assertEqual(self.door.alarms, ["wrong-secrets"])

    def test_octets_and_calls(self) -> None:
        """5,000 pairs of attempts: CHOICE and nothing else, then the connection closes, by the same calls in order."""
        gc.disable()  # what its callbacks call is no work of ours
        self.addCleanup(gc.enable)
        for number in range(PAIRS):
            unknown, wrong = (self.door.attempt(device_id, number, calls) for device_id in IDS.values())
            self.assertEqual((len(unknown.sent), len(unknown.sent[0]), unknown.closed), (1, 9, True))
            self.assertEqual(unknown[:2], wrong[:2])
            for one, other in zip(unknown.work, wrong.work, strict=True):
                self.assertGreater(len(one), 30)
                self.assertEqual(one, other)
        for kind in IDS:
            self.assertEqual(self.door.counted(kind), PAIRS + WARM_UP)

    def test_lines(self) -> None:
        """No line is run for the one kind that is not for the other: a branch that finds something takes longer."""
        gc.disable()
        self.addCleanup(gc.enable)
        for number in range(50):
            unknown, wrong = (self.door.attempt(device_id, number, lines).work for device_id in IDS.values())
            self.assertGreater(min(map(len, unknown)), 100)
            self.assertEqual(unknown, wrong)

    def test_the_device_itself(self) -> None:
        """After all of it there is one alarm, and the device that was meant logs in as ever."""
        for number in range(500):
            for device_id in IDS.values():
                self.door.attempt(device_id, number, cpu_ns)
        self.assertEqual(self.door.alarms, ["wrong-secrets"])
        self.assertIsNotNone(self.door.server.dial().welcome)


class Statistics(SynchronousTestCase):
    """What the command would see: series of 10,000, as long and as uneven as those that it measures."""

    def series(self, seed: int, more: float = 0.0) -> list[float]:
        random = Random(seed)
        return [more + random.lognormvariate(4.6, 0.4) for _ in range(10_000)]

    def test_alike(self) -> None:
        """Two of one kind are not told apart."""
        one, other = self.series(1), self.series(2)
        self.assertLess(abs(welch_t(one, other)), FAR_OUT)
        self.assertLess(right_share(one, other), 0.52)

    def test_one_that_takes_longer(self) -> None:
        """Five per cent more are seen, whichever comes first, though one look tells next to nothing."""
        one, other = self.series(1), self.series(2, more=5.0)
        self.assertGreater(welch_t(other, one), FAR_OUT)
        self.assertLess(welch_t(one, other), -FAR_OUT)
        self.assertLess(right_share(one, other), 0.6)
