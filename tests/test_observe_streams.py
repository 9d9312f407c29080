"""What each side of a connection said comes out as it was said, however it was captured."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.observe import streams
from smok_twisted.observe.pcap import ETHERNET, Packet
from smok_twisted.observe.segments import ACK, FIN, PSH, RST, SYN, Endpoint, Segment, build
from smok_twisted.observe.streams import Conversation, Piece, Reassembler, conversations

CLIENT, SERVER = Endpoint("192.0.2.1", 40000), Endpoint("198.51.100.7", 502)
NEARLY_ALL = 0xFFFF_FFF0

Said = list[tuple[bool, bytes]]


class Talk:
    """Segments of one connection, made by hand; ``next`` are the sequence numbers of the server and the client."""

    def __init__(self, client: Endpoint = CLIENT, next_: tuple[int, int] = (NEARLY_ALL, 5)) -> None:
        self.client = client
        self.next = list(next_)
        self.segments: list[Segment] = []

    def send(self, from_client: bool, octets: bytes = b"", flags: int = PSH | ACK) -> Segment:
        source, target = (self.client, SERVER) if from_client else (SERVER, self.client)
        heard = self.next[not from_client] if flags & ACK else 0
        segment = Segment(source, target, self.next[from_client], heard, flags, octets, 40 + len(octets))
        advance = len(octets) + bool(flags & (SYN | FIN))
        self.next[from_client] = (self.next[from_client] + advance) & 0xFFFF_FFFF
        self.segments.append(segment)
        return segment

    def dial(self) -> Talk:
        self.send(True, flags=SYN)
        self.send(False, flags=SYN | ACK)
        self.send(True, flags=ACK)
        return self

    def hang_up(self) -> Talk:
        self.send(True, flags=FIN | ACK)
        self.send(False, flags=FIN | ACK)
        self.send(True, flags=ACK)
        return self


def heard(segments: Iterable[Segment]) -> list[Conversation]:
    """Through packets, as from a file; one microsecond apart."""
    packets = [Packet(ETHERNET, at, build(one, True, at)) for at, one in enumerate(segments)]
    return conversations(packets)


def by_turn(said: Iterable[tuple[bool, Any]]) -> list[tuple[bool, list[Any]]]:
    """What each side says until the other one does."""
    return [(side, [one for _, one in turn]) for side, turn in groupby(said, key=lambda one: one[0])]


def said(pieces: Iterable[Piece]) -> Said:
    """Whole turns."""
    turns = groupby(pieces, key=lambda piece: piece.from_client)
    return [(side, b"".join(piece.octets for piece in turn)) for side, turn in turns]


def only(found: list[Conversation]) -> Conversation:
    (one,) = found
    return one


class Plain(SynchronousTestCase):
    def test_a_conversation(self) -> None:
        """Who dialled, what was said, when, and how it ended."""
        talk = Talk().dial()
        talk.send(True, b"question")
        talk.send(False, b"answer")
        one = only(heard(talk.hang_up().segments))
        self.assertEqual((one.client, one.server, one.begun_us, one.is_whole), (CLIENT, SERVER, 0, True))
        self.assertEqual(one.pieces, [Piece(3, True, b"question"), Piece(4, False, b"answer")])
        self.assertEqual(one.end, "closed by client")
        self.assertEqual((one.packets, one.ip_octets), ([3, 5], [126, 208]))

    def test_ends(self) -> None:
        """By whom, and how."""
        for from_client, flags, end in (
            (False, FIN | ACK, "closed by server"),
            (True, RST | ACK, "reset by client"),
            (False, RST, "reset by server"),
            (True, ACK, "open"),
        ):
            talk = Talk().dial()
            talk.send(True, b"x")
            talk.send(from_client, flags=flags)
            self.assertEqual(only(heard(talk.segments)).end, end)

    def test_several_at_once(self) -> None:
        """Connections do not mix, also when a port is used again."""
        other = Endpoint("192.0.2.9", 40000)
        one, two, again = Talk().dial(), Talk(other, (9, 9)).dial(), Talk(next_=(77, 77)).dial()
        for talk, octets in ((one, b"one"), (two, b"two"), (again, b"again")):
            talk.send(True, octets)
            talk.hang_up()
        mixed = [segment for pair in zip(one.segments, two.segments, strict=True) for segment in pair]
        found = heard([*mixed, *again.segments])
        wanted = [[(True, octets)] for octets in (b"one", b"two", b"again")]
        self.assertEqual([said(each.pieces) for each in found], wanted)

    def test_begun_in_the_middle(self) -> None:
        """A capture of a connection that was there already: the higher port is the client's; that is said."""
        talk = Talk()
        keepalive = talk.send(False, flags=ACK)
        talk.segments[0] = keepalive._replace(sequence=keepalive.sequence - 1)
        talk.send(False, b"answer")
        talk.send(True, b"question")
        one = only(heard(talk.segments))
        self.assertEqual((one.client, one.is_whole), (CLIENT, False))
        self.assertEqual([piece[1:] for piece in one.pieces], [(False, b"answer", 0), (True, b"question", 0)])

    def test_data_with_syn(self) -> None:
        """TCP Fast Open: the first octets travel with SYN."""
        talk = Talk()
        talk.send(True, b"early", flags=SYN)
        talk.send(False, flags=SYN | ACK)
        talk.send(True, b"late")
        again = talk.segments[0]._replace(octets=b"early, more")
        self.assertEqual(said(only(heard(talk.segments)).pieces), [(True, b"earlylate")])
        self.assertEqual(said(only(heard([talk.segments[0], again])).pieces), [(True, b"early, more")])

    def test_syn_that_comes_twice(self) -> None:
        """Is no other connection, however late it comes."""
        talk = Talk().dial()
        talk.send(True, b"one")
        talk.segments.append(talk.segments[0])
        talk.send(True, b"two")
        self.assertEqual(said(only(heard(talk.segments)).pieces), [(True, b"onetwo")])

    def test_a_probe_of_a_connection(self) -> None:
        """A keep-alive repeats an octet that was heard; nothing is told twice."""
        talk = Talk().dial()
        talk.send(True, b"data")
        last = talk.segments[-1]
        probe = last._replace(sequence=(last.sequence + 3) & 0xFFFF_FFFF, octets=b"?")
        talk.segments.append(probe)
        talk.send(True, b"more")
        self.assertEqual(said(only(heard(talk.segments)).pieces), [(True, b"datamore")])

    def test_nobody_said_anything(self) -> None:
        """A port scan is no conversation."""
        talk = Talk()
        talk.send(True, flags=SYN)
        talk.send(False, flags=RST | ACK)
        self.assertEqual(heard(talk.segments), [])


TURNS = st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=12)), min_size=1, max_size=12)


class Disorder(SynchronousTestCase):
    @given(TURNS, st.randoms(use_true_random=False))
    def test_any_order_and_any_repetition(self, turns: Said, random) -> None:
        """Reordered, sent twice, sent again in other pieces, over the wrap of the sequence numbers: always the same."""
        talk = Talk().dial()
        for turn in turns:
            talk.send(*turn)
        begin, rest = talk.segments[:3], talk.segments[3:]
        rest += [random.choice(rest) for _ in range(3)]
        rest += [self.merged(rest, random) for _ in range(3)]
        random.shuffle(rest)
        one = only(heard([*begin, *rest]))
        self.assertEqual(said(one.pieces), said(Piece(0, *turn) for turn in turns))

    def merged(self, segments: list[Segment], random) -> Segment:
        """A retransmission of several segments at once, with a piece cut off in front."""
        first = random.choice(segments)
        octets = first.octets
        last = first
        for other in segments:
            if other.source == first.source and other.sequence == (first.sequence + len(octets)) & 0xFFFF_FFFF:
                octets, last = octets + other.octets, other
        cut = random.randrange(len(octets))
        sequence = (first.sequence + cut) & 0xFFFF_FFFF
        return last._replace(sequence=sequence, octets=octets[cut:])

    @given(TURNS, st.randoms(use_true_random=False))
    def test_what_was_not_captured_is_missing(self, turns: Said, random) -> None:
        """Every octet is told or said to be missing, at its place."""
        talk = Talk().dial()
        for turn in turns:
            talk.send(*turn)
        talk.hang_up()
        kept = [one for one in talk.segments if not one.octets or random.random() < 0.6]
        pieces = [piece for one in heard(kept) for piece in one.pieces]
        for side in (True, False):
            whole = b"".join(octets for from_client, octets in turns if from_client is side)
            at = 0
            for piece in pieces:
                if piece.from_client is side:
                    self.assertEqual(piece.octets, whole[at : at + len(piece.octets)])
                    at += len(piece.octets) + piece.missing
            self.assertEqual(at, len(whole))

    @given(st.lists(st.tuples(st.booleans(), st.binary(min_size=2, max_size=12)), max_size=30), st.booleans())
    def test_only_one_side_was_captured(self, turns: Said, side: bool) -> None:
        """As by ``tcpdump dst port 502``: what it acknowledges of the other one is missing, in its turn."""
        talk = Talk().dial()
        for from_client, octets in turns:
            talk.send(from_client, octets)
        talk.send(True, flags=ACK)
        talk.send(False, flags=ACK)
        captured = [one for one in talk.segments if (one.source == CLIENT) is side]
        pieces = [piece for one in heard(captured) for piece in one.pieces]
        found = [(piece.from_client, len(piece.octets) or piece.missing) for piece in pieces]
        wanted = [(from_client, sum(map(len, turn))) for from_client, turn in by_turn(turns)]
        self.assertEqual([(one, sum(turn)) for one, turn in by_turn(found)], wanted)
        self.assertEqual({piece.from_client for piece in pieces if piece.missing} - {not side}, set())

    def test_one_side_of_a_connection_that_was_there(self) -> None:
        """The same, from the first acknowledgement on; and what comes late after all is no loss."""
        talk = Talk()
        for _ in range(3):
            talk.send(True, b"question")
            talk.send(False, b"answer")
        (one,) = heard(talk.segments[::2])
        told = [piece[1:] for piece in one.pieces]
        question, missing = (True, b"question", 0), (False, b"", 6)
        self.assertEqual(told, [question, missing, question, missing, question])
        (one,) = heard([talk.segments[2], *talk.segments[1:2], *talk.segments[3:]])
        self.assertEqual([piece.missing for piece in one.pieces], [0] * len(one.pieces))

    def test_an_answer_waits_for_its_question(self) -> None:
        """Captured in the wrong order, told in the right one."""
        talk = Talk().dial()
        question, answer = talk.send(True, b"question"), talk.send(False, b"answer")
        one = only(heard([*talk.segments[:3], answer, question]))
        self.assertEqual(said(one.pieces), [(True, b"question"), (False, b"answer")])

    def test_a_retransmission_that_acknowledges_what_is_missing(self) -> None:
        """It was heard before, so it tells of no gap on its own side."""
        talk = Talk().dial()
        first, _, third = (talk.send(True, octets) for octets in (b"a", b"lost", b"c"))
        talk.send(False, b"lost")
        again = first._replace(acknowledged=talk.next[False])
        one = only(heard([*talk.segments[:3], first, third, again]))
        wanted = [(True, b"a", 0), (True, b"", 4), (True, b"c", 0), (False, b"", 4)]
        self.assertEqual([piece[1:] for piece in one.pieces], wanted)

    def test_the_first_that_came_counts(self) -> None:
        """Another text for octets that were heard changes nothing."""
        talk = Talk().dial()
        first = talk.send(True, b"right")
        talk.segments.append(first._replace(octets=b"wrong, and more"))
        self.assertEqual(said(only(heard(talk.segments)).pieces), [(True, b"right, and more")])


class Bounds(SynchronousTestCase):
    """What a capture can make us keep is bounded."""

    def long_talk(self, count: int) -> list[Segment]:
        """All but the first octet."""
        talk = Talk().dial()
        for number in range(count):
            talk.send(True, bytes([number & 0xFF]))
        return [*talk.segments[:3], *talk.segments[4:]]

    def test_segments_of_one_connection(self) -> None:
        """A hole is waited for so long, then it is missing."""
        reassembler = Reassembler()
        told = [found for at, one in enumerate(self.long_talk(600)) if (found := reassembler.feed(at, one))]
        self.assertEqual(len(told[0]), 1 + streams.SEGMENTS_AT_MOST + 1)
        self.assertEqual(told[0][0][1]._replace(time_us=0), Piece(0, True, b"", 1))

    def test_octets_of_all(self) -> None:
        """Then nothing waits any more."""
        self.patch(streams, "OCTETS_AT_MOST", 100)
        reassembler = Reassembler()
        told = [found for at, one in enumerate(self.long_talk(150)) if (found := reassembler.feed(at, one))]
        self.assertEqual(len(told[0]), 1 + 101)

    def test_octets_that_are_told_wait_no_more(self) -> None:
        """Only what waits counts."""
        self.patch(streams, "OCTETS_AT_MOST", 100)
        talk = Talk().dial()
        for number in range(50):
            talk.send(True, 9 * bytes([number]))
        talk.segments[-2:] = reversed(talk.segments[-2:])
        one = only(heard(talk.segments))
        self.assertEqual((sum(piece.missing for piece in one.pieces), len(one.pieces)), (0, 50))

    def test_connections(self) -> None:
        """The one that was silent longest is given up; what waited there is told."""
        self.patch(streams, "CONNECTIONS_AT_MOST", 2)
        reassembler = Reassembler()
        waiting = self.long_talk(2)
        others = [Talk(Endpoint("192.0.2.1", port)).dial().segments[0] for port in (1, 2, 3)]
        told = [reassembler.feed(0, one) for one in (*waiting, others[0], waiting[2], *others[1:])]
        self.assertEqual([len(each) for each in told], [0, 0, 0, 0, 0, 0, 0, 2])
        self.assertEqual(reassembler.finish(), [])
