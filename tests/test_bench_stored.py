"""What ``make bench`` says of stored octets and of long histories: exact where it can be, the rest in short."""

from __future__ import annotations

import itertools
import struct
import tempfile
from pathlib import Path
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from bench import gorilla, mix, nodes
from bench.ack_times import Waits
from bench.packed import SAMPLES, fill, packed_hours
from bench.plain_rows import PlainRows
from bench.row_13_stored import TARGET
from bench.row_14_acks import course
from bench.row_15_node import row
from bench.row_16_plots import plot_row, seven_years
from bench.seven_years import Figures, measure_in
from bench.timing import Comparison
from smok_twisted.history.chunk import Chunk
from tools.cassandra import Missing

FIGURES = Figures(31, 500_000, 1.0, 0.5, 744, 31, [[0, 1], [1.0, 2.0], [1.0, 2.0], [1.0, 2.0]])


class StoredOctets(SynchronousTestCase):
    """A sample of the 60 s mix, as row 13 has it."""

    def test_octets_of_a_sample(self) -> None:
        """Exact for this seed: what moves is a regression, or a better way to pack; the file is within the target."""
        with tempfile.TemporaryDirectory() as folder:
            stored = fill(Path(folder, "smok.db"), packed_hours())
        self.assertEqual((stored.chunks, stored.summaries, stored.file), (378_927, 54_134, 540_672))
        self.assertLess(stored.file / SAMPLES, TARGET)

    def test_the_mix_is_one_and_the_same(self) -> None:
        """A seed gives one course of events, another seed another one."""
        first, again, other = (next(mix.words(seed)) for seed in (1, 1, 2))
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)

    def test_the_mix_is_not_too_easy(self) -> None:
        """Differences of an hour have an entropy that no packing goes below; the hour comes back whole."""
        hours = list(itertools.islice(mix.hours(1, 1), 24))
        self.assertGreater(mix.entropy(hours), 0.18)
        [packed] = itertools.islice(packed_hours(1, 1), 1)
        self.assertEqual(Chunk(packed.chunk).reports(1), hours[0])


class GorillaTests(SynchronousTestCase):
    """A reference that computes something else would be no reference."""

    def test_comes_back(self) -> None:
        """Times with steps of every size, values that repeat, creep and jump."""
        steps = (60, 60, 61, 59, 60, 124, 60, 317, 60, 2108, 60, 90_000, 60)
        times = list(itertools.accumulate(steps, initial=1_000))
        values = [20.1, 20.1, 20.2, 20.3, 0.0, -1.5, 1e300, 20.1, 5e-324, 20.5, 20.5, 40.0, 80.0, 0.1]
        bits = gorilla.encode(times, values)
        self.assertEqual(gorilla.decode(bits, times[0], len(times)), (times, values))

    def test_a_standstill_costs_two_bits(self) -> None:
        """As in the paper: one for the time, one for the value."""
        times, values = list(range(0, 6000, 60)), [20.5] * 100
        step = gorilla.encode(times[:2], values[:2])
        self.assertEqual(len(gorilla.encode(times, values)) - len(step), 2 * 98)

    def test_the_first_is_whole(self) -> None:
        """64 bits."""
        self.assertEqual(int(gorilla.encode([5], [1.5]), 2), int.from_bytes(struct.pack(">d", 1.5)))


class PlainRowsTests(SynchronousTestCase):
    """The reference for plots, opened by several one after the other."""

    def test_points(self) -> None:
        """As read, each sample of the span; by widths, a point for each that has samples, of this register only."""
        with tempfile.TemporaryDirectory() as folder:
            for minutes in (range(60), range(60, 120)):
                rows = PlainRows(Path(folder, "rows.db"))
                rows.insert((1, register, minute * 60_000_000, 20.0) for minute in minutes for register in (0, 1))
                rows.close()
            rows = PlainRows(Path(folder, "rows.db"))
            end_us = 7200 * 1_000_000
            found = [rows.plot(1, 0, 0, end_us, width_us) for width_us in (None, 600_000_000)]
            rows.close()
        self.assertEqual(found, [120, 12])


class LongHistory(SynchronousTestCase):
    """Seven years made short."""

    def test_a_month_of_one_device(self) -> None:
        """Packed by two processes, it is in one file and one plot, and each day comes back as it was made."""
        with tempfile.TemporaryDirectory() as folder:
            found = measure_in(Path(folder), 33)
        self.assertEqual((found.days, found.good_days), (33, 33))
        self.assertEqual(found.first_plot_points, 33 * 24)
        self.assertEqual({len(column) for column in found.series}, {33 * 24})
        self.assertLess(found.octets_a_sample, 0.7)

    def test_a_day_that_differs(self) -> None:
        """It is a miss, however many others are good."""
        [*_, days] = seven_years(FIGURES._replace(good_days=30))
        self.assertEqual((days.ours, days.margin), ("30 of 31", 0.0))
        [*_, days] = seven_years(FIGURES)
        self.assertEqual(str(days.verdict), "meets")

    def test_a_plot_of_too_many_points(self) -> None:
        """However quickly it came."""
        quick = Comparison(0.001, 0.01, 0.1)
        self.assertEqual(str(plot_row("a day", 5.0, 1440, 0, quick).verdict), "meets")
        self.assertEqual(str(plot_row("a day", 5.0, 3001, 0, quick).verdict), "misses: 3001 points")


class Acknowledgements(SynchronousTestCase):
    """Rows 14 and 15."""

    def test_percentiles(self) -> None:
        """Of 100, 99 waited no longer than the 99th; what has no answer waits for ever."""
        waits = Waits([float(number) for number in range(1, 101)])
        self.assertEqual((waits.percentile(50), waits.percentile(99), waits.percentile(100)), (50.0, 99.0, 100.0))
        some = Waits([1.0] * 98, unanswered=2)
        self.assertEqual(some.percentile(99), float("inf"))
        self.assertEqual(course(some)[-1], [98.0, 1000.0])

    def test_a_lost_batch(self) -> None:
        """A short gap does not make up for it."""
        found = {"longest gap kill": 0.2, "missing": 0, "acknowledged": 900, "sessions dropped": 0}
        self.assertEqual(str(row("kill", found).verdict), "meets")
        self.assertEqual(row("kill", found | {"missing": 1}).margin, 0.0)
        self.assertIn("misses", str(row("kill", found | {"longest gap kill": 6.0}).verdict))

    def test_without_a_cassandra(self) -> None:
        """The row says what is missing, and the table goes on."""
        with patch.object(nodes, "cluster", side_effect=Missing("Java 17 is needed")):
            [left_out] = nodes.beside_cassandra(12, "Cassandra", lambda it: [])
        self.assertEqual(str(left_out.verdict), "left out: Java 17 is needed")
        self.assertIsNone(left_out.margin)
