"""How far long work is, as a bar on stderr when that is a terminal; nothing elsewhere."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol

#: Of a file, between two looks at how far we are.
OCTETS_A_STEP = 1 << 16


def tell(text: str) -> None:
    """A line on stderr, above a bar that is there."""
    from tqdm import tqdm

    tqdm.write(text, file=sys.stderr)


class Step(Protocol):
    """``step(done, total)``, in whatever is counted; a total of 0 is not known."""

    def __call__(self, done: float, total: float) -> None: ...


class Watched:
    """A file, of which ``step`` is told how much was read: octets of so many, 0 for a pipe."""

    def __init__(self, file: BinaryIO, step: Step) -> None:
        self._file = file
        self._step = step
        self._done = self._told = 0
        self._total = _size(file)

    def read(self, octets: int, /) -> bytes:
        """The next octets."""
        found = self._file.read(octets)
        self._done += len(found)
        if self._done - self._told >= OCTETS_A_STEP:
            self._told = self._done
            self._step(self._done, self._total)
        return found


def _size(file: BinaryIO) -> int:
    """0: not known."""
    try:
        found = os.fstat(file.fileno())
    except OSError:  # it is none of the system's
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


@contextmanager
def progress(what: str, unit: str) -> Iterator[Step]:
    """A bar that is gone when the work is done. The parts of a second are not shown more often than ten times."""
    from tqdm import tqdm

    silent = not sys.stderr.isatty()
    with tqdm(desc=what, unit=unit, unit_scale=True, leave=False, disable=silent, file=sys.stderr) as bar:

        def step(done: float, total: float) -> None:
            bar.total = total or None
            bar.update(done - bar.n)

        yield step
