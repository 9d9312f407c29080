"""From raw numbers to engineering units and back, exact in decimals: 41 * 0.1 is 4.1.

``scale`` and ``offset`` are decimals with few digits, so ``raw * scale + offset`` is a whole number of units of the
last digit. All arithmetic is done in those whole numbers; one division at the end gives the nearest float.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from ..errors import Impossible
from .codecs import DataType


def decimal_digits(number: Decimal) -> int:
    """How many digits behind the point ``number`` needs: 1 for 0.1 and for 0.10, 0 for 20."""
    denominator = Fraction(number).denominator
    return next(digits for digits in itertools.count() if 10**digits % denominator == 0)


@dataclass(frozen=True, slots=True)
class Scaling:
    """value = (raw * factor + addend) / 10**digits, rounded to ``precision`` decimals, halves away from zero.

    ``precision`` None: not rounded.
    """

    factor: int
    addend: int
    digits: int
    precision: int | None

    @classmethod
    def of(cls, scale: Decimal, offset: Decimal, precision: int | None) -> Scaling:
        """From the numbers of a register map; ``scale`` is not 0."""
        digits = max(decimal_digits(scale), decimal_digits(offset))
        unit = 10**digits
        return cls(int(Fraction(scale) * unit), int(Fraction(offset) * unit), digits, precision)

    def value(self, raw: float) -> float:
        """``raw`` in engineering units; an int where there are no decimals. Raises OverflowError beyond 1.8e308."""
        number = raw if isinstance(raw, int) else Fraction(repr(raw))
        whole = number * self.factor + self.addend
        if isinstance(whole, int) and (self.precision is None or self.precision >= self.digits):
            return _nearest_float(whole, self.digits)
        exact = Fraction(whole, 10**self.digits)
        if self.precision is None:
            return float(exact)
        return _nearest_float(_rounded(exact * 10**self.precision), self.precision)

    def raw(self, value: float, kind: DataType, rounds: bool = False) -> float:
        """The raw number of ``kind`` for ``value``, which is finite.

        Raises Impossible when there is none: outside the range, or, for an integer type, between two raw numbers
        unless it ``rounds`` to the nearest.
        """
        unit: int = 10**self.digits
        raw = (Fraction(repr(value)) * unit - self.addend) / self.factor
        if not kind.lowest <= raw <= kind.highest:
            raise Impossible(f"{value} does not fit {kind.name}{self._range_of(kind)}")
        if kind.is_float:
            return float(raw)
        if rounds:
            return _rounded(raw)
        if raw.denominator != 1:
            nearest = self._both(math.floor(raw), math.ceil(raw))
            raise Impossible(f"{value} has no raw value, the two nearest that have one are {nearest}")
        return raw.numerator

    def _range_of(self, kind: DataType) -> str:
        return "" if kind.is_float else f", the ends of its range are {self._both(int(kind.lowest), int(kind.highest))}"

    def _both(self, *raws: int) -> str:
        """The values of two raw numbers in all their digits, the lower one first."""
        wholes = sorted(raw * self.factor + self.addend for raw in raws)
        return " and ".join(f"{Decimal(f'{whole}e-{self.digits}'):f}" for whole in wholes)


def _rounded(number: Fraction) -> int:
    """To the nearest integer, halves away from zero."""
    size = math.floor(abs(number) + Fraction(1, 2))
    return size if number >= 0 else -size


def _nearest_float(whole: int, digits: int) -> float:
    """whole / 10**digits; dividing two integers gives the float nearest to the decimal."""
    return whole / 10**digits if digits else whole
