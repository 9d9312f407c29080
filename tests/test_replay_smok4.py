"""Captured SMOK/4: the clear parts always, all of it with the secret, even behind a gap."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.links.smok4 import messages, plans
from smok_twisted.links.smok4.messages import GoAway, ModbusRequest, ModbusResponse, Type
from smok_twisted.links.smok4.rounds import RoundEncoder
from smok_twisted.modbus.maps import parse_map
from smok_twisted.modbus.plan import plan_blocks
from smok_twisted.readings import Block, BlockReport, Fault, Round, Table
from smok_twisted.replay.findings import UNKNOWN_PLAN

from .replay_rig import DEVICE_ID, SECRET, Session, Told, faults, findings, found, outcomes
from .server_in_memory import MODEL

BLOCKS = (Block(1, Table.COIL, 5, 1, 60, 0, 0), Block(1, Table.HOLDING, 10, 2, 60, 0, 0))
PLAN = plans.encode(3, BLOCKS)
REQUEST = messages.modbus_request(ModbusRequest(4, 0, 1, bytes.fromhex("03000b0001")))
RESPONSE = messages.modbus_response(ModbusResponse(4, bytes.fromhex("0302022b")))


def data(batch: int, *rounds: Round, encoder: RoundEncoder | None = None) -> bytes:
    return bytes((Type.DATA,)) + batch.to_bytes(2) + (encoder or RoundEncoder(BLOCKS)).encode(rounds)


def round_of(age: int, *words: tuple[int, ...]) -> Round:
    return Round(age, tuple(BlockReport(number, each) for number, each in enumerate(words)))


def planned(session: Session) -> Session:
    session.device(messages.plan_ok(0))
    session.daemon(*PLAN)
    session.device(messages.plan_ok(3))
    return session


class Secrets(SynchronousTestCase):
    def session(self) -> Session:
        session = planned(Session())
        session.device(data(1, round_of(0, (1,), (550, 2))))
        return session

    def test_without_a_secret(self) -> None:
        """Who dialled, which suite, how many records; nothing else can be told."""
        (shape,) = found(self.session())
        who = [shape[name] for name in ("protocol", "device", "kid", "suite")]
        self.assertEqual(who, ["smok4", f"{DEVICE_ID:#018x}", 0, 1])
        self.assertEqual(shape["messages"], {"client": {"HELLO": 1, "record": 4}, "server": {"CHOICE": 1, "record": 2}})
        self.assertEqual((shape["faults"], shape["readings"]), ([], []))

    def test_with_the_secret(self) -> None:
        """Everything; the right one of several is found by itself."""
        (shape,) = found(self.session(), secrets=(bytes(20), bytes(32), SECRET))
        self.assertEqual([one["words"] for one in shape["readings"]], [[1], [550, 2]])
        self.assertEqual((shape["boot"], shape["firmware"], shape["keepalive"]), (9, 3, 240))
        self.assertEqual(shape["messages"]["client"], {"DATA": 1, "HELLO": 1, "LOGIN": 1, "PLANOK": 2})
        self.assertEqual(shape["messages"]["server"], {"CHOICE": 1, "PLAN": 1, "WELCOME": 1})
        self.assertEqual(shape["faults"], [])

    def test_with_another_secret(self) -> None:
        """Said, and the rest as without one."""
        (shape,) = found(self.session(), secrets=(bytes(20),))
        self.assertEqual((faults(shape), shape["messages"]["client"]["record"]), ([("client", "unproven")], 4))

    def test_a_secret_handed_over_in_the_session(self) -> None:
        """Opens the next one, once the device has confirmed it; it is printed nowhere."""
        for confirms in (True, False):
            new = bytes(range(32))
            first, second = Session(), planned(Session(new, nonce=2, kid=1))
            first.daemon(messages.key_update(1, new))
            if confirms:
                first.device(messages.key_ok(1))
            shapes = found(first, second, secrets=(SECRET,))
            self.assertEqual([faults(one) for one in shapes], [[], [] if confirms else [("client", "unproven")]])
            self.assertNotIn(new.hex(), json.dumps(shapes))


class Readings(SynchronousTestCase):
    def test_times_and_faults(self) -> None:
        """A reading is as old as the device says; a fault is a reading without values."""
        session = planned(Session())
        rounds = round_of(600, (1,), (550, 2)), Round(0, (BlockReport(1, (), Fault.TIMEOUT),))
        session.device(data(9, *rounds))
        (shape,) = found(session, secrets=(SECRET,), register_map=parse_map(MODEL))
        told = [[one[name] for name in ("time", "start", "quality", "batch", "points")] for one in shape["readings"]]
        self.assertEqual(
            told,
            [
                ["2023-11-14T22:12:27.000Z", 5, "good", 9, {"pump": True}],
                ["2023-11-14T22:12:27.000Z", 10, "good", 9, {"outside": 55.0, "setpoint": 0.2}],
                ["2023-11-14T22:13:27.000Z", 10, "timeout", 9, {}],
            ],
        )

    def test_changes(self) -> None:
        """Against what was said before in the same session, anew after each plan."""
        session, encoder = planned(Session()), RoundEncoder(BLOCKS)
        for batch in range(1, 4):
            session.device(data(batch, round_of(0, (batch & 1,), (550 + batch, 2)), encoder=encoder))
        session.device(messages.plan_ok(3))
        session.device(data(4, round_of(0, (0,), (554, 2)), encoder=encoder))
        other = (Block(1, Table.HOLDING, 20, 1, 60, 0, 0),)
        session.daemon(*plans.encode(4, other))
        session.device(messages.plan_ok(4))
        session.device(data(5, round_of(0, (9,)), encoder=RoundEncoder(other)))
        (shape,) = found(session, secrets=(SECRET,))
        holding = [one["words"] for one in shape["readings"] if one["table"] == "holding"]
        self.assertEqual(holding, [[551, 2], [552, 2], [553, 2], [554, 2], [9]])

    def test_a_plan_of_an_earlier_session(self) -> None:
        """Holds for the same device; another one's does not."""
        again, other = Session(nonce=2), Session(nonce=3, device_id=DEVICE_ID + 1)
        for session in (again, other):
            session.device(messages.plan_ok(3))
            session.device(data(1, round_of(0, (1,), (550, 2))))
        shapes = found(planned(Session()), again, other, secrets=(SECRET,))
        self.assertEqual([len(one["readings"]) for one in shapes], [0, 2, 0])
        self.assertEqual([one["what"] for one in shapes[2]["events"]], ["plan-unknown"])

    def test_a_plan_that_is_told_later(self) -> None:
        """The device came with it, the daemon says it again for the capture: what waited is read by it."""
        session, encoder = Session(), RoundEncoder(BLOCKS)
        session.device(messages.plan_ok(3))
        for batch in (1, 2):
            session.device(data(batch, round_of(0, (1,), (550, batch)), encoder=encoder))
        session.daemon(*PLAN, messages.ack(2))
        session.device(messages.plan_ok(3), data(3, round_of(0, (1,), (550, 3))))
        (one,) = findings(session, secrets=(SECRET,))
        holding = [reading.words for reading in one.readings if reading.table is Table.HOLDING]
        self.assertEqual((holding, one.faults), ([(550, 1), (550, 2), (550, 3)], []))
        self.assertEqual([batch.is_acknowledged for batch in one.batches], [True, True, False])

    def test_a_register_map_is_worth_less_than_the_plan(self) -> None:
        """As soon as somebody tells it."""
        session, other = Session(), (Block(1, Table.HOLDING, 20, 1, 60, 0, 0),)
        session.device(messages.plan_ok(3), data(1, round_of(0, (1,), (550, 1))))
        session.daemon(*PLAN)
        session.device(messages.plan_ok(3), data(2, round_of(0, (1,), (550, 2))))
        (shape,) = found(session, secrets=(SECRET,), blocks=other)
        self.assertEqual([one["words"] for one in shape["readings"]], [[1], [550, 2]])
        self.assertEqual(([one["what"] for one in shape["events"]], shape["faults"]), (["data-unread"], []))

    def test_a_plan_that_a_register_map_tells(self) -> None:
        """When the capture does not."""
        register_map = parse_map(MODEL)
        blocks = plan_blocks(register_map)
        session = Session()
        session.device(messages.plan_ok(8))
        session.device(data(1, round_of(0, (1,), (550, 2)), encoder=RoundEncoder(blocks)))
        (shape,) = found(session, secrets=(SECRET,), blocks=blocks)
        self.assertEqual([one["words"] for one in shape["readings"]], [[1], [550, 2]])


class Acknowledged(SynchronousTestCase):
    """The device drops a batch when the server calls it durable; until then it will bring it again."""

    def session(self, *bodies: bytes, cursor: int = 0) -> Session:
        session = planned(Session(cursor=cursor))
        encoder = RoundEncoder(BLOCKS)
        for number in (65534, 65535, 0, 1):
            session.device(data(number, round_of(0, (1,), (550, number)), encoder=encoder))
        session.daemon(*bodies)
        return session

    def acknowledged(self, *told: Told) -> list[list[int]]:
        found_ = findings(*told, secrets=(SECRET,))
        return [[batch.batch for batch in one.batches if batch.is_acknowledged] for one in found_]

    def test_by_ack(self) -> None:
        """It counts for all batches up to its own, over the wrap too, and for none that come later."""
        session = self.session(messages.ack(0))
        session.device(data(2, round_of(0, (1,), (550, 2))))
        self.assertEqual(self.acknowledged(session), [[65534, 65535, 0]])
        self.assertEqual(self.acknowledged(self.session()), [[]])

    def test_by_the_welcome_of_the_next_session(self) -> None:
        """A lost ACK is made good there; 0 means that nothing is durable."""
        self.assertEqual(self.acknowledged(self.session(), self.session(cursor=65535)), [[65534, 65535], []])
        self.assertEqual(self.acknowledged(self.session(), self.session()), [[], []])

    def test_batches_by_an_unknown_plan(self) -> None:
        """Are counted."""
        session = Session()
        session.device(messages.plan_ok(3), data(1, round_of(0, (1,), (550, 2))))
        self.assertEqual(findings(session, secrets=(SECRET,))[0].unread_batches, {UNKNOWN_PLAN: 1})


class Orders(SynchronousTestCase):
    def test_requests_and_answers(self) -> None:
        """Paired by their numbers; what nobody answered is said."""
        session = Session()
        session.daemon(REQUEST)
        session.device(RESPONSE)
        session.device(RESPONSE)
        session.daemon(REQUEST)
        session.daemon(REQUEST)
        (shape,) = found(session, secrets=(SECRET,))
        self.assertEqual(outcomes(shape), ["good", "unanswered", "unanswered"])
        self.assertEqual(faults(shape), [("client", "unasked")])
        readings = [(one["start"], one["words"], one["batch"]) for one in shape["readings"]]
        self.assertEqual(readings, [(11, [0x22B], None)])

    def test_events(self) -> None:
        """What the sides tell each other about the session itself."""
        session = Session()
        session.device(messages.event(3, b"door"), messages.plan_ok(5, 1))
        session.daemon(messages.go_away(GoAway(5, 60)), messages.servers(["smok.example:2406"]))
        session.daemon(messages.key_update(1, SECRET))
        session.device(messages.bye())
        (shape,) = found(session, secrets=(SECRET,))
        self.assertEqual(
            [(one["from"], one["what"], one["detail"]) for one in shape["events"]],
            [
                ("client", "event 3", b"door".hex()),
                ("client", "plan-refused", "plan 5, status 1"),
                ("server", "goaway", "come again after 5 s, spread over 60 s"),
                ("server", "servers", "smok.example:2406"),
                ("server", "key-update", "kid 1"),
                ("client", "bye", "reason 0"),
            ],
        )
