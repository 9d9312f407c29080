"""What a measurement says, and how the table shows it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

_COLUMNS = ("row", "what", "target", "ours", "reference", "ratio", "verdict")
_WIDTHS = (3, 21, 11, 10, 17, 6, 14)


class Verdict(NamedTuple):
    """``margin``: how many times better than the target; 1 is just met, less is a miss, None was not measured."""

    text: str
    margin: float | None

    def __str__(self) -> str:
        return self.text


class Row(NamedTuple):
    """One line. ``ratio`` is what the target speaks of, if it speaks of one; ``data`` is for the plots alone."""

    number: int
    what: str
    target: str
    ours: str
    reference: str
    ratio: float | None
    verdict: Verdict | str
    data: Mapping[str, Any] = {}

    @property
    def margin(self) -> float | None:
        """That of the verdict."""
        return self.verdict.margin if isinstance(self.verdict, Verdict) else None


def at_most(value: float, target: float, why: str = "") -> Verdict:
    """The verdict on a target that must not be exceeded; ``why`` is shown if it is."""
    return _verdict(target / value, why)


def at_least(value: float, target: float, why: str = "") -> Verdict:
    """The verdict on a target that must be reached; ``why`` is shown if it is not."""
    return _verdict(value / target, why)


def _verdict(margin: float, why: str) -> Verdict:
    if margin >= 1:
        return Verdict("meets", margin)
    factor = 1 / margin
    how_much = f"{factor - 1:.1%}" if factor < 2 else f"{factor:.2g}x" if factor < 10 else f"{factor:,.0f}x"
    return Verdict(f"misses by {how_much}" + (f": {why}" if why else ""), margin)


def render(rows: Iterable[Row]) -> str:
    """The whole table."""
    lines = [_line(_COLUMNS), "  ".join("-" * width for width in _WIDTHS)]
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.3g}x"
        lines.append(_line((str(row.number), *row[1:5], ratio, str(row.verdict))))
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    """One row of cells, each wrapped to its column."""
    columns = zip(cells, _WIDTHS, strict=True)
    wrapped = [textwrap.wrap(cell, width, break_on_hyphens=False) or [""] for cell, width in columns]
    height = max(map(len, wrapped))
    return "\n".join(
        "  ".join(
            (cell[n] if n < len(cell) else "").ljust(width) for cell, width in zip(wrapped, _WIDTHS, strict=True)
        ).rstrip()
        for n in range(height)
    )
