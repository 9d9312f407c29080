"""The data that are stored and drawn: what 20 registers of a plant say, minute after minute, out of a seed. Pure.

Eight of them move like temperatures, three are restless (two pressures, a flow), four are two counters of 32 bits, five
are setpoints and states: the 60 s mix of the design note performance, row 13. A report comes some milliseconds after
its minute, as networks have it.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random

from smok_twisted.devices.values import PlanView
from smok_twisted.modbus.maps import parse_map
from smok_twisted.modbus.plan import plan_blocks
from smok_twisted.readings import BlockReport, Plan, Report
from smok_twisted.storage.records import HOUR_US

REGISTERS = 20
ROUNDS_AN_HOUR = 60
SAMPLES_AN_HOUR = REGISTERS * ROUNDS_AN_HOUR
#: 2019-01-01 00:00 UTC, in hours since 1970.
FIRST_HOUR = 429_528
#: What plots and comparisons ask for; its register is the first.
POINT = "temperature_0"
SCALE = 0.1
_MINUTE_US = 60_000_000
_LATE_MS = 16  #: less than
_DAY_MINUTES = 1440
_MORNING, _EVENING = 360, 1320
_TEMPERATURES = [f"temperature_{number}" for number in range(8)]
_RESTLESS = ["pressure_supply", "pressure_return", "flow"]
_COUNTERS = ["energy", "volume"]
_REST = ["setpoint_heating", "setpoint_water", "setpoint_room", "pump", "burner"]
#: Of each temperature: how likely it moves by a tenth of a degree in a minute.
_MOVES = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)


def model() -> str:
    """The register map."""
    singles = [_point(name, at, "INT16", SCALE) for at, name in enumerate(_TEMPERATURES + _RESTLESS)]
    counters = [_point(name, 11 + 2 * at, "UINT32", 1) for at, name in enumerate(_COUNTERS)]
    rest = [_point(name, 15 + at, "INT16", 1) for at, name in enumerate(_REST)]
    return 'name = "plant"\ninterval = "60s"\n' + "".join(singles + counters + rest)


def _point(name: str, address: int, kind: str, scale: float) -> str:
    return f'[[point]]\nname = "{name}"\nregister = "holding"\naddress = {address}\ntype = "{kind}"\nscale = {scale}\n'


def view() -> PlanView:
    """What such a device is told to report, as plan 1: all registers are one block."""
    register_map = parse_map(model())
    return PlanView(Plan(1, plan_blocks(register_map), register_map.name, register_map.version), register_map)


def words(seed: int) -> Iterator[tuple[int, ...]]:
    """The registers of one plant for ever, minute by minute."""
    chance = Random(seed).random
    homes = [400 + 40 * number + int(50 * chance()) for number in range(8)]
    temperatures = list(homes)
    energy, volume, pump, burner = int(1e6 * chance()), int(1e6 * chance()), 1, 0
    for minute in itertools.count():
        for number, moves in enumerate(_MOVES):
            if chance() < moves:
                temperatures[number] += _step(chance, temperatures[number] - homes[number])
        flow = 300 + int(64 * chance()) if pump else 0
        energy += 4 + int(8 * chance()) if burner else 0
        volume += flow // 16
        burner ^= chance() < 0.02
        pump ^= chance() < 0.002
        room = 210 if _MORNING <= minute % _DAY_MINUTES < _EVENING else 170
        pressures = (1520 + int(24 * chance()), 1180 + int(16 * chance()))
        counters = (energy >> 16, energy & 0xFFFF, volume >> 16 & 0xFFFF, volume & 0xFFFF)
        yield (*temperatures, *pressures, flow, *counters, 650, 480, room, pump, burner)


def _step(chance: Callable[[], float], away: int) -> int:
    """Up or down, rather homewards."""
    return 1 if chance() < 0.5 - away / 400 else -1


def hours(device_id: int, seed: int, first_hour: int = FIRST_HOUR, boot: int = 1) -> Iterator[list[Report]]:
    """The reports of a device, hour after hour, for ever."""
    registers, late, batches = words(seed), Random(f"late {seed}").random, itertools.count()
    for hour in itertools.count(first_hour):
        yield [
            Report(device_id, _time_us(hour, minute, late), boot, batch & 0xFFFF, 0, 1, (BlockReport(0, round_),))
            for minute, batch, round_ in zip(range(ROUNDS_AN_HOUR), batches, registers, strict=False)
        ]


def _time_us(hour: int, minute: int, late: Callable[[], float]) -> int:
    return hour * HOUR_US + minute * _MINUTE_US + 1000 * int(_LATE_MS * late())


def entropy(hours_: Iterable[Sequence[Report]]) -> float:
    """Octets a sample that differences take if no more is known than how frequent each is in its register."""
    columns = [Counter[int]() for _ in range(REGISTERS)]
    for reports in hours_:
        for before, after in itertools.pairwise(report.blocks[0].words for report in reports):
            for column, one, other in zip(columns, before, after, strict=True):
                column[other - one] += 1
    bits = [-n * math.log2(n / column.total()) for column in columns for n in column.values()]
    return sum(bits) / 8 / sum(column.total() for column in columns)
