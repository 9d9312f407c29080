"""A fleet of simulated devices: they start one after another, so that their timers are spread, and things go wrong.

Each kind of mishap has a seeded course of its own: that one happens more often changes nothing about the others.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from random import Random
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred, gatherResults, succeed
from twisted.internet.task import deferLater
from twisted.logger import Logger

from .sim_faults import Faults

#: From the start of one device to that of the next. A server lets in 20 a second from one address.
START_SECONDS = 0.1
OUTAGE_SECONDS = (20.0, 60.0)
DEAD_UNIT_SECONDS = (60.0, 600.0)
POWER_CUT_SECONDS = (5.0, 30.0)


class Device(Protocol):
    """What ``sim_device.Simulated`` is to a room."""

    def start(self) -> None:
        """Raises StorageError with one clear line."""

    def stop(self) -> Deferred[None]:
        """Fires when it has let go of everything."""

    def lose_connection(self, seconds: float) -> None: ...

    def lose_unit(self, seconds: float) -> None: ...

    def cut_power(self, seconds: float) -> Deferred[None]:
        """Fires when it runs again."""


class Room:
    """Devices by name. ``seed`` decides what goes wrong when, ``faults`` how often."""

    log = Logger()

    def __init__(
        self,
        devices: Mapping[str, Device],
        reactor: Any,
        seed: int,
        faults: Faults,
        start_seconds: float = START_SECONDS,
    ) -> None:
        self._devices = devices
        self._reactor = reactor
        self._seed = seed
        self._faults = faults
        self._start_seconds = start_seconds
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
                await deferLater(self._reactor, self._start_seconds)
            courses = (
                self._now_and_then("drop", self._faults.drops_per_hour, self._drop),
                self._now_and_then("dead unit", self._faults.dead_units_per_hour, self._kill_unit),
                self._now_and_then("power cut", self._faults.power_cuts_per_hour, self._cut_power),
            )
            await _together([Deferred.fromCoroutine(course) for course in courses])

    async def _now_and_then(
        self, kind: str, per_hour: float, happen: Callable[[Random], Coroutine[Any, Any, None]]
    ) -> None:
        random = Random(f"{self._seed} {kind}")
        with suppress(CancelledError):
            while per_hour:
                await deferLater(self._reactor, 3600 / per_hour * random.uniform(2 / 3, 4 / 3))
                await happen(random)

    # -- what happens

    async def _drop(self, random: Random) -> None:
        name, seconds = random.choice(self._running), random.uniform(*OUTAGE_SECONDS)
        self.log.info("{name} loses its connection for {seconds:.0f} s", name=name, seconds=seconds)
        self._devices[name].lose_connection(seconds)

    async def _kill_unit(self, random: Random) -> None:
        name, seconds = random.choice(self._running), random.uniform(*DEAD_UNIT_SECONDS)
        self.log.info("the controller of {name} answers nothing for {seconds:.0f} s", name=name, seconds=seconds)
        self._devices[name].lose_unit(seconds)

    async def _cut_power(self, random: Random) -> None:
        seconds = random.uniform(*POWER_CUT_SECONDS)
        self.log.info("the power fails everywhere for {seconds:.0f} s", seconds=seconds)
        await _together([self._devices[name].cut_power(seconds) for name in self._running])


def _together(all_of_them: list[Deferred[None]]) -> Deferred[Any]:
    """Fires when all have; fails as the first one does."""
    return gatherResults(all_of_them, consumeErrors=True).addErrback(
        lambda failure: getattr(failure.value, "subFailure", failure)
    )
