"""The middle of an agent: makes the layers of each connection, and does what sessions ask of the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..cipher.protocol import RecordLayer
from ..clock import WallClock
from ..devices.orders import Orders
from ..errors import RemoteError, UserError
from ..handshake.machine import DeviceHandshake
from ..handshake.messages import HAS_CLOCK, KEEPS_BATCHES, Login, Welcome
from ..handshake.protocol import DeviceLogin
from ..interfaces import Above
from ..links.smok4.device import DeviceSession
from ..links.smok4.messages import MAX_BODY_OCTETS, ModbusRequest
from ..readings import Block
from .dialer import Dialer
from .executor import Executor
from .requests import Requests
from .settings import Address, AgentSettings, parse_address, suite_of
from .spool import Spool


class Agent:
    """The ``Host`` of its sessions, one at a time. ``clock`` is the reactor, ``orders`` lead to the equipment."""

    _log = Logger()

    def __init__(
        self,
        settings: AgentSettings,
        spool: Spool,
        orders: Orders,
        executor: Executor,
        clock: Any,
        wall_clock: WallClock,
        endpoint: Callable[[Any, str, int], Any] = HostnameEndpoint,
    ) -> None:
        self.dialer = Dialer(clock, self._layers, self._addresses, endpoint=endpoint)
        self.session: DeviceSession | None = None
        self._settings = settings
        self._spool = spool
        self._orders = orders
        self._executor = executor
        self._clock = clock
        self._wall_clock = wall_clock
        self._requests = self._new_requests()
        self._secret = spool.secrets[0]  # in use, or to be used next
        self._is_refused = False  # the server has chosen and then not let us in

    # -- for the dialer

    def _layers(self) -> Deferred[Above[bytes]]:
        """Fires with the layers of one more connection when its nonce is on disk."""
        if self._is_refused:
            self._take_other_secret()
        return self._spool.next_nonce().addCallback(self._stack)

    def _addresses(self) -> list[Address]:
        """What the server said, and always what the user said."""
        return [self._settings.server, *map(parse_address, self._spool.servers)]

    # -- for the login

    def _stack(self, nonce: int) -> Above[bytes]:
        secrets = {suite_of(self._secret.secret): self._secret.secret}
        handshake = DeviceHandshake(self._settings.device_id, self._secret.kid, secrets, nonce, unique_for_good=True)
        return RecordLayer(DeviceLogin(handshake, self._login, self._attach))

    def _login(self) -> Login:
        self._is_refused = True
        newest = self._spool.numbering.number_of(self._spool.ready)
        return Login(
            flags=HAS_CLOCK | KEEPS_BATCHES,
            max_rx=MAX_BODY_OCTETS,
            firmware=self._settings.firmware,
            boot=self._spool.numbering.boot,
            tick=self.tick(),
            cursor=newest,
        )

    def _attach(self, welcome: Welcome) -> DeviceSession:
        self._is_refused = False
        self.dialer.welcomed()
        self._requests = self._new_requests()
        self.session = DeviceSession(welcome, self._spool, self, self._clock, self._wall_clock)
        return self.session

    def _new_requests(self) -> Requests:
        return Requests(self._orders, self.tick, self._settings.timeout_seconds)

    def _take_other_secret(self) -> None:
        """The server may have lost the newest one: a backup was restored."""
        secrets = self._spool.secrets
        self._secret = secrets[(secrets.index(self._secret) + 1) % len(secrets)]

    # -- for the session: links.smok4.device.Host

    def tick(self) -> int:
        """Uptime in seconds mod 2**16."""
        return int(self._clock.seconds()) & 0xFFFF

    def take_plan(self, number: int, blocks: tuple[Block, ...]) -> Deferred[None]:
        """Read by this plan as soon as it is kept; if it cannot be, go on with the old one."""
        self._executor.stop()
        self._log.info("plan {number}: {count} blocks", number=number, count=len(blocks))
        return self._spool.keep_plan(number, blocks).addBoth(self._run_plan)

    def _run_plan(self, outcome: Failure | None) -> Failure | None:
        self._executor.run(self._spool.blocks)
        return outcome

    def take_secret(self, kid: int, secret: bytes) -> Deferred[None]:
        """Keep it beside the one in use and log in with it next time."""
        try:
            suite_of(secret)
        except UserError as error:
            raise RemoteError("bad-message", str(error)) from error
        return self._spool.keep_secret(kid, secret, self._secret.slot).addCallback(self._use_newest)

    def _use_newest(self, _: None) -> None:
        self._secret = self._spool.secrets[0]

    def take_servers(self, addresses: list[str]) -> None:
        """Dial these too from now on; what is no address is left out."""
        known = tuple(text for text in addresses if _is_address(text))
        self._spool.keep_servers(known).addErrback(self._not_kept)

    def _not_kept(self, failure: Failure) -> None:
        self._log.error("server addresses are not kept: {reason}", reason=failure.getErrorMessage())

    def go_away(self, after_seconds: int, jitter_seconds: int) -> None:
        """Connect again then."""
        self.dialer.go_away(after_seconds, jitter_seconds)

    def serve(self, request: ModbusRequest) -> Deferred[bytes]:
        """The PDU to answer with."""
        return self._requests.serve(request)

    def session_over(self, mood: str) -> None:
        """Begin nothing more of what this session asked for."""
        self._requests.stop()
        self.session = None


def _is_address(text: str) -> bool:
    try:
        parse_address(text)
    except UserError:
        return False
    return True
