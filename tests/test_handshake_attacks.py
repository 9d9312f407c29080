"""Attacks on the login, each named for what the attacker does. He owns the wire and knows everything but secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.cipher.record import Suite
from smok_twisted.errors import RemoteError
from smok_twisted.handshake.keys import session_keys
from smok_twisted.handshake.nonces import NonceMemory, Verdict

from .test_handshake_login import LOGIN, SECRETS, WELCOME, DeviceEnd, ServerEnd, Session

HELLO, CHOICE, LOGIN_RECORD, WELCOME_RECORD = range(4)


def flip(octets: bytes, bit: int) -> bytes:
    """``octets`` with one bit flipped."""
    flipped = bytearray(octets)
    flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)


def change(number: int, how: Callable[[bytes], bytes]) -> Callable[[int, bytes], bytes]:
    """A wire that changes message ``number`` of a session."""
    return lambda at, sent: how(sent) if at == number else sent


def resize(message: bytes, octets: int) -> bytes:
    """``message`` cut to so many octets, or with one behind it."""
    return (message + b"\0")[:octets]


class AttackCase(SynchronousTestCase):
    """A server with fresh nonces, the device that it knows, and a wire under the attacker's control."""

    def setUp(self) -> None:
        self.random = Random(4)

    def server(self, **settings: Any) -> ServerEnd:
        return ServerEnd(self.random.randbytes, **settings)

    def device(self, suite: Suite | None = None, nonce: int | None = None) -> DeviceEnd:
        """The honest device, with one suite or with both; its nonces never repeat by themselves."""
        secrets = {suite: SECRETS[suite]} if suite else SECRETS
        return DeviceEnd(self.random.getrandbits(64) if nonce is None else nonce, secrets)

    def session(self, suite: Suite | None = None) -> Session:
        """An honest session."""
        session = Session(self.device(suite), self.server())
        self.assertIsNone(session.refusal)
        return session

    def refused(self, call: Callable[..., Any], *arguments: Any) -> str:
        """The reason of the refusal."""
        return self.assertRaises(RemoteError, call, *arguments).reason


class Replay(AttackCase):
    """The attacker recorded a session and plays it again."""

    def test_replay_of_a_device(self) -> None:
        """A server that hears a recorded device answers HELLO and refuses the rest."""
        for suite in Suite:
            recorded, server = self.session(suite), self.server()
            choice = server.take(recorded.wire[HELLO])
            self.assertNotEqual(choice, recorded.wire[CHOICE])
            self.assertEqual(self.refused(server.take, recorded.wire[LOGIN_RECORD]), "wrong-secret")
            self.assertIsNone(server.proven)

    def test_replay_of_a_server(self) -> None:
        """A device that hears a recorded server obeys nothing."""
        for suite in Suite:
            recorded, device = self.session(suite), self.device(suite)
            device.start()
            device.take(recorded.wire[CHOICE])
            self.assertEqual(self.refused(device.take, recorded.wire[WELCOME_RECORD]), "unproven-server")
            self.assertIsNone(device.welcome)

    def test_replay_of_a_record_within_a_session(self) -> None:
        """LOGIN, WELCOME or data that arrive a second time do not open."""
        for suite in Suite:
            session = self.session(suite)
            data = session.device.say(b"\x04data")
            session.server.take(data)
            for frame in (session.wire[LOGIN_RECORD], data):
                self.assertEqual(self.refused(session.server.take, frame), "bad-tag")
            self.assertEqual(self.refused(session.device.take, session.wire[WELCOME_RECORD]), "bad-tag")
            self.assertEqual(session.server.bodies, [b"\x04data"])

    def test_replayed_nonce(self) -> None:
        """A HELLO that was heard before buys nothing, and a device that repeats itself is noticed."""
        first, again = (Session(self.device(nonce=77), self.server()) for _ in range(2))
        self.assertEqual(first.wire[HELLO], again.wire[HELLO])
        self.assertNotEqual(first.wire[LOGIN_RECORD], again.wire[LOGIN_RECORD])
        memory = NonceMemory()
        verdicts = [memory.seen(session.server.proven.hello) for session in (first, again)]
        self.assertEqual(verdicts, [Verdict.FRESH, Verdict.REPEAT])


class Reflection(AttackCase):
    """The attacker sends everybody's own words back."""

    def test_reflected_login(self) -> None:
        """A device never takes its own LOGIN for the server's proof: it does not even open."""
        for suite in Suite:
            device, server = self.device(suite), self.server()
            own = device.take(server.take(device.start()))
            self.assertEqual(self.refused(device.take, own), "unproven-server")

    def test_reflected_data(self) -> None:
        """What one side said does not open on the same side, although its turn would be right."""
        for suite in Suite:
            session = self.session(suite)
            for end in (session.device, session.server):
                self.assertEqual(self.refused(end.take, end.say(b"\x04data")), "bad-tag")

    def test_reflected_hello(self) -> None:
        """A device that gets its own HELLO as the choice refuses it, cut to size or not."""
        for octets in (9, 20):
            device = self.device()
            hello = device.start()
            self.assertIn(self.refused(device.take, hello[:octets]), ("bad-version", "bad-length"))

    def test_login_under_the_other_directions_key(self) -> None:
        """A LOGIN sealed with the key of server to device is refused."""
        for suite in Suite:
            server, hello = self.server(), self.device(suite).start()
            keys = session_keys(suite, SECRETS[suite], hello, server.take(hello))
            record = keys.server_to_device.sealer().seal(LOGIN.encode())
            self.assertEqual(self.refused(server.take, record), "wrong-secret")


class FlippedBit(AttackCase):
    """The attacker flips one bit of one message."""

    def flipped(self, number: int, suite: Suite | None) -> Iterator[Session]:
        """A session for each bit of message ``number``."""
        for bit in range(len(self.session(suite).wire[number]) * 8):
            yield Session(self.device(suite), self.server(), change(number, partial(flip, bit=bit)))

    def test_flipped_bit_of_hello(self) -> None:
        """Each of the 160 bits, those of the offer that mean nothing yet too: the device does not get in."""
        for suite in (None, *Suite):
            for session in self.flipped(HELLO, suite):
                self.assertIsNotNone(session.refusal)
                self.assertIsNone(session.server.proven)

    def test_flipped_bit_of_choice(self) -> None:
        """Each of the 72 bits: the device refuses it, or the server the LOGIN that follows from it."""
        for suite in (None, *Suite):
            for session in self.flipped(CHOICE, suite):
                self.assertIsNotNone(session.refusal)
                self.assertIsNone(session.server.proven)

    def test_flipped_bit_of_login(self) -> None:
        """Each bit, L and tag included: the server answers nothing."""
        for suite in Suite:
            for session in self.flipped(LOGIN_RECORD, suite):
                self.assertEqual(session.refusal.reason, "wrong-secret")
                self.assertEqual(len(session.wire), 3)

    def test_flipped_bit_of_welcome(self) -> None:
        """Each bit: the device obeys nothing."""
        for suite in Suite:
            for session in self.flipped(WELCOME_RECORD, suite):
                self.assertEqual(session.refusal.reason, "unproven-server")
                self.assertIsNone(session.device.welcome)

    def test_flipped_bit_of_data(self) -> None:
        """Each bit of what comes after the login, in both directions; what was sent opens all the same."""
        for suite in Suite:
            session = self.session(suite)
            for sender, receiver in ((session.device, session.server), (session.server, session.device)):
                record = sender.say(b"\x04data")
                for bit in range(len(record) * 8):
                    self.assertEqual(self.refused(receiver.take, flip(record, bit)), "bad-tag")
                receiver.take(record)
                self.assertEqual(receiver.bodies, [b"\x04data"])


class Truncation(AttackCase):
    """The attacker cuts a message, or adds to it."""

    def test_truncated_and_overlong_frames(self) -> None:
        """Each message cut at each octet, or with an octet behind it, is refused."""
        for suite in Suite:
            for number, octets in enumerate(map(len, self.session(suite).wire)):
                for wrong in (*range(octets), octets + 1):
                    session = Session(self.device(suite), self.server(), change(number, partial(resize, octets=wrong)))
                    self.assertIsNotNone(session.refusal, (number, wrong))
                    self.assertIsNone(session.device.welcome)
                    self.assertEqual(session.server.proven is None, number < WELCOME_RECORD)

    def test_truncated_and_overlong_bodies(self) -> None:
        """A LOGIN or WELCOME of the wrong length is refused, even from somebody who has the keys."""
        for suite in Suite:
            for whole in (LOGIN.encode(), WELCOME.encode()):
                for octets in (*range(1, len(whole)), len(whole) + 1):
                    device, server = self.device(suite), self.server()
                    hello = device.start()
                    device.take(choice := server.take(hello))
                    keys = session_keys(suite, SECRETS[suite], hello, choice)
                    is_login = whole == LOGIN.encode()
                    direction = keys.device_to_server if is_login else keys.server_to_device
                    record = direction.sealer().seal(resize(whole, octets))
                    self.assertEqual(self.refused((server if is_login else device).take, record), "bad-length")
