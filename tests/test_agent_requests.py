"""What the server asks of the equipment: never late, never twice, always answered."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.agent.requests import PunctualLine, Requests
from smok_twisted.devices.orders import Orders, Priority
from smok_twisted.links.smok4.messages import ModbusRequest
from smok_twisted.modbus.bank import RegisterBank
from smok_twisted.modbus.pdu import Read, WriteRegister
from smok_twisted.modbus.protocol import LineFault
from smok_twisted.readings import Fault, Table
from smok_twisted.testing import BankLine

READ = Read(Table.HOLDING, 0, 1).encode()
WRITE = WriteRegister(0, 99).encode()


class Asking(SynchronousTestCase):
    def setUp(self) -> None:
        self.bank = RegisterBank()
        self.bank.registers[Table.HOLDING] = dict.fromkeys(range(125), 7)
        self.line, self.orders, self.tick = BankLine({1: self.bank}), Orders(), 1000
        self.orders.connected(PunctualLine(self.line))
        self.requests = Requests(self.orders, lambda: self.tick, 2.0)

    def serve(self, pdu: bytes, txid: int = 1, deadline: int = 1030, unit: int = 1) -> Deferred[bytes]:
        return self.requests.serve(ModbusRequest(txid, deadline, unit, pdu))

    def answer(self, pdu: bytes, **more: int) -> str:
        return self.successResultOf(self.serve(pdu, **more)).hex()

    # -- deadlines

    def test_reads_and_writes_are_answered_as_the_unit_does(self) -> None:
        """The octets of the response, exceptions included."""
        self.assertEqual(self.answer(READ), "03020007")
        self.assertEqual(self.answer(WRITE, txid=2), WRITE.hex())
        self.assertEqual(self.answer(Read(Table.INPUT, 0, 1).encode(), txid=3), "8402")
        self.assertEqual(len(self.answer(Read(Table.HOLDING, 0, 125).encode(), txid=4)), 2 * 252)

    def test_a_late_write_is_not_executed(self) -> None:
        """(deadline - tick) mod 2^16 must not be more than 600; refused as busy: known to be undone."""
        for deadline, runs in ((1000, True), (1600, True), (999, False), (1601, False), (1000 - 30_000, False)):
            self.line.asked.clear()
            answer = self.answer(WRITE, txid=deadline & 0xFFFF, deadline=deadline & 0xFFFF)
            self.assertEqual((bool(self.line.asked), answer), (runs, WRITE.hex() if runs else "8606"), deadline)

    def test_the_deadline_counts_across_the_wrap_of_the_tick(self) -> None:
        """18 hours of uptime change nothing."""
        self.tick = 65_530
        self.assertEqual(self.answer(WRITE, deadline=24), WRITE.hex())
        self.assertEqual(self.answer(WRITE, txid=2, deadline=594), WRITE.hex())
        self.assertEqual(self.answer(WRITE, txid=3, deadline=595), "8606")
        self.tick = 25
        self.assertEqual(self.answer(WRITE, txid=4, deadline=24), "8606")

    def test_a_write_that_waited_too_long_is_not_executed(self) -> None:
        """It came in time, but the bus was busy until its deadline had passed."""
        self.line.hold = True
        self.orders.ask(1, READ, Priority.POLLER)
        answer = self.serve(WRITE, deadline=1030)
        self.tick = 1031
        self.line.held.pop()()
        self.assertEqual(self.successResultOf(answer).hex(), "8606")
        self.assertEqual([pdu for _, pdu in self.line.asked], [READ])

    def test_a_write_goes_before_a_read(self) -> None:
        """However long the read has waited."""
        self.line.hold = True
        self.orders.ask(1, b"\x03\x00\x01\x00\x01", Priority.OPERATOR_WRITE)
        self.serve(READ), self.serve(WRITE, txid=2)
        self.line.hold = False
        self.line.held.pop()()
        self.assertEqual([pdu for _, pdu in self.line.asked[1:]], [WRITE, READ])

    def test_a_read_has_no_deadline(self) -> None:
        """Reading late does no harm."""
        self.assertEqual(self.answer(READ, deadline=0), "03020007")

    def test_a_write_of_a_session_that_is_over_is_not_begun(self) -> None:
        """Nobody would hear how it went."""
        self.line.hold = True
        self.orders.ask(1, READ, Priority.POLLER)
        answer = self.serve(WRITE)
        self.requests.stop()
        self.line.held.pop()()
        self.successResultOf(answer)
        self.assertEqual([pdu for _, pdu in self.line.asked], [READ])

    # -- repeats

    def test_a_repeat_is_answered_and_not_executed(self) -> None:
        """The same txid: the stored reply, even when its deadline has passed or the octets differ."""
        first = self.answer(WRITE, txid=9)
        self.tick += 5000
        self.assertEqual(self.answer(WriteRegister(0, 1).encode(), txid=9), first)
        self.assertEqual(len(self.line.asked), 1)
        self.assertEqual(self.answer(READ, txid=10), "03020063")
        self.assertEqual(self.answer(READ, txid=10), "03020063")
        self.assertEqual(len(self.line.asked), 2)

    def test_a_repeat_while_the_first_still_runs(self) -> None:
        """Both are answered by one execution."""
        self.line.hold = True
        answers = [self.serve(WRITE, txid=9), self.serve(WRITE, txid=9)]
        self.line.held.pop()()
        self.assertEqual([self.successResultOf(answer) for answer in answers], [WRITE, WRITE])
        self.assertEqual(len(self.line.asked), 1)

    def test_a_write_is_not_forgotten_for_a_read(self) -> None:
        """Write 9, read 10, write 9 again: executed once."""
        self.answer(WRITE, txid=9), self.answer(READ, txid=10), self.answer(WRITE, txid=9)
        self.assertEqual([pdu for _, pdu in self.line.asked], [WRITE, READ])

    def test_what_was_not_executed_may_be_asked_again(self) -> None:
        """A refusal for lateness is no stored reply."""
        self.assertEqual(self.answer(WRITE, txid=9, deadline=999), "8606")
        self.assertEqual(self.answer(WRITE, txid=9, deadline=1030), WRITE.hex())

    def test_a_refusal_leaves_the_reply_of_another_write(self) -> None:
        """Write 9 came too late while write 10 waited behind it: 10 is executed, and its repeat is not."""
        self.line.hold = True
        self.orders.ask(1, READ, Priority.POLLER)
        late, other = self.serve(WRITE, txid=9, deadline=1001), self.serve(WRITE, txid=10, deadline=1030)
        self.tick, self.line.hold = 1002, False
        self.line.held.pop()()
        self.assertEqual([self.successResultOf(answer).hex() for answer in (late, other)], ["8606", WRITE.hex()])
        self.assertEqual(self.answer(WRITE, txid=10), WRITE.hex())
        self.assertEqual([pdu for _, pdu in self.line.asked], [READ, WRITE])

    def test_what_was_not_executed_is_not_the_last_one(self) -> None:
        """Write 9 ran, write 10 came too late: a repeat of 9 is still answered from memory."""
        self.answer(WRITE, txid=9)
        self.assertEqual(self.answer(WRITE, txid=10, deadline=999), "8606")
        self.assertEqual(self.answer(WRITE, txid=9), WRITE.hex())
        self.assertEqual(len(self.line.asked), 1)

    def test_a_repeat_of_what_still_waits(self) -> None:
        """Writes 9 and 10 wait for the bus; 9 comes again: each is executed once."""
        self.line.hold = True
        self.orders.ask(1, READ, Priority.POLLER)
        answers = [self.serve(WRITE, txid=txid) for txid in (9, 10, 9)]
        self.line.hold = False
        self.line.held.pop()()
        self.assertEqual([self.successResultOf(answer) for answer in answers], [WRITE] * 3)
        self.assertEqual([pdu for _, pdu in self.line.asked], [READ, WRITE, WRITE])

    def test_memory_is_bounded(self) -> None:
        """One reply of each kind is kept, however long a session lasts; an older write may be asked again."""
        for txid in range(1000):
            self.answer(READ, txid=txid), self.answer(WRITE, txid=txid), self.answer(WRITE, txid=txid, deadline=1)
        for txid in range(1000, 1010):
            self.answer(WRITE, txid=txid, unit=2)  # nobody there
        self.assertEqual(len(self.requests._answers), 2)
        self.line.asked.clear()
        self.answer(WRITE, txid=5)
        self.assertEqual(len(self.line.asked), 1)

    def test_a_time_out_is_a_reply_too(self) -> None:
        """The write may have been executed: a repeat must not do it again."""
        self.line.silent = {1}
        self.assertEqual(self.answer(WRITE, txid=9), "860b")
        self.line.silent = set()
        self.assertEqual(self.answer(WRITE, txid=9), "860b")
        self.assertEqual(len(self.line.asked), 1)

    # -- what cannot be

    def test_faults_of_the_bus(self) -> None:
        """Time-out, CRC and wrong reply are 0x0B, a dead bus is 0x0A."""
        for txid, fault in enumerate(Fault):
            self.line.execute = lambda *_, fault=fault: fail(LineFault(fault))  # type: ignore[method-assign]
            expected = "830a" if fault is Fault.BUS_DOWN else "830b"
            self.assertEqual(self.answer(READ, txid=txid), expected)

    def test_illegal_requests_never_reach_the_bus(self) -> None:
        """Unknown functions are 0x01, impossible values 0x03, impossible addresses 0x02."""
        cases = {"07": "8701", "0000000001": "8001", "0300000000": "8303", "03000000": "8303", "03ffff0002": "8302",
                 "100000000102": "9003", "05000012": "8503", "8300000001": "8301"}  # fmt: skip
        for txid, (pdu, answer) in enumerate(cases.items()):
            self.assertEqual(self.answer(bytes.fromhex(pdu), txid=txid), answer, pdu)
        self.assertEqual(self.line.asked, [])

    def test_a_reply_too_long_to_travel(self) -> None:
        """253 octets do not fit a MODBUS-RSP: said so, not crashed."""
        self.line.execute = lambda *_: succeed(bytes(253))  # type: ignore[method-assign]
        self.assertEqual(self.answer(READ), "8304")

    def test_a_flood_of_requests_is_refused(self) -> None:
        """Memory stays bounded: what does not fit the queue is answered as busy, and may come again."""
        self.line.hold = True
        answers = [self.serve(READ, txid=txid) for txid in range(300)]
        busy = [answer for answer in answers if answer.called]
        self.assertEqual(len(busy), 300 - 257)
        self.assertEqual({self.successResultOf(answer).hex() for answer in busy}, {"8306"})
