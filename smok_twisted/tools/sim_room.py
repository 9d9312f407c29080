"""Simulated devices that dial in for real: the whole device side of SMOK/4, with boiler rooms for equipment.

For ``smok sim``, load tests and demonstrations: thousands fit in one process. A device has no thread of its own, its
boiler room moves when it is looked at, and the devices of a ``Room`` start one after another, so that their timers
are spread.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from random import Random
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, gatherResults, succeed
from twisted.internet.task import deferLater
from twisted.logger import Logger

from ..agent import spool_file
from ..agent.agent import Agent
from ..agent.executor import Executor
from ..agent.requests import PunctualLine
from ..agent.service import steady_clock
from ..agent.settings import AgentSettings
from ..agent.spool import Spool
from ..clock import wall_clock_us
from ..devices.orders import Orders
from ..errors import StorageError
from ..modbus.protocol import Line, LineFault
from ..readings import Fault
from ..storage.commit import Committer, Write
from ..storage.database import Database, explained
from .boiler import Boiler
from .sim_uplink import Uplink

#: The controller on the line of a boiler room; nobody else answers there.
CONTROLLER_UNIT = 1
#: From the start of one device to that of the next. A server lets in 20 a second from one address.
START_SECONDS = 0.1
OUTAGE_SECONDS = (20.0, 60.0)
MOST_BATCHES = 4_000


class BoilerLine:
    """The bus of a boiler room; a ``modbus.protocol.Line``. ``now()`` is the boiler's time."""

    def __init__(self, boiler: Boiler, now: Callable[[], float]) -> None:
        self._boiler = boiler
        self._now = now

    def execute(self, unit: int, pdu: bytes, timeout_seconds: float) -> Deferred[bytes]:
        """See ``Line``; a time-out comes at once."""
        if unit != CONTROLLER_UNIT:
            return fail(LineFault(Fault.TIMEOUT))
        self._boiler.advance(self._now())
        return succeed(self._boiler.bank.answer(pdu))

    def stop(self) -> Deferred[None]:
        """There is nothing to let go of."""
        return succeed(None)


class SimulatedDevice:
    """One device from its line to its connection. ``settings.modbus`` is not looked at: ``line`` is there already."""

    def __init__(self, settings: AgentSettings, line: Line, reactor: Any) -> None:
        self._settings = settings
        self._line = line
        self._reactor = reactor
        self._uplink = Uplink(reactor)

    def start(self) -> None:
        """Read by the plan that is held, and dial. Raises StorageError with one clear line."""
        self._spool = open_spool(self._settings)
        wall_clock = steady_clock(wall_clock_us, self._reactor.seconds)
        orders = Orders()
        orders.connected(PunctualLine(self._line))
        timeout_seconds = self._settings.timeout_seconds
        self._executor = Executor(orders, self._reactor, wall_clock, self._spool.add, timeout_seconds)
        self._agent = Agent(
            self._settings, self._spool, orders, self._executor, self._reactor, wall_clock, self._uplink.endpoint
        )
        self._executor.run(self._spool.blocks)
        self._agent.dialer.start()

    def stop(self) -> Deferred[None]:
        """Say BYE and keep what is not sent. Fires when that is done."""
        return Deferred.fromCoroutine(self._stop())

    def lose_connection(self, seconds: float) -> None:
        """For so long nothing comes or goes, and the server is not told."""
        self._uplink.lose(seconds)

    async def _stop(self) -> None:
        self._executor.stop()
        self._uplink.stop()
        if self._agent.session is not None:
            self._agent.session.close("stopped")
        await self._agent.dialer.stop()
        await self._spool.close()
        await self._line.stop()


class Room:
    """Devices by name. ``drops_per_hour``: how often one of them, any, loses its connection for a while."""

    log = Logger()

    def __init__(
        self, devices: Mapping[str, SimulatedDevice], reactor: Any, random: Random, drops_per_hour: float
    ) -> None:
        self._devices = devices
        self._reactor = reactor
        self._random = random
        self._drops_per_hour = drops_per_hour
        self._running: list[str] = []
        self._life: Deferred[None] = succeed(None)

    def start(self) -> Deferred[None]:
        """Start the devices, one after another. Fires when the room is stopped; fails with StorageError."""
        self._life = Deferred.fromCoroutine(self._live())
        return self._life

    def stop(self) -> Deferred[Any]:
        """Stop all of them. Fires when their connections are closed."""
        self._life.cancel()
        return gatherResults([self._devices[name].stop() for name in self._running])

    async def _live(self) -> None:
        with suppress(CancelledError):
            for name, device in self._devices.items():
                device.start()
                self._running.append(name)
                await deferLater(self._reactor, START_SECONDS)
            while self._drops_per_hour:
                await deferLater(self._reactor, 3600 / self._drops_per_hour * self._random.uniform(2 / 3, 4 / 3))
                self._drop(self._random.choice(self._running))

    def _drop(self, name: str) -> None:
        seconds = self._random.uniform(*OUTAGE_SECONDS)
        self.log.info("{name} loses its connection for {seconds:.0f} s", name=name, seconds=seconds)
        self._devices[name].lose_connection(seconds)


class UnsyncedWriter:
    """The ``Writes`` of a spool, done at once and left to the system to bring to the disk: no thread, no waiting.

    Nothing that is lost in a power cut was ever measured.
    """

    def __init__(self, database: Database) -> None:
        self._path = database.path
        self._connection = database.connect()
        self._connection.execute("PRAGMA synchronous = OFF")
        self._committer = Committer(self._connection, lambda seconds: True, lambda state, detail: None)

    def submit(self, write: Write) -> Deferred[Any]:
        """See ``spool.Writes``."""
        try:
            (outcome,) = self._committer.commit([write])
            self._committer.checkpoint_if_due()
        except sqlite3.Error as error:
            return fail(explained(self._path, error))
        return succeed(outcome.value) if outcome.error is None else fail(outcome.error)

    def close(self) -> Deferred[None]:
        """See ``spool.Writes``."""
        self._connection.close()
        return succeed(None)


def open_spool(settings: AgentSettings) -> Spool:
    """A small one. Raises StorageError with one clear line."""
    database = spool_file.open_file(settings.spool_folder)
    try:
        with closing(database.connect()) as connection:
            state = spool_file.load(connection, secrets.randbelow, settings.kid, settings.secret)
        return Spool(database, UnsyncedWriter(database), state, most_batches=MOST_BATCHES)
    except (sqlite3.Error, ValueError, StorageError) as error:
        database.close()
        raise explained(database.path, error) from error
