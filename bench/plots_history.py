"""Plots of what is kept: octets of a sample, time until an ACK, CPU of a plot, and seven years drawn from the store."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import matplotlib.dates
from matplotlib.axes import Axes

from .plots_marks import ACCENT, BESIDE, DARK, LIGHT, logarithmic, mark, names
from .table import Row

_DAY_US = 86_400e6


def stored(axes: Axes, rows: list[Row]) -> None:
    """What a sample takes, ours and others."""
    found = {name: value for row in rows for name, value in row.data["stored"].items()}
    found = dict(sorted(found.items(), key=lambda item: -item[1]))
    for at, (name, value) in enumerate(found.items()):
        axes.plot(value, at, **mark("o" if name.startswith("ours") else "s", True))
        axes.annotate(f"{value:.3g}", (value, at), (7, 0), **BESIDE)
    axes.axvline(rows[0].data["target"], color=ACCENT, linewidth=1.5)
    logarithmic(axes, list(found.values()))
    names(axes, list(found))
    axes.set_xlabel("octets of a stored sample\n● ours, ■ for comparison; the line is the target for files")


def acks(axes: Axes, rows: list[Row]) -> None:
    """Which part of the reports had waited how long."""
    styles = (("-", DARK), ("--", DARK), (":", DARK), ("-.", DARK))
    found = {name: course for row in rows for name, course in row.data["acks"].items() if course}
    for (name, course), (line, colour) in zip(found.items(), styles, strict=False):
        percents, waits = zip(*course, strict=True)
        axes.step(waits, percents, linestyle=line, color=colour, linewidth=1.2, where="post", label=name)
    axes.axvline(rows[0].data["target_ms"], color=ACCENT, linewidth=1.5)
    logarithmic(axes, [wait for course in found.values() for _, wait in (course[0], course[-1])])
    axes.set_ylim(0, 103)
    axes.legend(loc="upper left", frameon=False, fontsize=8)
    axes.set_xlabel("time until the ACK, ms; the line is the target for 99 % of them")
    axes.set_ylabel("reports, %")


def plots(axes: Axes, rows: list[Row]) -> None:
    """CPU of each span."""
    found = {name: costs for row in rows for name, costs in row.data["plots"].items()}
    for at, (ours, others, target) in enumerate(found.values()):
        axes.hlines(at, min(ours, others), max(ours, others), color=LIGHT, linewidth=2)
        axes.plot(others, at, **mark("s", True))
        axes.plot(ours, at, **mark("o", True))
        axes.annotate(f"{ours:.3g}", (ours, at), (0, 10), ha="center", **BESIDE)
        axes.plot(target, at, marker="|", color=ACCENT, markersize=16, markeredgewidth=2, linestyle="none")
    logarithmic(axes, [cost for costs in found.values() for cost in costs])
    names(axes, [f"plot of {name}" for name in found])
    axes.set_xlabel("CPU, ms: ● ours, ■ rows in SQLite, | the target")


def seven_years(axes: Axes, rows: list[Row]) -> None:
    """As the store answers it: mean, lowest and highest; no line across what is missing."""
    [times_us, means, lowest, highest] = rows[0].data["series"]
    dates = [datetime.fromtimestamp(time_us / 1e6, UTC) for time_us in times_us]
    band: Any = [[float("nan") if one is None else one for one in column] for column in (lowest, highest, means)]
    axes.fill_between(dates, band[0], band[1], color=LIGHT, linewidth=0, label="lowest to highest")
    axes.plot(dates, band[2], color=DARK, linewidth=0.6, label="mean")
    axes.legend(loc="upper right", frameon=False, fontsize=8)
    axes.grid()
    step_days = min((after - before) / _DAY_US for before, after in pairwise(times_us))
    axes.xaxis.set_major_locator(matplotlib.dates.YearLocator())
    axes.xaxis.set_major_formatter(matplotlib.dates.DateFormatter("%Y"))
    axes.set_ylabel("temperature, °C")
    axes.set_xlabel(f"seven years of one register from the store, {len(dates):,} points of {step_days:.3g} days")
