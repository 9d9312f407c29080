"""PLAN: what a device shall read by itself, in one or several records (design note smok4, "PLAN")."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from ...errors import LocalError, RemoteError
from ...readings import Block, Table
from .messages import MAX_BODY_OCTETS, Type

_HEAD = struct.Struct(">BHBB")
_BLOCK = struct.Struct(">BBHBHHB")
MOST_BLOCKS = 64


def encode(number: int, blocks: Sequence[Block], max_body_octets: int = MAX_BODY_OCTETS) -> list[bytes]:
    """The bodies of one PLAN, none longer than the device can take. Parts count from 0.

    Raises LocalError for more than 64 blocks, or when not even one block fits.
    """
    room = (min(max_body_octets, MAX_BODY_OCTETS) - _HEAD.size) // _BLOCK.size
    if len(blocks) > MOST_BLOCKS or room < 1:
        raise LocalError(f"a plan of {len(blocks)} blocks cannot be told in records of {max_body_octets} octets")
    parts = [blocks[at : at + room] for at in range(0, len(blocks), room)] or [()]
    return [
        _HEAD.pack(Type.PLAN, number, part, len(parts)) + b"".join(_BLOCK.pack(*block) for block in some)
        for part, some in enumerate(parts)
    ]


def decode_part(payload: bytes) -> tuple[int, int, int, list[Block]]:
    """Plan number, part, parts and this part's blocks. Raises RemoteError("bad-plan")."""
    if len(payload) < 4 or (len(payload) - 4) % _BLOCK.size:
        raise RemoteError("bad-plan", f"a PLAN of {len(payload)} octets")
    number, part, parts = struct.unpack(">HBB", payload[:4])
    return number, part, parts, [_block(fields) for fields in _BLOCK.iter_unpack(payload[4:])]


def _block(fields: tuple[int, ...]) -> Block:
    unit, table, start, count, interval, report, deadband = fields
    most = 255 if table <= Table.DISCRETE else 120
    if not 1 <= table <= 4 or not 1 <= count <= most or start + count > 0x10000 or not interval:
        raise RemoteError("bad-plan", f"a block of table {table}, start {start}, count {count}, every {interval} s")
    return Block(unit, Table(table), start, count, interval, report, deadband)


class PlanAssembler:
    """The device's half: collects parts; a plan is there when its last missing part has come."""

    def __init__(self) -> None:
        self._key = (0, 0)
        self._parts: dict[int, list[Block]] = {}

    def add(self, payload: bytes) -> tuple[int, tuple[Block, ...]] | None:
        """Number and blocks of the plan that is now complete, or None. Raises RemoteError("bad-plan")."""
        number, part, parts, blocks = decode_part(payload)
        if part >= parts or not number:
            raise RemoteError("bad-plan", f"part {part} of {parts} of plan {number}")
        if self._key != (number, parts):
            self._key, self._parts = (number, parts), {}
        self._parts[part] = blocks
        if len(self._parts) < parts:
            return None
        whole = tuple(block for part in sorted(self._parts) for block in self._parts[part])
        self._parts = {}
        if len(whole) > MOST_BLOCKS:
            raise RemoteError("bad-plan", f"a plan of {len(whole)} blocks")
        return number, whole
