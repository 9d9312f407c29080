"""``smok db``: the store looked at and made without a daemon (design note storage).

Here the file of the embedded store; Cassandra's tables are in ``cassandra_database``.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import StorageError, UserError
from . import cassandra_database
from .arguments import Commands, folder
from .progress import progress

if TYPE_CHECKING:
    from ..settings import Settings
    from .tool import Tool

#: What names a store.
FORM = "a data folder, sqlite:FILE, or the smok.toml of a system on Cassandra"
#: Entries of the audit trail that are verified together.
AUDIT_PAGE = 1000


def add_to(commands: Commands) -> None:
    """``smok db ...``"""
    group = commands.group("db", "the store: the file of the embedded one, or Cassandra's tables")
    text = "look for damage, verify the audit trail and packed history; the daemon may run"
    group.add("check", _check, text, "", folder())
    text = "have damaged hours and days packed again from what is there; not while the daemon runs"
    group.add("repack", _repack, text, "", folder())
    copying = group.add("copy", _copy, "all of one store into another; not while a daemon has one of them")
    copying.add_argument("source", metavar="FROM", help=FORM)
    copying.add_argument("target", metavar="TO", help="the same; made if it is not there")
    group.add("init", _init, "make it; the file is also made by the daemon's first start", "", folder())
    group.add("upgrade", _upgrade, "bring it to this version's schema; not while the daemon runs", "", folder())


@dataclass(frozen=True)
class Found:
    """What is in a file that is good."""

    version: int  #: of its schema
    devices: int
    models: int
    audit_entries: int


def _check(tool: Tool) -> int | None:
    from ..storage.database import looked_at
    from .history_check import damages_in

    settings = find_store(tool)
    if settings.storage.kind == "cassandra":
        cassandra_database.check(tool, settings.storage.cassandra)
        return None
    path = existing(tool)
    found = checked(path)
    with progress("history", "day") as step:
        looked = looked_at(path, lambda _, connection: damages_in(connection.cursor(), step))
    for line in looked.lines():
        tool.output.line(line)
    if looked.damages:
        return 1
    tool.output.line(
        f"{path} is good: schema {found.version}, {found.devices} devices, {found.models} models, "
        f"audit trail unbroken over {found.audit_entries} entries, {looked.days} days of packed history as the log says"
    )
    return None


def _copy(tool: Tool) -> int | None:
    from .copy import copy

    return copy(tool)


def _repack(tool: Tool) -> int | None:
    from ..storage.database import Database, explained, schema
    from ..storage.sqlite import APPLICATION_ID
    from .history_check import damages_in, mark_again

    path = existing(tool)
    database = Database(path, schema("sqlite"), APPLICATION_ID)
    try:
        with closing(database.connect()) as connection, progress("history", "day") as step:
            cursor = connection.cursor()
            cursor.execute("BEGIN IMMEDIATE")
            looked = damages_in(cursor, step)
            hours = mark_again(cursor, looked.damages)
            cursor.execute("COMMIT")
    except sqlite3.Error as error:
        raise explained(path, error) from None
    finally:
        database.close()
    lost = [one for one in looked.damages if not one.damage.again]
    if not looked.damages:
        tool.output.line(f"{path}: nothing in the history is damaged")
        return None
    tool.output.line(f"{hours} hours are packed again when the daemon runs; ask `smok db check` some minutes later")
    for one in lost:
        tool.output.line(f"beyond repair, what is needed is in a backup or nowhere: {one}")
    return 1 if lost else None


def _init(tool: Tool) -> None:
    settings = find_store(tool)
    if settings.storage.kind == "cassandra":
        return cassandra_database.init(tool, settings.storage.cassandra)
    path = settings.daemon.database
    if path.exists():
        return tool.output.line(f"{path} is there already: nothing to do")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{path.parent} cannot be made: {error.strerror}") from None
    tool.output.line(f"made {path}, schema {_brought_up_to_date(path)}")


def _upgrade(tool: Tool) -> None:
    from ..storage.database import looked_at

    settings = find_store(tool)
    if settings.storage.kind == "cassandra":
        return cassandra_database.upgrade(tool, settings.storage.cassandra)
    path = existing(tool)
    before = looked_at(path, _version)
    after = _brought_up_to_date(path)
    if before == after:
        return tool.output.line(f"{path} has schema {after}, the newest: nothing to do")
    tool.output.line(f"brought {path} from schema {before} to {after}")


def checked(path: Path) -> Found:
    """Read the whole file, changing nothing. Raises StorageError with the one line that tells what is wrong."""
    from ..storage.database import looked_at

    return looked_at(path, _found)


def find_store(tool: Tool) -> Settings:
    """Settings of a store that keeps something. Raises UserError."""
    from .access import find_settings

    settings = find_settings(tool.args)
    if settings.storage.kind == "memory":
        raise UserError('[storage] kind = "memory" keeps nothing, this is for kind = "sqlite" and "cassandra"')
    return settings


def path_of(tool: Tool) -> Path:
    """The embedded store's file, there or not. Raises UserError for another kind of store."""
    settings = find_store(tool)
    if settings.storage.kind != "sqlite":
        raise UserError(f'[storage] kind = "{settings.storage.kind}" keeps no file, this is for kind = "sqlite"')
    return settings.daemon.database


def existing(tool: Tool) -> Path:
    """The store's file. Raises UserError when it is not there."""
    path = path_of(tool)
    if not path.exists():
        raise UserError(f"{path} does not exist; `smok db init` makes it, --data-dir names another folder")
    return path


def _brought_up_to_date(path: Path) -> int:
    """Make the file, or bring its schema up to date; the schema's version. Raises StorageError."""
    from ..storage.database import Database, schema
    from ..storage.sqlite import APPLICATION_ID

    scripts = schema("sqlite")
    Database(path, scripts, APPLICATION_ID).close()
    return len(scripts)


def _version(path: Path, connection: sqlite3.Connection) -> int:
    from ..storage.database import version_of
    from ..storage.sqlite import APPLICATION_ID

    return version_of(path, connection, APPLICATION_ID)


def _found(path: Path, connection: sqlite3.Connection) -> Found:
    from ..storage import sqlite_history, sqlite_registry
    from ..storage.database import check, schema

    version, newest = _version(path, connection), len(schema("sqlite"))
    if version != newest:
        remedy = "`smok db upgrade` brings it up to date" if version < newest else "install the version that wrote it"
        raise StorageError(f"{path} has schema {version}, this version of SMOK has {newest}: {remedy}")
    check(path, connection)
    cursor = connection.cursor()
    for load in (sqlite_registry.load_plans, sqlite_registry.load_credentials, sqlite_history.load_latest):
        load(cursor)
    devices, models = sqlite_registry.load_devices(cursor), sqlite_registry.models(cursor)
    return Found(version, len(devices), len({one.name for one in models}), _audit_entries(cursor))


def _audit_entries(cursor: sqlite3.Cursor) -> int:
    """Verify the whole trail; how many entries it has. Pages overlap by one entry, newest first."""
    from ..storage.audit import verify
    from ..storage.sqlite_log import audit

    count, before = 0, None
    while page := audit(cursor, AUDIT_PAGE, before, None)[::-1]:
        verify(page)
        count = count or page[-1].seq
        if len(page) < AUDIT_PAGE:
            break
        before = page[0].seq + 1
    if page and page[0].seq != 1:
        raise StorageError(f"the audit trail is broken: entries before {page[0].seq} are missing")
    return count
