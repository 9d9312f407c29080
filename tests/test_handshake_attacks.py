"""Attacks on the login, each named for what the attacker does. He owns the wire and knows everything but secrets."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from types import FrameType
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.cipher.record import Suite
from smok_twisted.errors import RemoteError
from smok_twisted.handshake.keyring import Keyring, Slot
from smok_twisted.handshake.keys import decoy_secret, session_keys
from smok_twisted.handshake.nonces import NonceMemory, Verdict

from .test_handshake_login import DEVICE_ID, LOGIN, ONE, SECRETS, TWO, WELCOME, DeviceEnd, ServerEnd, Session, keyring

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


def called(function: Callable[..., Any], *arguments: Any) -> tuple[Any, list[str]]:
    """What ``function`` answers, and the name of everything that is called meanwhile, compiled code included."""
    calls = []

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            calls.append(frame.f_code.co_qualname)
        elif event == "c_call":
            calls.append(argument.__qualname__)

    gc.disable()  # what its callbacks call is no work of ours
    sys.setprofile(note)
    try:
        answer = function(*arguments)
    finally:
        sys.setprofile(None)
        gc.enable()
    return answer, calls


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


class Splice(AttackCase):
    """The attacker has two sessions of one device at once and mixes them."""

    def setUp(self) -> None:
        super().setUp()
        self.pairs = [(self.device(), self.server()) for _ in range(2)]
        self.choices = [server.take(device.start()) for device, server in self.pairs]

    def test_crossed_choices(self) -> None:
        """Each device gets the other's choice: neither server believes either device."""
        (left, left_server), (right, right_server) = self.pairs
        logins = left.take(self.choices[1]), right.take(self.choices[0])
        for server in (left_server, right_server):
            for login in logins:
                self.assertEqual(self.refused(server.take, login), "wrong-secret")

    def test_crossed_logins(self) -> None:
        """Each server gets the LOGIN that was meant for the other."""
        logins = [device.take(choice) for (device, _), choice in zip(self.pairs, self.choices, strict=True)]
        for (_, server), login in zip(self.pairs, reversed(logins), strict=True):
            self.assertEqual(self.refused(server.take, login), "wrong-secret")

    def test_crossed_welcomes(self) -> None:
        """Each device gets the WELCOME that was meant for the other."""
        welcomes = [
            server.take(device.take(choice))
            for (device, server), choice in zip(self.pairs, self.choices, strict=True)
        ]
        for (device, _), welcome in zip(self.pairs, reversed(welcomes), strict=True):
            self.assertEqual(self.refused(device.take, welcome), "unproven-server")

    def test_crossed_data(self) -> None:
        """A record of one session does not open at the same place of the other."""
        for suite in Suite:
            one, other = self.session(suite), self.session(suite)
            for this, that in ((one.device, other.server), (one.server, other.device)):
                self.assertEqual(self.refused(that.take, this.say(b"\x04data")), "bad-tag")

    def test_reordered_and_dropped_data(self) -> None:
        """The second record does not open before the first."""
        for suite in Suite:
            session = self.session(suite)
            first, second = session.device.say(b"\x041"), session.device.say(b"\x042")
            self.assertEqual(self.refused(session.server.take, second), "bad-tag")
            for record in (first, second):
                session.server.take(record)
            self.assertEqual(session.server.bodies, [b"\x041", b"\x042"])

    def test_another_devices_login(self) -> None:
        """A device's own secret does not open another device's door."""
        ring = keyring()
        ring.put(7, [Slot(0, suite, bytes(suite.secret_octets), 0) for suite in Suite])
        session = Session(DeviceEnd(1, SECRETS, device_id=7), self.server(ring=ring))
        self.assertEqual(session.refusal.reason, "wrong-secret")


class Downgrade(AttackCase):
    """The attacker wants the weaker suite."""

    def test_downgraded_offer(self) -> None:
        """Suite 2 is taken out of the offer: the server chooses suite 1, the device goes along, LOGIN fails."""
        session = Session(self.device(), self.server(), change(HELLO, lambda hello: hello[:2] + b"\1" + hello[3:]))
        self.assertEqual(session.wire[CHOICE][0], 0x41)
        self.assertEqual((session.refusal.reason, len(session.wire)), ("wrong-secret", 3))

    def test_downgraded_choice(self) -> None:
        """The choice is changed to suite 1: server and device have different keys."""
        session = Session(self.device(), self.server(), change(CHOICE, lambda choice: b"\x41" + choice[1:]))
        self.assertEqual((session.refusal.reason, len(session.wire)), ("wrong-secret", 3))

    def test_downgraded_choice_of_a_strong_device(self) -> None:
        """A device that offers suite 2 alone refuses any other."""
        for first in (0x40, 0x41, 0x43, 0x4F):
            device = self.device(TWO)
            device.start()
            self.assertEqual(self.refused(device.take, bytes([first]) + bytes(8)), "suite-not-offered")

    def test_a_suite_that_is_not_allowed(self) -> None:
        """A server whose configuration allows suite 2 alone has nothing to say to suite 1."""
        session = Session(self.device(ONE), self.server(allowed=[TWO]))
        self.assertEqual((session.refusal.reason, len(session.wire)), ("no-common-suite", 1))


class Stranger(AttackCase):
    """The attacker has no secret and tries ids."""

    def rings(self, suite: Suite) -> dict[str, Keyring]:
        """A keyring for each reason to refuse the device that everybody here claims to be."""
        other = Suite(3 - suite)
        rings = {reason: keyring() for reason in ("wrong-secret", "unknown-device", "unknown-kid", "revoked")}
        rings["wrong-suite"] = keyring({other: SECRETS[other]})
        rings["unknown-device"].remove(DEVICE_ID)
        rings["unknown-kid"].put(DEVICE_ID, [Slot(1, suite, SECRETS[suite], 0)])
        rings["revoked"].put(DEVICE_ID, [])
        return rings

    def try_to_log_in(self, suite: Suite, ring: Keyring) -> tuple[RemoteError, list[bytes], list[str]]:
        """The refusal, what was on the wire, and every call that the server made."""
        device = DeviceEnd(5, {suite: b"?" * suite.secret_octets})
        server = ServerEnd(Random(4).randbytes, ring)
        hello = device.start()
        choice, work = called(server.take, hello)
        login = device.take(choice)
        refusal, more_work = called(self.assertRaises, RemoteError, server.take, login)
        return refusal, [hello, choice, login], work + more_work

    def test_unknown_id_against_wrong_secret(self) -> None:
        """Same octets, same work call by call, whatever the reason; only the log knows the difference."""
        for suite in Suite:
            tries = {reason: self.try_to_log_in(suite, ring) for reason, ring in self.rings(suite).items()}
            self.assertEqual([refusal.reason for refusal, _, _ in tries.values()], list(tries))
            _, octets, work = tries["wrong-secret"]
            self.assertGreater(len(work), 30)
            for _, other_octets, other_work in tries.values():
                self.assertEqual(other_octets, octets)
                self.assertEqual(other_work, work)

    def test_login_on_a_decoy(self) -> None:
        """Whoever stole the node secret can seal a LOGIN for any id; it is not believed."""
        for suite in Suite:
            stolen = decoy_secret(b"node secret", 99, 0, suite)
            session = Session(DeviceEnd(5, {suite: stolen}, device_id=99), self.server())
            self.assertEqual(session.refusal.reason, "unknown-device")
            self.assertIsNone(session.server.proven)

    def test_data_before_login(self) -> None:
        """A first record of any other type is refused, even from somebody who has the secret."""
        for suite in Suite:
            server, hello = self.server(), self.device(suite).start()
            keys = session_keys(suite, SECRETS[suite], hello, server.take(hello))
            data = b"\x04" + LOGIN.encode()[1:]
            self.assertEqual(self.refused(server.take, keys.device_to_server.sealer().seal(data)), "bad-type")

    def test_second_hello(self) -> None:
        """A second HELLO is no record: it is refused, and nobody is let in."""
        for suite in Suite:
            server, hello = self.server(), self.device(suite).start()
            server.take(hello)
            self.assertEqual(self.refused(server.take, hello), "wrong-secret")
            self.assertIsNone(server.proven)
