"""From a request to a handler and back: rights, query, errors - the same for every route.

A handler is a method marked by ``route``; it gets a ``Call`` and the parts of its path, and answers a ``Reply``, a
``Stream`` or what becomes JSON, at once or as a coroutine. What it began goes on when the client does not wait for the
end; a stream ends.
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from klein import Klein
from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..errors import NotAllowed
from ..framing.admission import source_of
from .auth import Auth, Credentials, Principal
from .members import Members, Query, parse_json
from .problems import internal, problem_of
from .replies import Reply, json_reply, problem_reply, put
from .streams import Sender, Stream

log = Logger()

Method = TypeVar("Method", bound=Callable[..., Any])

API = "/api/v1"


class Rights(enum.Enum):
    """Who may ask."""

    ANYONE = "anyone"
    SIGNED_IN = "signed in"
    ADMIN = "admin"


class Route(NamedTuple):
    """What a handler answers to."""

    method: str
    path: str
    query: tuple[str, ...]  #: the parameters that are accepted
    rights: Rights


def route(method: str, path: str, *query: str, rights: Rights = Rights.SIGNED_IN) -> Callable[[Method], Method]:
    """Mark a method as the handler of ``path`` below the API (``<name>`` is a part of it)."""
    return page(method, API + path, *query, rights=rights)


def page(method: str, path: str, *query: str, rights: Rights = Rights.ANYONE) -> Callable[[Method], Method]:
    """The same for what lies outside of the API."""

    def mark(handler: Method) -> Method:
        handler.route = Route(method, path, query, rights)  # type: ignore[attr-defined]
        return handler

    return mark


@dataclass(frozen=True)
class Call:
    """A request as handlers see it."""

    principal: Principal
    query: Query
    body: bytes
    base_url: str  #: as the client wrote it: ``http://host:port``
    header: Callable[[str], str | None]  #: the last one of that name

    def members(self, *accepted: str) -> Members:
        """The body, which is a JSON object with no other members than these."""
        return Members(parse_json(self.body), accepted)


def mount(app: Klein, handlers: object, auth: Auth) -> None:
    """Let ``app`` serve every marked method of ``handlers``."""
    for name, handler in inspect.getmembers(handlers, inspect.ismethod):
        marked: Route | None = getattr(handler, "route", None)
        if marked is not None:
            endpoint = f"{type(handlers).__name__}.{name}"
            app.route(marked.path, methods=[marked.method], endpoint=endpoint)(_served(marked, handler, auth))


def _served(marked: Route, handler: Callable[..., Any], auth: Auth) -> Callable[..., Deferred[bytes]]:
    def serve(request: Any, **parts: str) -> Deferred[bytes]:
        # Klein cancels what it waits for when the client has gone; work half done would be worse than work unheard.
        heard: Deferred[Reply | Stream] = Deferred()
        _answer(marked, handler, auth, request, parts).chainDeferred(heard)
        return heard.addCallback(_put, request)

    return serve


def _put(reply: Reply | Stream, request: Any) -> bytes | Deferred[bytes]:
    if isinstance(reply, Stream):
        return Deferred.fromCoroutine(Sender(reply, request).send())
    return put(reply, request)


@inlineCallbacks
def _answer(
    marked: Route, handler: Callable[..., Any], auth: Auth, request: Any, parts: dict[str, str]
) -> Generator[Deferred[Any], Any, Reply | Stream]:
    try:
        call = _call(marked, auth, request)
        result = yield maybeDeferred(handler, call, **parts)
        return result if isinstance(result, Reply | Stream) else json_reply(result)
    except Exception as error:
        return refusal(error)


def refusal(error: BaseException) -> Reply:
    """The problem document for ``error``; a fault of ours is logged."""
    problem = problem_of(error)
    if problem is None:
        log.failure("a request failed", failure=Failure(error))
    return problem_reply(problem or internal())


def _call(marked: Route, auth: Auth, request: Any) -> Call:
    def header(name: str) -> str | None:
        octets = request.getHeader(name.encode())
        return None if octets is None else octets.decode("latin-1").strip()

    source = source_of(getattr(request.getClientAddress(), "host", "local"))
    principal = Principal("anyone", source, admin=False)
    if marked.rights is not Rights.ANYONE:
        cookies = {name.decode("latin-1"): text.decode("latin-1") for name, text in request.received_cookies.items()}
        is_marked, is_change = header("X-SMOK") == "1", marked.method != "GET"
        principal = auth.authenticate(Credentials(header("Authorization"), cookies, source, is_change, is_marked))
    if marked.rights is Rights.ADMIN:
        require_admin(principal)
    scheme = "https" if request.isSecure() else "http"
    base_url = f"{scheme}://{header('Host') or 'localhost'}"
    return Call(principal, Query(request.args, marked.query), request.content.read(), base_url, header)


def require_admin(principal: Principal) -> None:
    """Raises NotAllowed for anybody else."""
    if not principal.admin:
        raise NotAllowed("this needs the admin token, which is in admin.token in the daemon's data folder")
