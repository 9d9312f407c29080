"""A whole agent without sockets and threads: the real spool on disk, executor, dialer, login and session.

It dials the server of ``server_in_memory``; ``BankLine`` is its equipment. Every commit is done at once, unless
``held``; a new ``AgentEnd`` on the same folder is the agent after a restart, or after ``kill -9``.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionRefusedError

from smok_twisted.agent.agent import Agent
from smok_twisted.agent.executor import Executor
from smok_twisted.agent.requests import PunctualLine
from smok_twisted.agent.settings import Address, AgentSettings
from smok_twisted.agent.spool import Spool
from smok_twisted.agent.spool_file import load, open_file
from smok_twisted.devices.orders import Orders
from smok_twisted.framing.protocol import FramedProtocol, FramingTimes
from smok_twisted.modbus.bank import RegisterBank
from smok_twisted.readings import BlockReport, Table
from smok_twisted.storage.commit import Committer, Write
from smok_twisted.storage.database import Database
from smok_twisted.testing import BankLine, Wire, connect

from .server_in_memory import DEVICE_ID, SECRET, Server


class AtOnce:
    """The writer without its thread; with ``held`` set, commits wait until ``release``."""

    def __init__(self, database: Database) -> None:
        self.commits = 0
        self.held = False
        self._waiting: list[tuple[Write, Deferred[Any]]] = []
        self._connection = database.connect()
        self._committer = Committer(self._connection, lambda seconds: True, lambda state, detail: None)

    def submit(self, write: Write) -> Deferred[Any]:
        if self.held:
            self._waiting.append((write, Deferred()))
            return self._waiting[-1][1]
        self.commits += 1
        [outcome] = self._committer.commit([write])
        return succeed(outcome.value) if outcome.error is None else fail(outcome.error)

    def release(self) -> None:
        """Commit what waits."""
        self.held = False
        waiting, self._waiting = self._waiting, []
        for write, answer in waiting:
            self.submit(write).chainDeferred(answer)

    def close(self) -> Deferred[None]:
        self._connection.close()
        return succeed(None)


def open_spool(folder: Path, secret: bytes = SECRET, **more: Any) -> tuple[Spool, AtOnce]:
    """The spool in ``folder`` over a writer without a thread."""
    database = open_file(folder)
    with closing(database.connect()) as connection:
        state = load(connection, random.randrange, 0, secret)
    writer = AtOnce(database)
    return Spool(database, writer, state, **more), writer


def boiler() -> RegisterBank:
    """The equipment that the model of ``server_in_memory`` describes."""
    bank = RegisterBank()
    bank.registers[Table.HOLDING] = {10: 215, 11: 600}
    bank.registers[Table.COIL] = {5: 1}
    return bank


class AgentEnd:
    """One run of the agent. ``reachable`` says whether there is a server to dial."""

    def __init__(
        self, server: Server, folder: Path, wire_to: Callable[[], FramedProtocol] | None = None, **more: Any
    ) -> None:
        """``wire_to`` makes the server's ends of its connections, if they are to be special."""
        self.server = server
        self._wire_to = wire_to or self._server_end
        self.spool, self.writer = open_spool(folder, **more)
        self.bank = boiler()
        self.line = BankLine({1: self.bank})
        self.orders = Orders()
        self.orders.connected(PunctualLine(self.line))
        self.executor = Executor(self.orders, server.clock, server.wall_clock, self._taken, 2.0)
        settings = AgentSettings(Address("server.example", 2406), DEVICE_ID, SECRET, "tcp:127.0.0.1:502", folder)
        self.agent = Agent(
            settings, self.spool, self.orders, self.executor, server.clock, server.wall_clock, self._endpoint
        )
        self.reachable = True
        self.taken: list[BlockReport] = []  # everything that was read, in order
        self.dialled: list[tuple[str, int]] = []
        self.wire: Wire | None = None

    def _taken(self, time_us: int, reports: tuple[BlockReport, ...], send_now: bool) -> None:
        self.taken += reports
        self.spool.add(time_us, reports, send_now)

    def start(self) -> None:
        """What ``AgentService`` does."""
        self.executor.run(self.spool.blocks)
        self.agent.dialer.start()
        self.flow()

    def flow(self, seconds: float = 0.0, step_seconds: float = 1.0) -> None:
        """Let time pass and octets flow."""
        while True:
            step = min(seconds, step_seconds)
            self.server.clock.advance(step)
            if self.wire is not None:
                self.wire.pump()
            seconds -= step
            if seconds <= 0:
                return

    def until(self, reached: Callable[[], bool], most_seconds: float = 3600.0) -> None:
        """Let time pass until something has happened."""
        for _ in range(int(most_seconds)):
            if reached():
                return
            self.flow(1.0)
        raise AssertionError(f"not reached within {most_seconds:g} s")

    def cut(self) -> None:
        """The connection is lost, with everything on its way."""
        assert self.wire is not None
        self.wire.cut()

    @property
    def connected(self) -> bool:
        return self.agent.session is not None

    def kill(self) -> None:
        """What ``kill -9`` leaves: the connection is lost, nothing more is written."""
        self.executor.stop = lambda: None  # type: ignore[method-assign]
        self.agent.dialer._stopping = True
        if self.wire is not None:
            self.wire.cut()
        self.spool.add = lambda *_: None  # type: ignore[method-assign]
        self.spool._reader.close()
        self.writer.close()
        self.spool._database.close()

    def _endpoint(self, reactor: Any, host: str, port: int) -> AgentEnd:
        self.dialled.append((host, port))
        return self

    def connect(self, factory: Any) -> Deferred[Any]:
        """As a client endpoint does it."""
        if not self.reachable:
            return fail(ConnectionRefusedError())
        client = factory.buildProtocol(None)
        self.wire = connect(self._wire_to(), client)
        return succeed(client)

    def _server_end(self) -> FramedProtocol:
        decoder, above = self.server.stack()
        return FramedProtocol(decoder, above, self.server.clock, FramingTimes(), self.server.notes)
