"""What is measured in a process of its own: our server, and the bare Twisted servers beside it.

``python -m bench.subjects NAME ARGUMENTS``; see ``cpu.Subject``.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.protocol import Factory, Protocol

from smok_twisted.cipher.record import Suite
from smok_twisted.clock import use_monotonic_timers, wall_clock_us
from smok_twisted.devices.pressure import Pressure
from smok_twisted.devices.registry import Registry
from smok_twisted.framing.admission import Admission, AdmissionLimits
from smok_twisted.handshake.keyring import Keyring, Slot
from smok_twisted.links.smok4.entrance import DeviceRealm
from smok_twisted.links.smok4.server import SessionTimes
from smok_twisted.observe.metrics import Metrics
from smok_twisted.observe.witness import Witness
from smok_twisted.stack import smok4_factory
from smok_twisted.storage.memory import MemoryStore
from smok_twisted.storage.records import DeviceRecord
from smok_twisted.storage.sqlite import SqliteStore

from .fleet import CHOICE_OCTETS, HELLO_OCTETS, LOGIN_OCTETS, SECRET, WELCOME_OCTETS
from .polling import poll_sessions
from .twenty import model

reactor: Any = installed_reactor
_NO_LIMITS = AdmissionLimits(unauthenticated=1_000_000, per_source=1_000_000, accepts_per_second=1e6)


async def smok4(
    store_kind: str, count: str, interface: str = "127.0.0.1", keepalive_seconds: str = "240", ack_seconds: str = "0"
) -> int:
    """Our listener as the daemon makes it, with so many devices; the limits on strangers are out of the way."""
    use_monotonic_timers(reactor)
    store = _store(store_kind)
    await store.open()
    metrics = Metrics()
    registry = Registry(store, reactor, wall_clock_us, os.urandom, Pressure(), metrics.stored)
    keyring = Keyring(os.urandom(32), wall_clock_us)
    await registry.add_model(model())
    device_ids = range(1, int(count) + 1)
    records = [DeviceRecord(number, f"boiler {number}", "boiler", wall_clock_us()) for number in device_ids]
    await gatherResults(map(registry.add, records))
    for number in device_ids:
        keyring.put(number, [Slot(0, Suite.RABBIT_SHA1, SECRET, wall_clock_us())])
    times = SessionTimes(int(keepalive_seconds), float(ack_seconds))
    realm = DeviceRealm(registry, store, {}, reactor, wall_clock_us, times, print)
    factory = smok4_factory(
        keyring,
        lambda device_id, slots: None,
        realm,
        suites=list(Suite),
        admission=Admission(_NO_LIMITS),
        observer=Witness("smok4", metrics, reactor),
        random=os.urandom,
        connections_at_most=1_000_000,
    )
    _answer_lines(lambda line: poll_sessions(registry.devices.values(), int(line)))
    return _listen(factory, interface)


def _store(kind: str) -> Any:
    """``memory``, ``sqlite`` or ``cassandra:KEYSPACE:ADDRESS,ADDRESS``, as the daemon makes it; closed."""
    folder = Path(tempfile.gettempdir())
    name, *where = kind.split(":")
    if name == "cassandra":
        from smok_twisted.storage.cassandra.bridge import Bridge
        from smok_twisted.storage.cassandra.local import LocalStore
        from smok_twisted.storage.cassandra.options import Options
        from smok_twisted.storage.cassandra.store import CassandraStore
        from smok_twisted.storage.journal.journal import Journal

        bridge = Bridge(Options(tuple(where[1].split(",")), where[0]), reactor)
        local = LocalStore(folder / "local.db", reactor)
        return CassandraStore(bridge, Journal(folder / "journal", reactor), local, reactor, print)
    return MemoryStore() if name == "memory" else SqliteStore(folder / "smok.db", reactor)


class Echo(Protocol):
    """What Twisted itself costs: octets in, the same octets out."""

    transport: Any

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)


class Storm(Protocol):
    """Takes as many octets as a login has, and answers as many, in the same turns; nothing is looked at."""

    transport: Any

    def __init__(self) -> None:
        self._turns = [(HELLO_OCTETS, bytes(CHOICE_OCTETS)), (LOGIN_OCTETS, bytes(WELCOME_OCTETS))]
        self._got = 0

    def dataReceived(self, data: bytes) -> None:
        self._got += len(data)
        if self._turns and self._got >= self._turns[0][0]:
            self._got -= self._turns[0][0]
            self.transport.write(self._turns.pop(0)[1])


async def echo() -> int:
    """A bare echo server."""
    return _listen(Factory.forProtocol(Echo))


async def storm() -> int:
    """A bare server that devices could log in to, if logging in were nothing but octets."""
    return _listen(Factory.forProtocol(Storm))


def _listen(factory: Any, interface: str = "127.0.0.1") -> int:
    port: int = reactor.listenTCP(0, factory, backlog=4096, interface=interface).getHost().port
    return port


def _answer_lines(answer: Any) -> None:
    """Lines of the standard input, each answered with a line."""

    def read() -> None:
        for line in sys.stdin:
            reactor.callFromThread(lambda line=line: answer(line).addCallback(lambda text: print(text, flush=True)))

    reactor.callInThread(read)


def main() -> None:
    """Start, say the port, and stay until killed."""
    name, *arguments = sys.argv[1:]
    subjects: dict[str, Callable[..., Coroutine[Deferred[Any], Any, int]]]
    subjects = {"smok4": smok4, "echo": echo, "storm": storm}
    started = Deferred.fromCoroutine(subjects[name](*arguments))
    started.addCallbacks(lambda port: print(port, flush=True), _fail)
    reactor.run()


def _fail(failure: Any) -> None:
    failure.printTraceback()
    reactor.callWhenRunning(reactor.stop)


if __name__ == "__main__":
    main()
