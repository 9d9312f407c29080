"""Frames come out of a stream the same, however the network cut it."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import RemoteError
from smok_twisted.framing.codec import LARGEST_FRAME_OCTETS, FrameDecoder

BODIES = st.lists(st.binary(min_size=1, max_size=255), max_size=8)


def pull(decoder: FrameDecoder) -> list[bytes]:
    """Every frame that is there."""
    return list(iter(decoder.next, None))


def decode(pieces: list[bytes], opening: int = 0, trailer: int = 0) -> list[bytes]:
    decoder = FrameDecoder(opening)
    decoder.trailer_octets = trailer
    frames = []
    for piece in pieces:
        decoder.feed(piece)
        frames += pull(decoder)
    return frames


class Frames(SynchronousTestCase):
    def test_an_opening_comes_first_and_only_once(self) -> None:
        """HELLO has a fixed size and no length octet."""
        hello = bytes(range(20))
        self.assertEqual(decode([hello + b"\x01A" + b"\x02BC"], opening=20), [hello, b"\x01A", b"\x02BC"])

    def test_every_cut_of_a_short_stream(self) -> None:
        """All 2**k ways to cut a stream give the same frames."""
        stream = b"HELLO" + b"\x01A" + b"TT" + b"\x03BCD" + b"UU"
        whole = decode([stream], opening=5, trailer=2)
        self.assertEqual(whole, [b"HELLO", b"\x01ATT", b"\x03BCDUU"])
        places = range(1, len(stream))
        for count in range(len(stream)):
            for cuts in itertools.combinations(places, count):
                edges = [0, *cuts, len(stream)]
                pieces = [stream[a:b] for a, b in itertools.pairwise(edges)]
                self.assertEqual(decode(pieces, opening=5, trailer=2), whole)

    @given(BODIES, st.integers(0, 16), st.lists(st.integers(1, 40), max_size=50))
    def test_any_cut_of_any_stream(self, bodies: list[bytes], trailer: int, sizes: list[int]) -> None:
        """Random frames, random cuts."""
        frames = [bytes((len(body),)) + body + bytes(trailer) for body in bodies]
        stream = b"".join(frames)
        pieces = []
        for size in sizes:
            pieces.append(stream[:size])
            stream = stream[size:]
        self.assertEqual(decode([*pieces, stream], trailer=trailer), frames)

    def test_the_trailer_changes_between_two_frames(self) -> None:
        """Octets that came in one segment with the choice are cut by the tag length that the choice brought."""
        decoder = FrameDecoder(9)
        decoder.feed(b"CHOICE123" + b"\x01A" + b"TAGTAGTA" + b"\x01B" + b"TAGTAGTA")
        self.assertEqual(decoder.next(), b"CHOICE123")
        decoder.trailer_octets = 8
        self.assertEqual(pull(decoder), [b"\x01ATAGTAGTA", b"\x01BTAGTAGTA"])

    def test_a_length_of_zero_is_wrong_at_once(self) -> None:
        """Not a stall: L = 0 closes."""
        error = self.assertRaises(RemoteError, decode, [b"\x01A\x00"])
        self.assertEqual(error.reason, "zero-length")

    def test_the_buffer_has_a_ceiling(self) -> None:
        """A stranger cannot make us keep more than the ceiling."""
        decoder = FrameDecoder(20, ceiling_octets=1000)
        decoder.feed(bytes(1000))
        self.assertEqual(self.assertRaises(RemoteError, decoder.feed, b"1").reason, "too-much")
        self.assertEqual(decoder.pending_octets, 1000)

    def test_the_largest_frame_always_fits(self) -> None:
        """Whatever ceiling was asked for."""
        decoder = FrameDecoder(0, ceiling_octets=1)
        decoder.trailer_octets = 16
        decoder.feed(b"\xff" + bytes(LARGEST_FRAME_OCTETS - 1))
        self.assertEqual(len(decoder.next() or b""), LARGEST_FRAME_OCTETS)
