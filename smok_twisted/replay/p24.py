"""Conversations of P24 (design note p24). Commands that concern equipment are told as the MODBUS requests they are.

Answers carry no identity: where octets are missing, nothing behind them can be told for certain.
"""

from __future__ import annotations

from ..errors import RemoteError
from ..framing.codec import FrameDecoder
from ..links.p24.commands import (
    ACCEPTED,
    INIT_OCTETS,
    Answer,
    Code,
    Command,
    decode_answer,
    decode_command,
    decode_init,
)
from ..links.p24.translation import response_of
from ..modbus.pdu import Read, Request, WriteCoil, WriteRegister
from ..observe.streams import Piece
from ..readings import Table, quality_of
from .findings import NOT_CAPTURED, Findings, Order, Reading

_TABLE_OF = {Code.READ_HOLDING: Table.HOLDING, Code.READ_COIL: Table.COIL, Code.READ_INPUT: Table.INPUT}


class P24:
    """One conversation; the device is the client."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._decoders = FrameDecoder(0), FrameDecoder(INIT_OCTETS)
        self._is_lost = not findings.conversation.is_whole
        self._is_known = self._is_accepted = self._has_missed = False
        self._waiting: list[tuple[int, Command]] = []

    def heard(self, piece: Piece) -> None:
        """The next piece of either side."""
        self._has_missed |= piece.missing > 0 and not self._is_lost
        self._is_lost |= piece.missing > 0
        if self._is_lost:
            return
        decoder = self._decoders[piece.from_client]
        try:
            decoder.feed(piece.octets)
            while (packet := decoder.next()) is not None:
                (self._of_device if piece.from_client else self._of_server)(packet, piece)
        except RemoteError as error:
            self._is_lost = True
            self._findings.fault(piece, error.reason, error.detail)

    def ended(self) -> None:
        """Nothing more comes."""
        for time_us, command in self._waiting:
            self._order(time_us, command, NOT_CAPTURED if self._has_missed else "unanswered")

    def _of_device(self, packet: bytes, piece: Piece) -> None:
        if not self._is_known:
            self._is_known = True
            self._findings.identity = {"device": f"{decode_init(packet):#018x}"}
            self._findings.messages[True]["init"] += 1
            return
        if not self._waiting:
            raise RemoteError("unexpected-answer", packet.hex())
        time_us, command = self._waiting.pop(0)
        self._answered(time_us, command, decode_answer(command.code, packet), piece)

    def _of_server(self, packet: bytes, piece: Piece) -> None:
        if not self._is_accepted:
            self._is_accepted = True
            word = "accepted" if packet == ACCEPTED else "refused"
            self._findings.messages[False][word] += 1
            return
        command = decode_command(packet)
        self._findings.messages[False][_name(command)] += 1
        self._waiting.append((piece.time_us, command))

    def _answered(self, time_us: int, command: Command, answer: Answer, piece: Piece) -> None:
        self._findings.messages[True][_name(command)] += 1
        request = _request_of(command)
        if request is None:
            if answer.value is not None:
                self._findings.event(piece, _name(command), str(answer.value))
            return
        values = () if answer.value is None else (answer.value,)
        pdu = None if answer.fault else response_of(request, values).encode()
        self._order(time_us, command, quality_of(answer.fault), pdu, piece.time_us)
        if isinstance(request, Read):
            unit = command.arguments[-1]
            reading = Reading(piece.time_us, unit, request.table, request.start, values, answer.fault, size=1)
            self._findings.readings.append(reading)

    def _order(
        self, time_us: int, command: Command, outcome: str, answer: bytes | None = None, answered_us: int | None = None
    ) -> None:
        request = _request_of(command)
        if request is not None:
            order = Order(time_us, command.arguments[-1], request.encode(), outcome, answer, answered_us)
            self._findings.orders.append(order)


def _name(command: Command) -> str:
    return command.code.name.lower().replace("_", " ")


def _request_of(command: Command) -> Request | None:
    """The MODBUS request that the device makes of it; None for what concerns the device itself."""
    match command:
        case Command(code, (address, _)):
            return Read(_TABLE_OF[code], address, 1)
        case Command(Code.WRITE_HOLDING, (address, value, _)):
            return WriteRegister(address, value)
        case Command(Code.WRITE_COIL, (coil, value, _)):
            return WriteCoil(coil, bool(value))
    return None
