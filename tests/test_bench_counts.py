"""What ``make bench`` counts exactly: octets on the wire. A figure that moves is either a mistake or news."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from bench.octets import modbus_tcp, mqtt_json, p24, p24_keepalives, smok4
from bench.plain_rabbit import PlainRabbit
from bench.row_09_octets import BATCHED, LIVE, THRIFTY
from bench.row_10_modem import devices
from bench.segments import DEVICE, SERVER, Tally, Traffic, of_exchange
from smok_twisted.cipher.rabbit import Rabbit


def rounded(traffic: Traffic) -> tuple[float, float]:
    """To be compared: shares of an hour that has no whole number of ACKs."""
    return round(traffic.to_server, 3), round(traffic.to_device, 3)


class RuleTests(SynchronousTestCase):
    """How segments are counted."""

    def test_an_answer_carries_the_acknowledgement(self) -> None:
        """A question and its answer are two segments, and the last is acknowledged by an empty one."""
        self.assertEqual(of_exchange((SERVER, 12), (DEVICE, 49)), Traffic(to_server=89, to_device=92))

    def test_a_late_answer_does_not(self) -> None:
        """After 40 ms an acknowledgement goes alone."""
        tally = Tally()
        tally.segment(DEVICE, 20, 0.0)
        tally.segment(SERVER, 12, 0.05)
        self.assertEqual(tally.traffic(1.0), Traffic(to_server=60 + 40, to_device=40 + 52))

    def test_long_writes_are_several_segments(self) -> None:
        """Each has headers of its own."""
        self.assertEqual(of_exchange((SERVER, 1461)), Traffic(to_server=40, to_device=1461 + 80))


class OctetsOf20RegistersTests(SynchronousTestCase):
    """A minute of one device, both sides real, over a connection in memory."""

    def test_live(self) -> None:
        """60 of DATA, 52 of ACK, and 40 that acknowledge the ACK."""
        self.assertEqual(smok4(LIVE), Traffic(to_server=100, to_device=52))

    def test_live_with_few_acks(self) -> None:
        """One ACK in eight minutes: within 110."""
        self.assertEqual(rounded(smok4(THRIFTY)), (64.667, 41.4))

    def test_batched(self) -> None:
        """Five rounds in one record, one ACK in 35 minutes: within 32."""
        self.assertEqual(rounded(smok4(BATCHED)), (20.533, 8.4))

    def test_p24_one_by_one(self) -> None:
        """Each register is a question and an answer; keepalives twice a minute."""
        traffic = p24(window=1)
        self.assertEqual(traffic, Traffic(to_server=964, to_device=1104))
        self.assertEqual(traffic.total - p24_keepalives().total, 1820)

    def test_p24_pipelined(self) -> None:
        """All questions in one segment, all answers in another."""
        self.assertEqual(p24(window=20).total - p24_keepalives().total, 300)

    def test_devices_on_a_modem_line(self) -> None:
        """1,800 octets a second to all devices together."""
        self.assertEqual(devices(smok4(THRIFTY).to_device), 2608)
        self.assertEqual(devices(smok4(BATCHED).to_device), 12857)
        self.assertEqual(devices(p24(window=1).to_device - p24_keepalives().to_device), 114)
        self.assertEqual(devices(p24(window=20).to_device - p24_keepalives().to_device), 600)

    def test_peers(self) -> None:
        """The same registers by MODBUS/TCP and MQTT."""
        self.assertEqual(modbus_tcp(), Traffic(to_server=89, to_device=92))
        self.assertEqual(mqtt_json(), Traffic(to_server=541, to_device=44))


class ReferenceTests(SynchronousTestCase):
    """A reference that computes something else would be no reference."""

    def test_plain_rabbit(self) -> None:
        """The same keystream as ours."""
        key, data = bytes(range(16)), bytes(64)
        self.assertEqual(PlainRabbit(key).process(data), Rabbit(key).process(data))
