"""Two ways in which the daemon, or the equipment behind it, does not do what was asked."""

from __future__ import annotations

from ..errors import LocalError, UserError


class Refused(UserError):
    """The answer is no; the text is the one that the API, or the equipment, gave. Exit code 1."""

    def __init__(self, text: str, status: int = 0) -> None:
        """``status`` is that of HTTP, if it was the API that refused."""
        super().__init__(text)
        self.status = status


class Unreachable(LocalError):
    """No answer in time, or nobody there to give one. Exit code 3."""


class NoAnswer(Unreachable):
    """Something was sent, and no answer came: what it did is not known."""
