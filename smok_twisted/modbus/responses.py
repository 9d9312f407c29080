"""MODBUS responses, both ways, and whether a response answers its request.

Source: MODBUS Application Protocol Specification V1.1b3, sections 6 and 7. Functions 5, 6 and 22 are answered by an
echo, so their request classes are their response classes too.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from ..errors import Impossible, RemoteError
from ..readings import Table
from .pdu import (
    MAX_PDU_OCTETS,
    MAX_READ_BITS,
    MAX_READ_WORDS,
    MAX_WRITE_BITS,
    MAX_WRITE_WORDS,
    MEI_IDENTIFICATION,
    MaskWrite,
    Read,
    ReadIdentification,
    ReadWrite,
    Request,
    WriteCoil,
    WriteCoils,
    WriteRegister,
    WriteRegisters,
    check_run,
    pack_bits,
    pack_words,
    unpack_bits,
    unpack_words,
)

EXCEPTION_BIT = 0x80


class ExceptionCode(enum.IntEnum):
    """Why a server does not do what it was asked (section 7)."""

    ILLEGAL_FUNCTION = 0x01
    ILLEGAL_DATA_ADDRESS = 0x02
    ILLEGAL_DATA_VALUE = 0x03
    SERVER_DEVICE_FAILURE = 0x04
    ACKNOWLEDGE = 0x05
    SERVER_DEVICE_BUSY = 0x06
    MEMORY_PARITY_ERROR = 0x08
    GATEWAY_PATH_UNAVAILABLE = 0x0A
    GATEWAY_TARGET_DEVICE_FAILED_TO_RESPOND = 0x0B


#: The exception that answers a request which ``pdu.decode_request`` refused for this reason.
CODE_OF_REASON = {
    "illegal-function": ExceptionCode.ILLEGAL_FUNCTION,
    "illegal-address": ExceptionCode.ILLEGAL_DATA_ADDRESS,
    "illegal-value": ExceptionCode.ILLEGAL_DATA_VALUE,
}


class ModbusException(Exception):
    """The equipment answered, and the answer is no. ``code`` is 1..127, ``name`` its name in the specification."""

    def __init__(self, code: int) -> None:
        known = code in set(ExceptionCode)
        self.code = code
        self.name = ExceptionCode(code).name.lower().replace("_", " ") if known else "not in the specification"
        super().__init__(f"MODBUS exception {code}: {self.name}")


@dataclass(frozen=True, slots=True)
class ReadResponse:
    """Functions 1 to 4 and 23. ``values``: registers 0..65535, or bits 0/1.

    Bits travel in whole octets: what is decoded is padded with zeros to a multiple of 8.
    """

    function: int
    values: tuple[int, ...]

    def __post_init__(self) -> None:
        if self._is_bits:
            check_run(0, len(self.values), MAX_READ_BITS)
        else:
            check_run(0, len(self.values), MAX_READ_WORDS)
            pack_words(self.values)

    @property
    def _is_bits(self) -> bool:
        return self.function in (Table.COIL, Table.DISCRETE)

    def encode(self) -> bytes:
        octets = pack_bits(self.values) if self._is_bits else pack_words(self.values)
        return bytes((self.function, len(octets))) + octets

    @classmethod
    def decode(cls, pdu: bytes) -> ReadResponse:
        function, size = struct.unpack_from(">BB", pdu)
        if size != len(pdu) - 2:
            raise Impossible(f"byte count {size}, but {len(pdu) - 2} octets")
        if function in (Table.COIL, Table.DISCRETE):
            return cls(function, unpack_bits(pdu[2:], 8 * size))
        return cls(function, unpack_words(pdu[2:]))


@dataclass(frozen=True, slots=True)
class WriteResponse:
    """Functions 15 and 16."""

    function: int
    start: int
    count: int

    def __post_init__(self) -> None:
        many_coils = self.function == WriteCoils.function
        check_run(self.start, self.count, MAX_WRITE_BITS if many_coils else MAX_WRITE_WORDS)

    def encode(self) -> bytes:
        return struct.pack(">BHH", self.function, self.start, self.count)

    @classmethod
    def decode(cls, pdu: bytes) -> WriteResponse:
        return cls(*struct.unpack(">BHH", pdu))


@dataclass(frozen=True, slots=True)
class IdentificationResponse:
    """Function 43/14. ``objects``: (id, octets) pairs; ``next_object`` is where to go on when ``more_follows``."""

    function: ClassVar[int] = ReadIdentification.function
    code: int
    conformity: int
    more_follows: bool
    next_object: int
    objects: tuple[tuple[int, bytes], ...]

    def __post_init__(self) -> None:
        if 7 + sum(2 + len(octets) for _, octets in self.objects) > MAX_PDU_OCTETS:
            raise Impossible(f"the objects do not fit one PDU of {MAX_PDU_OCTETS} octets")

    def encode(self) -> bytes:
        more = 0xFF if self.more_follows else 0
        head = (self.function, MEI_IDENTIFICATION, self.code, self.conformity, more, self.next_object)
        objects = (bytes((number, len(octets))) + octets for number, octets in self.objects)
        return bytes((*head, len(self.objects))) + b"".join(objects)

    @classmethod
    def decode(cls, pdu: bytes) -> IdentificationResponse:
        _, mei, code, conformity, more, next_object, count = struct.unpack_from(">7B", pdu)
        if mei != MEI_IDENTIFICATION:
            raise Impossible(f"43/{mei} instead of 43/{MEI_IDENTIFICATION}")
        objects = []
        at = 7
        for _ in range(count):
            number, size = struct.unpack_from(">BB", pdu, at)
            objects.append((number, bytes(pdu[at + 2 : at + 2 + size])))
            at += 2 + size
        if at != len(pdu):
            raise Impossible(f"{count} objects end at octet {at} of {len(pdu)}")
        return cls(code, conformity, more != 0, next_object, tuple(objects))


@dataclass(frozen=True, slots=True)
class ExceptionResponse:
    """The answer no. ``function`` is the one of the request, ``code`` 1..127 (others could not be told apart from
    the fault codes of ``readings``)."""

    function: int
    code: int

    def __post_init__(self) -> None:
        if not 1 <= self.code < EXCEPTION_BIT:
            raise Impossible(f"{self.code} is no exception code, accepted are 1 to 127")

    def encode(self) -> bytes:
        return bytes((self.function | EXCEPTION_BIT, self.code))

    @classmethod
    def decode(cls, pdu: bytes) -> ExceptionResponse:
        function, code = struct.unpack(">BB", pdu)
        return cls(function & ~EXCEPTION_BIT, code)


def exception_response(pdu: bytes, error: RemoteError) -> ExceptionResponse:
    """What answers a request that ``pdu.decode_request`` refused with ``error``."""
    function = pdu[0] & ~EXCEPTION_BIT if pdu else 0
    return ExceptionResponse(function, CODE_OF_REASON[error.reason])


Response = (
    ReadResponse | WriteCoil | WriteRegister | WriteResponse | MaskWrite | IdentificationResponse | ExceptionResponse
)

RESPONSES: dict[int, Any] = {
    **dict.fromkeys((*map(int, Table), ReadWrite.function), ReadResponse),
    **dict.fromkeys((WriteCoils.function, WriteRegisters.function), WriteResponse),
    **{kind.function: kind for kind in (WriteCoil, WriteRegister, MaskWrite, IdentificationResponse)},
}


def decode_response(pdu: bytes) -> Response:
    """The response in ``pdu``. Raises RemoteError("wrong-reply")."""
    try:
        kind = ExceptionResponse if pdu[0] & EXCEPTION_BIT else RESPONSES[pdu[0]]
        return cast(Response, kind.decode(pdu))
    except (Impossible, struct.error, LookupError) as error:
        raise RemoteError("wrong-reply", f"{pdu[:16].hex()}: {error}") from error


def check_response(request: Request, pdu: bytes) -> Response:
    """The response in ``pdu`` to ``request``; bits beyond those asked for are cut off.

    Raises ModbusException when the equipment says no, RemoteError("wrong-reply") when this is no answer to
    ``request``: another function, another byte count, another echo.
    """
    response = decode_response(pdu)
    if response.function != request.function:
        raise RemoteError("wrong-reply", f"function {response.function} to a request of {request.function}")
    if isinstance(response, ExceptionResponse):
        raise ModbusException(response.code)
    match request, response:
        case Read(count=count) | ReadWrite(read_count=count), ReadResponse():
            return _cut(response, count)
        case ((WriteCoils() | WriteRegisters()), WriteResponse(start=start, count=count)):
            answers = (start, count) == (request.start, len(request.values))
        case ReadIdentification(), IdentificationResponse(code=code):
            answers = code == request.code
        case _:
            answers = response == request
    if not answers:
        raise RemoteError("wrong-reply", f"{response} does not answer {request}")
    return response


def _cut(response: ReadResponse, count: int) -> ReadResponse:
    """``response`` with the ``count`` values asked for; bits may come with up to 7 of padding."""
    wanted = (count + 7) // 8 * 8 if response.function in (Table.COIL, Table.DISCRETE) else count
    if len(response.values) != wanted:
        raise RemoteError("wrong-reply", f"{len(response.values)} values where {wanted} were due")
    return ReadResponse(response.function, response.values[:count])


def read_values(request: Request, pdu: bytes) -> tuple[int, ...]:
    """The registers or bits that ``pdu`` answers to ``request``, none for a write. Raises as ``check_response``."""
    response = check_response(request, pdu)
    return response.values if isinstance(response, ReadResponse) else ()
