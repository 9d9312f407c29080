"""Our MODBUS means the same as that of others: pymodbus on every PDU, libmodbus as a unit and as a master of ours."""

from __future__ import annotations

import logging
import os
import select
import threading
import tty
from collections.abc import Callable
from random import Random
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SkipTest, SynchronousTestCase, TestCase

from smok_twisted.modbus import rtu
from smok_twisted.modbus.bank import RegisterBank
from smok_twisted.modbus.pdu import Request
from smok_twisted.modbus.responses import Response, check_response
from smok_twisted.modbus.server import TcpServerFactory
from smok_twisted.readings import Table

from . import libmodbus_disagreements
from .differential import compare, ours, theirs
from .libmodbus import Answer, Master, load
from .libmodbus_differential import ASKED, beside
from .modbus_disagreements import DISAGREEMENTS, FUNCTIONS, MALFORMED, TAKES, Case, reason_for
from .modbus_judge import verdicts
from .modbus_tally import AGREED, Tally, judge
from .tshark import need_tshark

UNIT = 17
EXAMPLES = [reason.example for reason in DISAGREEMENTS.values()]
CELLS = 300  #: registers or bits of each table, from address 0
LONGEST = {Table.COIL: 250, Table.DISCRETE: 250, Table.HOLDING: 121, Table.INPUT: 121}


class Pymodbus(SynchronousTestCase):
    """A few thousand PDUs per function; ``make differential`` has a hundred times as many."""

    def setUp(self) -> None:
        logger = logging.getLogger("pymodbus")
        self.addCleanup(logger.setLevel, logger.level)
        logger.setLevel(logging.CRITICAL)

    def test_every_function(self) -> None:
        """Octets and meaning are the same, but for the disagreements that have a reason."""
        for function in FUNCTIONS:
            for is_request in (True, False):
                tally = compare(function, is_request, 1500, Random(function))
                self.assertEqual(tally.defects, [])
                self.assertGreater(tally.accepted, 750)

    def test_each_disagreement(self) -> None:
        """Each that is listed is there, and is told by its own reason."""
        for name, reason in DISAGREEMENTS.items():
            kind, octets = reason.example.split()
            pdu, is_request = bytes.fromhex(octets), kind == "request"
            case = Case(pdu, ours(pdu, is_request), theirs(pdu, is_request), is_request)
            self.assertNotEqual(case.ours, case.theirs, name)
            self.assertEqual(reason_for(case), name)

    def test_the_third_opinion(self) -> None:
        """tshark gives each disagreement the verdict that is written beside it, and takes apart what both agree on."""
        need_tshark()
        pdus = [(bytes.fromhex(octets), kind == "request") for kind, octets in map(str.split, EXAMPLES)]
        found = [verdict.word for verdict in verdicts(pdus)]
        self.assertEqual(found, [reason.verdicts[0] for reason in DISAGREEMENTS.values()])
        self.assertIn(MALFORMED, found)
        total = Tally()
        for function in FUNCTIONS:
            for is_request in (True, False):
                total.add(compare(function, is_request, 300, Random(function)))
        judge(total, DISAGREEMENTS, at_most=100)
        self.assertEqual(total.defects, [])
        self.assertEqual({name for name, _ in total.judged} - {AGREED}, set(total.explained))
        self.assertGreater(total.judged[AGREED, TAKES], 100)


def need_libmodbus() -> Any:
    """The library. Raises SkipTest where it is not, but in CI."""
    library = load()
    if library is None:
        assert not os.environ.get("CI"), "CI must have libmodbus (tools/debian-packages)"
        raise SkipTest("no libmodbus: it is not heard; install libmodbus5 for that")
    return library


class BesideLibmodbus(SynchronousTestCase):
    """Some hundred PDUs per function between a unit and a master of each; ``make differential`` has many more."""

    def setUp(self) -> None:
        manager = beside(need_libmodbus(), Random(4))
        self.both = manager.__enter__()
        self.addCleanup(manager.__exit__, None, None, None)

    def test_our_master_and_their_unit(self) -> None:
        """Each request, whole or damaged, is answered as by our unit, but for the disagreements that have a reason."""
        for function in FUNCTIONS:
            tally = self.both.requests(function, 400)
            self.assertEqual(tally.defects, [])
            self.assertGreater(tally.accepted, -1 if function == 43 else 40)  # which it only refuses
        self.assertEqual(self.both.differing(), [])

    def test_their_master_and_our_unit(self) -> None:
        """They ask in the same octets, and make of each answer, whole or damaged, what we make of it."""
        for function in ASKED:
            tally = self.both.responses(function, 400)
            self.assertEqual(tally.defects, [])
            self.assertGreater(tally.accepted, 40)

    def test_each_disagreement(self) -> None:
        """Each that is listed is there, is told by its own reason, and has the verdict of tshark beside it."""
        need_tshark()
        listed = libmodbus_disagreements.DISAGREEMENTS
        cases = [self.both.case(reason.example) for reason in listed.values()]
        for name, case in zip(listed, cases, strict=True):
            self.assertNotEqual(case.ours, case.theirs, name)
            self.assertEqual(libmodbus_disagreements.reason_for(case), name)
        found = [verdict.word for verdict in verdicts([(case.pdu, case.is_request) for case in cases])]
        self.assertEqual(found, [reason.verdicts[0] for reason in listed.values()])


class Libmodbus(TestCase):
    """A master in C understands our answers, and we its questions."""

    def setUp(self) -> None:
        self.library = need_libmodbus()
        self.random = Random(4)
        self.bank = RegisterBank()
        self.cells = {
            table: [self.random.randrange(2 if table.is_bits else 0x10000) for _ in range(CELLS)] for table in Table
        }
        for table, cells in self.cells.items():
            self.bank.registers[table] = dict(enumerate(cells))

    @inlineCallbacks
    def test_tcp(self) -> Any:
        """600 random requests over MODBUS/TCP, some of them to registers that are not there."""
        factory = TcpServerFactory(self.answer, reactor)
        port = yield TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(factory)
        self.addCleanup(port.stopListening)
        refused = yield deferToThread(self.converse, lambda: Master.tcp(self.library, port.getHost().port, UNIT), 600)
        for server in list(factory.connections):
            server.transport.abortConnection()
        self.check(refused)

    def answer(self, unit: int, request: Request) -> Response:
        """What the bank answers."""
        self.assertEqual(unit, UNIT)
        return check_response(request, self.bank.answer(request.encode()))

    @inlineCallbacks
    def test_rtu(self) -> Any:
        """300 random requests over a serial line (a pseudo terminal)."""
        line, slave = os.openpty()
        tty.setraw(slave)
        done = threading.Event()
        listener = threading.Thread(target=self.serve, args=(line, done))
        listener.start()
        try:
            path = os.ttyname(slave)
            refused = yield deferToThread(self.converse, lambda: Master.rtu(self.library, path, UNIT), 300)
        finally:
            done.set()
            listener.join()
            os.close(slave)
            os.close(line)
        self.check(refused)

    def serve(self, line: int, done: threading.Event) -> None:
        """A unit on a line."""
        decoder = rtu.request_decoder()
        while not done.is_set():
            if select.select([line], [], [], 0.05)[0]:
                decoder.feed(os.read(line, 4096))
                while (found := decoder.next()) is not None:
                    if isinstance(found, rtu.Frame) and found.unit == UNIT:
                        os.write(line, rtu.build_frame(UNIT, self.bank.answer(found.pdu)))

    def converse(self, connect: Any, requests: int) -> int:
        """Ask in a thread of its own; how many requests were refused, each with exception 2."""
        master = connect()
        refused = 0
        try:
            for _ in range(requests):
                refused += self.ask(master)
        finally:
            master.close()
        return refused

    def ask(self, master: Master) -> bool:
        """One random request, and whether it was refused."""
        random = self.random
        table = random.choice(tuple(Table))
        count = random.choice((1, random.randint(1, 20), LONGEST[table]))
        start = random.randrange(CELLS - count + 12)
        try:
            random.choice((self.read, self.write_one, self.write_many, self.mask, self.write_and_read))(
                master, table, start, count
            )
        except Answer as no:
            self.assertEqual(no.code, 2)
            self.assertGreater(start + count, CELLS)
            return True
        return False

    def read(self, master: Master, table: Table, start: int, count: int) -> None:
        self.assertEqual(master.read(table, start, count), self.cells[table][start : start + count])

    def write_one(self, master: Master, table: Table, start: int, count: int) -> None:
        self.write(table, start, 1, lambda writable, values: master.write_one(writable, start, values[0]))

    def write_many(self, master: Master, table: Table, start: int, count: int) -> None:
        self.write(table, start, count, lambda writable, values: master.write_many(writable, start, values))

    def write_and_read(self, master: Master, table: Table, start: int, count: int) -> None:
        count = min(count, LONGEST[Table.HOLDING])

        def write(_: Table, words: list[int]) -> None:
            self.assertEqual(master.write_and_read(start, words, start, count), words)

        self.write(Table.HOLDING, start, count, write)

    def mask(self, master: Master, table: Table, start: int, count: int) -> None:
        master.mask(start, 0xF0F0, 0x1234)
        holding = self.cells[Table.HOLDING]
        holding[start] = holding[start] & 0xF0F0 | 0x1234 & 0x0F0F

    def write(self, table: Table, start: int, count: int, how: Callable[[Table, list[int]], None]) -> None:
        """Random values; ``cells`` has them only if they were taken."""
        table = Table.COIL if table.is_bits else Table.HOLDING
        values = [self.random.randrange(2 if table.is_bits else 0x10000) for _ in range(count)]
        how(table, values)
        self.cells[table][start : start + count] = values

    def check(self, refused: int) -> None:
        """Some requests were refused, and everything that was written has arrived."""
        self.assertGreater(refused, 5)
        for table, cells in self.cells.items():
            self.assertEqual([self.bank.registers[table][address] for address in range(CELLS)], cells)
