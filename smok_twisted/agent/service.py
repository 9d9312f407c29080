"""One agent as a Twisted service, for any application: a line, what reads it, what is kept, and the connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from ..clock import WallClock, wall_clock_us
from ..devices.orders import Orders
from ..errors import StorageError
from ..modbus.lines import open_line
from ..modbus.protocol import Line
from ..storage.records import Health
from .agent import Agent
from .executor import Executor
from .requests import PunctualLine
from .settings import AgentSettings
from .spool import open_spool


def steady_clock(wall_clock: WallClock, seconds: Callable[[], float]) -> WallClock:
    """Wall-clock microseconds that follow the monotonic ``seconds`` from now on.

    The age of a reading is then right even when the wall clock is set in between.
    """
    offset_us = wall_clock() - int(seconds() * 1e6)
    return lambda: offset_us + int(seconds() * 1e6)


class AgentService(Service):
    """``reactor`` must time by a monotonic clock (``clock.use_monotonic_timers``): deadlines of writes depend on it.

    ``line`` may be any ``modbus.protocol.Line``; without one, ``settings.modbus`` names it. ``on_failed`` hears, with
    one clear line, when the spool has failed for good: then nothing is kept or sent any more.
    """

    _log = Logger()

    def __init__(
        self,
        settings: AgentSettings,
        reactor: Any,
        line: Line | None = None,
        on_failed: Callable[[StorageError], None] = lambda error: None,
    ) -> None:
        """Raises UserError when ``settings.modbus`` names no line."""
        self._settings = settings
        self._reactor = reactor
        self._line = line or open_line(settings.modbus, reactor)
        self._on_failed = on_failed

    def startService(self) -> None:
        """Open the spool, read by the plan that is held, dial. Raises StorageError with one clear line."""
        settings = self._settings
        self._spool = spool = open_spool(
            settings.spool_folder, self._reactor, settings.kid, settings.secret, self._health_changed
        )
        spool.on_broken = self._failed
        wall_clock = steady_clock(wall_clock_us, self._reactor.seconds)
        orders = Orders()
        orders.connected(PunctualLine(self._line))
        self._executor = Executor(orders, self._reactor, wall_clock, spool.add, settings.timeout_seconds)
        self._agent = Agent(settings, spool, orders, self._executor, self._reactor, wall_clock)
        super().startService()
        self._executor.run(spool.blocks)
        self._agent.dialer.start()

    def stopService(self) -> Deferred[None]:
        """Say BYE, keep everything, let go of the line. Fires when that is done."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        if not self.running:
            return
        super().stopService()
        self._executor.stop()
        if self._agent.session is not None:
            self._agent.session.close("stopped")
        await self._agent.dialer.stop()
        await self._spool.close()
        await self._line.stop()

    def _health_changed(self, health: Health) -> None:
        if health.state == "failed":
            self._failed(StorageError(health.detail))
        elif health.state == "ok":
            self._log.info("the spool can be written again")
        elif health.state != "closed":
            self._log.warn("the spool cannot be written ({state}): {detail}", state=health.state, detail=health.detail)

    def _failed(self, error: StorageError) -> None:
        self._log.error("{error}", error=error)
        self._on_failed(error)
