"""What is exported is a capture like any other: we read it back, and tshark has nothing to say against it."""

from __future__ import annotations

import io
import zlib
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.observe.export import export
from smok_twisted.observe.pcap import PacketReader
from smok_twisted.observe.segments import Endpoint, parse
from smok_twisted.observe.streams import Conversation, Piece, conversations

from .tshark import complaints, fields, need_tshark

NOW_US = 1_700_000_000_000_000
ENDS = ("open", "closed by client", "closed by server", "reset by client", "reset by server")


def conversation(number: int, end: str, *pieces: Piece) -> Conversation:
    host = ("127.0.0.1", "2001:db8::7")[number % 2]
    one = Conversation(Endpoint(host, 40000 + number), Endpoint(host, 502), NOW_US + number, True, end)
    one.pieces += pieces
    return one


def read(pcap: bytes) -> list[Conversation]:
    return conversations(PacketReader(io.BytesIO(pcap), "export"))


PIECES = st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=20)), min_size=1, max_size=6)


class Export(SynchronousTestCase):
    @given(st.lists(st.tuples(st.sampled_from(ENDS), PIECES), max_size=4))
    def test_reads_back(self, wanted) -> None:
        """Ends, pieces, times and the way it ended, of any number of conversations at once."""
        given = [
            conversation(number, end, *(Piece(NOW_US + 9 * at, *piece) for at, piece in enumerate(pieces, 1)))
            for number, (end, pieces) in enumerate(wanted)
        ]
        found = {one.client: one for one in read(export(given))}
        self.assertEqual(len(found), len(given))
        for one in given:
            again = found[one.client]
            self.assertEqual((again.server, again.begun_us, again.end), (one.server, one.begun_us, one.end))
            self.assertEqual((again.pieces, again.is_whole), (one.pieces, True))

    def test_what_was_not_kept_is_missing(self) -> None:
        """A gap stays a gap of the same length."""
        pieces = Piece(NOW_US, True, b"head"), Piece(NOW_US + 9, True, b"", 1_000_000), Piece(NOW_US + 9, True, b"tail")
        (found,) = read(export([conversation(0, "open", *pieces)]))
        self.assertEqual(found.pieces, list(pieces))

    def test_everything_is_acknowledged(self) -> None:
        """As by a TCP that heard it, also what comes last."""
        one = conversation(0, "open", Piece(NOW_US, False, b"answer"), Piece(NOW_US, True, bytes(4000)))
        found = [parse(*packet[::2]) for packet in PacketReader(io.BytesIO(export([one])), "export")]
        for said, heard in ((one.client, one.server), (one.server, one.client)):
            ends = [segment.sequence + len(segment.octets) for segment in found if segment.source == said]
            self.assertEqual([segment.acknowledged for segment in found if segment.source == heard][-1], max(ends))

    def test_numbers_wrap(self) -> None:
        """Those of TCP, in the middle of what is said."""
        self.patch(zlib, "crc32", lambda octets: 0xFFFF_FFFE)
        pieces = Piece(NOW_US, True, b"question"), Piece(NOW_US, False, b"answer"), Piece(NOW_US, True, b"more")
        (found,) = read(export([conversation(0, "closed by server", *pieces)]))
        self.assertEqual((found.pieces, found.end), (list(pieces), "closed by server"))

    def test_packets_are_in_order_of_time(self) -> None:
        """A clock that was set back does not put packets of a connection out of order."""
        one = conversation(0, "open", Piece(NOW_US + 50, True, b"a"), Piece(NOW_US, False, b"b"))
        two = conversation(1, "open", Piece(NOW_US + 20, True, b"c"))
        times = [packet.time_us for packet in PacketReader(io.BytesIO(export([one, two])), "export")]
        self.assertTrue(all(earlier <= later for earlier, later in pairwise(times)), times)
        self.assertEqual([piece.octets for piece in read(export([one]))[0].pieces], [b"a", b"b"])


class Tshark(SynchronousTestCase):
    def setUp(self) -> None:
        need_tshark()
        self.file = Path(self.mktemp())

    def test_has_no_complaint(self) -> None:
        """Not about a packet, a checksum or TCP; IPv4 and IPv6, every sort of end, long pieces."""
        long = bytes(range(256)) * 300
        pieces = Piece(NOW_US, True, b"question"), Piece(NOW_US + 700, False, long), Piece(NOW_US + 900, True, long)
        self.file.write_bytes(export([conversation(number, end, *pieces) for number, end in enumerate(2 * ENDS)]))
        self.assertEqual(complaints(self.file), [])
        self.assertEqual(len({line[0] for line in fields(self.file, "-e", "tcp.stream")}), 10)

    def test_follows_the_stream(self) -> None:
        """What it puts together is what was said."""
        pieces = [Piece(NOW_US, True, b"ping"), Piece(NOW_US, False, bytes(3000)), Piece(NOW_US + 5, True, b"pong")]
        self.file.write_bytes(export([conversation(1, "closed by server", *pieces)]))
        columns = ("-Y", "tcp.len > 0", "-e", "tcp.srcport", "-e", "tcp.payload")
        sides = {"40001": b"", "502": b""}
        for port, payload in fields(self.file, *columns):
            sides[port] += bytes.fromhex(payload)
        self.assertEqual(sides, {"40001": b"pingpong", "502": bytes(3000)})

    def test_a_wrong_one_is_noticed(self) -> None:
        """The judge is awake: a broken checksum and a lost segment are complained of."""
        pcap = bytearray(export([conversation(0, "open", Piece(NOW_US, True, b"a"))]))
        pcap[-1] ^= 1
        self.file.write_bytes(pcap)
        self.assertNotEqual(complaints(self.file), [])
        self.file.write_bytes(export([conversation(0, "open", Piece(NOW_US, True, b"", 9), Piece(NOW_US, True, b"a"))]))
        self.assertNotEqual(complaints(self.file), [])
