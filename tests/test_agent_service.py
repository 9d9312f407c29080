"""The agent as a whole, over loopback: a pymodbus slave on one side, the server's layers on the other."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase, TestCase

from smok_twisted.agent.command import main
from smok_twisted.agent.service import AgentService, steady_clock
from smok_twisted.agent.settings import Address, AgentSettings
from smok_twisted.agent.spool_file import FILE_NAME
from smok_twisted.errors import StorageError, UserError
from smok_twisted.framing.admission import Admission, AdmissionLimits
from smok_twisted.framing.factory import FramedFactory
from smok_twisted.readings import Table
from smok_twisted.storage.records import Health
from smok_twisted.testing import BankLine

from .agent_in_memory import boiler
from .server_in_memory import DEVICE_ID, SECRET, Server

PROJECT = Path(__file__).resolve().parent.parent

#: ``smok agent`` with the arguments that follow.
COMMAND = "import sys; from smok_twisted.agent.command import main; sys.exit(main(sys.argv[1:]))"

#: A slave of pymodbus with the registers of ``server_in_memory.MODEL``; prints nothing, ends when it is killed.
SLAVE = """
import sys
from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.server import StartTcpServer

holding = ModbusSequentialDataBlock(11, [215, 600])
coils = ModbusSequentialDataBlock(6, [True])
context = ModbusServerContext(devices=ModbusDeviceContext(hr=holding, co=coils), single=True)
StartTcpServer(context, address=("127.0.0.1", int(sys.argv[1])))
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Whole(TestCase):
    """Real sockets, threads and processes."""

    timeout = 30

    def setUp(self) -> None:
        self.server = Server()
        self.server.clock.advance(0)
        self.patch(self.server, "clock", reactor)
        factory = FramedFactory(self.server.stack, reactor, Admission(AdmissionLimits()), self.server.notes)
        self.port = reactor.listenTCP(0, factory, interface="127.0.0.1")  # type: ignore[attr-defined]
        self.addCleanup(self.port.stopListening)
        self.folder = Path(self.mktemp())

    def values(self) -> dict[str, Any]:
        return {one.point.name: one.value for one in self.server.device.point_values(self.server.wall_clock())}

    @inlineCallbacks
    def until(self, reached: Callable[[], Any]) -> Any:
        while not reached():
            self.server_timers()
            yield deferLater(reactor, 0.02)

    def server_timers(self) -> None:
        """The devices of ``Server`` keep time by a clock of their own."""
        self.server.device._watch._clock.advance(0.02)

    def start_slave(self) -> int:
        port = free_port()
        slave = subprocess.Popen([sys.executable, "-c", SLAVE, str(port)], stderr=subprocess.DEVNULL)
        self.addCleanup(slave.wait)
        self.addCleanup(slave.kill)
        return port

    def secret_file(self) -> Path:
        path = Path(self.mktemp())
        path.touch(0o600)
        path.write_text(SECRET.hex())
        return path

    @inlineCallbacks
    def test_a_pymodbus_slave_is_read_by_the_command(self) -> Any:
        """``smok agent`` as a process: values are right to the last digit; SIGTERM says BYE and exits with 0."""
        command = [
            sys.executable, "-c", COMMAND,
            "--server", f"127.0.0.1:{self.port.getHost().port}", "--device", hex(DEVICE_ID),
            "--secret-file", str(self.secret_file()), "--modbus", f"tcp:127.0.0.1:{self.start_slave()}",
            "--spool", str(self.folder),
        ]  # fmt: skip
        log = Path(self.mktemp())
        with log.open("w") as file:
            agent = subprocess.Popen(command, stderr=file, env={**os.environ, "PYTHONPATH": str(PROJECT)})
        self.addCleanup(agent.wait)
        self.addCleanup(agent.kill)
        yield self.until(lambda: self.values() == {"outside": 21.5, "setpoint": 60.0, "pump": 1})
        agent.send_signal(signal.SIGTERM)
        yield self.until(lambda: agent.poll() is not None)
        yield self.until(lambda: self.server.notes.moods)
        self.assertEqual((agent.returncode, self.server.notes.moods), (0, ["bye-0"]))
        text = log.read_text()
        self.assertIn("connected to 127.0.0.1", text)
        self.assertNotIn("Traceback", text)

    @inlineCallbacks
    def test_inside_another_application(self) -> Any:
        """With a line of one's own; it can be stopped and started again, and says BYE each time."""
        settings = AgentSettings(
            Address("127.0.0.1", self.port.getHost().port), DEVICE_ID, SECRET, "tcp:127.0.0.1:502", self.folder
        )
        for run in range(2):
            bank = boiler()
            bank.registers[Table.HOLDING][11] = 600 + 10 * run  # so that each run is seen to have reported
            service = AgentService(settings, reactor, line=BankLine({1: bank}))
            service.startService()
            yield self.until(lambda run=run: self.values().get("setpoint") == 60 + run)
            yield service.stopService()
            yield self.until(lambda run=run: len(self.server.notes.moods) == run + 1)
        self.assertEqual(self.server.notes.moods, ["bye-0", "bye-0"])
        self.assertEqual(self.server.notes.crashes, [])

    @inlineCallbacks
    def test_a_service_that_was_never_started(self) -> Any:
        """Stopping it does nothing."""
        settings = AgentSettings(Address("127.0.0.1", 1), DEVICE_ID, SECRET, "tcp:127.0.0.1:502", self.folder)
        yield AgentService(settings, reactor).stopService()
        self.assertFalse(self.folder.exists())

    def test_a_spool_in_use_refuses_to_start(self) -> Any:
        """One clear line, and the first one goes on."""
        settings = AgentSettings(Address("127.0.0.1", free_port()), DEVICE_ID, SECRET, "tcp:127.0.0.1:502", self.folder)
        first = AgentService(settings, reactor)
        first.startService()
        second = AgentService(settings, reactor)
        self.assertIn("in use by process", str(self.assertRaises(StorageError, second.startService)))
        stopped: Deferred[None] = first.stopService()
        return stopped

    def test_the_disk_is_told_about_in_one_line_each(self) -> None:
        """Full, well again, failed for good: only the last one ends the agent."""
        events: list[Any] = []
        self.patch(AgentService, "_log", Logger(observer=events.append))
        failed: list[StorageError] = []
        settings = AgentSettings(Address("127.0.0.1", 1), DEVICE_ID, SECRET, "tcp:127.0.0.1:502", self.folder)
        service = AgentService(settings, reactor, on_failed=failed.append)
        for state in ("disk-full", "ok", "failed", "closed"):
            service._health_changed(Health(state, 0, f"because {state}"))
        self.assertEqual([str(error) for error in failed], ["because failed"])
        self.assertEqual(len(events), 3)

    def test_a_line_that_cannot_be(self) -> None:
        """Told when the service is made."""
        settings = AgentSettings(Address("127.0.0.1", 1), DEVICE_ID, SECRET, "modem:7", self.folder)
        self.assertRaises(UserError, AgentService, settings, reactor)


class Times(SynchronousTestCase):
    def test_ages_stay_right_when_the_wall_clock_is_set(self) -> None:
        """The box starts in 1970 and learns the date later: a minute stays a minute."""
        wall, seconds = [0], [100.0]
        clock = steady_clock(lambda: wall[0], lambda: seconds[0])
        before = clock()
        wall[0], seconds[0] = 1_800_000_000_000_000, 160.0
        self.assertEqual(clock() - before, 60_000_000)


class Command(SynchronousTestCase):
    """Arguments that are not accepted: one sentence, exit code 2; nothing is made."""

    def setUp(self) -> None:
        self.secret = Path(self.mktemp())
        self.secret.touch(0o600)
        self.secret.write_text("00" * 20)
        self.folder = Path(self.mktemp())

    def run_with(self, **changed: str) -> tuple[int, str]:
        given = {"server": "127.0.0.1", "device": "1", "secret-file": str(self.secret), "modbus": "tcp:127.0.0.1:502"}
        given = {**given, "spool": str(self.folder), **changed}
        stderr = StringIO()
        self.patch(sys, "stderr", stderr)
        code = main([part for name, value in given.items() for part in (f"--{name}", value)], stderr)
        self.assertFalse(self.folder.is_dir() and (self.folder / FILE_NAME).exists())
        return code, stderr.getvalue()

    def test_what_is_not_accepted(self) -> None:
        """Each sentence names the thing and the accepted form."""
        for name, value, said in [
            ("server", "host:99999", "HOST:PORT"),
            ("device", "boiler", "device id"),
            ("modbus", "modem:7", "tcp:HOST:PORT"),
            ("secret-file", "/nonexistent", "cannot be read"),
            ("kid", "256", "kid 256"),
            ("kid", "x", "invalid int value"),
        ]:
            code, text = self.run_with(**{name: value})
            self.assertEqual(code, 2, name)
            self.assertIn(said, text)
            self.assertNotIn("Traceback", text)

    def test_a_secret_that_others_can_read(self) -> None:
        """Refused before anything is done with it."""
        self.secret.chmod(0o644)
        code, text = self.run_with()
        self.assertEqual((code, len(text.splitlines())), (2, 1))
        self.assertIn("chmod 600", text)

    def test_a_damaged_spool_ends_it(self) -> None:
        """Exit code 1 and one line; in a process of its own, as it would install a reactor."""
        self.folder.mkdir()
        (self.folder / FILE_NAME).write_bytes(b"x" * 5000)
        command = [
            sys.executable, "-c", COMMAND,
            "--server", "127.0.0.1:1", "--device", "1", "--secret-file", str(self.secret),
            "--modbus", "tcp:127.0.0.1:502", "--spool", str(self.folder),
        ]  # fmt: skip
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=30, env={**os.environ, "PYTHONPATH": str(PROJECT)}
        )
        self.assertEqual((done.returncode, len(done.stderr.splitlines())), (1, 1), done.stderr)
        self.assertIn("damaged", done.stderr)
