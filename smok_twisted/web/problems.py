"""What goes wrong, as a problem document (RFC 9457): status, title and the one sentence that a user reads.

Status codes are those of design note product, "Shapes".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from werkzeug.exceptions import HTTPException, MethodNotAllowed

from ..devices.orders import NotSent
from ..errors import Conflict, Impossible, NotAllowed, NotFound, StorageError, UserError

CONTENT_TYPE = "application/problem+json"

#: Seconds after which it makes sense to ask again.
_LINK_RETRY_SECONDS = 5
_STORE_RETRY_SECONDS = 30


class Problem(Exception):
    """An answer that is no. ``headers`` go with it."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})

    def document(self) -> bytes:
        """The body."""
        title = HTTPStatus(self.status).phrase
        members = {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail}
        return json.dumps(members).encode()


#: The first one that fits counts.
_STATUS_OF = ((NotFound, 404), (NotAllowed, 403), (Impossible, 422), (Conflict, 409), (UserError, 400))


def problem_of(error: BaseException) -> Problem | None:
    """The problem that ``error`` is to a user; None: it is a fault of this program."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, NotSent):
        return unavailable(str(error), _LINK_RETRY_SECONDS)
    if isinstance(error, StorageError):
        return unavailable(str(error), _STORE_RETRY_SECONDS)
    if isinstance(error, HTTPException):
        return _of_routing(error)
    return next((Problem(status, str(error)) for kind, status in _STATUS_OF if isinstance(error, kind)), None)


def unavailable(detail: str, retry_seconds: int) -> Problem:
    """Not now."""
    return Problem(503, detail, {"Retry-After": str(retry_seconds)})


def internal() -> Problem:
    """A fault of this program; what it is stands in the log."""
    return Problem(500, "an internal error; the log of the daemon says more")


def _of_routing(error: HTTPException) -> Problem:
    if isinstance(error, MethodNotAllowed):
        accepted = ", ".join(sorted(error.valid_methods or ()))
        return Problem(405, f"this method is not accepted here; accepted are {accepted}", {"Allow": accepted})
    return Problem(404, "there is nothing at this address; /api/v1/openapi.json lists what there is")
