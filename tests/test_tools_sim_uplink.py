"""Promise: a simulated device loses its network as a modem does, without a word to the server."""

from __future__ import annotations

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import connectProtocol
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import TestCase

from smok_twisted.tools.sim_uplink import Uplink


class End(Protocol):
    """One end of a connection: what has come, and why it ended. ``gone`` fires when it has."""

    def __init__(self):
        self.got = b""
        self.reasons = []
        self.gone = Deferred()

    def dataReceived(self, data):
        self.got += data

    def connectionLost(self, reason):
        self.reasons.append(reason)
        self.gone.callback(None)


class OverTcp(TestCase):
    """A server on loopback; the time of outages is the test's."""

    def setUp(self):
        self.ends = []
        factory = Factory.forProtocol(self._end)
        factory.noisy = False
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.clock = Clock()
        self.uplink = Uplink(self.clock)
        self.addCleanup(self._close)
        self.endpoint = self.uplink.endpoint(reactor, "127.0.0.1", port.getHost().port)

    def _end(self):
        self.ends.append(End())
        return self.ends[-1]

    async def _close(self):
        for end in self.ends:
            if not end.reasons:
                end.transport.loseConnection()
                await end.gone
        await self.until(lambda: not self.uplink.connections)

    async def connected(self):
        """Both ends of a connection over which something went each way."""
        known = len(self.ends)
        client = await connectProtocol(self.endpoint, End())
        client.transport.write(b"hello")
        await self.until(lambda: len(self.ends) > known)
        server = self.ends[-1]
        await self.until(lambda: server.got)
        server.transport.write(b"there")
        await self.until(lambda: client.got)
        return server, client

    async def until(self, true):
        while not true():
            await deferLater(reactor, 0)

    async def test_the_server_is_not_told(self):
        """The device sees at once that its network is gone. The server gets neither FIN nor octets, also not when the
        network is back; when it closes the connection at last, nobody is surprised."""
        server, client = await self.connected()
        self.uplink.lose(30)
        self.assertEqual(len(client.reasons), 1)
        client.transport.write(b" lost")
        server.transport.write(b" lost")
        self.clock.advance(30)
        newer, _ = await self.connected()
        self.assertEqual(server.reasons, [])
        server.transport.loseConnection()
        await server.gone
        self.assertTrue(server.reasons[0].check(ConnectionDone), "it was reset, or broken")
        self.assertEqual((server.got, client.got), (b"hello", b"there"))
        self.assertEqual(len(client.reasons), 1, "the device was told twice")
        await self.until(lambda: len(self.uplink.connections) == 1)
        self.assertEqual(newer.reasons, [])

    async def test_attempts_hang_until_the_network_is_back(self):
        """Dialling meanwhile is neither refused nor answered; then it goes through."""
        self.uplink.lose(30)
        attempt = connectProtocol(self.endpoint, End())
        self.assertNoResult(attempt)
        self.clock.advance(30)
        client = await attempt
        client.transport.loseConnection()
        await client.gone
        await self.until(lambda: self.ends)
        await self.ends[0].gone

    def test_an_attempt_that_hangs_can_be_given_up(self):
        """As the dialer does when its time is over; the end of the outage does not bring it back."""
        self.uplink.lose(30)
        attempt = connectProtocol(self.endpoint, End())
        attempt.cancel()
        self.failureResultOf(attempt, CancelledError)
        self.clock.advance(30)
        self.assertEqual(self.ends, [])

    async def test_an_end_from_the_server_is_passed_on(self):
        """Without an outage it is a connection like any other."""
        server, client = await self.connected()
        server.transport.loseConnection()
        await client.gone
        self.assertTrue(client.reasons[0].check(ConnectionDone))
        await server.gone
        self.assertEqual(self.uplink.connections, set())

    async def test_outages_do_not_add_up(self):
        """A second one within the first changes nothing."""
        self.uplink.lose(10)
        self.uplink.lose(100)
        self.clock.advance(10)
        self.successResultOf(self.uplink.available())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    async def test_stopping_leaves_nothing(self):
        """Neither the timer of an outage, nor connections that died in one."""
        server, _ = await self.connected()
        self.uplink.lose(10)
        self.clock.advance(10)
        self.uplink.lose(10)
        self.uplink.stop()
        self.uplink.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        await server.gone
        self.assertEqual(self.uplink.connections, set())
