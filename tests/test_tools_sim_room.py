"""Promise: simulated devices are real ones to the server, and a process holds as many as one likes."""

from __future__ import annotations

import shutil
import tempfile
import threading
from itertools import pairwise
from pathlib import Path
from random import Random

from twisted.internet import reactor
from twisted.internet.defer import succeed
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from smok_twisted.agent.settings import Address, AgentSettings
from smok_twisted.clock import wall_clock_us
from smok_twisted.devices.orders import Priority
from smok_twisted.errors import StorageError
from smok_twisted.modbus.pdu import WriteRegister, read_request
from smok_twisted.modbus.protocol import LineFault
from smok_twisted.readings import Block, BlockReport, Fault, Table
from smok_twisted.service import SmokService
from smok_twisted.settings import Daemon, Listen, Settings
from smok_twisted.storage.memory import MemoryStore
from smok_twisted.storage.records import DeviceRecord
from smok_twisted.tools.boiler import Boiler, Register
from smok_twisted.tools.sim_enrolment import MODEL, MODEL_WITH_METER, model_text
from smok_twisted.tools.sim_room import START_SECONDS, BoilerLine, Room, SimulatedDevice, open_spool

NOON = 12 * 3600.0
LOOPBACK = "tcp:0:interface=127.0.0.1"


class Folder:
    """A folder for one test."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def settings(self, device_id=1, secret=bytes(20), port=1):
        return AgentSettings(Address("127.0.0.1", port), device_id, secret, "", self.folder / f"{device_id}")


class Dialling(Folder, TestCase):
    """A real daemon in this process, but for the disk."""

    async def setUp(self):
        super().setUp()
        settings = Settings(daemon=Daemon(data_dir=self.folder), listen=Listen(smok4=LOOPBACK, web=LOOPBACK))
        self.service = SmokService(settings, reactor, MemoryStore())
        await self.service.start()
        self.addCleanup(self.service.stopService)
        for name in (MODEL, MODEL_WITH_METER):
            await self.service.registry.add_model(model_text(name))
        self.port = next(one.port.getHost().port for one in self.service.listeners if one.name == "smok4")
        self.boiler = Boiler(1, NOON)

    async def dial_in(self, model=MODEL, device_id=1, suite=1):
        """A started device, and what the server knows of it."""
        record = DeviceRecord(device_id, f"room {device_id}", model, wall_clock_us(), suite=suite, may_write=True)
        known, _, secret = await self.service.enrolment.enrol(record)
        line = BoilerLine(self.boiler, lambda: NOON)
        device = SimulatedDevice(self.settings(device_id, secret, self.port), line, reactor)
        device.start()
        self.addCleanup(device.stop)
        return device, known

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

    async def test_many_need_no_threads_of_their_own(self):
        """Twenty devices, and no thread writes for one of them."""
        for device_id in range(1, 21):
            _, known = await self.dial_in(device_id=device_id)
            await self.read(known)
        self.assertEqual([one.name for one in threading.enumerate() if "spool" in one.name], [])

    def register(self, register):
        return self.boiler.bank.registers[Table.HOLDING][register]


class Stand:
    """Stands where a device would be, and notes what it is told."""

    def __init__(self, name, clock, notes, error=None):
        self._name, self._clock, self._notes, self._error = name, clock, notes, error

    def start(self):
        if self._error:
            raise self._error
        self._note("start")

    def stop(self):
        self._note("stop")
        return succeed(None)

    def lose_connection(self, seconds):
        self._note("lose", seconds)

    def _note(self, *what):
        self._notes.append((self._clock.seconds(), self._name, *what))


class Rooms(SynchronousTestCase):
    """When what happens."""

    def room(self, count=5, seed=1, drops_per_hour=20.0, errors=()):
        """A room of ``count``, and what its devices are told as (time, name, what, ...)."""
        clock, notes = Clock(), []
        errors = dict(errors)
        devices = {f"d{number}": Stand(f"d{number}", clock, notes, errors.get(number)) for number in range(count)}
        return clock, notes, Room(devices, clock, Random(seed), drops_per_hour)

    def run_for(self, seconds, **room):
        clock, notes, one = self.room(**room)
        self.assertNoResult(one.start())
        clock.pump([1.0] * int(seconds))
        self.successResultOf(one.stop())
        self.assertEqual(clock.getDelayedCalls(), [])
        return notes

    def test_devices_start_one_after_another(self):
        """So that neither the server nor this process gets a thousand at once."""
        clock, notes, room = self.room(3)
        room.start()
        clock.pump([START_SECONDS / 2] * 5)
        times = [START_SECONDS * number for number in range(3)]
        self.assertEqual([round(time, 3) for time, *_ in notes], times)
        self.assertEqual([note[1:] for note in notes], [(f"d{number}", "start") for number in range(3)])

    def test_one_is_lost_every_few_minutes(self):
        """Every 2 to 4 minutes one of them, for 20 to 60 s; sooner or later each has its turn."""
        drops = [note for note in self.run_for(6 * 3600) if note[2] == "lose"]
        times = [time for time, *_ in drops]
        pauses = [later - earlier for earlier, later in pairwise(times)]
        self.assertTrue(all(119 <= pause <= 241 for pause in pauses), pauses)
        self.assertTrue(all(20 <= note[3] <= 60 for note in drops))
        self.assertEqual({note[1] for note in drops}, {"d0", "d1", "d2", "d3", "d4"})

    def test_a_seed_repeats_its_faults(self):
        """One seed, one course; another seed, another."""
        self.assertEqual(self.run_for(3600, seed=3), self.run_for(3600, seed=3))
        self.assertNotEqual(self.run_for(3600, seed=3), self.run_for(3600, seed=4))

    def test_no_faults_are_wanted(self):
        """A rate of 0."""
        self.assertEqual([note for note in self.run_for(6 * 3600, drops_per_hour=0) if note[2] == "lose"], [])

    def test_stopping_stops_what_was_started(self):
        """Also in the middle of the start."""
        clock, notes, room = self.room(3)
        room.start()
        clock.advance(START_SECONDS)
        self.successResultOf(room.stop())
        told = [("d0", "start"), ("d1", "start"), ("d0", "stop"), ("d1", "stop")]
        self.assertEqual([note[1:] for note in notes], told)
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_a_device_that_cannot_start(self):
        """The caller is told why, and can still stop the others."""
        clock, notes, room = self.room(3, errors={1: StorageError("spool in use")})
        life = room.start()
        clock.advance(START_SECONDS)
        self.assertEqual(str(self.failureResultOf(life, StorageError).value), "spool in use")
        self.successResultOf(room.stop())
        self.assertEqual([note[1:] for note in notes], [("d0", "start"), ("d0", "stop")])


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


class Spools(Folder, SynchronousTestCase):
    """What a simulated device keeps."""

    BLOCKS = (Block(1, Table.HOLDING, 10, 1, 10, 0, 0),)

    def test_readings_outlive_the_process(self):
        """What was read while there was no server is sent when there is one again."""
        spool = open_spool(self.settings())
        self.successResultOf(spool.keep_plan(1, self.BLOCKS))
        spool.add(1_000_000, (BlockReport(0, (7,)),), True)
        self.assertEqual(spool.ready, 1)
        self.successResultOf(spool.close())
        again = open_spool(self.settings())
        (batch,) = again.batches(0, 10)
        self.assertEqual(batch.rounds, ((1_000_000, (BlockReport(0, (7,)),)),))
        self.assertEqual(again.blocks, self.BLOCKS)
        self.successResultOf(again.close())

    def test_a_spool_in_use(self):
        """Two sims on one folder: the second one is told, and the first goes on."""
        spool = open_spool(self.settings())
        error = self.assertRaises(StorageError, open_spool, self.settings())
        self.assertIn("in use by process", str(error))
        self.successResultOf(spool.next_nonce())
        self.successResultOf(spool.close())

    def test_a_write_that_fails_is_told(self):
        """And the next one is not harmed."""
        spool = open_spool(self.settings())
        self.successResultOf(spool.keep_plan(1, self.BLOCKS))
        self.failureResultOf(spool._writer.submit(lambda cursor: 1 / 0), ZeroDivisionError)
        self.failureResultOf(spool._writer.submit(lambda cursor: cursor.execute("nonsense")))
        self.successResultOf(spool.next_nonce())
        self.successResultOf(spool.close())
