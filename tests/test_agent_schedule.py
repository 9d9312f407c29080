"""Blocks are read on their grid: no drift, no burst after a pause, nobody starves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.agent.schedule import Schedule


class Turns(SynchronousTestCase):
    def test_all_blocks_are_due_at_once_in_the_beginning(self) -> None:
        """A new plan is read as soon as it comes."""
        schedule = Schedule([60, 10], 100.0)
        self.assertEqual(
            [schedule.take(100.0), schedule.take(100.0), schedule.take(100.0)], [(0, 100.0), (1, 100.0), None]
        )
        self.assertEqual(schedule.wait_seconds(100.0), 10.0)

    def test_late_reads_do_not_shift_the_grid(self) -> None:
        """A read that comes 3 s late is followed by one that comes in time."""
        schedule = Schedule([10], 0.0)
        schedule.take(0.0)
        self.assertEqual(schedule.take(13.0), (0, 10.0))
        self.assertEqual(schedule.wait_seconds(13.0), 7.0)

    def test_no_burst_after_a_pause(self) -> None:
        """What was missed while the box slept is not made up for."""
        schedule = Schedule([10], 0.0)
        schedule.take(0.0)
        self.assertEqual(schedule.take(95.0), (0, 90.0))
        self.assertIsNone(schedule.take(95.0))
        self.assertEqual(schedule.wait_seconds(95.0), 5.0)

    def test_whoever_waits_longest_goes_first(self) -> None:
        """On a bus that is too slow for its plan every block still gets its turn."""
        schedule = Schedule([1, 1, 1], 0.0)
        order = [schedule.take(5.0 * step) for step in range(9)]
        self.assertEqual([turn[0] for turn in order if turn], [0, 1, 2] * 3)

    def test_a_plan_without_blocks_never_wakes_anybody(self) -> None:
        """No timer at all."""
        schedule = Schedule([], 0.0)
        self.assertIsNone(schedule.take(1.0))
        self.assertIsNone(schedule.wait_seconds(1.0))

    @given(st.lists(st.integers(1, 65535), min_size=1, max_size=5), st.lists(st.floats(0, 1e5), max_size=50))
    def test_turns_lie_on_the_grid_and_never_repeat(self, intervals: list[int], pauses: list[float]) -> None:
        """Whatever the pauses, each block is read at most once for each of its turns."""
        schedule, now, taken = Schedule(intervals, 0.0), 0.0, set()
        for pause in pauses:
            now += pause
            while (turn := schedule.take(now)) is not None:
                self.assertNotIn(turn, taken)
                taken.add(turn)
                self.assertEqual(turn[1] % intervals[turn[0]], 0.0)
                self.assertLessEqual(turn[1], now)
                self.assertLess(now - turn[1], intervals[turn[0]])
