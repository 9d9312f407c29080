"""When each step of the login may be taken: one machine for each role (design note smok4, "Login").

Every state answers every input. What the peer must not do raises RemoteError and ends the machine; what our own
side must not do raises LocalError and changes nothing. ``diagram`` draws both tables.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Concatenate, NoReturn, ParamSpec, Protocol, TypeVar

from automat import TypeMachine, TypeMachineBuilder

from ..cipher.record import Suite
from ..errors import LocalError, RemoteError
from .messages import Login, Welcome
from .roles import Agreed, Chosen, Device, Find, Proven, Server

P = ParamSpec("P")
R = TypeVar("R")
Role = TypeVar("Role")


class ServerInputs(Protocol):
    """What can happen to a server."""

    def hello(self, octets: bytes) -> Chosen:
        """HELLO has arrived: send the choice in the clear, then use the keys and say nothing until LOGIN."""

    def login(self, body: bytes) -> Proven:
        """The first record has verified."""

    def welcome(self, welcome: Welcome) -> bytes:
        """Our side lets the device in: the body to send."""

    def closed(self) -> None:
        """The connection is gone."""


class DeviceInputs(Protocol):
    """What can happen to a device."""

    def start(self) -> bytes:
        """The connection is there: the octets to send in the clear."""

    def choice(self, octets: bytes, login: Login) -> Agreed:
        """CHOICE has arrived: use the keys and send the body of ``login``."""

    def welcome(self, body: bytes) -> Welcome:
        """The first record has verified: obey the server from now on."""

    def closed(self) -> None:
        """The connection is gone."""


def _does(step: Callable[Concatenate[Role, P], R]) -> Callable[Concatenate[Any, Role, P], R]:
    def do(_: Any, role: Role, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return step(role, *args, **kwargs)

    do.__name__ = step.__name__
    return do


def _refuses(reason: str) -> Callable[..., NoReturn]:
    def refuse(*_: object) -> NoReturn:
        raise RemoteError(reason)

    return refuse


def _forbids(what: str) -> Callable[..., NoReturn]:
    def forbid(*_: object) -> NoReturn:
        raise LocalError(what)

    return forbid


def stop(_: Any, role: Server | Device) -> None:
    """There is nothing to do."""


SERVER_STATES = ("hello due", "login due", "proven", "welcomed", "ended")
DEVICE_STATES = ("new", "choice due", "welcome due", "welcomed", "ended")


def _server_machine() -> TypeMachine[ServerInputs, Server]:
    builder = TypeMachineBuilder(ServerInputs, Server)
    hello_due, login_due, proven, welcomed, ended = map(builder.state, SERVER_STATES)

    hello_due.upon(ServerInputs.hello).to(login_due)(_does(Server.choose))
    login_due.upon(ServerInputs.login).to(proven)(_does(Server.prove))
    proven.upon(ServerInputs.welcome).to(welcomed)(_does(Server.admit))
    for state in (login_due, proven, welcomed, ended):
        state.upon(ServerInputs.hello).to(ended)(_refuses("unexpected-hello"))
    for state in (hello_due, proven, welcomed, ended):
        state.upon(ServerInputs.login).to(ended)(_refuses("unexpected-login"))
    for state in (hello_due, login_due, welcomed, ended):
        state.upon(ServerInputs.welcome).loop()(_forbids("WELCOME goes out once, after LOGIN has verified"))
    for state in (hello_due, login_due, proven, welcomed, ended):
        state.upon(ServerInputs.closed).to(ended)(stop)
    return builder.build()


def _device_machine() -> TypeMachine[DeviceInputs, Device]:
    builder = TypeMachineBuilder(DeviceInputs, Device)
    new, choice_due, welcome_due, welcomed, ended = map(builder.state, DEVICE_STATES)

    new.upon(DeviceInputs.start).to(choice_due)(_does(Device.greet))
    choice_due.upon(DeviceInputs.choice).to(welcome_due)(_does(Device.agree))
    welcome_due.upon(DeviceInputs.welcome).to(welcomed)(_does(Device.believe))
    for state in (choice_due, welcome_due, welcomed, ended):
        state.upon(DeviceInputs.start).loop()(_forbids("HELLO goes out once, first"))
    for state in (new, welcome_due, welcomed, ended):
        state.upon(DeviceInputs.choice).to(ended)(_refuses("unexpected-choice"))
    for state in (new, choice_due, welcomed, ended):
        state.upon(DeviceInputs.welcome).to(ended)(_refuses("unexpected-welcome"))
    for state in (new, choice_due, welcome_due, welcomed, ended):
        state.upon(DeviceInputs.closed).to(ended)(stop)
    return builder.build()


class ServerHandshake:
    """The server's side of one login.

    ``find`` gives the secret or a decoy, ``allowed`` are the suites of the configuration, ``random`` is the
    system's generator of octets.
    """

    def __init__(self, find: Find, allowed: Collection[Suite], random: Callable[[int], bytes]) -> None:
        self._inputs = SERVER(Server(find, allowed, random))

    def hello(self, octets: bytes) -> Chosen:
        """Answer HELLO: send the choice in the clear, then use the keys and say nothing until LOGIN."""
        return _ends_on_fault(self._inputs, self._inputs.hello, octets)

    def login(self, body: bytes) -> Proven:
        """Take the first body that verified. Raises RemoteError if it is no LOGIN, or verified on a decoy."""
        return _ends_on_fault(self._inputs, self._inputs.login, body)

    def welcome(self, welcome: Welcome) -> bytes:
        """The body to send. Raises LocalError unless a LOGIN has verified and this is the first welcome."""
        return self._inputs.welcome(welcome)

    def closed(self) -> None:
        """Nothing is accepted any more."""
        self._inputs.closed()


class DeviceHandshake:
    """The device's side of one login.

    It offers the suites that it has a secret for. ``nonce`` (u64) must never repeat under these secrets; say
    ``unique_for_good`` if it also grows from login to login, over reboots too.
    """

    def __init__(
        self, device_id: int, kid: int, secrets: Mapping[Suite, bytes], nonce: int, unique_for_good: bool
    ) -> None:
        self._inputs = DEVICE(Device(device_id, kid, secrets, nonce, unique_for_good))

    def start(self) -> bytes:
        """The octets of HELLO, to be sent in the clear. Raises LocalError the second time."""
        return self._inputs.start()

    def choice(self, octets: bytes, login: Login) -> Agreed:
        """Take CHOICE: use the keys from now on and send the body of LOGIN."""
        return _ends_on_fault(self._inputs, self._inputs.choice, octets, login)

    def welcome(self, body: bytes) -> Welcome:
        """Take the first body that verified: the server is who it should be."""
        return _ends_on_fault(self._inputs, self._inputs.welcome, body)

    def closed(self) -> None:
        """Nothing is accepted any more."""
        self._inputs.closed()


def _ends_on_fault(
    inputs: ServerInputs | DeviceInputs, step: Callable[P, R], *args: P.args, **kwargs: P.kwargs
) -> R:
    """Automat moves before it acts: without this, a HELLO that was refused would leave LOGIN awaited."""
    try:
        return step(*args, **kwargs)
    except RemoteError:
        inputs.closed()
        raise


SERVER = _server_machine()
DEVICE = _device_machine()
