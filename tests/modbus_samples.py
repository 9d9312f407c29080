"""Random MODBUS PDUs: an object of ours and one of pymodbus's that mean the same; and damage."""

from __future__ import annotations

from random import Random
from typing import Any, cast

from pymodbus.pdu import bit_message, mei_message, register_message
from pymodbus.pdu.exceptionresponse import ExceptionResponse as TheirException

from smok_twisted.modbus.pdu import (
    MAX_PDU_OCTETS,
    MaskWrite,
    Read,
    ReadIdentification,
    ReadWrite,
    Request,
    WriteCoil,
    WriteCoils,
    WriteRegister,
    WriteRegisters,
)
from smok_twisted.modbus.responses import ExceptionResponse, IdentificationResponse, ReadResponse, WriteResponse
from smok_twisted.readings import Table


def _run_of(random: Random, most: int) -> tuple[int, int]:
    """(start, count) within the address range; mostly short, sometimes as long as it may be."""
    count = random.choice((random.randint(1, min(16, most)), random.randint(1, min(16, most)), most))
    return random.choice((0, 0x10000 - count, random.randrange(0x10001 - count))), count


def _words(random: Random, count: int) -> tuple[int, ...]:
    return tuple(random.randrange(0x10000) for _ in range(count))


def _bits(random: Random, count: int) -> tuple[int, ...]:
    return tuple(random.randrange(2) for _ in range(count))


def random_request(function: int, random: Random) -> tuple[Any, Any]:
    """Ours and theirs."""
    address, word = random.randrange(0x10000), random.randrange(0x10000)
    match function:
        case 1 | 2 | 3 | 4:
            start, count = _run_of(random, 2000 if function < 3 else 125)
            return Read(Table(function), start, count), _THEIR_READS[function](address=start, count=count)
        case 5:
            return WriteCoil(address, bool(word & 1)), bit_message.WriteSingleCoilRequest(
                address=address, bits=[bool(word & 1)]
            )
        case 6:
            return WriteRegister(address, word), register_message.WriteSingleRegisterRequest(
                address=address, registers=[word]
            )
        case 15:
            start, count = _run_of(random, 1968)
            bits = _bits(random, count)
            return WriteCoils(start, bits), bit_message.WriteMultipleCoilsRequest(start, [bool(bit) for bit in bits])
        case 16:
            start, count = _run_of(random, 123)
            words = _words(random, count)
            return WriteRegisters(start, words), register_message.WriteMultipleRegistersRequest(
                address=start, registers=words
            )
        case 22:
            return MaskWrite(address, word, ~word & 0xFFFF), register_message.MaskWriteRegisterRequest(
                address, word, ~word & 0xFFFF
            )
        case 23:
            (start, count), (write_start, written) = _run_of(random, 125), _run_of(random, 121)
            words = _words(random, written)
            return ReadWrite(start, count, write_start, words), register_message.ReadWriteMultipleRegistersRequest(
                start, count, write_start, words
            )
    code, number = random.randint(1, 4), random.randrange(256)
    return ReadIdentification(code, number), mei_message.ReadDeviceInformationRequest(code, number)


_THEIR_READS: dict[int, Any] = {
    1: bit_message.ReadCoilsRequest,
    2: bit_message.ReadDiscreteInputsRequest,
    3: register_message.ReadHoldingRegistersRequest,
    4: register_message.ReadInputRegistersRequest,
}
_THEIR_VALUES: dict[int, Any] = {
    1: bit_message.ReadCoilsResponse,
    2: bit_message.ReadDiscreteInputsResponse,
    3: register_message.ReadHoldingRegistersResponse,
    4: register_message.ReadInputRegistersResponse,
    23: register_message.ReadWriteMultipleRegistersResponse,
}


def random_response(function: int, random: Random) -> tuple[Any, Any]:
    """Ours and theirs; one in ten is an exception."""
    if random.randrange(10) == 0:
        code = random.randint(1, 127)
        return ExceptionResponse(function, code), TheirException(function, code)
    match function:
        case 1 | 2:
            bits = _bits(random, 8 * random.choice((1, 2, 3, 250)))
            return ReadResponse(function, bits), _THEIR_VALUES[function](bits=bits)
        case 3 | 4 | 23:
            words = _words(random, random.choice((1, 2, 3, 125)))
            return ReadResponse(function, words), _THEIR_VALUES[function](registers=words)
        case 15 | 16:
            start, count = _run_of(random, 1968 if function == 15 else 123)
            many = (
                bit_message.WriteMultipleCoilsResponse
                if function == 15
                else register_message.WriteMultipleRegistersResponse
            )
            return WriteResponse(function, start, count), many(address=start, count=count)
        case 43:
            count = random.randrange(4)
            objects = tuple((number, random.randbytes(random.randrange(20))) for number in range(count))
            code = random.randint(1, 4)
            return IdentificationResponse(code, 0x83, False, 0, objects), mei_message.ReadDeviceInformationResponse(
                code, dict(objects)
            )
    return random_request(function, random)


def asked_by(response: Any, random: Random) -> Request:
    """A request that ``response`` of ours answers: an exception any of its function, bits also fewer of them."""
    match response:
        case ExceptionResponse(function):
            request: Request = random_request(function, random)[0]
            return request
        case ReadResponse(23, values):
            return ReadWrite(0, len(values), 0, (1,))
        case ReadResponse(function, values):
            table = Table(function)
            return Read(table, 0, len(values) - (random.randrange(8) if table.is_bits else 0))
        case WriteResponse(15, start, count):
            return WriteCoils(start, (1,) * count)
        case WriteResponse(_, start, count):
            return WriteRegisters(start, (1,) * count)
        case IdentificationResponse(code):
            return ReadIdentification(code)
    return cast(Request, response)  # the others are their own echo


def damaged(pdu: bytes, random: Random) -> bytes:
    """``pdu`` with a fault; at least one octet, no more than a PDU has."""
    match random.randrange(6):
        case 0:
            at = random.randrange(len(pdu) * 8)
            return replaced(pdu, at // 8, pdu[at // 8] ^ 1 << at % 8)
        case 1:
            return replaced(pdu, random.randrange(min(10, len(pdu))), random.choice((0, 1, 0x7F, 0xFF)))
        case 2:
            return pdu[: random.randint(1, len(pdu))]
        case 3:
            return (pdu + random.randbytes(random.randint(1, 3)))[:MAX_PDU_OCTETS]
        case 4:
            return pdu[:1] + random.randbytes(random.randrange(12))
    head = pdu[: random.randint(1, min(7, len(pdu)))]
    return (head + random.randbytes(random.randrange(12)) + pdu[len(head) :])[:MAX_PDU_OCTETS]


def replaced(pdu: bytes, at: int, octet: int) -> bytes:
    """``pdu`` with another octet at ``at``."""
    return pdu[:at] + bytes((octet,)) + pdu[at + 1 :]
