"""What a measurement says, and how the table shows it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import NamedTuple

_COLUMNS = ("row", "what", "target", "ours", "reference", "ratio", "verdict")
_WIDTHS = (3, 30, 16, 10, 26, 6, 26)


class Row(NamedTuple):
    """One line. ``ratio`` is what the target speaks of, if it speaks of one."""

    number: int
    what: str
    target: str
    ours: str
    reference: str
    ratio: float | None
    verdict: str


def at_most(value: float, target: float, why: str = "") -> str:
    """The verdict on a target that must not be exceeded."""
    return "meets" if value <= target else _misses(value / target, why)


def at_least(value: float, target: float, why: str = "") -> str:
    """The verdict on a target that must be reached."""
    return "meets" if value >= target else _misses(target / value, why)


def _misses(factor: float, why: str) -> str:
    how_much = f"{factor:.2g}x" if factor >= 2 else f"{factor - 1:.1%}"
    return f"misses by {how_much}" + (f": {why}" if why else "")


def render(rows: Iterable[Row]) -> str:
    """The whole table."""
    lines = [_line(_COLUMNS), "  ".join("-" * width for width in _WIDTHS)]
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.3g}x"
        lines.append(_line((str(row.number), *row[1:5], ratio, row.verdict)))
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    """One row of cells, each wrapped to its column."""
    wrapped = [textwrap.wrap(cell, width) or [""] for cell, width in zip(cells, _WIDTHS, strict=True)]
    height = max(map(len, wrapped))
    return "\n".join(
        "  ".join(
            (cell[n] if n < len(cell) else "").ljust(width) for cell, width in zip(wrapped, _WIDTHS, strict=True)
        ).rstrip()
        for n in range(height)
    )
