"""How many connections the web may have: strangers who take them all must leave descriptors for devices.

Who comes when all are taken is told so, as a problem document, and asked to come again (design note reliability, F10).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.protocol import Protocol
from twisted.protocols.policies import WrappingFactory

from ..errors import RemoteError
from ..framing.admission import source_of
from .problems import CONTENT_TYPE, unavailable

_RETRY_SECONDS = 5
#: So many are told at once why they are refused, and for so long; who comes beyond is closed without a word.
REFUSALS_AT_ONCE = 8
REFUSAL_SECONDS = 5.0

Violated = Callable[[str, RemoteError], None]


class Door(WrappingFactory):
    """Lets ``connections_at_most`` in to ``site``; ``violated`` hears of each that is refused, and from where."""

    noisy = False

    def __init__(self, site: Any, connections_at_most: int, clock: Any, violated: Violated) -> None:
        super().__init__(site)
        self.refusals: set[_Refusal] = set()
        self._connections_at_most = connections_at_most
        self._clock = clock
        self._violated = violated

    def buildProtocol(self, addr: Any) -> Any:
        """A connection of the site, or one that says no; None (Twisted closes it) when even those are too many."""
        if len(self.protocols) < self._connections_at_most:
            return super().buildProtocol(addr)
        self._violated(source_of(getattr(addr, "host", "local")), RemoteError("too-many-connections"))
        return _Refusal(self.refusals, self._clock) if len(self.refusals) < REFUSALS_AT_ONCE else None


class _Refusal(Protocol):
    """Answers whatever is asked with 503; not before it is asked, or the answer might be lost with the question."""

    transport: Any

    def __init__(self, refusals: set[_Refusal], clock: Any) -> None:
        self._refusals = refusals
        self._clock = clock

    def connectionMade(self) -> None:
        self._refusals.add(self)
        self._end = self._clock.callLater(REFUSAL_SECONDS, self.transport.abortConnection)

    def dataReceived(self, data: bytes) -> None:
        if not self.transport.disconnecting:
            self.transport.write(_answer())
            self.transport.loseConnection()

    def connectionLost(self, reason: Any = None) -> None:
        self._refusals.discard(self)
        if self._end.active():
            self._end.cancel()


def _answer() -> bytes:
    text = "too many connections to page and API; come again, or raise [limits] web_connections"
    problem = unavailable(text, _RETRY_SECONDS)
    body = problem.document()
    headers = {
        "Content-Type": CONTENT_TYPE,
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "Connection": "close",
        **problem.headers,
    }
    lines = ["HTTP/1.1 503 Service Unavailable", *(f"{name}: {text}" for name, text in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
