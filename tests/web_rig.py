"""For tests of the web half: the whole of it over a store in memory, spoken to in HTTP without a socket."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from http.client import HTTPResponse
from typing import Any, NamedTuple

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from smok_twisted.devices.commands import Commands
from smok_twisted.devices.enrolment import Enrolment
from smok_twisted.devices.registry import Registry
from smok_twisted.handshake.credentials import Vault
from smok_twisted.handshake.keyring import Keyring
from smok_twisted.modbus.bank import RegisterBank
from smok_twisted.observe.capture import Capture, Tap
from smok_twisted.observe.metrics import Metrics
from smok_twisted.readings import BlockReport, Report, Table
from smok_twisted.settings import Settings
from smok_twisted.storage.memory import MemoryData, MemoryStore
from smok_twisted.storage.records import Batch
from smok_twisted.web.auth import Auth
from smok_twisted.web.services import WebServices
from smok_twisted.web.site import make_site

from .web_schema import faults_of_response

NOW_US = 1_790_000_000_000_000  # 2026-09-21T13:33:20.000Z
NOW = "2026-09-21T14:13:20.000Z"
KEY = bytes(range(32))
ADMIN_TOKEN = "ad" * 32

BOILER = """
name = "boiler"
title = "A boiler"
interval = "60s"

[[point]]
name = "outside"
title = "Outside temperature"
register = "holding"
address = 10
type = "SM16"
scale = 0.1
unit = "°C"

[[point]]
name = "setpoint"
register = "holding"
address = 11
type = "INT16"
scale = 0.1
unit = "°C"
access = "rw"
min = 30
max = 80

[[point]]
name = "season"
register = "holding"
address = 12
access = "rw"
states = { 0 = "summer", 1 = "winter" }

[[point]]
name = "label"
register = "holding"
address = 20
type = "STRING"
length = 2

[[point]]
name = "doorbell"
register = "holding"
address = 30
access = "w"
min = 0
max = 1

[[point]]
name = "pump"
register = "coil"
address = 5
access = "rw"
"""

REGISTERS = {
    Table.HOLDING: {10: 0x8029, 11: 550, 12: 1, 20: 0x6162, 21: 0x6300, 30: 0},
    Table.COIL: {5: 1},
}


class Answer(NamedTuple):
    """A response; ``json`` is its body, if that is what it is."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def detail(self) -> str:
        """The one sentence of a problem document."""
        return self.json["detail"]


class FakeSession:
    """A connection of a device whose one unit has ``bank`` for registers."""

    link = "smok4"
    source = "192.0.2.9"

    def __init__(self) -> None:
        self.bank = RegisterBank()
        for table, cells in REGISTERS.items():
            self.bank.registers[table].update(dict.fromkeys(range(40), 0) | cells)
        self.asked: list[tuple[int, str]] = []
        self.held: list[tuple[Deferred[bytes], bytes]] | None = None
        self.failing: Callable[[bytes], Exception | None] = lambda pdu: None
        self.keys: list[tuple[int, bytes]] = []
        self.moods: list[str] = []
        self.taps: list[Tap] = []

    def execute(self, unit: int, pdu: bytes, timeout_seconds: float) -> Deferred[bytes]:
        self.asked.append((unit, pdu.hex()))
        error = self.failing(pdu)
        if error is not None:
            return fail(error)
        if self.held is None:
            return succeed(self.bank.answer(pdu))
        self.held.append((Deferred(), pdu))
        return self.held[-1][0]

    def hold(self) -> None:
        """Answer nothing for now."""
        self.held = []

    def release(self) -> None:
        """Answer what waits, and at once from now on."""
        held, self.held = self.held or [], None
        for answer, pdu in held:
            answer.callback(self.bank.answer(pdu))

    def answer_in_order(self) -> None:
        """Answer one after the other until nothing waits, as slow equipment does."""
        while self.held:
            answer, pdu = self.held.pop(0)
            answer.callback(self.bank.answer(pdu))

    def want(self, plan: Any) -> None:
        pass

    def acknowledge(self) -> None:
        pass

    def update_key(self, kid: int, secret: bytes) -> None:
        self.keys.append((kid, secret))

    def go_away(self, after_seconds: int, jitter_seconds: int) -> None:
        pass

    def pause(self) -> Any:
        raise AssertionError("nobody asked for it")

    def tap_into(self, capture: Capture) -> None:
        self.taps.append(Tap(lambda: NOW_US))
        capture.listen(self.taps[-1], (self.source, 40000 + len(self.taps)), ("192.0.2.1", 2406))

    def close(self, mood: str) -> None:
        self.moods.append(mood)


class Rig:
    """A daemon's web half; ``ask`` it. ``data`` of an older one is a restart."""

    def __init__(self, data: MemoryData | None = None) -> None:
        self.clock = Clock()
        self.now_us = NOW_US
        self.store = MemoryStore(data)
        numbers = iter(range(1, 1_000_000))
        random = lambda octets: next(numbers).to_bytes(octets)  # noqa: E731
        wall_clock = lambda: self.now_us + int(self.clock.seconds() * 1e6)  # noqa: E731
        vault = Vault(KEY, random)
        self.keyring = Keyring(vault.node_secret, wall_clock)
        self.registry = Registry(self.store, self.clock, wall_clock, random)
        self.enrolment = Enrolment(self.registry, self.store, self.keyring, vault, wall_clock, random)
        self.commands = Commands(self.store, self.clock, wall_clock, lambda: f"c{next(numbers)}")
        self.auth = Auth(ADMIN_TOKEN, KEY, self.clock, wall_clock, random)
        self.services = WebServices(
            registry=self.registry,
            enrolment=self.enrolment,
            commands=self.commands,
            store=self.store,
            metrics=Metrics(),
            auth=self.auth,
            settings=Settings(),
            wall_clock=wall_clock,
            clock=self.clock,
        )
        self.site = make_site(self.services, self.clock)
        snapshot = self.store.open().result
        self.registry.load(snapshot)
        self.enrolment.load(snapshot)
        self.registry.start()

    # -- what is there

    def add_boiler(self, name: str = "boiler-1", **members: Any) -> Any:
        """A device with the model of this module; what the API answers."""
        self.ask("POST", "/models", BOILER.encode())
        answer = self.ask("POST", "/devices", {"name": name, "model": "boiler", **members})
        assert answer.status == 201, answer
        return answer.json

    def connect(self, name: str = "boiler-1") -> FakeSession:
        """Let the device come."""
        session = FakeSession()
        self.registry.find(name).attach(session)
        return session

    def report(self, age_seconds: float, outside: int | None, batch: int, name: str = "boiler-1") -> None:
        """One round of the block with the temperatures, read so long ago; None: it timed out."""
        device = self.registry.find(name)
        block, offset = device.views[device.wanted.number].place("outside")
        count = device.wanted.blocks[block].count
        words = [0] * count
        if outside is not None:
            words[offset : offset + 3] = [outside, 550, 1]
        blocks = (BlockReport(block, tuple(words)) if outside is not None else BlockReport(block, (), 0xE0),)
        time_us = self.services.wall_clock() - int(age_seconds * 1e6)
        report = Report(device.record.device_id, time_us, 1, batch, 0, device.wanted.number, blocks)
        self.store.append(Batch(device.record.device_id, 1, batch, (report,)))
        device.values.update(report, self.services.wall_clock())

    # -- HTTP

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        token: str | None = ADMIN_TOKEN,
        source: str = "127.0.0.1",
        **headers: str,
    ) -> Answer:
        """One request below the API, or anywhere when ``path`` begins with two slashes.

        Whatever comes back must be as openapi.json says.
        """
        answer = self.begin(method, path, body, token, source, **headers)()
        assert answer is not None, "no answer yet"
        return _checked(method, path[1:] if path.startswith("//") else f"/api/v1{path}", answer)

    def begin(
        self,
        method: str,
        path: str,
        body: Any = None,
        token: str | None = ADMIN_TOKEN,
        source: str = "127.0.0.1",
        **headers: str,
    ) -> Callable[[], Answer | None]:
        """Send a request; what comes back gives the answer as soon as it is there. ``gone()`` leaves."""
        octets = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        path = path[1:] if path.startswith("//") else f"/api/v1{path}"
        names = {"Host": "smok.example:8080", "Content-Length": str(len(octets))}
        names |= {"Authorization": f"Bearer {token}"} if token else {}
        names |= {name.replace("_", "-"): text for name, text in headers.items()}
        head = "".join(f"{name}: {text}\r\n" for name, text in names.items())
        return self.raw(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + octets, method, source)

    def raw(self, octets: bytes, method: str = "GET", source: str = "127.0.0.1") -> Callable[[], Answer | None]:
        """Octets as they are."""
        transport = StringTransport(IPv4Address("TCP", "127.0.0.1", 8080), IPv4Address("TCP", source, 40000))
        channel = self.site.buildProtocol(transport.getPeer())
        channel.makeConnection(transport)
        channel.dataReceived(octets)

        def answer() -> Answer | None:
            return _parsed(transport.value(), method) if transport.value() else None

        answer.gone = lambda: channel.connectionLost(Failure(ConnectionDone()))  # type: ignore[attr-defined]
        answer.transport = transport  # type: ignore[attr-defined]
        return answer


def _checked(method: str, path: str, answer: Answer) -> Answer:
    faults = faults_of_response(method, path, answer.status, answer.headers["Content-Type"] or "", answer.body)
    assert not faults, faults
    return answer


class _Socket:
    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._octets)


def _parsed(octets: bytes, method: str) -> Answer:
    response = HTTPResponse(_Socket(octets), method=method)  # type: ignore[arg-type]
    response.begin()
    body = response.read()
    if response.headers["Content-Encoding"] == "gzip":
        body = gzip.decompress(body)
    return Answer(response.status, response.headers, body)
