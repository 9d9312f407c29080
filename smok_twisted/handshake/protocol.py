"""The login on a connection: layers above the record layer that give way to the next one once it is proven.

Before LOGIN has verified, every fault has one answer: RemoteError goes down, the connection closes without an octet
(design note smok4, "No oracle").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

from twisted.cred.credentials import ICredentials
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import Portal
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from ..errors import RemoteError
from ..interfaces import Above, Below, Opener, Sealer
from .cred import Attachment, IDeviceAvatar, ProvenDevice
from .first_record import FirstRecordOpener
from .machine import DeviceHandshake, ServerHandshake
from .messages import Login, Welcome

IDLE_KEEPALIVES = 2.5


class Pause(Protocol):
    """A reason not to read."""

    def release(self) -> None:
        """Read on, unless there is another reason not to."""


class Records(Below[bytes], Protocol):
    """The layer below: octets in the clear until it has keys, then bodies of records."""

    source: str  #: where the peer dials from

    def set_keys(self, sealer: Sealer | None = None, opener: Opener | None = None) -> None:
        """Seal and open everything from here on; what is None stays as it is."""

    def pause(self) -> Pause:
        """Deliver nothing until the answer is released."""

    def crashed(self, failure: Failure) -> None:
        """A fault of our own."""

    def admitted(self, idle_seconds: float) -> None:
        """The login deadline is over, the idle limit starts."""


class ServerLogin:
    """The server's side; an ``interfaces.Above`` of the record layer.

    ``portal`` turns a ProvenDevice into an IDeviceAvatar; what that attaches gets every further body.
    ``keepalive_10s`` (1..255) goes into WELCOME.
    """

    def __init__(
        self,
        handshake: ServerHandshake,
        portal: Portal,
        wall_clock_us: Callable[[], int],
        keepalive_10s: int = 24,
    ) -> None:
        self._handshake = handshake
        self._portal = portal
        self._wall_clock_us = wall_clock_us
        self._keepalive_10s = keepalive_10s
        self._receive: Callable[[bytes], None] = self._hello
        self._admission: Deferred[None] | None = None
        self._logout: Callable[[], None] = lambda: None
        self._above: Above[bytes] | None = None

    def started(self, below: Records) -> None:
        """Wait for HELLO."""
        self._below = below

    def received(self, item: bytes) -> None:
        """HELLO, then LOGIN, then what the layer above takes. Raises RemoteError with the true reason."""
        self._receive(item)

    def stopped(self, mood: str) -> None:
        """Tell the layer above, if there is one, and let go of the device."""
        if self._admission is not None:
            self._admission.cancel()
        try:
            if self._above is not None:
                self._above.stopped(mood)
            else:
                self._handshake.closed()
        finally:
            self._logout()

    def _hello(self, octets: bytes) -> None:
        chosen = self._handshake.hello(octets)
        self._below.send(chosen.choice)
        self._opener = chosen.receiving.opener()
        self._below.set_keys(chosen.sending.sealer(), FirstRecordOpener(self._opener, chosen.refusal))
        self._receive = self._login

    def _login(self, body: bytes) -> None:
        device = ProvenDevice(self._handshake.login(body), self._below.source)
        self._below.set_keys(opener=self._opener)  # the first record has told what it could tell
        self._admission = Deferred.fromCoroutine(self._admit(device))

    async def _admit(self, device: ProvenDevice) -> None:
        """Whatever came behind LOGIN waits below, in order, until there is a layer for it."""
        pause = self._below.pause()
        try:
            await self._attach(device)
        except RemoteError as error:
            self._below.fail(error)
        except UnauthorizedLogin as error:
            self._below.fail(RemoteError("not-allowed", str(error)))
        except CancelledError:
            self._below.close("cancelled")
        except Exception:
            self._below.crashed(Failure())
        finally:
            pause.release()

    async def _attach(self, device: ProvenDevice) -> None:
        credentials = cast(ICredentials, device)
        _, avatar, self._logout = await self._portal.login(credentials, None, IDeviceAvatar)
        self._below.admitted(idle_seconds(self._keepalive_10s))
        attachment: Attachment = await cast(Any, avatar).attach(device)
        self._welcome(attachment)

    def _welcome(self, attachment: Attachment) -> None:
        unixtime = self._wall_clock_us() // 1_000_000
        welcome = Welcome(unixtime, self._keepalive_10s, 0, attachment.cursor)
        self._below.send(self._handshake.welcome(welcome))
        self._above = attachment.above
        self._receive = self._above.received
        del self._handshake, self._portal  # a session lasts for weeks: it keeps nothing of its login
        self._above.started(self._below)


class DeviceLogin:
    """The device's side; an ``interfaces.Above`` of the record layer.

    ``login`` is asked for what to say when the server has chosen; ``attach`` gives the layer above when the server
    has proven itself.
    """

    _below: Records

    def __init__(
        self,
        handshake: DeviceHandshake,
        login: Callable[[], Login],
        attach: Callable[[Welcome], Above[bytes]],
    ) -> None:
        self._handshake = handshake
        self._login = login
        self._attach = attach
        self._receive: Callable[[bytes], None] = self._choice
        self._above: Above[bytes] | None = None

    def started(self, below: Records) -> None:
        """Say HELLO."""
        self._below = below
        below.send(self._handshake.start())

    def received(self, item: bytes) -> None:
        """CHOICE, then WELCOME, then what the layer above takes. Raises RemoteError."""
        self._receive(item)

    def stopped(self, mood: str) -> None:
        """Tell the layer above, if there is one."""
        self._handshake.closed()
        if self._above is not None:
            self._above.stopped(mood)

    def _choice(self, octets: bytes) -> None:
        agreed = self._handshake.choice(octets, self._login())
        opener = FirstRecordOpener(agreed.receiving.opener(), "unproven-server")
        self._below.set_keys(agreed.sending.sealer(), opener)
        self._below.send(agreed.login)
        self._receive = self._welcome

    def _welcome(self, body: bytes) -> None:
        welcome = self._handshake.welcome(body)
        self._below.admitted(idle_seconds(welcome.keepalive_10s))
        self._above = above = self._attach(welcome)
        self._receive = above.received
        above.started(self._below)


def idle_seconds(keepalive_10s: int) -> float:
    """How long a session may be silent: 2.5 keepalives."""
    return IDLE_KEEPALIVES * 10 * keepalive_10s
