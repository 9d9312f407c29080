"""[smok4] ack_delay: fewer ACKs for who pays by the octet, and nobody waits longer than was allowed."""

from __future__ import annotations

import random
from itertools import accumulate

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.devices.orders import Priority
from smok_twisted.links.smok4.acks import MOST_BATCHES, AckPace
from smok_twisted.links.smok4.messages import Type
from smok_twisted.links.smok4.server import SessionTimes
from smok_twisted.readings import BlockReport, Round

from .server_in_memory import DeviceEnd, Server


def acked(delay_seconds: float, arrivals: list[float]) -> list[float]:
    """When ACKs are sent if batches come at these times and are on disk at once."""
    pace, sent, due = AckPace(delay_seconds), [], None
    for now in [*arrivals, 1e9]:
        if due is not None and due < now:
            pace.told(due)
            sent.append(due)
            due = None
        if now < 1e9:
            pace.arrived(now)
            due = now + pace.durable(now)
    return sent


class Pace(SynchronousTestCase):
    """When an ACK goes."""

    def test_without_a_delay(self) -> None:
        """Each batch is answered as soon as it is on disk."""
        self.assertEqual(acked(0, [0, 60, 61, 61.5]), [0, 60, 61, 61.5])

    def test_once_a_minute(self) -> None:
        """One ACK answers the last batch that comes within the delay, and the first of the session at once."""
        self.assertEqual(acked(540, [60 * n for n in range(20)]), [0, 480, 960, 60 * 19 + 120])

    def test_reports_that_come_early_or_late(self) -> None:
        """Ten seconds either way change nothing: no ACK goes by itself."""
        arrivals = [60 * n + 10 * (-1) ** (n // 2) for n in range(20)]
        sent = acked(540, arrivals)[:-1]
        self.assertEqual([arrivals.index(at) for at in sent], [0, 8, 16])

    def test_a_rare_reporter_is_answered_at_once(self) -> None:
        """The next batch would come too late: waiting for it would only cost a segment."""
        self.assertEqual(acked(540, [0, 3600, 7200]), [0, 3600, 7200])

    def test_nobody_waits_longer_than_was_allowed(self) -> None:
        """Whatever the rhythm: the device hears of each batch within the delay."""
        chance = random.Random(4503)
        for _ in range(200):
            arrivals = list(accumulate(chance.expovariate(1 / chance.choice([1, 60, 600])) for _ in range(50)))
            sent = acked(540, arrivals)
            waits = [next(at for at in sent if at >= arrived) - arrived for arrived in arrivals]
            self.assertLessEqual(max(waits), 540)

    def test_a_device_that_falls_silent(self) -> None:
        """What it has sent is acknowledged soon after the next batch should have come."""
        self.assertEqual(acked(540, [0, 60, 120]), [0, 120 + 120])

    def test_a_device_that_catches_up(self) -> None:
        """It is told of every sixteenth batch at the latest, so its window moves."""
        arrivals = [0.01 * n for n in range(5 * MOST_BATCHES)]
        told = [arrivals.index(at) for at in acked(540, arrivals)[:-1]]
        self.assertEqual(told, [0, 16, 32, 48, 64])


class Sessions(SynchronousTestCase):
    """A session with ack_delay = "9m"."""

    def setUp(self) -> None:
        self.server = Server(SessionTimes(keepalive_seconds=600, ack_seconds=540))
        self.end = self.server.dial()
        self.end.hold(0)
        self.end.take_plan()
        self.report(self.end, 1)

    def report(self, end: DeviceEnd, batch: int) -> None:
        end.report(batch, Round(0, (BlockReport(0, (batch & 1,)),)))
        self.advance(0)

    def advance(self, seconds: float) -> None:
        self.server.clock.advance(seconds)
        self.end.wire.pump()

    def test_acknowledged_with_the_last_that_comes_in_time(self) -> None:
        """Once a minute: eight batches, one ACK, never later than the keepalive."""
        for batch in range(2, 18):
            self.advance(60)
            self.report(self.end, batch)
        self.assertEqual(self.end.acks(), [1, 9, 17])

    def test_another_message_takes_the_ack_along(self) -> None:
        """In the same segment, and before it."""
        self.advance(60)
        self.report(self.end, 2)
        self.assertEqual(self.end.acks(), [1])
        self.server.device.orders.ask(1, b"\x03\x00\x0a\x00\x01", Priority.OPERATOR_READ).addErrback(lambda _: None)
        self.end.wire.pump()
        self.assertEqual([body[0] for body in self.end.got[-2:]], [Type.ACK, Type.MODBUS_REQ])
        self.assertEqual(self.end.acks(), [1, 2])
        self.advance(200)
        self.assertEqual(self.end.acks(), [1, 2])

    def test_a_reconnect_tells_what_no_ack_has(self) -> None:
        """WELCOME says it: nothing is sent twice because an ACK waited."""
        self.advance(60)
        self.report(self.end, 2)
        self.end.wire.cut()
        again = self.server.dial()
        self.assertEqual(again.welcome and again.welcome.cursor, 2)
        self.assertEqual(self.server.notes.crashes, [])
