"""What a replay says of faults, and of gaps in a capture of SMOK/4."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.handshake.messages import Choice, Hello
from smok_twisted.links.smok4 import messages
from smok_twisted.links.smok4.messages import Type
from smok_twisted.links.smok4.rounds import RoundEncoder
from smok_twisted.replay import smok4_records
from smok_twisted.replay.findings import UNFOUNDED, UNKNOWN_PLAN

from .replay_rig import SECRET, Session, Told, faults, findings, found, outcomes
from .test_replay_smok4 import BLOCKS, REQUEST, RESPONSE, data, planned, round_of


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
        self.assertEqual(([one["what"] for one in shape["events"]], shape["faults"]), (["data-unread"], []))
        self.assertEqual([one["batch"] for one in shape["readings"]], [3, 3])

    def test_what_cannot_be_read_is_told_once(self) -> None:
        """From where on, and why: however much of it there is; a register map does not help against it."""
        for blocks, why, reason in (
            (None, "by which plan they were read was said before the capture", UNKNOWN_PLAN),
            (BLOCKS, f"block 1: changes before any values: {UNFOUNDED}", UNFOUNDED),
        ):
            session, encoder = Session(), RoundEncoder(BLOCKS)
            session.device(messages.plan_ok(3), kept=False)
            for batch in range(1, 9):
                report = round_of(0, (batch & 1,), (550, batch))
                session.device(data(batch, report, encoder=encoder), kept=batch > 3)
            (one,) = findings(session, secrets=(SECRET,), blocks=blocks)
            told = [(event.what, event.detail) for event in one.events]
            self.assertEqual(told, [("data-unread", f"from batch 4 on: {why}")])
            self.assertEqual((one.unread_batches, one.readings, one.faults), ({reason: 5}, [], []))

    def test_changes_of_what_is_missing(self) -> None:
        """What was reported before the gap is not what changes behind it: better no values than wrong ones."""
        session, encoder = planned(Session()), RoundEncoder(BLOCKS)
        for batch in range(1, 4):
            session.device(data(batch, round_of(0, (1,), (550, batch)), encoder=encoder), kept=batch != 2)
        session.device(data(4, round_of(0, (1,), (550, 4))))
        (shape,) = found(session, secrets=(SECRET,))
        self.assertEqual(([one["what"] for one in shape["events"]], shape["faults"]), (["data-unread"], []))
        self.assertEqual([one["words"] for one in shape["readings"]], [[1], [550, 1], [1], [550, 4]])

    def test_values_go_on_when_only_the_server_is_missing(self) -> None:
        """An ACK more or less changes no value."""
        session, encoder = planned(Session()), RoundEncoder(BLOCKS)
        session.device(data(1, round_of(0, (1,), (550, 1)), encoder=encoder))
        session.daemon(messages.ack(1), kept=False)
        session.daemon(messages.ping())
        session.device(data(2, round_of(0, (1,), (550, 2)), encoder=encoder))
        (shape,) = found(session, secrets=(SECRET,))
        self.assertEqual([one["words"] for one in shape["readings"]], [[1], [550, 1], [1], [550, 2]])

    def test_without_keys_the_direction_is_lost(self) -> None:
        """Nothing tells where a record begins."""
        session = Session()
        session.device(messages.event(1), kept=False)
        session.device(messages.event(2))
        session.daemon(messages.ping())
        (shape,) = found(session)
        self.assertEqual(shape["messages"], {"client": {"HELLO": 1, "record": 1}, "server": {"CHOICE": 1, "record": 2}})
        (event,) = shape["events"]
        self.assertEqual((event["what"], event["from"]), ("unread", "client"))
        self.assertIn("without its secret", event["detail"])

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
        self.assertEqual([one["what"] for one in shape["events"]], ["unread"])
        self.assertIn("without HELLO and CHOICE no secret opens", shape["events"][0]["detail"])

    def test_only_one_side_was_captured(self) -> None:
        """Half of the opening opens nothing; nobody is blamed for what cannot be understood."""
        for side in (True, False):
            session = planned(Session())
            pieces = session.conversation.pieces
            pieces[:] = [one if one.from_client is side else one._replace(octets=b"", missing=9) for one in pieces]
            (shape,) = found(session, secrets=(SECRET,))
            self.assertEqual(([one["what"] for one in shape["events"]], shape["faults"]), (["unread"], []))
            self.assertIn("without HELLO and CHOICE no secret opens", shape["events"][0]["detail"])
