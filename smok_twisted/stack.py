"""The one place where the layers of a link are named in order, from the socket up."""

from __future__ import annotations

from collections.abc import Callable, Collection

from twisted.cred.portal import Portal

from .cipher.protocol import RecordLayer
from .cipher.record import Suite
from .clock import WallClock
from .framing.codec import FrameDecoder
from .handshake.machine import Find, ServerHandshake
from .handshake.protocol import ServerLogin

HELLO_OCTETS = 20
CHOICE_OCTETS = 9

#: What ``framing.protocol.FramedFactory`` asks for each new connection.
Stack = Callable[[], tuple[FrameDecoder, RecordLayer]]


def smok4_server(
    find: Find,
    portal: Portal,
    *,
    suites: Collection[Suite],
    keepalive_10s: int,
    wall_clock: WallClock,
    random: Callable[[int], bytes],
) -> Stack:
    """framing -> records -> login -> (once proven) the session that the portal's avatar attaches."""

    def layers() -> tuple[FrameDecoder, RecordLayer]:
        handshake = ServerHandshake(find, suites, random)
        login = ServerLogin(handshake, portal, wall_clock, keepalive_10s)
        return FrameDecoder(HELLO_OCTETS), RecordLayer(login)

    return layers
