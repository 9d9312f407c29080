"""Connections: deadlines, pauses, and what a violation does."""

from __future__ import annotations

import gc
import weakref
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import RemoteError
from smok_twisted.framing.admission import Admission, AdmissionLimits
from smok_twisted.framing.codec import FrameDecoder
from smok_twisted.framing.factory import FramedFactory
from smok_twisted.framing.protocol import FramedProtocol
from smok_twisted.framing.turns import Turns

PEER = IPv4Address("TCP", "192.0.2.7", 4711)


class Transport(StringTransport):
    """Remembers how it was ended."""

    aborted = False

    def __init__(self) -> None:
        super().__init__(peerAddress=PEER)

    def abortConnection(self) -> None:
        self.aborted = True


class Upper:
    """The layer above: keeps what it gets; ``on_frame`` may be set."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.moods: list[str] = []
        self.on_frame: Any = lambda frame: None

    def started(self, below: FramedProtocol) -> None:
        self.below = below

    def received(self, item: bytes) -> None:
        self.frames.append(item)
        self.on_frame(item)

    def stopped(self, mood: str) -> None:
        self.moods.append(mood)


class Notes:
    """An observer."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def violated(self, source: str, error: RemoteError) -> None:
        self.seen.append((source, error.reason))

    def crashed(self, source: str, failure: Failure) -> None:
        self.seen.append((source, f"crashed: {failure.getErrorMessage()}"))

    def ended(self, source: str, mood: str) -> None:
        self.seen.append((source, f"ended: {mood}"))


class Connection(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.above, self.notes = Clock(), Upper(), Notes()
        self.admission = Admission(AdmissionLimits(per_source=2))
        self.factory = FramedFactory(
            lambda: (FrameDecoder(2), self.above), self.clock, self.admission, self.notes, connections_at_most=3
        )
        self.protocol, self.transport = self.connect()

    def connect(self) -> tuple[FramedProtocol, Transport]:
        protocol = self.factory.buildProtocol(PEER)
        assert protocol is not None
        transport = Transport()
        protocol.makeConnection(transport)
        return protocol, transport

    def lose(self, reason: Exception) -> None:
        self.protocol.connectionLost(Failure(reason))

    def test_frames_go_up_and_octets_down(self) -> None:
        """Two verbs: received and send."""
        self.protocol.dataReceived(b"S4\x01A\x02B")
        self.protocol.dataReceived(b"C")
        self.assertEqual(self.above.frames, [b"S4", b"\x01A", b"\x02BC"])
        self.above.below.send(b"answer")
        self.assertEqual(self.transport.value(), b"answer")

    def test_strangers_wait_for_their_turn(self) -> None:
        """Once, however many pieces come meanwhile; whoever is admitted is heard at once."""
        turns = Turns(self.clock)
        self.factory = FramedFactory(
            lambda: (FrameDecoder(2), self.above), self.clock, self.admission, self.notes, turns=turns
        )
        self.protocol, self.transport = self.connect()
        for octets in (b"S", b"4", b"\x01A"):
            self.protocol.dataReceived(octets)
        self.assertEqual((self.above.frames, len(turns)), ([], 1))
        self.clock.advance(0)
        self.assertEqual(self.above.frames, [b"S4", b"\x01A"])
        self.protocol.admitted(100)
        self.protocol.dataReceived(b"\x01B")
        self.assertEqual(self.above.frames[2:], [b"\x01B"])

    def test_gone_before_its_turn(self) -> None:
        """Nobody is surprised, and too much from one who waits closes it at once."""
        self.factory = FramedFactory(
            lambda: (FrameDecoder(2), self.above), self.clock, self.admission, self.notes, turns=Turns(self.clock)
        )
        self.protocol, self.transport = self.connect()
        self.protocol.dataReceived(b"S4")
        self.lose(ConnectionDone())
        self.protocol, self.transport = self.connect()
        for _ in range(3):
            self.protocol.dataReceived(bytes(65536))
        self.assertEqual(self.notes.seen[-1], ("192.0.2.7", "too-much"))
        self.clock.advance(0)
        self.assertEqual(self.above.frames, [])

    def test_a_violation_closes_without_an_octet(self) -> None:
        """Counted with its reason; what came behind it is not looked at."""
        self.protocol.dataReceived(b"S4\x00\x01A")
        self.assertEqual(self.notes.seen, [("192.0.2.7", "zero-length")])
        self.assertEqual((self.transport.value(), self.transport.disconnecting), (b"", True))
        self.protocol.dataReceived(b"\x01A")
        self.protocol.send(b"too late")
        self.assertEqual((self.above.frames, self.transport.value()), ([b"S4"], b""))

    def test_a_violation_found_by_the_layer_above(self) -> None:
        """RemoteError out of received ends it; the layer above learns it once, as the mood."""

        def refuse(frame: bytes) -> None:
            raise RemoteError("bad-tag")

        self.above.on_frame = refuse
        self.protocol.dataReceived(b"S4\x01A")
        self.lose(ConnectionDone())
        self.assertEqual(self.above.moods, ["bad-tag"])
        self.assertEqual(self.notes.seen, [("192.0.2.7", "bad-tag"), ("192.0.2.7", "ended: bad-tag")])

    def test_a_fault_of_our_own_ends_that_session_only(self) -> None:
        """F30: counted, logged, closed; the exception goes no further."""
        self.above.on_frame = lambda frame: 1 // 0
        self.protocol.dataReceived(b"S4")
        self.assertIn("crashed: integer division or modulo by zero", self.notes.seen[0][1])
        self.assertTrue(self.transport.disconnecting)

    def test_a_peer_that_does_not_read_is_aborted(self) -> None:
        """loseConnection alone waits for ever."""
        self.protocol.close("done")
        self.clock.advance(4.9)
        self.assertFalse(self.transport.aborted)
        self.clock.advance(0.2)
        self.assertTrue(self.transport.aborted)

    def test_nobody_stays_without_logging_in(self) -> None:
        """F18: 60 s after accept, whatever trickles in."""
        for _ in range(59):
            self.clock.advance(1)
            self.protocol.dataReceived(b"\x01A" if self.above.frames else b"S4")
        self.assertFalse(self.transport.disconnecting)
        self.clock.advance(1)
        self.assertEqual(self.notes.seen, [("192.0.2.7", "login-timeout")])

    def test_a_frame_begun_is_a_frame_finished(self) -> None:
        """F18: 60 s inside a record, also for who has logged in."""
        self.protocol.dataReceived(b"S4")
        self.protocol.admitted(600)
        self.protocol.dataReceived(b"\x09")
        for _ in range(6):
            self.clock.advance(9)
            self.protocol.dataReceived(b"x")
        self.assertFalse(self.transport.disconnecting)
        self.clock.advance(6)
        self.assertEqual(self.notes.seen[-1], ("192.0.2.7", "slow-frame"))

    def test_a_finished_frame_stops_its_clock(self) -> None:
        """The next one has its own 60 s."""
        self.protocol.dataReceived(b"S4")
        self.protocol.admitted(600)
        for _ in range(10):
            self.protocol.dataReceived(b"\x02x")
            self.clock.advance(50)
            self.protocol.dataReceived(b"x")
        self.assertFalse(self.transport.disconnecting)

    def test_silence_ends_a_session(self) -> None:
        """Only whole frames are signs of life."""
        self.protocol.dataReceived(b"S4")
        self.protocol.admitted(100)
        self.clock.advance(90)
        self.protocol.dataReceived(b"\x01A")
        self.clock.advance(90)
        self.protocol.dataReceived(b"\x02A")
        self.assertFalse(self.transport.disconnecting)
        self.clock.advance(10)
        self.assertEqual(self.notes.seen, [("192.0.2.7", "silent")])

    def test_nothing_is_delivered_while_paused(self) -> None:
        """Every pause must be released; what waited comes then, in order."""
        one, two = self.protocol.pause(), self.protocol.pause()
        self.assertEqual(self.transport.producerState, "paused")
        self.protocol.dataReceived(b"S4\x01A")
        one.release()
        one.release()
        self.assertEqual(self.above.frames, [])
        two.release()
        self.assertEqual((self.above.frames, self.transport.producerState), ([b"S4", b"\x01A"], "producing"))

    def test_a_pause_from_within_holds_the_next_frame(self) -> None:
        """The layer above may pause on a frame; the one behind it waits."""
        pauses = []
        self.above.on_frame = lambda frame: pauses.append(self.protocol.pause())
        self.protocol.dataReceived(b"S4\x01A\x01B")
        self.assertEqual(self.above.frames, [b"S4"])
        pauses[0].release()
        self.assertEqual(self.above.frames, [b"S4", b"\x01A"])

    def test_a_pause_that_is_over_at_once_never_reaches_the_socket(self) -> None:
        """Most logins pause for no time at all; one that lasts stops the reading."""
        told: list[str] = []
        self.transport.pauseProducing = lambda: told.append("pause")  # type: ignore[method-assign]
        self.transport.resumeProducing = lambda: told.append("resume")  # type: ignore[method-assign]
        self.above.on_frame = lambda frame: self.protocol.pause().release()
        self.protocol.dataReceived(b"S4\x01A")
        self.assertEqual((self.above.frames, told), ([b"S4", b"\x01A"], []))
        pauses = []
        self.above.on_frame = lambda frame: pauses.append(self.protocol.pause())
        self.protocol.dataReceived(b"\x01B")
        self.assertEqual(told, ["pause"])
        pauses[0].release()
        self.assertEqual(told, ["pause", "resume"])

    def test_a_peer_is_not_to_blame_for_our_pause(self) -> None:
        """The idle limit does not end a session that we do not read."""
        self.protocol.dataReceived(b"S4")
        self.protocol.admitted(100)
        pause = self.protocol.pause()
        self.clock.pump([60] * 10)
        self.assertFalse(self.transport.disconnecting)
        pause.release()
        self.clock.pump([60, 60])
        self.assertEqual(self.notes.seen, [("192.0.2.7", "silent")])

    def test_a_frame_half_here_waits_for_our_pause(self) -> None:
        """Nor is it slow while we do not read."""
        self.protocol.dataReceived(b"S4\x02A")
        pause = self.protocol.pause()
        self.protocol.admitted(600)
        self.clock.pump([50, 50])
        pause.release()
        self.protocol.dataReceived(b"B")
        self.assertEqual((self.above.frames, self.notes.seen), ([b"S4", b"\x02AB"], []))

    def test_a_backlog_in_one_read(self) -> None:
        """Twisted hands over up to 64 KiB at once."""
        self.protocol.dataReceived(b"S4" + b"\x01A" * 32767)
        self.assertEqual((len(self.above.frames), self.notes.seen), (32768, []))

    def test_admitted_too_late(self) -> None:
        """A slow answer about who it is, after the deadline has closed the connection, changes nothing."""
        self.clock.advance(60)
        self.protocol.admitted(600)
        self.lose(ConnectionDone())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_how_a_session_went(self) -> None:
        """One word when the peer closes, another when the connection breaks; no timer is left."""
        self.lose(ConnectionDone())
        self.protocol, _ = self.connect()
        self.lose(ConnectionLost())
        self.assertEqual(self.above.moods, ["peer-closed", "lost"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_what_is_over_is_freed_at_once(self) -> None:
        """A storm of logins leaves nothing for the garbage collector to find."""
        gc.disable()
        self.addCleanup(gc.enable)
        for login in (True, False):
            protocol, transport = self.connect()
            if login:
                protocol.admitted(100)
            del protocol.transport, transport, self.above.below  # as Twisted and the layer above do
            gone = weakref.ref(protocol)
            protocol.connectionLost(Failure(ConnectionDone()))
            del protocol
            self.assertIsNone(gone())

    def test_the_door(self) -> None:
        """Too many strangers are not let in; who logs in or leaves makes room."""
        other, _ = self.connect()
        self.assertIsNone(self.factory.buildProtocol(PEER))
        self.assertEqual(self.notes.seen, [("192.0.2.7", "too-many-from-source")])
        self.protocol.admitted(100)
        third, _ = self.connect()
        self.assertIsNone(self.factory.buildProtocol(PEER))
        self.assertEqual(self.notes.seen[-1], ("192.0.2.7", "too-many-connections"))
        for protocol in (self.protocol, other, third):
            protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual((self.admission.unauthenticated, len(self.factory.connections)), (0, 0))
