"""The device's half of the login."""

from __future__ import annotations

import os

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from smok_twisted.framing.codec import FrameDecoder
from smok_twisted.handshake.machine import DeviceHandshake, ServerHandshake
from smok_twisted.handshake.messages import Welcome
from smok_twisted.handshake.protocol import DeviceLogin

from .test_handshake_login import DEVICE_ID, LOGIN, ONE, SECRETS, keyring
from .test_handshake_protocol import Collector, ConnectionCase, Notes


class DeviceSide(ConnectionCase):
    """A device over the same layers, against the server."""

    def setUp(self) -> None:
        super().setUp()
        self.above, self.welcomes, self.device_notes = Collector(), [], Notes()
        self.secrets = dict(SECRETS)

    def dial(self) -> None:
        handshake = DeviceHandshake(DEVICE_ID, 0, self.secrets, 5, unique_for_good=True)
        login = DeviceLogin(handshake, lambda: LOGIN, self.attach)
        self.client, self.client_transport = self.connect(FrameDecoder(9), login, self.device_notes)

    def attach(self, welcome: Welcome) -> Collector:
        self.welcomes.append(welcome)
        return self.above

    def pump(self) -> None:
        """Carry octets to and fro until nobody has anything to say."""
        while self.client_transport.value() or self.transport.value():
            octets, _ = self.client_transport.value(), self.client_transport.clear()
            self.server.dataReceived(octets)
            self.client.dataReceived(self.sent())

    def test_login(self) -> None:
        """Both layers above have the connection, and what they say gets through."""
        self.dial()
        self.pump()
        self.assertEqual(self.welcomes, [Welcome(1_800_000_000, 24, 0, 3)])
        self.above.below.send(b"\x04data")
        self.house.above.below.send(b"\x05ack")
        self.pump()
        self.assertEqual(self.house.above.happened, ["started", b"\x04data"])
        self.assertEqual(self.above.happened, ["started", b"\x05ack"])
        self.client.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.above.happened[-1], "stopped: peer-closed")

    def test_nothing_is_obeyed_before_welcome(self) -> None:
        """Whatever else the server's first record is, the device hangs up and no layer starts."""
        self.dial()
        hello = self.client_transport.value()
        self.client_transport.clear()
        chosen = ServerHandshake(self.keyring.find, [ONE], os.urandom).hello(hello)
        self.client.dataReceived(chosen.choice + chosen.sending.sealer().seal(b"\x06write!!!"))
        self.assertEqual((self.device_notes.reasons, self.welcomes), (["bad-type"], []))
        self.client.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.above.happened, [])

    def test_a_server_without_the_secret(self) -> None:
        """A server that only pretends is recognised at its first record."""
        self.dial()
        pretender = ServerHandshake(keyring({ONE: b"?" * 20}).find, [ONE], os.urandom)
        chosen = pretender.hello(self.client_transport.value())
        self.client.dataReceived(chosen.choice + chosen.sending.sealer().seal(Welcome(1, 24, 0, 0).encode()))
        self.assertEqual(self.device_notes.reasons, ["unproven-server"])

    def test_silent_server(self) -> None:
        """A server that says nothing is left after a minute; a welcomed device waits two and a half keepalives."""
        self.dial()
        self.pump()
        self.clock.advance(599)
        self.assertEqual(self.device_notes.reasons, [])
        self.clock.advance(1)
        self.assertEqual(self.device_notes.reasons, ["silent"])
