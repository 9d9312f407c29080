"""Promise: simulated devices are real ones to the server, and a process holds as many as one likes."""

from __future__ import annotations

import shutil
import tempfile
import threading
from pathlib import Path
from random import Random

from twisted.internet import reactor
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from smok_twisted.agent.settings import Address, AgentSettings
from smok_twisted.clock import wall_clock_us
from smok_twisted.devices.orders import Priority
from smok_twisted.modbus.pdu import WriteRegister, read_request
from smok_twisted.modbus.protocol import LineFault
from smok_twisted.readings import Fault, Table
from smok_twisted.service import SmokService
from smok_twisted.settings import Daemon, Listen, Settings
from smok_twisted.storage.memory import MemoryStore
from smok_twisted.storage.records import DeviceRecord
from smok_twisted.tools import sim_device
from smok_twisted.tools.boiler import Boiler, Register
from smok_twisted.tools.sim_device import BoilerLine, SimulatedDevice, SimulatedP24
from smok_twisted.tools.sim_enrolment import MODEL, MODEL_WITH_METER, model_text
from smok_twisted.tools.sim_faults import Faults, FaultyLine

NOON = 12 * 3600.0
LOOPBACK = "tcp:0:interface=127.0.0.1"


class Dialling(TestCase):
    """A real daemon in this process, but for the disk."""

    async def setUp(self):
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        listen = Listen(smok4=LOOPBACK, p24=LOOPBACK, web=LOOPBACK)
        settings = Settings(daemon=Daemon(data_dir=self.folder), listen=listen)
        self.service = SmokService(settings, reactor, MemoryStore())
        await self.service.start()
        self.addCleanup(self.service.stopService)
        for name in (MODEL, MODEL_WITH_METER):
            await self.service.registry.add_model(model_text(name))
        self.ports = {one.name: one.port.getHost().port for one in self.service.listeners}
        self.boiler = Boiler(1, NOON)
        self.made = []
        self.patch(sim_device, "P24_BOOT_SECONDS", 0.1)
        self.patch(SimulatedDevice, "boot_seconds", 0.1)

    async def dial_in(self, model=MODEL, device_id=1, suite=1, volatile=False):
        """A started device, and what the server knows of it."""
        record = DeviceRecord(device_id, f"room {device_id}", model, wall_clock_us(), suite=suite, may_write=True)
        known, _, secret = await self.service.enrolment.enrol(record)
        server = Address("127.0.0.1", self.ports["smok4"])
        settings = AgentSettings(server, device_id, secret, "", self.folder / f"{device_id}")
        device = SimulatedDevice(settings, self.line(), reactor, Random(1), volatile, self.note)
        device.start()
        self.addCleanup(device.stop)
        return device, known

    async def dial_in_p24(self, device_id=0x30001):
        """The same over P24."""
        record = DeviceRecord(
            device_id, "old room", MODEL, wall_clock_us(), link="p24", allow_from=("127.0.0.0/8",), may_write=True
        )
        known, _, _ = await self.service.enrolment.enrol(record)
        device = SimulatedP24(device_id, Address("127.0.0.1", self.ports["p24"]), self.line(), reactor, Random(1))
        device.start()
        self.addCleanup(device.stop)
        return device, known

    def line(self):
        return FaultyLine(BoilerLine(self.boiler, lambda: NOON), Faults(), Random(1), reactor)

    def note(self, device_id, time_us, reports):
        self.made.append((device_id, time_us, reports))

    async def until(self, true):
        while not true():
            await deferLater(reactor, 0.005)

    async def read(self, known):
        """All its values by point, as soon as each was read once."""
        await self.until(lambda: all(one.time_us for one in known.point_values(wall_clock_us())))
        return {one.point.name: one for one in known.point_values(wall_clock_us())}

    async def test_all_values_are_there_and_good(self):
        """It takes its plan, reads the boiler room by it and reports; over either suite."""
        for suite in (1, 2):
            _, known = await self.dial_in(device_id=suite, suite=suite)
            values = await self.read(known)
            self.assertEqual({one.quality for one in values.values()}, {"good"})
            self.assertEqual(values["clock_hour"].value, 12)
            self.assertEqual(values["boiler_setpoint"].raw[0], self.register(Register.BOILER_SETPOINT))

    async def test_what_does_not_answer(self):
        """A unit that is not there times out, an option that is not fitted is an exception, the rest is good."""
        _, known = await self.dial_in(MODEL_WITH_METER)
        values = await self.read(known)
        self.assertEqual(values.pop("heat_power").quality, "timeout")
        self.assertEqual(values.pop("heat_energy").quality, "timeout")
        self.assertEqual(values.pop("flue_gas_temperature").quality, "exception-2")
        self.assertEqual({one.quality for one in values.values()}, {"good"})

    async def test_an_operator_writes_a_setpoint(self):
        """The write goes over the connection into the registers of the boiler room."""
        _, known = await self.dial_in()
        await known.connected()
        request = WriteRegister(Register.HOT_WATER_SETPOINT, 580).encode()
        self.assertEqual(await known.orders.ask(1, request, Priority.OPERATOR_WRITE), request)
        self.assertEqual(self.register(Register.HOT_WATER_SETPOINT), 580)

    async def test_a_lost_connection_is_not_told_and_comes_back(self):
        """The server goes on believing in the old session until the device comes with a new one."""
        device, known = await self.dial_in()
        await known.connected()
        session = known.session
        device.lose_connection(0.3)
        self.assertIs(known.session, session)
        await self.until(lambda: known.session is not session)
        self.assertIsNotNone(known.session, "the server was told that the connection is gone")
        values = await self.read(known)
        self.assertEqual(values["outside_temperature"].quality, "good")

    async def test_a_power_cut(self):
        """Nobody is told; then it is there again, with its plan and what it had not sent if that is on disk."""
        for device_id, volatile in ((1, False), (2, True)):
            device, known = await self.dial_in(device_id=device_id, volatile=volatile)
            await self.read(known)
            session, boot = known.session, known.ledger.boot
            cut = device.cut_power(0.2)
            self.assertIs(known.session, session)
            await cut
            await self.until(lambda known=known, session=session: known.session is not session)
            self.assertIsNotNone(known.session, "the server was told that the connection is gone")
            self.assertEqual(known.ledger.boot == boot, not volatile)
            count = len(self.made)
            await self.until(lambda count=count: len(self.made) > count)

    async def test_stopped_in_a_power_cut(self):
        """It does not come back."""
        device, known = await self.dial_in()
        await known.connected()
        cut = device.cut_power(600)
        await device.stop()
        await cut

    async def test_each_report_can_be_noted(self):
        """What it made is what the server has."""
        _, known = await self.dial_in()
        await self.read(known)
        stored = await self.service.store.reports(1, 0, 1 << 62)
        self.assertEqual([reports for _, _, reports in self.made[: len(stored)]], [one.blocks for one in stored])
        self.assertTrue(all(abs(noted[1] - one.time_us) < 2e6 for noted, one in zip(self.made, stored, strict=False)))

    async def test_first_generation(self):
        """A P24 device is read by the server, obeys writes, and redials after whatever ends its connection."""
        device, known = await self.dial_in_p24()
        values = await self.read(known)
        self.assertEqual({one.quality for one in values.values()}, {"unauthenticated"})
        self.assertEqual(values["boiler_setpoint"].raw[0], self.register(Register.BOILER_SETPOINT))
        request = WriteRegister(Register.HOT_WATER_SETPOINT, 580).encode()
        await known.orders.ask(1, request, Priority.OPERATOR_WRITE)
        self.assertEqual(self.register(Register.HOT_WATER_SETPOINT), 580)
        ends = (lambda: known.session.close("test"), lambda: device.lose_connection(0.1), lambda: device.cut_power(0.1))
        for end in ends:
            session = known.session
            end()
            await self.until(lambda session=session: known.session not in (None, session))

    async def test_a_controller_that_falls_silent(self):
        """Its values become timeouts."""
        device, known = await self.dial_in()
        await known.connected()
        device.lose_unit(600)
        request = read_request(Table.HOLDING, Register.MINUTE, 1).encode()
        answer = await known.orders.ask(1, request, Priority.OPERATOR_READ)
        self.assertEqual(answer, bytes((0x83, 0x0B)))

    async def test_many_need_no_threads_of_their_own(self):
        """Twenty devices, and no thread writes for one of them."""
        for device_id in range(1, 21):
            _, known = await self.dial_in(device_id=device_id)
            await self.read(known)
        self.assertEqual([one.name for one in threading.enumerate() if "spool" in one.name], [])

    def register(self, register):
        return self.boiler.bank.registers[Table.HOLDING][register]



class Lines(SynchronousTestCase):
    """What is on the bus of a boiler room."""

    def test_time_passes_when_somebody_looks(self):
        """The registers are those of the moment of the request."""
        clock = Clock()
        line = BoilerLine(Boiler(1, NOON), lambda: NOON + clock.seconds())
        request = read_request(Table.HOLDING, Register.MINUTE, 1).encode()
        minutes = []
        for _ in range(3):
            minutes.append(self.successResultOf(line.execute(1, request, 1.0))[-1])
            clock.advance(120)
        self.assertEqual(minutes, [0, 2, 4])

    def test_other_units_do_not_answer(self):
        """They time out."""
        line = BoilerLine(Boiler(1, NOON), lambda: NOON)
        request = read_request(Table.HOLDING, Register.MINUTE, 1).encode()
        self.assertIs(self.failureResultOf(line.execute(2, request, 1.0), LineFault).value.fault, Fault.TIMEOUT)
