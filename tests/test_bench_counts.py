"""What ``make bench`` counts exactly: octets, segments, requests. A figure that moves is either a mistake or news."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from bench.cpu import Subject
from bench.octets import Terms, modbus_tcp, mqtt_json, p24, p24_keepalives, smok4
from bench.plain_rabbit import PlainRabbit
from bench.rabbit_elsewhere import Missing, cryptopp, libtomcrypt
from bench.row_09_octets import BATCHED, LIVE, THRIFTY
from bench.row_09_octets import first_generation as p24_octets
from bench.row_10_modem import devices
from bench.row_10_modem import first_generation as p24_devices
from bench.segments import DEVICE, SERVER, Tally, Traffic, of_exchange
from smok_twisted.cipher.rabbit import Rabbit
from smok_twisted.settings import Settings

HERE = Path(__file__).resolve().parent.parent


def in_minutes(count: int, traffic: Traffic) -> Traffic:
    """A whole number of them, so that it can be compared."""
    return Traffic(*(round(count * part, 6) for part in traffic))


class RuleTests(SynchronousTestCase):
    """How segments are counted."""

    def test_an_answer_carries_the_acknowledgement(self) -> None:
        """A question and its answer are two segments, and the last is acknowledged by an empty one."""
        self.assertEqual(of_exchange((SERVER, 12), (DEVICE, 49)), Traffic(to_server=89, to_device=92, segments=3))

    def test_a_late_answer_does_not(self) -> None:
        """After 40 ms an acknowledgement goes alone; the next one does not even wait, as the kernel has it."""
        tally = Tally()
        for now in (0.0, 60.0):
            tally.segment(DEVICE, 20, now)
            tally.segment(SERVER, 12, now + 0.03)
        habitual = tally.traffic(61.0)
        tally.segment(DEVICE, 20, 120.0)
        tally.segment(SERVER, 12, 120.05)
        late = tally.traffic(121.0)
        self.assertEqual(late - habitual, Traffic(to_server=60 + 40, to_device=40 + 52, segments=4))
        tally.segment(DEVICE, 20, 180.0)
        tally.segment(SERVER, 12, 180.03)
        self.assertEqual(tally.traffic(181.0) - late, late - habitual)
        tally.segment(DEVICE, 20, 240.0)
        tally.segment(SERVER, 12, 240.03)
        twice = (late - habitual).each(1 / 2)
        self.assertEqual(
            tally.traffic(241.0) - habitual - twice, Traffic(to_server=60 + 40, to_device=52, segments=3)
        )

    def test_long_writes_are_several_segments(self) -> None:
        """Each has headers of its own."""
        self.assertEqual(of_exchange((SERVER, 1461)), Traffic(to_server=40, to_device=1461 + 80, segments=3))


class OctetsOf20RegistersTests(SynchronousTestCase):
    """A minute of one device, both sides real, over a connection in memory."""

    def test_the_terms_of_the_daemon(self) -> None:
        """What is counted as live is what a daemon without a configuration does."""
        smok = Settings().smok4
        self.assertEqual(LIVE, Terms("", int(smok.keepalive), smok.ack_delay))

    def test_live(self) -> None:
        """60 of DATA, 52 of ACK, and 40 that acknowledge the ACK."""
        self.assertEqual(smok4(LIVE), Traffic(to_server=100, to_device=52, segments=3, requests=1))

    def test_live_with_few_acks(self) -> None:
        """60 of DATA, 40 that acknowledge it; each twelfth time 52 of ACK and 40 that acknowledge it."""
        counted = smok4(THRIFTY)
        expected = Traffic(to_server=12 * 60 + 40, to_device=12 * 40 + 52, segments=26, requests=12)
        self.assertEqual(in_minutes(12, counted), expected)
        self.assertLess(counted.total, 110)

    def test_live_with_as_few_acks_as_the_usual_keepalive_allows(self) -> None:
        """Every third time: fewer octets than at once, and still more than 110."""
        counted = smok4(Terms(ack_seconds=210))
        expected = Traffic(to_server=3 * 60 + 40, to_device=3 * 40 + 52, segments=8, requests=3)
        self.assertEqual(in_minutes(3, counted), expected)

    def test_batched(self) -> None:
        """Five rounds in one record of 56 octets, one ACK for six of them: within 32."""
        counted = smok4(BATCHED)
        expected = Traffic(to_server=6 * 96 + 40, to_device=6 * 40 + 52, segments=14, requests=30)
        self.assertEqual(in_minutes(30, counted), expected)
        self.assertLess(counted.total, 32)

    def test_p24_one_by_one(self) -> None:
        """Each register is a question and an answer; after a pause the first answer is acknowledged by itself."""
        expected = Traffic(to_server=880, to_device=980, segments=42, requests=20)
        self.assertEqual(p24(window=1), expected)

    def test_p24_pipelined(self) -> None:
        """All questions in one segment, all answers in another."""
        expected = Traffic(to_server=120, to_device=180, segments=3, requests=20)
        self.assertEqual(p24(window=20), expected)

    def test_p24_keepalives(self) -> None:
        """Two a minute."""
        self.assertEqual(p24_keepalives(), Traffic(to_server=84, to_device=164, segments=6))

    def test_devices_on_a_modem_line(self) -> None:
        """1,800 octets a second to all devices together."""
        self.assertEqual(devices(smok4(LIVE).to_device), 2076)
        self.assertEqual(devices(smok4(THRIFTY).to_device), 2436)
        self.assertEqual(devices(smok4(BATCHED).to_device), 11095)
        self.assertEqual(devices(p24(window=1).to_device), 110)
        self.assertEqual(devices(p24(window=20).to_device), 600)

    def test_p24_as_it_is(self) -> None:
        """Within both targets only if its keepalives are left out, which no connection of it can."""
        for rows, ours in ((p24_octets(), ("300", "548")), (p24_devices(), ("600", "313"))):
            self.assertEqual(tuple(row.ours for row in rows), ours)
            self.assertEqual(str(rows[0].verdict), "meets")
            self.assertIn("misses by", str(rows[1].verdict))
            self.assertIn("keepalives a minute", str(rows[1].verdict))

    def test_peers(self) -> None:
        """The same registers by MODBUS/TCP and MQTT."""
        self.assertEqual(modbus_tcp(), Traffic(to_server=89, to_device=92, segments=3))
        self.assertEqual(mqtt_json(), Traffic(to_server=541, to_device=44, segments=3))


class CommandTests(SynchronousTestCase):
    """``python -m bench``."""

    def test_a_row_that_is_not_there(self) -> None:
        """One line that says which there are, before anything is measured; no empty table."""
        done = subprocess.run(
            [sys.executable, "-m", "bench", "9", "99"], cwd=HERE, capture_output=True, text=True, check=False
        )
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertEqual(done.stderr, "there is no row 99, the rows are 1 to 17\n")


class ReferenceTests(SynchronousTestCase):
    """A reference that computes something else would be no reference."""

    def test_plain_rabbit(self) -> None:
        """The same keystream as ours."""
        key, data = bytes(range(16)), bytes(64)
        self.assertEqual(PlainRabbit(key).process(data), Rabbit(key).process(data))

    def test_libtomcrypt(self) -> None:
        """What Debian ships is Rabbit; it says its keystream before it is measured."""
        self.look(libtomcrypt)

    def test_cryptopp(self) -> None:
        """The same of Crypto++."""
        self.look(cryptopp)

    def look(self, reference: Callable[[], AbstractContextManager[Subject]]) -> None:
        try:
            with reference() as process:
                self.assertEqual(process.ask("1"), "done")
        except Missing as missing:
            raise SkipTest(f"{missing}: row 1 of make bench has one reference less") from None
