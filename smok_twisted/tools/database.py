"""``smok db``: the embedded store's file, looked at and made without a daemon (design note storage)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..errors import StorageError, UserError
from .arguments import Commands, folder

if TYPE_CHECKING:
    from .tool import Tool

FILE = "smok.db"
#: Entries of the audit trail that are verified together.
AUDIT_PAGE = 1000

T = TypeVar("T")


def add_to(commands: Commands) -> None:
    """``smok db ...``"""
    group = commands.group("db", "the file of the embedded store")
    group.add("check", _check, "look for damage and verify the audit trail; the daemon may run", "", folder())
    group.add("init", _init, "make the file, as the daemon does at its first start", "", folder())
    group.add("upgrade", _upgrade, "bring the file to this version's schema; not while the daemon runs", "", folder())


@dataclass(frozen=True)
class Found:
    """What is in a file that is good."""

    version: int  #: of its schema
    devices: int
    models: int
    audit_entries: int


def _check(tool: Tool) -> None:
    path = _existing(tool)
    found = checked(path)
    tool.output.line(
        f"{path} is good: schema {found.version}, {found.devices} devices, {found.models} models, "
        f"audit trail unbroken over {found.audit_entries} entries"
    )


def _init(tool: Tool) -> None:
    path = _path(tool)
    if path.exists():
        return tool.output.line(f"{path} is there already: nothing to do")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{path.parent} cannot be made: {error.strerror}") from None
    tool.output.line(f"made {path}, schema {_brought_up_to_date(path)}")


def _upgrade(tool: Tool) -> None:
    path = _existing(tool)
    before = _read_only(path, _version)
    after = _brought_up_to_date(path)
    if before == after:
        return tool.output.line(f"{path} has schema {after}, the newest: nothing to do")
    tool.output.line(f"brought {path} from schema {before} to {after}")


def checked(path: Path) -> Found:
    """Read the whole file, changing nothing. Raises StorageError with the one line that tells what is wrong."""
    return _read_only(path, _found)


def _path(tool: Tool) -> Path:
    from .access import find_settings

    settings = find_settings(tool.args)
    if settings.storage.kind != "sqlite":
        raise UserError(f'[storage] kind = "{settings.storage.kind}" keeps no file, `smok db` is for kind = "sqlite"')
    return settings.daemon.data_dir / FILE


def _existing(tool: Tool) -> Path:
    path = _path(tool)
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


def _read_only(path: Path, look: Callable[[Path, sqlite3.Connection], T]) -> T:
    from ..storage.database import damaged, explained

    try:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            connection.execute("BEGIN")  # so that a running daemon does not change what is looked at
            return look(path, connection)
    except sqlite3.Error as error:
        raise explained(path, error) from None
    except ValueError as error:
        raise damaged(path, str(error)) from None


def _version(path: Path, connection: sqlite3.Connection) -> int:
    """The schema's version. Raises StorageError for files that are not ours."""
    from ..storage.sqlite import APPLICATION_ID

    application_id, version = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
    )
    if application_id != APPLICATION_ID:
        raise StorageError(f"{path} is not a store of SMOK: name its folder by --data-dir")
    return int(version)


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
