"""Where the daemon is, and the token for its API: given, from the environment, or from its own files beside us."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from ..errors import UserError
from ..settings import Settings, load

ELSEWHERE = "be in the daemon's folder, or give --data-dir or --config, or --token or SMOK_TOKEN"
URL_FORM = "http://HOST[:PORT] or https://HOST[:PORT]"


class Access(NamedTuple):
    """``url`` has no slash at its end."""

    url: str
    token: str


def find_access(args: Namespace, environment: Mapping[str, str]) -> Access:
    """From the options of ``arguments.connection``. Raises UserError."""
    settings = find_settings(args)
    url = getattr(args, "url", None) or environment.get("SMOK_URL") or url_of(settings.listen.web)
    parts = _checked(url)
    token = getattr(args, "token", None) or environment.get("SMOK_TOKEN")
    if token is None and not is_here(parts.hostname or ""):
        raise UserError(f"no token for {url}: give --token or SMOK_TOKEN; that of a data folder stays on its machine")
    token = token or _read_token(settings.daemon.data_dir / "admin.token")
    if not re.fullmatch(r"[!-~]+", token):
        raise UserError("the token is not accepted: it is one word of plain letters and digits")
    return Access(url.rstrip("/"), token)


def find_settings(args: Namespace) -> Settings:
    """The daemon's settings, as far as we know them here. Raises UserError."""
    config, data_dir = getattr(args, "config", None), getattr(args, "data_dir", None)
    settings = load(Path(config)) if config else Settings()
    if data_dir is None:
        return settings
    return replace(settings, daemon=replace(settings.daemon, data_dir=Path(data_dir)))


def url_of(endpoint: str) -> str:
    """The address at which a Twisted endpoint string answers on this machine. Raises UserError."""
    kind, named = _parts(endpoint)
    port = named.get("port", "0")
    if kind not in ("tcp", "tcp6") or port == "0":
        raise UserError(f"[listen] web = {endpoint!r} does not tell an address: name it by --url or SMOK_URL")
    host = named.get("interface", "")
    if host in ("", "0.0.0.0", "::"):  # noqa: S104  # all of them: so this one too
        host = "::1" if kind == "tcp6" else "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def port_of(endpoint: str) -> str:
    """The port in a Twisted endpoint string, or a word for it."""
    return _parts(endpoint)[1].get("port", "PORT")


def is_here(host: str) -> bool:
    """Whether that is this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _parts(endpoint: str) -> tuple[str, dict[str, str]]:
    """Kind and arguments (``tcp:8080:interface=\\:\\:1``); the first one without a name is the port."""
    kind, *rest = [re.sub(r"\\(.)", r"\1", part) for part in re.split(r"(?<!\\):", endpoint)]
    named = [part if "=" in part else f"port={part}" for part in rest]
    return kind, dict(part.split("=", 1) for part in named)


def _checked(url: str) -> SplitResult:
    parts = urlsplit(url)
    try:
        is_right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of the port
        is_right = False
    if not is_right or parts.query or parts.fragment or parts.username or not url.isprintable() or " " in url:
        raise UserError(f"the address {url!r} is not accepted: {URL_FORM}")
    return parts


def _read_token(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except FileNotFoundError:
        raise UserError(f"no token: there is no {path}; {ELSEWHERE}") from None
    except OSError as error:
        reason = f"{error.strerror}; only the user who runs the daemon can"
        raise UserError(f"token file {path} cannot be read: {reason}") from None
    except UnicodeDecodeError:
        raise UserError(f"token file {path} does not hold a token") from None
