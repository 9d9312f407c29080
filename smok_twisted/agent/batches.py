"""Rounds dealt out to batches while they come (design note smok4, "DATA": one record is one batch).

Each round is numbered at once, so that it can be kept as it is; a batch is closed when it is full or must go out,
and never changes afterwards. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..links.smok4.rounds import split
from ..readings import Block, BlockReport, Round


class Placed(NamedTuple):
    """Where reports belong."""

    serial: int  #: of the batch; counts 1, 2, 3 ... and never wraps
    position: int  #: of the round within its batch
    reports: tuple[BlockReport, ...]


class Batches:
    """The numbering of one plan's rounds. ``closed`` is the newest batch that takes nothing more."""

    def __init__(self, closed: int, blocks: Sequence[Block]) -> None:
        self.closed = closed
        self._blocks = blocks
        self._open: list[Round] = []  # ages do not matter here: ``split`` reckons with the longest

    @property
    def newest(self) -> int:
        """The newest batch that holds something."""
        return self.closed + bool(self._open)

    def add(self, reports: tuple[BlockReport, ...]) -> list[Placed]:
        """One more round; what does not fit its batch goes on in the next."""
        known = len(self._open)
        dealt = split([*self._open, Round(0, reports)], self._blocks)
        placed = [
            Placed(self.closed + 1 + number, position, one.reports)
            for number, batch in enumerate(dealt)
            for position, one in enumerate(batch)
        ]
        self.closed += len(dealt) - 1
        self._open = dealt[-1]
        return placed[known:]

    def close(self) -> None:
        """The open batch must go out as it is."""
        self.closed = self.newest
        self._open = []
