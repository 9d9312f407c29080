"""Unknown id and wrong secret look the same from outside: same octets, same work, over 10,000 attempts."""

from __future__ import annotations

import gc

from twisted.trial.unittest import SynchronousTestCase

from .handshake_timing import IDS, Door, calls, cpu_ns

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

    def test_the_device_itself(self) -> None:
        """After all of it there is one alarm, and the device that was meant logs in as ever."""
        for number in range(500):
            for device_id in IDS.values():
                self.door.attempt(device_id, number, cpu_ns)
        self.assertEqual(self.door.alarms, ["wrong-secrets"])
        self.assertIsNotNone(self.door.server.dial().welcome)
