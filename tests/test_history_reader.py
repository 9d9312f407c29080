"""Whatever layer answers, the answer is the same: the log, packed hours or days summed up."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import fail
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import Damaged, StorageError
from smok_twisted.history.series import AsRead, Buckets, Question
from smok_twisted.history.traces import samples_of
from smok_twisted.storage.records import HOUR_US, HOURS_A_DAY

from .history_rig import HOURS, NOW, VIEWS, Rig, report, traces
from .history_samples import DEVICE, HOUR, START_US, histories


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


class Gaps(SynchronousTestCase):
    def test_no_line_across_an_outage(self):
        """Between two days that were summed up there is a None where nothing was read."""
        rig = Rig(now_hour=HOUR + 400)
        rig.add([report(minute) for minute in [*range(600), *range(6000, 6600)]])
        rig.pack()
        series = rig.series(Question(NOW["mode"], START_US, START_US + 200 * HOUR_US, 3600))
        self.assertEqual(series.value.count(None), 1)
        self.assertTrue(all(a < b for a, b in pairwise(series.time_us)))
