"""The tables in Cassandra: looked at by the daemon, made and upgraded by ``smok db`` (design note cassandra).

The scripts are ``storage/schema/cassandra_N.cql``. Each is applied statement by statement through one node; the row of
``schema_version`` is written last, so a script that was interrupted is gone through again. The daemon itself changes
no table. All but ``expect_tables`` block, and raise StorageError with the one line that an operator reads.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from ...errors import StorageError
from ..database import schema
from .answers import Refused
from .driver import DriverSession, Node
from .options import Options

_VERSION_TABLE = "CREATE TABLE IF NOT EXISTS {}.schema_version (id int PRIMARY KEY, version int)"
_VERSION_COLUMNS = {"id", "version"}
#: How long nodes may take to hear of another's change before they count as disagreeing.
_AGREEMENT_SECONDS = 60.0


@dataclass(frozen=True)
class Found:
    """What is in a keyspace that is good."""

    version: int
    nodes: tuple[Node, ...]
    replication: str
    devices: int
    models: int


def scripts() -> list[str]:
    """In order; their number is the newest version."""
    return schema("cassandra")


def statements(script: str) -> Iterator[str]:
    """Of a script, without its comments."""
    text = re.sub(r"--[^\n]*", "", script)
    return (one.strip() for one in text.split(";") if one.strip())


def expect_tables(rows: list[tuple[Any, ...]]) -> None:
    """What ``bridge.PROBE`` found are the tables of this version. Raises Refused, naming the command to run."""
    try:
        _expect_newest("the keyspace", rows[0][0] if rows else 0)
    except StorageError as error:
        raise Refused(str(error)) from None


def make(options: Options, keyspace: str, replication: int) -> bool:
    """Keyspace and tables; False when all was there."""
    with closing(DriverSession(options)) as session:
        if _replication(session, keyspace) is None:
            _make_keyspace(session, options.local_dc, keyspace, replication)
        version = _own_version(session, keyspace)
        if version:
            _expect_newest(f"keyspace {keyspace}", version)
            return False
        _expect_agreement(session, session.nodes())
        session.run(_VERSION_TABLE.format(keyspace))
        upgrade(session, keyspace)
        return True


def bring_up_to_date(options: Options, keyspace: str) -> tuple[int, int]:
    """The versions before and afterwards."""
    with closing(DriverSession(options)) as session:
        before = _existing_version(session, keyspace)
        return before, upgrade(session, keyspace)


def look(options: Options, keyspace: str) -> Found:
    """Change nothing."""
    with closing(DriverSession(options)) as session:
        version = _existing_version(session, keyspace)
        _expect_newest(f"keyspace {keyspace}", version)
        nodes = session.nodes()
        _expect_agreement(session, nodes)
        devices = session.run(f"SELECT count(*) FROM {keyspace}.device")[0][0]
        models = {name for (name,) in session.run(f"SELECT name FROM {keyspace}.model")}
        return Found(version, nodes, _replication(session, keyspace) or "", devices, len(models))


def upgrade(session: DriverSession, keyspace: str) -> int:
    """Apply what is missing; the version afterwards."""
    nodes = session.nodes()
    _expect_agreement(session, nodes)
    _expect_one_release(nodes)
    version, newest = _own_version(session, keyspace) or 0, scripts()
    if version > len(newest):
        _expect_newest(f"keyspace {keyspace}", version)
    for number, script in list(enumerate(newest, start=1))[version:]:
        for one in statements(script):
            session.run(re.sub(r"^CREATE TABLE (\w+)", rf"CREATE TABLE IF NOT EXISTS {keyspace}.\1", one))
        _expect_agreement(session, nodes)
        session.run(f"INSERT INTO {keyspace}.schema_version (id, version) VALUES (0, {number})")
    return len(newest)


def _expect_newest(what: str, version: int) -> None:
    newest = len(scripts())
    if not version:
        raise StorageError(f"{what} has no tables of SMOK yet: `smok db init` makes them")
    if version != newest:
        remedy = "`smok db upgrade` brings it up to date" if version < newest else "install the version that wrote it"
        raise StorageError(f"{what} has schema {version}, this version of SMOK has {newest}: {remedy}")


def _make_keyspace(session: DriverSession, local_dc: str, keyspace: str, replication: int) -> None:
    there = sum(node.data_center == local_dc for node in session.nodes())
    if there < replication:
        raise StorageError(
            f"replication = {replication}, and {local_dc} has {there} node{'s' * (there != 1)}: "
            f"start more of them, or set replication = {there}"
        )
    session.run(
        f"CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = "
        f"{{'class': 'NetworkTopologyStrategy', '{local_dc}': {replication}}}"
    )


def _existing_version(session: DriverSession, keyspace: str) -> int:
    if _replication(session, keyspace) is None:
        raise StorageError(f"keyspace {keyspace} does not exist: `smok db init` makes it")
    return _own_version(session, keyspace) or 0


def _own_version(session: DriverSession, keyspace: str) -> int | None:
    """None: the keyspace is empty; 0: a first script was begun. Raises StorageError for somebody else's."""
    rows = session.run(f"SELECT table_name, column_name FROM system_schema.columns WHERE keyspace_name = '{keyspace}'")
    if not rows:
        return None
    if {column for table, column in rows if table == "schema_version"} != _VERSION_COLUMNS:
        raise StorageError(f"keyspace {keyspace} has tables of another program: name another keyspace in smok.toml")
    found = session.run(f"SELECT version FROM {keyspace}.schema_version WHERE id = 0")
    return int(found[0][0]) if found else 0


def _replication(session: DriverSession, keyspace: str) -> str | None:
    """Like ``3 in datacenter1``; None when there is no such keyspace."""
    rows = session.run(f"SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = '{keyspace}'")
    if not rows:
        return None
    return ", ".join(f"{count} in {place}" for place, count in rows[0][0].items() if place != "class")


def _expect_agreement(session: DriverSession, nodes: tuple[Node, ...]) -> None:
    """Of all nodes that are up; those that are not are told when they come back."""
    down = {node.address for node in nodes if not node.is_up}
    until = time.monotonic() + _AGREEMENT_SECONDS
    while len(_schemas(session, down)) > 1:
        if time.monotonic() > until:
            raise StorageError("the Cassandra nodes disagree about the schema: see `nodetool describecluster`")
        time.sleep(0.2)


def _schemas(session: DriverSession, down: set[str]) -> set[str]:
    peers = session.run("SELECT native_address, schema_version FROM system.peers_v2")
    others = {str(version) for address, version in peers if address not in down}
    return others | {str(version) for (version,) in session.run("SELECT schema_version FROM system.local")}


def _expect_one_release(nodes: tuple[Node, ...]) -> None:
    releases = {node.release for node in nodes}
    if len(releases) > 1:
        raise StorageError(
            f"nodes run Cassandra {' and '.join(sorted(releases))}: the tables are changed when all have one version"
        )
