"""What an export says of itself, in lines between those of its CSV: they begin with ``#``. Pure.

A line of the history begins with a time, or is in the middle of a text; so none is taken for the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..errors import StorageError

_MARK = "#"
_LEFT_OUT, _BROKE_OFF = "# left out: ", "# broke off: "


def left_out(text: str) -> str:
    """The note of what was skipped; the export goes on."""
    return _line(_LEFT_OUT, text)


def broke_off(reason: str) -> str:
    """The last line of a body without its end."""
    return _line(_BROKE_OFF, reason)


def heard(lines: Iterator[str], tell: Callable[[str], None]) -> Iterator[str]:
    """The lines of the history; ``tell`` hears what was left out. Raises StorageError with what broke it off."""
    is_in_text = False
    for line in lines:
        if is_in_text or not line.startswith(_MARK):
            is_in_text ^= line.count('"') % 2 == 1
            yield line
        elif line.startswith(_BROKE_OFF):
            raise StorageError(line.removeprefix(_BROKE_OFF).rstrip("\n"))
        else:
            tell(line.removeprefix(_LEFT_OUT).rstrip("\n"))


def _line(mark: str, text: str) -> str:
    return f"{mark}{' '.join(text.split())}\n"
