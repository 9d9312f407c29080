"""Capture files of every sort that people have are read; ours are files that others read."""

from __future__ import annotations

import io
import struct

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import UserError
from smok_twisted.observe.pcap import ETHERNET, Packet, PacketReader, write_pcap

NOW_US = 1_700_000_000_123_456
FRAMES = ((NOW_US, b"first"), (NOW_US + 1, b""), (NOW_US + 2_000_000, bytes(range(255))))


def read(octets: bytes) -> list[Packet]:
    return list(PacketReader(io.BytesIO(octets), "a file"))


def classic(order: str, units: int, link_type: int = ETHERNET) -> bytes:
    magic = {10**6: 0xA1B2C3D4, 10**9: 0xA1B23C4D}[units]
    file = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link_type)
    for time_us, octets in FRAMES:
        seconds, rest = divmod(time_us * units // 10**6, units)
        file += struct.pack(order + "IIII", seconds, rest, len(octets), len(octets) + 9) + octets
    return file


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack(order + "II", kind, 12 + len(body)) + body + struct.pack(order + "I", 12 + len(body))


def section(order: str, options: bytes = b"") -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1) + options)


def interface(order: str, link_type: int, *options: tuple[int, bytes]) -> bytes:
    body = struct.pack(order + "HHI", link_type, 0, 65535)
    for code, value in options:
        body += struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)
    return block(order, 1, body + bytes(4))


def enhanced(order: str, which: int, parts: int, octets: bytes) -> bytes:
    head = struct.pack(order + "IIIII", which, parts >> 32, parts & 0xFFFF_FFFF, len(octets), len(octets))
    return block(order, 6, head + octets)


class Classic(SynchronousTestCase):
    def test_both_orders_and_both_units(self) -> None:
        """Little- and big-endian, with micro- and nanoseconds."""
        wanted = [Packet(ETHERNET, *frame) for frame in FRAMES]
        for order in "<>":
            for units in (10**6, 10**9):
                self.assertEqual(read(classic(order, units)), wanted, (order, units))

    def test_ours_is_read_as_it_was_written(self) -> None:
        """Nothing is lost on the way through a file."""
        self.assertEqual(read(write_pcap(FRAMES)), [Packet(ETHERNET, *frame) for frame in FRAMES])

    def test_link_type_without_the_flags_above_it(self) -> None:
        """The upper half of the field tells of checksums, not of the link."""
        self.assertEqual({packet.link_type for packet in read(classic("<", 10**6, 0x1400_0071))}, {113})

    def test_a_file_that_is_cut_anywhere_gives_what_is_whole(self) -> None:
        """A capture whose writer was killed is no error; that it was is said."""
        whole = classic(">", 10**9)
        ends = [24, 24 + 16 + 5, 24 + 16 + 5 + 16]
        for octets in range(24, len(whole)):
            reader = PacketReader(io.BytesIO(whole[:octets]), "a file")
            self.assertEqual(len(list(reader)), sum(end <= octets for end in ends[1:]), octets)
            self.assertEqual(reader.cut_short, octets not in ends)


class Pcapng(SynchronousTestCase):
    def test_interfaces_have_their_own_link_and_time(self) -> None:
        """Each packet is that of its interface: link type, resolution (decimal or binary), offset."""
        for order in "<>":
            file = section(order, b"\x01\x00\x02\x00hi\x00\x00")
            file += interface(order, ETHERNET)
            file += interface(order, 101, (2, b"eth7"), (9, b"\x09"), (14, struct.pack(order + "q", -5)))
            file += interface(order, 113, (9, b"\x80"))
            file += enhanced(order, 0, NOW_US, b"one")
            file += block(order, 0x0BAD, b"of no interest")
            file += enhanced(order, 1, NOW_US * 1000 + 999, b"two")
            file += enhanced(order, 2, 7, b"three")
            self.assertEqual(
                read(file),
                [Packet(1, NOW_US, b"one"), Packet(101, NOW_US - 5_000_000, b"two"), Packet(113, 7_000_000, b"three")],
            )

    def test_simple_and_obsolete_packets(self) -> None:
        """Both older blocks; the simple one has no time."""
        old = struct.pack("<HHIIII", 0, 3, NOW_US >> 32, NOW_US & 0xFFFF_FFFF, 3, 3) + b"old"
        file = section("<") + interface("<", 1) + block("<", 3, struct.pack("<I", 6) + b"simple") + block("<", 2, old)
        self.assertEqual(read(file), [Packet(1, 0, b"simple"), Packet(1, NOW_US, b"old")])

    def test_several_sections(self) -> None:
        """Files put behind each other, of different octet order; interfaces count anew."""
        file = section("<") + interface("<", 1) + enhanced("<", 0, 1, b"a")
        file += section(">") + interface(">", 101) + enhanced(">", 0, 2, b"b")
        self.assertEqual(read(file), [Packet(1, 1, b"a"), Packet(101, 2, b"b")])


class Damage(SynchronousTestCase):
    def refused(self, octets: bytes) -> str:
        text = str(self.assertRaises(UserError, read, octets))
        self.assertTrue(text.startswith("a file: "), text)
        self.assertIn("accepted are pcap and pcapng", text)
        return text

    def test_what_is_no_capture(self) -> None:
        """One sentence that names the file, the reason and the accepted form."""
        self.assertIn("begins with 47455420", self.refused(b"GET / HTTP/1.1\r\n"))
        self.assertIn("3 octets", self.refused(b"abc"))

    def test_impossible_claims(self) -> None:
        """Nothing is reserved for what a damaged file claims."""
        head = classic("<", 10**6)[:24]
        self.assertIn("4294967295", self.refused(head + struct.pack("<IIII", 0, 0, 0xFFFF_FFFF, 1)))
        self.assertIn("-4", self.refused(section("<") + struct.pack("<II", 6, 8)))
        self.assertIn("no interface 0", self.refused(section("<") + enhanced("<", 0, 1, b"a")))
        self.assertIn("too short", self.refused(section("<") + block("<", 1, b"")))
        self.assertIn("octet order", self.refused(struct.pack("<III", 0x0A0D0D0A, 28, 1)))
        longer = struct.pack("<IIIII", 0, 0, 1, 100, 100) + b"a"
        self.assertIn("too short", self.refused(section("<") + interface("<", 1) + block("<", 6, longer)))
        impossible = enhanced("<", 0, 2**63, b"a")
        self.assertIn("impossible time", self.refused(section("<") + interface("<", 1) + impossible))
        many = section("<") + 1025 * interface("<", 1)
        self.assertIn("interfaces", self.refused(many))

    @given(st.binary(max_size=200), st.sampled_from((b"", classic("<", 10**6), section("<") + interface("<", 1))))
    def test_any_octets(self, octets: bytes, before: bytes) -> None:
        """Whatever follows, the answer is packets or one sentence."""
        try:
            read(before + octets)
        except UserError as error:
            self.assertNotIn("\n", str(error))
