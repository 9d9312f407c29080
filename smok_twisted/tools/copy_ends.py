"""What ``smok db copy`` is told to copy from and to: the file of an embedded store, or a system on Cassandra."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..errors import StorageError, UserError
from ..settings import DATABASE_FILE, LOCAL_FILE, load
from .database import FORM

if TYPE_CHECKING:
    from ..settings import Settings
    from ..storage.copying import Writable
    from ..storage.records import DeviceRecord

#: Of a data folder: what wraps the devices' secrets.
KEY = "secrets.key"


@dataclass(frozen=True)
class End:
    """``file`` is the SQLite file: of the embedded store, or Cassandra's local half."""

    name: str
    file: Path
    settings: Settings | None = None  #: of a system on Cassandra

    @property
    def folder(self) -> Path:
        """Where its keys are."""
        return self.file.parent

    def expect_there(self) -> None:
        """Raises UserError when there is nothing to copy."""
        if not self.file.exists():
            whose = f" ({self.name} says so)" if self.settings else ""
            raise UserError(f"{self.file}{whose} does not exist; accepted is {FORM}")

    def expect_place(self) -> None:
        """Raises UserError where nothing can be made."""
        folder = self.folder.parent if self.settings else self.folder
        if not folder.is_dir():
            raise UserError(f"{folder} does not exist: make it first")

    def is_same_as(self, other: End) -> bool:
        """Whether both are one store, as far as can be seen."""
        if self.file.absolute() == other.file.absolute():
            return True
        if not (self.settings and other.settings):
            return False
        ours, theirs = self.settings.storage.cassandra, other.settings.storage.cassandra
        nodes = set(ours.contact_points) & set(theirs.contact_points)
        return bool(nodes) and (ours.keyspace, ours.port) == (theirs.keyspace, theirs.port)

    def store(self, reactor: Any) -> Writable:
        """A new one, closed."""
        from ..storage.choice import store_of
        from ..storage.sqlite import SqliteStore

        if self.settings is None:
            return SqliteStore(self.file, reactor)
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{self.folder} cannot be made: {error.strerror}") from None
        return cast("Writable", store_of(self.settings, reactor))

    def keep_seconds(self, record: DeviceRecord) -> int | None:
        """How long it keeps history of the device; None: for ever, or until it is told."""
        if self.settings is None:
            return None
        kept = self.settings.retention
        return dict(kept.models).get(record.model, kept.default)

    def has_key_of(self, other: End) -> bool:
        """Whether secrets that ``other`` has wrapped can be used here; also when it has no key to compare."""
        ours, theirs = self.folder / KEY, other.folder / KEY
        try:
            return not theirs.exists() or (ours.exists() and ours.read_bytes() == theirs.read_bytes())
        except OSError:
            return False


def find_end(text: str) -> End:
    """What ``text`` names. Raises UserError."""
    kind, colon, rest = text.partition(":")
    path = Path(rest if colon and kind == "sqlite" else text)
    if path.suffix == ".toml" and not path.is_dir():
        return _configured(path)
    if not path.is_dir():
        return End(str(path), path)
    file = path / DATABASE_FILE
    if not file.exists() and (path / LOCAL_FILE).exists():
        raise UserError(f"{path} is the local half of a system on Cassandra: name its smok.toml")
    return End(str(file), file)


def _configured(path: Path) -> End:
    settings = load(path)
    if settings.storage.kind == "memory":
        raise UserError(f'{path} has [storage] kind = "memory", which keeps nothing; accepted is {FORM}')
    if settings.storage.kind == "sqlite":
        return End(str(settings.daemon.database), settings.daemon.database)
    return End(str(path), settings.daemon.local, settings)
