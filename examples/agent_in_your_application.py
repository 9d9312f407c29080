"""The agent as a service of your own Twisted application; here with the daemon beside it, in one process.

The line is a bank of registers in memory; without ``line``, ``modbus="rtu:/dev/ttyUSB0:9600:8N1"`` opens a real one.
Run it: python examples/agent_in_your_application.py
"""

import tempfile
from pathlib import Path

from twisted.internet import reactor, task
from twisted.internet.defer import Deferred

from smok_twisted.agent.service import AgentService
from smok_twisted.agent.settings import Address, AgentSettings
from smok_twisted.clock import use_monotonic_timers, wall_clock_us
from smok_twisted.modbus.bank import RegisterBank
from smok_twisted.readings import Table
from smok_twisted.service import SmokService
from smok_twisted.settings import Daemon as DaemonSettings
from smok_twisted.settings import Listen, Settings
from smok_twisted.storage.memory import MemoryStore
from smok_twisted.storage.records import DeviceRecord
from smok_twisted.testing import BankLine

MAP = """
name = "tank"
interval = "1s"
[[point]]
name = "level"
register = "holding"
address = 0
scale = 0.1
unit = "%"
"""


async def main(folder: Path) -> None:
    listen = Listen(smok4="tcp:0:interface=127.0.0.1", web="")
    daemon = SmokService(Settings(DaemonSettings(data_dir=folder), listen), reactor, store=MemoryStore())
    await daemon.start()
    await daemon.registry.add_model(MAP)
    device, kid, secret = await daemon.enrolment.enrol(DeviceRecord(42, "tank-1", "tank", wall_clock_us()))

    tank = RegisterBank()
    tank.registers[Table.HOLDING][0] = 735
    server = Address("127.0.0.1", daemon.listeners[0].port.getHost().port)
    settings = AgentSettings(server, 42, secret, modbus="tcp:unused", spool_folder=folder / "spool", kid=kid)
    agent = AgentService(settings, reactor, line=BankLine({1: tank}))
    agent.startService()

    while not (values := device.point_values(wall_clock_us())) or values[0].value is None:
        await task.deferLater(reactor, 0.1)
    print(values[0].point.name, values[0].value, values[0].point.unit, values[0].quality)
    await agent.stopService()
    await daemon.stopService()


use_monotonic_timers(reactor)
with tempfile.TemporaryDirectory() as name:
    task.react(lambda _: Deferred.fromCoroutine(main(Path(name))), _reactor=reactor)
