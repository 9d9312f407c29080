"""``smok backup`` and ``smok restore``: the embedded store in one file, beside a running daemon, and back.

Of a system on Cassandra it is the daemon's own half; the cluster is backed up by its own means (docs/operating).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError
from .arguments import Commands, folder
from .database import find_store
from .progress import progress

if TYPE_CHECKING:
    from ..storage.backup import Contents
    from .tool import Tool

BACKUP_EXAMPLES = """\
  smok backup /mnt/usb/smok-2026-01-31.db
  smok backup --with-keys smok.db.backup        # then let nobody else have the file
  smok backup local.backup --config smok.toml   # with Cassandra: at most ten minutes after its own snapshot"""
RESTORE_EXAMPLES = """\
  smok restore /mnt/usb/smok-2026-01-31.db
  smok restore smok.db.backup --data-dir /srv/smok/smok-data --force"""

OF_CASSANDRA = (
    "start it on the cluster that was restored with it; on a living one begin with an empty folder and the keys: "
    "the rest comes from there"
)


def add_to(commands: Commands) -> None:
    """``smok backup``, ``smok restore``"""
    text = "the embedded store, or the daemon's half beside Cassandra, in one file; the daemon may run"
    parser = commands.add("backup", _backup, text, BACKUP_EXAMPLES, folder())
    parser.add_argument("file", metavar="FILE", type=Path)
    parser.add_argument("--with-keys", action="store_true", help="also secrets.key and admin.token")
    parser.add_argument("--force", action="store_true", help="replace FILE")
    parser = commands.add("restore", _restore, "make a data folder out of a backup", RESTORE_EXAMPLES, folder())
    parser.add_argument("file", metavar="FILE", type=Path)
    text = "also into a folder that is not empty; what is replaced stays as *.old"
    parser.add_argument("--force", action="store_true", help=text)


def _backup(tool: Tool) -> None:
    from ..storage.backup import KEY_FILES, back_up, expect_regular
    from ..storage.sqlite import APPLICATION_ID

    store, journal = _place(tool)
    file = tool.args.file
    if not store.exists():
        raise UserError(f"{store} does not exist; --data-dir or --config names another folder")
    expect_regular(file)
    if file.exists() and not tool.args.force:
        raise UserError(f"{file} is there already: name another file, or give --force to replace it")
    if file.exists() and file.samefile(store):
        raise UserError(f"{file} is the store itself: name another file")
    keys = {name: _octets(store.parent / name) for name in KEY_FILES} if tool.args.with_keys else {}
    with progress("backup", "page") as step:
        contents = back_up(store, file, keys, APPLICATION_ID, step, journal)
    tool.output.line(f"{file}, {file.stat().st_size / 1e6:.1f} MB, read again and good: {_summary(contents)}")
    tool.output.line(_about_keys(contents, file))
    if journal:
        tool.output.line("it does not hold the history in Cassandra: that is in a snapshot made before, see operating")


def _restore(tool: Tool) -> None:
    from ..storage.backup import restore
    from ..storage.database import schema
    from ..storage.sqlite import APPLICATION_ID

    store, journal = _place(tool)
    file = tool.args.file
    if not file.exists():
        raise UserError(f"{file} does not exist; `smok backup FILE` makes one")
    _expect_kind(file, bool(journal))
    with progress("restore", "page") as step:
        contents = restore(file, store, APPLICATION_ID, len(schema("sqlite")), tool.args.force, step)
    tool.output.line(f"{store}, read again and good: {_summary(contents)}")
    if journal:
        tool.output.line(OF_CASSANDRA)
    if contents.keys:
        return tool.output.line(f"with {' and '.join(contents.keys)}: the daemon can be started")
    key = store.parent / "secrets.key"
    remedy = "is the one that was there" if key.exists() else "is missing: put yours there before the daemon is started"
    tool.output.line(f"without keys: {key} {remedy}, or every device needs a new secret")


def _place(tool: Tool) -> tuple[Path, Path | None]:
    """The SQLite file, and with Cassandra the folder of the journal. Raises UserError."""
    settings = find_store(tool)
    if settings.storage.kind == "sqlite":
        return settings.daemon.database, None
    return settings.daemon.local, settings.daemon.data_dir / "journal"


def _expect_kind(file: Path, is_cassandra: bool) -> None:
    from ..storage.backup import contents_of
    from ..storage.sqlite import APPLICATION_ID

    is_of_cassandra = contents_of(file, APPLICATION_ID).journal_files is not None
    if is_of_cassandra and not is_cassandra:
        raise UserError(f"{file} is of a system on Cassandra: name its smok.toml by --config")
    if is_cassandra and not is_of_cassandra:
        raise UserError(f"{file} is of an embedded store: restore it as one, then `smok db copy` it to Cassandra")


def _octets(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; without --with-keys it is not needed") from None


def _summary(contents: Contents) -> str:
    rows = contents.rows
    history = (("report", "reports in the log"), ("chunk", "packed hours"))
    counted = [("device", "devices"), *(history if contents.journal_files is None else ()), ("audit", "audit entries")]
    parts = [f"{rows[name]} {text}" for name, text in counted if name in rows]
    parts += [] if contents.journal_files is None else [f"{contents.journal_files} files of the journal"]
    return f"schema {contents.version}, {', '.join(parts)}"


def _about_keys(contents: Contents, file: Path) -> str:
    if contents.keys:
        return f"it holds {' and '.join(contents.keys)}: whoever reads {file} can be any device, and the administrator"
    return "it does not hold the keys: keep a copy of secrets.key elsewhere, without it no device can log in"
