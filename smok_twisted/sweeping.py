"""Full garbage collections by the clock, not in the middle of a storm (design note reliability, F15).

Python looks at every object it has as soon as there are a quarter more of them. While a fleet logs in, that is a dozen
times, and with 10,000 devices each time takes most of a second, in which nobody is heard. So the daemon keeps the
collector to young objects, which costs next to nothing, and looks at all of them when little goes on; or when memory
has grown so much that it must: errors that come by the thousand are garbage which only that frees.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

SWEEP_SECONDS = 600.0
LOOK_SECONDS = 10.0
#: So much more memory than after the last sweep is looked through whatever goes on.
MORE_OCTETS = 200 << 20
#: After so many collections of young objects Python would think of a full one; so do we.
_COLLECTIONS = 10
_NEVER = 1 << 30


class Sweeper:
    """Of this process. ``clock`` gives timers; while ``is_busy`` says yes, a sweep waits, unless memory runs away."""

    def __init__(self, clock: Any, is_busy: Callable[[], bool], resident: Callable[[], int] | None = None) -> None:
        """``resident``: octets of memory that the process has."""
        self._clock = clock
        self._is_busy = is_busy
        self._resident = resident or resident_octets
        self._swept_seconds = 0.0
        self._swept_octets = 0
        self._before = gc.get_threshold()
        self._timer: Any = None

    def start(self) -> None:
        """From now on Python makes no full collection by itself."""
        self._before = gc.get_threshold()
        gc.set_threshold(*self._before[:2], _NEVER)
        self._note()
        self._timer = self._clock.callLater(LOOK_SECONDS, self._look)

    def stop(self) -> None:
        """As it was before."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            gc.set_threshold(*self._before)

    def _look(self) -> None:
        if self._is_due() or self._resident() - self._swept_octets > MORE_OCTETS:
            gc.collect()
            self._note()
        self._timer = self._clock.callLater(LOOK_SECONDS, self._look)

    def _is_due(self) -> bool:
        has_waited = self._clock.seconds() - self._swept_seconds >= SWEEP_SECONDS
        return has_waited and gc.get_count()[2] >= _COLLECTIONS and not self._is_busy()

    def _note(self) -> None:
        self._swept_seconds, self._swept_octets = self._clock.seconds(), self._resident()


def resident_octets() -> int:
    """Memory that this process has (RSS); 0 where the system does not say (proc(5))."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
