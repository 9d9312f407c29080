"""MBAP: cutting the stream of a MODBUS/TCP connection into messages."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import RemoteError
from smok_twisted.modbus.mbap import CEILING_OCTETS, Adu, Decoder

from .test_modbus_rtu import all_cuts, pieces

adus = st.builds(Adu, st.integers(0, 0xFFFF), st.integers(0, 255), st.binary(min_size=1, max_size=253))


def decode(*stream: bytes) -> tuple[list[Adu], str]:
    """The messages, and the reason if the stream ended in an error."""
    decoder, found = Decoder(), []
    try:
        for piece in stream:
            decoder.feed(piece)
            found += iter(decoder.next, None)
    except RemoteError as error:
        return found, error.reason
    return found, ""


class Messages(SynchronousTestCase):
    def test_example(self) -> None:
        """The header is the one of the implementation guide."""
        octets = bytes.fromhex("1501 0000 0006 ff 04 0001 0001")
        self.assertEqual(decode(octets), ([Adu(0x1501, 0xFF, octets[7:])], ""))
        self.assertEqual(Adu(0x1501, 0xFF, octets[7:]).encode(), octets)

    @given(st.lists(adus, max_size=5), st.data())
    def test_any_cut(self, sent: list[Adu], data: st.DataObject) -> None:
        """Messages arrive as they were sent, however the stream is cut."""
        stream = b"".join(adu.encode() for adu in sent)
        cuts = data.draw(st.sets(st.integers(0, len(stream))).map(sorted))
        self.assertEqual(decode(*pieces(stream, cuts)), (sent, ""))

    def test_every_cut_with_an_error_behind(self) -> None:
        """The messages before an error are delivered, and the error is found, in every cut."""
        for wrong in (b"\0\7\0\1", b"\0\7\0\0\0\1", b"\0\7\0\0\1"):
            for cut in all_cuts(Adu(7, 1, b"\x03").encode() + wrong):
                self.assertEqual(decode(*cut), ([Adu(7, 1, b"\x03")], "bad-mbap"), cut)


class Errors(SynchronousTestCase):
    def test_every_header(self) -> None:
        """A wrong protocol id or length is an error as soon as its octet is there, and never a wait for more."""
        for protocol, length in itertools.product((0, 1, 255, 256, 0xFFFF), (0, 1, 2, 254, 255, 256, 0xFFFF)):
            header = b"\0\1" + protocol.to_bytes(2, "big") + length.to_bytes(2, "big")
            right = protocol == 0 and 2 <= length <= 254
            self.assertEqual(decode(header), ([], "" if right else "bad-mbap"), header.hex())
        self.assertEqual(decode(b"\0\1\1"), ([], "bad-mbap"))
        self.assertEqual(decode(b"\0\1\0\0\1"), ([], "bad-mbap"))
        self.assertEqual(decode(b"GET / HTTP/1.1\r\n"), ([], "bad-mbap"))

    def test_ceiling(self) -> None:
        """What is fed and never asked for does not grow without end."""
        decoder = Decoder()
        decoder.feed(bytes(CEILING_OCTETS))
        self.assertEqual(self.assertRaises(RemoteError, decoder.feed, b"\0").reason, "too-much")
