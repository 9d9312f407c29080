"""/devices/{id}/modbus: one raw MODBUS request to a device, for administrators.

No answer is an answer here, as everywhere in MODBUS: exception 0x0B, and 0x0A when the line is down. A write is
checked, read back and audited like any other; its limits are those of whoever sends raw octets.
"""

from __future__ import annotations

from typing import Any

from ..devices.device import Device
from ..devices.orders import NotSent, OutcomeUnknown, Priority
from ..devices.writes import check_device, to_registers
from ..errors import Conflict, Impossible, RemoteError
from ..modbus.pdu import (
    REQUESTS,
    MaskWrite,
    Read,
    ReadIdentification,
    ReadWrite,
    Request,
    WriteCoil,
    WriteCoils,
    WriteRegister,
    WriteRegisters,
    decode_request,
    read_request,
)
from ..modbus.protocol import LineFault
from ..modbus.responses import ExceptionCode, ExceptionResponse, ModbusException, read_values
from ..readings import Fault, Table
from .members import REQUIRED, refuse
from .routing import Call, Rights, route
from .services import WebServices

Writing = WriteCoil | WriteRegister | WriteCoils | WriteRegisters | MaskWrite | ReadWrite

_PDU_FORM = 'a MODBUS request PDU in hex such as "0300000001"'


class Modbus:
    """Handlers."""

    def __init__(self, services: WebServices) -> None:
        self._services = services

    @route("POST", "/devices/<device>/modbus", rights=Rights.ADMIN)
    async def execute(self, call: Call, device: str) -> Any:
        """One request; the answer is the response PDU, which may be an exception response."""
        found = self._services.registry.find(device)
        members = call.members("unit", "pdu")
        unit, request = members.integer("unit"), _request(members.any("pdu", REQUIRED, (str,), _PDU_FORM))
        if not 0 <= unit <= 255:
            raise Impossible(f"unit {unit} is not accepted: a number from 0 to 255")
        if isinstance(request, Read | ReadIdentification):
            _check_connected(found)
            answer = await _ask(found, unit, request, Priority.OPERATOR_READ)
        else:
            answer = await self._write(call, found, unit, request)
        return {"pdu": answer.hex()}

    async def _write(self, call: Call, device: Device, unit: int, request: Writing) -> bytes:
        table, start, values = _written(request)
        to_registers(device.record, unit, table, start, values)  # the one place that says whether it may be
        _check_connected(device)
        touched = read_request(table, start, len(values))
        # Behind commands, and they behind this one: nobody's read-back may see what another one writes.
        await device.writing.acquire()
        try:
            check_device(device.record)  # it may have changed meanwhile
            before = await _values(device, unit, touched)
            answer = await _ask(device, unit, request, Priority.OPERATOR_WRITE)
            detail = {"unit": unit, "pdu": request.encode().hex(), "answer": answer.hex(), "before": before}
            detail["read_back"] = await _values(device, unit, touched)
        finally:
            device.writing.release()
        self._services.audit(call.principal, "modbus-write", device.record.device_id, **detail)
        return answer


def _request(text: str) -> Request:
    try:
        return decode_request(bytes.fromhex(text))
    except ValueError:
        refuse("pdu", text, _PDU_FORM)
    except RemoteError as error:
        functions = ", ".join(str(function) for function in sorted(REQUESTS))
        raise Impossible(
            f"pdu {text[:60]!r} is not accepted ({error}): {_PDU_FORM} of one of the functions {functions}"
        ) from None


def _written(request: Writing) -> tuple[Table, int, tuple[int, ...]]:
    """What a request writes, and where."""
    match request:
        case WriteCoil(address, on):
            return Table.COIL, address, (int(on),)
        case WriteCoils(start, values):
            return Table.COIL, start, values
        case WriteRegister(address, value) | MaskWrite(address, _, value):
            return Table.HOLDING, address, (value,)
        case WriteRegisters(start, values) | ReadWrite(_, _, start, values):
            return Table.HOLDING, start, values


async def _ask(device: Device, unit: int, request: Request, priority: Priority) -> bytes:
    """The response PDU. Raises NotSent when nothing has happened."""
    code = ExceptionCode.GATEWAY_TARGET_DEVICE_FAILED_TO_RESPOND
    try:
        return await device.orders.ask(unit, request.encode(), priority)
    except LineFault as fault:
        if fault.fault is Fault.BUS_DOWN:
            code = ExceptionCode.GATEWAY_PATH_UNAVAILABLE
    except OutcomeUnknown:
        pass
    return ExceptionResponse(request.function, code).encode()


async def _values(device: Device, unit: int, touched: Read) -> list[int] | None:
    """What the registers or coils hold; None when they do not tell."""
    try:
        return list(read_values(touched, await _ask(device, unit, touched, Priority.OPERATOR_WRITE)))
    except (NotSent, ModbusException, RemoteError):
        return None


def _check_connected(device: Device) -> None:
    if device.session is None:
        raise Conflict(f"device {device.record.name!r} is not connected; a raw request cannot wait for it")
