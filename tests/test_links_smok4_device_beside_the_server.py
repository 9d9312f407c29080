"""Promise: the device's half and the real server understand each other, end to end over a connection in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.cipher.record import Suite
from smok_twisted.devices.orders import OutcomeUnknown, Priority
from smok_twisted.handshake.keyring import Slot
from smok_twisted.links.smok4 import messages
from smok_twisted.modbus.pdu import Read, WriteRegister
from smok_twisted.readings import BlockReport, Table

from .agent_in_memory import AgentEnd
from .server_in_memory import DEVICE_ID, NOW_US, Server, result_of


class RealServer(SynchronousTestCase):
    """The whole device, login and cipher included, against the whole server."""

    def setUp(self) -> None:
        self.server = Server()
        self.end = AgentEnd(self.server, Path(self.mktemp()))
        self.device = self.server.device

    def tearDown(self) -> None:
        """Nothing crashed, nobody was accused."""
        self.assertEqual([crash.getTraceback() for crash in self.server.notes.crashes], [])
        self.assertEqual(self.server.notes.reasons, [])
        self.end.kill()

    def stored(self) -> list[tuple[int, int, tuple[BlockReport, ...]]]:
        reports = result_of(self.server.store.reports(DEVICE_ID, 0, 1 << 62))
        return [(one.batch, (one.time_us - NOW_US) // 1_000_000, one.blocks) for one in reports]

    def values(self) -> dict[str, Any]:
        return {one.point.name: one.value for one in self.device.point_values(self.server.wall_clock())}

    def test_dials_in_takes_its_plan_and_reports(self) -> None:
        """The path of a register: equipment, plan, spool, cipher, server, value."""
        self.end.start()
        self.end.flow(1)
        self.assertEqual(self.end.spool.plan, self.device.wanted.number)  # type: ignore[union-attr]
        self.assertEqual(self.values(), {"outside": 21.5, "setpoint": 60.0, "pump": 1})
        self.end.bank.registers[Table.HOLDING][10] = 0x8005
        self.end.flow(60)
        self.assertEqual(self.values()["outside"], -0.5)
        self.assertEqual([(batch, at) for batch, at, _ in self.stored()], [(1, 0), (2, 60)])

    def test_only_what_is_durable_is_dropped(self) -> None:
        """The server has it, but not on disk: the device keeps it, and sends it again."""
        self.server.store.hold()
        self.end.start()
        self.end.flow(61)
        self.assertEqual([one.number for one in self.end.spool.batches(0, 99)], [1, 2])
        self.server.store.release()
        self.end.flow(1)
        self.assertEqual(self.end.spool.batches(0, 99), [])

    def test_a_write_and_a_read_through_the_session(self) -> None:
        """The operator's order reaches the equipment, its answer the operator."""
        self.end.start()
        self.end.flow(1)
        for request in (WriteRegister(11, 555), Read(Table.HOLDING, 11, 1)):
            answer = self.device.orders.ask(1, request.encode(), Priority.OPERATOR_WRITE)
            self.end.flow(0)
            self.successResultOf(answer)
        self.assertEqual(self.end.bank.registers[Table.HOLDING][11], 555)

    def test_a_write_whose_link_is_lost_is_not_begun(self) -> None:
        """F24: unknown to the server, and certainly not executed later by surprise."""
        self.end.start()
        self.end.flow(1)
        self.end.line.hold = True
        self.end.orders.ask(1, Read(Table.HOLDING, 10, 1).encode(), Priority.POLLER)
        answer = self.device.orders.ask(1, WriteRegister(11, 1).encode(), Priority.OPERATOR_WRITE)
        self.end.flow(0)
        self.end.cut()
        self.failureResultOf(answer, OutcomeUnknown)
        self.end.line.hold = False
        self.end.line.held.pop()()
        self.assertEqual(self.end.bank.registers[Table.HOLDING][11], 600)

    def test_after_an_outage_everything_arrives_once(self) -> None:
        """F25: polling goes on, readings are kept with their times, the server writes nothing by itself."""
        self.end.start()
        self.end.flow(1)
        self.end.reachable = False
        self.end.cut()
        self.end.flow(3600, step_seconds=5)
        self.end.reachable = True
        self.end.until(lambda: self.end.connected)
        self.end.flow(1)
        seconds = [at for _, at, _ in self.stored()]
        self.assertEqual(seconds, sorted(set(seconds)))
        self.assertGreaterEqual(len(seconds), 61)
        for moment, turn in zip(seconds, range(0, 3600, 60), strict=False):
            self.assertLessEqual(abs(moment - turn), 5)

    def test_a_restart_while_the_server_is_away(self) -> None:
        """kill -9 in an outage: the new process sends what the old one took, once, under the same boot."""
        self.end.start()
        self.end.flow(1)
        self.end.reachable = False
        self.end.cut()
        self.end.flow(200)
        folder = self.end.spool._database.path.parent
        self.end.kill()
        self.end = AgentEnd(self.server, folder)
        self.end.start()
        self.end.flow(1)
        self.assertEqual([batch for batch, *_ in self.stored()], [1, 2, 3, 4, 5])
        self.assertEqual(self.device.ledger.durable, 5)

    def test_a_silent_server_is_found_out(self) -> None:
        """F11: half-open TCP is noticed within 2.5 keepalives, and the device dials again."""
        self.end.start()
        self.end.flow(1)
        wire = self.end.wire
        assert wire is not None
        self.end.wire = None
        self.server.clock.pump([1.0] * 599)
        self.assertTrue(self.end.connected)
        self.server.clock.pump([1.0] * 10)
        wire.pump()
        self.assertFalse(self.end.connected)
        self.end.reachable = True
        self.server.notes.reasons.clear()
        self.end.until(lambda: self.end.connected)
        self.server.notes.reasons.clear()

    def test_a_round_that_is_not_finished_when_the_plan_changes(self) -> None:
        """It was read by the old plan, so it is kept and sent under the old plan's number."""
        self.end.start()
        self.end.flow(1)
        old = self.device.wanted
        assert old is not None and self.device.register_map is not None
        self.end.line.hold = True
        self.end.flow(59)
        self.end.line.held.pop()()
        self.device.install(self.device.register_map, old._replace(number=old.number + 1, blocks=old.blocks[::-1]))
        self.end.flow()
        reports = result_of(self.server.store.reports(DEVICE_ID, 0, 1 << 62))
        self.assertEqual([(one.plan, one.blocks[0].words) for one in reports][1:], [(old.number, (1,))])
        self.assertEqual(self.end.spool.plan, old.number + 1)

    def test_key_rotation(self) -> None:
        """KEYUPDATE inside the session, KEYOK when it is stored, the new secret at the next login."""
        self.end.start()
        self.end.flow(1)
        kept: list[int] = []
        self.device.on_key_stored = kept.append
        self.server.keyring.rotate(DEVICE_ID, Slot(1, Suite.CHACHA20_POLY1305, b"n" * 32, NOW_US))
        self.device.session.update_key(1, b"n" * 32)  # type: ignore[union-attr]
        self.end.flow(0)
        self.assertEqual(kept, [1])
        self.end.cut()
        self.end.until(lambda: self.end.connected)
        self.assertEqual([slot.logins for slot in self.server.keyring.slots(DEVICE_ID)], [1, 1])

    def test_the_server_has_lost_the_new_secret(self) -> None:
        """It came from a backup: the device falls back to the slot before, by itself."""
        self.end.start()
        self.end.flow(1)
        self.device.session.update_key(1, b"n" * 20)  # type: ignore[union-attr]
        self.end.flow(0)
        self.end.cut()
        self.end.until(lambda: self.end.connected)
        self.assertEqual(self.server.notes.reasons, ["unknown-kid"])
        self.server.notes.reasons.clear()

    def test_servers_are_dialled_from_now_on(self) -> None:
        """F26: those that are addresses, over a restart too; the configured one stays among them."""
        self.end.start()
        self.end.flow(1)
        self.device.session._below.send(messages.servers(["b.example:1", "no port:x", "[::1]:7"]))  # type: ignore[union-attr]
        self.end.flow()
        folder = self.end.spool._database.path.parent
        self.end.kill()
        self.end = AgentEnd(self.server, folder)
        self.end.reachable = False
        self.end.start()
        self.end.flow(1800, step_seconds=5)
        self.assertEqual(set(self.end.dialled), {("server.example", 2406), ("b.example", 1), ("::1", 7)})

    def test_a_secret_of_no_suite_is_not_taken(self) -> None:
        """A server that sends it is at fault: no KEYOK, and the old secret goes on."""
        self.end.start()
        self.end.flow(1)
        self.device.session.update_key(1, b"n" * 21)  # type: ignore[union-attr]
        self.end.flow()
        self.assertFalse(self.end.connected)
        self.end.until(lambda: self.end.connected)
        self.assertEqual([one.kid for one in self.end.spool.secrets], [0])

    def test_goaway_is_obeyed(self) -> None:
        """It comes again after the pause that the server asked for."""
        self.end.start()
        self.end.flow(1)
        self.device.session.go_away(100, 0)  # type: ignore[union-attr]
        self.end.flow(0)
        self.assertFalse(self.end.connected)
        self.end.flow(99)
        self.assertEqual(len(self.end.dialled), 1)
        self.end.flow(2)
        self.assertTrue(self.end.connected)
