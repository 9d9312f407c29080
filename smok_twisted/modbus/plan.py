"""The read planner: which points are read together, as blocks of a SMOK/4 plan.

Source: design notes product ("Register maps") and smok4 ("PLAN"). Points of one unit, table, interval and report may
share a block. A gap between two of them is read along when that costs less than a request of its own; forbidden
addresses never are, and no point is split. Among all ways to do so the cheapest is taken.

Deadband. The wire's deadband belongs to a block, counts raw words, and only matters between reports: without a
``report`` every sample is sent, and the block has the smallest deadband of its points. With one, any word of a block
that changes beyond the deadband is sent at once. So then the points of a block share their raw deadband and no gap is
read: what nobody asked for must not spend the budget. A device compares words as unsigned numbers,
``|new - old| > deadband``. For 16-bit integers that is the change of the value itself, except where the sign changes:
there words are far apart, and the change is sent too early rather than too late. Only a jump from one end of a signed
range to the other (words 0x7FFF and 0x8000) looks small; it waits for the next report. Where the word does not grow
with the value (several words, floats, BCD, text, bits, swapped octets) any change counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

from ..errors import UserError
from ..readings import Block, Table
from .codecs import OCTETS_SWAPPED
from .maps import RegisterMap
from .points import Point

MAX_BLOCKS = 64
MAX_BLOCK_BITS = 255
MAX_DEADBAND = 254
MAX_SECONDS = 65535

#: What one more request costs, in octets of the serial line: 8 of the request, 5 of the response around its data,
#: and two silences of 3.5 characters. A register costs 2 octets, so a gap of up to 10 is read through.
REQUEST_OCTETS = 20

WORD_GROWS_WITH_VALUE = ("INT16", "UINT16", "SM16")

#: Addresses from the first to before the second.
Span = tuple[int, int]


class Group(NamedTuple):
    """What the points of one block have in common; groups are sorted by it."""

    unit: int
    table: Table
    interval_seconds: int
    report_seconds: int
    deadband: int  #: raw words; 0 without a report, where it does not separate


def plan_blocks(register_map: RegisterMap, *, read_gaps: bool = True) -> tuple[Block, ...]:
    """The blocks in which every readable point of ``register_map`` is read.

    ``read_gaps`` is False for a link over which every register is a request of its own.
    Raises UserError if they are too many, or if an interval or report is not in whole seconds.
    """
    groups: dict[Group, list[Point]] = {}
    for point in register_map.points:
        if point.is_read:
            groups.setdefault(_group_of(point), []).append(point)
    blocks = tuple(
        block for group in sorted(groups) for block in _blocks_of(group, groups[group], register_map, read_gaps)
    )
    if len(blocks) > MAX_BLOCKS:
        raise UserError(
            f"model {register_map.name!r} needs {len(blocks)} blocks, but a plan holds at most {MAX_BLOCKS}: "
            "leave points out, or give neighbours the same interval, report and deadband"
        )
    return blocks


def point_blocks(register_map: RegisterMap) -> tuple[Block, ...]:
    """Each point's own words as a block, in any number: for readings that somebody else has chosen.

    Raises UserError if an interval or report is not in whole seconds.
    """
    points = [(point, _group_of(point)) for point in register_map.points if point.is_read]
    found = {Block(*group[:2], point.address, point.words_count, *group[2:]) for point, group in points}
    return tuple(sorted(found))


def block_of(point: Point) -> Block:
    """The block that reads this point and nothing else. Raises UserError as ``plan_blocks`` does."""
    group = _group_of(point)
    return Block(*group[:2], point.address, point.words_count, *group[2:4], raw_deadband(point))


def raw_deadband(point: Point) -> int:
    """The largest change of the word, 0..254, that is no larger than the point's deadband in engineering units."""
    if point.type not in WORD_GROWS_WITH_VALUE or point.byte_order in OCTETS_SWAPPED:
        return 0
    return min(MAX_DEADBAND, Fraction(point.deadband) // abs(Fraction(point.scale)))


def locate(point: Point, blocks: Sequence[Block], *, at_any_interval: bool = False) -> tuple[int, int] | None:
    """(block number, offset of its first word in the block) of ``point``, or None if ``blocks`` do not read it.

    Where several blocks have it, the one that reports small changes first. Blocks with another interval or report are
    not its own, unless it may be ``at_any_interval``; even then they come last.
    """
    if not point.is_read:
        return None
    group = _group_of(point)
    found = [
        (block[4:6] != group[2:4], block.deadband, number, point.address - block.start)
        for number, block in enumerate(blocks)
        if block[:2] == group[:2]
        and (at_any_interval or block[4:6] == group[2:4])
        and block.start <= point.address
        and point.address + point.words_count <= block.start + block.count
    ]
    return min(found)[2:] if found else None


def words_of(point: Point, block: Block, words: Sequence[int]) -> tuple[int, ...]:
    """The words of ``point`` out of those of a block that ``locate`` named."""
    offset = point.address - block.start
    return tuple(words[offset : offset + point.words_count])


def _group_of(point: Point) -> Group:
    interval_seconds = _whole_seconds(point, "interval", point.interval_ms)
    if point.report_ms <= point.interval_ms:
        return Group(point.unit_id, point.table, interval_seconds, 0, 0)
    report_seconds = _whole_seconds(point, "report", point.report_ms)
    return Group(point.unit_id, point.table, interval_seconds, report_seconds, raw_deadband(point))


def _whole_seconds(point: Point, key: str, milliseconds: int) -> int:
    seconds, rest = divmod(milliseconds, 1000)
    if rest or not 1 <= seconds <= MAX_SECONDS:
        raise UserError(
            f"point {point.name!r}: {key} = {milliseconds}ms cannot be planned, "
            f"accepted are whole seconds from 1s to {MAX_SECONDS}s"
        )
    return seconds


def _blocks_of(group: Group, points: Sequence[Point], register_map: RegisterMap, read_gaps: bool) -> Iterator[Block]:
    spans = sorted({(point.address, point.address + point.words_count) for point in points})
    wanted = {address for span in spans for address in range(*span)}
    is_dense = bool(group.report_seconds) or not read_gaps
    most = MAX_BLOCK_BITS if group.table.is_bits else register_map.max_registers

    def is_readable(start: int, end: int) -> bool:
        if end - start > most or (is_dense and not wanted.issuperset(range(start, end))):
            return False
        return not any(forbidden.touches(group.table, start, end) for forbidden in register_map.forbidden)

    def cost(start: int, end: int) -> int:
        return REQUEST_OCTETS + data_octets(group.table, end - start)

    for start, end in _cheapest_runs(spans, is_readable, cost):
        deadband = min(raw_deadband(point) for point in points if start <= point.address < end)
        yield Block(*group[:2], start, end - start, *group[2:4], deadband)


def data_octets(table: Table, count: int) -> int:
    """Octets that ``count`` registers or bits take on every wire."""
    return (count + 7) // 8 if table.is_bits else 2 * count


class _Way(NamedTuple):
    """The best way to read the first spans. At the same cost the one whose last run is longer."""

    cost: int
    before: int  #: how many spans the runs before the last one hold
    last: Span


def _cheapest_runs(
    spans: Sequence[Span], is_readable: Callable[[int, int], bool], cost: Callable[[int, int], int]
) -> list[Span]:
    """Runs of addresses that hold each of the sorted ``spans`` whole, at the least cost.

    Dynamic programming: the best way for the first n spans is the best for some fewer and one run over the rest. A
    run only grows as it begins earlier, so once unreadable it stays so.
    """
    best = [_Way(0, 0, (0, 0))]
    for count in range(1, len(spans) + 1):
        ways = []
        end = 0
        for before in range(count - 1, -1, -1):
            start, end = spans[before][0], max(end, spans[before][1])
            if not is_readable(start, end):
                break
            ways.append(_Way(best[before].cost + cost(start, end), before, (start, end)))
        best.append(min(ways))
    runs: list[Span] = []
    count = len(spans)
    while count:
        runs.insert(0, best[count].last)
        count = best[count].before
    return runs
