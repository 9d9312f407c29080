"""What goes out: at once, together, and never out of order; over real sockets."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock, deferLater
from twisted.internet.testing import StringTransport
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase

from smok_twisted.framing.outlet import Outlet

reactor: Any = installed_reactor
PATIENCE_SECONDS = 60


def read(peer: socket.socket, octets: int) -> bytes:
    """Exactly so many."""
    got = bytearray()
    while len(got) < octets:
        got += peer.recv(octets - len(got))
    return bytes(got)


class OverTcp(TestCase):
    timeout = PATIENCE_SECONDS

    @inlineCallbacks
    def setUp(self) -> Any:
        connected: Deferred[Protocol] = Deferred()
        protocol = Protocol()
        protocol.connectionMade = lambda: connected.callback(protocol)  # type: ignore[method-assign]
        factory = Factory.forProtocol(lambda: protocol)  # type: ignore[arg-type]
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.peer = socket.create_connection(("127.0.0.1", port.getHost().port), PATIENCE_SECONDS)
        self.addCleanup(self.peer.close)
        self.transport: Any = (yield connected).transport
        self.addCleanup(self.transport.abortConnection)
        self.outlet = Outlet(self.transport, reactor)

    def test_an_answer_is_out_before_the_reactor_turns(self) -> None:
        """No wake-up more for it."""
        self.outlet.say(b"wel")
        self.outlet.say(b"come")
        self.outlet.flush()
        self.assertEqual(read(self.peer, 7), b"welcome")

    @inlineCallbacks
    def test_what_is_said_in_one_turn_goes_out_together(self) -> Any:
        """A segment costs 40 octets on a line that is paid for."""
        for octets in (b"a", b"b", b"c"):
            self.outlet.say(octets)
            self.outlet.flush_later()
        self.peer.setblocking(False)
        self.assertRaises(BlockingIOError, self.peer.recv, 10)
        self.peer.settimeout(PATIENCE_SECONDS)
        yield deferLater(reactor, 0)
        self.assertEqual(read(self.peer, 3), b"abc")

    @inlineCallbacks
    def test_a_peer_that_reads_slowly_gets_everything_in_order(self) -> Any:
        """Also what is said when there is room again, while some of before still waits."""
        said = [bytes([number]) * 500_000 for number in range(40)]
        got = b""
        for octets in said:
            self.outlet.say(octets)
            self.outlet.flush()
            got += read(self.peer, 100_000)
        got += yield deferToThread(read, self.peer, 20_000_000 - len(got))
        self.assertTrue(got == b"".join(said))

    def test_a_peer_that_is_gone(self) -> None:
        """Twisted finds out; nothing is raised here."""
        self.peer.close()
        for _ in range(3):
            self.outlet.say(b"too late")
            self.outlet.flush()

    def test_what_was_said_to_a_lost_connection_is_forgotten(self) -> None:
        """No timer is left."""
        clock = Clock()
        outlet = Outlet(self.transport, clock)
        outlet.say(b"too late")
        outlet.flush_later()
        outlet.stop()
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_tls_is_not_bypassed(self) -> None:
        """Its octets are not what goes into the socket."""
        self.transport.TLS = True
        written: list[bytes] = []
        self.transport.write = written.append
        outlet = Outlet(self.transport, reactor)
        outlet.say(b"secret")
        self.assertEqual(written, [b"secret"])
        del self.transport.TLS, self.transport.write


class OverAnythingElse(SynchronousTestCase):
    def test_other_transports_are_written_to(self) -> None:
        """Wrappers, memory, TLS: the transport knows what to do."""
        transport = StringTransport()
        outlet = Outlet(transport, Clock())
        outlet.say(b"as ever")
        outlet.flush_later()
        outlet.flush()
        self.assertEqual(transport.value(), b"as ever")
