"""Who may use the API: the admin token, and browsers that were opened by a sign-in link.

The token is a bearer token (RFC 6750) in a file that only its owner can read. A link signs one browser in, once and
within ten minutes; the browser keeps a signed cookie that needs no state here, and a change asked for with a cookie
must carry a header that no other site's page can send. Raw access to equipment and the register of devices need
the token.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from twisted.logger import Logger

from ..clock import WallClock
from ..errors import NotAllowed, StorageError
from .failures import Failures
from .problems import Problem

TOKEN_OCTETS = 32
LINK_SECONDS = 600.0
COOKIE_SECONDS = 30 * 24 * 3600
#: Links that wait to be used; a further one takes the place of the oldest.
LINKS_AT_MOST = 16

_LOGIN = "`smok login` in the daemon's folder prints a link that signs a browser in"


class Principal(NamedTuple):
    """Who asks, and from where; ``admin`` has shown the admin token."""

    who: str
    source: str
    admin: bool


class Credentials(NamedTuple):
    """What a request brings along to say who asks."""

    authorization: str | None
    cookies: Mapping[str, str]
    source: str  #: as ``framing.admission.source_of`` gives it
    is_change: bool  #: it is more than looking
    is_marked: bool  #: it has the header ``X-SMOK: 1``


def read_token_file(path: Path, random: Callable[[int], bytes]) -> str:
    """The admin token in ``path``; made if the file is not there. Raises StorageError with one clear line."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read(path)
    except OSError as error:
        raise StorageError(f"token file {path} cannot be made: {error.strerror}") from None
    try:
        with open(file, "w", encoding="ascii") as stream:
            stream.write(random(TOKEN_OCTETS).hex() + "\n")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        path.unlink()
        raise StorageError(f"token file {path} cannot be written: {error.strerror}") from None
    return _read(path)


def _read(path: Path) -> str:
    try:
        with path.open(encoding="ascii", errors="replace") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            token = stream.read(4 * TOKEN_OCTETS).strip()
    except OSError as error:
        raise StorageError(f"token file {path} cannot be read: {error.strerror}") from None
    if mode & 0o077:
        raise StorageError(f"token file {path} has mode {mode:04o}: others may read it; `chmod 600 {path}` closes it")
    if len(token) != 2 * TOKEN_OCTETS or set(token) - set("0123456789abcdef"):
        raise StorageError(f"token file {path} does not hold {2 * TOKEN_OCTETS} hex digits: remove it, and start again")
    return token


class Auth:
    """``key``: the octets of the vault's key file; ``clock`` has ``seconds()``, monotonic."""

    log = Logger()

    def __init__(
        self, admin_token: str, key: bytes, clock: Any, wall_clock: WallClock, random: Callable[[int], bytes]
    ) -> None:
        self._admin_token = admin_token.encode()
        # The token is part of it: a new one signs every browser out.
        self._cookie_key = hmac.digest(key, b"SMOK web cookies" + self._admin_token, "sha256")
        #: Cookies know no ports: daemons on one machine must not overwrite each other's.
        self.cookie_name = f"smok-{hmac.digest(key, b'SMOK cookie name', 'sha256')[:4].hex()}"
        self._clock = clock
        self._wall_clock = wall_clock
        self._random = random
        self._links: dict[bytes, float] = {}  # hash of a token -> when it ends; oldest first
        self._failures = Failures()

    def authenticate(self, credentials: Credentials) -> Principal:
        """Who asks. Raises Problem 401 or 429, or NotAllowed."""
        if credentials.authorization is not None:
            return self._bearer(credentials.authorization, credentials.source)
        if not self._is_signed(credentials.cookies.get(self.cookie_name, "")):
            raise _unauthorized(f"no token; send `Authorization: Bearer` with the admin token; {_LOGIN}")
        if credentials.is_change and not credentials.is_marked:
            raise NotAllowed("a change asked for by a browser needs the header `X-SMOK: 1`")
        return Principal("operator", credentials.source, admin=False)

    def new_link(self) -> str:
        """The path, with a query, of a page that signs one browser in."""
        token = self._random(TOKEN_OCTETS).hex()
        while len(self._links) >= LINKS_AT_MOST:
            del self._links[next(iter(self._links))]
        self._links[_hash(token)] = self._clock.seconds() + LINK_SECONDS
        return f"/signin?token={token}"

    def sign_in(self, token: str, source: str) -> str:
        """The cookie, as for Set-Cookie, for a link's token. Raises Problem 403 or 429 for one that is no good."""
        until = self._links.pop(_hash(token), 0.0)
        if self._clock.seconds() >= until:
            self._count_failure(source)
            raise Problem(403, f"this link was used already, or is older than ten minutes; {_LOGIN}")
        ends = f"{self._wall_clock() // 1_000_000 + COOKIE_SECONDS}"
        attributes = f"Max-Age={COOKIE_SECONDS}; Path=/; HttpOnly; SameSite=Strict"
        return f"{self.cookie_name}={ends}.{self._signature(ends)}; {attributes}"

    def _bearer(self, authorization: str, source: str) -> Principal:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), self._admin_token):
            return Principal("admin", source, admin=True)
        self._count_failure(source)
        raise _unauthorized("this token is not accepted; the admin token is in admin.token in the daemon's data folder")

    def _is_signed(self, cookie: str) -> bool:
        ends, _, signature = cookie.partition(".")
        is_ours = hmac.compare_digest(signature.encode(), self._signature(ends).encode())
        return is_ours and self._wall_clock() < int(ends) * 1_000_000

    def _signature(self, ends: str) -> str:
        return hmac.digest(self._cookie_key, ends.encode(), "sha256").hex()

    def _count_failure(self, source: str) -> None:
        count, wait_seconds = self._failures.note(source, self._clock.seconds())
        if count == 1:
            self.log.warn("a wrong token from {source}", source=source)
        if wait_seconds:
            headers = {"Retry-After": str(wait_seconds)}
            raise Problem(429, f"too many wrong tokens; wait {wait_seconds} s", headers)


def _hash(token: str) -> bytes:
    """What is looked up tells nothing about a token by the time it takes."""
    return hashlib.sha256(token.encode()).digest()


def _unauthorized(detail: str) -> Problem:
    return Problem(401, detail, {"WWW-Authenticate": "Bearer"})
