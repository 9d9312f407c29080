"""How connections fare: counted always, logged at most once per source and minute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from ..errors import RemoteError
from .burst import Burst
from .metrics import Metrics, bounded
from .summary import MINUTE_SECONDS, Line, Summary

#: What a login says that could not prove itself.
UNPROVEN = ("wrong-secret", "unknown-device", "unknown-kid", "wrong-suite", "revoked")


class Witness:
    """A ``framing.protocol.Observer`` for one kind of link.

    ``alarm(kind, text)`` hears of what an operator should see: a burst of logins that prove nothing.
    """

    log = Logger()

    def __init__(
        self, link: str, metrics: Metrics, clock: Any, alarm: Callable[[str, str], None] = lambda kind, text: None
    ) -> None:
        self._link = link
        self._metrics = metrics
        self._clock = clock
        self._alarm = alarm
        self._summary = Summary()
        self._wrong_secrets = Burst()
        self._tick: Any = None

    def violated(self, source: str, error: RemoteError) -> None:
        """See ``Observer``."""
        bounded(self._metrics.violations, self._link, error.reason).inc()
        if error.reason in UNPROVEN and self._wrong_secrets.begins(self._clock.seconds()):
            self._alarm("wrong-secrets", f"many logins do not prove themselves, the last one from {source}")
        line = self._summary.note(source, error.reason, error.detail, self._clock.seconds())
        if line is not None:
            self._write(line)
        if self._tick is None:
            self._tick = self._clock.callLater(MINUTE_SECONDS, self._minute)

    def crashed(self, source: str, failure: Failure) -> None:
        """See ``Observer``. This is a fault of ours: it is logged whole."""
        self._metrics.crashes.labels(self._link).inc()
        self.log.failure("a {link} session from {source} crashed", failure=failure, link=self._link, source=source)

    def ended(self, source: str, mood: str) -> None:
        """See ``Observer``."""
        bounded(self._metrics.ended, self._link, mood).inc()

    def stop(self) -> None:
        """Say what waits, and stop the timer."""
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
        for line in self._summary.due(float("inf")):
            self._write(line)

    def _minute(self) -> None:
        for line in self._summary.due(self._clock.seconds()):
            self._write(line)
        self._tick = None if self._summary.empty else self._clock.callLater(MINUTE_SECONDS, self._minute)

    def _write(self, line: Line) -> None:
        reasons = ", ".join(f"{reason} x {count}" if count > 1 else reason for reason, count in line.reasons.items())
        self.log.warn(
            "{link} from {source}: {reasons} ({detail})" if line.detail else "{link} from {source}: {reasons}",
            link=self._link,
            source=line.source,
            reasons=reasons,
            detail=line.detail,
        )
