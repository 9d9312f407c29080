"""Promise: the web takes no more connections than it may, and tells whom it does not let in."""

from __future__ import annotations

import json

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.web.door import REFUSAL_SECONDS, REFUSALS_AT_ONCE, Door

from .web_rig import Rig

PEER = IPv4Address("TCP", "192.0.2.7", 4711)
ASKED = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


class Transport(StringTransport):
    """Is lost as soon as it is closed."""

    protocol = None

    def loseConnection(self):
        super().loseConnection()
        self.protocol.connectionLost(Failure(ConnectionDone()))

    abortConnection = loseConnection


class Connections(SynchronousTestCase):
    def setUp(self):
        self.clock, self.refused = Clock(), []
        note = lambda source, error: self.refused.append((source, error.reason))  # noqa: E731
        self.door = Door(Rig().site, 3, self.clock, note)

    def connect(self, peer=PEER):
        protocol = self.door.buildProtocol(peer)
        if protocol is not None:
            transport = Transport()
            transport.protocol = protocol
            protocol.makeConnection(transport)
            return transport
        return None

    def ask(self, transport):
        transport.protocol.dataReceived(ASKED)
        head, _, body = transport.value().partition(b"\r\n\r\n")
        return head.decode().split("\r\n"), json.loads(body)

    def test_as_many_as_are_allowed(self):
        """They are served as ever, and each that ends makes room for another."""
        first, *_ = [self.connect() for _ in range(3)]
        self.assertEqual(self.ask(first)[1], {"status": "ok"})
        first.loseConnection()
        self.assertEqual(self.ask(self.connect())[1], {"status": "ok"})
        self.assertEqual(self.refused, [])

    def test_one_too_many_is_told_when_it_asks(self):
        """503 as a problem document, when to come again, and then the end of the connection."""
        for _ in range(3):
            self.connect()
        over = self.connect()
        self.assertEqual(over.value(), b"")
        [status, *headers], problem = self.ask(over)
        self.assertEqual(status, "HTTP/1.1 503 Service Unavailable")
        self.assertIn("Retry-After: 5", headers)
        self.assertIn("Content-Type: application/problem+json", headers)
        self.assertIn("too many connections to page and API", problem["detail"])
        self.assertTrue(over.disconnecting)
        self.assertEqual(self.refused, [("192.0.2.7", "too-many-connections")])
        self.assertEqual((self.door.refusals, self.clock.getDelayedCalls()), (set(), []))

    def test_refusals_are_bounded_too(self):
        """In number, beyond which nothing is said, and in time."""
        for _ in range(3):
            self.connect()
        silent = [self.connect() for _ in range(REFUSALS_AT_ONCE)]
        self.assertIsNone(self.connect())
        self.clock.advance(REFUSAL_SECONDS)
        self.assertTrue(all(one.disconnecting for one in silent))
        self.assertIsNotNone(self.connect())
        self.assertEqual(len(self.refused), REFUSALS_AT_ONCE + 2)

    def test_sources_are_those_of_the_log(self):
        """An IPv6 neighbourhood is one."""
        for _ in range(4):
            self.connect(IPv6Address("TCP", "2001:db8::7", 4711))
        self.assertEqual(self.refused, [("2001:db8::/64", "too-many-connections")])
