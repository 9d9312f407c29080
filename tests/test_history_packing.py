"""Promise: reports become chunks and summaries once, whatever interrupts, comes late, is damaged or removed."""

from __future__ import annotations

import contextlib

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import StorageAway, StorageError
from smok_twisted.history.series import Question
from smok_twisted.storage.records import HOUR_US, HOURS_A_DAY, Unpacked

from .history_rig import NOW, Breaking, Rig, report
from .history_samples import DEVICE, HOUR, START_US


class Packing(SynchronousTestCase):
    def test_packs_what_is_over(self):
        """The hour that goes on, and one that has just ended, stay in the log."""
        rig = Rig(now_hour=HOUR + 1)
        rig.add([report(5), report(65)])
        rig.pack()
        self.assertEqual([one.hour for one in rig.store.unpacked(0, 1 << 40).result], [HOUR + 1])
        self.assertEqual(rig.packer.packed, 1)
        self.assertEqual(len(rig.log()), 2)

    def test_late_data_rewrite_their_hour(self):
        """And only theirs; nothing of what was packed is lost when the log has forgotten it."""
        rig = Rig()
        rig.add([report(5), report(65)])
        rig.pack()
        rig.store.forget(DEVICE, 1 << 62, 0)
        rig.add([report(6)])
        rig.pack()
        self.assertEqual(rig.packer.packed, 3)
        times = [(one.time_us - START_US) // 60_000_000 for one in rig.reports(0, 1 << 60)]
        self.assertEqual(times, [5, 6, 65])

    def test_data_that_come_while_an_hour_is_packed(self):
        """They are not in the chunk that is being written, so the hour stays marked."""
        rig = Rig()
        rig.add([report(5)])
        save, packing = rig.store.save_packed, []

        def slow_save(*arguments):
            rig.add([report(6)] if not packing else [])
            packing.append(arguments)
            return save(*arguments)

        rig.store.save_packed = slow_save
        rig.pack()
        self.assertEqual(len(packing), 1)
        self.assertEqual([one.hour for one in rig.store.unpacked(0, 1 << 40).result], [HOUR])
        rig.pack()
        self.assertEqual(rig.store.unpacked(0, 1 << 40).result, [])
        self.assertEqual(len(rig.reports(0, 1 << 60)), 2)

    def test_an_interruption_at_any_step_loses_nothing(self):
        """Packing fails before and after each call of the store, and is begun again: the same history."""
        minutes = [5, 6, 65, 1500]
        expected = None
        for step in range(60):
            rig = Rig()
            rig.add([report(minute) for minute in minutes])
            rig.packer._store = Breaking(rig.store, step)
            with contextlib.suppress(StorageError):
                rig.pack()
            rig.packer._store = rig.store
            self.assertEqual([one.time_us for one in rig.reports(0, 1 << 60)],
                             [START_US + minute * 60_000_000 for minute in minutes])  # fmt: skip
            rig.pack()
            device = rig.store.data.devices[DEVICE]
            expected = expected or (device.chunks, device.summaries)
            self.assertEqual((device.chunks, device.summaries), expected)
            self.assertEqual(device.unpacked, {})

    def test_an_hour_that_cannot_be_packed_does_not_stop_the_others(self):
        """It is told once, stays marked, and its log stays."""
        rig = Rig()
        rig.add([report(5), report(65)])
        rig.store.data.devices[DEVICE].chunks[HOUR] = b"\1damaged"
        rig.pack()
        rig.pack()
        self.assertEqual([one.hour for one in rig.store.unpacked(0, 1 << 40).result], [HOUR])
        self.assertEqual(len(rig.alarms), 1)
        self.assertIn("damaged", rig.alarms[0])
        rig.store.forget(DEVICE, 1 << 62, 0)
        self.assertEqual(len(rig.log()), 1)

    def test_a_device_that_is_removed_while_it_is_packed(self):
        """Its marks were read before: nothing is left to pack, and nobody is woken for it."""
        for is_late in (False, True):
            rig = Rig()
            rig.add([report(60 * hour) for hour in range(9)])
            read, reads = rig.store.reports, []

            def reports(*arguments, rig=rig, read=read, reads=reads, is_late=is_late):
                reads.append(arguments)
                if len(reads) == 4:
                    rig.store.remove_device(DEVICE)
                    rig.fleet.devices = [DEVICE] if is_late else []  # is_late: the fleet has not heard of it
                return read(*arguments)

            rig.store.reports = reports
            rig.pack()
            self.assertEqual((rig.packer.packed, rig.alarms), (3, []))
            self.assertEqual(len(reads), 9 if is_late else 4)

    def test_a_device_that_is_removed_while_its_chunk_is_written(self):
        """The store does not take it any more, which is as it should be."""
        rig = Rig()
        rig.add([report(5)])
        save = rig.store.save_packed

        def late(*arguments):
            rig.store.remove_device(DEVICE)
            rig.fleet.devices = []
            return save(*arguments)

        rig.store.save_packed = late
        rig.pack()
        self.assertEqual((rig.packer.packed, rig.alarms), (0, []))

    def test_an_hour_with_nothing_in_it(self):
        """Such as a new machine marks that knows only the days: it is done with, without a chunk."""
        rig = Rig()
        rig.add([report(5)])
        rig.store.data.devices[DEVICE].unpacked[HOUR + 1] = 1
        rig.pack()
        self.assertEqual((rig.packer.packed, rig.alarms), (1, []))
        self.assertEqual(rig.store.unpacked(0, 1 << 40).result, [])
        self.assertEqual([hour for hour, _ in rig.store.chunks(DEVICE, 0, 1 << 40).result], [HOUR])

    def test_the_end_of_history_does_not_wait_for_a_device_that_is_removed(self):
        """The others have theirs cut the same day."""
        rig = Rig(now_hour=HOUR + 24 * 20)
        rig.add([report(24 * 60 * day) for day in range(20)])
        rig.fleet.kept = 10 * 86_400
        rig.fleet.devices = [DEVICE + 1, DEVICE]
        rig.packer.start()
        rig.clock.pump([0] * 200)
        rig.packer.stop()
        self.assertEqual(len(rig.reports(0, 1 << 60)), 10)

    def test_a_mark_that_is_old_is_an_alarm(self):
        """A packer that lags is told of before anything is lost."""
        rig = Rig(lag=100)
        rig.add([report(5)])
        rig.store.save_packed = lambda *arguments: Deferred()
        rig.packer.pack_all()
        rig.clock.advance(101)
        self.assertEqual(rig.packer.lag_seconds, 101)
        del rig.store.save_packed
        rig.packer._note(rig.store.unpacked(0, 1 << 40).result)
        self.assertIn("waiting to be packed", rig.alarms[0])

    def test_history_ends_when_it_shall(self):
        """Older days go, and the log after three days; what is younger stays."""
        rig = Rig(now_hour=HOUR + 24 * 20)
        rig.add([report(24 * 60 * day) for day in range(20)])
        rig.fleet.kept = 10 * 86_400
        rig.packer.start()
        rig.clock.pump([0] * 200)
        rig.packer.stop()
        times = [one.time_us for one in rig.reports(0, 1 << 60)]
        self.assertEqual(times, [START_US + day * 86_400_000_000 for day in range(10, 20)])
        self.assertEqual(len(rig.log()), 2)
        days = rig.store.summaries(DEVICE, 0, 1 << 40).result
        self.assertEqual([day for day, _ in days], [HOUR // HOURS_A_DAY + day for day in range(10, 20)])

    def test_what_removed_devices_have_left_goes_daily(self):
        """In steps, with pauses between them, until there is no more; the next day again."""
        rig = Rig(pause=1)
        answers = [True, True, False, True, False]
        rig.store.forget_removed = lambda: succeed(answers.pop(0))
        rig.packer.start()
        rig.clock.pump([1] * 2)
        self.assertEqual(len(answers), 3)
        rig.clock.pump([1] * 70)
        self.assertEqual(len(answers), 2)
        rig.now_hour += HOURS_A_DAY
        rig.clock.pump([1] * 70)
        self.assertEqual(answers, [])
        rig.packer.stop()

    def test_the_day_on_which_history_ends(self):
        """At noon it begins with a whole day, in every layer: as it was read, in chunks, and summed up."""
        rig = Rig(now_hour=HOUR + 24 * 20 + 5)
        rig.add([report(60 * hour) for hour in range(24 * 20)])
        rig.fleet.kept = 10 * 86_400
        rig.packer.start()
        rig.clock.pump([0] * 1000)
        rig.packer.stop()
        first_hour = (HOUR // HOURS_A_DAY + 10) * HOURS_A_DAY
        by_step = [rig.series(Question(NOW["mode"], START_US, START_US + 400 * HOUR_US, step)) for step in (1800, 3600)]
        begins = [rig.reports(0, 1 << 60)[0].time_us, rig.store.chunks(DEVICE, 0, 1 << 40).result[0][0] * HOUR_US]
        begins += [series.time_us[0] for series in by_step]
        self.assertEqual(begins, [first_hour * HOUR_US] * 4)

    def test_goes_on_after_a_failure(self):
        """A store that is away for a while is asked again."""
        rig = Rig()
        rig.add([report(5)])
        unpacked = rig.store.unpacked
        rig.store.unpacked = lambda *arguments: 1 / 0
        rig.packer.start()
        rig.store.unpacked = unpacked
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        rig.clock.pump([61, 1, 1])
        self.assertEqual(rig.packer.packed, 1)
        rig.packer.stop()


    def test_waits_for_a_database_that_is_away(self):
        """No alarm, no second try in a hurry; it is the same after it came back."""
        rig = Rig()
        rig.add([report(5), report(65)])
        save, tries = rig.store.save_packed, []

        def away(*arguments):
            tries.append(arguments)
            return fail(StorageAway("no node answers"))

        rig.store.save_packed = away
        rig.packer.start()
        rig.clock.pump([0] * 9)
        self.assertEqual((len(tries), rig.alarms), (1, []))
        rig.store.save_packed = save
        rig.clock.pump([61, *[0] * 9])
        self.assertEqual(rig.packer.packed, 2)
        rig.packer.stop()

    def test_an_hour_with_reports_on_their_way_is_left_alone(self):
        """The store says so by a mark that is None."""
        rig = Rig()
        rig.add([report(5)])
        rig.store.unpacked = lambda *arguments: succeed([Unpacked(DEVICE, HOUR, None)])
        rig.pack()
        self.assertEqual(rig.packer.packed, 0)
