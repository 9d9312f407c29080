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
    """``high`` and ``low`` are the store's water marks; sessions ask ``brought`` with every batch."""

    def __init__(self) -> None:
        self._is_high = False
        self._paused: dict[Pausable, Any] = {}

    def high(self) -> None:
        """Too much waits."""
        self._is_high = True

    def low(self) -> None:
        """Go on, everybody."""
        self._is_high = False
        paused, self._paused = self._paused, {}
        for token in paused.values():
            token.release()

    def brought(self, session: Pausable) -> None:
        """A session has brought a batch."""
        if self._is_high and session not in self._paused:
            self._paused[session] = session.pause()
