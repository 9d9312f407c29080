"""What the web half works on: everything that the daemon wires and that handlers share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from ..clock import WallClock
from ..devices.commands import Commands
from ..devices.enrolment import Enrolment
from ..devices.registry import Registry
from ..observe.metrics import Metrics
from ..settings import Settings
from .auth import Auth, Principal

if TYPE_CHECKING:
    from ..storage.interface import Store


@dataclass(frozen=True)
class WebServices:
    """``clock`` is the reactor, or what stands for it in tests."""

    registry: Registry
    enrolment: Enrolment
    commands: Commands
    store: Store
    metrics: Metrics
    auth: Auth
    settings: Settings
    wall_clock: WallClock
    clock: Any

    log = Logger()

    def audit(self, principal: Principal, action: str, device_id: int | None = None, **detail: Any) -> None:
        """Write down who did what. What is done is done: nobody waits for it."""
        entry = self.store.append_audit(
            self.wall_clock(), principal.who, principal.source, device_id, action, detail
        )
        entry.addErrback(lambda failure: self.log.error("not audited: {reason}", reason=failure.getErrorMessage()))
