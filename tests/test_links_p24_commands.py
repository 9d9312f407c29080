"""P24 octet by octet: the worked examples of design note p24."""

from __future__ import annotations

from ipaddress import IPv4Address
from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import Impossible, RemoteError
from smok_twisted.framing.codec import FrameDecoder
from smok_twisted.links.p24.commands import (
    ACCEPTED,
    INIT_OCTETS,
    REFUSED,
    Answer,
    Code,
    Command,
    NetworkSettings,
    decode_answer,
    decode_command,
    decode_init,
    encode_answer,
    encode_init,
)
from smok_twisted.readings import Fault

HOLDING_4089 = Command(Code.READ_HOLDING, (4089, 1))
COIL_7077 = Command(Code.READ_COIL, (7077, 1))
NETWORK = NetworkSettings(
    IPv4Address("192.168.2.7"),
    IPv4Address("255.255.255.0"),
    IPv4Address("192.168.2.1"),
    IPv4Address("192.168.2.1"),
    "smok.example",
)

#: Number in the note, command, its packet, the answer's packet, what it says.
EXAMPLES = [
    (4, HOLDING_4089, "04 03 0F F9 01", "03 00 00 29", Answer(41)),
    (5, HOLDING_4089, "04 03 0F F9 01", "03 00 80 29", Answer(0x8029)),
    (6, HOLDING_4089, "04 03 0F F9 01", "03 00 FF D7", Answer(0xFFD7)),
    (7, COIL_7077, "04 04 1B A5 01", "02 00 01", Answer(1)),
    (8, Command(Code.WRITE_HOLDING, (4002, 13, 1)), "06 05 0F A2 00 0D 01", "02 00 00", Answer()),
    (9, Command(Code.WRITE_COIL, (7115, 1, 1)), "05 06 1B CB 01 01", "02 00 00", Answer()),
    (10, HOLDING_4089, "04 03 0F F9 01", "02 FE 01", Answer(fault=Fault.TIMEOUT)),
    (11, Command(Code.VENDOR), "01 07", "0C 00 0A 46 52 49 53 4B 4F 2D 31 2E 30", Answer("FRISKO-1.0")),
    (12, Command(Code.KEEPALIVE), "01 00", "01 00", Answer()),
    (13, Command(Code.READ_INPUT, (16, 1)), "04 08 00 10 01", "01 FF", Answer(fault=1)),
    (
        14,
        Command(Code.GET_NETWORK),
        "01 02",
        "1E 00 C0 A8 02 07 FF FF FF 00 C0 A8 02 01 C0 A8 02 01 0C 73 6D 6F 6B 2E 65 78 61 6D 70 6C 65",
        Answer(NETWORK),
    ),
]


class WorkedExamples(SynchronousTestCase):
    """Every octet is that of the note."""

    def test_init(self) -> None:
        """1 and 2: an id and version 0, without a length."""
        for device_id, octets in [
            (0x30001, "00 00 00 00 00 03 00 01 00 00 00 00"),
            (0x02000000002A0000, "02 00 00 00 00 2A 00 00 00 00 00 00"),
        ]:
            self.assertEqual(encode_init(device_id), bytes.fromhex(octets))
            self.assertEqual(decode_init(bytes.fromhex(octets)), device_id)

    def test_accepted_and_refused(self) -> None:
        """3."""
        self.assertEqual((ACCEPTED.hex(), REFUSED.hex()), ("0100", "01fe"))

    def test_commands(self) -> None:
        """4 to 14, from the server."""
        for number, command, packet, _, _ in EXAMPLES:
            self.assertEqual(command.encode(), bytes.fromhex(packet), number)
            self.assertEqual(decode_command(bytes.fromhex(packet)), command, number)

    def test_answers(self) -> None:
        """4 to 14, from the device."""
        for number, command, _, packet, answer in EXAMPLES:
            self.assertEqual(decode_answer(command.code, bytes.fromhex(packet)), answer, number)

    def test_answers_of_the_device_side(self) -> None:
        """4 to 14, made here."""
        for number, command, _, packet, answer in EXAMPLES:
            is_write = command.code in (Code.WRITE_HOLDING, Code.WRITE_COIL)
            given_answer = Answer(0x00) if is_write else answer
            self.assertEqual(encode_answer(command.code, given_answer), bytes.fromhex(packet), number)

    def test_bad_crc_or_wrong_answer(self) -> None:
        """02 FE 00."""
        self.assertEqual(decode_answer(Code.READ_COIL, bytes.fromhex("02fe00")), Answer(fault=Fault.CRC))
        self.assertEqual(encode_answer(Code.READ_COIL, Answer(fault=Fault.CRC)), bytes.fromhex("02fe00"))

    def test_every_cut_of_a_conversation(self) -> None:
        """An init and three answers, in up to four pieces: always the same frames."""
        stream = bytes.fromhex("000000000003000100000000 03000029 02fe01 020001")
        whole = [stream[:12], stream[12:16], stream[16:19], stream[19:]]
        for cuts in combinations(range(len(stream) + 1), 3):
            edges = (0, *cuts, len(stream))
            decoder, frames = FrameDecoder(INIT_OCTETS), []
            for start, end in pairwise(edges):
                decoder.feed(stream[start:end])
                while (frame := decoder.next()) is not None:
                    frames.append(frame)
            self.assertEqual(frames, whole, cuts)


class Quirks(SynchronousTestCase):
    """What the field's devices do, and what must never be sent to them."""

    def test_success_of_a_write_may_carry_anything(self) -> None:
        """One octet of junk, none, or many: only the code counts."""
        for code in (Code.WRITE_HOLDING, Code.WRITE_COIL):
            for packet in ("0100", "02005a", "ff00" + "ab" * 254):
                self.assertEqual(decode_answer(code, bytes.fromhex(packet)), Answer())

    def test_a_size_of_zero_from_a_device(self) -> None:
        """A protocol error."""
        decoder = FrameDecoder(INIT_OCTETS)
        decoder.feed(encode_init(1) + b"\x00\x00")
        decoder.next()
        self.assertEqual(self.assertRaises(RemoteError, decoder.next).reason, "zero-length")

    def test_another_version(self) -> None:
        """Version 0 is everywhere; anything else is no P24 device."""
        error = self.assertRaises(RemoteError, decode_init, b"GET / HTTP/1")
        self.assertEqual(error.reason, "wrong-version")

    def test_network_settings_are_never_set(self) -> None:
        """Command 1 has no name here, so nothing can send it."""
        self.assertNotIn(1, list(Code))

    def test_no_command_lacks_data(self) -> None:
        """The firmware would run it on stale octets."""
        for arguments in [(), (1,), (1, 2, 3), (0x10000, 1), (1, 256), (-1, 1)]:
            self.assertRaises(Impossible, Command(Code.READ_HOLDING, arguments).encode)

    def test_commands_that_a_device_must_not_run(self) -> None:
        """Missing data, data too many, and what has no name."""
        for packet in ("0103", "030300 01", "05030001 0101", "0101", "0109", "01ff"):
            error = self.assertRaises(RemoteError, decode_command, bytes.fromhex(packet))
            self.assertEqual(error.reason, "bad-command")


class Surprises(SynchronousTestCase):
    """An answer that cannot be one to the command."""

    def test_wrong_shapes(self) -> None:
        """Each is a fault of the device."""
        for code, packets in {
            Code.KEEPALIVE: ["020000"],
            Code.READ_HOLDING: ["0100", "020029", "0400002929"],
            Code.READ_COIL: ["0100", "020002", "0200ff", "03000001"],
            Code.WRITE_HOLDING: ["0101", "01fe", "02fe02", "03fe0100", "02ff00"],
            Code.VENDOR: ["0100", "020001", "03000141 41", "030001e9"],
            Code.GET_NETWORK: ["0100", "1100" + "00" * 15, "1200" + "00" * 16 + "05"],
        }.items():
            for packet in packets:
                error = self.assertRaises(RemoteError, decode_answer, code, bytes.fromhex(packet))
                self.assertEqual(error.reason, "bad-answer", packet)

    @given(st.sampled_from(Code), st.binary(min_size=1, max_size=255))
    def test_anything_at_all(self, code: Code, body: bytes) -> None:
        """An answer or a RemoteError; an answer says one thing only."""
        try:
            answer = decode_answer(code, bytes((len(body),)) + body)
        except RemoteError:
            return
        self.assertTrue(answer.value is None or answer.fault == 0)

    @given(st.binary(min_size=1, max_size=255))
    def test_any_command_at_all(self, body: bytes) -> None:
        """The device's side: a command that encodes to the same octets, or a RemoteError."""
        packet = bytes((len(body),)) + body
        try:
            command = decode_command(packet)
        except RemoteError:
            return
        self.assertEqual(command.encode(), packet)

    @given(st.binary(min_size=12, max_size=12))
    def test_any_init_at_all(self, octets: bytes) -> None:
        """Who it is, or a RemoteError."""
        try:
            device_id = decode_init(octets)
        except RemoteError:
            return
        self.assertEqual(encode_init(device_id), octets)
