"""The read planner: every point read, nothing forbidden touched, as cheaply as can be."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import UserError
from smok_twisted.modbus.maps import Forbidden, RegisterMap
from smok_twisted.modbus.plan import MAX_BLOCKS, REQUEST_OCTETS, locate, plan_blocks, raw_deadband, words_of
from smok_twisted.modbus.points import Point
from smok_twisted.readings import Block, Table


def model(*points: Point, forbidden: tuple[Forbidden, ...] = (), max_registers: int = 120) -> RegisterMap:
    return RegisterMap("m", "m", "0", points, forbidden, max_registers, "")


def word(address: int, **keys: object) -> Point:
    return Point(f"p{address}", Table.HOLDING, address, **keys)


def spans(blocks: tuple[Block, ...]) -> list[tuple[int, int]]:
    return [(block.start, block.count) for block in blocks]


WORDS = {"UINT16": 1, "INT32": 2, "INT64": 4}


STYLES = st.fixed_dictionaries(
    {
        "unit_id": st.sampled_from([1, 2]),
        "interval_ms": st.sampled_from([1000, 2000]),
        "report_ms": st.sampled_from([0, 5000]),
        "deadband": st.sampled_from([Decimal(0), Decimal(2)]),
        "access": st.sampled_from(["r", "rw", "rw", "w"]),
    }
)


@st.composite
def models(draw: st.DrawFn, most: int = 12, last: int = 40) -> RegisterMap:
    """Maps of a few points close together, many of them alike, with forbidden gaps between them."""
    styles = st.sampled_from(draw(st.lists(STYLES, min_size=1, max_size=2)))
    points = []
    for number in range(draw(st.integers(1, most))):
        table = draw(st.sampled_from([Table.HOLDING, Table.HOLDING, Table.HOLDING, Table.COIL]))
        kind = "BOOL" if table.is_bits else draw(st.sampled_from(sorted(WORDS)))
        points.append(Point(f"p{number}", table, draw(st.integers(0, last)), kind, **draw(styles)))
    gaps = [Forbidden(Table.HOLDING, gap, gap) for gap in draw(st.sets(st.integers(0, last), max_size=3))]
    free = [
        point for point in points
        if not any(gap.touches(point.table, point.address, point.address + point.words_count) for gap in gaps)
    ]  # fmt: skip
    return model(*free, forbidden=tuple(gaps), max_registers=draw(st.integers(4, 20)))


class AnyMap(SynchronousTestCase):
    @settings(max_examples=200)
    @given(models())
    def test_rules(self, register_map: RegisterMap) -> None:
        """Every readable point lies whole in a block like it; no block is too long or touches what is forbidden."""
        blocks = plan_blocks(register_map)
        used = set()
        for point in register_map.points:
            place = locate(point, blocks)
            if point.access == "w":
                self.assertIsNone(place)
                continue
            number, offset = place
            block = blocks[number]
            self.assertEqual((block.unit, block.table), (point.unit_id, point.table))
            self.assertEqual(
                (block.interval_seconds, block.report_seconds), (point.interval_ms // 1000, point.report_ms // 1000)
            )
            self.assertEqual(block.start + offset, point.address)
            self.assertLessEqual(offset + point.words_count, block.count)
            self.assertLessEqual(block.deadband, raw_deadband(point))
            used.add(number)
        for block in blocks:
            self.assertLessEqual(block.count, 255 if block.table.is_bits else register_map.max_registers)
            addresses = range(block.start, block.start + block.count)
            for gap in register_map.forbidden:
                self.assertFalse(gap.touches(block.table, addresses.start, addresses.stop))
            if block.report_seconds:
                mine = [point for point in register_map.points if locate(point, [block])]
                asked = {point.address + number for point in mine for number in range(point.words_count)}
                self.assertEqual(asked, set(addresses))
        self.assertLessEqual(len(blocks), len(register_map.points))

    @given(models())
    def test_words_come_back(self, register_map: RegisterMap) -> None:
        """What a point gets out of a block's words are the registers at its own addresses."""
        blocks = plan_blocks(register_map)
        for point in register_map.points:
            if place := locate(point, blocks):
                block = blocks[place[0]]
                addresses = range(block.start, block.start + block.count)
                wanted = tuple(range(point.address, point.address + point.words_count))
                self.assertEqual(words_of(point, block, addresses), wanted)
                self.assertEqual(tuple(addresses[place[1] : place[1] + point.words_count]), wanted)

    @settings(max_examples=60)
    @given(models(most=6, last=24))
    def test_no_cheaper_way_exists(self, register_map: RegisterMap) -> None:
        """Among all ways to share points out among requests, the plan is one of the cheapest."""
        groups: dict[tuple[object, ...], list[Point]] = {}
        for point in register_map.points:
            if point.is_read:
                deadband = raw_deadband(point) if point.report_ms else 0
                key = (point.unit_id, point.table, point.interval_ms, point.report_ms, deadband)
                groups.setdefault(key, []).append(point)
        cheapest = sum(brute_force(group, register_map) for group in groups.values())
        self.assertEqual(sum(cost(block.table, block.count) for block in plan_blocks(register_map)), cheapest)

    def test_large_map(self) -> None:
        """Two thousand points are planned at once."""
        generator = random.Random(4)
        addresses = generator.sample(range(6000), 2000)
        blocks = plan_blocks(model(*map(word, addresses)))
        self.assertEqual(
            sum(block.start <= address < block.start + block.count for address in addresses for block in blocks), 2000
        )


def cost(table: Table, count: int) -> int:
    return REQUEST_OCTETS + ((count + 7) // 8 if table.is_bits else 2 * count)


def partitions(items: list[Point]) -> Iterator[list[list[Point]]]:
    """All ways to share ``items`` out."""
    if not items:
        yield []
        return
    first, rest = items[0], items[1:]
    for parts in partitions(rest):
        yield [[first], *parts]
        for number, part in enumerate(parts):
            yield [*parts[:number], [first, *part], *parts[number + 1 :]]


def brute_force(points: list[Point], register_map: RegisterMap) -> int:
    costs = []
    for parts in partitions(points):
        total = 0
        for part in parts:
            start = min(point.address for point in part)
            end = max(point.address + point.words_count for point in part)
            bad = any(gap.touches(part[0].table, start, end) for gap in register_map.forbidden)
            asked = {point.address + number for point in part for number in range(point.words_count)}
            bad = bad or (part[0].report_ms and len(asked) < end - start)
            if bad or end - start > (255 if part[0].table.is_bits else register_map.max_registers):
                break
            total += cost(part[0].table, end - start)
        else:
            costs.append(total)
    return min(costs)


class Merging(SynchronousTestCase):
    def test_small_gaps_are_read_through(self) -> None:
        """A gap of 10 registers costs as much as a request and is read; one of 11 is not."""
        self.assertEqual(spans(plan_blocks(model(word(0), word(11)))), [(0, 12)])
        self.assertEqual(spans(plan_blocks(model(word(0), word(12)))), [(0, 1), (12, 1)])

    def test_gaps_of_bits(self) -> None:
        """Bits are cheap: a gap of 150 coils is read, but never more than 255 at once."""
        coils = [Point(f"c{address}", Table.COIL, address, "BOOL") for address in (0, 151, 254, 255)]
        self.assertEqual(spans(plan_blocks(model(*coils[:3]))), [(0, 255)])
        self.assertEqual(spans(plan_blocks(model(*coils))), [(0, 1), (151, 105)])

    def test_forbidden_addresses_are_not_touched(self) -> None:
        """A gap with a forbidden register in it is not read through."""
        gap = Forbidden(Table.HOLDING, 1, 1)
        self.assertEqual(spans(plan_blocks(model(word(0), word(2), forbidden=(gap,)))), [(0, 1), (2, 1)])
        other = Forbidden(Table.INPUT, 1, 1)
        self.assertEqual(spans(plan_blocks(model(word(0), word(2), forbidden=(other,)))), [(0, 3)])

    def test_longest_block(self) -> None:
        """A block ends at max_registers, and a point is never split."""
        points = [word(address, type="INT32") for address in range(0, 12, 2)]
        self.assertEqual(spans(plan_blocks(model(*points, max_registers=5))), [(0, 4), (4, 4), (8, 4)])

    def test_points_within_points(self) -> None:
        """A long point that others lie within is read to its end."""
        points = (word(0, type="INT64"), word(1), word(8))
        self.assertEqual(spans(plan_blocks(model(*points[:2]))), [(0, 4)])
        self.assertEqual(spans(plan_blocks(model(*points, max_registers=8))), [(0, 4), (8, 1)])

    def test_points_that_differ_do_not_share(self) -> None:
        """Another unit, table, interval or report is another block, in a fixed order."""
        points = (
            word(1, interval_ms=1000, report_ms=60_000), word(2, interval_ms=1000), word(3, unit_id=2), word(4),
            Point("p5", Table.INPUT, 5), word(6, interval_ms=1000, report_ms=1000),
        )  # fmt: skip
        expected = (
            Block(1, Table.HOLDING, 2, 5, 1, 0, 0),
            Block(1, Table.HOLDING, 1, 1, 1, 60, 0),
            Block(1, Table.HOLDING, 4, 1, 60, 0, 0),
            Block(1, Table.INPUT, 5, 1, 60, 0, 0),
            Block(2, Table.HOLDING, 3, 1, 60, 0, 0),
        )
        for order in itertools.permutations(points):
            self.assertEqual(plan_blocks(model(*order)), expected)

    def test_too_many_blocks(self) -> None:
        """A map that no plan can hold is refused, saying how many blocks it would need."""
        points = [word(20 * number) for number in range(MAX_BLOCKS + 1)]
        self.assertEqual(len(plan_blocks(model(*points[:-1]))), MAX_BLOCKS)
        error = self.assertRaises(UserError, plan_blocks, model(*points))
        self.assertIn("needs 65 blocks, but a plan holds at most 64", str(error))

    def test_intervals_that_cannot_be_sent(self) -> None:
        """The wire counts whole seconds, 1 to 65535."""
        for keys, text in (
            ({"interval_ms": 500}, "interval = 500ms"),
            ({"interval_ms": 1500}, "interval = 1500ms"),
            ({"interval_ms": 65_536_000}, "interval = 65536000ms"),
            ({"interval_ms": 1000, "report_ms": 1500}, "report = 1500ms"),
            ({"interval_ms": 1000, "report_ms": 65_536_000}, "report = 65536000ms"),
        ):
            error = self.assertRaises(UserError, plan_blocks, model(word(1, **keys)))
            self.assertIn(f"'p1': {text} cannot be planned, accepted are whole seconds", str(error))

    def test_nothing_to_read(self) -> None:
        """A map of points that are only written has an empty plan."""
        self.assertEqual(plan_blocks(model(word(1, access="w"))), ())


class WithoutGaps(SynchronousTestCase):
    """For links over which every register is a request of its own."""

    def test_neighbours_only(self) -> None:
        """What nobody asked for would cost a request."""
        points = (word(4), word(5), word(7), Point("b", Table.COIL, 7077, "BOOL"), Point("c", Table.COIL, 7078, "BOOL"))
        self.assertEqual(spans(plan_blocks(model(*points), read_gaps=False)), [(7077, 2), (4, 2), (7, 1)])
        self.assertEqual(spans(plan_blocks(model(*points))), [(7077, 2), (4, 4)])

    @given(models())
    def test_every_point_is_read_and_nothing_else(self, register_map: RegisterMap) -> None:
        """Whatever the model."""
        blocks = plan_blocks(register_map, read_gaps=False)
        read = {(block.unit, block.table, block.start + place) for block in blocks for place in range(block.count)}
        wanted = {
            (point.unit_id, point.table, point.address + place)
            for point in register_map.points
            if point.is_read
            for place in range(point.words_count)
        }
        self.assertEqual(read, wanted)
        for point in register_map.points:
            self.assertEqual(locate(point, blocks) is not None, point.is_read)
