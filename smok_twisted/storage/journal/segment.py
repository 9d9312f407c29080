"""One file of the journal as octets: a head, then records that can be checked one by one. Pure.

``head: magic "SMOKJRNL" (8) | format (2) | first lsn (8) | crc32c (4)``, then records
``length (4) | crc32c (4) | lsn (8) | write time (8, us) | payload``. The sum is over everything behind it. Integers are
big-endian. Zeros behind the last record are room that was reserved.
"""

from __future__ import annotations

import struct
from typing import BinaryIO, NamedTuple

import google_crc32c

from ...errors import StorageError

FORMAT = 1
MAGIC = b"SMOKJRNL"
_HEAD = struct.Struct(">8sHQI")
_RECORD = struct.Struct(">IIQQ")
_SUMMED_FROM = 8
HEAD_OCTETS = _HEAD.size
RECORD_OCTETS = _RECORD.size
#: The longest payload: a batch is some hundred octets, and no length beyond this is believed.
LONGEST = 1 << 24
#: So many lost records are looked past.
_LOST_TOGETHER = 1000


class Entry(NamedTuple):
    """One record. ``lsn`` counts on for ever."""

    lsn: int
    time_us: int  #: wall clock at the write; all that were written together have the same, no others have
    payload: bytes


class Damaged(Exception):
    """There is no good record at ``position``, and something was written there."""

    def __init__(self, position: int, why: str) -> None:
        super().__init__(f"at octet {position}: {why}")
        self.position = position
        self.why = why


def head(first_lsn: int) -> bytes:
    """The beginning of a segment."""
    plain = _HEAD.pack(MAGIC, FORMAT, first_lsn, 0)[:-4]
    crc: int = google_crc32c.value(plain)
    return plain + crc.to_bytes(4)


def first_lsn(octets: bytes, name: str) -> int:
    """Out of a head. Raises StorageError for a file that is none of ours, and for one of a newer version."""
    if len(octets) < HEAD_OCTETS or octets[:8] != MAGIC:
        raise StorageError(f"{name} is no segment of a journal: move it away")
    _, number, first, crc = _HEAD.unpack_from(octets)
    if number > FORMAT:
        raise StorageError(
            f"{name} was written by a newer version (format {number}, this one knows {FORMAT}):"
            " install that version again"
        )
    if crc != google_crc32c.value(octets[: HEAD_OCTETS - 4]):
        raise StorageError(f"{name} is damaged: its head does not fit its sum")
    return int(first)


def record(entry: Entry) -> bytes:
    """One entry as octets."""
    rest = struct.pack(">QQ", entry.lsn, entry.time_us) + entry.payload
    return struct.pack(">II", len(entry.payload), google_crc32c.value(rest)) + rest


def size_of(entry: Entry) -> int:
    """Octets of its record."""
    return RECORD_OCTETS + len(entry.payload)


def record_at(file: BinaryIO, position: int, lsn: int) -> Entry | None:
    """The record at ``position``, which is that of ``lsn``; None where there are only zeros. Raises Damaged."""
    file.seek(position)
    begun = file.read(RECORD_OCTETS)
    if not begun.strip(b"\0"):
        return None
    if len(begun) < RECORD_OCTETS:
        raise Damaged(position, "a record is torn")
    length, crc, found, time_us = _RECORD.unpack(begun)
    if length > LONGEST:
        raise Damaged(position, "a record does not fit its sum")
    payload = file.read(length)
    if len(payload) < length:
        raise Damaged(position, "a record is torn")
    if crc != google_crc32c.extend(google_crc32c.value(begun[_SUMMED_FROM:]), payload):
        raise Damaged(position, "a record does not fit its sum")
    if found != lsn:
        raise Damaged(position, f"entry {found} stands where {lsn} should")
    return Entry(lsn, time_us, payload)


def next_good(file: BinaryIO, position: int, lsn: int) -> tuple[int, Entry] | None:
    """The first good record behind a damaged one at ``position``, which was that of ``lsn``; and where it is."""
    file.seek(position)
    rest = file.read().rstrip(b"\0")
    for candidate in range(lsn + 1, lsn + 1 + _LOST_TOGETHER):
        at = -1
        while (at := rest.find(candidate.to_bytes(8), at + 1)) >= 0:
            try:
                entry = record_at(file, max(0, position + at - _SUMMED_FROM), candidate)
            except Damaged:
                continue
            if entry is not None:
                return position + at - _SUMMED_FROM, entry
    return None
