"""Draws how many batches were acknowledged through the faults of a node, from what ``cassandra_faults --keep`` wrote.

``python -m tests.fault_plot docs/reliability/*.json docs/reliability/acknowledged.svg``: a drawing below the other for
each file.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.plots_marks import ACCENT, DARK, LIGHT, METADATA, STYLE

#: What became of the node, for people.
_WORDS = {"kill": "killed", "hang": "hung (SIGSTOP)", "restart": "restarted", "partition": "cut off"}


def draw(runs: list[dict[str, Any]], file: Path) -> None:
    """``runs`` as ``ack_times.Course.keep`` writes them."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.2, 0.4 + 1.9 * len(runs)), layout="constrained")
        for number, run in enumerate(runs):
            _course(figure.add_subplot(len(runs), 1, number + 1), run)
        figure.axes[-1].set_xlabel("time, s: a node is hurt, mended and up again where the ground is grey")
        figure.savefig(file, metadata=METADATA)


def _course(axes: Axes, run: dict[str, Any]) -> None:
    step = run["step_seconds"]
    rates = [count / step for count in run["batches"]]
    highest = 1.25 * max([1.0, *rates])
    for kind, begun, ended in run["faults"]:
        axes.axvspan(begun, ended, color=LIGHT, alpha=0.5, linewidth=0)
        axes.axvline(begun, color=ACCENT, linewidth=1.2)
        axes.text(begun + 0.5, 0.98 * highest, _WORDS.get(kind, kind), va="top")
    axes.step([number * step for number in range(len(rates))], rates, where="post", color=DARK, linewidth=0.9)
    axes.set_xlim(0, len(rates) * step)
    axes.set_ylim(0, highest)
    axes.set_ylabel("acknowledged,\nbatches/s")
    axes.grid(axis="y")


def main() -> int:
    """Always 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kept", type=Path, nargs="+", help="what --keep wrote")
    parser.add_argument("drawing", type=Path, help="the SVG file")
    args = parser.parse_args()
    draw([json.loads(file.read_text(encoding="utf-8")) for file in args.kept], args.drawing)
    return 0


if __name__ == "__main__":
    sys.exit(main())
