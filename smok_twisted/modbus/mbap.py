"""MODBUS/TCP: the MBAP header in front of each PDU.

Source: MODBUS Messaging on TCP/IP Implementation Guide V1.0b, section 3.1.3: transaction (2), protocol (2, 0),
length (2, of what follows), unit (1), PDU.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from ..errors import RemoteError
from .pdu import MAX_PDU_OCTETS

HEADER = struct.Struct(">HHHB")
LENGTH_ENDS_AT = 6
#: More than one read of a socket brings; what was fed is to be taken out before more is.
CEILING_OCTETS = 128 * 1024


class Adu(NamedTuple):
    """One message; ``transaction`` (0..65535) pairs the response with its request."""

    transaction: int
    unit: int
    pdu: bytes

    def encode(self) -> bytes:
        """As it travels."""
        return HEADER.pack(self.transaction, 0, 1 + len(self.pdu), self.unit) + self.pdu


class Decoder:
    """Pull decoder: ``feed`` octets, then call ``next`` until it answers None ("need more").

    Less than 260 octets then stay in its buffer.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, octets: bytes) -> None:
        """Take octets in. Raises RemoteError("too-much") when more than the ceiling would wait."""
        if len(self._buffer) + len(octets) > CEILING_OCTETS:
            raise RemoteError("too-much", f"{len(self._buffer) + len(octets)} octets wait")
        self._buffer += octets

    def next(self) -> Adu | None:
        """The next message; None: need more.

        Raises RemoteError("bad-mbap") as soon as an octet tells that this is no MBAP. Nothing can be found
        behind it: close the connection.
        """
        buffer = self._buffer
        if any(buffer[2:4]):
            raise RemoteError("bad-mbap", f"protocol id is not 0: {buffer[:4].hex()}")
        if any(buffer[4:5]) or (len(buffer) >= LENGTH_ENDS_AT and not 2 <= buffer[5] <= 1 + MAX_PDU_OCTETS):
            raise RemoteError("bad-mbap", f"length is not 2 to {1 + MAX_PDU_OCTETS}: {buffer[:6].hex()}")
        if len(buffer) < LENGTH_ENDS_AT or len(buffer) < LENGTH_ENDS_AT + buffer[5]:
            return None
        transaction, _, length, unit = HEADER.unpack_from(buffer)
        pdu = bytes(buffer[HEADER.size : LENGTH_ENDS_AT + length])
        del buffer[: LENGTH_ENDS_AT + length]
        return Adu(transaction, unit, pdu)
