"""Promise: the daemon does not stop for a full garbage collection while a fleet logs in, and its memory stays flat."""

from __future__ import annotations

import gc
import weakref

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.sweeping import LOOK_SECONDS, MORE_OCTETS, SWEEP_SECONDS, Sweeper, resident_octets


class Circle:
    """Only a full collection frees it, once it has survived some."""

    def __init__(self):
        self.itself = self


class Sweeping(SynchronousTestCase):
    """The collector of this process."""

    def setUp(self):
        self.clock = Clock()
        self.is_busy = False
        self.before = gc.get_threshold()
        self.addCleanup(gc.set_threshold, *self.before)
        gc.set_threshold(700, 10, 5)
        self.fulls = 0
        gc.callbacks.append(self.note)
        self.addCleanup(gc.callbacks.remove, self.note)
        gc.collect()
        self.fulls = 0
        self.resident = 50 << 20
        self.sweeper = Sweeper(self.clock, lambda: self.is_busy, lambda: self.resident)

    def note(self, phase, info):
        self.fulls += phase == "start" and info["generation"] == 2

    def grow(self):
        """As much as many logins: enough for Python to look at everything several times."""
        return [[] for _ in range(400_000)]

    def let_go(self):
        """Of a circle that has survived some collections, while the daemon is busy: a reference to what is left."""
        self.sweeper.start()
        self.addCleanup(self.sweeper.stop)
        circle = Circle()
        self.kept = self.grow()
        self.is_busy = True
        return weakref.ref(circle)

    def test_many_new_objects_stop_nothing(self):
        """Without the sweeper they do, with it not; a sweep comes by the clock."""
        kept = self.grow()
        self.assertGreater(self.fulls, 0)
        self.sweeper.start()
        self.addCleanup(self.sweeper.stop)
        self.fulls = 0
        kept += self.grow()
        self.assertEqual(self.fulls, 0)
        self.clock.advance(SWEEP_SECONDS)
        self.assertEqual(self.fulls, 1)

    def test_what_was_let_go_of_is_freed(self):
        """Circles too; but not in the middle of a storm."""
        gone = self.let_go()
        self.clock.advance(SWEEP_SECONDS)
        self.assertIsNotNone(gone())
        self.is_busy = False
        self.clock.advance(SWEEP_SECONDS)
        self.assertIsNone(gone())

    def test_memory_that_runs_away(self):
        """Errors by the thousand are circles: what they take must not wait for a quiet moment, nor for ten minutes."""
        gone = self.let_go()
        self.resident += MORE_OCTETS
        self.clock.advance(LOOK_SECONDS)
        self.assertIsNotNone(gone())
        self.resident += 1
        self.clock.advance(LOOK_SECONDS)
        self.assertIsNone(gone())
        self.fulls = 0
        self.clock.advance(LOOK_SECONDS)
        self.assertEqual(self.fulls, 0)

    def test_what_the_process_has(self):
        """More with a large object than without."""
        before = resident_octets()
        large = bytearray(64 << 20)
        large[:: 4096] = bytes(len(large[:: 4096]))
        self.assertGreater(resident_octets(), before + (32 << 20))

    def test_when_nothing_happened_nothing_is_done(self):
        """An idle daemon sleeps."""
        self.sweeper.start()
        self.addCleanup(self.sweeper.stop)
        self.fulls = 0
        self.clock.advance(SWEEP_SECONDS)
        self.assertEqual(self.fulls, 0)

    def test_the_process_gets_its_collector_back(self):
        """Whoever embeds the service finds it as it was."""
        self.sweeper.start()
        self.assertNotEqual(gc.get_threshold(), (700, 10, 5))
        self.sweeper.stop()
        self.assertEqual(gc.get_threshold(), (700, 10, 5))
        self.assertEqual(self.clock.getDelayedCalls(), [])
