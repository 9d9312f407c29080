"""The device's side of a session, against a bare server: the plans that it is given, and what it reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import RemoteError, StorageError
from smok_twisted.handshake.messages import Welcome
from smok_twisted.links.smok4 import messages, plans
from smok_twisted.links.smok4.device import PLAN_IMPOSSIBLE, PLAN_NOT_KEPT, DeviceSession
from smok_twisted.links.smok4.messages import ModbusRequest, Type
from smok_twisted.links.smok4.rounds import RoundDecoder
from smok_twisted.links.smok4.upload import WIDEN_SECONDS, WIDEST_BATCHES, WINDOW_BATCHES, KeptBatch
from smok_twisted.readings import OLDEST_AGE, Block, BlockReport, Round, Table

from .server_in_memory import NOW_US

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
