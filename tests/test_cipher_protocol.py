"""The record layer between framing and whatever sits above it."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.cipher.protocol import RecordLayer
from smok_twisted.cipher.record import MAX_RECORDS, DirectionKeys, Suite
from smok_twisted.errors import LocalError, RemoteError
from smok_twisted.framing.codec import FrameDecoder

UP = DirectionKeys(Suite.RABBIT_SHA1, b"U" * 20, b"u" * 20)
DOWN = DirectionKeys(Suite.CHACHA20_POLY1305, b"D" * 32)


class Bottom:
    """Framing without a transport: cuts what it is fed, keeps what it is told."""

    source = "192.0.2.7"

    def __init__(self, opening_octets: int) -> None:
        self.decoder = FrameDecoder(opening_octets)
        self.sent: list[bytes] = []
        self.told: list[Any] = []

    def send(self, octets: bytes) -> None:
        self.sent.append(octets)

    def expect_trailer(self, octets: int) -> None:
        self.decoder.trailer_octets = octets

    def close(self, mood: str) -> None:
        self.told.append(("close", mood))

    def fail(self, error: RemoteError) -> None:
        self.told.append(("fail", error))

    def admitted(self, idle_seconds: float) -> None:
        self.told.append(("admitted", idle_seconds))

    def pause(self) -> str:
        return "a pause"

    def deliver(self, layer: RecordLayer, octets: bytes) -> None:
        """As framing does: every whole frame goes up before the next one is cut."""
        self.decoder.feed(octets)
        while (frame := self.decoder.next()) is not None:
            layer.received(frame)


class Top:
    """A consumer that keeps what it gets; takes keys when the hello has arrived."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.below: Any = None

    def started(self, below: Any) -> None:
        self.below = below

    def received(self, item: bytes) -> None:
        self.got.append(item)
        if item == b"hello":
            self.below.send(b"choice")
            self.below.set_keys(sealer=DOWN.sealer(), opener=UP.opener())

    def stopped(self, mood: str) -> None:
        self.got.append(("stopped", mood))


class Layer(SynchronousTestCase):
    def setUp(self) -> None:
        self.bottom, self.top = Bottom(len(b"hello")), Top()
        self.layer = RecordLayer(self.top)
        self.layer.started(self.bottom)

    def test_clear_until_there_are_keys(self) -> None:
        """Before there are keys octets pass unchanged, both ways."""
        self.layer.received(b"some octets")
        self.top.below.send(b"an answer")
        self.assertEqual((self.top.got, self.bottom.sent), ([b"some octets"], [b"an answer"]))

    def test_sealed_and_opened(self) -> None:
        """Once the keys are set bodies go down sealed, and records come up opened."""
        sealer, opener = UP.sealer(), DOWN.opener()
        self.bottom.deliver(self.layer, b"hello")
        for body in (b"first", b"second"):
            self.bottom.deliver(self.layer, sealer.seal(body))
            self.top.below.send(body)
        self.assertEqual(self.top.got, [b"hello", b"first", b"second"])
        self.assertEqual(self.bottom.sent[0], b"choice")
        self.assertEqual([opener.open(record) for record in self.bottom.sent[1:]], [b"first", b"second"])

    def test_keys_change_between_items(self) -> None:
        """Records that arrive glued to the hello are cut and opened with the keys that it brought."""
        sealer = UP.sealer()
        self.bottom.deliver(self.layer, b"hello" + sealer.seal(b"login") + sealer.seal(b"data"))
        self.assertEqual(self.top.got, [b"hello", b"login", b"data"])

    def test_one_direction_at_a_time(self) -> None:
        """Setting one direction's keys leaves the other direction as it is."""
        self.layer.set_keys(sealer=UP.sealer())
        self.layer.received(b"still clear")
        self.layer.set_keys(opener=DOWN.opener())
        self.top.below.send(b"body")
        self.assertEqual(self.top.got, [b"still clear"])
        self.assertEqual(self.bottom.sent, [UP.sealer().seal(b"body")])
        self.assertEqual(self.bottom.decoder.trailer_octets, 16)

    def test_forged_record(self) -> None:
        """A record that does not open ends in the peer's fault, and nothing of it goes up."""
        record = bytearray(UP.sealer().seal(b"write 5"))
        record[3] ^= 1
        self.bottom.deliver(self.layer, b"hello")
        error = self.assertRaises(RemoteError, self.bottom.deliver, self.layer, bytes(record))
        self.assertEqual((error.reason, self.top.got), ("bad-tag", [b"hello"]))

    def test_body_too_long(self) -> None:
        """A body that fits no record is our own mistake, and nothing of it goes down."""
        self.layer.set_keys(sealer=UP.sealer())
        self.assertRaises(LocalError, self.top.below.send, bytes(256))
        self.assertEqual(self.bottom.sent, [])

    def test_the_last_record(self) -> None:
        """When the numbers of a direction are used up the connection is renewed: closed, with no octet more."""
        for keys in (UP, DOWN):
            self.bottom.sent, self.bottom.told = [], []
            self.layer.set_keys(sealer=keys.sealer(MAX_RECORDS - 1))
            self.top.below.send(b"the last one")
            self.assertEqual((len(self.bottom.sent), self.bottom.told), (1, []))
            self.top.below.send(b"one more")
            self.assertEqual((len(self.bottom.sent), self.bottom.told), (1, [("close", "exhausted")]))

    def test_passed_on(self) -> None:
        """Everything that is not octets passes through to the layer that it concerns."""
        error = RemoteError("unexpected-login")
        self.top.below.admitted(600.0)
        self.top.below.fail(error)
        self.top.below.close("bye")
        self.layer.stopped("bye")
        self.assertEqual(self.bottom.told, [("admitted", 600.0), ("fail", error), ("close", "bye")])
        self.assertEqual((self.top.below.pause(), self.top.below.source), ("a pause", "192.0.2.7"))
        self.assertEqual(self.top.got, [("stopped", "bye")])
