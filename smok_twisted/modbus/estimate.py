"""What a register map costs on the wire, for ``smok map check``: counted, not measured, so always the same.

Assumptions, which ``ASSUMPTIONS`` says in a sentence. SMOK/4 (design note smok4): after the first report every
block is sent as *changes* in which every second register changes by less than 64 (one octet), once per ``report``, or
``interval`` without one; nothing goes beyond a deadband in between. Blocks that are sent equally often share records.
A record costs its length octet and an 8-octet tag, DATA two octets of batch; the server acknowledges what came
together at once, as it does without an ``ack_delay``. MODBUS/TCP: one request per block and interval. Every segment
carries 40 octets of IPv4 and TCP header and is acknowledged by a bare one unless an answer does that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..readings import Block
from .maps import RegisterMap
from .plan import data_octets, plan_blocks

ASSUMPTIONS = (
    "IPv4 and TCP headers of 40 octets and acknowledgements included, a month has 30 days, "
    "every second register changes a little between two reports"
)

MONTH_SECONDS = 30 * 24 * 3600
HEADER_OCTETS = 40
SEGMENT_OCTETS = 1400
KEEPALIVE_SECONDS = 240

RECORD_OCTETS = 1 + 8  #: length and tag around a body
DATA_HEAD_OCTETS = 1 + 2  #: type and batch
LONGEST_ROUNDS_OCTETS = 255 - DATA_HEAD_OCTETS
#: ACK, in the segment that acknowledges DATA anyway, and the bare acknowledgement of that.
ACK_OCTETS = RECORD_OCTETS + DATA_HEAD_OCTETS + HEADER_OCTETS
#: PING, PONG with its tick, and the bare acknowledgement of that.
PING_OCTETS = 2 * RECORD_OCTETS + 1 + 3 + 3 * HEADER_OCTETS

#: MBAP request; MBAP response around its data, and the bare acknowledgement of that.
MODBUS_TCP_OCTETS = (HEADER_OCTETS + 12) + (HEADER_OCTETS + 9) + HEADER_OCTETS


@dataclass(frozen=True)
class Estimate:
    """A *cycle* reads every block once; octets count both directions, headers included."""

    points: int
    requests: int  #: per cycle on the device's bus
    registers: int  #: per cycle, gaps that are read along included
    bits: int
    smok4_cycle_octets: int
    smok4_month_octets: int
    modbus_tcp_cycle_octets: int
    modbus_tcp_month_octets: int


def estimate(register_map: RegisterMap) -> Estimate:
    """What reading ``register_map`` costs. Raises UserError as ``plan_blocks``."""
    blocks = plan_blocks(register_map)
    return Estimate(
        points=len(register_map.points),
        requests=len(blocks),
        registers=sum(block.count for block in blocks if not block.table.is_bits),
        bits=sum(block.count for block in blocks if block.table.is_bits),
        smok4_cycle_octets=_data_octets(blocks, 1, 0) if blocks else 0,
        smok4_month_octets=_smok4_month_octets(blocks),
        modbus_tcp_cycle_octets=sum(map(_modbus_tcp_octets, blocks)),
        modbus_tcp_month_octets=sum(
            MONTH_SECONDS // block.interval_seconds * _modbus_tcp_octets(block) for block in blocks
        ),
    )


def _modbus_tcp_octets(block: Block) -> int:
    return MODBUS_TCP_OCTETS + data_octets(block.table, block.count)


def _smok4_month_octets(blocks: Sequence[Block]) -> int:
    classes: dict[tuple[int, int], list[Block]] = {}
    for block in blocks:
        classes.setdefault((block.interval_seconds, block.report_seconds), []).append(block)
    total = 0
    for (interval, report), members in classes.items():
        period = max(interval, report)
        total += MONTH_SECONDS // period * _data_octets(members, period // interval, period - interval)
    shortest = min((max(names) for names in classes), default=MONTH_SECONDS)
    return total + (MONTH_SECONDS // KEEPALIVE_SECONDS * PING_OCTETS if shortest > KEEPALIVE_SECONDS else 0)


def _data_octets(blocks: Iterable[Block], rounds: int, oldest_seconds: int) -> int:
    """``rounds`` samples of ``blocks`` as DATA records in as few segments as they fit, with the acknowledgements."""
    one_round = _varint_octets(10 * oldest_seconds) + 1 + sum(map(_report_octets, blocks))
    octets = rounds * one_round
    octets += -(-octets // LONGEST_ROUNDS_OCTETS) * (RECORD_OCTETS + DATA_HEAD_OCTETS)
    return octets + -(-octets // SEGMENT_OCTETS) * 2 * HEADER_OCTETS + ACK_OCTETS


def _report_octets(block: Block) -> int:
    """A report of kind *changes*: head, bitmap, a delta of one octet for every second register."""
    bitmap = (block.count + 7) // 8
    return 1 + bitmap + (0 if block.table.is_bits else (block.count + 1) // 2)


def _varint_octets(number: int) -> int:
    return max(1, (number.bit_length() + 6) // 7)
