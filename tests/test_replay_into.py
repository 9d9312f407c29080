"""A captured conversation is a test of any Protocol of ours, in three lines."""

from __future__ import annotations

import json
from pathlib import Path

from twisted.cred.portal import Portal
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.cipher.record import Suite
from smok_twisted.framing.protocol import FramedProtocol, FramingTimes
from smok_twisted.handshake.cred import KeyringChecker
from smok_twisted.handshake.keyring import Slot
from smok_twisted.modbus.bank import RegisterBank
from smok_twisted.modbus.responses import decode_response
from smok_twisted.modbus.server import TcpServerFactory
from smok_twisted.observe.streams import Piece
from smok_twisted.readings import Table
from smok_twisted.replay.into import play, read_conversations
from smok_twisted.stack import smok4_server
from smok_twisted.storage.records import DeviceRecord

from .pymodbus_slave import COILS, HOLDING
from .server_in_memory import NOW_US, Server, result_of

FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "pcaps"


class ThreeLines(SynchronousTestCase):
    def test_a_modbus_server_answers_what_pymodbus_answered(self) -> None:
        """Every answer that pymodbus gave to mbpoll is the one that our server gives, octet by octet."""
        bank = RegisterBank()
        for table, held in ((Table.HOLDING, HOLDING), (Table.COIL, COILS)):
            bank.registers[table] = {address: held.get(address, 0) for address in range(100)}
        bank.registers[Table.INPUT] = {address: 1000 + address for address in range(100)}
        factory = TcpServerFactory(lambda unit, request: decode_response(bank.answer(request.encode())), Clock())
        for conversation in read_conversations(FOLDER / "modbus-tcp-libmodbus.pcap"):
            answers = play(conversation.pieces, factory.buildProtocol(None))
            self.assertEqual(answers, conversation.said(from_client=False))


class Daemon(SynchronousTestCase):
    """The daemon's own stack, with the nonce and the plan's number that it had drawn then."""

    def test_keeps_the_readings_of_the_replay(self) -> None:
        """What a replay tells of a captured session is what the daemon makes of it, to the last word."""
        expected = json.loads((FOLDER / "smok4-agent.expected.json").read_text(encoding="utf-8"))
        (shape,) = [one for one in expected["conversations"] if one["protocol"] == "smok4"]
        found = read_conversations(FOLDER / "smok4-agent.pcap")
        (session,) = [one for one in found if one.server.port == 2406]
        server, device_id = Server(random=lambda octets: (1).to_bytes(octets)), int(shape["device"], 16)
        result_of(server.registry.add_model((FOLDER / "plant.toml").read_text(encoding="utf-8")))
        result_of(server.registry.add(DeviceRecord(device_id, "plant", "plant", NOW_US)))
        server.keyring.put(device_id, [Slot(0, Suite.RABBIT_SHA1, bytes.fromhex(expected["secrets"][0]), NOW_US)])
        nonce = session.said(from_client=False)[1:9]
        portal = Portal(server.realm, [KeyringChecker(server.keyring, lambda device_id, slots: None)])
        decoder, above = smok4_server(
            server.keyring.find,
            portal,
            suites=list(Suite),
            keepalive_10s=24,
            wall_clock=server.wall_clock,
            random=lambda octets: nonce,
        )()
        play(session.pieces, FramedProtocol(decoder, above, server.clock, FramingTimes(), server.notes), server.clock)
        self.assertEqual((server.notes.reasons, server.notes.crashes), ([], []))
        plan = server.registry.devices[device_id].wanted
        kept = [
            (report.batch, plan.blocks[one.block].start, list(one.words))
            for report in result_of(server.store.reports(device_id, 0, 2 * NOW_US, 1000))
            for one in report.blocks
        ]
        told = [(one["batch"], one["start"], one["words"]) for one in shape["readings"] if one["batch"] is not None]
        self.assertEqual(kept, told)
        self.assertGreater(len(told), 5)


class Play(SynchronousTestCase):
    def test_time_moves_as_it_did(self) -> None:
        """Timers of the protocol see the seconds between the pieces."""
        clock, heard = Clock(), []

        class Listener(Protocol):
            def dataReceived(self, data: bytes) -> None:
                heard.append((clock.seconds(), data))

        pieces = Piece(5_000_000, True, b"a"), Piece(6_500_000, False, b"b"), Piece(7_000_000, True, b"c")
        self.assertEqual(play(pieces, Listener(), clock), b"")
        self.assertEqual(heard, [(0.0, b"a"), (2.0, b"c")])

    def test_either_side(self) -> None:
        """A client is played what the server said; the end may be left out."""
        moods, heard = [], []

        class Listener(Protocol):
            def connectionMade(self) -> None:
                self.transport.write(b"mine")

            def dataReceived(self, data: bytes) -> None:
                heard.append(data)

            def connectionLost(self, reason: object = None) -> None:
                moods.append("lost")

        pieces = Piece(0, True, b"a"), Piece(0, False, b"b")
        self.assertEqual(play(pieces, Listener(), from_client=False, hang_up=False), b"mine")
        self.assertEqual((heard, moods), ([b"b"], []))
        play(pieces, Listener())
        self.assertEqual((heard, moods), ([b"b", b"a"], ["lost"]))

    def test_nothing_after_the_protocol_has_closed(self) -> None:
        """As with a socket."""

        class Closing(Protocol):
            heard = b""

            def dataReceived(self, data: bytes) -> None:
                self.heard += data
                self.transport.loseConnection()

        closing = Closing()
        play([Piece(0, True, b"a"), Piece(0, True, b"b")], closing)
        self.assertEqual(closing.heard, b"a")


