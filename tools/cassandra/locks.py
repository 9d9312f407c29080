"""File locks between commands, tests and worker processes; they end with the process that holds them."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path


def exclusive(file: Path, must_wait: Callable[[], None] = lambda: None) -> AbstractContextManager[None]:
    """Nobody else holds ``file``, in this way or the shared one. ``must_wait`` is called once if that takes time."""
    return _hold(file, fcntl.LOCK_EX, must_wait)


def shared(file: Path) -> AbstractContextManager[None]:
    """Nobody holds ``file`` exclusively."""
    return _hold(file, fcntl.LOCK_SH, lambda: None)


@contextmanager
def _hold(file: Path, how: int, must_wait: Callable[[], None]) -> Iterator[None]:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as lock:
        try:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
        except BlockingIOError:
            must_wait()
            fcntl.flock(lock, how)
        yield
