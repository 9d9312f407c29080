"""P24 on the wire: the init of a device, commands and answers, octet by octet (design note p24). Pure.

A packet is a frame of ``framing.codec`` without a trailer: size, code, data. Command 1, "set network settings", has
no name here: without authentication it could hand a device to a stranger.
"""

from __future__ import annotations

import enum
import struct
from ipaddress import IPv4Address
from typing import Any, NamedTuple

from ...errors import Impossible, RemoteError
from ...modbus.responses import ExceptionCode
from ...readings import Fault, Table

_INIT = struct.Struct(">QI")
#: What a device says once, unframed: its id and the version of the protocol.
INIT_OCTETS = _INIT.size
VERSION = 0

#: What the server answers to an init.
ACCEPTED, REFUSED = b"\x01\x00", b"\x01\xfe"


def encode_init(device_id: int) -> bytes:
    """The init of a device with this u64."""
    return _INIT.pack(device_id, VERSION)


def decode_init(octets: bytes) -> int:
    """The id in an init of ``INIT_OCTETS``. Raises RemoteError("wrong-version")."""
    device_id, version = _INIT.unpack(octets)
    if version != VERSION:
        raise RemoteError("wrong-version", f"version {version} in {octets.hex()}")
    return int(device_id)


class Code(enum.IntEnum):
    """Commands."""

    KEEPALIVE = 0
    GET_NETWORK = 2
    READ_HOLDING = 3
    READ_COIL = 4
    WRITE_HOLDING = 5
    WRITE_COIL = 6
    VENDOR = 7
    READ_INPUT = 8


#: The command that reads one register or coil of a table; no command reads discrete inputs.
READ_OF_TABLE = {Table.HOLDING: Code.READ_HOLDING, Table.COIL: Code.READ_COIL, Table.INPUT: Code.READ_INPUT}

_NOTHING = struct.Struct("")
_ARGUMENTS = {
    Code.KEEPALIVE: _NOTHING,
    Code.GET_NETWORK: _NOTHING,
    Code.READ_HOLDING: struct.Struct(">HB"),
    Code.READ_COIL: struct.Struct(">HB"),
    Code.WRITE_HOLDING: struct.Struct(">HHB"),
    Code.WRITE_COIL: struct.Struct(">HBB"),
    Code.VENDOR: _NOTHING,
    Code.READ_INPUT: struct.Struct(">HB"),
}


class Command(NamedTuple):
    """One command; ``arguments`` as they travel: the register or coil first, what to write, the unit last."""

    code: Code
    arguments: tuple[int, ...] = ()

    @property
    def unit(self) -> int | None:
        """Whom on the serial line it is for; None: the device itself."""
        return self.arguments[-1] if self.arguments else None

    def encode(self) -> bytes:
        """The packet. Raises Impossible for arguments that are too few, too many or too large."""
        try:
            data = _ARGUMENTS[self.code].pack(*self.arguments)
        except struct.error:
            raise Impossible(f"{self} is no command: u16 for registers, 0 or 1 for a coil, u8 for the unit") from None
        return bytes((1 + len(data), self.code)) + data


def decode_command(packet: bytes) -> Command:
    """The inverse, for the device's side. Raises RemoteError("bad-command"), also for missing data."""
    try:
        code = Code(packet[1])
        return Command(code, _ARGUMENTS[code].unpack(packet[2:]))
    except (ValueError, struct.error):
        raise RemoteError("bad-command", packet.hex()) from None


class NetworkSettings(NamedTuple):
    """What GET_NETWORK tells: how the device reaches its server."""

    ip: IPv4Address
    mask: IPv4Address
    gateway: IPv4Address
    dns: IPv4Address
    host: str


class Answer(NamedTuple):
    """What came of a command."""

    value: Any = None  #: an int of READ_*, a str of VENDOR, NetworkSettings of GET_NETWORK
    fault: int = 0  #: as in ``readings.BlockReport``; a device that does not know the command is MODBUS exception 1


_OK, _FAILED, _UNSUPPORTED = 0x00, 0xFE, 0xFF
_FAULT_OF_DATA = {b"\x00": Fault.CRC, b"\x01": Fault.TIMEOUT}
_DATA_OF_FAULT = {fault: data for data, fault in _FAULT_OF_DATA.items()}
#: Success answers to these carry whatever was in the device's buffer.
_WRITES = (Code.WRITE_HOLDING, Code.WRITE_COIL)


def decode_answer(code: Code, packet: bytes) -> Answer:
    """What ``packet`` answers to a command of this code. Raises RemoteError("bad-answer") for any other octets."""
    status, data = packet[1], packet[2:]
    try:
        if status == _OK:
            return Answer(None if code in _WRITES else _value(code, data))
        if status == _FAILED:
            return Answer(fault=_FAULT_OF_DATA[data])
        if status == _UNSUPPORTED and not data:
            return Answer(fault=ExceptionCode.ILLEGAL_FUNCTION)
    except (struct.error, LookupError, ValueError):
        pass
    raise RemoteError("bad-answer", f"{packet.hex()} to {code.name}")


def encode_answer(code: Code, answer: Answer) -> bytes:
    """The inverse, for the device's side. A write's ``value`` is its octet of junk."""
    if answer.fault == ExceptionCode.ILLEGAL_FUNCTION:
        status, data = _UNSUPPORTED, b""
    elif answer.fault:
        status, data = _FAILED, _DATA_OF_FAULT[Fault(answer.fault)]
    else:
        status, data = _OK, _data(code, answer.value)
    return bytes((1 + len(data), status)) + data


def _value(code: Code, data: bytes) -> Any:
    """Of data after a 00. Raises struct.error, LookupError or ValueError for data that is not of its shape."""
    if code in (Code.READ_HOLDING, Code.READ_INPUT):
        return struct.unpack(">H", data)[0]
    if code is Code.READ_COIL:
        return {b"\x00": 0, b"\x01": 1}[data]
    if code is Code.VENDOR:
        return _text(data)
    if code is Code.GET_NETWORK:
        ip, mask, gateway, dns = (IPv4Address(data[at : at + 4]) for at in range(0, 16, 4))
        return NetworkSettings(ip, mask, gateway, dns, _text(data[16:]))
    if data:
        raise ValueError
    return None


def _data(code: Code, value: Any) -> bytes:
    if code in (Code.READ_HOLDING, Code.READ_INPUT):
        return struct.pack(">H", value)
    if code is Code.VENDOR:
        return _pstring(value)
    if code is Code.GET_NETWORK:
        return b"".join(address.packed for address in value[:4]) + _pstring(value.host)
    return b"" if code is Code.KEEPALIVE else bytes((value,))


def _text(data: bytes) -> str:
    """Of a string with its length in front, and nothing behind it."""
    if data[0] != len(data) - 1:
        raise ValueError
    return data[1:].decode("ascii")


def _pstring(text: str) -> bytes:
    return bytes((len(text),)) + text.encode("ascii")
