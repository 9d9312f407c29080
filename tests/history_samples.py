"""Reports for tests of history: what equipment may give, plain and odd."""

from __future__ import annotations

from hypothesis import strategies as st

from smok_twisted.devices.values import PlanView
from smok_twisted.modbus.maps import parse_map
from smok_twisted.modbus.plan import plan_blocks
from smok_twisted.readings import BlockReport, Plan, Report
from smok_twisted.storage.records import HOUR_US

DEVICE = 7
#: 2024-11-14 10:00 UTC; at the eleventh hour of its day.
HOUR = 480_994
START_US = HOUR * HOUR_US

PLANT = """
name = "plant"
interval = "60s"
point = [
  { name = "outside", register = "holding", address = 0, type = "SM16", scale = 0.1 },
  { name = "mode", register = "holding", address = 1, states = { 0 = "off", 1 = "on" } },
  { name = "energy", register = "holding", address = 2, type = "UINT32", scale = 0.01 },
  { name = "flow", register = "holding", address = 4, type = "FLOAT32" },
  { name = "digits", register = "holding", address = 6, type = "BCD16" },
  { name = "label", register = "holding", address = 7, type = "STRING", length = 1 },
  { name = "pump", register = "coil", address = 3 },
  { name = "level", register = "input", address = 9, type = "INT16", scale = -0.5, offset = 20, precision = 0 },
]
"""


def view(number=1, text=PLANT):
    """What a device with this map was told as plan ``number``."""
    register_map = parse_map(text)
    return PlanView(Plan(number, plan_blocks(register_map), register_map.name, register_map.version), register_map)


#: Words that are near each other, as those of equipment are, and now and then any.
_WORD = st.one_of(st.integers(0, 3), st.integers(200, 260), st.integers(0, 65535))


def blocks_of(views):
    """All blocks of a plan, each with words or a fault; or any that a device might make up."""

    def block(number):
        size = views.plan.blocks[number].count
        word = st.integers(0, 1) if views.plan.blocks[number].table.is_bits else _WORD
        good = st.lists(word, min_size=size, max_size=size).map(lambda words: BlockReport(number, tuple(words)))
        return good | st.sampled_from([2, 0xE0]).map(lambda fault: BlockReport(number, (), fault))

    return st.tuples(*map(block, range(len(views.plan.blocks))))


@st.composite
def histories(draw, views, hours=1, most=40, pauses=(1, 10, 59, 60, 61, 150, 151, 900)):
    """Reports of these plans, in order, over some hours; times are whole milliseconds."""
    reports, time_us = [], START_US
    for batch in range(draw(st.integers(1, most))):
        time_us += draw(st.sampled_from(pauses)) * 1_000_000 + draw(st.integers(0, 999)) * 1000
        if time_us >= START_US + hours * HOUR_US:
            break
        one = draw(st.sampled_from(views))
        blocks = draw(blocks_of(one))
        kept = draw(st.sets(st.sampled_from(range(len(blocks))), min_size=1))
        some = tuple(block for number, block in enumerate(blocks) if number in kept)
        reports.append(Report(DEVICE, time_us, 3, batch, 0, one.plan.number, some, draw(st.sampled_from([0, 0, 1]))))
    return reports
