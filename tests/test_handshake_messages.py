"""The four messages of the login."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import RemoteError
from smok_twisted.handshake.messages import (
    HAS_CLOCK,
    KEEPS_BATCHES,
    NONCE_UNIQUE_FOR_GOOD,
    Choice,
    Hello,
    Login,
    Welcome,
)

VECTORS = json.loads(Path(__file__).with_name("vectors").joinpath("smok4-vectors.json").read_text())

U8, U16, U32, U64 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32, 64))
HELLOS = st.builds(Hello, U8, U8, U64, U64)
CHOICES = st.builds(Choice, st.integers(0, 15), U64)
LOGINS = st.builds(Login, U8, U8, U16, U16, U16, U16)
WELCOMES = st.builds(Welcome, U32, st.integers(1, 255), U8, U16)

ONE_OF_EACH = (
    Hello(1, 0, 0x30001, 7),
    Choice(1, 8),
    Login(0, 255, 1, 2, 3, 4),
    Welcome(1_800_000_000, 24, 0, 5),
)


class Octets(SynchronousTestCase):
    """Where each field is on the wire: what firmware is written against."""

    def test_hello_of_the_vectors(self) -> None:
        """The published hello reads as suite 1, slot 0, id 0x30001."""
        octets = bytes.fromhex(VECTORS["suite1"]["hello"])
        self.assertEqual(Hello.decode(octets), Hello(1, 0, 0x30001, 0x0000002A_00000001))
        self.assertEqual(Hello.decode(octets).encode(), octets)

    def test_choice_of_the_vectors(self) -> None:
        """The published choices read as suites 1 and 2."""
        for number in (1, 2):
            octets = bytes.fromhex(VECTORS[f"suite{number}"]["choice"])
            self.assertEqual(Choice.decode(octets), Choice(number, 0xA0A1A2A3A4A5A6A7))
            self.assertEqual(Choice.decode(octets).encode(), octets)

    def test_login(self) -> None:
        """LOGIN is 01, flags, max_rx, firmware, boot, tick, cursor."""
        body = Login(HAS_CLOCK | KEEPS_BATCHES, 0xFA, 0x0102, 0x0304, 0x0506, 0x0708).encode()
        self.assertEqual(body.hex(), "01" "03" "fa" "0102" "0304" "0506" "0708")

    def test_welcome(self) -> None:
        """WELCOME is 02, unixtime, keepalive in tens of seconds, flags, cursor."""
        self.assertEqual(Welcome(0x6A000001, 24, 0, 0x0708).encode().hex(), "02" "6a000001" "18" "00" "0708")

    def test_sizes_on_the_wire(self) -> None:
        """20 octets of HELLO, 9 of CHOICE, records of 20 and 18 octets with length and the tag of suite 1."""
        sizes = [len(message.encode()) for message in ONE_OF_EACH]
        self.assertEqual(sizes, [20, 9, 20 - 9, 18 - 9])


class RoundTrip(SynchronousTestCase):
    """What is encoded is decoded, over the whole range of every field."""

    @given(st.one_of(HELLOS, CHOICES, LOGINS, WELCOMES))
    def test_any_message(self, message: Hello | Choice | Login | Welcome) -> None:
        """Decoding gives back what was encoded."""
        self.assertEqual(type(message).decode(message.encode()), message)

    def test_what_does_not_fit(self) -> None:
        """A number that is too large is never cut down silently."""
        for message in (Hello(1, 0, 2**64, 0), Choice(1, 2**64), Login(0, 256, 0, 0, 0, 0), Welcome(2**32, 1, 0, 0)):
            self.assertRaises(struct.error, message.encode)


class Offer(SynchronousTestCase):
    """What a device can speak."""

    def test_suites(self) -> None:
        """Bit 0 is suite 1, bit 1 is suite 2; the others say nothing about suites."""
        offers = {offer: [Hello(offer, 0, 1, 1).offers(suite) for suite in (1, 2)] for offer in (0, 1, 2, 3, 0xFC)}
        self.assertEqual(
            offers, {0: [False, False], 1: [True, False], 2: [False, True], 3: [True, True], 0xFC: [False, False]}
        )

    def test_unique_nonces(self) -> None:
        """Only bit 7 promises nonces that are unique for good."""
        self.assertTrue(Hello(NONCE_UNIQUE_FOR_GOOD, 0, 1, 1).nonce_is_unique_for_good)
        self.assertFalse(Hello(0x7F, 0, 1, 1).nonce_is_unique_for_good)


class Refused(SynchronousTestCase):
    """What a stranger may send and what becomes of it."""

    def refused(self, message_class: type[Hello | Choice | Login | Welcome], octets: bytes) -> str:
        return self.assertRaises(RemoteError, message_class.decode, octets).reason

    def test_every_other_length(self) -> None:
        """A message cut at any octet, or with anything behind it, is refused."""
        for message in ONE_OF_EACH:
            octets = message.encode()
            for wrong in [octets[:cut] for cut in range(len(octets))] + [octets + b"\0", octets * 2]:
                self.assertEqual(self.refused(type(message), wrong), "bad-length")

    def test_another_magic(self) -> None:
        """TLS, HTTP and other versions are not us."""
        for start in (b"\x16\x03", b"GE", b"S3", b"S5", b"s4"):
            self.assertEqual(self.refused(Hello, start + bytes(18)), "bad-magic")

    def test_another_version(self) -> None:
        """A choice of any version but 4 is refused."""
        for version in set(range(16)) - {4}:
            self.assertEqual(self.refused(Choice, bytes([version << 4 | 1]) + bytes(8)), "bad-version")

    def test_another_type(self) -> None:
        """LOGIN is never taken for WELCOME, nor anything else for either."""
        for type_ in set(range(256)) - {1}:
            self.assertEqual(self.refused(Login, bytes([type_]) + bytes(10)), "bad-type")
        for type_ in set(range(256)) - {2}:
            self.assertEqual(self.refused(Welcome, bytes([type_]) + b"\1" * 8), "bad-type")

    def test_no_keepalive(self) -> None:
        """A keepalive of 0 s would end every session at once."""
        self.assertEqual(self.refused(Welcome, Welcome(1, 0, 0, 0).encode()), "bad-keepalive")
