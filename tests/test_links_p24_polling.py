"""A P24 device from its equipment to the values that a user sees: planned, polled, stored, written to, replaced."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.devices.commands import Asker, Commands
from smok_twisted.devices.orders import Priority
from smok_twisted.devices.writes import to_point
from smok_twisted.modbus.bank import RegisterBank
from smok_twisted.modbus.pdu import Read
from smok_twisted.readings import UNAUTHENTICATED, BlockReport, Fault, Table
from smok_twisted.testing import BankLine

from .p24_in_memory import DeviceEnd, Server, boiler
from .server_in_memory import MODEL, NOW_US, result_of

ONE_MORE = """
[[point]]
name = "burner"
register = "coil"
address = 6
"""
AN_INPUT = """
[[point]]
name = "flow"
register = "input"
address = 16
"""


class Polled(SynchronousTestCase):
    window = 1
    model = MODEL

    def setUp(self) -> None:
        self.server = Server(self.window, self.model)
        self.device = self.server.device
        self.bank: RegisterBank = boiler()
        self.line = BankLine({1: self.bank})
        self.end = self.dial()

    def tearDown(self) -> None:
        """No session may end by a fault of our own, and no timer stays."""
        self.end.wire.cut()
        self.server.clock.advance(0)
        self.assertEqual([crash.getTraceback() for crash in self.server.notes.crashes + self.end.notes.crashes], [])
        self.assertEqual(self.server.clock.getDelayedCalls(), [])

    def dial(self) -> DeviceEnd:
        return self.server.dial(self.line)

    def values(self) -> dict[str, tuple[Any, str]]:
        found = self.device.point_values(self.server.wall_clock())
        return {one.point.name: (one.value, one.quality) for one in found}


class Reading(Polled):
    def test_from_register_to_value(self) -> None:
        """By the model's plan, with the mark of a link that proves nothing; live and in the history."""
        self.end.pass_time(1)
        unauthenticated = {"outside": (-4.1, "unauthenticated"), "setpoint": (60.0, "unauthenticated")}
        self.assertEqual(self.values(), unauthenticated | {"pump": (True, "unauthenticated")})
        stored = self.server.reports()
        self.assertEqual({one.flags for one in stored}, {UNAUTHENTICATED})
        blocks = {block for one in stored for block in one.blocks}
        self.assertEqual(blocks, {BlockReport(0, (1,)), BlockReport(1, (0x8029, 600))})
        self.assertEqual(self.server.counted["stored"], len(stored))

    def test_an_hour(self) -> None:
        """Each block once a minute; keepalives keep the device from resetting the connection in between."""
        self.end.pass_time(3599)
        moments: dict[int, list[int]] = {0: [], 1: []}
        for report in self.server.reports():
            for block in report.blocks:
                moments[block.block].append((report.time_us - NOW_US) // 60_000_000)
        self.assertEqual(moments, {0: list(range(60)), 1: list(range(60))})
        self.assertTrue(self.end.wire.up)
        self.assertEqual(self.server.notes.reasons, [])

    def test_a_device_without_points(self) -> None:
        """It stays up too."""
        self.device.wanted = None
        self.end.wire.cut()
        self.end = self.dial()
        self.end.heard.clear()
        self.end.pass_time(600)
        self.assertTrue(self.end.wire.up)
        self.assertEqual({command.code for command in self.end.heard}, {0})

    def test_a_new_model(self) -> None:
        """Read from now on, without a reconnect."""
        self.bank.registers[Table.COIL][6] = 1
        result_of(self.server.registry.add_model(MODEL + ONE_MORE))
        self.end.pass_time(1)
        self.assertEqual(self.values()["burner"], (True, "unauthenticated"))

    def test_what_the_firmware_does_not_know(self) -> None:
        """Input registers: exception 1, asked for once in the life of the daemon."""
        result_of(self.server.registry.add_model(MODEL + AN_INPUT))
        self.end.pass_time(300)
        self.assertEqual(self.values()["flow"], (None, "exception-1"))
        self.assertEqual([command.code for command in self.end.heard].count(8), 1)

    def test_dead_equipment(self) -> None:
        """A quality, never a zero; counted, and asked less and less."""
        self.end.pass_time(1)
        self.line.silent = {1}
        self.line.asked.clear()
        self.end.pass_time(600)
        self.assertEqual(self.values()["outside"], (None, "timeout"))
        self.assertEqual(self.device.line_faults, {(1, Fault.TIMEOUT): len(self.line.asked)})
        self.assertLess(len(self.line.asked), 10)

    def test_a_reconnect(self) -> None:
        """What was being read is read again at once, what was read a moment ago is not."""
        self.end.pass_time(1)
        self.line.asked.clear()
        self.end.wire.cut()
        self.end = self.dial()
        self.end.pass_time(1)
        self.assertEqual(self.line.asked, [])
        self.end.pass_time(60)
        self.assertEqual(len(self.line.asked), 3)

    def test_a_replaced_connection(self) -> None:
        """Polling goes on over the new one; the end of the old one does not stop it."""
        self.end.pass_time(1)
        old, self.end = self.end, self.dial()
        old.wire.pump()
        self.assertFalse(old.wire.up)
        self.line.asked.clear()
        self.end.pass_time(60)
        self.assertEqual(len(self.line.asked), 3)


class Manners(Polled):
    def test_an_operator_between_two_registers_of_a_block(self) -> None:
        """Nobody waits for the end of a poll."""
        self.end.pass_time(59)
        self.line.hold = True
        self.line.asked.clear()
        self.end.pass_time(2)
        self.line.held.pop()()  # the pump; now the block of two is read
        self.end.wire.pump()
        self.device.orders.ask(1, Read(Table.COIL, 0, 1).encode(), Priority.OPERATOR_READ)
        for _ in range(2):
            self.line.held.pop()()
            self.end.wire.pump()
        asked = [pdu.hex() for _, pdu in self.line.asked]
        self.assertEqual(asked, ["0100000008", "03000a0001", "0100000008", "03000b0001"])


class Pressure(Polled):
    def test_a_store_that_falls_behind(self) -> None:
        """Nothing is read until it has caught up; then reading goes on, without a burst."""
        self.end.pass_time(1)
        self.server.pressure.high()
        self.end.pass_time(60)
        self.line.asked.clear()
        self.end.pass_time(600)
        result_of(self.server.registry.add_model(MODEL + ONE_MORE))  # a new plan does not change that
        self.assertEqual(self.line.asked, [])
        self.assertTrue(self.end.wire.up)
        self.server.pressure.low()
        self.end.pass_time(5)
        self.assertEqual(len(self.line.asked), 4)

    def test_a_device_that_left_meanwhile(self) -> None:
        """Nobody reads it."""
        self.server.pressure.high()
        self.end.pass_time(60)
        self.end.wire.cut()
        self.server.pressure.low()
        self.line.asked.clear()
        self.end.pass_time(60)
        self.assertEqual(self.line.asked, [])


class Writing(Polled):
    def setUp(self) -> None:
        super().setUp()
        self.commands = Commands(self.server.store, self.server.clock, self.server.wall_clock, lambda: "1")

    def write(self, name: str, value: Any) -> Deferred[Any]:
        assert self.device.register_map is not None
        write = to_point(self.device.record, self.device.register_map, name, value)
        command: Any = result_of(self.commands.submit(self.device, write, Asker("anna", "web")))
        done: Deferred[Any] = command.when_settled()
        return done

    def test_confirmed_by_read_back(self) -> None:
        """Writes, watching and the gateway need not know what a device speaks."""
        for name, value, table, address, raw in [
            ("setpoint", 55, Table.HOLDING, 11, 550),
            ("pump", False, Table.COIL, 5, 0),
        ]:
            done = self.write(name, value)
            self.end.pass_time(1)
            record = self.successResultOf(done)
            self.assertEqual((record.state, record.body["read_back"]), ("confirmed", value))
            self.assertEqual(self.bank.registers[table][address], raw)

    def test_the_link_is_lost_after_sending(self) -> None:
        """Never written twice: its outcome is unknown until a read-back over the next connection."""
        self.end.pass_time(1)
        self.line.hold = True
        done = self.write("setpoint", 55)
        self.end.wire.pump()
        self.line.held.pop()()  # what it was before
        self.end.wire.pump()
        self.end.wire.cut()
        self.assertEqual(self.successResultOf(done).state, "unknown")
        self.line.hold = False
        self.line.held.pop()()  # it was executed all the same
        self.end = self.dial()
        self.end.pass_time(1)
        record = result_of(self.commands.find(self.device, "1"))
        self.assertEqual((record.state, record.body["read_back"]), ("confirmed", 55.0))
        self.assertEqual([pdu[0] for _, pdu in self.line.asked].count(6), 1)

    def test_watching(self) -> None:
        """Fast for a while after a look, live only."""
        self.end.pass_time(1)
        stored = len(self.server.reports())
        self.bank.registers[Table.HOLDING][10] = 215
        self.device.look()
        self.end.pass_time(10)
        self.assertEqual(self.values()["outside"], (21.5, "unauthenticated"))
        self.assertEqual(len(self.server.reports()), stored)


FAR = """
[[point]]
name = "far"
register = "holding"
address = 14
"""


class Wide(Polled):
    window = 100

    def test_a_poll_is_one_segment_each_way(self) -> None:
        """Everything that is due goes out before the first answer, over all blocks; and nothing that no point needs."""
        server = Server(100, MODEL + FAR)
        end = server.dial_raw(quiet=False)
        reads = ["04 04 00 05 01", "04 03 00 0a 01", "04 03 00 0b 01", "04 03 00 0e 01"]
        self.assertEqual(end.take(), " ".join(["01 00", *reads]))
        end.say("020001 03008029 03000258 03000007")
        server.clock.advance(0)
        self.assertEqual(len(server.reports()), 1)
        end.wire.cut()

    def test_the_same_values(self) -> None:
        """A window changes how fast, not what."""
        self.end.pass_time(1)
        self.assertEqual(self.values()["outside"], (-4.1, "unauthenticated"))
        self.assertEqual(self.values()["pump"], (True, "unauthenticated"))
