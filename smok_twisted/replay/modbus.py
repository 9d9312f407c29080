"""Conversations of MODBUS masters: MODBUS/TCP, and RTU frames over TCP.

The master is the client. Requests are paired with their answers as the daemon's own clients pair them.
"""

from __future__ import annotations

from typing import NamedTuple

from ..errors import RemoteError
from ..modbus import mbap, rtu
from ..modbus.pdu import Read, ReadWrite, Request, decode_request
from ..modbus.responses import EXCEPTION_BIT, ModbusException, read_values
from ..observe.streams import Piece
from ..readings import Fault, Table, quality_of
from .findings import NOT_CAPTURED, Findings, Order, Reading


class Asked(NamedTuple):
    """A request that waits for its answer."""

    time_us: int
    unit: int
    pdu: bytes

    @property
    def request(self) -> Request | None:
        """None for what is no request that we know."""
        try:
            return decode_request(self.pdu)
        except RemoteError:
            return None

    def unanswered(self, outcome: str = "unanswered") -> Order:
        """Nothing more will come."""
        return Order(self.time_us, self.unit, self.pdu, outcome)


def message_name(pdu: bytes) -> str:
    """What PDUs are counted by."""
    refused = " refused" if pdu[0] & EXCEPTION_BIT else ""
    return f"function {pdu[0] & ~EXCEPTION_BIT}{refused}"


def settle(findings: Findings, asked: Asked, pdu: bytes, time_us: int) -> None:
    """``pdu`` has come in answer: note the order and, of a read, the reading."""
    request, fault = asked.request, 0
    values: tuple[int, ...] = ()
    try:
        if request is not None:
            values = read_values(request, pdu)
        elif len(pdu) == 2 and pdu[0] == asked.pdu[0] | EXCEPTION_BIT:
            fault = pdu[1]
    except ModbusException as exception:
        fault = exception.code
    except RemoteError:
        fault = Fault.WRONG_REPLY
    outcome = quality_of(fault) if fault or request is not None else "unchecked"
    findings.orders.append(Order(asked.time_us, asked.unit, asked.pdu, outcome, pdu, time_us))
    match request:
        case Read(table, start, count):
            findings.readings.append(Reading(time_us, asked.unit, table, start, values, fault, size=count))
        case ReadWrite(start, count):
            findings.readings.append(Reading(time_us, asked.unit, Table.HOLDING, start, values, fault, size=count))


class Tcp:
    """MODBUS/TCP, as on port 502."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._sides = _TcpSide(findings), _TcpSide(findings)
        self._waiting: dict[int, Asked] = {}
        # Transactions that waited when octets of the server, or of the client, were missing.
        self._unheard: tuple[set[int], set[int]] = set(), set()
        self._is_unasked_told = False

    def heard(self, piece: Piece) -> None:
        """The next piece of either side."""
        if piece.missing:
            self._miss(piece)
        for adu in self._sides[piece.from_client].adus(piece):
            if piece.from_client:
                self._asked(adu, piece)
            else:
                self._answered(adu, piece)

    def ended(self) -> None:
        """Nothing more comes."""
        for transaction in list(self._waiting):
            self._give_up(transaction)

    def _miss(self, piece: Piece) -> None:
        """When both sides have said more than was captured, another request may have the same number by now."""
        self._unheard[piece.from_client].update(self._waiting)
        for transaction in self._unheard[False] & self._unheard[True]:
            self._give_up(transaction)

    def _forget(self, transaction: int) -> None:
        for unheard in self._unheard:
            unheard.discard(transaction)

    def _give_up(self, transaction: int) -> None:
        outcome = NOT_CAPTURED if transaction in self._unheard[False] else "unanswered"
        self._forget(transaction)
        self._findings.orders.append(self._waiting.pop(transaction).unanswered(outcome))

    def _asked(self, adu: mbap.Adu, piece: Piece) -> None:
        if adu.transaction in self._waiting:
            self._give_up(adu.transaction)
        self._waiting[adu.transaction] = Asked(piece.time_us, adu.unit, adu.pdu)

    def _answered(self, adu: mbap.Adu, piece: Piece) -> None:
        asked = self._waiting.pop(adu.transaction, None)
        self._forget(adu.transaction)
        if asked is None:
            self._tell_unasked(adu, piece)
            return
        self._is_unasked_told = False
        if adu.unit != asked.unit:
            self._findings.blame(piece, "wrong-unit", f"unit {adu.unit} answers a request to unit {asked.unit}")
            self._findings.orders.append(asked.unanswered("wrong-reply"))
        else:
            settle(self._findings, asked, adu.pdu, piece.time_us)

    def _tell_unasked(self, adu: mbap.Adu, piece: Piece) -> None:
        """Where requests were not captured, once for all that follow."""
        if self._findings.is_whole:
            self._findings.fault(piece, "unasked", f"an answer to transaction {adu.transaction}")
        elif not self._is_unasked_told:
            self._is_unasked_told = True
            what = f"from transaction {adu.transaction} on: what is answered was not captured"
            self._findings.event(piece, "unasked", what)


class _TcpSide:
    """One direction. Where it was not heard from its beginning, the first piece that looks like MBAP begins it anew."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._decoder = mbap.Decoder()
        self._in_step = findings.conversation.is_whole
        self._is_lost = False

    def adus(self, piece: Piece) -> list[mbap.Adu]:
        """Every message that is complete now."""
        found: list[mbap.Adu] = []
        if piece.missing:
            self._decoder, self._in_step, self._is_lost = mbap.Decoder(), False, False
        if self._is_lost:
            return found
        try:
            self._decoder.feed(piece.octets)
            while (adu := self._decoder.next()) is not None:
                found.append(adu)
                self._findings.messages[piece.from_client][message_name(adu.pdu)] += 1
                self._in_step = True
        except RemoteError as error:
            self._decoder = mbap.Decoder()
            self._is_lost = self._in_step
            if self._in_step:
                self._findings.fault(piece, error.reason, error.detail)
        return found


class Rtu:
    """RTU frames on a TCP connection, one request at a time. Where octets are missing, the CRC finds the way again."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._requests = rtu.request_decoder()
        self._answers: rtu.Decoder | None = None  # while an answer is due
        self._asked: Asked | None = None
        self._bad_crc = False
        self._strange_octets = [0, 0]  # that belong to no frame, since the last request
        self._last: list[Piece | None] = [None, None]

    def heard(self, piece: Piece) -> None:
        """The next piece of either side."""
        self._last[piece.from_client] = piece
        if piece.missing:
            self._miss()
        self._strange_octets[piece.from_client] += len(piece.octets)
        if piece.from_client:
            self._requests.feed(piece.octets)
            while (found := self._requests.next()) is not None:
                self._client_said(found, piece)
        elif self._answers is not None:
            self._answers.feed(piece.octets)
            self._server_said(self._answers, piece)

    def _miss(self) -> None:
        """An answer that comes may be one to a request that was not captured."""
        if self._asked is not None:
            self._findings.orders.append(self._asked.unanswered(NOT_CAPTURED))
        self._asked, self._answers, self._bad_crc = None, None, False
        self._strange_octets[False] = 0

    def ended(self) -> None:
        """Nothing more comes: what looked like the begin of a frame is none."""
        last = self._last[True]
        while last is not None and (found := self._requests.next() or self._requests.silence()) is not None:
            self._client_said(found, last)
        self._settle()
        self._tell_strange(True)

    def _client_said(self, found: rtu.Frame | rtu.Noise, piece: Piece) -> None:
        if isinstance(found, rtu.Noise):
            return
        self._settle()
        self._count(found, piece)
        self._asked = Asked(piece.time_us, found.unit, found.pdu)
        request = self._asked.request
        self._answers = None if request is None else rtu.response_decoder(found.unit, request)

    def _server_said(self, answers: rtu.Decoder, piece: Piece) -> None:
        while self._asked is not None and (found := answers.next()) is not None:
            self._answer(found, piece, self._asked)

    def _answer(self, found: rtu.Frame | rtu.Noise, piece: Piece, asked: Asked) -> None:
        if isinstance(found, rtu.Noise):
            self._bad_crc |= found.crc
            return
        self._count(found, piece)
        settle(self._findings, asked, found.pdu, piece.time_us)
        self._asked = self._answers = None

    def _settle(self) -> None:
        """The exchange is over: another request has come, or the end."""
        last = self._last[False]
        while self._asked and self._answers and last and (found := self._answers.silence()) is not None:
            self._answer(found, last, self._asked)
            if self._answers is not None:
                self._server_said(self._answers, last)
        if self._asked is not None:
            self._findings.orders.append(self._asked.unanswered(self._why_unanswered()))
        else:
            self._tell_strange(False)
        self._asked, self._answers, self._bad_crc = None, None, False
        self._strange_octets[False] = 0

    def _why_unanswered(self) -> str:
        return "crc" if self._bad_crc else "wrong-reply" if self._strange_octets[False] else "unanswered"

    def _count(self, frame: rtu.Frame, piece: Piece) -> None:
        """A frame of either side ends what was strange before it."""
        self._strange_octets[piece.from_client] -= 1 + len(frame.pdu) + rtu.CRC_OCTETS
        self._findings.messages[piece.from_client][message_name(frame.pdu)] += 1

    def _tell_strange(self, from_client: bool) -> None:
        octets, last = self._strange_octets[from_client], self._last[from_client]
        if octets and last is not None:
            which = "frame" if self._findings.is_whole else "frame that was captured whole, with its request"
            self._findings.blame(last, "noise", f"{octets} octets that belong to no {which}")
