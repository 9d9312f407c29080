"""The ports of the daemon: opened by their endpoint strings, or refused in one clear line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError

from .errors import UserError

#: Connections that wait to be accepted; Twisted's own 50 are full in no time when a fleet comes back. Then the kernel
#: drops SYNs, and devices wait for seconds until they try again.
BACKLOG = 1024


@dataclass(frozen=True)
class Listener:
    """A port that is open, and what users call it."""

    name: str
    port: Any

    @property
    def address(self) -> str:
        """As it is told to users."""
        host = self.port.getHost()
        return f"{host.host}:{host.port}" if hasattr(host, "host") else str(host)


def listen(reactor: Any, name: str, description: str, factory: Callable[[], Any]) -> Deferred[Listener]:
    """Open [listen] ``name``. Fails with UserError."""
    return Deferred.fromCoroutine(_listen(reactor, name, description, factory))


async def _listen(reactor: Any, name: str, description: str, factory: Callable[[], Any]) -> Listener:
    try:
        port = await serverFromString(reactor, _with_backlog(description)).listen(factory())
    except CannotListenError as error:
        raise UserError(f"[listen] {name} = {description!r} cannot be opened: {error.socketError}") from None
    except ValueError as error:
        raise UserError(f"[listen] {name} = {description!r} is no Twisted endpoint: {error}") from None
    return Listener(name, port)


def _with_backlog(description: str) -> str:
    """Unless it says one itself."""
    is_tcp = description.startswith(("tcp:", "tcp6:"))
    return f"{description}:backlog={BACKLOG}" if is_tcp and "backlog=" not in description else description
