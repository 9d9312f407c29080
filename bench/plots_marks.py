"""How plots mark things: one look for all of them."""

from __future__ import annotations

import textwrap
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

#: For ``rc_context``.
STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "svg.fonttype": "none",
    "svg.hashsalt": "smok",  # the same run gives the same file
}
#: Of a saved file: nothing that differs from run to run.
METADATA: dict[str, Any] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
DARK, LIGHT, ACCENT = "#1b3a5c", "#b9c4cf", "#b3540f"
_LABEL_WIDTH = 56
#: For ``annotate``.
BESIDE: dict[str, Any] = {"textcoords": "offset points", "va": "center"}


def mark(shape: str, filled: bool) -> dict[str, Any]:
    """How ``plot`` draws one."""
    return {
        "marker": shape,
        "color": DARK,
        "markerfacecolor": DARK if filled else "white",
        "markersize": 6,
        "linestyle": "none",
    }


def names(axes: Axes, labels: list[str]) -> None:
    """One line each, the first on top."""
    axes.set_yticks(range(len(labels)), ["\n".join(textwrap.wrap(one, _LABEL_WIDTH)) for one in labels])
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)


def logarithmic(axes: Axes, values: list[float]) -> None:
    """The axis of these values, with numbers that are read easily."""
    axes.set_xscale("log")
    axes.set_xlim(min(values) / 1.6, max(values) * 1.8)
    axes.xaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.4g}"))
    axes.xaxis.set_minor_formatter("")
    axes.grid(axis="x")
