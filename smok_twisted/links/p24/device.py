"""The device's side of P24, as the published firmware behaves (design note p24); for tests and simulation.

It says its init, then only answers, one command after the other. Its equipment is a ``modbus.protocol.Line``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from ...errors import RemoteError
from ...modbus.pdu import Read, Request, WriteCoil, WriteRegister
from ...modbus.protocol import Line, LineFault
from ...modbus.responses import ExceptionCode, ModbusException, read_values
from ...readings import Fault, Table
from . import commands
from .commands import Answer, Code, Command, NetworkSettings

#: An answer on the serial line is awaited so long.
SERIAL_SECONDS = 1.5
#: A connection without traffic for so long is reset.
IDLE_SECONDS = 60.0
#: Coils are read in groups of so many, aligned.
COILS = 8

_NETWORK = NetworkSettings(
    IPv4Address("192.168.2.7"),
    IPv4Address("255.255.255.0"),
    IPv4Address("192.168.2.1"),
    IPv4Address("192.168.2.1"),
    "smok.example",
)


class P24Device:
    """One connection; an ``interfaces.Above`` of frames without an opening. When it is over the device dials anew.

    ``junk`` is the octet behind the success of a write. ``accepted`` hears that the server takes it, ``heard`` is told
    of every command.
    """

    _below: Any

    def __init__(
        self,
        device_id: int,
        line: Line,
        vendor: str = "FRISKO-1.0",
        junk: int = 0,
        heard: Callable[[Command], None] = lambda command: None,
        accepted: Callable[[], None] = lambda: None,
    ) -> None:
        self.is_accepted = False
        self._device_id = device_id
        self._line = line
        self._vendor = vendor
        self._junk = junk
        self._heard = heard
        self._accepted = accepted
        self._waiting: deque[Command] = deque()
        self._busy = False
        self._looping = False

    def started(self, below: Any) -> None:
        """Say who it is; then silence."""
        self._below = below
        below.send(commands.encode_init(self._device_id))

    def received(self, item: bytes) -> None:
        """Whether it is accepted, then commands. Raises RemoteError for what would run on stale octets."""
        if self.is_accepted:
            command = commands.decode_command(item)
            self._heard(command)
            self._waiting.append(command)
            self._answer_all()
        elif item == commands.ACCEPTED:
            self.is_accepted = True
            self._below.admitted(IDLE_SECONDS)
            self._accepted()
        else:
            raise RemoteError("refused", item.hex())

    def stopped(self, mood: str) -> None:
        """What is on the serial line has nobody to answer to."""
        self._waiting.clear()

    def _answer_all(self) -> None:
        """A loop, because a line may answer at once."""
        if self._looping:
            return
        self._looping = True
        try:
            while self._waiting and not self._busy:
                self._busy = True
                command = self._waiting.popleft()
                self._do(command).addBoth(self._answer, command)
        finally:
            self._looping = False

    def _answer(self, result: Answer | Failure, command: Command) -> None:
        self._busy = False
        answer = Answer(fault=_fault_of(result)) if isinstance(result, Failure) else result
        self._below.send(commands.encode_answer(command.code, answer))
        self._answer_all()

    def _do(self, command: Command) -> Deferred[Answer]:
        match command:
            case Command(Code.READ_HOLDING, (address, unit)):
                return self._ask(unit, Read(Table.HOLDING, address, 1), 0)
            case Command(Code.READ_COIL, (coil, unit)):
                return self._ask(unit, Read(Table.COIL, coil - coil % COILS, COILS), coil % COILS)
            case Command(Code.WRITE_HOLDING, (address, value, unit)):
                return self._write(unit, WriteRegister(address, value))
            case Command(Code.WRITE_COIL, (coil, value, unit)):
                return self._write(unit, WriteCoil(coil, bool(value)))
        return succeed(self._of_itself(command.code))

    def _of_itself(self, code: Code) -> Answer:
        if code is Code.READ_INPUT:
            return Answer(fault=ExceptionCode.ILLEGAL_FUNCTION)
        return Answer({Code.VENDOR: self._vendor, Code.GET_NETWORK: _NETWORK}.get(code))

    def _ask(self, unit: int, request: Request, place: int) -> Deferred[Answer]:
        answer = self._line.execute(unit, request.encode(), SERIAL_SECONDS)
        return answer.addCallback(lambda pdu: Answer(read_values(request, pdu)[place]))

    def _write(self, unit: int, request: Request) -> Deferred[Answer]:
        answer = self._line.execute(unit, request.encode(), SERIAL_SECONDS)
        return answer.addCallback(lambda pdu: Answer((read_values(request, pdu), self._junk)[1]))


def _fault_of(failure: Failure) -> Fault:
    """An exception of the equipment looks like its silence."""
    failure.trap(LineFault, ModbusException, RemoteError)
    reason: Any = failure.value
    is_garbled = isinstance(reason, RemoteError) or getattr(reason, "fault", None) in (Fault.CRC, Fault.WRONG_REPLY)
    return Fault.CRC if is_garbled else Fault.TIMEOUT
