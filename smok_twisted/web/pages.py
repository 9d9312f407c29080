"""What browsers get: the page, its files, and the way to sign in.

The files are few and small: they are read once, so that an upgrade under a running daemon does not mix two versions.
uPlot comes from the package ``uplot``, which is found but not imported: it would bring in half the world.
"""

from __future__ import annotations

import hashlib
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import LocalError, NotFound
from .problems import Problem
from .replies import Reply
from .routing import Call, Rights, page, route
from .services import WebServices

STATIC = Path(__file__).with_name("static")
UPLOT = ("uPlot.iife.js", "uPlot.min.css")

_CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_SIGN_IN = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>SMOK</title>
<h1>Not signed in</h1>
<p>{reason}.</p>
</html>
"""


class Pages:
    """Handlers."""

    def __init__(self, services: WebServices) -> None:
        self._auth = services.auth
        self._files = {path.name: _file(path) for path in (*sorted(STATIC.iterdir()), *_uplot()) if _is_ours(path)}

    @page("GET", "/")
    def index(self, call: Call) -> Reply:
        """The page; what it shows it asks the API for."""
        return _unless_known(call, self._files["index.html"])

    @page("GET", "/static/<name>")
    def static(self, call: Call, name: str) -> Reply:
        """A file of the page."""
        if name not in self._files:
            raise NotFound(f"file {name!r} does not exist; the page names those that do")
        return _unless_known(call, self._files[name])

    @page("GET", "/signin", "token")
    def sign_in(self, call: Call) -> Reply:
        """Sign the browser in that follows a link, once."""
        try:
            cookie = self._auth.sign_in(call.query.text("token") or "", call.principal.source)
        except Problem as problem:
            reason = escape(problem.detail[0].upper() + problem.detail[1:])
            body = _SIGN_IN.format(reason=reason.replace("`smok login`", "<code>smok login</code>"))
            headers = {"Cache-Control": "no-store"} | problem.headers
            return Reply(body.encode(), _CONTENT_TYPES[".html"], problem.status, headers)
        cookie += "; Secure" if call.base_url.startswith("https:") else ""
        return Reply(b"", "text/plain", 303, {"Location": "/", "Set-Cookie": cookie, "Cache-Control": "no-store"})

    @route("POST", "/signin", rights=Rights.ADMIN)
    def new_link(self, call: Call) -> Any:
        """A link that signs one browser in."""
        return {"url": call.base_url + self._auth.new_link()}


def _uplot() -> list[Path]:
    spec = find_spec("uplot")
    if spec is None or not spec.submodule_search_locations:
        raise LocalError("the package uplot-python is not installed; `pip install uplot-python` brings the plots")
    return [Path(spec.submodule_search_locations[0], "static", name) for name in UPLOT]


def _is_ours(path: Path) -> bool:
    return path.suffix in _CONTENT_TYPES


def _file(path: Path) -> Reply:
    body = path.read_bytes()
    # Weak, because it goes out compressed or not (RFC 9110, 8.8.1).
    headers = {"ETag": f'W/"{hashlib.sha256(body).hexdigest()[:16]}"', "Cache-Control": "no-cache"}
    return Reply(body, _CONTENT_TYPES[path.suffix], headers=headers)


def _unless_known(call: Call, file: Reply) -> Reply:
    known = (call.header("If-None-Match") or "").split(",")
    if file.headers["ETag"] not in [tag.strip() for tag in known]:
        return file
    return Reply(b"", file.content_type, 304, file.headers)
