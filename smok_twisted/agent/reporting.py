"""Which readings must go out at once, and which may wait for others (design note smok4, "PLAN").

Every reading is sent. ``report`` and ``deadband`` only say how long it may wait to share a record with others.
Pure: the caller gives the time.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..readings import Block, BlockReport

#: The deadband of a block whose changes never go out at once.
NEVER_AT_ONCE = 255


class Reporting:
    """What the server has been told of one plan's blocks."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._blocks = blocks
        self._noted: dict[int, tuple[BlockReport, float]] = {}
        self._told: dict[int, tuple[BlockReport, float]] = {}

    def note(self, report: BlockReport, turn_seconds: float) -> bool:
        """A block was read. True: this and everything noted before must go out now."""
        self._noted[report.block] = (report, turn_seconds)
        if report.block not in self._told:
            return True
        told, told_seconds = self._told[report.block]
        block = self._blocks[report.block]
        return turn_seconds - told_seconds >= block.report_seconds or _is_news(told, report, block.deadband)

    def told(self) -> None:
        """Everything noted so far is on its way."""
        self._told.update(self._noted)


def _is_news(old: BlockReport, new: BlockReport, deadband: int) -> bool:
    """A change beyond the deadband; a fault that comes or goes is beyond any."""
    if deadband == NEVER_AT_ONCE:
        return False
    if old.fault or new.fault:
        return old.fault != new.fault
    return any(abs(one - other) > deadband for one, other in zip(old.words, new.words, strict=True))
