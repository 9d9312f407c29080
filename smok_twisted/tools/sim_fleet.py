"""The devices of ``smok sim``, each with a boiler room and faults of its own, and the ledger of what they report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

from ..agent.settings import Address, AgentSettings
from ..errors import UserError
from ..readings import BlockReport
from ..storage import blob
from .boiler import Boiler
from .sim_device import BoilerLine, Made, Simulated, SimulatedDevice, SimulatedP24
from .sim_enrolment import Identity
from .sim_faults import Faults, FaultyLine


class Fleet:
    """``devices`` by name. ``seed`` makes their boilers and faults; ``now()`` is the boilers' time."""

    def __init__(self, reactor: Any, seed: int, faults: Faults, now: Callable[[], float]) -> None:
        self.devices: dict[str, Simulated] = {}
        self._reactor = reactor
        self._random = Random(seed)
        self._seed = seed
        self._faults = faults
        self._now = now

    def add(self, identities: Mapping[str, Identity], server: Address, volatile: bool, made: Made | None) -> None:
        """Devices of SMOK/4."""
        for name, identity in identities.items():
            settings = AgentSettings(
                server=server,
                device_id=identity.device_id,
                secret=identity.secret,
                modbus="",
                spool_folder=identity.folder,
                kid=identity.kid,
            )
            line, random = self._room(name)
            self.devices[name] = SimulatedDevice(settings, line, self._reactor, random, volatile, made)

    def add_p24(self, ids: Mapping[str, int], server: Address) -> None:
        """Devices of P24."""
        for name, device_id in ids.items():
            line, random = self._room(name)
            self.devices[name] = SimulatedP24(device_id, server, line, self._reactor, random)

    def _room(self, name: str) -> tuple[FaultyLine, Random]:
        random = Random(f"{self._seed} {name}")
        line = BoilerLine(Boiler(self._random.getrandbits(32), self._now()), self._now)
        return FaultyLine(line, self._faults, random, self._reactor), random


class Ledger:
    """A file with a line for each report: device id, wall clock (microseconds), and the blocks as ``storage.blob``
    has them, in hex. A context; raises UserError when the file cannot be written."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("w", encoding="ascii")
        except OSError as error:
            raise UserError(f"{path}: cannot be written: {error.strerror}; --ledger names a file") from None

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def note(self, device_id: int, time_us: int, reports: tuple[BlockReport, ...]) -> None:
        """One more."""
        self._file.write(f"{device_id:#018x} {time_us} {blob.encode(reports).hex()}\n")
