"""libmodbus as a master, through ctypes: an implementation in C that shares nothing with ours."""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Sequence
from typing import Any

from smok_twisted.readings import Table

EXCEPTIONS_FROM = 112345678  #: errno of the MODBUS exceptions: this and their code
TIMEOUT_SECONDS = 5


def load() -> Any | None:
    """The library; None if it is not installed."""
    name = ctypes.util.find_library("modbus")
    if name is None:
        return None
    library = ctypes.CDLL(name, use_errno=True)
    library.modbus_new_tcp.restype = library.modbus_new_rtu.restype = ctypes.c_void_p
    return library


class Answer(Exception):
    """The slave said no; ``code`` is the exception."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Master:
    """A connection to one unit."""

    def __init__(self, library: Any, context: int, unit: int) -> None:
        self._library = library
        self._context = ctypes.c_void_p(context)
        library.modbus_set_slave(self._context, unit)
        library.modbus_set_response_timeout(self._context, TIMEOUT_SECONDS, 0)
        self._call("modbus_connect")

    @classmethod
    def tcp(cls, library: Any, port: int, unit: int) -> Master:
        """MODBUS/TCP to a port of this machine."""
        return cls(library, library.modbus_new_tcp(b"127.0.0.1", port), unit)

    @classmethod
    def rtu(cls, library: Any, path: str, unit: int) -> Master:
        """RTU on a serial line."""
        return cls(library, library.modbus_new_rtu(path.encode(), 115200, ctypes.c_char(b"N"), 8, 1), unit)

    def close(self) -> None:
        """Hang up and free everything."""
        self._library.modbus_close(self._context)
        self._library.modbus_free(self._context)

    def read(self, table: Table, start: int, count: int) -> list[int]:
        """Functions 1 to 4."""
        name = {1: "read_bits", 2: "read_input_bits", 3: "read_registers", 4: "read_input_registers"}[table]
        values = ((ctypes.c_uint8 if table.is_bits else ctypes.c_uint16) * count)()
        self._call(f"modbus_{name}", start, count, values)
        return list(values)

    def write_one(self, table: Table, start: int, value: int) -> None:
        """Functions 5 and 6."""
        self._call("modbus_write_bit" if table.is_bits else "modbus_write_register", start, value)

    def write_many(self, table: Table, start: int, values: Sequence[int]) -> None:
        """Functions 15 and 16."""
        if table.is_bits:
            self._call("modbus_write_bits", start, len(values), (ctypes.c_uint8 * len(values))(*values))
        else:
            self._call("modbus_write_registers", start, len(values), (ctypes.c_uint16 * len(values))(*values))

    def mask(self, address: int, and_mask: int, or_mask: int) -> None:
        """Function 22."""
        self._call("modbus_mask_write_register", address, ctypes.c_uint16(and_mask), ctypes.c_uint16(or_mask))

    def write_and_read(self, write_start: int, values: Sequence[int], start: int, count: int) -> list[int]:
        """Function 23."""
        found = (ctypes.c_uint16 * count)()
        sent = (ctypes.c_uint16 * len(values))(*values)
        self._call("modbus_write_and_read_registers", write_start, len(values), sent, start, count, found)
        return list(found)

    def _call(self, name: str, *arguments: Any) -> None:
        if getattr(self._library, name)(self._context, *arguments) >= 0:
            return
        number = ctypes.get_errno()
        if EXCEPTIONS_FROM < number <= EXCEPTIONS_FROM + 11:
            raise Answer(number - EXCEPTIONS_FROM)
        self._library.modbus_strerror.restype = ctypes.c_char_p
        raise OSError(number, f"{name}: {self._library.modbus_strerror(number).decode()}")
