"""Back-pressure from the store: devices are not read while too much waits to become durable.

A pause is a token with an owner. Each session is paused when it brings its next batch, so at most one batch a
session comes in over the mark; the device keeps the rest.
"""

from __future__ import annotations

from typing import Any, Protocol


class Pausable(Protocol):
    """Whoever can stop reading."""

    def pause(self) -> Any:
        """Answers a token with ``release()``."""


class Pressure:
    """``high`` and ``low`` are water marks of parts of the store; sessions ask ``brought`` with every batch."""

    def __init__(self) -> None:
        self._high: set[str] = set()
        self._paused: dict[Pausable, Any] = {}

    def high(self, where: str = "store") -> None:
        """Too much waits there."""
        self._high.add(where)

    def low(self, where: str = "store") -> None:
        """No longer; go on, everybody, if it is the same elsewhere."""
        self._high.discard(where)
        if self._high:
            return
        paused, self._paused = self._paused, {}
        for token in paused.values():
            token.release()

    def brought(self, session: Pausable) -> None:
        """A session has brought a batch."""
        if self._high and session not in self._paused:
            self._paused[session] = session.pause()
