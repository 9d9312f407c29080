"""Attacks with what belongs to another session, another version or another device."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from random import Random
from types import FrameType
from typing import Any

from smok_twisted.cipher.record import Suite
from smok_twisted.errors import RemoteError
from smok_twisted.handshake.keyring import Keyring, Slot
from smok_twisted.handshake.keys import decoy_secret, session_keys

from .test_handshake_attacks import CHOICE, HELLO, AttackCase, change
from .test_handshake_login import DEVICE_ID, LOGIN, ONE, SECRETS, TWO, DeviceEnd, ServerEnd, Session, keyring


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
