"""Promise: a simulated fleet starts one by one, and things go wrong in it as often as one wants, by a seed."""

from __future__ import annotations

from itertools import pairwise

from twisted.internet.defer import succeed
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import StorageError
from smok_twisted.tools.sim_faults import Faults
from smok_twisted.tools.sim_room import START_SECONDS, Room


class Stand:
    """Stands where a device would be, and notes what it is told."""

    def __init__(self, name, clock, notes, error=None, error_after_power_cut=None):
        self._name, self._clock, self._notes, self._error = name, clock, notes, error
        self._error_after_power_cut = error_after_power_cut

    def start(self):
        if self._error:
            raise self._error
        self._note("start")

    def stop(self):
        self._note("stop")
        return succeed(None)

    def lose_connection(self, seconds):
        self._note("lose", seconds)

    def lose_unit(self, seconds):
        self._note("dead unit", seconds)

    def cut_power(self, seconds):
        self._note("dark", seconds)
        return deferLater(self._clock, seconds, self._started_again)

    def _started_again(self):
        if self._error_after_power_cut:
            raise self._error_after_power_cut

    def _note(self, *what):
        self._notes.append((self._clock.seconds(), self._name, *what))


class Rooms(SynchronousTestCase):
    """When what happens."""

    def room(self, count=5, seed=1, faults=Faults(), errors=(), start_seconds=START_SECONDS):  # noqa: B008
        """A room of ``count``, and what its devices are told as (time, name, what, ...)."""
        clock, notes = Clock(), []
        errors = dict(errors)
        devices = {f"d{number}": Stand(f"d{number}", clock, notes, errors.get(number)) for number in range(count)}
        return clock, notes, Room(devices, clock, seed, faults, start_seconds)

    def run_for(self, seconds, **room):
        clock, notes, one = self.room(**room)
        self.assertNoResult(one.start())
        clock.pump([1.0] * int(seconds))
        self.successResultOf(one.stop())
        self.assertEqual(clock.getDelayedCalls(), [])
        return notes

    def test_devices_start_one_after_another(self):
        """So that neither the server nor this process gets a thousand at once."""
        clock, notes, room = self.room(3)
        room.start()
        clock.pump([START_SECONDS / 2] * 5)
        times = [START_SECONDS * number for number in range(3)]
        self.assertEqual([round(time, 3) for time, *_ in notes], times)
        self.assertEqual([note[1:] for note in notes], [(f"d{number}", "start") for number in range(3)])

    def test_one_is_lost_every_few_minutes(self):
        """Every 2 to 4 minutes one of them, for 20 to 60 s; sooner or later each has its turn."""
        drops = [note for note in self.run_for(6 * 3600) if note[2] == "lose"]
        times = [time for time, *_ in drops]
        pauses = [later - earlier for earlier, later in pairwise(times)]
        self.assertTrue(all(119 <= pause <= 241 for pause in pauses), pauses)
        self.assertTrue(all(20 <= note[3] <= 60 for note in drops))
        self.assertEqual({note[1] for note in drops}, {"d0", "d1", "d2", "d3", "d4"})

    def test_a_seed_repeats_its_faults(self):
        """One seed, one course; another seed, another."""
        self.assertEqual(self.run_for(3600, seed=3), self.run_for(3600, seed=3))
        self.assertNotEqual(self.run_for(3600, seed=3), self.run_for(3600, seed=4))

    def test_no_faults_are_wanted(self):
        """A rate of 0."""
        notes = self.run_for(6 * 3600, faults=Faults(drops_per_hour=0))
        self.assertEqual({note[2] for note in notes}, {"start", "stop"})

    def test_stopping_stops_what_was_started(self):
        """Also in the middle of the start."""
        clock, notes, room = self.room(3)
        room.start()
        clock.advance(START_SECONDS)
        self.successResultOf(room.stop())
        told = [("d0", "start"), ("d1", "start"), ("d0", "stop"), ("d1", "stop")]
        self.assertEqual([note[1:] for note in notes], told)
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_a_device_that_cannot_start(self):
        """The caller is told why, and can still stop the others."""
        clock, notes, room = self.room(3, errors={1: StorageError("spool in use")})
        life = room.start()
        clock.advance(START_SECONDS)
        self.assertEqual(str(self.failureResultOf(life, StorageError).value), "spool in use")
        self.successResultOf(room.stop())
        self.assertEqual([note[1:] for note in notes], [("d0", "start"), ("d0", "stop")])

    def test_they_start_as_fast_as_is_wanted(self):
        """For a server that takes more than 20 a second from one address."""
        clock, notes, room = self.room(3, start_seconds=0.01)
        room.start()
        clock.pump([0.01] * 3)
        self.assertEqual([round(time, 3) for time, *_ in notes], [0.0, 0.01, 0.02])

    def test_the_power_fails_everywhere(self):
        """All at the same moment, for as long; the next time comes after it is back."""
        notes = self.run_for(4 * 3600, faults=Faults(drops_per_hour=0, power_cuts_per_hour=1))
        cuts = [note for note in notes if note[2] == "dark"]
        times = sorted({time for time, *_ in cuts})
        self.assertEqual(len(cuts), 5 * len(times))
        self.assertEqual(len({(time, seconds) for time, _, _, seconds in cuts}), len(times))
        self.assertTrue(2 <= len(times) <= 6, times)
        self.assertTrue(all(5 <= note[3] <= 30 for note in cuts))

    def test_controllers_fall_silent(self):
        """One at a time, for minutes."""
        notes = self.run_for(3600, faults=Faults(drops_per_hour=0, dead_units_per_hour=30))
        dead = [note for note in notes if note[2] == "dead unit"]
        self.assertTrue(20 <= len(dead) <= 45, len(dead))
        self.assertTrue(all(60 <= note[3] <= 600 for note in dead))

    def test_kinds_of_mishaps_do_not_disturb_each_other(self):
        """Losses of connections are the same ones, whatever else goes wrong."""
        for faults in (Faults(), Faults(dead_units_per_hour=30, power_cuts_per_hour=5)):
            drops = [note for note in self.run_for(3600, faults=faults) if note[2] == "lose"]
            self.assertEqual(drops, [note for note in self.run_for(3600) if note[2] == "lose"])

    def test_a_device_that_cannot_start_again(self):
        """After a power cut too, the caller is told why."""
        clock, _, room = self.room(3, faults=Faults(power_cuts_per_hour=60))
        room._devices["d1"]._error_after_power_cut = StorageError("disk gone")
        life = room.start()
        clock.pump([1.0] * 300)
        self.assertEqual(str(self.failureResultOf(life, StorageError).value), "disk gone")
