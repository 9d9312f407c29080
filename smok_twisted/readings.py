"""The nouns that everything above the wire shares: blocks, plans, reports.

Raw register words are what travels and what is stored; scaling happens on reading, with the register map
that was in force (design note storage, "Data").
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Table(enum.IntEnum):
    """MODBUS tables, numbered as in the PLAN message of SMOK/4."""

    COIL = 1
    DISCRETE = 2
    HOLDING = 3
    INPUT = 4

    @property
    def is_bits(self) -> bool:
        """Coils and discrete inputs hold one bit each, the others a word of 16."""
        return self <= Table.DISCRETE


class Block(NamedTuple):
    """One read that a device repeats by itself: a run of registers or bits of one unit."""

    unit: int  #: 0..255
    table: Table
    start: int  #: 0-based address
    count: int  # type: ignore[assignment]  #: 1..120 registers or 1..255 bits
    interval_seconds: int  #: sample every
    report_seconds: int  #: send at least every; 0 = with each sample
    deadband: int  #: raw words; a change beyond it is sent at once; 255 = never at once


class Plan(NamedTuple):
    """What a device reads by itself. ``number`` is never given to two different plans of one device."""

    number: int  #: 1..65535; 0 stands for "no plan"; see ``FIRST_UNTOLD_PLAN``
    blocks: tuple[Block, ...]  #: at most 64
    model: str  #: name of the register map it was made from
    version: str  #: content hash of that map, so that old words keep their meaning


#: Plans from this number on are never told to a device: readings that reached us by another way are kept under them.
#: They count down from 65535, so that none takes a number that its device may hold.
FIRST_UNTOLD_PLAN = 0xF000
LAST_PLAN = 0xFFFF


def next_untold_plan(known: Iterable[int]) -> int:
    """The next such number beside those that a device has."""
    return min((number for number in known if number >= FIRST_UNTOLD_PLAN), default=LAST_PLAN + 1) - 1


class Fault(enum.IntEnum):
    """Why a block has no values: codes below 0x80 are MODBUS exceptions, these are ours."""

    TIMEOUT = 0xE0
    CRC = 0xE1
    WRONG_REPLY = 0xE2
    BUS_DOWN = 0xE3


QUALITY_OF_FAULT = {
    Fault.TIMEOUT: "timeout",
    Fault.CRC: "crc",
    Fault.WRONG_REPLY: "wrong-reply",
    Fault.BUS_DOWN: "bus-down",
}


def quality_of(fault: int) -> str:
    """The word users see for a fault code (0: ``good``)."""
    if fault == 0:
        return "good"
    return QUALITY_OF_FAULT.get(fault) or f"exception-{fault}"  # type: ignore[call-overload]


class BlockReport(NamedTuple):
    """What reading one block gave: its words, or why there are none."""

    block: int  #: index into the plan's blocks
    words: tuple[int, ...]  #: u16 each, or 0/1 for bits; empty when ``fault`` is set
    fault: int = 0  #: 0 good, 1..127 a MODBUS exception code, else a ``Fault``


class Round(NamedTuple):
    """What a device read at one moment, as it came over a link."""

    age: int  #: tenths of a second before it was sent
    reports: tuple[BlockReport, ...]


#: 400 days, in tenths of a second; a round that claims to be older was stamped by a clock gone wrong.
OLDEST_AGE = 400 * 24 * 3600 * 10

#: Bits of ``Report.flags``.
UNAUTHENTICATED = 1  #: came over a link that proves nothing
TIME_DOUBTFUL = 2  #: the device's time was outside the plausible window; receive time stands instead
REPLAYED = 4  #: came out of a capture


class Report(NamedTuple):
    """What one round of polling a device gave; the unit of storage. (device, boot, batch, round) is its name."""

    device_id: int
    time_us: int  #: wall clock, microseconds since 1970 UTC
    boot: int  #: the epoch of the device's batch numbers
    batch: int
    round: int  #: position within the batch
    plan: int  #: number of the plan under which it was read
    blocks: tuple[BlockReport, ...]
    flags: int = 0


def reports_of(
    device_id: int, boot: int, batch: int, plan: int, rounds: Sequence[Round], received_us: int, flags: int = 0
) -> tuple[Report, ...]:
    """A batch as it is stored. A round was read ``age`` before it was received; a device whose clock went wrong is
    not believed."""
    return tuple(
        Report(device_id, received_us, boot, batch, number, plan, one.reports, flags | TIME_DOUBTFUL)
        if one.age > OLDEST_AGE
        else Report(device_id, received_us - one.age * 100_000, boot, batch, number, plan, one.reports, flags)
        for number, one in enumerate(rounds)
    )


def is_nameless(report: Report) -> bool:
    """Whether (boot, batch, round) is no batch of the device's own: somebody else read it, and a capture has it. Only
    its place tells it from others."""
    return report.flags & (UNAUTHENTICATED | REPLAYED) == UNAUTHENTICATED | REPLAYED
