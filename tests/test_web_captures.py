"""Promise: an administrator gets what a device and the daemon said to each other, and it costs bounded memory."""

from __future__ import annotations

import io

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.observe.capture import WANTED_SECONDS
from smok_twisted.observe.pcap import PacketReader
from smok_twisted.observe.streams import conversations
from smok_twisted.web import captures
from smok_twisted.web.captures import CAPTURES_AT_MOST

from .web_rig import Answer, Rig

PATH = "/devices/boiler-1/capture.pcap"


def said(answer: Answer) -> list[list[bytes]]:
    """What each conversation in a response holds."""
    found = conversations(PacketReader(io.BytesIO(answer.body), "capture"))
    return [[piece.octets for piece in one.pieces] for one in found]


class Captures(SynchronousTestCase):
    def setUp(self):
        self.rig = Rig()
        self.rig.add_boiler()

    def test_what_is_said_from_the_first_request_on(self):
        """Of a device that is connected, or comes later; each request gives what is kept so far."""
        first = self.rig.ask("GET", PATH)
        self.assertEqual((first.status, said(first)), (200, []))
        self.assertEqual(first.headers["Content-Type"], "application/vnd.tcpdump.pcap")
        (tap,) = self.rig.connect().taps
        tap.received(b"report")
        tap.sent(b"thanks")
        for _ in range(2):
            self.assertEqual(said(self.rig.ask("GET", PATH)), [[b"report", b"thanks"]])

    def test_ends_an_hour_after_the_last_request(self):
        """Then it begins anew."""
        session = self.rig.connect()
        self.rig.ask("GET", PATH)
        session.taps[0].received(b"old")
        self.rig.clock.advance(WANTED_SECONDS)
        self.assertEqual(said(self.rig.ask("GET", PATH)), [])
        self.assertEqual(len(session.taps), 2)

    def test_a_long_one_lets_others_have_their_turn(self):
        """It is made slice by slice, and is what was said until it was asked for."""
        self.rig.ask("GET", PATH)
        (tap,) = self.rig.connect().taps
        for _ in range(1000):
            tap.received(b"report")
        turns: list[Deferred[None]] = []
        self.patch(captures, "deferLater", lambda clock, seconds: turns.append(Deferred()) or turns[-1])
        answer = self.rig.begin("GET", PATH, Accept_Encoding="gzip")
        while answer() is None:
            tap.received(b"later")
            turns[-1].callback(None)
        self.assertGreaterEqual(len(turns), 2000 // captures.SLICE_PACKETS)
        self.assertEqual(said(answer()), [[b"report"] * 1000])
        self.assertNotIn("Content-Encoding", answer().headers)

    def test_is_audited(self):
        """Who listened, and to whom; once a capture."""
        for _ in range(2):
            self.rig.ask("GET", PATH)
        entries = self.rig.ask("GET", "/audit").json["audit"]
        self.assertEqual([one["who"] for one in entries if one["action"] == "device-capture"], ["admin"])

    def test_so_many_devices_at_a_time(self):
        """One more is refused until an hour has passed; those that are captured are still served."""
        for number in range(2, CAPTURES_AT_MOST + 2):
            self.rig.add_boiler(f"boiler-{number}")
            self.assertEqual(self.rig.ask("GET", f"/devices/boiler-{number}/capture.pcap").status, 200)
        refused = self.rig.ask("GET", PATH)
        self.assertEqual(refused.status, 409)
        self.assertIn("16 devices are captured already", refused.detail)
        self.assertEqual(self.rig.ask("GET", "/devices/boiler-2/capture.pcap").status, 200)
        self.rig.clock.advance(WANTED_SECONDS)
        self.assertEqual(self.rig.ask("GET", PATH).status, 200)

    def test_needs_the_admin_token(self):
        """And a device that exists."""
        self.assertEqual(self.rig.ask("GET", PATH, token=None).status, 401)
        self.assertEqual(self.rig.ask("GET", "/devices/nobody/capture.pcap").status, 404)
