"""The DataStax driver, as the bridge needs it: made blocking, in a thread; asked without waiting.

Settings and their reasons: design note cassandra, section 4. ``cassandra`` is imported inside the functions: importing
``cassandra.cluster`` installs the default reactor.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from ...errors import StorageError, UserError
from .answers import Refused, Unknown, explained
from .options import Options
from .policies import TRIES, Tally, balancing, retrying, speculating

#: Called once, in a thread of the driver or at once: whose answer it is, rows, or what went wrong.
Done = Callable[[Any, list[tuple[Any, ...]], StorageError | None], None]

_PAGE_ROWS = 5000
#: So long a node may take to answer before it counts as down.
_NODE_SECONDS = 12.0


class Node(NamedTuple):
    """Of the cluster, as it looks from here."""

    address: str
    data_center: str
    release: str
    is_up: bool


class DriverSession:
    """A connected session. Everything but ``ask`` blocks. Raises StorageAway or Refused; UserError without a driver."""

    def __init__(self, options: Options) -> None:
        require_driver()
        self.tally = Tally()
        try:
            self._cluster = _cluster(options, self.tally)
        except Exception as error:
            raise explained(error) from error
        try:
            self._session = self._cluster.connect()
            if options.keyspace:
                self._session.set_keyspace(options.keyspace)
        except Exception as error:
            self._cluster.shutdown()
            raise self._not_connected(error, options) from error
        self._session.default_fetch_size = _PAGE_ROWS

    def _not_connected(self, error: Exception, options: Options) -> StorageError:
        centres = {host.datacenter for host in self._cluster.metadata.all_hosts() if host.datacenter}
        if centres and options.local_dc not in centres:
            known = ", ".join(sorted(centres))
            return Refused(f"local_dc = {options.local_dc!r} is no data centre of this Cassandra: it has {known}")
        if options.keyspace and f"Keyspace '{options.keyspace}' does not exist" in str(error):
            return Refused(f"keyspace {options.keyspace} does not exist: `smok db init` makes it")
        return explained(error)

    def nodes(self) -> tuple[Node, ...]:
        """All of them; one that has said nothing yet is waited for."""
        until = time.monotonic() + _NODE_SECONDS
        while any(host.is_up is None for host in self._hosts()) and time.monotonic() < until:
            time.sleep(0.05)
        return tuple(
            Node(str(host.address), str(host.datacenter), str(host.release_version), bool(host.is_up))
            for host in self._hosts()
        )

    def _hosts(self) -> list[Any]:
        return list(self._cluster.metadata.all_hosts())

    def prepare(self, cql: str, is_idempotent: bool) -> Any:
        """What ``ask`` takes. A node that hangs is not asked a second time, the driver does that for requests only."""
        for left in reversed(range(TRIES)):
            try:
                prepared = self._session.prepare(cql)
                break
            except Exception as error:
                told = explained(error)
                if not (isinstance(told, Unknown) and left):
                    raise told from error
        prepared.is_idempotent = is_idempotent
        return prepared

    def ask(self, prepared: Any, rows: list[tuple[Any, ...]], done: Done, whose: Any) -> None:
        """Send it, wait for nothing; all pages of an answer come together. Several rows are one request."""
        self.tally.sent += 1
        if len(rows) == 1:
            page = _Page(self._session, prepared, rows[0], [], done, whose)
        else:
            page = _Page(self._session, _together(prepared, rows), None, [], done, whose)
        page.ask(None)

    def run(self, cql: str) -> list[tuple[Any, ...]]:
        """One statement as it is: for the schema."""
        try:
            return list(self._session.execute(cql, timeout=60))
        except Exception as error:
            raise explained(error) from error

    def close(self) -> None:
        """Let go."""
        self._cluster.shutdown()


class _Page:
    """A page of an answer: a request of its own, to which only the first answer counts.

    The driver hands on every answer to a request that it has sent to several nodes, and would turn to the next page at
    each. When it is answered it lets go of all that it has, or the garbage collector would have to find it.
    """

    __slots__ = ("_done", "_future", "_prepared", "_rows", "_session", "_values", "_whose")

    def __init__(
        self, session: Any, prepared: Any, values: tuple[Any, ...] | None, rows: list[Any], done: Done, whose: Any
    ) -> None:
        """``rows``: of the pages before."""
        self._session = session
        self._prepared = prepared
        self._values: Any = values
        self._rows: Any = rows
        self._done: Any = done
        self._whose = whose
        self._future: Any = None

    def ask(self, place: Any) -> None:
        """``place``: the paging state, None for the first page."""
        self._future = future = self._session.execute_async(self._prepared, self._values, paging_state=place)
        future.add_callbacks(self._came, self._failed)

    def _came(self, rows: Any) -> None:
        if self._future is None:
            return
        future, done, whose, all_rows = self._future, self._done, self._whose, self._rows
        if rows:
            all_rows.extend(rows)
        if not future.has_more_pages:
            self._let_go()
            return done(whose, all_rows, None)
        following = _Page(self._session, self._prepared, self._values, all_rows, done, whose)
        self._let_go()
        try:
            following.ask(_place_after(future))
        except Exception as error:  # nobody else would hear of it
            done(whose, [], explained(error))

    def _failed(self, error: Exception) -> None:
        if self._future is not None:
            done, whose = self._done, self._whose
            self._let_go()
            done(whose, [], explained(error))

    def _let_go(self) -> None:
        """The driver's timer keeps a future, and so this, for as long as the request might have taken."""
        self._future = self._done = self._rows = self._values = self._whose = None


def _together(prepared: Any, rows: list[tuple[Any, ...]]) -> Any:
    """Each row for itself: what one node of three has of them another has not, when the nodes are in trouble."""
    from cassandra.query import BatchStatement, BatchType

    batch = BatchStatement(BatchType.UNLOGGED)
    for row in rows:
        batch.add(prepared, row)
    batch.is_idempotent = prepared.is_idempotent
    return batch


def _place_after(future: Any) -> Any:
    from cassandra.cluster import ResultSet

    return ResultSet(future, []).paging_state


def _cluster(options: Options, tally: Tally) -> Any:
    from cassandra import ConsistencyLevel
    from cassandra.auth import PlainTextAuthProvider
    from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
    from cassandra.policies import ConstantReconnectionPolicy
    from cassandra.query import tuple_factory

    profile = ExecutionProfile(
        balancing(options.local_dc),
        retry_policy=retrying(tally),
        consistency_level=getattr(ConsistencyLevel, options.consistency),
        serial_consistency_level=ConsistencyLevel.SERIAL,
        row_factory=tuple_factory,
        request_timeout=options.request_seconds,
        speculative_execution_policy=speculating(tally),
    )
    return Cluster(
        list(options.contact_points),
        port=options.port,
        protocol_version=5,
        auth_provider=PlainTextAuthProvider(options.username, options.password) if options.username else None,
        ssl_context=options.tls,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        reconnection_policy=ConstantReconnectionPolicy(1.0, max_attempts=None),
        control_connection_timeout=10,
        connect_timeout=10,
        max_schema_agreement_wait=60,
        idle_heartbeat_interval=5,
        idle_heartbeat_timeout=10,
        prepare_on_all_hosts=False,  # a node that hangs would be waited for; others ask when they need it
    )


def require_driver() -> None:
    """Raises UserError when the driver is not installed. What it logs is for whoever asks for it."""
    try:
        import cassandra  # noqa: F401
        import google_crc32c  # noqa: F401  # of the journal in front of it
    except ImportError:
        raise UserError("the Cassandra driver is not installed: pip install 'smok-twisted[cassandra]'") from None
    logger = logging.getLogger("cassandra")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())  # or else Python writes warnings to stderr
