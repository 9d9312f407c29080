"""The device's side of a session: against the real server where that says the same, else against a bare one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.cipher.record import Suite
from smok_twisted.devices.orders import OutcomeUnknown, Priority
from smok_twisted.errors import RemoteError, StorageError
from smok_twisted.handshake.keyring import Slot
from smok_twisted.handshake.messages import Welcome
from smok_twisted.links.smok4 import messages, plans
from smok_twisted.links.smok4.device import PLAN_IMPOSSIBLE, PLAN_NOT_KEPT, DeviceSession
from smok_twisted.links.smok4.messages import GoAway, ModbusRequest, Reason, Type
from smok_twisted.links.smok4.rounds import RoundDecoder
from smok_twisted.links.smok4.upload import WIDEN_SECONDS, WIDEST_BATCHES, WINDOW_BATCHES, KeptBatch
from smok_twisted.modbus.pdu import Read, WriteRegister
from smok_twisted.readings import OLDEST_AGE, Block, BlockReport, Round, Table

from .agent_in_memory import AgentEnd
from .server_in_memory import DEVICE_ID, NOW_US, Server, result_of

OLD = (Block(1, Table.HOLDING, 0, 2, 60, 0, 0),)
NEW = (Block(1, Table.HOLDING, 0, 3, 60, 0, 0), Block(2, Table.COIL, 0, 8, 60, 0, 0))


class Kept:
    """Readings in memory; ``serial`` and ``number`` are the same here."""

    def __init__(self, plan: int, blocks: tuple[Block, ...]) -> None:
        self.plan, self.blocks = plan, blocks
        self.gone = self.ready = 0
        self.on_ready: Callable[[], None] = lambda: None
        self.is_ambiguous = self.is_new_epoch = False
        self.kept: list[KeptBatch] = []

    def add(
        self, words: Sequence[int], plan: int | None = None, blocks: tuple[Block, ...] = (), age_us: int = 0
    ) -> None:
        plan, blocks = (self.plan, self.blocks) if plan is None else (plan, blocks)
        self.ready += 1
        rounds = ((NOW_US - age_us, (BlockReport(0, tuple(words)),)),)
        self.kept.append(KeptBatch(self.ready, self.ready & 0xFFFF, plan, blocks, rounds))
        self.on_ready()

    def batches(self, after: int, until: int) -> list[KeptBatch]:
        return [one for one in self.kept if max(after, self.gone) < one.serial <= until]

    def settle(self, number: int) -> bool:
        if number > self.ready:
            return False
        self.gone = max(self.gone, number)
        return True

    def begin_anew(self) -> None:
        self.is_new_epoch = True


class Told:
    """The rest of the device: notes what it is told."""

    def __init__(self, kept: Kept) -> None:
        self.kept = kept
        self.notes: list[Any] = []
        self.storing: Callable[[], Deferred[None]] = lambda: succeed(None)
        self.serving: Callable[[], Deferred[bytes]] = lambda: succeed(b"\x03\x02\x00\x07")

    def tick(self) -> int:
        return 0x1234

    def take_plan(self, number: int, blocks: tuple[Block, ...]) -> Deferred[None]:
        def hold(_: None) -> None:
            self.kept.plan, self.kept.blocks = number, blocks

        return self.storing().addCallback(hold)

    def take_secret(self, kid: int, secret: bytes) -> Deferred[None]:
        self.notes.append((kid, secret))
        return self.storing()

    def take_servers(self, addresses: list[str]) -> None:
        self.notes.append(addresses)

    def go_away(self, after_seconds: int, jitter_seconds: int) -> None:
        self.notes.append((after_seconds, jitter_seconds))

    def serve(self, request: ModbusRequest) -> Deferred[bytes]:
        self.notes.append(request)
        return self.serving()

    def session_over(self, mood: str) -> None:
        self.notes.append(mood)


class BareServer(SynchronousTestCase):
    """Bodies in, bodies out: no cipher, no real server."""

    def setUp(self) -> None:
        self.clock, self.now_us = Clock(), NOW_US
        self.sent: list[bytes] = []
        self.closed: list[str] = []
        self.kept = Kept(4, OLD)
        self.told = Told(self.kept)

    # what is below the session
    def send(self, body: bytes) -> None:
        if not self.closed:
            self.sent.append(body)

    def close(self, mood: str) -> None:
        self.closed.append(mood)

    def begin(self, cursor: int = 0, keepalive_10s: int = 24) -> DeviceSession:
        welcome = Welcome(0, keepalive_10s, 0, cursor)
        self.session = DeviceSession(welcome, self.kept, self.told, self.clock, lambda: self.now_us)
        self.session.started(self)  # type: ignore[arg-type]
        return self.session

    def receive(self, *bodies: bytes) -> list[bytes]:
        """What is sent because of these."""
        self.sent.clear()
        for body in bodies:
            self.session.received(body)
        return self.sent

    def outline(self) -> list[tuple[str, int]]:
        """What was sent: ("plan", number) or ("data", batch)."""
        names = {Type.PLANOK: "plan", Type.DATA: "data"}
        return [(names[Type(body[0])], int.from_bytes(body[1:3])) for body in self.sent]


class Plans(BareServer):
    def test_the_plan_that_is_held_is_told_first(self) -> None:
        """Before any DATA; a device without a plan says 0."""
        self.begin()
        self.assertEqual(self.sent, [messages.plan_ok(4)])
        self.kept.plan, self.kept.blocks = 0, ()
        self.sent.clear()
        self.begin()
        self.assertEqual(self.sent, [messages.plan_ok(0)])

    def test_a_plan_in_parts(self) -> None:
        """It replaces the old one when its last part has come, and is confirmed once."""
        self.begin()
        parts = plans.encode(9, NEW, 20)
        self.assertEqual([self.receive(part)[:] for part in parts], [[], [messages.plan_ok(9)]])
        self.assertEqual((self.kept.plan, self.kept.blocks), (9, NEW))

    def test_the_same_plan_again_is_only_confirmed(self) -> None:
        """It is not read anew, not stored anew."""
        self.begin()
        self.told.take_plan = None  # type: ignore[assignment,method-assign]
        self.assertEqual(self.receive(*plans.encode(4, OLD)), [messages.plan_ok(4)])

    def test_a_plan_is_confirmed_when_it_is_durable(self) -> None:
        """Not sooner: a power cut must not make a liar of the device."""
        self.begin()
        stored: Deferred[None] = Deferred()
        self.told.storing = lambda: stored
        self.assertEqual(self.receive(*plans.encode(9, NEW)), [])
        stored.callback(None)
        self.assertEqual(self.sent, [messages.plan_ok(9)])

    def test_a_plan_that_cannot_be_is_refused_and_the_old_one_goes_on(self) -> None:
        """The session lives; the reason is in PLANOK."""
        self.begin()
        broken = bytearray(plans.encode(9, NEW)[0])
        broken[6] = 7  # no such table
        self.assertEqual(self.receive(bytes(broken)), [messages.plan_ok(9, PLAN_IMPOSSIBLE)])
        self.told.storing = lambda: fail(StorageError("no room"))
        self.assertEqual(self.receive(*plans.encode(9, NEW)), [messages.plan_ok(9, PLAN_NOT_KEPT)])
        self.sent.clear()
        self.kept.add([1, 2])
        self.assertEqual(self.outline(), [("data", 1)])

    def test_readings_of_an_older_plan_go_first(self) -> None:
        """After a PLANOK with its number; then the one that is held."""
        self.kept.add([1, 2], 3, OLD), self.kept.add([1, 3], 3, OLD), self.kept.add([1, 2])
        self.begin()
        self.assertEqual(self.outline(), [("plan", 4), ("plan", 3), ("data", 1), ("data", 2), ("plan", 4), ("data", 3)])

    def test_after_older_readings_the_held_plan_is_told_even_without_data(self) -> None:
        """The server must not think that the old plan is still held."""
        self.kept.add([1, 2], 3, OLD)
        self.begin()
        self.assertEqual(self.outline(), [("plan", 4), ("plan", 3), ("data", 1), ("plan", 4)])

    def test_a_plan_that_comes_while_older_readings_are_sent_waits_its_turn(self) -> None:
        """Its PLANOK would change what the DATA behind it mean."""
        for number in range(WINDOW_BATCHES + 2):
            self.kept.add([number, 0], 3, OLD)
        self.begin()
        self.assertEqual(len(self.sent), 2 + WINDOW_BATCHES)
        self.assertEqual(self.receive(*plans.encode(9, NEW)), [])
        self.receive(messages.ack(WINDOW_BATCHES))
        self.assertEqual(self.outline(), [("data", 65), ("data", 66), ("plan", 9)])

    def test_the_first_report_under_a_plan_is_full(self) -> None:
        """After a login and after each change of plan: the server's memory is empty then."""
        self.kept.add([1, 2], 3, OLD), self.kept.add([1, 2], 3, OLD), self.kept.add([1, 2])
        self.begin()
        decoders = {3: RoundDecoder(OLD), 4: RoundDecoder(OLD)}
        plan, read = 0, []
        for body in self.sent:
            if body[0] == Type.PLANOK:
                plan = int.from_bytes(body[1:3])
            else:
                read += decoders[plan].decode(body[3:])
        self.assertEqual(read, [Round(0, (BlockReport(0, (1, 2)),))] * 3)


class Readings(BareServer):
    def ages(self) -> list[int]:
        decoder = RoundDecoder(OLD)
        return [one.age for body in self.sent if body[0] == Type.DATA for one in decoder.decode(body[3:])]

    def test_ages_are_counted_when_a_batch_is_sent(self) -> None:
        """In tenths of a second; never negative, never beyond 400 days, whatever the clock did."""
        for age_us in (0, 99_999, 100_000, 3_600_000_000, -5_000_000, 10**18):
            self.kept.add([1, 2], age_us=age_us)
        self.begin()
        self.assertEqual(self.ages(), [0, 0, 1, 36_000, 0, OLDEST_AGE])

    def test_what_the_server_has_is_not_sent_again(self) -> None:
        """The cursor in WELCOME; 0 means none yet."""
        for _ in range(3):
            self.kept.add([1, 2])
        self.begin(cursor=2)
        self.assertEqual(self.outline(), [("plan", 4), ("data", 3)])
        self.kept.gone = 0
        self.sent.clear()
        self.begin(cursor=0)
        self.assertEqual(len(self.sent), 4)

    def test_a_server_that_knows_more_than_we_ever_sent(self) -> None:
        """The spool came from a backup: its numbers are taken. Under a new boot nothing is lost."""
        self.kept.add([1, 2])
        self.begin(cursor=50)
        self.assertEqual((self.sent, self.closed), ([messages.bye()], ["renumbering"]))
        self.assertTrue(self.kept.is_new_epoch)

    def test_numbers_that_the_server_would_mistake_end_the_session(self) -> None:
        """It acknowledged nothing for 32,767 batches: only a login under a new boot helps."""
        self.begin()
        self.kept.is_ambiguous = True
        self.kept.add([1, 2])
        self.assertEqual(self.closed, ["renumbering"])

    def test_an_ack_for_what_was_never_sent(self) -> None:
        """Readings must not be dropped for a mistake of the server."""
        self.begin()
        self.kept.add([1, 2])
        self.assertEqual(self.assertRaises(RemoteError, self.session.received, messages.ack(2)).reason, "bad-ack")
        self.assertEqual(self.kept.gone, 0)

    def test_a_window_is_on_its_way_at_a_time(self) -> None:
        """An operator's answer does not wait behind hours of readings; each ACK lets more go."""
        for _ in range(3 * WINDOW_BATCHES):
            self.kept.add([1, 2])
        self.begin()
        self.assertEqual(self.outline()[-1], ("data", WINDOW_BATCHES))
        self.receive(messages.ack(10))
        self.assertEqual(self.outline()[-1], ("data", WINDOW_BATCHES + 10))

    def test_a_server_that_is_slow_to_acknowledge(self) -> None:
        """ACK may be delayed up to the keepalive: the window widens meanwhile, up to a bound."""
        for _ in range(10 * WINDOW_BATCHES):
            self.kept.add([1, 2])
        self.begin()
        self.sent.clear()
        self.clock.advance(WIDEN_SECONDS)
        self.assertEqual(len(self.sent), WINDOW_BATCHES)
        self.kept.ready = 1 << 20
        self.clock.pump([WIDEN_SECONDS] * 1000)
        self.assertEqual(self.session._upload._allowed, WIDEST_BATCHES)

    def test_nothing_is_left_behind(self) -> None:
        """No timer, no callback into a session that is over."""
        for _ in range(2 * WINDOW_BATCHES):
            self.kept.add([1, 2])
        self.begin()
        self.session.stopped("lost")
        self.sent.clear()
        self.kept.add([1, 2])
        self.assertEqual((self.clock.getDelayedCalls(), self.sent, self.told.notes), ([], [], ["lost"]))


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


class RealServer(SynchronousTestCase):
    """The whole device, login and cipher included, against the whole server."""

    def setUp(self) -> None:
        self.server = Server()
        self.end = AgentEnd(self.server, Path(self.mktemp()))
        self.device = self.server.device

    def tearDown(self) -> None:
        """Nothing crashed, nobody was accused."""
        self.assertEqual([crash.getTraceback() for crash in self.server.notes.crashes], [])
        self.assertEqual(self.server.notes.reasons, [])
        self.end.kill()

    def stored(self) -> list[tuple[int, int, tuple[BlockReport, ...]]]:
        reports = result_of(self.server.store.reports(DEVICE_ID, 0, 1 << 62))
        return [(one.batch, (one.time_us - NOW_US) // 1_000_000, one.blocks) for one in reports]

    def values(self) -> dict[str, Any]:
        return {one.point.name: one.value for one in self.device.point_values(self.server.wall_clock())}

    def test_dials_in_takes_its_plan_and_reports(self) -> None:
        """The path of a register: equipment, plan, spool, cipher, server, value."""
        self.end.start()
        self.end.flow(1)
        self.assertEqual(self.end.spool.plan, self.device.wanted.number)  # type: ignore[union-attr]
        self.assertEqual(self.values(), {"outside": 21.5, "setpoint": 60.0, "pump": 1})
        self.end.bank.registers[Table.HOLDING][10] = 0x8005
        self.end.flow(60)
        self.assertEqual(self.values()["outside"], -0.5)
        self.assertEqual([(batch, at) for batch, at, _ in self.stored()], [(1, 0), (2, 60)])

    def test_only_what_is_durable_is_dropped(self) -> None:
        """The server has it, but not on disk: the device keeps it, and sends it again."""
        self.server.store.hold()
        self.end.start()
        self.end.flow(61)
        self.assertEqual([one.number for one in self.end.spool.batches(0, 99)], [1, 2])
        self.server.store.release()
        self.end.flow(1)
        self.assertEqual(self.end.spool.batches(0, 99), [])

    def test_a_write_and_a_read_through_the_session(self) -> None:
        """The operator's order reaches the equipment, its answer the operator."""
        self.end.start()
        self.end.flow(1)
        for request in (WriteRegister(11, 555), Read(Table.HOLDING, 11, 1)):
            answer = self.device.orders.ask(1, request.encode(), Priority.OPERATOR_WRITE)
            self.end.flow(0)
            self.successResultOf(answer)
        self.assertEqual(self.end.bank.registers[Table.HOLDING][11], 555)

    def test_a_write_whose_link_is_lost_is_not_begun(self) -> None:
        """F24: unknown to the server, and certainly not executed later by surprise."""
        self.end.start()
        self.end.flow(1)
        self.end.line.hold = True
        self.end.orders.ask(1, Read(Table.HOLDING, 10, 1).encode(), Priority.POLLER)
        answer = self.device.orders.ask(1, WriteRegister(11, 1).encode(), Priority.OPERATOR_WRITE)
        self.end.flow(0)
        self.end.cut()
        self.failureResultOf(answer, OutcomeUnknown)
        self.end.line.hold = False
        self.end.line.held.pop()()
        self.assertEqual(self.end.bank.registers[Table.HOLDING][11], 600)

    def test_after_an_outage_everything_arrives_once(self) -> None:
        """F25: polling goes on, readings are kept with their times, the server writes nothing by itself."""
        self.end.start()
        self.end.flow(1)
        self.end.reachable = False
        self.end.cut()
        self.end.flow(3600, step_seconds=5)
        self.end.reachable = True
        self.end.until(lambda: self.end.connected)
        self.end.flow(1)
        seconds = [at for _, at, _ in self.stored()]
        self.assertEqual(seconds, sorted(set(seconds)))
        self.assertGreaterEqual(len(seconds), 61)
        for moment, turn in zip(seconds, range(0, 3600, 60), strict=False):
            self.assertLessEqual(abs(moment - turn), 5)

    def test_a_restart_while_the_server_is_away(self) -> None:
        """kill -9 in an outage: the new process sends what the old one took, once, under the same boot."""
        self.end.start()
        self.end.flow(1)
        self.end.reachable = False
        self.end.cut()
        self.end.flow(200)
        folder = self.end.spool._database.path.parent
        self.end.kill()
        self.end = AgentEnd(self.server, folder)
        self.end.start()
        self.end.flow(1)
        self.assertEqual([batch for batch, *_ in self.stored()], [1, 2, 3, 4, 5])
        self.assertEqual(self.device.ledger.durable, 5)

    def test_a_silent_server_is_found_out(self) -> None:
        """F11: half-open TCP is noticed within 2.5 keepalives, and the device dials again."""
        self.end.start()
        self.end.flow(1)
        wire = self.end.wire
        assert wire is not None
        self.end.wire = None
        self.server.clock.pump([1.0] * 599)
        self.assertTrue(self.end.connected)
        self.server.clock.pump([1.0] * 10)
        wire.pump()
        self.assertFalse(self.end.connected)
        self.end.reachable = True
        self.server.notes.reasons.clear()
        self.end.until(lambda: self.end.connected)
        self.server.notes.reasons.clear()

    def test_a_round_that_is_not_finished_when_the_plan_changes(self) -> None:
        """It was read by the old plan, so it is kept and sent under the old plan's number."""
        self.end.start()
        self.end.flow(1)
        old = self.device.wanted
        assert old is not None and self.device.register_map is not None
        self.end.line.hold = True
        self.end.flow(59)
        self.end.line.held.pop()()
        self.device.install(self.device.register_map, old._replace(number=old.number + 1, blocks=old.blocks[::-1]))
        self.end.flow()
        reports = result_of(self.server.store.reports(DEVICE_ID, 0, 1 << 62))
        self.assertEqual([(one.plan, one.blocks[0].words) for one in reports][1:], [(old.number, (1,))])
        self.assertEqual(self.end.spool.plan, old.number + 1)

    def test_key_rotation(self) -> None:
        """KEYUPDATE inside the session, KEYOK when it is stored, the new secret at the next login."""
        self.end.start()
        self.end.flow(1)
        kept: list[int] = []
        self.device.on_key_stored = kept.append
        self.server.keyring.rotate(DEVICE_ID, Slot(1, Suite.CHACHA20_POLY1305, b"n" * 32, NOW_US))
        self.device.session.update_key(1, b"n" * 32)  # type: ignore[union-attr]
        self.end.flow(0)
        self.assertEqual(kept, [1])
        self.end.cut()
        self.end.until(lambda: self.end.connected)
        self.assertEqual([slot.logins for slot in self.server.keyring.slots(DEVICE_ID)], [1, 1])

    def test_the_server_has_lost_the_new_secret(self) -> None:
        """It came from a backup: the device falls back to the slot before, by itself."""
        self.end.start()
        self.end.flow(1)
        self.device.session.update_key(1, b"n" * 20)  # type: ignore[union-attr]
        self.end.flow(0)
        self.end.cut()
        self.end.until(lambda: self.end.connected)
        self.assertEqual(self.server.notes.reasons, ["unknown-kid"])
        self.server.notes.reasons.clear()

    def test_servers_are_dialled_from_now_on(self) -> None:
        """F26: those that are addresses, over a restart too; the configured one stays among them."""
        self.end.start()
        self.end.flow(1)
        self.device.session._below.send(messages.servers(["b.example:1", "no port:x", "[::1]:7"]))  # type: ignore[union-attr]
        self.end.flow()
        folder = self.end.spool._database.path.parent
        self.end.kill()
        self.end = AgentEnd(self.server, folder)
        self.end.reachable = False
        self.end.start()
        self.end.flow(1800, step_seconds=5)
        self.assertEqual(set(self.end.dialled), {("server.example", 2406), ("b.example", 1), ("::1", 7)})

    def test_a_secret_of_no_suite_is_not_taken(self) -> None:
        """A server that sends it is at fault: no KEYOK, and the old secret goes on."""
        self.end.start()
        self.end.flow(1)
        self.device.session.update_key(1, b"n" * 21)  # type: ignore[union-attr]
        self.end.flow()
        self.assertFalse(self.end.connected)
        self.end.until(lambda: self.end.connected)
        self.assertEqual([one.kid for one in self.end.spool.secrets], [0])

    def test_goaway_is_obeyed(self) -> None:
        """It comes again after the pause that the server asked for."""
        self.end.start()
        self.end.flow(1)
        self.device.session.go_away(100, 0)  # type: ignore[union-attr]
        self.end.flow(0)
        self.assertFalse(self.end.connected)
        self.end.flow(99)
        self.assertEqual(len(self.end.dialled), 1)
        self.end.flow(2)
        self.assertTrue(self.end.connected)
