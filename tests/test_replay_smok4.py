"""Captured SMOK/4: the clear parts always, all of it with the secret, even behind a gap."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.handshake.messages import Choice, Hello
from smok_twisted.links.smok4 import messages, plans
from smok_twisted.links.smok4.messages import GoAway, ModbusRequest, ModbusResponse, Type
from smok_twisted.links.smok4.rounds import RoundEncoder
from smok_twisted.modbus.maps import parse_map
from smok_twisted.modbus.plan import plan_blocks
from smok_twisted.readings import Block, BlockReport, Fault, Round, Table
from smok_twisted.replay import smok4_records

from .replay_rig import DEVICE_ID, SECRET, Session, Told, faults, found, outcomes
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

    def test_a_plan_that_a_register_map_tells(self) -> None:
        """When the capture does not."""
        register_map = parse_map(MODEL)
        blocks = plan_blocks(register_map)
        session = Session()
        session.device(messages.plan_ok(8))
        session.device(data(1, round_of(0, (1,), (550, 2)), encoder=RoundEncoder(blocks)))
        (shape,) = found(session, secrets=(SECRET,), blocks=blocks)
        self.assertEqual([one["words"] for one in shape["readings"]], [[1], [550, 2]])


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


class Faults(SynchronousTestCase):
    def faults(self, told: Told) -> list[tuple[str, str]]:
        return faults(found(told, secrets=(SECRET,))[0])

    def test_before_the_login(self) -> None:
        """What the daemon answers with a close."""
        for octets, what in ((b"GET / HTTP/1.1\r\nHost", "bad-magic"), (bytes(20), "bad-magic")):
            told = Told(2406)
            told.client(octets)
            self.assertEqual(self.faults(told), [("client", what)])
        for choice, what in ((b"\x50" + bytes(8), "bad-version"), (Choice(9, 1).encode(), "bad-choice")):
            told = Told(2406)
            told.client(Hello(1, 0, 1, 1).encode())
            told.server(choice)
            self.assertEqual(self.faults(told), [("server", what)])

    def test_records(self) -> None:
        """One that does not open ends its direction, as it ends the session; the other one goes on."""
        for octets, what in ((bytes((4,)) + bytes(12), "bad-tag"), (b"\0", "zero-length")):
            session = Session()
            session.client(octets)
            session.device(messages.ping(7))
            session.daemon(messages.ping())
            (shape,) = found(session, secrets=(SECRET,))
            self.assertEqual((faults(shape), shape["messages"]["server"]["PING"]), ([("client", what)], 1))
            self.assertNotIn("PING", shape["messages"]["client"])

    def test_messages(self) -> None:
        """What is wrong in one is told; the next one is read all the same."""
        for body, what in (
            (b"\x81", "unknown-critical"),
            (bytes((Type.KEYOK,)), "bad-message"),
            (bytes((Type.DATA, 0)), "bad-data"),
            (data(1, round_of(0, (1,))), "data-before-planok"),
        ):
            session = Session()
            session.device(body)
            session.device(messages.event(1))
            (shape,) = found(session, secrets=(SECRET,))
            self.assertEqual((faults(shape), len(shape["events"])), ([("client", what)], 1))
        session = planned(Session())
        session.device(data(1, round_of(0, (1,), (1, 2)))[:-1])
        self.assertEqual(self.faults(session), [("client", "bad-data")])

    def test_unknown_messages_are_passed_over(self) -> None:
        """Those that are not critical; they are counted."""
        session = Session()
        session.device(b"\x42abc")
        (shape,) = found(session, secrets=(SECRET,))
        self.assertEqual((shape["faults"], shape["messages"]["client"]["type 0x42"]), ([], 1))


class Gaps(SynchronousTestCase):
    """Octets are missing, as in a capture that was begun in a running session."""

    def test_the_next_record_is_found(self) -> None:
        """On both sides, whatever was said meanwhile; what came before the gap in half is given up."""
        session = planned(Session())
        for number in range(300):
            session.device(bytes((Type.DATA,)) + bytes(number % 250), kept=False)
            session.daemon(messages.ack(number), kept=False)
        session.daemon(REQUEST)
        session.device(RESPONSE)
        session.daemon(messages.ping())
        (shape,) = found(session, secrets=(SECRET,))
        self.assertEqual((outcomes(shape), shape["faults"], shape["messages"]["server"]["PING"]), (["good"], [], 1))
        self.assertGreater(shape["missing"]["client"], 30_000)

    def test_a_gap_in_the_middle_of_records(self) -> None:
        """What does not begin with a record is passed over, piece by piece."""
        session = Session()
        whole = session.device(messages.event(1, bytes(40)), messages.event(2, bytes(40)), kept=False)
        session._missing = [0, 0]
        session.client(whole[:7])
        session.client(whole[20:], missing=13)
        for code in range(3, 6):
            session.device(messages.event(code))
        (shape,) = found(session, secrets=(SECRET,))
        self.assertEqual([one["what"] for one in shape["events"]], ["event 3", "event 4", "event 5"])
        self.assertEqual(shape["faults"], [])

    def test_a_gap_within_one_record(self) -> None:
        """The half that was captured counts: the next record is the next number."""
        session = Session()
        record = session.device(messages.event(1), kept=False)
        session._missing = [0, 0]
        session.client(record[:6])
        session.client(session.device(messages.event(2), kept=False), missing=len(record) - 6)
        (shape,) = found(session, secrets=(SECRET,))
        self.assertEqual([one["what"] for one in shape["events"]], ["event 2"])

    def test_a_record_in_two_pieces(self) -> None:
        """Behind a gap as anywhere."""
        session = Session()
        missing = len(session.device(messages.event(1), kept=False))
        session._missing = [0, 0]
        record = session.device(messages.event(2), kept=False)
        session.client(record[:3], missing=missing)
        session.client(record[3:])
        (shape,) = found(session, secrets=(SECRET,))
        self.assertEqual([one["what"] for one in shape["events"]], ["event 2"])

    def test_changes_without_what_they_change(self) -> None:
        """A round whose beginning is missing is told as an event, not as a fault of the device."""
        session, encoder = planned(Session()), RoundEncoder(BLOCKS)
        for batch in range(1, 3):
            session.device(data(batch, round_of(0, (1,), (550, batch)), encoder=encoder), kept=batch == 2)
        session.device(data(3, round_of(0, (1,), (550, 3))))
        (shape,) = found(session, secrets=(SECRET,))
        self.assertEqual(([one["what"] for one in shape["events"]], shape["faults"]), (["bad-data"], []))
        self.assertEqual([one["batch"] for one in shape["readings"]], [3, 3])

    def test_without_keys_the_direction_is_lost(self) -> None:
        """Nothing tells where a record begins."""
        session = Session()
        session.device(messages.event(1), kept=False)
        session.device(messages.event(2))
        session.daemon(messages.ping())
        (shape,) = found(session)
        self.assertEqual(shape["messages"], {"client": {"HELLO": 1, "record": 1}, "server": {"CHOICE": 1, "record": 2}})

    def test_the_search_ends(self) -> None:
        """A gap that hides more records than are tried is not crossed; the work is bounded."""
        for tries, events in ((95, []), (96, ["event 7"])):
            self.patch(smok4_records, "TRIES_AT_MOST", tries)
            session = Session()
            for _ in range(100):
                session.device(messages.event(1), kept=False)
            session.device(messages.event(7))
            session.daemon(messages.ping())
            (shape,) = found(session, secrets=(SECRET,))
            self.assertEqual(([one["what"] for one in shape["events"]], shape["faults"]), (events, []))
            self.assertEqual(shape["messages"]["server"]["PING"], 1)

    def test_begun_in_the_middle_without_the_opening(self) -> None:
        """No keys, no records: octets are counted, nobody is blamed."""
        told = Told(2406, is_whole=False)
        told.client(bytes(range(1, 60)))
        told.server(bytes(range(1, 60)))
        (shape,) = found(told, secrets=(SECRET,))
        self.assertEqual((shape["protocol"], shape["octets"]["client"], shape["faults"]), ("smok4", 59, []))
