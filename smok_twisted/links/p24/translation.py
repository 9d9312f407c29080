"""MODBUS requests as P24 commands, and what the commands gave as MODBUS responses (design note p24). Pure.

A command is about one register or coil, so a request that reads many becomes as many commands. P24 writes one at a
time; a request to write more is not split, since it could end half done.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import RemoteError
from ...modbus.pdu import Read, Request, WriteCoil, WriteCoils, WriteRegister, WriteRegisters
from ...modbus.responses import ReadResponse, Response, WriteResponse
from .commands import READ_OF_TABLE, Code, Command


def commands_of(unit: int, request: Request) -> list[Command]:
    """The commands that do what ``request`` asks of ``unit``, one at least.

    Raises RemoteError("illegal-function") for what P24 has no command for.
    """
    match request:
        case Read(table, start, count) if table in READ_OF_TABLE:
            return [Command(READ_OF_TABLE[table], (address, unit)) for address in range(start, start + count)]
        case WriteRegister(address, value) | WriteRegisters(address, (value,)):
            return [Command(Code.WRITE_HOLDING, (address, value, unit))]
        case WriteCoil(address, value) | WriteCoils(address, (value,)):
            return [Command(Code.WRITE_COIL, (address, int(value), unit))]
    raise RemoteError("illegal-function", f"P24 has no command for {request}")


def response_of(request: Request, values: Sequence[int]) -> Response:
    """What answers ``request``, all of whose commands were done; ``values`` are those read, in order."""
    match request:
        case WriteRegister() | WriteCoil():
            return request
        case WriteRegisters() | WriteCoils():
            return WriteResponse(request.function, request.start, len(request.values))
    return ReadResponse(request.function, tuple(values))
