"""JSON of any length, written as it is made: what is long stands one row a line. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

#: The compiled encoder takes no indentation: that is made here.
_encode = json.JSONEncoder(ensure_ascii=False).encode
_INDENT = "  "


def written(value: Any, depth: int, indent: str = "") -> Iterator[str]:
    """The text of ``value`` in parts: down to ``depth`` each member has its line, what is deeper shares one.

    An iterator stands for a list; its elements are made when their turn comes, so it is above ``depth``.
    """
    inner = indent + _INDENT
    if depth and isinstance(value, dict):
        members = (chain((f"{_encode(key)}: ",), written(one, depth - 1, inner)) for key, one in value.items())
        yield from _listed("{}", members, indent)
    elif depth and isinstance(value, list | Iterator):
        yield from _listed("[]", (written(one, depth - 1, inner) for one in value), indent)
    else:
        yield _encode(value)


def _listed(brackets: str, members: Iterator[Iterable[str]], indent: str) -> Iterator[str]:
    before = f"{brackets[0]}\n"
    for member in members:
        yield f"{before}{indent}{_INDENT}"
        yield from member
        before = ",\n"
    yield brackets if before[0] == brackets[0] else f"\n{indent}{brackets[1]}"
