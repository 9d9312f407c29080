"""MODBUS RTU: frames with CRC on a serial line, or on TCP without MBAP, and how to find them again after noise.

Source: MODBUS over Serial Line V1.02, section 2.5.1; design note dtu, rule 4. A stream keeps no frame edges: unit,
function, the length that follows from them, and CRC decide. What is no frame is given up octet by octet.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from ..errors import RemoteError
from .pdu import MEI_IDENTIFICATION, MaskWrite, Read, ReadIdentification, ReadWrite, Request
from .responses import EXCEPTION_BIT

MAX_FRAME_OCTETS = 256
MIN_FRAME_OCTETS = 4
CRC_OCTETS = 2
EXCEPTION_OCTETS = 5
#: More than one read of a socket brings; what was fed is to be taken out before more is.
CEILING_OCTETS = 128 * 1024


def _table_entry(octet: int) -> int:
    for _ in range(8):
        octet = octet >> 1 ^ (0xA001 if octet & 1 else 0)
    return octet


_CRC_TABLE = tuple(map(_table_entry, range(256)))


def crc16(octets: bytes | bytearray | memoryview) -> int:
    """The CRC of MODBUS over Serial Line, section 6.2.2 (polynomial 0xA001, start 0xFFFF).

    It travels low octet first, so the CRC of a whole frame, its own CRC included, is 0.
    """
    crc = 0xFFFF
    for octet in octets:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ octet) & 0xFF]
    return crc


def build_frame(unit: int, pdu: bytes) -> bytes:
    """``pdu`` for ``unit`` (0..255) as it travels: unit, PDU, CRC."""
    octets = bytes((unit,)) + pdu
    return octets + struct.pack("<H", crc16(octets))


class Frame(NamedTuple):
    """One frame whose CRC is right."""

    unit: int
    pdu: bytes


class Noise(NamedTuple):
    """Octets given up because no frame begins there. ``crc``: one began, but its CRC was wrong."""

    octets: int
    crc: bool


#: Octets of the frame that begins here, or a lower bound while the buffer does not tell yet; None if none does.
#: The buffer is never empty.
Measure = Callable[[bytearray], int | None]


class Decoder:
    """Pull decoder: ``feed`` octets, then call ``next`` until it answers None ("need more").

    Less than ``MAX_FRAME_OCTETS`` then stay in its buffer, whatever came.
    """

    def __init__(self, measure: Measure) -> None:
        self._measure = measure
        self._buffer = bytearray()

    def feed(self, octets: bytes) -> None:
        """Take octets in. Raises RemoteError("too-much") when more than the ceiling would wait."""
        if len(self._buffer) + len(octets) > CEILING_OCTETS:
            raise RemoteError("too-much", f"{len(self._buffer) + len(octets)} octets wait")
        self._buffer += octets

    def next(self) -> Frame | Noise | None:
        """The next frame, or the octets in front of it that are none; None: need more."""
        dropped, bad_crc = 0, False
        while self._buffer:
            size = self._measure(self._buffer)
            if size is not None and len(self._buffer) < size:
                break
            if size is not None and crc16(memoryview(self._buffer)[:size]) == 0:
                if dropped:
                    break
                return self._take(size)
            bad_crc = bad_crc or size is not None
            del self._buffer[:1]
            dropped += 1
        return Noise(dropped, bad_crc) if dropped else None

    def silence(self) -> Noise | None:
        """The line fell silent, so what ``next`` still waits for will not come: give its first octet up.

        A frame may stand behind it: ask ``next`` again, then this, until both answer None.
        """
        if not self._buffer:
            return None
        del self._buffer[:1]
        return Noise(1, False)

    def _take(self, size: int) -> Frame:
        frame = Frame(self._buffer[0], bytes(self._buffer[1 : size - CRC_OCTETS]))
        del self._buffer[:size]
        return frame


def request_decoder() -> Decoder:
    """A decoder of requests to any unit, for a server or somebody who listens in."""
    return Decoder(_request_octets)


def response_decoder(unit: int, request: Request) -> Decoder:
    """A decoder that only knows the answers of ``unit`` to ``request``: everything else is noise."""
    return Decoder(_response_measure(unit, request))


_FIXED_REQUEST_OCTETS = {**dict.fromkeys(range(1, 7), 8), MaskWrite.function: 10}
#: Where the byte count stands in the frame of a request that has one.
_BYTE_COUNT_AT = {15: 6, 16: 6, ReadWrite.function: 10}


def _request_octets(buffer: bytearray) -> int | None:
    if len(buffer) < 2:
        return MIN_FRAME_OCTETS
    function = buffer[1]
    if function == ReadIdentification.function:
        return 7 if len(buffer) < 3 or buffer[2] == MEI_IDENTIFICATION else None
    at = _BYTE_COUNT_AT.get(function)
    if at is None:
        return _FIXED_REQUEST_OCTETS.get(function)
    if len(buffer) <= at:
        return at + 1 + CRC_OCTETS
    return _bounded(at + 1 + buffer[at] + CRC_OCTETS)


def _bounded(size: int) -> int | None:
    return size if size <= MAX_FRAME_OCTETS else None


def _response_measure(unit: int, request: Request) -> Measure:
    """What begins with another unit, function or byte count is no answer to ``request``."""
    function = request.function
    byte_count = _byte_count(request)
    if byte_count is None:
        size = 10 if isinstance(request, MaskWrite) else 8
    else:
        size = 3 + byte_count + CRC_OCTETS

    def measure(buffer: bytearray) -> int | None:
        if buffer[0] != unit:
            return None
        if len(buffer) < 2 or buffer[1] == function | EXCEPTION_BIT:
            return EXCEPTION_OCTETS
        if buffer[1] != function or (byte_count is not None and len(buffer) > 2 and buffer[2] != byte_count):
            return None
        return _identification_octets(buffer) if function == ReadIdentification.function else size

    return measure


def _byte_count(request: Request) -> int | None:
    """The byte count of the response to ``request``, None if it has none."""
    match request:
        case Read(table=table, count=count):
            return (count + 7) // 8 if table.is_bits else 2 * count
        case ReadWrite(read_count=count):
            return 2 * count
    return None


def _identification_octets(buffer: bytearray) -> int | None:
    """43/14 tells its length only by its objects: their number, then (id, length, octets) each."""
    if len(buffer) > 2 and buffer[2] != MEI_IDENTIFICATION:
        return None
    at = 8
    for _ in range(buffer[7] if len(buffer) >= at else 0):
        if len(buffer) < at + 2:
            return _bounded(at + 2 + CRC_OCTETS)
        at += 2 + buffer[at + 1]
    return _bounded(at + CRC_OCTETS)
