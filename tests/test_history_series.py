"""Promise: a history is what was read, or sums it up without inventing anything; what was not read is a gap."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.devices.values import PlanView
from smok_twisted.errors import Impossible
from smok_twisted.history.series import ENTRIES_AT_MOST, AsRead, Buckets, Question
from smok_twisted.history.stretch import Sample
from smok_twisted.history.traces import samples_of, traces_of
from smok_twisted.modbus.maps import parse_map
from smok_twisted.modbus.plan import plan_blocks
from smok_twisted.modbus.points import Point
from smok_twisted.readings import BlockReport, Plan, Report, Table

SECOND_US = 1_000_000
INTERVAL_US = 10 * SECOND_US
POINT = Point("flow", Table.HOLDING, 1, type="INT16", scale=Decimal("0.1"), precision=1)
SPAN_SECONDS = 20_000


def point(**fields):
    return Point("flow", Table.HOLDING, 1, **fields)


def series(samples, step=None, aggregate=None, of=POINT, span_seconds=SPAN_SECONDS):
    question = Question(of, 0, span_seconds * SECOND_US, step, aggregate)
    as_read, buckets = AsRead(), Buckets(question)
    for sample in samples:
        as_read.add(sample)
        buckets.add_sample(sample)
    return as_read.series() if question.may_be_as_read and as_read.fits else buckets.series()


def every(seconds, count, value=lambda number: number % 7 / 10):
    """Samples at that rhythm, which is the expected one."""
    return [Sample(number * seconds * SECOND_US, value(number), seconds * SECOND_US) for number in range(count)]


histories = st.lists(
    st.tuples(st.sampled_from([1, 9, 10, 11, 25, 26, 400]), st.none() | st.integers(-99, 99)), max_size=60
)


def with_times(history):
    """From (seconds since the one before, tenths) to samples."""
    time_us, samples = 0, []
    for pause, tenths in history:
        time_us += pause * SECOND_US
        samples.append(Sample(time_us, None if tenths is None else tenths / 10, INTERVAL_US))
    return samples


class AsItWasRead(SynchronousTestCase):
    def test_nothing_read_is_nothing(self):
        """No sample, no entry."""
        self.assertEqual(series([]).time_us, [])

    def test_one_gap_between_samples_too_far_apart(self):
        """More than 2.5 expected intervals are a gap, where the next sample was due; exactly as many are not."""
        samples = with_times([(10, 1), (25, 2), (26, 3)])
        found = series(samples)
        self.assertEqual(found.value, [0.1, 0.2, None, 0.3])
        self.assertEqual([time // SECOND_US for time in found.time_us], [10, 35, 45, 61])

    def test_a_plan_that_reads_more_often_makes_no_gap(self):
        """The longer interval of two samples counts."""
        samples = [Sample(0, 0.1, 600 * SECOND_US), Sample(600 * SECOND_US, 0.2, SECOND_US)]
        self.assertEqual(series(samples).value, [0.1, 0.2])

    @settings(derandomize=True, max_examples=200)
    @given(histories)
    def test_every_sample_is_there(self, history):
        """Whatever was read is in it, in order, and what else is in it are gaps where they are due."""
        samples = with_times(history)
        found = series(samples)
        there = set(zip(found.time_us, found.value, strict=True))
        self.assertLessEqual({(sample.time_us, sample.value) for sample in samples}, there)
        due = sum(
            after.time_us - before.time_us > 2.5 * INTERVAL_US
            for before, after in pairwise(samples)
            if before.value is not None and after.value is not None
        )
        self.assertEqual(len(found.value), len(samples) + due)
        self.assertEqual(found.time_us, sorted(found.time_us))

    def test_3000_entries_are_the_most(self):
        """Gaps count."""
        self.assertIsNone(series(every(10, ENTRIES_AT_MOST), span_seconds=40_000).step_seconds)
        self.assertEqual(series(every(10, ENTRIES_AT_MOST + 1), span_seconds=40_000).step_seconds, 30)
        torn = every(10, 2999)
        self.assertIsNone(series([*torn, Sample(40_000 * SECOND_US, None, INTERVAL_US)]).step_seconds)
        self.assertIsNotNone(series([*torn, Sample(40_000 * SECOND_US, 1.0, INTERVAL_US)]).step_seconds)


def brute_force(samples, step_seconds, aggregate):
    """The same, all at once: rows of (seconds, value, lowest, highest)."""

    def stretch(sample):
        return sample.time_us // SECOND_US // step_seconds

    rows = {}
    for number in {stretch(sample) for sample in samples}:
        values = [sample.value for sample in samples if stretch(sample) == number and sample.value is not None]
        rows[number * step_seconds] = summed_up(values, aggregate)
    for before, after in pairwise(sample for sample in samples if sample.value is not None):
        first, last = stretch(before), stretch(after)
        is_shown = any(rows.get(number * step_seconds) == (None, None, None) for number in range(first + 1, last))
        if after.time_us - before.time_us > 2.5 * INTERVAL_US and first != last and not is_shown:
            rows[(first + 0.5) * step_seconds] = (None, None, None)
    return [(seconds, *rows[seconds]) for seconds in sorted(rows)]


def summed_up(values, aggregate):
    if not values:
        return None, None, None
    exact = sum(Decimal(repr(value)) for value in values) / len(values)
    mean = float(exact.quantize(Decimal("0.1"), ROUND_HALF_UP))
    value = {"mean": mean, "min": min(values), "max": max(values), "last": values[-1]}[aggregate]
    return value, min(values), max(values)


class SummedUp(SynchronousTestCase):
    @settings(derandomize=True, max_examples=300)
    @given(histories, st.sampled_from([14, 15, 40, 100, 999]), st.sampled_from(["mean", "min", "max", "last"]))
    def test_is_what_brute_force_says(self, history, step, aggregate):
        """One entry for each stretch that has samples, and one gap between those that do not hang together."""
        samples = with_times(history)
        found = series(samples, step, aggregate)
        columns = (found.time_us, found.value, found.lowest, found.highest)
        rows = [(time / SECOND_US, *rest) for time, *rest in zip(*columns, strict=True)]
        self.assertEqual(rows, brute_force(samples, step, aggregate))

    def test_is_never_more_than_3000(self):
        """Not even when there is a gap after every single stretch."""
        pauses = [(30, 1)] * 1498
        found = series(with_times(pauses), 15, span_seconds=30 * 1499)
        self.assertEqual(found.value.count(None), len(found.value) // 2)
        self.assertLessEqual(len(found.time_us), ENTRIES_AT_MOST)
        self.assertGreater(len(found.time_us), 0.9 * ENTRIES_AT_MOST)

    def test_a_step_that_is_too_short_is_widened(self):
        """To a multiple of itself, so that its stretches still begin where one expects."""
        self.assertEqual(series([], 600).step_seconds, 600)
        self.assertEqual(series([], 4, span_seconds=86_400).step_seconds, 60)

    def test_means_are_rounded_as_values_are(self):
        """Halves go away from zero; no sum of floats shows through."""
        halves = [Sample(0, 0.1, 1), Sample(1, 0.2, 1)]
        self.assertEqual(series(halves, 60).value, [0.2])
        self.assertEqual(series([Sample(0, -0.1, 1), Sample(1, -0.2, 1)], 60).value, [-0.2])
        self.assertEqual(series(every(1, 600, lambda _: 4.1), 3600).value, [4.1])
        whole = series(every(1, 3, lambda number: number), 60, of=point(precision=0)).value
        self.assertEqual((whole, type(whole[0])), ([1], int))

    def test_means_of_floats_that_say_nothing_have_nine_digits(self):
        """A FLOAT64 without precision, also at both ends of its range."""
        of = point(type="FLOAT64", precision=None)
        self.assertEqual(series(every(1, 3, lambda number: number / 3), 60, of=of).value, [0.333333333])
        ends = [1.7976931348623157e308, 1.7976931348623157e308, -1.7976931348623157e308]
        self.assertEqual(series(every(1, 3, ends.__getitem__), 60, of=of).value, [5.99231045e307])

    def test_what_is_no_number_has_no_mean(self):
        """States, truths and texts: the last one, unless another that makes sense is asked for."""
        states = point(states=((0, "summer"), (1, "winter")))
        truth, text = point(type="BOOL", bit=0), point(type="STRING", length=2)
        self.assertEqual(series(every(1, 3, lambda number: number % 2), 60, of=states).value, [0])
        self.assertEqual(series(every(1, 3, lambda number: number % 2 == 1), 60, "max", of=truth).value, [True])
        words = series(every(1, 3, "abc".__getitem__), 60, of=text)
        self.assertEqual((words.value, words.lowest), (["c"], None))
        for of, aggregate in [(states, "mean"), (truth, "mean"), (text, "min")]:
            with self.assertRaisesRegex(Impossible, "agg .* is not accepted for point 'flow': one of last"):
                series([], 60, aggregate, of=of)

    def test_a_span_has_a_length(self):
        """It must not end before it begins."""
        with self.assertRaisesRegex(Impossible, "ends before it begins"):
            Question(POINT, 5, 5)


MAP = """
name = "m"
interval = "10s"
point = [
  { name = "a", register = "holding", address = 1 },
  { name = "b", register = "holding", address = 2, type = "SM16", scale = 0.1, report = "60s" },
]
"""


class OutOfReports(SynchronousTestCase):
    def view(self, number, text):
        register_map = parse_map(text)
        return PlanView(Plan(number, plan_blocks(register_map), "m", register_map.version), register_map)

    def test_finds_a_point_under_every_plan(self):
        """Each report is decoded with the map under which it was read; a fault is None; the rest is left out."""
        views = {1: self.view(1, MAP), 2: self.view(2, MAP.replace("0.1", "0.01").replace("60s", "120s"))}
        block = views[1].place("b")[0]
        reports = [
            Report(1, 10, 1, 1, 0, 1, (BlockReport(1 - block, (7,)), BlockReport(block, (0x8029,)))),
            Report(1, 20, 1, 2, 0, 2, (BlockReport(views[2].place("b")[0], (0x8029,)),)),
            Report(1, 30, 1, 3, 0, 2, (BlockReport(views[2].place("b")[0], (), 0xE0),)),
            Report(1, 40, 1, 4, 0, 1, (BlockReport(1 - block, (7,)),)),
            Report(1, 50, 1, 5, 0, 9, (BlockReport(block, (7,)),)),
        ]
        minute_us = 60 * SECOND_US
        samples = [Sample(10, -4.1, minute_us), Sample(20, -0.41, 2 * minute_us), Sample(30, None, 2 * minute_us)]
        self.assertEqual(list(samples_of(reports, traces(views, "b"))), samples)
        del views[2]
        self.assertEqual(next(samples_of(reports, traces(views, "a"))), Sample(10, 7, 10 * SECOND_US))

    def test_a_renamed_point_goes_on(self):
        """The old name is gone and the same register has a new one: one history; each part keeps its scale."""
        old, new = self.view(1, MAP), self.view(2, MAP.replace('"b"', '"c"').replace("0.1", "0.01"))
        found = traces_of(new.points["c"], [old, new], new.points)
        self.assertEqual({plan: trace.point.name for plan, trace in found.items()}, {1: "b", 2: "c"})
        reports = [
            Report(1, time_us, 1, 1, 0, view.plan.number, (BlockReport(found[view.plan.number].block, (41,)),))
            for time_us, view in enumerate((old, new))
        ]
        self.assertEqual([sample.value for sample in samples_of(reports, found)], [4.1, 0.41])

    def test_a_name_that_is_in_use_is_nobody_elses_past(self):
        """Two points that change places keep their own history."""
        swapped = MAP.replace("address = 1", "address = 3").replace("address = 2", "address = 1")
        old, new = self.view(1, MAP), self.view(2, swapped)
        self.assertEqual(traces_of(new.points["b"], [old], new.points)[1].point.name, "b")

    def test_a_number_is_no_text(self):
        """A point that became a text has no history from when it was a number."""
        text = MAP.replace('type = "SM16", scale = 0.1', 'type = "STRING", length = 2')
        old, new = self.view(1, MAP), self.view(2, text)
        self.assertEqual(list(traces_of(new.points["b"], [old, new], new.points)), [2])


def traces(views, name):
    view = views[max(views)]
    return traces_of(view.points[name], views.values(), view.points)
