"""Fast polling while somebody looks."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.modbus.bank import RegisterBank
from smok_twisted.readings import Table

from .commands_rig import Session
from .server_in_memory import DEVICE_ID, Server, result_of


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
