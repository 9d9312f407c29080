"""smok.toml as one frozen value (design note product, "Configuration").

An unknown key, a wrong type or a wrong range is one sentence naming file, key and the accepted form. Layers never
look anything up here: the daemon hands them what they need.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

from .errors import UserError
from .modbus.durations import parse_duration_ms


class _Form(NamedTuple):
    """What a key takes: ``read`` gives the value or raises ValueError, ``text`` tells a user what is accepted."""

    read: Callable[[Any], Any]
    text: str


def _setting(default: Any, form: _Form) -> Any:
    return field(default=default, metadata={"form": form})


def _typed(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise ValueError
    return value


def _number(kind: type, least: float, most: float) -> _Form:
    def read(value: Any) -> Any:
        value = float(value) if kind is float and type(value) is int else _typed(kind, value)
        if not least <= value <= most:
            raise ValueError
        return value

    return _Form(read, f"a number from {least:g} to {most:g}")


def _text(pattern: str, text: str) -> _Form:
    def read(value: Any) -> str:
        if not re.fullmatch(pattern, _typed(str, value)):
            raise ValueError
        return str(value)

    return _Form(read, text)


def _one_of(*words: str) -> _Form:
    return _text("|".join(words), "one of " + ", ".join(f'"{word}"' for word in words))


def _list_of(form: _Form) -> _Form:
    def read(value: Any) -> tuple[Any, ...]:
        if not _typed(list, value):
            raise ValueError
        return tuple(form.read(one) for one in value)

    return _Form(read, f"a list, each {form.text}")


def _seconds(least: float, most: float) -> _Form:
    def read(value: Any) -> float:
        seconds = parse_duration_ms(_typed(str, value)) / 1000
        if not least <= seconds <= most:
            raise ValueError
        return seconds

    return _Form(read, f'a duration like "30s" or "5m", from {least:g} to {most:g} seconds')


def _table_of(form: _Form) -> _Form:
    def read(value: Any) -> tuple[tuple[str, Any], ...]:
        return tuple((name, form.read(one)) for name, one in _typed(dict, value).items())

    return _Form(read, f"a table, each value {form.text}")


def _read_kept(value: Any) -> int | None:
    if value == "forever":
        return None
    seconds: float = _seconds(7 * 86_400, 100 * 366 * 86_400).read(value)
    return round(seconds)


_KEPT = _Form(_read_kept, '"forever", or a duration like "730d", from 7 days to 100 years')
#: The embedded store's file, in the data folder.
_UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12}


def _read_octets(value: Any) -> int | None:
    if value == "auto":
        return None
    found = re.fullmatch(r"(\d{1,6}) ?([MGT]B)", _typed(str, value))
    if not found or int(found[1]) * _UNITS[found[2]] < 100 * 10**6:
        raise ValueError
    return int(found[1]) * _UNITS[found[2]]


_OCTETS = _Form(_read_octets, '"auto", or a size like "500MB" or "20GB", from 100MB')
DATABASE_FILE = "smok.db"
LOCAL_FILE = "local.db"

_ENDPOINT = _text(r"|[a-z0-9]+:.+", 'a Twisted endpoint like "tcp:8080:interface=127.0.0.1", or "" for off')
_FOLDER = _Form(lambda value: Path(_typed(str, value)), "the name of a folder")
_FILE = _Form(lambda value: Path(value) if _typed(str, value) else None, 'the name of a file, or "" for none')


@dataclass(frozen=True)
class Daemon:
    """[daemon]"""

    name: str = _setting("a", _text(r"[a-z0-9-]{1,32}", "1 to 32 of a-z, 0-9 and -"))
    data_dir: Path = _setting(Path("smok-data"), _FOLDER)

    @property
    def database(self) -> Path:
        """The embedded store's file."""
        return self.data_dir / DATABASE_FILE

    @property
    def local(self) -> Path:
        """With Cassandra: the file beside it, with all but the history."""
        return self.data_dir / LOCAL_FILE


@dataclass(frozen=True)
class Listen:
    """[listen]"""

    smok4: str = _setting("tcp:2406", _ENDPOINT)
    p24: str = _setting("", _ENDPOINT)
    gateway: str = _setting("", _ENDPOINT)
    web: str = _setting("tcp:8080:interface=127.0.0.1", _ENDPOINT)


@dataclass(frozen=True)
class Cassandra:
    """[storage.cassandra]"""

    contact_points: tuple[str, ...] = _setting(("127.0.0.1",), _list_of(_text(".+", "a host name or address")))
    port: int = _setting(9042, _number(int, 1, 65535))
    keyspace: str = _setting("smok", _text(r"[a-z][a-z0-9_]{0,47}", "a-z, 0-9 and _, beginning with a letter"))
    local_dc: str = _setting("datacenter1", _text(".+", "the name of a data centre"))
    replication: int = _setting(3, _number(int, 1, 9))
    consistency: str = _setting("QUORUM", _one_of("ONE", "QUORUM", "LOCAL_QUORUM", "ALL"))
    request_timeout: float = _setting(15.0, _seconds(1, 120))
    username: str = _setting("", _text(".*", "a user name, or \"\" for none"))
    password_file: Path | None = _setting(None, _FILE)
    tls_ca: Path | None = _setting(None, _FILE)
    tls_cert: Path | None = _setting(None, _FILE)
    tls_key: Path | None = _setting(None, _FILE)


@dataclass(frozen=True)
class Journal:
    """[storage.journal]"""

    max_size: int | None = _setting(None, _OCTETS)  #: octets; None: half of what is free
    retention: float = _setting(600.0, _seconds(30, 86_400))


@dataclass(frozen=True)
class Storage:
    """[storage]"""

    kind: str = _setting("sqlite", _one_of("sqlite", "cassandra", "memory"))
    ack: str = _setting("quorum", _one_of("quorum", "spool"))
    cassandra: Cassandra = Cassandra()
    journal: Journal = Journal()


@dataclass(frozen=True)
class Limits:
    """[limits], on strangers"""

    unauthenticated: int = _setting(2000, _number(int, 1, 100_000))
    per_source: int = _setting(32, _number(int, 1, 100_000))
    accepts_per_second: float = _setting(20.0, _number(float, 0.1, 100_000))
    web_connections: int = _setting(100, _number(int, 1, 100_000))


@dataclass(frozen=True)
class Smok4:
    """[smok4]"""

    suites: tuple[int, ...] = _setting((1, 2), _list_of(_number(int, 1, 2)))
    keepalive: float = _setting(240.0, _seconds(10, 2550))
    ack_delay: float = _setting(0.0, _seconds(0, 2550))


@dataclass(frozen=True)
class P24:
    """[p24]"""

    window: int = _setting(1, _number(int, 1, 100))


@dataclass(frozen=True)
class Retention:
    """[retention], in seconds; None: for ever"""

    default: int | None = _setting(None, _KEPT)
    models: tuple[tuple[str, int | None], ...] = _setting((), _table_of(_KEPT))


@dataclass(frozen=True)
class Settings:
    """The whole file; every section and key may be left out."""

    daemon: Daemon = Daemon()
    listen: Listen = Listen()
    storage: Storage = Storage()
    limits: Limits = Limits()
    smok4: Smok4 = Smok4()
    p24: P24 = P24()
    retention: Retention = Retention()


def load(path: Path) -> Settings:
    """Read a configuration file; relative names of files and folders count from its folder. Raises UserError."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: is not TOML: {error}") from None
    return read(table, path)


def read(table: dict[str, Any], path: Path) -> Settings:
    """Settings from parsed TOML that came from ``path``. Raises UserError."""
    settings: Settings = _section(Settings, table, str(path), "")
    if settings.smok4.ack_delay >= settings.smok4.keepalive:
        raise UserError(f"{path}: [smok4] ack_delay is not accepted: shorter than the keepalive of the same section")
    placed: Settings = _placed(settings, path.parent)
    return placed


def _placed(section: Any, folder: Path) -> Any:
    """The same with every relative path counted from ``folder``."""
    changed: dict[str, Any] = {}
    for one in fields(section):
        value = getattr(section, one.name)
        if is_dataclass(value):
            changed[one.name] = _placed(value, folder)
        elif isinstance(value, Path):
            changed[one.name] = folder / value
    return replace(section, **changed)


def _section(kind: Any, table: Any, file: str, name: str) -> Any:
    if not isinstance(table, dict):
        raise UserError(f"{file}: {name} is not a section; accepted is [{name}] with keys below it")
    known = {one.name: one for one in fields(kind)}
    for key in table:
        if key not in known:
            place = f"[{name}] {key}" if name else f"[{key}]"
            raise UserError(f"{file}: {place} is unknown; accepted are {', '.join(known)}")
    hints = get_type_hints(kind)
    values = {}
    for key, value in table.items():
        if is_dataclass(hints[key]):
            values[key] = _section(hints[key], value, file, f"{name}.{key}" if name else key)
        else:
            values[key] = _value(known[key].metadata["form"], value, f"{file}: [{name}] {key}")
    return kind(**values)


def _value(form: _Form, value: Any, place: str) -> Any:
    try:
        return form.read(value)
    except (ValueError, UserError):
        raise UserError(f"{place} = {value!r} is not accepted: {form.text}") from None
