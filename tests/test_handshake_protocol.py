"""The login over framing and records, as on a real connection."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from smok_twisted.cipher.protocol import RecordLayer
from smok_twisted.cipher.record import Suite
from smok_twisted.errors import RemoteError
from smok_twisted.framing.codec import FrameDecoder
from smok_twisted.framing.protocol import FramedProtocol, FramingTimes
from smok_twisted.handshake.cred import Attachment, IDeviceAvatar, KeyringChecker, ProvenDevice
from smok_twisted.handshake.machine import ServerHandshake
from smok_twisted.handshake.messages import Welcome
from smok_twisted.handshake.protocol import ServerLogin

from .test_handshake_login import DEVICE_ID, LOGIN, ONE, SECRETS, DeviceEnd, keyring

WALL_CLOCK_US = 1_800_000_000_000_000


class Collector:
    """A layer above that remembers what happens to it."""

    def __init__(self) -> None:
        self.happened: list[Any] = []

    def started(self, below: Any) -> None:
        self.below = below
        self.happened.append("started")

    def received(self, item: bytes) -> None:
        self.happened.append(item)

    def stopped(self, mood: str) -> None:
        self.happened.append(f"stopped: {mood}")


class Notes:
    """An observer of the framing that writes everything down."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.crashes: list[Failure] = []
        self.moods: list[str] = []

    def violated(self, source: str, error: RemoteError) -> None:
        self.reasons.append(error.reason)

    def crashed(self, source: str, failure: Failure) -> None:
        self.crashes.append(failure)

    def ended(self, source: str, mood: str) -> None:
        self.moods.append(mood)


@implementer(IRealm, IDeviceAvatar)
class House:
    """A realm with one device in it; ``attached`` is what it answers to a session."""

    def __init__(self) -> None:
        self.above = Collector()
        self.attached: Callable[[], Deferred[Attachment]] = lambda: succeed(Attachment(self.above, 3))
        self.arrivals: list[ProvenDevice] = []

    def requestAvatar(self, avatarId: bytes, mind: object, *interfaces: Any) -> tuple[Any, Any, Callable[[], None]]:
        return IDeviceAvatar, self, lambda: self.above.happened.append("logout")

    def attach(self, device: ProvenDevice) -> Deferred[Attachment]:
        self.arrivals.append(device)
        return self.attached()


class ConnectionCase(SynchronousTestCase):
    """A server's connection whose other end is in the hands of the test."""

    def setUp(self) -> None:
        self.clock, self.notes, self.house, self.keyring = Clock(), Notes(), House(), keyring()
        portal = Portal(self.house, [KeyringChecker(self.keyring, lambda *_: None)])
        handshake = ServerHandshake(self.keyring.find, list(Suite), os.urandom)
        login = ServerLogin(handshake, portal, lambda: WALL_CLOCK_US, keepalive_10s=24)
        self.server, self.transport = self.connect(FrameDecoder(20), login, self.notes)
        self.device = DeviceEnd(5)

    def connect(self, decoder: FrameDecoder, login: Any, notes: Notes) -> tuple[FramedProtocol, StringTransport]:
        protocol = FramedProtocol(decoder, RecordLayer(login), self.clock, FramingTimes(), notes)
        transport = StringTransport()
        protocol.makeConnection(transport)
        return protocol, transport

    def sent(self) -> bytes:
        """What the server has sent since the last time."""
        octets = self.transport.value()
        self.transport.clear()
        return octets

    def lose(self) -> None:
        """The device hangs up."""
        self.server.connectionLost(Failure(ConnectionDone()))

    def greet(self) -> bytes:
        """HELLO and CHOICE; the LOGIN that follows from it."""
        self.server.dataReceived(self.device.start())
        return self.device.take(self.sent())


class ServerSide(ConnectionCase):
    """What a device gets from a server, and when."""

    def test_login(self) -> None:
        """CHOICE, then WELCOME with time, keepalive and cursor; then the device's layer has the connection."""
        self.server.dataReceived(self.greet())
        self.device.take(self.sent())
        self.assertEqual(self.device.welcome, Welcome(1_800_000_000, 24, 0, 3))
        self.server.dataReceived(self.device.say(b"\x04data"))
        self.assertEqual(self.house.above.happened, ["started", b"\x04data"])
        self.house.above.below.send(b"\x05ack")
        self.device.take(self.sent())
        self.assertEqual(self.device.bodies, [b"\x05ack"])

    def test_who_it_is(self) -> None:
        """The avatar is told who the device is, what it said and where it dials from."""
        self.server.dataReceived(self.greet())
        (arrival,) = self.house.arrivals
        self.assertEqual((arrival.proven.hello.device_id, arrival.proven.login), (DEVICE_ID, LOGIN))
        self.assertEqual(arrival.source, "192.168.1.1")

    def test_octet_by_octet(self) -> None:
        """A login that comes in single octets is the same login."""
        for octets in (self.device.start(), None):
            for octet in octets or self.device.take(self.sent()):
                self.server.dataReceived(bytes([octet]))
        self.device.take(self.sent())
        self.assertIsNotNone(self.device.welcome)

    def test_silent_until_login(self) -> None:
        """After CHOICE the server says nothing, however long it takes."""
        self.server.dataReceived(self.device.start())
        self.assertEqual(len(self.sent()), 9)
        self.clock.advance(59)
        self.assertEqual(self.sent(), b"")
        self.assertFalse(self.transport.disconnecting)
        self.clock.advance(1)
        self.assertEqual((self.sent(), self.transport.disconnecting), (b"", True))
        self.assertEqual(self.notes.reasons, ["login-timeout"])

    def test_data_behind_login(self) -> None:
        """Data in the segment of LOGIN wait until the device's layer is there, and come in order."""
        attached = Deferred()
        self.house.attached = lambda: attached
        login = self.greet()
        self.server.dataReceived(login + self.device.say(b"\x041") + self.device.say(b"\x042"))
        self.server.dataReceived(self.device.say(b"\x043"))
        self.assertEqual((self.house.above.happened, self.sent()), ([], b""))
        self.assertEqual(self.transport.producerState, "paused")
        attached.callback(Attachment(self.house.above, 7))
        self.assertEqual(self.house.above.happened, ["started", b"\x041", b"\x042", b"\x043"])
        self.assertEqual(self.transport.producerState, "producing")
        self.device.take(self.sent())
        self.assertEqual(self.device.welcome.cursor, 7)

    def test_data_behind_login_at_once(self) -> None:
        """So they do when the layer is there at once."""
        self.server.dataReceived(self.greet() + self.device.say(b"\x041") + self.device.say(b"\x042"))
        self.assertEqual(self.house.above.happened, ["started", b"\x041", b"\x042"])

    def test_welcome_comes_first(self) -> None:
        """What a layer says as soon as it starts goes out behind WELCOME."""
        self.house.above.started = lambda below: below.send(b"\x0dplan")
        self.server.dataReceived(self.greet())
        octets = self.sent()
        first = 1 + octets[0] + Suite.CHACHA20_POLY1305.tag_octets
        self.device.take(octets[:first])
        self.device.take(octets[first:])
        self.assertEqual((self.device.welcome.cursor, self.device.bodies), (3, [b"\x0dplan"]))

    def test_a_session_that_has_to_wait(self) -> None:
        """A newest session may wait for its minute: the login deadline is over, WELCOME comes later."""
        attached = Deferred()
        self.house.attached = lambda: attached
        self.server.dataReceived(self.greet())
        self.clock.advance(120)
        self.assertFalse(self.transport.disconnecting)
        attached.callback(Attachment(self.house.above, 0))
        self.device.take(self.sent())
        self.assertIsNotNone(self.device.welcome)

    def test_idle_limit(self) -> None:
        """A session may be silent for two and a half keepalives, not longer."""
        self.server.dataReceived(self.greet())
        self.clock.advance(599)
        self.server.dataReceived(self.device.say(b"\x04data"))
        self.clock.advance(599)
        self.assertEqual(self.notes.reasons, [])
        self.clock.advance(1)
        self.assertEqual(self.notes.reasons, ["silent"])

    def test_the_end(self) -> None:
        """When the connection goes the layer hears why, then the device is let go; each once."""
        self.server.dataReceived(self.greet())
        self.lose()
        self.assertEqual(self.house.above.happened, ["started", "stopped: peer-closed", "logout"])

    def test_the_end_of_a_faulty_layer(self) -> None:
        """A layer that fails at its end does not keep the device."""
        self.house.above.stopped = lambda mood: 1 / 0
        self.server.dataReceived(self.greet())
        self.lose()
        self.assertEqual(self.house.above.happened, ["started", "logout"])
        self.assertEqual(len(self.notes.crashes), 1)

    def test_hanging_up_while_waiting(self) -> None:
        """A device that goes before it was let in: the avatar hears it, no layer ever starts."""
        cancelled = []
        self.house.attached = lambda: Deferred(cancelled.append)
        self.server.dataReceived(self.greet())
        self.lose()
        self.assertEqual((len(cancelled), self.house.above.happened), (1, ["logout"]))

    def test_hanging_up_before_login(self) -> None:
        """A device that goes before LOGIN leaves nothing behind."""
        self.greet()
        self.lose()
        self.assertEqual((self.house.above.happened, self.notes.moods), ([], ["peer-closed"]))


class Refusals(ConnectionCase):
    """Before LOGIN has verified, every fault has one answer: the connection closes without an octet."""

    def refused(self, octets: bytes, reason: str) -> None:
        """``octets`` close the connection without an answer; the log knows why."""
        self.server.dataReceived(octets)
        self.assertEqual((self.sent(), self.transport.disconnecting), (b"", True))
        self.assertEqual((self.notes.reasons, self.house.above.happened), ([reason], []))
        self.lose()
        self.assertEqual(self.notes.moods, [reason])

    def test_garbage(self) -> None:
        """A scanner gets nothing after 20 octets."""
        self.refused(b"GET / HTTP/1.1\r\nHost", "bad-magic")

    def test_no_common_suite(self) -> None:
        """Nor does a device that speaks none of our suites."""
        self.refused(b"S4\x04\x00" + bytes(16), "no-common-suite")

    def test_wrong_secret(self) -> None:
        """A wrong secret is seen at LOGIN."""
        self.device = DeviceEnd(5, {ONE: b"?" * 20})
        self.refused(self.greet(), "wrong-secret")

    def test_unknown_device(self) -> None:
        """An unknown device gets as far as one with a wrong secret."""
        self.device = DeviceEnd(5, {ONE: SECRETS[ONE]}, device_id=99)
        self.refused(self.greet(), "unknown-device")

    def test_revoked_device(self) -> None:
        """So does a revoked one."""
        self.keyring.put(DEVICE_ID, [])
        self.refused(self.greet(), "revoked")

    def test_revoked_meanwhile(self) -> None:
        """A secret that is withdrawn between CHOICE and LOGIN lets nobody in."""
        login = self.greet()
        self.keyring.put(DEVICE_ID, [])
        self.refused(login, "not-allowed")

    def test_a_first_record_of_zero(self) -> None:
        """L = 0 closes."""
        self.greet()
        self.refused(b"\0", "zero-length")

    def test_the_avatar_refuses(self) -> None:
        """A device that its avatar does not want is refused with the avatar's reason, at once or later."""
        waiting = Deferred()
        self.house.attached = lambda: waiting
        self.server.dataReceived(self.greet())
        waiting.errback(RemoteError("not-allowed", "from elsewhere"))
        self.assertEqual((self.sent(), self.notes.reasons), (b"", ["not-allowed"]))
        self.lose()
        self.assertEqual(self.house.above.happened, ["logout"])

    def test_the_avatar_is_broken(self) -> None:
        """A fault of ours ends this session, is logged, and says nothing to the device."""
        self.house.attached = lambda: 1 / 0
        self.server.dataReceived(self.greet())
        self.assertEqual((self.sent(), self.transport.disconnecting), (b"", True))
        self.assertEqual([crash.type for crash in self.notes.crashes], [ZeroDivisionError])
        self.lose()
        self.assertEqual(self.notes.moods, ["crashed"])

    def test_bad_tag_in_a_live_session(self) -> None:
        """After the login a record that does not open is what it is."""
        self.server.dataReceived(self.greet())
        record = bytearray(self.device.say(b"\x04data"))
        record[-1] ^= 1
        self.server.dataReceived(bytes(record))
        self.assertEqual((self.notes.reasons, self.transport.disconnecting), (["bad-tag"], True))
