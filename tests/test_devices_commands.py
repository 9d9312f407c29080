"""Writes to equipment: checked, sent once, proven by read-back, audited."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.devices import writes
from smok_twisted.devices.commands import Asker, Command, Commands
from smok_twisted.devices.orders import WAITING_AT_MOST, Priority
from smok_twisted.errors import Conflict, Impossible, NotAllowed, NotFound
from smok_twisted.modbus.bank import RegisterBank
from smok_twisted.modbus.protocol import LineFault
from smok_twisted.readings import BlockReport, Fault, Report, Table
from smok_twisted.storage.records import CommandRecord
from smok_twisted.testing import BankLine

from .server_in_memory import DEVICE_ID, NOW_US, Server, result_of

ADMIN = Asker("admin", "127.0.0.1")


class Session(BankLine):
    """A device's session that ends in a bank of registers."""

    link, source = "smok4", "198.51.100.1"

    def want(self, plan: Any) -> None: ...
    def close(self, mood: str) -> None: ...


class Commanding(SynchronousTestCase):
    def setUp(self) -> None:
        self.server = Server()
        self.device = self.server.device
        self.bank = RegisterBank()
        self.bank.registers[Table.HOLDING] = {10: 0x8029, 11: 550}
        self.bank.registers[Table.COIL] = {5: 0}
        self.session = Session({1: self.bank})
        self.device.attach(self.session)
        numbers = iter(range(1000))
        self.commands = Commands(
            self.server.store, self.server.clock, self.server.wall_clock, lambda: f"c{next(numbers)}"
        )

    def write(self, point: str = "setpoint", value: Any = 60, **options: Any) -> Command:
        assert self.device.register_map is not None
        write = writes.to_point(self.device.record, self.device.register_map, point, value)
        return result_of(self.commands.submit(self.device, write, ADMIN, **options))

    def outcome(self, command: Command) -> tuple[Any, ...]:
        body = command.record.body
        return command.record.state, body["before"], body["read_back"], body.get("error")

    def sent(self) -> list[bytes]:
        """Functions that reached the equipment, in order."""
        return [pdu[:1] for _, pdu in self.session.asked]

    def audit(self) -> list[Any]:
        return [(one.who, one.action, one.detail["state"]) for one in result_of(self.server.store.audit())]

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
        self.device.values.update(report)
        self.server.clock.advance(1)
        self.write()
        self.assertEqual([one.value for one in self.device.point_values(self.server.wall_clock())][:2], [-4.1, 60.0])
        self.device.values.update(report._replace(time_us=NOW_US + 2_000_000))
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

    def test_the_link_is_lost_after_sending(self) -> None:
        """Unknown, and said so at once; settled by reading when the device is there again."""
        self.session.hold = True
        command = self.write()
        told = command.when_settled()
        self.session.held.pop(0)()
        self.assertEqual((command.record.state, self.sent()), ("sent", [b"\x03", b"\x06"]))
        self.bank.registers[Table.HOLDING][11] = 600
        self.device.detach(self.session, "lost")
        self.assertEqual(self.successResultOf(told).state, "unknown")
        again = Session({1: self.bank})
        self.device.attach(again)
        self.assertEqual(self.outcome(command), ("confirmed", 55.0, 60.0, "the link was lost after the order was sent"))
        self.assertEqual([pdu[:1] for _, pdu in again.asked], [b"\x03"])
        self.assertEqual(self.audit(), [("admin", "write", "confirmed"), ("admin", "write", "unknown")])

    def test_the_link_is_lost_before_sending(self) -> None:
        """Nothing was sent, so it is refused, not unknown."""
        self.session.hold = True
        command = self.write()
        self.device.detach(self.session, "lost")
        self.assertEqual((command.record.state, self.sent()), ("refused", [b"\x03"]))

    def test_a_device_that_is_away(self) -> None:
        """A write is not kept for it, unless the user said until when."""
        self.device.detach(self.session, "lost")
        self.assertIn("expires_in", str(self.assertRaises(Conflict, self.write)))
        self.assertRaises(Impossible, self.write, expires_in=0)
        command = self.write(expires_in=60)
        self.assertEqual(command.record.state, "queued")
        self.server.clock.advance(59)
        self.device.attach(self.session)
        self.assertEqual(command.record.state, "confirmed")

    def test_rights_are_looked_at_again_before_sending(self) -> None:
        """A write that waited for its device is not sent once the device may not be written to any more."""
        for change in ({"may_write": False}, {"read_only": True}):
            result_of(self.server.registry.change(self.device, may_write=True, read_only=False))
            self.device.detach(self.session, "lost")
            command = self.write(expires_in=600)
            result_of(self.server.registry.change(self.device, **change))
            self.device.attach(self.session)
            state, _, _, error = self.outcome(command)
            self.assertEqual((state, self.sent().count(b"\x06")), ("refused", 0))
            self.assertIn("not sent: device 'kotłownia 1'", error)

    def test_it_expires_between_two_steps(self) -> None:
        """The device is there, but slow: what has expired is not sent."""
        self.session.hold = True
        command = self.write(expires_in=60)
        self.server.clock.advance(60)
        self.session.held.pop(0)()
        self.assertEqual((command.record.state, self.sent()), ("expired", [b"\x03"]))

    def test_a_full_queue(self) -> None:
        """A write that may wait is tried again later, not at once and for ever."""
        self.session.hold = True
        for _ in range(WAITING_AT_MOST + 1):
            self.device.orders.ask(1, b"\x03\x00\x0a\x00\x01", Priority.POLLER).addErrback(lambda _: None)
        command = self.write(expires_in=60)
        self.assertEqual(command.record.state, "queued")
        self.session.hold = False
        self.session.held.pop(0)()
        self.server.clock.advance(1)
        self.assertEqual(command.record.state, "confirmed")

    def test_nothing_of_a_settled_command_stays(self) -> None:
        """However it ended."""
        self.write()
        self.device.detach(self.session, "lost")
        self.write(expires_in=60)
        self.server.clock.advance(60)
        self.assertEqual(self.commands._running, {})

    def test_it_comes_too_late(self) -> None:
        """Expired, and never sent."""
        self.device.detach(self.session, "lost")
        command = self.write(expires_in=60)
        self.server.clock.advance(60)
        self.device.attach(self.session)
        self.assertEqual((command.record.state, self.session.asked), ("expired", []))
        self.assertEqual(self.audit(), [("admin", "write", "expired")])

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


class Watching(SynchronousTestCase):
    def test_fast_while_somebody_looks(self) -> None:
        """Every two seconds; 15 s after the last look it is over."""
        server = Server()
        bank = RegisterBank()
        bank.registers[Table.HOLDING] = {10: 1, 11: 550}
        bank.registers[Table.COIL] = {5: 1}
        session = Session({1: bank})
        server.device.attach(session)
        server.device.look()
        server.clock.pump([0.5] * 10)
        asked = len(session.asked)
        self.assertIn(asked, (4, 6))
        self.assertEqual([one.value for one in server.device.point_values(server.wall_clock())], [0.1, 55.0, True])
        self.assertEqual(result_of(server.store.reports(DEVICE_ID, 0, 1 << 62)), [])
        server.clock.pump([0.5] * 30)
        settled = len(session.asked)
        server.clock.pump([0.5] * 30)
        self.assertEqual(len(session.asked), settled)
        self.assertEqual(server.clock.getDelayedCalls(), [])

    def test_a_silent_unit_is_left_alone(self) -> None:
        """It is asked less and less, and shows why it has no value."""
        server = Server()
        session = Session({})
        server.device.attach(session)
        server.device.look()
        server.clock.pump([0.5] * 9)
        self.assertEqual(len(session.asked), 1)
        self.assertIn("timeout", [one.quality for one in server.device.point_values(server.wall_clock())])
