"""The daemon's web site: one Klein application, and a twisted.web Site around it that strangers cannot fill."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

from klein import Klein
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import server
from twisted.web.resource import Resource
from werkzeug.exceptions import HTTPException

from .captures import Captures
from .commands import CommandHandlers
from .devices import Devices
from .export import Export
from .imports import Imports
from .modbus import Modbus
from .models import Models
from .pages import Pages
from .problems import Problem, internal
from .replies import problem_reply, put
from .routing import mount, refusal
from .services import WebServices
from .status import Status
from .trails import Trails
from .values import Values

BODY_OCTETS_AT_MOST = 1 << 20
#: A longer body is not even listened to any more.
_DRAINED_OCTETS = 16 << 20

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Request(server.Request):
    """A request whose body stays in bounds, and whose answer does not tell which versions run here."""

    _log = Logger()
    channel: Any
    _received_octets = 0

    def gotLength(self, length: int | None) -> None:
        """In memory: what is kept is small."""
        self.content = self._body = BytesIO()  # type: ignore[assignment]

    def handleContentChunk(self, data: bytes) -> None:
        """Keep what is allowed, let a little more go by so that the client can hear the refusal."""
        self._received_octets += len(data)
        if self._received_octets <= BODY_OCTETS_AT_MOST:
            self._body.write(data)
        elif self._received_octets > _DRAINED_OCTETS:
            self.channel.transport.abortConnection()

    def refused(self) -> Problem | None:
        """Why this is not even routed."""
        if self._received_octets > BODY_OCTETS_AT_MOST:
            return Problem(413, f"the body is too large; accepted are {BODY_OCTETS_AT_MOST} octets")
        try:
            unquote_to_bytes(self.path).decode()
        except UnicodeDecodeError:
            return Problem(400, "the address is not UTF-8; percent-encode its text as UTF-8")
        return None

    def getRequestHostname(self) -> bytes:
        """Klein asks, and stumbles over what strangers write into Host; no route depends on it."""
        return b"localhost"

    def write(self, data: bytes) -> None:
        """With the first octets go the headers."""
        if not self.startedWriting:
            self.responseHeaders.removeHeader("Server")
            for name, text in _HEADERS.items():
                self.setHeader(name, text)
        super().write(data)

    def processingFailed(self, reason: Failure) -> Failure:
        """A fault of ours outside of every handler."""
        self._log.failure("a request failed", failure=reason)
        self.write(put(problem_reply(internal()), self))
        self.finish()
        return reason


class _Refusal(Resource):
    """Answers everything with one problem."""

    isLeaf = True

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self._problem = problem

    def render(self, request: Any) -> bytes:
        body = put(problem_reply(self._problem), request)
        return b"" if request.method == b"HEAD" else body  # Twisted would log a line for each stranger who asks


class Site(server.Site):
    """Without an access log: Twisted's would stamp its lines by timers, which are monotonic here."""

    def __init__(self, resource: Any, reactor: Any) -> None:
        super().__init__(resource, Request, reactor=reactor, parsePOSTFormSubmission=False)

    def startFactory(self) -> None:
        """Nothing to open, no timer to set."""

    def stopFactory(self) -> None:
        """Nothing to close."""

    def log(self, request: Any) -> None:
        """Nothing: what users change is in the audit trail."""

    def getResourceFor(self, request: Any) -> Any:
        """The application, unless the request is refused before."""
        problem = request.refused()
        return _Refusal(problem) if problem is not None else super().getResourceFor(request)


def make_app(services: WebServices) -> Klein:
    """Every route, and what answers where there is none."""
    app = Klein()
    for kind in (Devices, Values, Export, Imports, CommandHandlers, Modbus, Captures, Models, Trails, Status, Pages):
        mount(app, kind(services), services.auth)

    @app.handle_errors(HTTPException)
    def unrouted(request: Any, failure: Any) -> bytes:
        return put(refusal(failure.value), request)

    return app


def make_site(services: WebServices, reactor: Any) -> Site:
    """What an endpoint listens with."""
    return Site(make_app(services).resource(), reactor)
