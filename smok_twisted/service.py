"""The daemon: everything started in order, and stopped in the reverse (design note house, "Facts").

Start: key file, store, devices, listeners. Stop: no new connections, GOAWAY, what is on its way becomes durable,
sessions end, the store is closed. What cannot be done ends in one clear line and an exit status of 1.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from twisted.application.service import Service
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.logger import Logger

from .cipher.rabbit import compiled
from .cipher.record import Suite
from .clock import rfc3339, wall_clock_us
from .devices.commands import Commands
from .devices.device import Session
from .devices.enrolment import Enrolment
from .devices.keeping import Keeping
from .devices.pressure import Pressure
from .devices.registry import Registry
from .devices.retention import Retention
from .doors import Doors
from .errors import LocalError, StorageError
from .framing.factory import FramedFactory
from .handshake.credentials import Vault, read_key_file
from .handshake.keyring import Keyring
from .history.packer import Packer
from .links.p24.entrance import Doorkeeper
from .links.p24.server import P24Session, P24Times
from .links.smok4.entrance import DeviceRealm
from .links.smok4.server import SessionTimes
from .listening import Listener, listen
from .observe.metrics import Metrics
from .settings import Settings
from .storage.choice import store_of
from .storage.records import Health
from .storage.writer import Signals
from .web.auth import Auth, read_token_file
from .web.services import WebServices
from .web.site import make_site

if TYPE_CHECKING:
    from collections.abc import Generator

    from .storage.interface import Store

#: At the stop: how long batches may take to become durable, and sessions to end.
_DRAIN_SECONDS = 3.0


class SmokService(Service):
    """``store`` and ``random`` may be given by tests; everything else comes from the settings."""

    log = Logger()

    def __init__(
        self,
        settings: Settings,
        reactor: Any,
        store: Store | None = None,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.pressure = Pressure()
        self.listeners: list[Listener] = []
        self._reactor = reactor
        self._random = random
        self._store = store
        self._started: Deferred[None] | None = None
        self._packer: Packer | None = None
        self._is_store_well = True  # as far as the log says
        self._doors = Doors(settings.limits, reactor, self.metrics, self._alarm)

    # -- twisted.application

    def startService(self) -> None:
        """Begin to start; see ``start``."""
        super().startService()
        self._started = self.start().addErrback(self._fatal)

    @inlineCallbacks
    def stopService(self) -> Generator[Any, Any, None]:
        """Drain and close; everything that was acknowledged is durable already."""
        super().stopService()
        if self._started is not None:
            yield self._started
        for listener in self.listeners:
            yield listener.port.stopListening()
        if hasattr(self, "registry"):
            yield self._drain()
        if self._packer is not None:
            self._packer.stop()
        self._doors.close()
        if self._store is not None:
            yield self._store.close()

    # -- the start

    @inlineCallbacks
    def start(self) -> Generator[Any, Any, None]:
        """Fires when every listener is open. Raises UserError, StorageError or CannotListenError."""
        data_dir = self._data_dir()
        key = read_key_file(data_dir / "secrets.key", self._random)
        vault = Vault(key, self._random)
        if self._store is None:
            self._store = store_of(self.settings, self._reactor, self)
        snapshot = yield self.store.open()
        keyring = Keyring(vault.node_secret, wall_clock_us)
        self.registry = Registry(
            self.store, self._reactor, wall_clock_us, self._random, self.pressure, self.metrics.stored
        )
        self._registry_signals()
        self.registry.load(snapshot)
        self.enrolment = Enrolment(self.registry, self.store, keyring, vault, wall_clock_us, self._random)
        self.enrolment.load(snapshot)
        self.commands = Commands(
            self.store, self._reactor, wall_clock_us, lambda: uuid4().hex, self.metrics.command_settled
        )
        self.commands.recover(snapshot.pending)
        yield self.registry.start()
        self._start_packing()
        self._doors.open()
        yield self._listen("web", lambda: self._web_site(data_dir, key))
        yield self._listen("smok4", lambda: self._smok4_factory(keyring, snapshot.nonces))
        yield self._listen("p24", lambda: self._p24_factory(keyring))
        self._announce()

    @property
    def store(self) -> Store:
        """The store, once it is chosen."""
        assert self._store is not None  # noqa: S101  # start() chooses it before anything asks
        return self._store

    def _data_dir(self) -> Path:
        data_dir = self.settings.daemon.data_dir
        try:
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"data_dir {data_dir} cannot be made: {error.strerror}") from None
        return data_dir

    def _smok4_factory(self, keyring: Keyring, nonces: dict[int, bytes]) -> FramedFactory:
        smok4 = self.settings.smok4
        times = SessionTimes(keepalive_seconds=int(smok4.keepalive) // 10 * 10, ack_seconds=smok4.ack_delay)
        realm = DeviceRealm(self.registry, self.store, nonces, self._reactor, wall_clock_us, times, self._not_kept)
        self.registry.on_removed.append(realm.forget)
        suites = [Suite(number) for number in smok4.suites]
        return self._doors.smok4(keyring, self.enrolment.slots_changed, realm, suites=suites, random=self._random)

    def _p24_factory(self, keyring: Keyring) -> FramedFactory:
        keeping = Keeping(
            self.store, self._reactor, self.registry.tell, self.pressure, self.metrics.stored, self.metrics.lost.inc
        )
        doorkeeper = Doorkeeper(
            self.registry,
            lambda device_id: bool(keyring.slots(device_id)),
            keeping.keep,
            self._reactor,
            wall_clock_us,
            P24Times(),
            self.settings.p24.window,
            partial(self.metrics.line_fault, P24Session.link),
        )
        self.registry.on_removed.append(doorkeeper.forget)
        return self._doors.p24(doorkeeper)

    def _start_packing(self) -> None:
        kept = self.settings.retention
        fleet = Retention(self.registry, kept.default, dict(kept.models))
        self._packer = packer = Packer(self.store, fleet, self._reactor, wall_clock_us, self._alarm)
        self.metrics.gauge(
            "pack_lag_seconds", "How long the oldest hour has been waiting to be packed", lambda: packer.lag_seconds
        )
        packer.start()

    def _web_site(self, data_dir: Path, key: bytes) -> Any:
        token = read_token_file(data_dir / "admin.token", self._random)
        self.auth = Auth(token, key, self._reactor, wall_clock_us, self._random)
        services = WebServices(
            registry=self.registry,
            enrolment=self.enrolment,
            commands=self.commands,
            store=self.store,
            metrics=self.metrics,
            auth=self.auth,
            settings=self.settings,
            wall_clock=wall_clock_us,
            clock=self._reactor,
        )
        return self._doors.web(make_site(services, self._reactor))

    @inlineCallbacks
    def _listen(self, name: str, factory: Callable[[], Any]) -> Generator[Any, Any, None]:
        description = getattr(self.settings.listen, name)
        if description:
            listener = yield listen(self._reactor, name, description, factory)
            self.listeners.append(listener)

    def _announce(self) -> None:
        """What a newcomer needs: what listens where, the first device, the page."""
        addresses = {listener.name: listener.address for listener in self.listeners}
        if self.settings.listen.gateway:
            self.log.warn("[listen] gateway is not served by this version")
        self.log.info("devices dial in at {address} (SMOK/4)", address=addresses.get("smok4", "nowhere: it is off"))
        if "p24" in addresses:
            self.log.info("first-generation devices dial in at {address} (P24)", address=addresses["p24"])
        kind = "compiled" if compiled() else "pure Python: no compiler was there at the installation"
        self.log.info("store: {store}, cipher: {kind}", store=self.settings.storage.kind, kind=kind)
        if not self.registry.devices:
            self.log.info("add the first device: smok map import FILE, then smok device add NAME --model MODEL")
        if "web" in addresses:
            url = f"http://{addresses['web']}"
            self.log.info("the page, signed in once: {url}{link}", url=url, link=self.auth.new_link())

    # -- the life

    def _registry_signals(self) -> None:
        devices = self.registry.devices
        self.metrics.gauge("devices", "Registered devices", lambda: len(devices))
        self.metrics.gauge(
            "sessions", "Devices that are logged in", lambda: sum(one.session is not None for one in devices.values())
        )
        self.metrics.gauge("storage_ok", "1 while what is handed over becomes durable", lambda: self._storage_is_ok())

    def _storage_is_ok(self) -> bool:
        return self.store.health.state == "ok"

    def _store_health(self, health: Health) -> None:
        self._tell_health(health)
        self._is_store_well = health.state == "ok"

    def _tell_health(self, health: Health) -> None:
        if health.state == "failed":
            self._die(f"the store has failed and nothing more is acknowledged: {health.detail}")
        elif health.state == "ok":
            if not self._is_store_well:
                self.log.info("the store takes everything again")
        elif health.state == "away":
            self.log.error(
                "the database is away since {since}, everything goes on from memory and journal: {detail}",
                since=rfc3339(health.since_us),
                detail=health.detail,
            )
        elif health.state != "closed":
            self.log.error(
                "the store takes nothing since {since}, acknowledgements wait: {state} {detail}",
                since=rfc3339(health.since_us),
                state=health.state,
                detail=health.detail,
            )

    # -- what a store tells (storage.choice.Host)

    def signals(self, where: str) -> Signals:
        """Of one part of the store."""
        return Signals(self._store_health, lambda: self.pressure.high(where), lambda: self.pressure.low(where))

    def alarm(self, kind: str, text: str) -> None:
        """An operator must know."""
        self._alarm(kind, text)

    def _alarm(self, kind: str, text: str) -> None:
        self.registry.tell(None, kind, text, "high")

    def _not_kept(self, failure: Any) -> None:
        self.log.error("not kept: {reason}", reason=failure.getErrorMessage())

    @inlineCallbacks
    def _drain(self) -> Generator[Any, Any, None]:
        """GOAWAY in slices: the devices of a whole fleet do not come back at the same moment."""
        sessions = self._sessions()
        for number, session in enumerate(sessions):
            session.go_away(number // 50, 10 + len(sessions) // 50)
        yield self._within(self._settled)
        for session in self._sessions():
            session.close("drained")
        yield self._within(lambda: not self._sessions())

    def _sessions(self) -> list[Session]:
        return [one.session for one in self.registry.devices.values() if one.session is not None]

    def _settled(self) -> bool:
        return all(device.ledger.settled for device in self.registry.devices.values())

    @inlineCallbacks
    def _within(self, true: Callable[[], bool]) -> Generator[Any, Any, None]:
        """Look at least once what the sockets hold, before asking."""
        until = self._reactor.seconds() + _DRAIN_SECONDS
        while self._reactor.seconds() < until:
            yield deferLater(self._reactor, 0.05)
            if true():
                return

    # -- the end, when it must be

    def _fatal(self, failure: Any) -> None:
        if failure.check(LocalError):
            self._die(failure.getErrorMessage())
        else:
            self.log.failure("the start failed", failure=failure)
            self._die("the start failed")

    def _die(self, text: str) -> None:
        """One clear line and exit status 1. twistd knows no status of a service, so it is set at the very end."""
        self.log.critical("smok stops: {text}", text=text)
        self._reactor.addSystemEventTrigger("after", "shutdown", os._exit, 1)
        self._reactor.callWhenRunning(self._reactor.stop)
