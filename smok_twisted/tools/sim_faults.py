"""What goes wrong in simulated boiler rooms, by rate and by seed (design note reliability, F11, F15, F23)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from ..modbus.protocol import Line, LineFault
from ..modbus.responses import ExceptionCode, ExceptionResponse
from ..readings import Fault

#: A slow answer takes so long; some come after whoever asked has given up.
SLOW_SECONDS = (0.5, 3.0)
#: What a controller says that does not do what it was asked.
CODES = (ExceptionCode.SERVER_DEVICE_FAILURE, ExceptionCode.SERVER_DEVICE_BUSY)


@dataclass(frozen=True)
class Faults:
    """How often what happens. Counts are for the whole fleet; shares are of all requests on a bus, 0 to 1."""

    drops_per_hour: float = 20.0  #: a device loses its connection for a while, and nobody is told
    dead_units_per_hour: float = 0.0  #: a controller answers nothing for a while
    power_cuts_per_hour: float = 0.0  #: everything stops at once and comes back at once
    exceptions: float = 0.0  #: answered with a MODBUS exception
    slow_answers: float = 0.0


class FaultyLine:
    """The bus of one boiler room, with faults; a ``modbus.protocol.Line`` over another one.

    ``random`` is its own: what its next request meets does not depend on other buses. ``clock`` gives timers.
    """

    def __init__(self, line: Line, faults: Faults, random: Random, clock: Any) -> None:
        self._line = line
        self._faults = faults
        self._random = random
        self._clock = clock
        self._silent_until_seconds = float("-inf")
        self._timers: set[Any] = set()

    def fall_silent(self, seconds: float) -> None:
        """No unit answers for so long."""
        self._silent_until_seconds = self._clock.seconds() + seconds

    def execute(self, unit: int, pdu: bytes, timeout_seconds: float) -> Deferred[bytes]:
        """See ``Line``. A write whose answer comes too late is done all the same."""
        is_exception = self._random.random() < self._faults.exceptions
        is_slow = self._random.random() < self._faults.slow_answers
        if self._clock.seconds() < self._silent_until_seconds:
            return self._later(timeout_seconds, _no_answer)
        if is_exception:
            return succeed(ExceptionResponse(pdu[0], self._random.choice(CODES)).encode())
        answer = self._line.execute(unit, pdu, timeout_seconds)
        return self._slow(answer, timeout_seconds) if is_slow else answer

    def stop(self) -> Deferred[None]:
        """Who waits for an answer is gone too."""
        for timer in self._timers:
            timer.cancel()
        self._timers = set()
        return self._line.stop()

    def _slow(self, answer: Deferred[bytes], timeout_seconds: float) -> Deferred[bytes]:
        seconds = self._random.uniform(*SLOW_SECONDS)
        if seconds <= timeout_seconds:
            return self._later(seconds, lambda: answer)
        answer.addErrback(lambda _: None)  # nobody hears of it
        return self._later(timeout_seconds, _no_answer)

    def _later(self, seconds: float, result: Callable[[], Deferred[bytes]]) -> Deferred[bytes]:
        answer: Deferred[bytes] = Deferred()

        def fire() -> None:
            self._timers.remove(timer)
            result().chainDeferred(answer)

        timer = self._clock.callLater(seconds, fire)
        self._timers.add(timer)
        return answer


def _no_answer() -> Deferred[bytes]:
    return fail(LineFault(Fault.TIMEOUT))
