"""Our MODBUS and libmodbus's, each as the master of the other, over pairs of sockets; see ``tests.differential``.

Both units have the same registers, and half of the address range. Every second PDU is damaged, every second pair of
them travels as RTU. Whoever still waits for octets at the end of the line has not understood.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from smok_twisted.errors import RemoteError
from smok_twisted.modbus import mbap, rtu
from smok_twisted.modbus.bank import RegisterBank
from smok_twisted.modbus.pdu import (
    MaskWrite,
    Read,
    ReadWrite,
    Request,
    WriteCoil,
    WriteCoils,
    WriteRegister,
    WriteRegisters,
    decode_request,
)
from smok_twisted.modbus.protocol import Client, LineFault, TcpClient
from smok_twisted.modbus.responses import ModbusException, ReadResponse, Response, check_response
from smok_twisted.modbus.rtu_client import RtuClient
from smok_twisted.readings import Table

from .libmodbus import Answer, Master, Slave, heard
from .libmodbus_disagreements import UNIT, Case, Meaning, reason_for
from .modbus_samples import damaged, random_request, replaced
from .modbus_tally import AGREED_EVERY, Tally

START = CELLS = 0x8000
#: Where a request says what it writes: its table, then the first address and (None: one) the count in its PDU.
WRITES: dict[int, tuple[Table, int, int | None]] = {
    5: (Table.COIL, 1, None),
    6: (Table.HOLDING, 1, None),
    15: (Table.COIL, 1, 3),
    16: (Table.HOLDING, 1, 3),
    22: (Table.HOLDING, 1, None),
    23: (Table.HOLDING, 5, 7),
}
#: Those that libmodbus asks; 43 it only refuses.
ASKED = (1, 2, 3, 4, 5, 6, 15, 16, 22, 23)
ENOUGH_SECONDS = 1.0


class _Wire:
    """What a client of ours writes goes to the unit of libmodbus, whose answer comes back at once."""

    def __init__(self, slave: Slave, is_rtu: bool) -> None:
        self.answer = b""
        self._slave, self._is_rtu = slave, is_rtu
        self._client: Any = RtuClient(Clock()) if is_rtu else TcpClient(Clock())
        self._client.makeConnection(self)

    def ask(self, request: Request) -> Meaning:
        """What our master makes of the answer."""
        client: Client = self._client
        done: Deferred[Response] = client.request(UNIT, request, ENOUGH_SECONDS)
        self._client.dataReceived(self.answer)
        results: list[Any] = []
        done.addBoth(results.append)
        return _value(results[0]) if results else None

    def write(self, octets: bytes) -> None:
        """See ``ITransport``."""
        self.answer = self._slave.answer(octets, self._is_rtu)

    def abortConnection(self) -> None:
        """See ``ITCPTransport``: the client does not like what it hears."""


def _value(result: Any) -> Meaning:
    """A response in plain numbers; None: refused."""
    if isinstance(result, Failure):
        if result.check(ModbusException):
            return ("exception", result.value.code)
        result.trap(LineFault)
        return None
    return ("values", *(result.values if isinstance(result, ReadResponse) else ()))


def understood(request: Request, pdu: bytes) -> Meaning:
    """What we make of a response PDU to ``request``; None: refused."""
    try:
        return _value(check_response(request, pdu))
    except ModbusException as exception:
        return ("exception", exception.code)
    except RemoteError:
        return None


class Beside:
    """A unit of ours and one of libmodbus with the same registers, and a master of libmodbus for each framing."""

    def __init__(self, library: Any, random: Random) -> None:
        self._library, self._random = library, random
        self.bank, self.slave = RegisterBank(), Slave(library, UNIT, START, CELLS)
        self._asked_by_theirs = RegisterBank()  # nobody tells libmodbus's unit what its master has written there
        for table in Table:
            cells = [random.randrange(2 if table.is_bits else 0x10000) for _ in range(CELLS)]
            self.bank.registers[table] = dict(enumerate(cells, START))
            self._asked_by_theirs.registers[table] = dict(self.bank.registers[table])
            self.slave.put(table, cells)
        self._masters = [Master.on_sockets(library, is_rtu, UNIT) for is_rtu in (False, True)]
        self._transaction = 0  #: of the request that libmodbus's master has sent last over MODBUS/TCP

    def close(self) -> None:
        """Free what is libmodbus's."""
        self.slave.close()
        for master in self._masters:
            master.close()

    def case(self, example: str) -> Case:
        """What both make of one that is written as in the list of disagreements."""
        framing, asked, *answered = example.split()
        pdu, is_rtu = bytes.fromhex(asked), framing == "rtu"
        if not answered:
            return Case(pdu, is_rtu, self.bank.answer(pdu), self._raw(pdu, is_rtu, Tally()))
        answer, request = bytes.fromhex(answered[0]), decode_request(pdu)
        return Case(answer, is_rtu, understood(request, answer), self._master_asks(request, answer, is_rtu)[0], request)

    # Our master, their unit.

    def requests(self, function: int, count: int) -> Tally:
        """Requests by our master to libmodbus: answered as our unit answers them, and the answer understood."""
        found = Tally()
        for number in range(count):
            request, is_rtu = random_request(function, self._random)[0], bool(number & 2)
            pdu = damaged(request.encode(), self._random) if number % 2 else request.encode()
            theirs = self._raw(pdu, is_rtu, found) if number % 2 else self._asked(request, is_rtu, found)
            if not _agree(Case(pdu, is_rtu, self.bank.answer(pdu), theirs), found):
                self._even_out(pdu)
        return found

    def _asked(self, request: Request, is_rtu: bool, found: Tally) -> bytes | None:
        """The answer to a request, which our client must understand as it stands there."""
        wire = _Wire(self.slave, is_rtu)
        outcome = wire.ask(request)
        pdu = _pdu_of(wire.answer, is_rtu, request)
        if outcome != (pdu and understood(request, pdu)):
            found.defects.append(f"our client, rtu {is_rtu}: {request} {wire.answer.hex()}: {outcome}")
        return pdu

    def _raw(self, pdu: bytes, is_rtu: bool, found: Tally) -> bytes | None:
        """The answer to something that our master would not send; a frame that is damaged as well has none."""
        frame = _frame(pdu, is_rtu, 1)
        if is_rtu:
            at = self._random.randrange(8, 8 * len(frame))  # the unit stays: what is for others, libmodbus waits for
            wrong = replaced(frame, at // 8, frame[at // 8] ^ 1 << at % 8)
            ours = _next_frame(rtu.request_decoder(), wrong)
            if ours is None and self.slave.answer(wrong, True):
                found.defects.append(f"libmodbus answers a damaged frame: {wrong.hex()}")
        return _pdu_of(self.slave.answer(frame, is_rtu), is_rtu, None)

    def _even_out(self, pdu: bytes) -> None:
        """One may have written what the other refused: what the PDU speaks of is to be as ours, and nothing else."""
        table, start_at, count_at = WRITES.get(pdu[0], (Table.COIL, len(pdu), None))
        start = int.from_bytes(pdu[start_at : start_at + 2])
        count = int.from_bytes(pdu[count_at : count_at + 2]) if count_at else 1
        run = range(max(START, start), min(START + CELLS, start + count))
        if len(pdu) > start_at and run:
            cells = self.bank.registers[table]
            self.slave.put(table, [cells[address] for address in run], run.start - START)

    def differing(self) -> list[str]:
        """Tables in which the two are not alike in the end."""
        return [
            f"{table.name} differs"
            for table in Table
            if self.slave.cells(table) != list(self.bank.registers[table].values())
        ]

    # Their master, our unit.

    def responses(self, function: int, count: int) -> Tally:
        """Requests by libmodbus's master to our unit: octets as ours; the answer, whole or not, understood alike."""
        found = Tally()
        for number in range(count):
            request, is_rtu = random_request(function, self._random)[0], bool(number & 2)
            answer = self._asked_by_theirs.answer(request.encode())
            if number % 2:
                answer = damaged(answer, self._random)
            theirs, sent = self._master_asks(request, answer, is_rtu)
            if sent != _frame(request.encode(), is_rtu, self._transaction):
                found.defects.append(f"libmodbus asks {request} as {sent.hex()}")
            _agree(Case(answer, is_rtu, understood(request, answer), theirs, request), found)
        return found

    def _master_asks(self, request: Request, answer: bytes, is_rtu: bool) -> tuple[Meaning, bytes]:
        """What libmodbus's master makes of ``answer``, and what it has sent."""
        master = self._masters[is_rtu]
        self._transaction = self._transaction if is_rtu else (self._transaction + 1) % 0x10000
        with master.hears(_frame(answer, is_rtu, self._transaction)) as line:
            try:
                theirs: Meaning = ("values", *_ask(master, request))
            except Answer as no:
                theirs = ("exception", no.code)
            except OSError:
                theirs = None
            sent = heard(line)
            master.hang_up()
        return theirs, sent


def _agree(case: Case, tally: Tally) -> bool:
    """Whether they do; either way it is counted."""
    tally.compared += 1
    if case.ours == case.theirs:
        tally.accepted += not case.is_refused
        if not case.is_refused and tally.accepted % AGREED_EVERY == 0:
            tally.agreed.append((case.pdu, case.is_request))
        return True
    reason = reason_for(case)
    if reason is None:
        tally.defects.append(f"{case} {case.pdu.hex()}")
    else:
        tally.explained[reason] += 1
        tally.disputed.setdefault(reason, []).append((case.pdu, case.is_request))
    return False


@contextmanager
def beside(library: Any, random: Random) -> Iterator[Beside]:
    """Both; freed in the end."""
    both = Beside(library, random)
    try:
        yield both
    finally:
        both.close()


def _ask(master: Master, request: Request) -> list[int]:
    """The values that came; none for a write."""
    match request:
        case Read(table, start, count):
            return master.read(table, start, count)
        case WriteCoil(address, on):
            master.write_one(Table.COIL, address, int(on))
        case WriteRegister(address, value):
            master.write_one(Table.HOLDING, address, value)
        case WriteCoils(start, values):
            master.write_many(Table.COIL, start, values)
        case WriteRegisters(start, values):
            master.write_many(Table.HOLDING, start, values)
        case MaskWrite(address, and_mask, or_mask):
            master.mask(address, and_mask, or_mask)
        case ReadWrite(read_start, read_count, write_start, values):
            return master.write_and_read(write_start, values, read_start, read_count)
    return []


def _frame(pdu: bytes, is_rtu: bool, transaction: int) -> bytes:
    return rtu.build_frame(UNIT, pdu) if is_rtu else mbap.Adu(transaction, UNIT, pdu).encode()


def _next_frame(decoder: rtu.Decoder, octets: bytes) -> rtu.Frame | None:
    decoder.feed(octets)
    found = decoder.next()
    return found if isinstance(found, rtu.Frame) else None


def _pdu_of(answer: bytes, is_rtu: bool, request: Request | None) -> bytes | None:
    """The PDU in an answer, by our decoders; by its ends alone if nobody has asked. None: there is none."""
    if not answer:
        return None
    if not is_rtu:
        decoder = mbap.Decoder()
        decoder.feed(answer)
        adu = decoder.next()
        return adu.pdu if adu else None
    if request is None:
        return answer[1:-2] if rtu.crc16(answer) == 0 else None
    frame = _next_frame(rtu.response_decoder(UNIT, request), answer)
    return frame.pdu if frame else None
