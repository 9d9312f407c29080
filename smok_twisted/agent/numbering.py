"""Batch numbers on the wire and serials at home (design note smok4, "Login": ``boot``, ``cursor``).

Serials count 1, 2, 3 ... and never wrap; a number is a serial less ``base``, modulo 2**16, within the epoch ``boot``.
RFC 1982 can compare two numbers only while they are less than 2**15 apart. After an outage in which more batches
were dropped than that, the server would take what is left for old news: then a new epoch begins. Pure.
"""

from __future__ import annotations

from collections.abc import Callable

_NUMBERS = 1 << 16
_COMPARABLE = (1 << 15) - 1


class Numbering:
    """Which serials the server has, and what they are called."""

    def __init__(self, boot: int, base: int, acknowledged: int, gone: int) -> None:
        self.boot = boot
        self.base = base
        self.acknowledged = acknowledged  #: newest serial that the server has said to be durable
        self.gone = gone  #: newest serial that is not kept any more: acknowledged, or dropped

    def number_of(self, serial: int) -> int:
        """What a batch is called on the wire."""
        return (serial - self.base) % _NUMBERS

    @property
    def is_ambiguous(self) -> bool:
        """So many batches were dropped that the next one would look old to the server."""
        return self.gone - self.acknowledged >= _COMPARABLE

    def settle(self, number: int, newest: int) -> bool:
        """The server has every batch up to ``number``. False: it cannot, that number was never given."""
        ahead = (number - self.number_of(self.gone)) % _NUMBERS
        if ahead > _COMPARABLE:
            return True  # old news
        if self.gone + ahead > newest:
            return False
        if ahead:
            self.gone = self.acknowledged = self.gone + ahead
        return True

    def drop(self, serial: int) -> bool:
        """Keep nothing up to ``serial``, whoever has it. False: nothing of it was kept."""
        if serial <= self.gone:
            return False
        self.gone = serial
        return True

    def begin_anew(self, random_below: Callable[[int], int]) -> None:
        """A new epoch. Its first number tells the server how much was dropped, as far as a number can."""
        self.boot = (self.boot + 1 + random_below(_NUMBERS - 1)) % _NUMBERS
        self.base = self.acknowledged = max(self.acknowledged, self.gone - _COMPARABLE + 1)
