"""Row 16: what plots of a day, a month and a year cost the server; and seven years of one device, read again."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

from smok_twisted.readings import Report
from smok_twisted.storage.records import HOURS_A_DAY

from . import mix
from .cpu import Subject, subject
from .plain_rows import PlainRows, Sample
from .seven_years import DAYS, DEVICE, PART_DAYS, Figures, ask, drawing, measure_in, reports_of
from .table import Row, Verdict, at_most
from .timing import Comparison, of_pairs

POINTS_AT_MOST = 3000
_DAY_SECONDS = 86_400
_YEAR_DAYS = 365
_ROUNDS = 7
#: Name, days, milliseconds of CPU that it may cost.
_SPANS = (("24 hours", 1, 5.0), ("30 days", 30, 25.0), ("a year", _YEAR_DAYS, 150.0))


def measure(days: int = DAYS) -> list[Row]:
    """All of the same seven years, or fewer ``days``, but at least a year."""
    with tempfile.TemporaryDirectory(prefix="smok-bench-") as name:
        folder = Path(name)
        figures = measure_in(folder, days)
        rows = PlainRows(folder / "rows.db")
        rows.insert(_last_year(days))
        rows.close()
        with subject("drawing", *drawing(folder, days), module="bench.drawing") as drawer:
            plots = [_plot(drawer, *span) for span in _SPANS]
    return [*plots, *seven_years(figures)]


def _last_year(days: int) -> Iterator[Sample]:
    """Of the point that is drawn: others would not be touched, and would only take time to write."""
    first = (days - _YEAR_DAYS) // PART_DAYS
    for part in range(first, -(-days // PART_DAYS)):
        for report in itertools.chain.from_iterable(itertools.islice(reports_of(part), PART_DAYS * HOURS_A_DAY)):
            yield _sample(report)


def _sample(report: Report) -> Sample:
    return DEVICE, 0, report.time_us, report.blocks[0].words[0] * mix.SCALE


def _plot(drawer: Subject, name: str, days: int, most_ms: float) -> Row:
    seconds = days * _DAY_SECONDS
    points, width = map(int, ask(drawer, f"ours {seconds}").split())
    pairs = [(_cpu(drawer, f"ours {seconds}"), _cpu(drawer, f"rows {seconds} {width}")) for _ in range(_ROUNDS + 1)]
    beside = of_pairs(pairs[1:])
    return plot_row(name, most_ms, points, width, beside)


def plot_row(name: str, most_ms: float, points: int, width_seconds: int, beside: Comparison) -> Row:
    """``width_seconds``: what each point stands for, 0 when it is a sample as it was read."""
    ours_ms, rows_ms = 1000 * beside.ours, 1000 * beside.reference
    data = {"plots": {name: [ours_ms, rows_ms, most_ms]}}
    each = f"{width_seconds} s each" if width_seconds else "as read"
    verdict = at_most(ours_ms, most_ms, "hours are unpacked, and samples decoded, in Python")
    if points > POINTS_AT_MOST:
        verdict = Verdict(f"misses: {points} points", POINTS_AT_MOST / points)
    return Row(
        16,
        f"plot of {name}, a report a minute: CPU; points",
        f"<= {most_ms:.0f} ms, <= {POINTS_AT_MOST:,} points",
        f"{ours_ms:.3g} ms; {points:,} points, {each}",
        f"rows in SQLite {rows_ms:.3g} ms",
        beside.ratio,
        verdict,
        data,
    )


def seven_years(found: Figures) -> list[Row]:
    """What is told of them."""
    good = Verdict("meets", 1.0) if found.good_days == found.days else Verdict("misses: days differ", 0.0)
    return [
        Row(
            16,
            f"seven years of one device, {found.days:,} days: SQLite file",
            "",
            f"{found.octets / 1e6:.1f} MB; {found.octets_a_sample:.4f} octets a sample",
            f"{found.samples:,} samples, made and packed in {found.made_seconds:.0f} s",
            None,
            "no target",
            {"series": found.series},
        ),
        Row(
            16,
            "seven years of one device: first plot of all of it, process started and file opened",
            "",
            f"{found.first_plot_seconds:.2f} s; {found.first_plot_points:,} points",
            "",
            None,
            "no target",
        ),
        Row(
            16,
            "seven years of one device: days read back as they were made",
            "all",
            f"{found.good_days:,} of {found.days:,}",
            "",
            None,
            good,
        ),
    ]


def _cpu(drawer: Subject, line: str) -> float:
    begun = drawer.cpu_seconds()
    ask(drawer, line)
    return drawer.cpu_seconds() - begun
