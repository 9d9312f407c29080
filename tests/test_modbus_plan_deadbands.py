"""The read planner's deadbands, and the estimate of what a map costs."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.modbus.estimate import estimate
from smok_twisted.modbus.plan import locate, plan_blocks, raw_deadband
from smok_twisted.modbus.points import Point
from smok_twisted.readings import Block, Table

from .test_modbus_plan import model, word


class Deadbands(SynchronousTestCase):
    def test_raw(self) -> None:
        """Engineering units to raw words, rounded down; what is not proportional has none."""
        tenth = Decimal("0.1")
        for keys, raw in (
            ({"deadband": Decimal("0.3"), "scale": tenth}, 3),
            ({"deadband": Decimal("0.29"), "scale": tenth}, 2),
            ({"deadband": Decimal("0.3"), "scale": -tenth}, 3),
            ({"deadband": Decimal("0.05"), "scale": tenth}, 0),
            ({"deadband": Decimal(254)}, 254),
            ({"deadband": Decimal(1000)}, 254),
            ({"deadband": Decimal(2), "byte_order": "CDAB"}, 2),
            ({"deadband": Decimal(2), "byte_order": "BADC"}, 0),
            ({"deadband": Decimal(2), "byte_order": "DCBA"}, 0),
        ):
            self.assertEqual(raw_deadband(word(1, **keys)), raw, keys)
        for kind in ("INT32", "UINT32", "INT64", "UINT64", "FLOAT32", "FLOAT64", "BCD16", "BCD32", "BOOL"):
            self.assertEqual(raw_deadband(word(1, type=kind, deadband=Decimal(2))), 0, kind)

    def test_no_change_beyond_the_deadband_stays_unseen(self) -> None:
        """For each pair of words that a device takes for the same, the values differ by the deadband at most.

        The exception is the seam between 0x7FFF and 0x8000 of signed types, one end of the range to the other.
        """
        deadband, scale = Decimal("0.5"), Decimal("0.1")
        for kind in ("UINT16", "INT16", "SM16"):
            point = word(1, type=kind, scale=scale, deadband=deadband, precision=1)
            raw = raw_deadband(point)
            exact = [Fraction(repr(point.decode((number,)))) for number in range(0x10000)]
            for old in range(0x10000):
                if kind != "UINT16" and 0x8000 - raw <= old < 0x8000:
                    continue
                beyond = min(old + raw, 0xFFFF)
                self.assertLessEqual(abs(exact[beyond] - exact[old]), deadband)
                if kind == "UINT16" and old + raw + 1 <= 0xFFFF:
                    self.assertGreater(exact[old + raw + 1] - exact[old], deadband)

    def test_without_report_the_smallest_counts(self) -> None:
        """Every sample is sent anyway, so points with different deadbands share a block."""
        blocks = plan_blocks(
            model(word(1, deadband=Decimal(5)), word(2, deadband=Decimal(2)), word(3, deadband=Decimal(9)))
        )
        self.assertEqual(blocks, (Block(1, Table.HOLDING, 1, 3, 60, 0, 2),))

    def test_with_report_each_has_its_own(self) -> None:
        """One noisy register, of another deadband or of no point at all, does not spend the budget of the others."""
        words = ((0, 2), (1, 2), (2, 0), (3, 2), (5, 2))
        points = [word(address, deadband=Decimal(deadband), report_ms=300_000) for address, deadband in words]
        blocks = plan_blocks(model(*points))
        self.assertEqual(
            [(block.start, block.count, block.deadband) for block in blocks],
            [(2, 1, 0), (0, 2, 2), (3, 1, 2), (5, 1, 2)],
        )
        self.assertEqual([locate(point, blocks) for point in points], [(1, 0), (1, 1), (0, 0), (2, 0), (3, 0)])

    def test_a_register_in_two_blocks(self) -> None:
        """Where two blocks have a point's register, it is taken from the one that reports the smaller change."""
        narrow = word(0, deadband=Decimal(2), report_ms=300_000)
        wide = Point("wide", Table.HOLDING, 0, "INT32", report_ms=300_000)
        blocks = plan_blocks(model(narrow, wide))
        self.assertEqual([(block.count, block.deadband) for block in blocks], [(2, 0), (1, 2)])
        self.assertEqual((locate(narrow, blocks), locate(wide, blocks)), ((0, 0), (0, 0)))


class Estimates(SynchronousTestCase):
    def test_by_hand(self) -> None:
        """20 registers once a minute: each figure is the sum of its parts."""
        got = estimate(model(*map(word, range(20))))
        self.assertEqual((got.points, got.requests, got.registers, got.bits), (20, 1, 20, 0))
        # length, tag, type, batch; age, count; report head, bitmap, ten deltas
        record = (1 + 8 + 1 + 2) + (1 + 1) + (1 + 3 + 10)
        acknowledged = 40 + (1 + 8 + 1 + 2) + 40
        self.assertEqual(got.smok4_cycle_octets, 40 + record + acknowledged)
        self.assertEqual(got.smok4_month_octets, 43_200 * got.smok4_cycle_octets)
        self.assertEqual(got.modbus_tcp_cycle_octets, (40 + 12) + (40 + 9 + 40) + 40)
        self.assertEqual(got.modbus_tcp_month_octets, 43_200 * got.modbus_tcp_cycle_octets)

    def test_batches(self) -> None:
        """Five rounds in one record cost five rounds, but one header; the oldest is four minutes old."""
        got = estimate(model(*(word(number, report_ms=300_000) for number in range(20))))
        record = (1 + 8 + 1 + 2) + 5 * ((2 + 1) + (1 + 3 + 10))
        ping = (1 + 8 + 1) + (1 + 8 + 1 + 2) + 3 * 40
        acknowledged = 40 + (1 + 8 + 1 + 2) + 40
        self.assertEqual(got.smok4_month_octets, 8_640 * (40 + record + acknowledged) + 10_800 * ping)

    def test_several_records(self) -> None:
        """What does not fit one record goes on in the next."""
        points = [word(number, interval_ms=1000, report_ms=20_000) for number in range(40)]
        rounds = 20 * ((2 + 1) + (1 + 5 + 20))
        octets = rounds + 3 * 12
        expected = 129_600 * (octets + 2 * 40 + 12 + 40)
        self.assertEqual(estimate(model(*points)).smok4_month_octets, expected)

    def test_bits(self) -> None:
        """Bits cost a bitmap."""
        got = estimate(model(*(Point(f"c{number}", Table.COIL, number, "BOOL") for number in range(9))))
        self.assertEqual((got.registers, got.bits), (0, 9))
        self.assertEqual(got.smok4_cycle_octets, 12 + 2 + 1 + 2 + 80 + 52)
        self.assertEqual(got.modbus_tcp_cycle_octets, 141 + 2)

    def test_nothing(self) -> None:
        """A map of points that are only written costs nothing but the keepalive of no plan at all."""
        got = estimate(model(word(1, access="w")))
        self.assertEqual((got.points, got.requests, got.smok4_cycle_octets, got.modbus_tcp_month_octets), (1, 0, 0, 0))
        self.assertEqual(got.smok4_month_octets, 10_800 * 142)
