"""Which store the settings name; the one place where the kinds of stores are told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ..observe.metrics import Metrics
from .memory import MemoryStore
from .sqlite import SqliteStore
from .writer import Signals

if TYPE_CHECKING:
    from ..settings import Settings
    from .cassandra.store import CassandraStore
    from .interface import Store
    from .journal.journal import Journal


class Host(Protocol):
    """Whoever has a store: hears of its health, its water marks, and what an operator must know; shows its figures."""

    @property
    def metrics(self) -> Metrics:
        """Where its figures go."""

    def signals(self, where: str) -> Signals:
        """For one part of the store."""

    def alarm(self, kind: str, text: str) -> None:
        """An operator must know."""


class Nobody:
    """For tools."""

    def __init__(self) -> None:
        self.metrics = Metrics()

    def signals(self, where: str) -> Signals:
        return Signals()

    def alarm(self, kind: str, text: str) -> None:
        pass


def store_of(settings: Settings, reactor: Any, host: Host | None = None) -> Store:
    """A new store, closed. Raises UserError for settings that cannot be used."""
    host = host or Nobody()
    if settings.storage.kind == "memory":
        return MemoryStore()
    if settings.storage.kind == "sqlite":
        return SqliteStore(settings.daemon.database, reactor, host.signals("store"))
    return _cassandra(settings, reactor, host)


def _cassandra(settings: Settings, reactor: Any, host: Host) -> Store:
    from .cassandra.driver import require_driver

    require_driver()  # before anything that needs it is imported
    from ..observe.requests import Requests
    from .cassandra.bridge import Bridge
    from .cassandra.local import LocalStore
    from .cassandra.options import options_of
    from .cassandra.store import CassandraStore
    from .journal.journal import Journal

    data_dir = settings.daemon.data_dir
    requests = Requests(host.metrics)
    bridge = Bridge(options_of(settings.storage.cassandra), reactor, requests)
    requests.watch(bridge)
    journal = Journal(
        data_dir / "journal",
        reactor,
        retention_seconds=settings.storage.journal.retention,
        max_octets=settings.storage.journal.max_size,
        signals=host.signals("journal"),
        alarm=host.alarm,
    )
    local = LocalStore(settings.daemon.local, reactor, host.signals("local"))
    store = CassandraStore(
        bridge,
        journal,
        local,
        reactor,
        host.alarm,
        acknowledge_journal=settings.storage.ack == "spool",
        signals=host.signals("database"),
    )
    _show(host.metrics, journal, store)
    return store


def _show(metrics: Metrics, journal: Journal, store: CassandraStore) -> None:
    gauge = metrics.gauge
    gauge("journal_bytes", "What the journal takes on the disk", lambda: journal.octets)
    gauge("journal_limit_bytes", "What the journal may take; then nothing is acknowledged", lambda: journal.max_octets)
    gauge("journal_unsettled", "Entries of the journal that the database may not have", lambda: journal.unsettled)
    gauge(
        "journal_unsettled_seconds", "Age of the oldest of them, as of the last 10 s", lambda: journal.unsettled_seconds
    )
    gauge("journal_waiting", "Entries of the journal that are to be written to the database", lambda: store.waiting)
