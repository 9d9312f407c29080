"""What the ports of the daemon share: descriptors, the count of strangers, and their turns in the event loop.

Who comes to one port must not take what those at another need (design note reliability, F10, F15, F18, F19).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from . import descriptors
from .cipher.record import Suite
from .clock import wall_clock_us
from .framing.admission import Admission, AdmissionLimits
from .framing.factory import FramedFactory
from .framing.turns import Turns
from .handshake.keyring import Keyring, Slot
from .links.p24.entrance import Doorkeeper
from .links.smok4.entrance import DeviceRealm
from .observe.metrics import Metrics
from .observe.witness import Witness
from .settings import Limits
from .stack import p24_factory, smok4_factory
from .sweeping import Sweeper
from .web.door import Door

#: Descriptors kept for neither devices nor the web; of all of them the web may take one in so many, whatever is set.
_SPARE_DESCRIPTORS, _WEB_SHARE = 100, 8


class Doors:
    """One for the daemon; ``alarm(kind, text)`` hears of what an operator must know about strangers."""

    def __init__(self, limits: Limits, reactor: Any, metrics: Metrics, alarm: Callable[[str, str], None]) -> None:
        self._reactor = reactor
        self._metrics = metrics
        self._witnesses = {name: Witness(name, metrics, reactor, alarm) for name in ("smok4", "p24", "web")}
        self._admission = admission = Admission(
            AdmissionLimits(limits.unauthenticated, limits.per_source, limits.accepts_per_second)
        )
        self._turns = turns = Turns(reactor)
        self._sweeper = Sweeper(reactor, lambda: len(turns) > 0)
        self._connections: set[Any] = set()
        self._web_connections = limits.web_connections
        metrics.gauge("connections", "Open connections of devices", lambda: len(self._connections))
        metrics.gauge("unauthenticated", "Connections that have not logged in", lambda: admission.unauthenticated)

    def open(self) -> None:
        """As many descriptors as the system allows, shared out. Before the first port."""
        most = descriptors.allow()
        self._web_at_most = min(self._web_connections, most // _WEB_SHARE)
        self._devices_at_most = max(most - _SPARE_DESCRIPTORS - self._web_at_most, most // 2)
        self._sweeper.start()

    def close(self) -> None:
        """Nobody comes any more, and what was counted is told."""
        self._sweeper.stop()
        for witness in self._witnesses.values():
            witness.stop()

    def smok4(
        self,
        keyring: Keyring,
        slots_changed: Callable[[int, tuple[Slot, ...]], None],
        realm: DeviceRealm,
        *,
        suites: Collection[Suite],
        random: Callable[[int], bytes],
    ) -> FramedFactory:
        """As ``stack.smok4_factory``."""
        return self._counted(
            smok4_factory(keyring, slots_changed, realm, suites=suites, random=random, **self._shared("smok4"))
        )

    def p24(self, doorkeeper: Doorkeeper) -> FramedFactory:
        """As ``stack.p24_factory``."""
        return self._counted(p24_factory(doorkeeper, self._reactor, wall_clock_us, **self._shared("p24")))

    def web(self, site: Any) -> Door:
        """In front of ``site``."""
        door = Door(site, self._web_at_most, self._reactor, self._witnesses["web"].violated)
        self._metrics.gauge("web_connections", "Open connections to page and API", lambda: len(door.protocols))
        return door

    def _shared(self, name: str) -> dict[str, Any]:
        return {
            "admission": self._admission,
            "observer": self._witnesses[name],
            "connections_at_most": self._devices_at_most,
            "turns": self._turns,
        }

    def _counted(self, factory: FramedFactory) -> FramedFactory:
        factory.connections = self._connections
        return factory
