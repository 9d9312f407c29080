"""The plots of one run, as SVG. Shapes and grey tell things apart, colour only helps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import plots_history
from .plots_marks import ACCENT, BESIDE, DARK, LIGHT, METADATA, STYLE, logarithmic, mark, names
from .run import Run
from .table import Row

_NO_BREAK = "\N{NO-BREAK SPACE}"


def targets(axes: Axes, rows: list[Row]) -> None:
    """How far each row is from its target."""
    found = [row for row in rows if row.margin is not None]
    labels = [f"{row.number}: {row.what} ({row.target.replace(' ', _NO_BREAK)})" for row in found]
    axes.axvline(1, color=ACCENT, linewidth=1.5)
    for at, margin in enumerate(row.margin or 0.0 for row in found):
        meets = margin >= 1
        axes.hlines(at, min(1.0, margin), max(1.0, margin), color=LIGHT, linewidth=2)
        axes.plot(margin, at, **(mark("o", True) if meets else mark("D", False)))
        place = {"xytext": (7, 0), "ha": "left"} if meets else {"xytext": (-7, 0), "ha": "right"}
        axes.annotate(f"{margin:.2f}" if margin < 10 else f"{margin:.0f}", (margin, at), **place, **BESIDE)
    logarithmic(axes, [row.margin or 1.0 for row in found] + [1.0])
    names(axes, labels)
    axes.set_xlabel("times better than the target\n● meets it, ◇ misses it; the line at 1 is the target")


def octets(axes: Axes, rows: list[Row]) -> None:
    """What 20 registers cost a minute, each way, and what else there is."""
    ours = {name: (both, row.data["target"]) for row in rows for name, both in row.data.get("octets", {}).items()}
    peers = {name: (both, None) for row in rows for name, both in row.data.get("peers", {}).items()}
    found = sorted({**ours, **peers}.items(), key=lambda item: -sum(item[1][0]))
    for at, (_, ((to_server, to_device), target)) in enumerate(found):
        total = to_server + to_device
        axes.hlines(at, min(to_server, to_device), total, color=LIGHT, linewidth=2)
        axes.plot(to_server, at, **mark(">", False))
        axes.plot(to_device, at, **mark("<", False))
        axes.plot(total, at, **mark("s" if target is None else "o", True))
        axes.annotate(f"{total:,.4g}" if total < 1000 else f"{total:,.0f}", (total, at), (7, 0), **BESIDE)
        if target is not None:
            axes.plot(target, at, marker="|", color=ACCENT, markersize=16, markeredgewidth=2, linestyle="none")
    logarithmic(axes, [part for _, (both, _) in found for part in (*both, sum(both))])
    names(axes, [name for name, _ in found])
    axes.set_xlabel(
        "octets a minute, headers included\n"
        "▷ to the server, ◁ to the device, ● both, | the target; ■ both, for comparison"
    )


def memory(axes: Axes, rows: list[Row]) -> None:
    """What connections take of the server's memory."""
    found = {name: kilobytes for row in rows for name, kilobytes in row.data.get("kilobytes", {}).items()}
    for at, (name, kilobytes) in enumerate(found.items()):
        is_target = name == "an idle session"
        axes.barh(at, kilobytes, 0.55, color=DARK if is_target else LIGHT, edgecolor=DARK)
        axes.annotate(f"{kilobytes:.2g} kB", (kilobytes, at), (6, 0), **BESIDE)
        if is_target:
            axes.plot(8, at, marker="|", color=ACCENT, markersize=30, markeredgewidth=2, linestyle="none")
    axes.set_xlim(0, 1.15 * max([8.0, *found.values()]))
    axes.grid(axis="x")
    names(axes, list(found))
    axes.set_xlabel("resident memory, kB (1,000 octets) each; | the target")


def queue(axes: Axes, rows: list[Row]) -> None:
    """What waited in front of the slow line."""
    for row in rows:
        if "queue_seconds" in row.data:
            axes.step(row.data["seconds"], row.data["queue_seconds"], color=DARK, linewidth=1, where="post")
            axes.set_title(row.what, loc="left", fontsize=9)
            axes.set_xlim(0, max(row.data["seconds"]))
            axes.set_ylim(0, 1.25 * max([0.1, *row.data["queue_seconds"]]))
    axes.xaxis.set_major_locator(matplotlib.ticker.MultipleLocator(30))
    axes.grid()
    axes.set_xlabel("time, s: each device reports once in each minute, at the same second")
    axes.set_ylabel("queue in front of\nthe line, s")


#: File name, what draws it, whether a row is of it, and the height in inches of the whole and of each of its lines.
_PLOTS: list[tuple[str, Callable[[Axes, list[Row]], None], Callable[[Row], bool], float, float]] = [
    ("targets.svg", targets, lambda row: row.margin is not None, 0.9, 0.34),
    ("octets.svg", octets, lambda row: "octets" in row.data, 1.8, 0.36),
    ("memory.svg", memory, lambda row: "kilobytes" in row.data, 2.0, 0.0),
    ("queue.svg", queue, lambda row: "queue_seconds" in row.data, 2.4, 0.0),
    ("stored.svg", plots_history.stored, lambda row: "stored" in row.data, 2.4, 0.0),
    ("acks.svg", plots_history.acks, lambda row: "acks" in row.data, 3.2, 0.0),
    ("plots.svg", plots_history.plots, lambda row: "plots" in row.data, 1.0, 0.4),
    ("seven_years.svg", plots_history.seven_years, lambda row: "series" in row.data, 2.8, 0.0),
]


def draw(run: Run, folder: Path) -> None:
    """All of them into ``folder``; what was not measured says so in its place."""
    with matplotlib.rc_context(STYLE):
        for name, plot, belongs, height, each in _PLOTS:
            found = [row for row in run.rows if belongs(row)]
            figure = Figure(figsize=(9.2, height + each * len(found)), layout="constrained")
            axes = figure.add_subplot()
            if found:
                plot(axes, found)
            else:
                axes.set_axis_off()
                axes.text(0, 0.5, "not measured in this run")
            figure.savefig(folder / name, metadata=METADATA)
