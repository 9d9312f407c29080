"""libmodbus as a master and as a unit, through ctypes: an implementation in C that shares nothing with ours."""

from __future__ import annotations

import ctypes
import ctypes.util
import socket
from collections.abc import Sequence
from typing import Any

from smok_twisted.readings import Table

EXCEPTIONS_FROM = 112345678  #: errno of the MODBUS exceptions: this and their code
TIMEOUT_SECONDS = 5
_FRAME_OCTETS = 260


def load() -> Any | None:
    """The library; None if it is not installed."""
    name = ctypes.util.find_library("modbus")
    if name is None:
        return None
    library = ctypes.CDLL(name, use_errno=True)
    library.modbus_new_tcp.restype = library.modbus_new_rtu.restype = ctypes.c_void_p
    library.modbus_strerror.restype = ctypes.c_char_p
    library.modbus_mapping_new_start_address.restype = ctypes.POINTER(Mapping)
    return library


class Answer(Exception):
    """The slave said no; ``code`` is the exception."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Master:
    """One that asks one unit, over whatever its context is connected to."""

    def __init__(self, library: Any, context: int, unit: int) -> None:
        self._library = library
        self._context = ctypes.c_void_p(context)
        library.modbus_set_slave(self._context, unit)
        library.modbus_set_response_timeout(self._context, TIMEOUT_SECONDS, 0)

    @classmethod
    def tcp(cls, library: Any, port: int, unit: int) -> Master:
        """MODBUS/TCP to a port of this machine."""
        master = cls(library, library.modbus_new_tcp(b"127.0.0.1", port), unit)
        master._call("modbus_connect")
        return master

    @classmethod
    def rtu(cls, library: Any, path: str, unit: int) -> Master:
        """RTU on a serial line."""
        master = cls(library, _serial(library, path), unit)
        master._call("modbus_connect")
        return master

    @classmethod
    def on_sockets(cls, library: Any, is_rtu: bool, unit: int) -> Master:
        """One that is connected to nothing: see ``hears``."""
        return cls(library, _context(library, is_rtu), unit)

    def hears(self, answer: bytes) -> socket.socket:
        """Connect it to the returned socket, where it finds ``answer``, and behind it the end of the line."""
        return _connect(self._library, self._context, answer)

    def hang_up(self) -> None:
        """End the connection."""
        self._library.modbus_close(self._context)

    def close(self) -> None:
        """Hang up and free everything."""
        self.hang_up()
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
        raise OSError(number, f"{name}: {self._library.modbus_strerror(number).decode()}")


class Mapping(ctypes.Structure):
    """Its registers (modbus_mapping_t)."""

    _fields_ = [
        *((name, ctypes.c_int) for name in ("nb_bits", "start_bits", "nb_input_bits", "start_input_bits")),
        *((name, ctypes.c_int) for name in ("nb_words", "start_words", "nb_input_words", "start_input_words")),
        *((name, ctypes.POINTER(ctypes.c_uint8)) for name in ("coil", "discrete")),
        *((name, ctypes.POINTER(ctypes.c_uint16)) for name in ("input", "holding")),
    ]


class Slave:
    """A unit with ``count`` registers and bits of each table, from address ``start``."""

    def __init__(self, library: Any, unit: int, start: int, count: int) -> None:
        self._library = library
        self._contexts = [ctypes.c_void_p(_context(library, is_rtu)) for is_rtu in (False, True)]
        for context in self._contexts:
            library.modbus_set_slave(context, unit)
            library.modbus_set_response_timeout(context, 0, 1)  # what it sleeps after a function that it does not know
        self._mapping = library.modbus_mapping_new_start_address(*(start, count) * 4)
        self._count = count
        self._heard = (ctypes.c_uint8 * _FRAME_OCTETS)()

    def answer(self, octets: bytes, is_rtu: bool) -> bytes:
        """What it says to these, the last on the line; nothing, if it still waits or finds no request in them."""
        context = self._contexts[is_rtu]
        with _connect(self._library, context, octets) as line:
            size = self._library.modbus_receive(context, self._heard)
            if size > 0:
                self._library.modbus_reply(context, self._heard, size, self._mapping)
            said = heard(line)
            self._library.modbus_close(context)
            return said

    def cells(self, table: Table) -> list[int]:
        """What is in its registers, or bits."""
        found: list[int] = self._cells(table)[: self._count]
        return found

    def put(self, table: Table, cells: Sequence[int], at: int = 0) -> None:
        """Change as many of them, from the one at ``at``."""
        pointer = self._cells(table)
        kind = pointer._type_ * len(cells)
        octets = ctypes.sizeof(pointer._type_) * at
        ctypes.memmove(ctypes.addressof(pointer.contents) + octets, kind(*cells), ctypes.sizeof(kind))

    def close(self) -> None:
        """Free everything."""
        for context in self._contexts:
            self._library.modbus_free(context)
        self._library.modbus_mapping_free(self._mapping)

    def _cells(self, table: Table) -> Any:
        return getattr(self._mapping.contents, table.name.lower())


def heard(line: socket.socket) -> bytes:
    """What has come to this end."""
    try:
        return line.recv(2 * _FRAME_OCTETS, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return b""


def _serial(library: Any, path: str) -> int:
    found: int = library.modbus_new_rtu(path.encode(), 115200, ctypes.c_char(b"N"), 8, 1)
    return found


def _context(library: Any, is_rtu: bool) -> int:
    found: int = _serial(library, "/dev/null") if is_rtu else library.modbus_new_tcp(b"127.0.0.1", 502)
    return found


def _connect(library: Any, context: ctypes.c_void_p, octets: bytes) -> socket.socket:
    """A line with ``octets`` on it and nothing behind them, so that nobody ever waits; its other end is returned."""
    ours, theirs = socket.socketpair()
    ours.sendall(octets)
    ours.shutdown(socket.SHUT_WR)
    library.modbus_set_socket(context, theirs.detach())
    return ours
