"""What a handler answers, and how it goes out: whole, with its length, compressed when that pays."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from twisted.web.http import NO_BODY_CODES

from .problems import CONTENT_TYPE, Problem

#: Shorter bodies fit a packet anyway.
_COMPRESS_FROM_OCTETS = 800
_COMPRESS_LEVEL = 6
_GZIP = re.compile(rb"(?:^|[\s,])gzip(?![^,]*;\s*q=0(?:\.0*)?\s*(?:,|$))", re.IGNORECASE)


@dataclass(frozen=True)
class Reply:
    """A whole response."""

    body: bytes
    content_type: str = "application/json"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    may_shrink: bool = True  #: whether to compress it; what is long and sealed only costs time


def json_reply(value: Any, status: int = 200, **headers: str) -> Reply:
    """``value`` as JSON; a header's name is written with ``_`` for ``-``."""
    body = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    names = {"Cache-Control": "no-store"} | {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(body, status=status, headers=names)


def problem_reply(problem: Problem) -> Reply:
    """The problem document."""
    headers = {"Cache-Control": "no-store"} | problem.headers
    return Reply(problem.document(), CONTENT_TYPE, problem.status, headers)


def put(reply: Reply, request: Any) -> bytes:
    """Set status and headers of a twisted.web request; the octets that are to be written to it."""
    body = reply.body
    request.setResponseCode(reply.status)
    request.setHeader("Content-Type", reply.content_type)
    for name, text in reply.headers.items():
        request.setHeader(name, text)
    if reply.may_shrink and len(body) >= _COMPRESS_FROM_OCTETS:
        request.setHeader("Vary", "Accept-Encoding")
        if _GZIP.search(b",".join(request.requestHeaders.getRawHeaders(b"Accept-Encoding", []))):
            request.setHeader("Content-Encoding", "gzip")
            body = gzip.compress(body, _COMPRESS_LEVEL, mtime=0)
    if reply.status not in NO_BODY_CODES:
        request.setHeader("Content-Length", str(len(body)))
    return body
