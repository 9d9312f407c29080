"""Keeps one connection to a server, for ever (design note smok4, "Timers and limits").

Every attempt makes its layers anew and resolves the name anew; the addresses take turns in random order. After an
attempt that failed, or a session that ended, it waits: full jitter, doubling, small again after a session that held.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import SystemRandom
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol
from twisted.internet.error import ConnectError, ConnectingCancelledError
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..errors import LocalError, RemoteError
from ..framing.codec import FrameDecoder
from ..framing.protocol import FramedProtocol, FramingTimes
from ..interfaces import Above
from ..stack import CHOICE_OCTETS
from .settings import Address


@dataclass(frozen=True)
class DialTimes:
    """Seconds; the defaults of the design note."""

    connect_seconds: float = 30.0
    login_seconds: float = 90.0  #: no WELCOME within this ends the attempt; a server may let a clone wait for 60 s
    first_pause_seconds: float = 5.0  #: at most so long after the first failure
    longest_pause_seconds: float = 600.0
    steady_seconds: float = 600.0  #: a session that held for so long makes the pause small again


class Backoff:
    """How long to wait before the next attempt. Pure; ``random`` is a ``random.Random``."""

    def __init__(self, times: DialTimes, random: Any) -> None:
        self._times = times
        self._random = random
        self._most_seconds = times.first_pause_seconds
        self._wish_seconds: float | None = None

    def asked_for(self, after_seconds: int, jitter_seconds: int) -> None:
        """The server says when to come again (GOAWAY)."""
        self._wish_seconds = after_seconds + self._random.uniform(0, jitter_seconds)

    def pause_seconds(self, session_seconds: float) -> float:
        """After a session that lasted so long (0: there was none)."""
        if session_seconds >= self._times.steady_seconds:
            self._most_seconds = self._times.first_pause_seconds
        wish_seconds, self._wish_seconds = self._wish_seconds, None
        if wish_seconds is not None:
            return wish_seconds
        pause_seconds: float = self._random.uniform(0, self._most_seconds)
        self._most_seconds = min(2 * self._most_seconds, self._times.longest_pause_seconds)
        return pause_seconds


class Pauses(Protocol):
    """How long a device waits between two attempts: ``Backoff``, or what another kind of device does."""

    def asked_for(self, after_seconds: int, jitter_seconds: int) -> None:
        """The server says when to come again (GOAWAY)."""

    def pause_seconds(self, session_seconds: float) -> float:
        """After a session that lasted so long (0: there was none)."""


class Dialer:
    """See the module; the ``framing.protocol.Observer`` of its connections.

    ``layers()`` fires with the layers above framing for one more connection, ``addresses()`` says where to dial.
    ``reactor`` gives connections and timers. Whoever sees WELCOME calls ``welcomed``. ``opening_octets`` are what
    the server says in the clear.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        layers: Callable[[], Deferred[Above[bytes]]],
        addresses: Callable[[], Sequence[Address]],
        times: DialTimes = DialTimes(),
        random: Any = None,
        endpoint: Callable[[Any, str, int], Any] = HostnameEndpoint,
        opening_octets: int = CHOICE_OCTETS,
        backoff: Pauses | None = None,
    ) -> None:
        self._reactor = reactor
        self._layers = layers
        self._addresses = addresses
        self._times = times
        self._random = random or SystemRandom()
        self._endpoint = endpoint
        self._opening_octets = opening_octets
        self._backoff: Pauses = backoff or Backoff(times, self._random)
        self._turns: list[Address] = []
        self._address: Address | None = None  # of the attempt that goes on
        self._welcomed_seconds: float | None = None
        self._connection: FramedProtocol | None = None
        self._gone: Deferred[str] = Deferred()
        self._stopping = False

    def start(self) -> None:
        """Dial now, and again and again."""
        self._loop = Deferred.fromCoroutine(self._keep_dialling())

    def stop(self) -> Deferred[None]:
        """Dial no more. Fires when the connection, if there is one, is gone."""
        self._stopping = True
        if self._connection is None:
            self._loop.cancel()
        else:
            self._connection.close("stopped")
        return self._loop

    def welcomed(self) -> None:
        """The server has proven itself."""
        self._welcomed_seconds = self._reactor.seconds()
        self._log.info("connected to {address}", address=self._address)

    def go_away(self, after_seconds: int, jitter_seconds: int) -> None:
        """The server asks to come again then."""
        self._backoff.asked_for(after_seconds, jitter_seconds)

    # -- the observer of the connections

    def violated(self, source: str, error: RemoteError) -> None:
        """The server broke the protocol, or could not prove itself."""
        self._log.warn("{address}: {reason}", address=self._address, reason=error)

    def crashed(self, source: str, failure: Failure) -> None:
        """A fault of ours."""
        self._log.failure("the session is closed by a fault of this program", failure)

    def ended(self, source: str, mood: str) -> None:
        """The connection is gone."""
        self._gone.callback(mood)

    # -- inside

    async def _keep_dialling(self) -> None:
        with suppress(CancelledError):
            while not self._stopping:
                outcome = await self._attempt()
                if not self._stopping:
                    await self._rest(outcome)

    async def _attempt(self) -> str:
        """One connection from its beginning to its end; how it went, for the log."""
        self._welcomed_seconds = None
        self._address = self._next_address()
        try:
            self._connection = await self._connect(self._address)
        except TimeoutError:
            return f"no connection to {self._address}: no answer within {self._times.connect_seconds:g} s"
        except (ConnectError, ConnectingCancelledError, OSError, LocalError) as error:
            return f"no connection to {self._address}: {error}"
        mood = await self._gone
        self._connection = None
        return f"{'no login at' if self._welcomed_seconds is None else 'lost'} {self._address}: {mood}"

    async def _connect(self, address: Address) -> FramedProtocol:
        layers = await self._layers()
        times = FramingTimes(login_seconds=self._times.login_seconds)
        protocol = FramedProtocol(FrameDecoder(self._opening_octets), layers, self._reactor, times, self)
        self._gone = Deferred()
        endpoint = self._endpoint(self._reactor, address.host, address.port)
        await connectProtocol(endpoint, protocol).addTimeout(self._times.connect_seconds, self._reactor)
        return protocol

    async def _rest(self, outcome: str) -> None:
        lasted = 0.0 if self._welcomed_seconds is None else self._reactor.seconds() - self._welcomed_seconds
        pause_seconds = self._backoff.pause_seconds(lasted)
        self._log.info("{outcome}; next try in {pause:.0f} s", outcome=outcome, pause=pause_seconds)
        await deferLater(self._reactor, pause_seconds)

    def _next_address(self) -> Address:
        """All addresses take turns; a new order each time round."""
        if not self._turns:
            self._turns = list(dict.fromkeys(self._addresses()))
            self._random.shuffle(self._turns)
        return self._turns.pop()
