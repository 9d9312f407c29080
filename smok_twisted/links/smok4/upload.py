"""The device's readings on their way out (design note smok4, "PLANOK", "DATA").

What is kept goes out in order, each batch after a PLANOK that names the plan it was read by. On a slow line answers
must not wait behind hours of readings, so only a window of batches is on its way at a time; a server that is slow to
acknowledge widens it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from ...clock import WallClock
from ...readings import OLDEST_AGE, Block, BlockReport, Round
from . import messages
from .messages import Type
from .rounds import RoundEncoder

#: So many batches go out beyond the newest acknowledged one, and as many more each time no ACK has come for so long.
WINDOW_BATCHES = 64
WIDEN_SECONDS = 10.0
#: Far less than the 32,767 that may be unacknowledged: a batch that was sent and dropped must not look unsent.
WIDEST_BATCHES = 16_384


class KeptBatch(NamedTuple):
    """One batch, as readings."""

    serial: int  #: counts 1, 2, 3 ... and never wraps
    number: int  #: u16, on the wire
    plan: int
    blocks: tuple[Block, ...]  #: of that plan
    rounds: tuple[tuple[int, tuple[BlockReport, ...]], ...]  #: wall clock (microseconds), block reports


class Backlog(Protocol):
    """Where readings are kept until they are acknowledged, and the plan that they are taken by now."""

    plan: int  #: 0: none
    ready: int  #: newest serial that may be sent
    on_ready: Callable[[], None]  #: called when ``ready`` has grown

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks of ``plan``."""

    @property
    def gone(self) -> int:
        """Newest serial that is not kept any more."""

    @property
    def is_ambiguous(self) -> bool:
        """The numbers do not fit the server's any more: only a new login helps."""

    def batches(self, after: int, until: int) -> Sequence[KeptBatch]:
        """What may be sent beyond serial ``after``, up to ``until``."""

    def settle(self, number: int) -> bool:
        """The server has everything up to this number. False: it was never given."""

    def begin_anew(self) -> None:
        """Number what is kept anew, under another boot, from the next login on."""


class Upload:
    """One session's part of it. ``send`` takes bodies; ``renumber`` is called when only a new login helps."""

    def __init__(
        self,
        backlog: Backlog,
        send: Callable[[bytes], None],
        renumber: Callable[[], None],
        clock: Any,
        wall_clock: WallClock,
    ) -> None:
        self._backlog = backlog
        self._send = send
        self._renumber = renumber
        self._clock = clock
        self._wall_clock = wall_clock
        self._told_plan: int | None = None
        self._owes_plan_ok = False
        self._encoder = RoundEncoder(())
        self._sent = self._settled = self._allowed = 0  # serials
        self._widening: Any = None
        self._stopped = False

    def start(self) -> None:
        """Say which plan is held, then send what the server lacks."""
        self._sent = self._backlog.gone
        self._open_window()
        self._tell_plan(self._backlog.plan, self._backlog.blocks)
        self._backlog.on_ready = self._pump
        self._pump()

    def stop(self) -> None:
        """Send nothing more; what is not acknowledged is still kept."""
        self._stopped = True
        self._backlog.on_ready = lambda: None
        self._stop_widening()

    def confirm_plan(self) -> None:
        """The server has told a plan that is now held: say so, in its turn."""
        self._owes_plan_ok = True
        self._pump()

    def acknowledged(self, number: int) -> bool:
        """ACK. False: that number was never given."""
        if not self._backlog.settle(number):
            return False
        self._open_window()
        self._pump()
        return True

    def _pump(self) -> None:
        """Send what may be sent; then, or when nothing older waits, say which plan the next readings follow."""
        if self._stopped:
            return
        if self._backlog.is_ambiguous:
            return self._renumber()
        for batch in self._backlog.batches(self._sent, self._allowed):
            self._send_batch(batch)
        more_waits = self._backlog.ready > self._allowed
        if more_waits:
            self._widen_later()
        if not more_waits or self._told_plan == self._backlog.plan:
            self._tell_held_plan()

    def _send_batch(self, batch: KeptBatch) -> None:
        if batch.plan != self._told_plan:
            self._tell_plan(batch.plan, batch.blocks)
        now_us = self._wall_clock()
        rounds = [Round(_age(time_us, now_us), reports) for time_us, reports in batch.rounds]
        self._send(bytes((Type.DATA,)) + batch.number.to_bytes(2) + self._encoder.encode(rounds))
        self._sent = batch.serial

    def _tell_plan(self, number: int, blocks: tuple[Block, ...]) -> None:
        self._send(messages.plan_ok(number))
        self._told_plan, self._encoder = number, RoundEncoder(blocks)

    def _tell_held_plan(self) -> None:
        if self._owes_plan_ok or self._told_plan != self._backlog.plan:
            self._owes_plan_ok = False
            self._tell_plan(self._backlog.plan, self._backlog.blocks)

    def _open_window(self) -> None:
        self._stop_widening()
        self._settled = self._backlog.gone
        self._allowed = max(self._allowed, self._settled + WINDOW_BATCHES)

    def _widen_later(self) -> None:
        if self._widening is None and self._allowed < self._settled + WIDEST_BATCHES:
            self._widening = self._clock.callLater(WIDEN_SECONDS, self._widen)

    def _widen(self) -> None:
        self._widening = None
        self._allowed = min(self._allowed + WINDOW_BATCHES, self._settled + WIDEST_BATCHES)
        self._pump()

    def _stop_widening(self) -> None:
        if self._widening is not None:
            self._widening.cancel()
            self._widening = None


def _age(time_us: int, now_us: int) -> int:
    """Tenths of a second; a clock that was set meanwhile must not make it impossible."""
    return min(max(0, (now_us - time_us) // 100_000), OLDEST_AGE)
