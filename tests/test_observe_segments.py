"""A TCP segment is found in whatever was captured around it, and what we make is right to the checksums."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.observe.pcap import ETHERNET
from smok_twisted.observe.segments import ACK, PSH, SYN, Endpoint, Segment, build, checksum, parse

V4 = Segment(Endpoint("192.0.2.1", 40000), Endpoint("198.51.100.7", 502), 7, 9, PSH | ACK, b"hello", 45)
V6 = Segment(Endpoint("2001:db8::1", 40000), Endpoint("2001:db8::2", 502), 7, 9, PSH | ACK, b"hello", 65)


def ip_of(segment: Segment) -> bytes:
    return build(segment, True, 1)[14:]


class Links(SynchronousTestCase):
    """The same segment in every wrapping."""

    def test_every_link_type(self) -> None:
        for segment, kind, family in ((V4, b"\x08\x00", 2), (V6, b"\x86\xdd", 10)):
            ip = ip_of(segment)
            wrapped = {
                0: struct.pack("<I", family) + ip,
                108: struct.pack(">I", family) + ip,
                ETHERNET: bytes(12) + kind + ip,
                12: ip,
                101: ip,
                113: bytes(14) + kind + ip,
                276: kind + bytes(18) + ip,
            }
            for link_type, packet in wrapped.items():
                self.assertEqual(parse(link_type, packet), segment, link_type)
            self.assertIsNone(parse(105, ip))

    def test_vlan_tags(self) -> None:
        """One or two tags in front of IP."""
        for tags in (b"\x81\x00\x00\x07", b"\x88\xa8\x00\x07\x81\x00\x00\x09"):
            self.assertEqual(parse(ETHERNET, bytes(12) + tags + b"\x08\x00" + ip_of(V4)), V4)

    def test_padding_is_no_data(self) -> None:
        """Short frames are filled up on an Ethernet."""
        bare = V4._replace(octets=b"", flags=ACK, ip_octets=40)
        self.assertEqual(parse(ETHERNET, build(bare, False, 1) + bytes(6)), bare)

    def test_other_protocols(self) -> None:
        """ARP, UDP and fragments are nothing to us."""
        ip = ip_of(V4)
        self.assertIsNone(parse(ETHERNET, bytes(12) + b"\x08\x06" + ip))
        self.assertIsNone(parse(101, ip[:9] + b"\x11" + ip[10:]))
        for fragment in (b"\x20\x00", b"\x00\x01"):
            self.assertIsNone(parse(101, ip[:6] + fragment + ip[8:]))


class Headers(SynchronousTestCase):
    def test_options_of_ip_and_tcp(self) -> None:
        """What stands between a header and its data is passed over."""
        ip = ip_of(V4)
        tcp = ip[20:32] + b"\x80" + ip[33:40] + bytes(12) + ip[40:]
        longer = b"\x46" + ip[1:2] + struct.pack(">H", 24 + len(tcp)) + ip[4:20] + bytes(4) + tcp
        self.assertEqual(parse(101, longer), V4._replace(ip_octets=24 + len(tcp)))

    def test_ipv6_extension_headers(self) -> None:
        """Hop-by-hop and destination options in front of TCP."""
        ip = ip_of(V6)
        options = bytes((60, 0)) + bytes(6) + bytes((6, 1)) + bytes(14)
        head = ip[:4] + struct.pack(">H", len(ip) - 40 + len(options)) + b"\x00" + ip[7:40]
        self.assertEqual(parse(101, head + options + ip[40:]), V6._replace(ip_octets=65 + len(options)))

    def test_length_left_to_the_network_card(self) -> None:
        """A total length of 0 means: all that is there."""
        for segment in (V4, V6):
            ip = ip_of(segment)
            at = 2 if segment is V4 else 4
            self.assertEqual(parse(101, ip[:at] + bytes(2) + ip[at + 2 :]), segment)

    def test_cut_anywhere(self) -> None:
        """A packet that was kept in part gives what is there of its data, or nothing."""
        for segment in (V4, V6):
            frame = build(segment, True, 1)
            for octets in range(len(frame)):
                found = parse(ETHERNET, frame[:octets])
                missing = len(frame) - octets
                self.assertEqual(found, segment._replace(octets=b"hello"[:-missing]) if missing <= 5 else None, octets)

    @given(st.sampled_from((V4, V6)), st.lists(st.tuples(st.integers(0, 79), st.integers(0, 255)), max_size=4))
    def test_any_octets(self, segment: Segment, changes: list[tuple[int, int]]) -> None:
        """No packet is too strange."""
        frame = bytearray(build(segment, True, 1))
        for at, octet in changes:
            frame[at % len(frame)] = octet
        for link_type in (0, 1, 101, 113, 276):
            parse(link_type, bytes(frame))


class Checksums(SynchronousTestCase):
    def test_they_add_up(self) -> None:
        """With its checksum in place, what is summed gives 0 (RFC 1071); odd lengths included."""
        for segment in (V4, V6, V4._replace(octets=b"even")):
            ip = ip_of(segment)
            at = 20 if segment is not V6 else 40
            hosts = ip[12:20] if segment is not V6 else ip[8:40]
            if segment is not V6:
                self.assertEqual(checksum(ip[:20]), 0)
            self.assertEqual(checksum(hosts + struct.pack(">II", len(ip) - at, 6) + ip[at:]), 0)

    def test_a_known_one(self) -> None:
        """The example of RFC 1071, section 3: the sum is 0xddf2, the checksum its complement."""
        self.assertEqual(checksum(bytes.fromhex("0001f203f4f5f6f7")), 0xDDF2 ^ 0xFFFF)

    def test_names(self) -> None:
        """As people write addresses."""
        self.assertEqual((str(V4.source), str(V6.target)), ("192.0.2.1:40000", "[2001:db8::2]:502"))
        self.assertEqual(SYN, 2)
