"""MODBUS requests, both ways: octets from values and values from octets.

Source: MODBUS Application Protocol Specification V1.1b3, section 6; the limits are those of the same section.
An impossible request cannot be built: the constructors raise ``Impossible``. ``decode_request`` raises
``RemoteError`` with reason ``illegal-function``, ``illegal-address`` or ``illegal-value``.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ..errors import Impossible, NotAllowed, RemoteError
from ..readings import Table

MAX_PDU_OCTETS = 253
MAX_READ_BITS = 2000
MAX_READ_WORDS = 125
MAX_WRITE_BITS = 1968
MAX_WRITE_WORDS = 123
MAX_READ_WRITE_WORDS = 121  #: written by function 23

MEI_IDENTIFICATION = 14
COIL_ON = 0xFF00


class IllegalAddress(Impossible):
    """Registers or bits beyond address 65535."""


def check_run(start: int, count: int, limit: int) -> None:
    """Raise unless ``count`` registers or bits from ``start`` exist and fit one PDU."""
    if not 1 <= count <= limit:
        raise Impossible(f"{count} registers or bits do not fit one request, accepted are 1 to {limit}")
    if not 0 <= start <= 0x10000 - count:
        raise IllegalAddress(f"{count} from address {start} leave the address range 0 to 65535")


def pack_words(words: Sequence[int]) -> bytes:
    """Registers as they travel, big-endian. Raises Impossible unless each is an integer 0..65535."""
    try:
        return struct.pack(f">{len(words)}H", *words)
    except struct.error:
        raise Impossible(f"{list(words)} are not all register values, accepted are integers 0 to 65535") from None


def unpack_words(octets: bytes) -> tuple[int, ...]:
    """The inverse of ``pack_words``. Raises struct.error for an odd number of octets."""
    return struct.unpack(f">{len(octets) // 2}H", octets)


def pack_bits(bits: Sequence[int]) -> bytes:
    """Bits as they travel: the first is the least significant of the first octet, the last octet is padded with 0."""
    number = sum(1 << position for position, bit in enumerate(bits) if bit)
    return number.to_bytes((len(bits) + 7) // 8, "little")


def unpack_bits(octets: bytes, count: int) -> tuple[int, ...]:
    """The first ``count`` bits of ``octets``, 0 or 1 each."""
    return tuple(octets[position >> 3] >> (position & 7) & 1 for position in range(count))


@dataclass(frozen=True, slots=True)
class Read:
    """Functions 1 to 4: their codes are the numbers of the tables."""

    table: Table
    start: int
    count: int

    def __post_init__(self) -> None:
        check_run(self.start, self.count, MAX_READ_BITS if self.table.is_bits else MAX_READ_WORDS)

    @property
    def function(self) -> int:
        return int(self.table)

    def encode(self) -> bytes:
        return struct.pack(">BHH", self.table, self.start, self.count)

    @classmethod
    def decode(cls, pdu: bytes) -> Read:
        function, start, count = struct.unpack(">BHH", pdu)
        return cls(Table(function), start, count)


@dataclass(frozen=True, slots=True)
class WriteCoil:
    """Function 5; the response is its echo."""

    function: ClassVar[int] = 5
    address: int
    on: bool

    def __post_init__(self) -> None:
        check_run(self.address, 1, 1)

    def encode(self) -> bytes:
        return struct.pack(">BHH", self.function, self.address, COIL_ON if self.on else 0)

    @classmethod
    def decode(cls, pdu: bytes) -> WriteCoil:
        _, address, value = struct.unpack(">BHH", pdu)
        if value not in (0, COIL_ON):
            raise Impossible(f"{value:#06x} is no coil value, accepted are 0x0000 and 0xff00")
        return cls(address, value == COIL_ON)


@dataclass(frozen=True, slots=True)
class WriteRegister:
    """Function 6; the response is its echo."""

    function: ClassVar[int] = 6
    address: int
    value: int

    def __post_init__(self) -> None:
        check_run(self.address, 1, 1)
        pack_words((self.value,))

    def encode(self) -> bytes:
        return struct.pack(">BHH", self.function, self.address, self.value)

    @classmethod
    def decode(cls, pdu: bytes) -> WriteRegister:
        _, address, value = struct.unpack(">BHH", pdu)
        return cls(address, value)


@dataclass(frozen=True, slots=True)
class WriteCoils:
    """Function 15."""

    function: ClassVar[int] = 15
    start: int
    values: tuple[int, ...]

    def __post_init__(self) -> None:
        check_run(self.start, len(self.values), MAX_WRITE_BITS)

    def encode(self) -> bytes:
        octets = pack_bits(self.values)
        return struct.pack(">BHHB", self.function, self.start, len(self.values), len(octets)) + octets

    @classmethod
    def decode(cls, pdu: bytes) -> WriteCoils:
        _, start, count, size = struct.unpack_from(">BHHB", pdu)
        if not size == len(pdu) - 6 == (count + 7) // 8:
            raise Impossible(f"byte count {size} does not fit {count} coils in {len(pdu)} octets")
        return cls(start, unpack_bits(pdu[6:], count))


@dataclass(frozen=True, slots=True)
class WriteRegisters:
    """Function 16."""

    function: ClassVar[int] = 16
    start: int
    values: tuple[int, ...]

    def __post_init__(self) -> None:
        check_run(self.start, len(self.values), MAX_WRITE_WORDS)
        pack_words(self.values)

    def encode(self) -> bytes:
        count = len(self.values)
        return struct.pack(">BHHB", self.function, self.start, count, 2 * count) + pack_words(self.values)

    @classmethod
    def decode(cls, pdu: bytes) -> WriteRegisters:
        _, start, count, size = struct.unpack_from(">BHHB", pdu)
        if not size == len(pdu) - 6 == 2 * count:
            raise Impossible(f"byte count {size} does not fit {count} registers in {len(pdu)} octets")
        return cls(start, unpack_words(pdu[6:]))


@dataclass(frozen=True, slots=True)
class MaskWrite:
    """Function 22: register = (register AND and_mask) OR (or_mask AND NOT and_mask); the response is its echo."""

    function: ClassVar[int] = 22
    address: int
    and_mask: int
    or_mask: int

    def __post_init__(self) -> None:
        check_run(self.address, 1, 1)
        pack_words((self.and_mask, self.or_mask))

    def encode(self) -> bytes:
        return struct.pack(">BHHH", self.function, self.address, self.and_mask, self.or_mask)

    @classmethod
    def decode(cls, pdu: bytes) -> MaskWrite:
        _, address, and_mask, or_mask = struct.unpack(">BHHH", pdu)
        return cls(address, and_mask, or_mask)


@dataclass(frozen=True, slots=True)
class ReadWrite:
    """Function 23: the write is done before the read."""

    function: ClassVar[int] = 23
    read_start: int
    read_count: int
    write_start: int
    values: tuple[int, ...]

    def __post_init__(self) -> None:
        check_run(self.read_start, self.read_count, MAX_READ_WORDS)
        check_run(self.write_start, len(self.values), MAX_READ_WRITE_WORDS)
        pack_words(self.values)

    def encode(self) -> bytes:
        count = len(self.values)
        head = (self.function, self.read_start, self.read_count, self.write_start, count, 2 * count)
        return struct.pack(">BHHHHB", *head) + pack_words(self.values)

    @classmethod
    def decode(cls, pdu: bytes) -> ReadWrite:
        _, read_start, read_count, write_start, count, size = struct.unpack_from(">BHHHHB", pdu)
        if not size == len(pdu) - 10 == 2 * count:
            raise Impossible(f"byte count {size} does not fit {count} registers in {len(pdu)} octets")
        return cls(read_start, read_count, write_start, unpack_words(pdu[10:]))


@dataclass(frozen=True, slots=True)
class ReadIdentification:
    """Function 43/14. ``code``: 1 basic, 2 regular, 3 extended (streams), 4 the one object ``object_id``."""

    function: ClassVar[int] = 43
    code: int
    object_id: int = 0

    def __post_init__(self) -> None:
        if not (1 <= self.code <= 4 and 0 <= self.object_id <= 255):
            raise Impossible(f"no identification {self.code}/{self.object_id}, accepted are 1 to 4 and 0 to 255")

    def encode(self) -> bytes:
        return bytes((self.function, MEI_IDENTIFICATION, self.code, self.object_id))

    @classmethod
    def decode(cls, pdu: bytes) -> ReadIdentification:
        _, mei, code, object_id = struct.unpack(">BBBB", pdu)
        if mei != MEI_IDENTIFICATION:
            raise RemoteError("illegal-function", f"43/{mei}")
        return cls(code, object_id)


Request = Read | WriteCoil | WriteRegister | WriteCoils | WriteRegisters | MaskWrite | ReadWrite | ReadIdentification

REQUESTS: dict[int, Any] = {
    **dict.fromkeys(map(int, Table), Read),
    **{kind.function: kind for kind in (WriteCoil, WriteRegister, WriteCoils, WriteRegisters)},
    **{kind.function: kind for kind in (MaskWrite, ReadWrite, ReadIdentification)},
}


def decode_request(pdu: bytes) -> Request:
    """The request in ``pdu``. Raises RemoteError; its reason is a key of ``responses.CODE_OF_REASON``."""
    kind = REQUESTS.get(pdu[0]) if pdu else None
    if kind is None:
        raise RemoteError("illegal-function", pdu[:1].hex())
    try:
        request: Request = kind.decode(pdu)
    except IllegalAddress as error:
        raise RemoteError("illegal-address", str(error)) from error
    except (Impossible, struct.error) as error:
        raise RemoteError("illegal-value", str(error)) from error
    return request


def read_request(table: Table, start: int, count: int) -> Read:
    """The request that reads ``count`` registers or bits from ``start``. Raises Impossible."""
    return Read(table, start, count)


def write_request(table: Table, start: int, values: Sequence[int]) -> Request:
    """The request that writes ``values`` from ``start``: function 5 or 6 for one value, which every slave knows,
    else 15 or 16. Raises NotAllowed for tables that cannot be written, Impossible for values that cannot be."""
    if table not in (Table.COIL, Table.HOLDING):
        raise NotAllowed("discrete inputs and input registers cannot be written, only coils and holding registers")
    if len(values) != 1:
        many = WriteCoils if table is Table.COIL else WriteRegisters
        return many(start, tuple(values))
    return WriteCoil(start, bool(values[0])) if table is Table.COIL else WriteRegister(start, values[0])
