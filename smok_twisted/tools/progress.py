"""How far long work is, as a bar on stderr when that is a terminal; nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


def tell(text: str) -> None:
    """A line on stderr, above a bar that is there."""
    from tqdm import tqdm

    tqdm.write(text, file=sys.stderr)


class Step(Protocol):
    """``step(done, total)``, in whatever is counted; a total of 0 is not known."""

    def __call__(self, done: float, total: float) -> None: ...


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
