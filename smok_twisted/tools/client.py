"""The daemon's HTTP API (design note product, "HTTP API" and "Shapes"), by the standard library alone.

An answer that is no becomes ``Refused`` with the problem document's own text; none at all, or one that says to come
again later, ``Unreachable``. Proxies of the environment are not used: the daemon is near, or named outright.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from .access import Access
from .problems import NoAnswer, Refused, Unreachable

PREFIX = "/api/v1"
TIMEOUT_SECONDS = 30.0
#: Time-outs of somebody further on, and "come again later".
LATER = (408, 429, 502, 503, 504)
JSON = "application/json"
_PIECE_OCTETS = 1 << 16

Query = Mapping[str, Any]


class Answer(NamedTuple):
    """What came."""

    status: int
    reason: str
    content_type: str
    body: bytes


class Client:
    """Each method takes the parts of a path below the API, which may hold anything, and raises Refused or Unreachable.

    ``timeout_seconds`` is how long an answer may take.
    """

    def __init__(self, access: Access) -> None:
        self.url = access.url
        self._token = access.token

    def get(self, *parts: str, query: Query | None = None) -> Any:
        """What is there, as JSON; parameters that are None are left out."""
        return self._json(self._ask("GET", parts, query))

    def get_text(self, *parts: str) -> str:
        """What is there, as text."""
        return self._ask("GET", parts).body.decode(errors="replace")

    def get_octets(self, *parts: str) -> bytes:
        """What is there, as it is."""
        return self._ask("GET", parts).body

    def lines(self, *parts: str, query: Query | None = None) -> Iterator[str]:
        """What is there, line by line with their ends, however long. Raises NoAnswer when its end is missing."""
        with self._asked("GET", parts, query) as response:
            rest = b""
            while piece := response.read1(_PIECE_OCTETS):
                *lines, rest = (rest + piece).split(b"\n")
                yield from (f"{line.decode(errors='replace')}\n" for line in lines)
            if rest:
                yield rest.decode(errors="replace")

    def all(self, *parts: str) -> Any:
        """Every page of a list as one: ``{the list's name: [...], "next": null}``; the name is the last part."""
        answer = self.get(*parts)
        while answer["next"] is not None:
            page = self.get(*parts, query={"cursor": answer["next"]})
            answer = page | {parts[-1]: answer[parts[-1]] + page[parts[-1]]}
        return answer

    def post(
        self,
        *parts: str,
        body: Any,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> Any:
        """The JSON answer to a JSON object."""
        return self._json(self._ask("POST", parts, None, _octets(body), JSON, headers, timeout_seconds))

    def post_text(self, *parts: str, text: str, content_type: str) -> Any:
        """The JSON answer to ``text``."""
        return self._json(self._ask("POST", parts, None, text.encode(), content_type))

    def patch(self, *parts: str, body: Any) -> Any:
        """The JSON answer to a JSON object."""
        return self._json(self._ask("PATCH", parts, None, _octets(body)))

    def delete(self, *parts: str) -> None:
        """There is nothing to say when it is done."""
        self._ask("DELETE", parts)

    def _ask(
        self,
        method: str,
        parts: tuple[str, ...],
        query: Query | None = None,
        body: bytes | None = None,
        content_type: str = JSON,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> Answer:
        sent = {**(headers or {})} | ({} if body is None else {"Content-Type": content_type})
        with self._asked(method, parts, query, body, sent, timeout_seconds) as response:
            return _whole(response)

    @contextmanager
    def _asked(
        self,
        method: str,
        parts: tuple[str, ...],
        query: Query | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> Iterator[HTTPResponse]:
        """An answer that is yes, to be read while this lasts."""
        sent = {"Authorization": f"Bearer {self._token}", **(headers or {})}
        target = PREFIX + "".join(f"/{quote(part, safe='')}" for part in parts) + _query(query or {})
        url = urlsplit(self.url)
        kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
        connection = kind(url.hostname or "", url.port, timeout=timeout_seconds)
        try:
            self._connect(connection)
            connection.request(method, url.path + target, body, sent)
            response = connection.getresponse()
            if not 200 <= response.status < 300:
                raise self._refusal(_whole(response))
            yield response
        except TimeoutError:
            raise NoAnswer(f"no answer from {self.url} within {timeout_seconds:g} seconds") from None
        except (HTTPException, OSError) as error:
            raise NoAnswer(f"{self.url} took the request and broke off ({type(error).__name__})") from None
        finally:
            connection.close()

    def _refusal(self, answer: Answer) -> Exception:
        text = self._problem(answer)
        return Unreachable(text) if answer.status in LATER else Refused(text, answer.status)

    def _connect(self, connection: HTTPConnection) -> None:
        try:
            connection.connect()
        except OSError as error:
            reason = error.strerror or str(error) or type(error).__name__
            raise Unreachable(f"no daemon answers at {self.url} ({reason}); `twistd -n smok` starts one") from None

    @property
    def _stranger(self) -> str:
        return f"what answers at {self.url} is no SMOK daemon"

    def _problem(self, answer: Answer) -> str:
        """The sentence of a problem document (RFC 9457)."""
        try:
            problem = json.loads(answer.body)
            return str(problem.get("detail") or problem["title"])
        except (ValueError, AttributeError, KeyError):
            return f"{self._stranger} (it says {answer.status} {answer.reason})"

    def _json(self, answer: Answer) -> Any:
        try:
            return json.loads(answer.body)
        except ValueError:
            raise Refused(f"{self._stranger} (it sent {answer.content_type})") from None


def _whole(response: HTTPResponse) -> Answer:
    content_type = response.headers.get_content_type()
    return Answer(response.status, response.reason, content_type, response.read())


def _octets(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()


def _query(query: Query) -> str:
    given = {name: value for name, value in query.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""
