"""A capture of one device: on demand, bounded, over its reconnects, with the beginning that opens its records."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.observe.capture import CONNECTIONS_AT_MOST, HEAD_OCTETS, Capture, Tap
from smok_twisted.observe.pcap import PacketReader
from smok_twisted.observe.segments import Endpoint
from smok_twisted.observe.streams import Conversation, conversations

SERVER = Endpoint("192.0.2.1", 2406)


def head_of(turns: list[tuple[bool, bytes]], side: bool) -> bytes:
    """What is always kept of a side: up to the moment when one of them says more than fits."""
    head = [b"", b""]
    for from_client, octets in turns:
        head[from_client] += octets
        if len(head[from_client]) > HEAD_OCTETS:
            break
    return head[side][:HEAD_OCTETS]


class CaptureCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.now_us = 1_700_000_000_000_000
        self.passed_seconds = 5.0
        self.capture = Capture(self.wall_clock, self.monotonic)
        self.dialled = 0

    def wall_clock(self) -> int:
        return self.now_us

    def monotonic(self) -> float:
        return self.passed_seconds

    def dial(self, capture: Capture | None) -> Tap:
        tap = Tap(self.wall_clock)
        if capture is not None:
            self.listen(capture, tap)
        return tap

    def listen(self, capture: Capture, tap: Tap) -> None:
        self.dialled += 1
        capture.listen(tap, Endpoint("198.51.100.7", 40000 + self.dialled), SERVER)

    def later(self, seconds: float) -> None:
        self.now_us += int(1_000_000 * seconds)
        self.passed_seconds += seconds

    def read(self, capture: Capture | None = None) -> list[Conversation]:
        pcap = (capture or self.capture).pcap()
        return conversations(PacketReader(io.BytesIO(pcap), "capture"))

    def said(self, capture: Capture | None = None) -> list[list[tuple[bool, bytes, int]]]:
        return [[piece[1:] for piece in one.pieces] for one in self.read(capture)]


class Whole(CaptureCase):
    def test_everything_from_the_beginning(self) -> None:
        """Both sides, their times, and how it ended."""
        tap = self.dial(self.capture)
        tap.received(b"hello")
        self.later(0.25)
        tap.sent(b"choice")
        tap.received(100 * b"x")
        tap.end = "closed by client"
        (one,) = self.read()
        octets = b"".join(piece.octets for piece in one.pieces if piece.from_client)
        self.assertEqual(octets, b"hello" + 100 * b"x")
        self.assertEqual(one.pieces[1].time_us - one.pieces[0].time_us, 250_000)
        self.assertEqual((one.client.port, one.server, one.end), (40001, SERVER, "closed by client"))

    def test_nothing_yet(self) -> None:
        """A device that is not connected gives a capture without packets."""
        self.assertEqual(self.read(), [])

    def test_over_reconnects(self) -> None:
        """Each connection is a conversation; only so many are remembered."""
        for number in range(CONNECTIONS_AT_MOST + 3):
            self.dial(self.capture).received(bytes([number]))
        found = [piece[1] for ((piece,)) in self.said()]
        self.assertEqual(found, [bytes([number]) for number in range(3, CONNECTIONS_AT_MOST + 3)])

    def test_the_oldest_connection_is_not_heard_any_more(self) -> None:
        """What is not exported is not kept."""
        first = self.dial(self.capture)
        for _ in range(CONNECTIONS_AT_MOST):
            self.dial(self.capture)
        self.assertIsNone(first.capture)


class OnDemand(CaptureCase):
    def test_the_beginning_is_always_there(self) -> None:
        """Begun in the middle: the opening and the login, then a gap of the right length, then what was said since."""
        tap = self.dial(None)
        tap.received(b"h" * 20)
        tap.sent(b"c" * 9)
        for octets in (b"l" * 20, b"d" * 1000):
            tap.received(octets)
        tap.sent(b"later")
        self.listen(self.capture, tap)
        tap.received(b"new")
        tap.sent(b"new")
        self.assertEqual(
            self.said()[0],
            [
                (True, b"h" * 20, 0),
                (False, b"c" * 9, 0),
                (True, b"l" * 20, 0),
                (True, b"d" * (HEAD_OCTETS - 40), 0),
                (True, b"", 1040 - HEAD_OCTETS),
                (False, b"", 5),
                (True, b"new", 0),
                (False, b"new", 0),
            ],
        )

    def test_a_connection_that_nobody_wants_costs_its_beginning(self) -> None:
        """However much is said."""
        tap = self.dial(None)
        for _ in range(1000):
            tap.sent(bytes(5))
            tap.received(bytes(4))
        said = [sum(len(piece.octets) for piece in tap.head if piece.from_client == side) for side in (0, 1)]
        self.assertEqual(said, [HEAD_OCTETS, 36])  # and no answer without its question
        self.assertEqual(tap.octets, [5000, 4000])

    def test_it_is_stopped(self) -> None:
        """It hears nothing more, and keeps nothing."""
        tap = self.dial(self.capture)
        tap.received(b"still")
        self.capture.stop()
        tap.received(b"too late")
        self.assertIsNone(tap.capture)
        self.assertEqual((self.read(), len(self.capture._ring), self.capture._octets), ([], 0, 0))

    def test_a_wall_clock_that_is_set(self) -> None:
        """Nothing is forgotten for it, nor kept for longer."""
        tap = self.dial(self.capture)
        tap.received(bytes(HEAD_OCTETS + 1))
        for step_seconds in (86_400, -200_000):
            self.now_us += step_seconds * 1_000_000
            self.assertEqual(len(self.capture.conversations()[0].said(True)), HEAD_OCTETS + 1)
        self.passed_seconds += 3601
        self.assertEqual(len(self.capture.conversations()[0].said(True)), HEAD_OCTETS)

    def test_how_it_began_is_forgotten(self) -> None:
        """What was said first, when it was asked for: whoever asks again has it said again."""
        capture = Capture(self.wall_clock, self.monotonic, octets_at_most=4000, seconds=60)
        tap = self.dial(capture)
        tap.sent(b"plan")
        for _ in range(3):
            tap.received(bytes(700))
        self.assertFalse(capture.is_cut())
        for _ in range(2):
            tap.received(bytes(700))
        self.assertTrue(capture.is_cut())
        self.listen(capture, tap)
        self.assertFalse(capture.is_cut())
        tap.sent(b"plan")
        self.later(61)
        self.assertTrue(capture.is_cut())

    def test_a_connection_that_says_nothing_is_whole(self) -> None:
        """Nothing is forgotten of it."""
        self.dial(self.capture)
        self.later(3600)
        self.assertFalse(self.capture.is_cut())


class Ring(CaptureCase):
    @given(st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=300)), max_size=60))
    def test_the_last_octets_in_bounded_memory(self, turns: list[tuple[bool, bytes]]) -> None:
        """The end is whole, the beginning is whole, and what is missing between is said; each octet at its place."""
        capture = Capture(self.wall_clock, self.monotonic, octets_at_most=4000)
        tap = self.dial(capture)
        for from_client, octets in turns:
            (tap.received if from_client else tap.sent)(octets)
        kept = sum(256 + len(one.piece.octets) for one in capture._ring)
        self.assertLessEqual(kept, 4000)
        for side in (True, False):
            whole = b"".join(octets for from_client, octets in turns if from_client is side)
            found = [piece for one in self.said(capture) for piece in one if piece[0] is side]
            at = 0
            for _, octets, missing in found:
                self.assertEqual(octets, whole[at : at + len(octets)])
                at += len(octets) + missing
            head = head_of(turns, side)
            self.assertEqual(b"".join(octets for _, octets, _ in found)[: len(head)], head)
            if turns and turns[-1][0] is side:
                self.assertEqual(at, len(whole))

    @given(st.lists(st.tuples(st.booleans(), st.integers(1, 60)), max_size=80), st.integers(0, 80))
    def test_nothing_comes_before_what_it_may_answer(self, turns: list[tuple[bool, int]], begun: int) -> None:
        """Wherever the capture begins: what the other side had said by then was told before, or told as missing."""
        capture = Capture(self.wall_clock, self.monotonic, octets_at_most=4000)
        tap, said, truth = self.dial(None), [0, 0], {}
        for number, (from_client, size) in enumerate(turns):
            if number == begun:
                self.listen(capture, tap)
            truth[from_client, said[from_client]] = tuple(said)
            said[from_client] += size
            (tap.received if from_client else tap.sent)(bytes(size))
        told = [0, 0]
        for from_client, octets, missing in (piece for one in self.said(capture) for piece in one):
            if octets:
                self.assertEqual(tuple(told), truth[from_client, told[from_client]])
            told[from_client] += len(octets) + missing

    def test_it_is_a_ring(self) -> None:
        """Of so much memory, however much is said in however small pieces."""
        capture = Capture(self.wall_clock, self.monotonic, octets_at_most=4000)
        tap = self.dial(capture)
        for number in range(1000):
            tap.received(number.to_bytes(2))
        self.assertEqual(len(capture._ring), 4000 // 258)
        self.assertEqual(self.said(capture)[0][-1], (True, (999).to_bytes(2), 0))

    def test_the_last_seconds(self) -> None:
        """What is older is forgotten, but for the beginning."""
        capture = Capture(self.wall_clock, self.monotonic, seconds=10)
        tap = self.dial(capture)
        tap.received(bytes(HEAD_OCTETS))
        tap.received(b"old")
        self.later(9)
        tap.received(b"new")
        self.later(2)
        self.assertEqual([octets for _, octets, _ in self.said(capture)[0]], [bytes(HEAD_OCTETS), b"", b"new"])
