"""The messages of SMOK/4 that follow the login, as bodies ``type(1) || payload`` (design note smok4, "Messages").

Decoding functions take the payload (the body without its type) and raise RemoteError("bad-message").
PLAN is in ``plans``, DATA in ``rounds``, LOGIN and WELCOME in ``handshake.messages``.
"""

from __future__ import annotations

import enum
import struct
from typing import NamedTuple

from ...errors import LocalError, RemoteError


class Type(enum.IntEnum):
    """Message types. Those below 0x80 that are not known are skipped, those from 0x80 end the session."""

    LOGIN = 0x01
    WELCOME = 0x02
    PING = 0x03
    DATA = 0x04
    ACK = 0x05
    MODBUS_REQ = 0x06
    MODBUS_RSP = 0x07
    EVENT = 0x08
    KEYUPDATE = 0x09
    KEYOK = 0x0A
    GOAWAY = 0x0B
    BYE = 0x0C
    PLAN = 0x0D
    PLANOK = 0x0E
    SERVERS = 0x0F


FIRST_CRITICAL_TYPE = 0x80
MAX_BODY_OCTETS = 255


class Reason(enum.IntEnum):
    """Reasons in BYE. The note leaves the numbers to us; 0 is the ordinary end."""

    DONE = 0
    UNKNOWN_CRITICAL = 1
    PROTOCOL = 2
    REPLACED = 3


class ModbusRequest(NamedTuple):
    """MODBUS-REQ: run this PDU on this unit; a write only while ``(deadline - tick) mod 2**16 <= 600``."""

    txid: int
    deadline: int
    unit: int
    pdu: bytes


class ModbusResponse(NamedTuple):
    """MODBUS-RSP: what the unit answered, exceptions included."""

    txid: int
    pdu: bytes


class GoAway(NamedTuple):
    """GOAWAY: come again after ``after_seconds`` plus a random part of ``jitter_seconds``."""

    after_seconds: int
    jitter_seconds: int


def ping(tick: int | None = None) -> bytes:
    """PING from the side that asks (and the server's answer): empty. A device answers with its tick."""
    return bytes((Type.PING,)) if tick is None else struct.pack(">BH", Type.PING, tick)


def decode_ping(payload: bytes) -> int | None:
    """The device's tick, or None when the other side asks (or is the server that answers)."""
    return _unpack(">H", payload)[0] if payload else None


def ack(batch: int) -> bytes:
    """ACK: every batch up to this one is durable."""
    return struct.pack(">BH", Type.ACK, batch)


def decode_ack(payload: bytes) -> int:
    """The newest durable batch."""
    return _unpack(">H", payload)[0]


def modbus_request(request: ModbusRequest) -> bytes:
    """MODBUS-REQ. Raises LocalError when the PDU is not 1..249 octets."""
    if not 1 <= len(request.pdu) <= 249:
        raise LocalError(f"a PDU in a MODBUS-REQ has 1..249 octets, not {len(request.pdu)}")
    return struct.pack(">BHHB", Type.MODBUS_REQ, request.txid, request.deadline, request.unit) + request.pdu


def decode_modbus_request(payload: bytes) -> ModbusRequest:
    """The inverse."""
    if len(payload) < 6:
        raise RemoteError("bad-message", "MODBUS-REQ without a PDU")
    txid, deadline, unit = struct.unpack(">HHB", payload[:5])
    return ModbusRequest(txid, deadline, unit, payload[5:])


def modbus_response(response: ModbusResponse) -> bytes:
    """MODBUS-RSP. Raises LocalError when the PDU is not 1..252 octets."""
    if not 1 <= len(response.pdu) <= 252:
        raise LocalError(f"a PDU in a MODBUS-RSP has 1..252 octets, not {len(response.pdu)}")
    return struct.pack(">BH", Type.MODBUS_RSP, response.txid) + response.pdu


def decode_modbus_response(payload: bytes) -> ModbusResponse:
    """The inverse."""
    if len(payload) < 3:
        raise RemoteError("bad-message", "MODBUS-RSP without a PDU")
    return ModbusResponse(int.from_bytes(payload[:2]), payload[2:])


def event(code: int, data: bytes = b"") -> bytes:
    """EVENT: something that the device noticed by itself."""
    return bytes((Type.EVENT, code)) + data


def decode_event(payload: bytes) -> tuple[int, bytes]:
    """Code and data."""
    if not payload:
        raise RemoteError("bad-message", "EVENT without a code")
    return payload[0], payload[1:]


def key_update(kid: int, secret: bytes) -> bytes:
    """KEYUPDATE: put ``secret`` into the spare slot under the number ``kid``."""
    return bytes((Type.KEYUPDATE, kid)) + secret


def decode_key_update(payload: bytes) -> tuple[int, bytes]:
    """Slot number and secret."""
    if len(payload) < 2:
        raise RemoteError("bad-message", "KEYUPDATE without a secret")
    return payload[0], payload[1:]


def key_ok(kid: int) -> bytes:
    """KEYOK: the new secret is stored and was read back."""
    return bytes((Type.KEYOK, kid))


def decode_key_ok(payload: bytes) -> int:
    """Slot number."""
    return _unpack(">B", payload)[0]


def go_away(message: GoAway) -> bytes:
    """GOAWAY."""
    return struct.pack(">BHH", Type.GOAWAY, *message)


def decode_go_away(payload: bytes) -> GoAway:
    """The inverse."""
    return GoAway(*_unpack(">HH", payload))


def bye(reason: int = Reason.DONE) -> bytes:
    """BYE: the sender closes after this."""
    return bytes((Type.BYE, reason))


def decode_bye(payload: bytes) -> int:
    """The reason."""
    return _unpack(">B", payload)[0]


def plan_ok(plan: int, status: int = 0) -> bytes:
    """PLANOK: the device holds (or, with a status other than 0, refuses) this plan."""
    return struct.pack(">BHB", Type.PLANOK, plan, status)


def decode_plan_ok(payload: bytes) -> tuple[int, int]:
    """Plan number and status."""
    plan, status = _unpack(">HB", payload)
    return plan, status


def servers(addresses: list[str]) -> bytes:
    """SERVERS: ``host:port`` strings to dial from now on. Raises LocalError when they do not fit one record."""
    body = bytes((Type.SERVERS,))
    for address in addresses:
        body += bytes((len(address),)) + address.encode("ascii")
    if len(body) > MAX_BODY_OCTETS:
        raise LocalError(f"{len(addresses)} server addresses do not fit the {MAX_BODY_OCTETS} octets of one record")
    return body


def decode_servers(payload: bytes) -> list[str]:
    """The inverse."""
    addresses = []
    while payload:
        length = payload[0]
        text, payload = payload[1 : 1 + length], payload[1 + length :]
        if len(text) != length or not text.isascii():
            raise RemoteError("bad-message", "SERVERS with a broken string")
        addresses.append(text.decode("ascii"))
    return addresses


def _unpack(shape: str, payload: bytes) -> tuple[int, ...]:
    if len(payload) != struct.calcsize(shape):
        raise RemoteError("bad-message", f"payload of {len(payload)} octets, expected {struct.calcsize(shape)}")
    return struct.unpack(shape, payload)
