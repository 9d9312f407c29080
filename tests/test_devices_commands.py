"""Writes to equipment: checked, sent once, proven by read-back, audited."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from smok_twisted.devices import writes
from smok_twisted.errors import Conflict, Impossible, NotAllowed, NotFound
from smok_twisted.modbus.bank import RegisterBank
from smok_twisted.modbus.protocol import LineFault
from smok_twisted.readings import BlockReport, Fault, Report, Table
from smok_twisted.storage.records import CommandRecord

from .commands_rig import ADMIN, CommandRig
from .server_in_memory import DEVICE_ID, NOW_US, result_of


class Commanding(CommandRig):
    def test_confirmed_by_read_back(self) -> None:
        """Read, write, read back; the record, the audit and the equipment agree."""
        command = self.write()
        self.assertEqual(self.outcome(command), ("confirmed", 55.0, 60.0, None))
        self.assertEqual((self.bank.registers[Table.HOLDING][11], self.sent()), (600, [b"\x03", b"\x06", b"\x03"]))
        self.assertEqual(result_of(self.server.store.command("c0")), command.record)
        entry = result_of(self.server.store.audit())[0]
        self.assertEqual((entry.who, entry.source, entry.device_id), ("admin", "127.0.0.1", DEVICE_ID))
        self.assertEqual(entry.detail["pdu"], "06000b0258")
        self.assertEqual((entry.detail["before"], entry.detail["read_back"]), (55.0, 60.0))

    def test_the_new_value_is_shown_at_once(self) -> None:
        """Not only when its block is polled again; and what is polled later wins."""
        assert self.device.wanted is not None
        number = self.device.wanted.number
        report = Report(DEVICE_ID, NOW_US, 7, 1, 0, number, (BlockReport(1, (0x8029, 550)),))
        self.device.values.update(report, NOW_US)
        self.server.clock.advance(1)
        self.write()
        self.assertEqual([one.value for one in self.device.point_values(self.server.wall_clock())][:2], [-4.1, 60.0])
        self.server.clock.advance(1)
        self.device.values.update(report._replace(time_us=NOW_US + 2_000_000), NOW_US + 2_000_000)
        self.assertEqual(self.device.point_values(self.server.wall_clock())[1].value, 55.0)

    def test_a_coil(self) -> None:
        """Function 5."""
        self.assertEqual(self.outcome(self.write("pump", True)), ("confirmed", False, True, None))
        self.assertEqual(self.bank.registers[Table.COIL][5], 1)

    def test_what_is_refused_before_anything_is_sent(self) -> None:
        """Each with one sentence that says what would do."""
        for point, value, error, words in [
            ("outside", 1, NotAllowed, "read-only"),
            ("setpoint", 91, Impossible, "from 20"),
            ("setpoint", 60.05, Impossible, "60.0"),
            ("setpoint", "warm", Impossible, "warm"),
            ("nothing", 1, NotFound, "setpoint"),
        ]:
            self.assertIn(words, str(self.assertRaises(error, self.write, point, value)))
        result_of(self.server.registry.change(self.device, may_write=False))
        refused = self.assertRaises(NotAllowed, self.write)
        self.assertIn("smok device set 'kotłownia 1' --may-write", str(refused))
        self.assertEqual(self.session.asked, [])

    def test_a_device_after_a_security_event_is_not_written_to(self) -> None:
        """Whatever may_write says."""
        result_of(self.server.registry.change(self.device, read_only=True))
        self.assertIn("security event", str(self.assertRaises(NotAllowed, self.write)))

    def test_equipment_that_says_no(self) -> None:
        """Refused, with the name of the exception."""
        self.bank.answer = lambda pdu: b"\x86\x04" if pdu[0] == 6 else RegisterBank.answer(self.bank, pdu)  # type: ignore[method-assign]
        state, before, read_back, error = self.outcome(self.write())
        self.assertEqual((state, before, read_back), ("refused", 55.0, None))
        self.assertIn("server device failure", error)

    def test_equipment_that_keeps_another_value(self) -> None:
        """It said yes, and the read-back says no."""
        real = self.bank.answer
        self.bank.answer = lambda pdu: pdu if pdu[0] == 6 else real(pdu)  # type: ignore[method-assign]
        state, _, read_back, error = self.outcome(self.write())
        self.assertEqual((state, read_back, error), ("refused", 55.0, "the equipment holds 55.0"))

    def test_equipment_that_does_not_answer_is_not_written_to(self) -> None:
        """The read before the write got no answer: nothing was sent."""
        self.session.silent = {1}
        state, _, _, error = self.outcome(self.write())
        self.assertEqual((state, self.sent()), ("refused", [b"\x03"]))
        self.assertIn("did not answer (timeout)", error)

    def fault_on_write(self, after: bool) -> None:
        """The answer to a write gets lost; ``after``: the equipment has executed it."""
        execute = self.session.execute

        def lossy(unit: int, pdu: bytes, timeout_seconds: float) -> Deferred[bytes]:
            if pdu[0] != 6:
                return execute(unit, pdu, timeout_seconds)
            if after:
                execute(unit, pdu, timeout_seconds)
            failed: Deferred[bytes] = Deferred()
            failed.errback(LineFault(Fault.TIMEOUT))
            return failed

        self.session.execute = lossy  # type: ignore[method-assign]

    def test_no_answer_but_it_was_done(self) -> None:
        """F24: settled by reading back, never by repeating."""
        self.fault_on_write(after=True)
        self.assertEqual(self.outcome(self.write())[0], "confirmed")
        self.assertEqual(self.sent().count(b"\x06"), 1)

    def test_no_answer_and_it_was_not_done(self) -> None:
        """F24: the read-back shows the old value."""
        self.fault_on_write(after=False)
        self.assertEqual(self.outcome(self.write())[::2], ("refused", 55.0))

    def test_a_fault_of_the_line_is_not_a_refusal(self) -> None:
        """Exceptions 0x0A and 0x0B say nothing about the unit: it may have executed the write."""
        real = self.bank.answer
        for code in (b"\x0a", b"\x0b"):

            def answer(pdu: bytes, code: bytes = code) -> bytes:
                done = real(pdu)
                return b"\x86" + code if pdu[0] == 6 else done

            self.bank.answer = answer  # type: ignore[method-assign]
            self.assertEqual(self.outcome(self.write(value=60 + code[0]))[0], "confirmed")

    def test_one_write_after_the_other(self) -> None:
        """The read-back of the first is not disturbed by the second."""
        self.session.hold = True
        first, second = self.write(value=60), self.write(value=70)
        while self.session.held:
            self.session.held.pop(0)()
        self.assertEqual([self.outcome(one)[:3] for one in (first, second)],
                         [("confirmed", 55.0, 60.0), ("confirmed", 60.0, 70.0)])

    def test_the_same_key_is_the_same_command(self) -> None:
        """A client that asks again because its answer got lost writes once."""
        self.session.hold = True
        first = self.write(key="k1")
        self.assertIs(self.write(key="k1"), first)
        while self.session.held:
            self.session.held.pop(0)()
        self.assertEqual(self.write(key="k1"), first.record)
        self.assertEqual(self.sent().count(b"\x06"), 1)
        self.assertIn("another command", str(self.assertRaises(Conflict, self.write, value=61, key="k1")))

    def test_after_a_restart_nothing_is_written(self) -> None:
        """F25: what was queued has expired, what was sent is unknown."""
        for number, state in enumerate(("queued", "sent")):
            record = CommandRecord(f"old{number}", DEVICE_ID, state, NOW_US, "admin", "setpoint", body={"value": 60})
            result_of(self.server.store.save_command(record))
        self.commands.recover(result_of(self.server.store.open()).pending)
        states = [result_of(self.commands.find(self.device, f"old{number}")).state for number in range(2)]
        self.assertEqual((states, self.session.asked), (["expired", "unknown"], []))
        self.assertEqual([state for _, _, state in self.audit()], ["unknown", "expired"])

    def test_raw_registers(self) -> None:
        """For administrators; read back all the same."""
        write = writes.to_registers(self.device.record, 1, Table.HOLDING, 10, (1, 2))
        command = result_of(self.commands.submit(self.device, write, ADMIN))
        self.assertEqual(self.outcome(command), ("confirmed", [0x8029, 550], [1, 2], None))

    def test_a_command_of_another_device(self) -> None:
        """Is not found."""
        self.assertRaises(NotFound, lambda: result_of(self.commands.find(self.device, "none")))
