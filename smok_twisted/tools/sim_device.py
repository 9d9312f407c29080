"""Simulated devices that dial in for real, over SMOK/4 or P24, with boiler rooms for equipment.

Thousands fit in one process: a device has no thread of its own, and its boiler room moves when it is looked at. The
layers are those of the agent and of ``links.p24.device``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import deferLater

from ..agent.agent import Agent
from ..agent.dialer import Dialer, DialTimes
from ..agent.executor import Executor
from ..agent.requests import PunctualLine
from ..agent.service import steady_clock
from ..agent.settings import Address, AgentSettings
from ..clock import wall_clock_us
from ..devices.orders import Orders
from ..links.p24.device import P24Device
from ..modbus.protocol import LineFault
from ..readings import BlockReport, Fault
from .boiler import Boiler
from .sim_faults import FaultyLine
from .sim_spool import open_spool
from .sim_uplink import Uplink

#: The controller on the line of a boiler room; nobody else answers there.
CONTROLLER_UNIT = 1
#: An agent is up again at most so long after the power; from then on its own back-off says when it dials.
BOOT_SECONDS = DialTimes().first_pause_seconds
#: A P24 device knows no back-off but its boot.
P24_BOOT_SECONDS = 3.0

#: Hears of each report that a device makes: device id, wall clock (microseconds), block reports.
Made = Callable[[int, int, tuple[BlockReport, ...]], None]


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


class Simulated:
    """One device from its bus to its connection. What kind it is tells how it boots and how it halts."""

    boot_seconds = 0.0  #: after a power cut it is up again within so long

    def __init__(self, line: FaultyLine, reactor: Any, random: Random) -> None:
        self._line = line
        self._reactor = reactor
        self._random = random
        self._uplink = Uplink(reactor)
        self._dark: Deferred[None] | None = None  # a power cut

    def start(self) -> None:
        """Read and dial. Raises StorageError with one clear line."""
        raise NotImplementedError

    async def _halt(self) -> None:
        """Whatever ``start`` began."""
        raise NotImplementedError

    def _say_goodbye(self) -> None:
        """What is said to the server before a stop that is meant."""

    def stop(self) -> Deferred[None]:
        """Say goodbye and keep what is not sent. Fires when that is done."""
        return Deferred.fromCoroutine(self._stop())

    def lose_connection(self, seconds: float) -> None:
        """For so long nothing comes or goes, and the server is not told."""
        self._uplink.lose(seconds)

    def lose_unit(self, seconds: float) -> None:
        """For so long the controller does not answer."""
        self._line.fall_silent(seconds)

    def cut_power(self, seconds: float) -> Deferred[None]:
        """Everything stops for so long, and nobody is told. Fires when it runs again, or is stopped."""
        self._dark = Deferred.fromCoroutine(self._without_power(seconds))
        return self._dark

    async def _without_power(self, seconds: float) -> None:
        with suppress(CancelledError):
            self._uplink.lose(seconds)
            await self._halt()
            await deferLater(self._reactor, seconds + self._random.uniform(0, self.boot_seconds))
            self._dark = None
            self.start()

    async def _stop(self) -> None:
        if self._dark is not None:
            self._dark.cancel()
        else:
            self._say_goodbye()
        self._uplink.stop()
        if self._dark is None:
            await self._halt()
        await self._line.stop()


class SimulatedDevice(Simulated):
    """The whole device side of SMOK/4. ``settings.modbus`` is not looked at: ``line`` is there already.

    ``volatile``: what is not sent is kept in memory only.
    """

    boot_seconds = BOOT_SECONDS

    def __init__(
        self,
        settings: AgentSettings,
        line: FaultyLine,
        reactor: Any,
        random: Random,
        volatile: bool = False,
        made: Made | None = None,
    ) -> None:
        super().__init__(line, reactor, random)
        self._settings = settings
        self._volatile = volatile
        self._made = made

    def start(self) -> None:
        """Read by the plan that is held, and dial. Raises StorageError with one clear line."""
        self._spool = open_spool(self._settings, self._volatile)
        wall_clock = steady_clock(wall_clock_us, self._reactor.seconds)
        orders = Orders()
        orders.connected(PunctualLine(self._line))
        timeout_seconds = self._settings.timeout_seconds
        self._executor = Executor(orders, self._reactor, wall_clock, self._keep, timeout_seconds)
        self._agent = Agent(
            self._settings, self._spool, orders, self._executor, self._reactor, wall_clock, self._uplink.endpoint
        )
        self._executor.run(self._spool.blocks)
        self._agent.dialer.start()

    def _keep(self, time_us: int, reports: tuple[BlockReport, ...], send_now: bool) -> None:
        if self._made is not None:
            self._made(self._settings.device_id, time_us, reports)
        self._spool.add(time_us, reports, send_now)

    def _say_goodbye(self) -> None:
        self._executor.stop()
        if self._agent.session is not None:
            self._agent.session.close("stopped")

    async def _halt(self) -> None:
        self._executor.stop()
        await self._agent.dialer.stop()
        await self._spool.close()


class SimulatedP24(Simulated):
    """A device of the first generation: it says who it is and answers, and keeps nothing (design note p24)."""

    def __init__(self, device_id: int, server: Address, line: FaultyLine, reactor: Any, random: Random) -> None:
        super().__init__(line, reactor, random)
        self._device_id = device_id
        self._server = server

    def start(self) -> None:
        """Dial."""
        self._dialer = Dialer(
            self._reactor,
            lambda: succeed(P24Device(self._device_id, self._line, accepted=self._dialer.welcomed)),
            lambda: [self._server],
            endpoint=self._uplink.endpoint,
            opening_octets=0,
            backoff=Reboot(),
        )
        self._dialer.start()

    async def _halt(self) -> None:
        await self._dialer.stop()


class Reboot:
    """The pause of a P24 device between two connections: it boots, always as long. See ``dialer.Backoff``."""

    def asked_for(self, after_seconds: int, jitter_seconds: int) -> None:
        """P24 has no word for it."""

    def pause_seconds(self, session_seconds: float) -> float:
        """However long the session was."""
        return P24_BOOT_SECONDS
