"""Files that a command writes where its user says: whole, or not at all.

What is no regular file (a FIFO, a device, the standard output by a name of its own) is written to and never replaced.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from ..errors import UserError

_STDOUT = 1


def is_standard_output(path: Path) -> bool:
    """Whether it is another name of it, such as ``/dev/stdout``: opened once more it would be cut to nothing first."""
    try:
        return os.path.samestat(path.stat(), os.fstat(_STDOUT))
    except OSError:
        return False


def is_regular(path: Path) -> bool:
    """Whether there is a file, or nothing yet, under that name."""
    return path.is_file() or not path.exists()


@contextmanager
def new_text(path: Path) -> Iterator[TextIO]:
    """What is written gets its name when it is whole, if it can have one. Raises UserError."""
    if is_standard_output(path):
        yield sys.stdout
    elif is_regular(path):
        with new_file(path) as made, made.open("w", encoding="utf-8", newline="") as stream:
            yield stream
    else:
        with _told(path), path.open("w", encoding="utf-8", newline="") as stream:
            yield stream


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """The same of a path to write to; what was there under that name stays until then. Raises UserError."""
    if not is_regular(path):
        raise UserError(f"{path} is no regular file: name a file")
    target = Path(os.path.realpath(path))  # a link stays one
    with _told(path):
        file, made = tempfile.mkstemp(prefix=f"{target.name}.", suffix=".part", dir=target.parent)
        os.close(file)
        try:
            yield Path(made)
            os.chmod(made, 0o666 & ~_umask())
            os.replace(made, target)
        finally:
            Path(made).unlink(missing_ok=True)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:  # whoever read it has had enough
        raise
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None


def _umask() -> int:
    found = os.umask(0o077)
    os.umask(found)
    return found
