"""Conversations of P24 (design note p24). Commands that concern equipment are told as the MODBUS requests they are.

Answers carry no identity: they belong to commands first in, first out. Where octets are missing, or the capture begins
in the middle, nobody knows how many are still to come. Then reading goes on at the next command, which is taken for one
that follows all answers. When both sides were silent before it, it does. Until such a silence the rest is a guess: its
finds wait, and are given up as soon as an answer fits no command.
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
from .findings import NOT_CAPTURED, UNREAD, Findings, Order, Reading

#: A device waits 1.5 s for a serial answer at most: when nothing was said for so long, nothing is outstanding.
QUIET_US = 5_000_000

_THERE = "a command that follows all answers"
RESUMED = "resumed", ", and a silence has shown that it was right"
GUESSED = "guessed", ": there was no silence to show it"

_TABLE_OF = {Code.READ_HOLDING: Table.HOLDING, Code.READ_COIL: Table.COIL, Code.READ_INPUT: Table.INPUT}


class P24:
    """One conversation; the device is the client."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._exchanges = Exchanges(findings)
        self._heard_us: int | None = None
        self._lost: str | None = None  # why nothing can be told now
        self._is_lost_told = False
        self._may_guess = True  # whether any command may be taken for one that follows all answers
        self._begun: tuple[Piece, str] | None = None  # where reading went on, and why it had stopped
        self._guessed: Findings | None = None  # what a guess has brought so far

    def heard(self, piece: Piece) -> None:
        """The next piece of either side."""
        is_quiet = self._heard_us is not None and piece.time_us - self._heard_us >= QUIET_US
        if self._heard_us is None and not (self._findings.conversation.is_whole or is_init(piece.octets)):
            self._lose("the capture begins in the middle")
        self._heard_us = piece.time_us
        if piece.missing:
            self._trust(GUESSED)
            self._lose("octets are missing")
            return
        if not piece.from_client:
            self._find_way(piece, is_quiet)
        if self._lost is None:
            self._read(piece)
        elif not self._is_lost_told:
            self._is_lost_told = True
            self._findings.event(piece, UNREAD, f"{self._lost}; nothing is read up to {_THERE}")

    def ended(self) -> None:
        """Nothing more comes."""
        is_certain = self._guessed is None and self._lost is None
        self._trust(GUESSED)
        self._exchanges.end("unanswered" if is_certain else NOT_CAPTURED)

    # -- inside

    def _read(self, piece: Piece) -> None:
        try:
            self._exchanges.read(piece)
        except RemoteError as error:
            if self._guessed is not None:
                self._give_up_guess(self._guessed, error)
                self._lose(error.reason)
            else:
                self._findings.blame(piece, error.reason, error.detail)
                self._exchanges.end("unanswered")
                self._lost, self._is_lost_told = error.reason, False
            self._may_guess = False

    def _lose(self, why: str) -> None:
        """What comes cannot be told any more."""
        if self._lost is None:
            self._lost, self._is_lost_told = why, False
        self._may_guess = True
        self._exchanges.end(NOT_CAPTURED)

    def _find_way(self, piece: Piece, is_quiet: bool) -> None:
        """The server has spoken: where it says commands, reading may go on."""
        if is_quiet and self._exchanges.is_settled:
            self._trust(RESUMED)
        if self._lost is None or not (is_quiet or self._may_guess) or not _are_commands(piece.octets):
            return
        self._begun, self._lost = (piece, self._lost), None
        self._exchanges.begin_anew()
        if is_quiet:
            self._findings.event(piece, "resumed", f"{self._begun[1]}; both sides were silent before this command")
        else:
            self._guessed = self._exchanges.findings = Findings(self._findings.conversation)

    def _trust(self, how: tuple[str, str]) -> None:
        """The guess, if there is one, holds as far as can be told."""
        if self._guessed is not None and self._begun is not None:
            (piece, lost), (what, why) = self._begun, how
            self._findings.event(piece, what, f"{lost}; this command was taken for {_THERE}{why}")
            self._findings.take(self._guessed)
            self._guessed, self._exchanges.findings = None, self._findings

    def _give_up_guess(self, guessed: Findings, error: RemoteError) -> None:
        """Something contradicts it: better no values than wrong ones."""
        if self._begun is not None:
            detail = f"this command was taken for {_THERE}; {error.reason} {error.detail} shows that it is not"
            self._findings.event(self._begun[0], UNREAD, f"{self._begun[1]}; {detail}")
        self._findings.take_unpaired(guessed)
        self._guessed, self._exchanges.findings = None, self._findings


class Exchanges:
    """Commands and answers in step. ``read`` raises RemoteError for what does not fit."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self._decoders = FrameDecoder(0), FrameDecoder(INIT_OCTETS)
        self._is_known = self._is_accepted = False
        self._waiting: list[tuple[int, Command]] = []

    @property
    def is_settled(self) -> bool:
        """Whether every command has its answer, and nothing is there in half."""
        return not self._waiting and not any(decoder.pending_octets for decoder in self._decoders)

    def begin_anew(self) -> None:
        """Behind the init, with the next command."""
        self._decoders = FrameDecoder(0), FrameDecoder(0)
        self._is_known = self._is_accepted = True

    def end(self, outcome: str) -> None:
        """Nobody will answer what waits."""
        waiting, self._waiting = self._waiting, []
        for time_us, command in waiting:
            self._order(time_us, command, outcome)

    def read(self, piece: Piece) -> None:
        """What one side says next."""
        decoder = self._decoders[piece.from_client]
        decoder.feed(piece.octets)
        while (packet := decoder.next()) is not None:
            (self._of_device if piece.from_client else self._of_server)(packet, piece)

    # -- inside

    def _of_device(self, packet: bytes, piece: Piece) -> None:
        if not self._is_known:
            self._is_known = True
            self.findings.identity = {"device": f"{decode_init(packet):#018x}"}
            self.findings.messages[True]["init"] += 1
            return
        if not self._waiting:
            raise RemoteError("unexpected-answer", packet.hex())
        time_us, command = self._waiting.pop(0)
        try:
            answer = decode_answer(command.code, packet)
        except RemoteError:
            self._order(time_us, command, "wrong-reply")
            raise
        self._answered(time_us, command, answer, piece)

    def _of_server(self, packet: bytes, piece: Piece) -> None:
        if not self._is_accepted:
            self._is_accepted = True
            word = "accepted" if packet == ACCEPTED else "refused"
            self.findings.messages[False][word] += 1
            return
        command = decode_command(packet)
        self.findings.messages[False][_name(command)] += 1
        self._waiting.append((piece.time_us, command))

    def _answered(self, time_us: int, command: Command, answer: Answer, piece: Piece) -> None:
        self.findings.messages[True][_name(command)] += 1
        request = _request_of(command)
        if request is None:
            if answer.value is not None:
                self.findings.event(piece, _name(command), str(answer.value))
            return
        values = () if answer.value is None else (answer.value,)
        pdu = None if answer.fault else response_of(request, values).encode()
        self._order(time_us, command, quality_of(answer.fault), pdu, piece.time_us)
        if isinstance(request, Read):
            unit = command.arguments[-1]
            reading = Reading(piece.time_us, unit, request.table, request.start, values, answer.fault, size=1)
            self.findings.readings.append(reading)

    def _order(
        self, time_us: int, command: Command, outcome: str, answer: bytes | None = None, answered_us: int | None = None
    ) -> None:
        request = _request_of(command)
        if request is not None:
            order = Order(time_us, command.arguments[-1], request.encode(), outcome, answer, answered_us)
            self.findings.orders.append(order)


def is_init(octets: bytes) -> bool:
    """Any u64, then version 0, and nothing more until the server has answered."""
    return len(octets) == INIT_OCTETS and not any(octets[8:])


def _are_commands(octets: bytes) -> bool:
    """Whether they are whole commands and nothing else."""
    decoder = FrameDecoder(0)
    try:
        decoder.feed(octets)
        while (packet := decoder.next()) is not None:
            decode_command(packet)
    except RemoteError:
        return False
    return not decoder.pending_octets


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
