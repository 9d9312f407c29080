"""A MODBUS unit in memory: registers and coils that answer request PDUs. Pure.

Source: MODBUS Application Protocol V1.1b3, section 6. For simulated equipment, tests, and whoever embeds a server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..errors import RemoteError
from ..readings import Table
from .pdu import (
    MaskWrite,
    Read,
    ReadWrite,
    Request,
    WriteCoil,
    WriteCoils,
    WriteRegister,
    WriteRegisters,
    decode_request,
)
from .responses import CODE_OF_REASON, ExceptionCode, ExceptionResponse, ReadResponse, Response, WriteResponse

#: Hears of each write after it was done: (table, address, values).
Written = Callable[[Table, int, tuple[int, ...]], None]


class RegisterBank:
    """``registers[table][address]`` is a word or a bit; an address that is not there answers exception 2."""

    def __init__(self, written: Written = lambda table, address, values: None) -> None:
        self.registers: dict[Table, dict[int, int]] = {table: {} for table in Table}
        self._written = written

    def answer(self, pdu: bytes) -> bytes:
        """The response PDU to any request PDU; what is wrong with it becomes an exception response."""
        function = pdu[0] & 0x7F if pdu else 0
        try:
            return self._do(decode_request(pdu)).encode()
        except RemoteError as error:
            code = CODE_OF_REASON.get(error.reason, ExceptionCode.ILLEGAL_DATA_VALUE)
        except KeyError:
            code = ExceptionCode.ILLEGAL_DATA_ADDRESS
        return ExceptionResponse(function, code).encode()

    def _do(self, request: Request) -> Response:
        match request:
            case Read(table, start, count):
                return ReadResponse(request.function, self._read(table, start, count))
            case WriteCoil(address, value):
                self._write(Table.COIL, address, (int(value),))
                return request
            case WriteRegister(address, value):
                self._write(Table.HOLDING, address, (value,))
                return request
            case WriteCoils(start, values):
                self._write(Table.COIL, start, values)
                return WriteResponse(request.function, start, len(values))
            case WriteRegisters(start, values):
                self._write(Table.HOLDING, start, values)
                return WriteResponse(request.function, start, len(values))
            case MaskWrite(address, and_mask, or_mask):
                word = self.registers[Table.HOLDING][address]
                self._write(Table.HOLDING, address, (word & and_mask | or_mask & ~and_mask & 0xFFFF,))
                return request
            case ReadWrite(read_start, read_count, write_start, values):
                self._read(Table.HOLDING, read_start, read_count)  # both addresses first: all or nothing
                self._write(Table.HOLDING, write_start, values)
                return ReadResponse(request.function, self._read(Table.HOLDING, read_start, read_count))
        return ExceptionResponse(request.function, ExceptionCode.ILLEGAL_FUNCTION)

    def _read(self, table: Table, start: int, count: int) -> tuple[int, ...]:
        cells = self.registers[table]
        return tuple(cells[address] for address in range(start, start + count))

    def _write(self, table: Table, start: int, values: Iterable[int]) -> None:
        """All or nothing."""
        cells, values = self.registers[table], tuple(int(value) for value in values)
        for address in range(start, start + len(values)):
            cells[address]
        cells.update(zip(range(start, start + len(values)), values, strict=True))
        self._written(table, start, values)
