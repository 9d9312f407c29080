"""Commands over a session that ends in registers."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.devices import writes
from smok_twisted.devices.commands import Asker, Command, Commands
from smok_twisted.modbus.bank import RegisterBank
from smok_twisted.readings import Table
from smok_twisted.testing import BankLine

from .server_in_memory import Server, result_of

ADMIN = Asker("admin", "127.0.0.1")


class Session(BankLine):
    """A device's session that ends in a bank of registers."""

    link, source = "smok4", "198.51.100.1"

    def __init__(self, units: dict[int, RegisterBank]) -> None:
        super().__init__(units)
        self.moods: list[str] = []

    def want(self, plan: Any) -> None: ...

    def close(self, mood: str) -> None:
        self.moods.append(mood)


class CommandRig(SynchronousTestCase):
    """A server, a device that is connected, and its equipment."""

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
