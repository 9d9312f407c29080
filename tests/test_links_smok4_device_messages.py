"""What the device's half makes of each message that is neither plan nor reading."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail

from smok_twisted.errors import RemoteError, StorageError
from smok_twisted.links.smok4 import messages
from smok_twisted.links.smok4.messages import GoAway, ModbusRequest, Reason, Type

from .test_links_smok4_device import BareServer


class Messages(BareServer):
    def test_ping(self) -> None:
        """A question is answered with the tick."""
        self.begin()
        self.assertEqual(self.receive(messages.ping()), [messages.ping(0x1234)])

    def test_silence_is_asked_about(self) -> None:
        """After a keepalive of having heard nothing; the empty answer is not answered, the next one is a question."""
        self.begin(keepalive_10s=6)
        self.sent.clear()
        self.clock.advance(59)
        self.receive(messages.ack(0))
        self.clock.advance(1)
        self.assertEqual(self.sent, [])
        self.clock.advance(59)
        self.assertEqual(self.sent, [messages.ping()])
        self.assertEqual(self.receive(messages.ping()), [])
        self.assertEqual(self.receive(messages.ping()), [messages.ping(0x1234)])
        self.session.stopped("lost")

    def test_a_request_and_its_answer(self) -> None:
        """With its transaction number, when the answer is there."""
        self.begin()
        reply: Deferred[bytes] = Deferred()
        self.told.serving = lambda: reply
        request = ModbusRequest(7, 30, 1, b"\x03\x00\x00\x00\x01")
        self.assertEqual(self.receive(messages.modbus_request(request)), [])
        self.assertEqual(self.told.notes, [request])
        reply.callback(b"\x03\x02\x00\x07")
        self.assertEqual(self.sent, [bytes.fromhex("07 0007 03020007")])

    def test_a_key_is_confirmed_when_it_is_stored_and_read_back(self) -> None:
        """KEYOK only then; without it the server keeps the old one."""
        self.begin()
        self.assertEqual(self.receive(messages.key_update(3, b"k" * 20)), [messages.key_ok(3)])
        self.assertEqual(self.told.notes, [(3, b"k" * 20)])
        self.told.storing = lambda: fail(StorageError("no room"))
        self.assertEqual(self.receive(messages.key_update(4, b"k" * 20)), [])

    def test_goaway(self) -> None:
        """The device says BYE, closes, and comes again when asked to."""
        self.begin()
        self.assertEqual(self.receive(messages.go_away(GoAway(5, 60))), [messages.bye()])
        self.assertEqual((self.told.notes, self.closed), ([(5, 60)], ["goaway"]))

    def test_bye(self) -> None:
        """The reason becomes the mood."""
        self.begin()
        self.assertEqual(self.receive(messages.bye(Reason.REPLACED)), [])
        self.assertEqual(self.closed, ["bye-3"])

    def test_servers(self) -> None:
        """The addresses to dial."""
        self.begin()
        self.receive(messages.servers(["a:1", "b:2"]))
        self.assertEqual(self.told.notes, [["a:1", "b:2"]])

    def test_unknown_types(self) -> None:
        """Below 0x80 they are skipped; from there on they end the session with BYE."""
        self.begin()
        for kind in (0x00, 0x10, 0x7F):
            self.assertEqual(self.receive(bytes((kind, 1, 2))), [])
        for kind in (0x80, 0xFF):
            self.sent.clear()
            error = self.assertRaises(RemoteError, self.session.received, bytes((kind,)))
            self.assertEqual((error.reason, self.sent), ("unknown-critical", [messages.bye(Reason.UNKNOWN_CRITICAL)]))

    def test_what_only_a_device_may_send(self) -> None:
        """A server that sends it is none."""
        self.begin()
        for kind in (Type.LOGIN, Type.WELCOME, Type.DATA, Type.MODBUS_RSP, Type.EVENT, Type.KEYOK, Type.PLANOK):
            self.assertEqual(
                self.assertRaises(RemoteError, self.session.received, bytes((kind, 0))).reason, "unexpected-message"
            )

    def test_cut_and_long_messages_are_errors_of_the_server(self) -> None:
        """Every message at every length: taken, or RemoteError; nothing else."""
        self.begin()
        for kind in range(0x100):
            for length in (0, 1, 2, 3, 4, 5, 6, 14, 15, 250):
                try:
                    self.session.received(bytes((kind,)) + bytes(length))
                except RemoteError:
                    self.assertIn(kind, [*Type, *range(0x80, 0x100)])
