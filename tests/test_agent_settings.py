"""What an agent is told is checked at the edge, with sentences that help."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.agent.settings import Address, AgentSettings, parse_address, parse_device_id, read_secret, suite_of
from smok_twisted.cipher.record import Suite
from smok_twisted.errors import UserError


class Addresses(SynchronousTestCase):
    def test_accepted_forms(self) -> None:
        """Names, IPv4, IPv6; the port is 2406 unless given."""
        for text, address in {
            "smok.example": ("smok.example", 2406),
            "smok.example:99": ("smok.example", 99),
            "192.0.2.1:2406": ("192.0.2.1", 2406),
            "::1": ("::1", 2406),
            "[::1]": ("::1", 2406),
            "[2001:db8::7]:99": ("2001:db8::7", 99),
        }.items():
            self.assertEqual(parse_address(text), address)

    def test_refused_forms(self) -> None:
        """The sentence names what was given and what is accepted."""
        for text in ("", ":99", "host:", "host:0", "host:65536", "host:x", "[::1]:0", "[::1", "a b", "host:1:2x"):
            error = self.assertRaises(UserError, parse_address, text)
            self.assertIn("HOST or HOST:PORT", str(error))

    def test_an_address_reads_back(self) -> None:
        """What is logged and kept can be given again."""
        for address in (Address("smok.example", 99), Address("2001:db8::7", 2406)):
            self.assertEqual(parse_address(str(address)), address)


class Ids(SynchronousTestCase):
    @given(st.integers(0, 2**64 - 1))
    def test_decimal_or_hex(self, number: int) -> None:
        """As everywhere: a u64 in decimal or 0x-hex."""
        self.assertEqual(
            [parse_device_id(str(number)), parse_device_id(hex(number)), parse_device_id(f"0x{number:016X}")],
            [number] * 3,
        )

    def test_refused(self) -> None:
        """Not a number, negative, too large."""
        for text in ("", "x", "-1", "0x", "1_000", str(2**64), "0x10000000000000000", "٣"):
            self.assertIn("device id", str(self.assertRaises(UserError, parse_device_id, text)))


class Secrets(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp())

    def write(self, text: str, mode: int = 0o600) -> None:
        self.path.write_text(text)
        self.path.chmod(mode)

    def test_the_length_says_the_suite(self) -> None:
        """40 digits are suite 1, 64 are suite 2; white space around them does not matter."""
        for octets, suite in ((20, Suite.RABBIT_SHA1), (32, Suite.CHACHA20_POLY1305)):
            self.write(f" {bytes(range(octets)).hex().upper()}\n")
            self.assertEqual(read_secret(self.path), bytes(range(octets)))
            self.assertEqual(suite_of(bytes(octets)), suite)

    def test_wrong_contents(self) -> None:
        """The sentence names the file and both lengths, never what is in it."""
        for text in ("", "deadbeef", "zz" * 20, "00" * 21, "00" * 500, "é" * 20):
            self.write(text)
            said = str(self.assertRaises(UserError, read_secret, self.path))
            self.assertIn(str(self.path), said)
            self.assertIn("40 for suite 1, 64 for suite 2", said)
            self.assertNotIn("deadbeef", said)

    def test_a_file_that_others_can_read(self) -> None:
        """Refused, with the command that mends it."""
        for mode in (0o640, 0o604, 0o666):
            self.write("00" * 20, mode)
            self.assertIn(f"chmod 600 {self.path}", str(self.assertRaises(UserError, read_secret, self.path)))

    def test_a_file_that_is_not_there(self) -> None:
        """One sentence, no traceback."""
        self.assertIn(os.strerror(2), str(self.assertRaises(UserError, read_secret, self.path)))


class Settings(SynchronousTestCase):
    def settings(self, **more: object) -> AgentSettings:
        fields = {
            "server": Address("h", 1),
            "device_id": 1,
            "secret": bytes(20),
            "modbus": "tcp:h:502",
            "spool_folder": Path("x"),
        }
        return AgentSettings(**{**fields, **more})  # type: ignore[arg-type]

    def test_what_cannot_be(self) -> None:
        """Each is refused by name."""
        for name, value in {"device_id": 2**64, "kid": 256, "firmware": -1, "secret": bytes(21)}.items():
            said = str(self.assertRaises(UserError, self.settings, **{name: value}))
            self.assertIn(name.replace("_", " "), said)

    def test_the_secret_stays_out_of_the_log(self) -> None:
        """Not in the text form of the settings."""
        self.assertNotIn("secret", repr(self.settings()))
