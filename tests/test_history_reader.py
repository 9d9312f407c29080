"""Whatever layer answers, the answer is the same: the log, packed hours or days summed up."""

from __future__ import annotations

import contextlib
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import Damaged, StorageAway, StorageError
from smok_twisted.history.packer import Packer, PackerTimes
from smok_twisted.history.reader import History, refuse
from smok_twisted.history.series import AsRead, Buckets, Question
from smok_twisted.history.slices import Span
from smok_twisted.history.traces import samples_of, traces_of
from smok_twisted.readings import BlockReport, Report
from smok_twisted.storage.memory import MemoryStore
from smok_twisted.storage.records import HOUR_US, HOURS_A_DAY, Batch, DeviceRecord, Unpacked

from .history_samples import DEVICE, HOUR, PLANT, START_US, histories, view

#: The second map calls the temperature otherwise and has another scale for it.
RENAMED = PLANT.replace('"outside"', '"outdoors"').replace("scale = 0.1", "scale = 0.25")
VIEWS = {1: view(1), 2: view(2, RENAMED)}
NOW = VIEWS[2].points
HOURS = 30


class Fleet:
    """Of one device."""

    def __init__(self, keep_seconds=None):
        self.kept = keep_seconds
        self.devices = [DEVICE]

    def device_ids(self):
        return self.devices

    def views(self, device_id):
        return VIEWS

    def keep_seconds(self, device_id):
        return self.kept


class Rig:
    """A store with a device, its packer and its history; ``now_hour`` is the hour that goes on."""

    def __init__(self, now_hour=HOUR + HOURS + 1, **times):
        self.store, self.clock, self.alarms = MemoryStore(), Clock(), []
        self.store.open()
        self.store.save_device(DeviceRecord(DEVICE, "plant", "plant", 0))
        self.now_hour = now_hour
        self.fleet = Fleet()
        self.packer = Packer(
            self.store,
            self.fleet,
            self.clock,
            lambda: self.now_hour * HOUR_US + HOUR_US // 2,
            lambda kind, text: self.alarms.append(text),
            PackerTimes(**{"pause": 0} | times),
        )
        self.history = History(self.store)
        self.number = 0

    def add(self, reports):
        for report in reports:
            self.number += 1
            numbered = report._replace(batch=self.number)
            assert self.store.append(Batch(DEVICE, 3, self.number, (numbered,))).result is None

    def pack(self):
        """All that is over."""
        self.done(self.packer.pack_all())

    def done(self, waiting):
        """The result of a Deferred or coroutine that waits for nothing but the clock."""
        deferred = waiting if isinstance(waiting, Deferred) else Deferred.fromCoroutine(waiting)
        for _ in range(10_000):
            if deferred.called and not isinstance(deferred.result, Deferred):
                break
            self.clock.advance(0)
        results = []
        deferred.addBoth(results.append)
        if hasattr(results[0], "raiseException"):
            results[0].raiseException()
        return results[0]

    def series(self, question):
        return self.done(self.history.series(DEVICE, question, traces(question.point), VIEWS))

    def reports(self, from_us, to_us, on_damage=refuse):
        async def all_pages():
            pages = self.history.reports(DEVICE, Span(from_us, to_us), on_damage)
            return [one async for page in pages for one in page]

        return self.done(all_pages())

    def log(self):
        return self.store.reports(DEVICE, 0, 1 << 62, 100_000).result


def traces(point):
    return traces_of(point, VIEWS.values(), NOW)


def brute_force(reports, question):
    """The answer out of nothing but the samples."""
    samples = [
        sample
        for sample in samples_of(sorted(reports, key=lambda report: report.time_us), traces(question.point))
        if question.from_us <= sample.time_us < question.to_us
    ]
    as_read, buckets = AsRead(), Buckets(question)
    for sample in samples:
        as_read.add(sample)
        buckets.add_sample(sample)
    return as_read.series() if question.may_be_as_read and as_read.fits else buckets.series()


spans = st.tuples(st.integers(-2 * 60, HOURS * 60), st.integers(1, HOURS * 60)).map(
    lambda span: (START_US + span[0] * 60_000_000 + 17, START_US + (span[0] + span[1]) * 60_000_000 + 17)
)
whole_hours = st.tuples(st.integers(-2, HOURS), st.integers(1, 60)).map(
    lambda span: (START_US + span[0] * HOUR_US, START_US + (span[0] + span[1]) * HOUR_US)
)
steps = st.sampled_from([None, 60, 700, 1800, 3600, 7200, 10_800, 86_400])
long_histories = histories(list(VIEWS.values()), HOURS, 60, (60, 61, 150, 151, 900, 3600, 20_000))


class AnyLayer(SynchronousTestCase):
    @settings(deadline=None, suppress_health_check=list(HealthCheck))
    @given(long_histories, st.integers(0, HOURS + 2), st.data())
    def test_the_answer_is_that_of_brute_force(self, reports, packed_until, data):
        """Hours packed or not, data that came late, packed again or not, log forgotten or not, maps changed."""
        rig = Rig()
        late = data.draw(st.sets(st.sampled_from(range(len(reports)))), "late")
        rig.add([report for number, report in enumerate(reports) if number not in late])
        rig.now_hour = HOUR + packed_until
        rig.pack()
        rig.add([reports[number] for number in sorted(late)])
        if data.draw(st.booleans(), "packed again"):
            rig.pack()
        if data.draw(st.booleans(), "forgotten"):
            first_day = data.draw(st.sampled_from([0, HOUR // HOURS_A_DAY + 1]), "first day")
            rig.store.forget(DEVICE, 1 << 62, first_day)
            marked = {one.hour for one in rig.store.unpacked(0, 1 << 40).result}
            first_us = first_day * HOURS_A_DAY * HOUR_US
            reports = [one for one in reports if one.time_us >= first_us or one.time_us // HOUR_US in marked]
        for name in data.draw(st.sets(st.sampled_from(sorted(NOW)), min_size=2), "points"):
            point = NOW[name]
            from_us, to_us = data.draw(spans | whole_hours, "span")
            accepted = ["last"] if point.kind.is_text else ["last", "min", "max"]
            accepted += [] if point.kind.is_text or point.kind.is_bool or point.states else ["mean"]
            question = Question(point, from_us, to_us, data.draw(steps), data.draw(st.sampled_from(accepted)))
            self.assertEqual(rig.series(question), brute_force(reports, question), name)
        from_us, to_us = data.draw(spans, "reports")
        expected = [report for report in reports if from_us <= report.time_us < to_us]
        self.assertEqual([one._replace(batch=0) for one in rig.reports(from_us, to_us)],
                         [one._replace(batch=0) for one in expected])  # fmt: skip

    def test_a_long_span_with_few_samples_is_shown_as_read(self):
        """Two readings in three years are two points, not two buckets."""
        rig = Rig(now_hour=HOUR + 30_000)
        rig.add([report(0), report(25_000 * 60)])
        rig.pack()
        series = rig.series(Question(NOW["mode"], START_US, START_US + 26_000 * HOUR_US))
        self.assertEqual((series.step_seconds, series.value), (None, [7, None, 7]))

    def test_a_year_comes_from_its_days(self):
        """No chunk is read for it."""
        rig = Rig(now_hour=HOUR + 9000)
        rig.add([report(minute) for minute in range(0, 8760 * 60, 60)])
        rig.pack()
        rig.store.data.devices[DEVICE].chunks.clear()
        series = rig.series(Question(NOW["mode"], START_US, START_US + 8760 * HOUR_US, 21_600, "max"))
        self.assertEqual((len(series.value), set(series.value)), (2921, {7, None}))

    def test_a_damaged_hour_is_an_error_and_no_gap(self):
        """Nobody is shown a quiet line where there was something."""
        rig = Rig()
        rig.add([report(1)])
        rig.pack()
        rig.store.data.devices[DEVICE].chunks[HOUR] = b"\1damaged"
        with self.assertRaisesRegex(StorageError, r"\A2024-11-14T10:00:00.000Z: a packed hour is damaged"):
            rig.series(Question(NOW["mode"], START_US, START_US + HOUR_US))
        with self.assertRaisesRegex(StorageError, r"\A2024-11-14T10:00:00.000Z: a packed hour is damaged"):
            rig.reports(START_US, START_US + HOUR_US)

    def test_damaged_hours_are_left_out_if_that_is_wanted(self):
        """Whether they are packed, open, or have a row of the log that cannot be decoded; not what cannot be read."""
        rig = Rig()
        rig.add([report(60 * hour) for hour in range(5)])
        rig.pack()
        chunks = rig.store.data.devices[DEVICE].chunks
        chunks[HOUR + 1] = chunks[HOUR + 2] = b"\1damaged"
        rig.add([report(60 * 2 + 1), report(60 * 3 + 1)])
        rows = rig.store.reports

        def some(device_id, from_us, *rest):
            is_damaged = from_us == START_US + 3 * HOUR_US
            return fail(Damaged("a stored report is damaged")) if is_damaged else rows(device_id, from_us, *rest)

        rig.store.reports = some
        skipped = []
        found = rig.reports(START_US, START_US + 5 * HOUR_US, lambda hour, _: skipped.append(hour - HOUR))
        self.assertEqual(([(one.time_us - START_US) // HOUR_US for one in found], skipped), ([0, 4], [1, 2, 3]))
        rig.store.reports = lambda *_: fail(StorageError("the disk is gone"))
        with self.assertRaisesRegex(StorageError, "the disk is gone"):
            rig.reports(START_US, START_US + 5 * HOUR_US, lambda *_: None)


def report(minute, word=7):
    blocks = [BlockReport(number, (word % 2 if block.table.is_bits else word,) * block.count)
              for number, block in enumerate(VIEWS[1].plan.blocks)]  # fmt: skip
    return Report(DEVICE, START_US + minute * 60_000_000, 3, 0, 0, 1, tuple(blocks))


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


class Breaking:
    """A store whose n-th call, and every later one, fails: every second time after it was done."""

    def __init__(self, store, step):
        self.store, self._calls, self._step = store, 0, step

    def __getattr__(self, name):
        method = getattr(self.store, name)

        def call(*arguments):
            self._calls += 1
            if self._calls <= self._step // 2:
                return method(*arguments)
            if self._calls == self._step // 2 + 1 and self._step % 2:
                method(*arguments)
            raise StorageError("power is gone")

        return call


class Gaps(SynchronousTestCase):
    def test_no_line_across_an_outage(self):
        """Between two days that were summed up there is a None where nothing was read."""
        rig = Rig(now_hour=HOUR + 400)
        rig.add([report(minute) for minute in [*range(600), *range(6000, 6600)]])
        rig.pack()
        series = rig.series(Question(NOW["mode"], START_US, START_US + 200 * HOUR_US, 3600))
        self.assertEqual(series.value.count(None), 1)
        self.assertTrue(all(a < b for a, b in pairwise(series.time_us)))
