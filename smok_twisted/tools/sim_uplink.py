"""A device's way to the network, which can go dead without a word, as a modem's does.

TCP does not tell the server: it sees silence, and a new connection later. Attempts to connect meanwhile hang as if
their packets were lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from zope.interface import implementer


class Uplink:
    """``endpoint`` stands in for the endpoint class of a ``Dialer``; ``lose`` takes the network away for a time.

    ``clock`` gives timers.
    """

    def __init__(self, clock: Any, endpoint: Callable[[Any, str, int], Any] = HostnameEndpoint) -> None:
        self.connections: set[_Connection] = set()
        self._clock = clock
        self._endpoint = endpoint
        self._waiting: list[Deferred[None]] = []
        self._return: Any = None  # the timer that ends an outage

    def endpoint(self, reactor: Any, host: str, port: int) -> _Endpoint:
        """Connects as soon as there is a network."""
        return _Endpoint(self, self._endpoint(reactor, host, port))

    def lose(self, seconds: float) -> None:
        """No network for so long; during an outage nothing changes."""
        if self._return is None:
            self._return = self._clock.callLater(seconds, self._returned)
            for connection in [one for one in self.connections if not one.is_dead]:
                connection.die()

    def stop(self) -> None:
        """End an outage now, and let go of connections that died."""
        if self._return is not None:
            self._return.cancel()
            self._returned()
        for connection in [one for one in self.connections if one.is_dead]:
            connection.transport.abortConnection()

    def available(self) -> Deferred[None]:
        """Fires when there is a network; may be cancelled."""
        if self._return is None:
            return succeed(None)
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def _returned(self) -> None:
        """Connections stay dead: the server finds out when it gets a new one, or by itself."""
        self._return = None
        for connection in self.connections:
            connection.transport.resumeProducing()
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.callback(None)


@implementer(IStreamClientEndpoint)
class _Endpoint:
    def __init__(self, uplink: Uplink, endpoint: Any) -> None:
        self._uplink = uplink
        self._endpoint = endpoint

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        """See IStreamClientEndpoint."""
        factory = _Factory(protocolFactory, self._uplink)
        connected = self._uplink.available().addCallback(lambda _: self._endpoint.connect(factory))
        return connected.addCallback(lambda connection: connection.wrappedProtocol)


class _Connection(ProtocolWrapper):
    """Between a protocol and its transport, until it dies: then it keeps the transport until the server closes it."""

    factory: _Factory
    transport: Any
    wrappedProtocol: Any
    is_dead = False

    def makeConnection(self, transport: Any) -> None:
        self.factory.uplink.connections.add(self)
        super().makeConnection(transport)

    def write(self, data: bytes) -> None:
        if not self.is_dead:
            self.transport.write(data)

    def dataReceived(self, data: bytes) -> None:
        if not self.is_dead:
            self.wrappedProtocol.dataReceived(data)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.factory.uplink.connections.discard(self)
        self.factory.unregisterProtocol(self)
        if not self.is_dead:
            self.wrappedProtocol.connectionLost(reason)

    def die(self) -> None:
        """Nothing in, nothing out; the device itself sees that its network is gone."""
        self.is_dead = True
        self.transport.pauseProducing()
        self.wrappedProtocol.connectionLost(Failure(ConnectionLost("no network")))


class _Factory(WrappingFactory):
    protocol = _Connection
    noisy = False

    def __init__(self, wrapped: IProtocolFactory, uplink: Uplink) -> None:
        super().__init__(wrapped)
        self.uplink = uplink
