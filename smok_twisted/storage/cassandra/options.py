"""Where the database is and how it is spoken to: from smok.toml, with what its files hold (no password stands there).

Of use alone: ``Options`` is all that ``bridge.Bridge`` is told.
"""

from __future__ import annotations

import os
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path

from ...errors import UserError
from ...settings import Cassandra


@dataclass(frozen=True)
class Options:
    """``consistency`` is a name of ``cassandra.ConsistencyLevel``; ``keyspace`` None: statements name theirs."""

    contact_points: tuple[str, ...]
    keyspace: str | None = "smok"
    local_dc: str = "datacenter1"
    consistency: str = "QUORUM"
    port: int = 9042
    username: str = ""
    password: str = ""
    tls: ssl.SSLContext | None = None
    request_seconds: float = 15.0

    def __repr__(self) -> str:
        return f"Options({', '.join(self.contact_points)}, keyspace {self.keyspace})"  # no password in a log


def options_of(settings: Cassandra) -> Options:
    """The section ``[storage.cassandra]`` as the driver takes it. Raises UserError, naming key, reason and remedy."""
    return Options(
        settings.contact_points,
        settings.keyspace,
        settings.local_dc,
        settings.consistency,
        settings.port,
        settings.username,
        _password(settings),
        _tls(settings),
        settings.request_timeout,
    )


def _password(settings: Cassandra) -> str:
    if bool(settings.username) != bool(settings.password_file):
        raise UserError("[storage.cassandra] username and password_file go together: give both, or neither")
    return read_password(settings.password_file) if settings.password_file else ""


def read_password(path: Path) -> str:
    """The first line of a file that only its owner can read. Raises UserError."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read().decode()
    except OSError as error:
        raise UserError(f"password file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"password file {path} is not UTF-8: one line of text is accepted") from None
    if mode & 0o077:
        raise UserError(f"password file {path} is open to others (mode {mode:04o}): `chmod 600 {path}` closes it")
    first, *others = text.splitlines() or [""]
    if not first or others:
        raise UserError(f"password file {path} has {'more lines' if others else 'nothing in it'}: one line is accepted")
    return first


def _tls(settings: Cassandra) -> ssl.SSLContext | None:
    """Nodes are believed when an authority in ``tls_ca`` says that they have their address."""
    if bool(settings.tls_cert) != bool(settings.tls_key):
        raise UserError("[storage.cassandra] tls_cert and tls_key go together: give both, or neither")
    if settings.tls_ca is None:
        if settings.tls_cert:
            raise UserError("[storage.cassandra] tls_cert needs tls_ca beside it: whom to trust")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _readable("tls_ca", settings.tls_ca)
    try:
        context.load_verify_locations(settings.tls_ca)
    except ssl.SSLError:
        raise UserError(f"[storage.cassandra] tls_ca = {settings.tls_ca} holds no certificate in PEM form") from None
    if settings.tls_cert and settings.tls_key:
        _load_own(context, settings.tls_cert, settings.tls_key)
    return context


def _load_own(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    _readable("tls_cert", certificate)
    _readable("tls_key", key)
    try:
        context.load_cert_chain(certificate, key, password="")  # without it OpenSSL asks at the terminal
    except (ssl.SSLError, ValueError):
        raise UserError(
            f"[storage.cassandra] tls_cert = {certificate} and tls_key = {key} do not fit together: a certificate and "
            "its key in PEM form are accepted, without a passphrase"
        ) from None


def _readable(name: str, path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise UserError(f"[storage.cassandra] {name} = {path} cannot be read: {error.strerror}") from None
