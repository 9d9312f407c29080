"""What a request says, read name by name: members of a JSON object and parameters of a query.

Pure. What is unknown or wrong is refused by name, with the accepted form: UserError when it is malformed, Impossible
when it is well formed and out of range.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping
from typing import Any, NoReturn

from ..clock import parse_rfc3339, rfc3339
from ..errors import Impossible, UserError

#: The default of what has none.
REQUIRED: Any = object()

TIME_FORM = "an RFC 3339 time such as 2026-01-31T12:00:00Z (in a query, + is written %2B)"
_TEXT_CHARACTERS_AT_MOST = 200
_INTEGER = re.compile(r"-?[0-9]{1,18}")


def parse_json(body: bytes) -> Any:
    """The value in ``body``; nothing at all stands for an empty object. Raises UserError."""
    if not body.strip():
        return {}
    try:
        value = json.loads(body.decode(), parse_constant=_refuse_constant, object_pairs_hook=_without_repeats)
        json.dumps(value, ensure_ascii=False).encode()  # lone surrogates are no text
    except RecursionError:
        raise UserError("the body is nested too deep; accepted is a JSON object as in /api/v1/openapi.json") from None
    except ValueError as error:
        raise UserError(f"the body is not JSON: {error}") from None
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("a member is there twice")
    return table


class Members:
    """The members of a JSON object. Each method gives one, or ``default`` when it is absent, or raises."""

    def __init__(self, value: Any, accepted: Collection[str]) -> None:
        if not isinstance(value, dict):
            raise UserError(f"the body is not a JSON object; accepted members are {', '.join(accepted)}")
        _refuse_unknown("member", value, accepted)
        self._table = value

    def has(self, name: str) -> bool:
        return name in self._table

    def any(self, name: str, default: Any, kinds: tuple[type, ...], form: str) -> Any:
        """A member of one of these types; bool counts as a number only where it is named."""
        if name not in self._table:
            if default is REQUIRED:
                raise UserError(f"{name} is missing; accepted is {form}")
            return default
        value = self._table[name]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            refuse(name, value, form)
        return value

    def text(self, name: str, default: Any = REQUIRED, form: str = "a text of one line") -> Any:
        """A text without control characters."""
        value = self.any(name, default, (str,) if default is REQUIRED else (str, type(default)), form)
        if isinstance(value, str) and (len(value) > _TEXT_CHARACTERS_AT_MOST or not value.isprintable()):
            refuse(name, value, f"{form} with up to {_TEXT_CHARACTERS_AT_MOST} characters")
        return value

    def flag(self, name: str, default: bool) -> bool:
        """true or false."""
        value: bool = self.any(name, default, (bool,), "true or false")
        return value

    def integer(self, name: str, default: Any = REQUIRED) -> Any:
        """A whole number."""
        return self.any(name, default, (int,), "a whole number")

    def one_of(self, name: str, default: Any, options: Collection[Any]) -> Any:
        """One of ``options``, which are of one type. Raises Impossible for another one."""
        form = "one of " + ", ".join(json.dumps(option) for option in options)
        value = self.any(name, default, (type(next(iter(options))),), form)
        if value not in options:
            raise Impossible(_refusal(name, value, form))
        return value

    def list_of(self, name: str, default: Any, kinds: tuple[type, ...], form: str) -> Any:
        """A list of members of these types."""
        value = self.any(name, default, (list,), form)
        if any(not isinstance(one, kinds) or (isinstance(one, bool) and bool not in kinds) for one in value):
            refuse(name, value, form)
        return value

    def time_us(self, name: str, default: Any) -> int | None:
        """A time, or null; microseconds since 1970."""
        value = self.any(name, default, (str, type(None)), f"{TIME_FORM}, or null")
        return _time_us(name, value) if isinstance(value, str) else value


class Query:
    """The parameters of a query, each there once. Like ``Members``, but all are texts."""

    def __init__(self, parameters: Mapping[bytes, list[bytes]], accepted: Collection[str]) -> None:
        try:
            texts = {name.decode(): [one.decode() for one in values] for name, values in parameters.items()}
        except UnicodeDecodeError:
            raise UserError("the query is not UTF-8; percent-encode its text as UTF-8") from None
        _refuse_unknown("query parameter", texts, accepted)
        for name, values in texts.items():
            if len(values) > 1:
                raise UserError(f"query parameter {name} is there {len(values)} times; accepted is one")
        self._texts = {name: values[0] for name, values in texts.items()}

    def text(self, name: str) -> str | None:
        return self._texts.get(name)

    def integer(self, name: str, default: int | None, least: int, most: int) -> Any:
        """A whole number within the range. Raises Impossible outside of it."""
        text = self._texts.get(name)
        if text is None:
            return default
        form = f"a whole number from {least} to {most}"
        if not _INTEGER.fullmatch(text):
            refuse(name, text, form)
        if not least <= int(text) <= most:
            raise Impossible(_refusal(name, int(text), form))
        return int(text)

    def one_of(self, name: str, options: Collection[str]) -> str | None:
        """One of ``options``."""
        text = self._texts.get(name)
        if text is not None and text not in options:
            refuse(name, text, f"one of {', '.join(options)}")
        return text

    def time_us(self, name: str, default: int) -> int:
        """A time; microseconds since 1970."""
        text = self._texts.get(name)
        return default if text is None else _time_us(name, text)


def seconds(name: str, value: float | None) -> float | None:
    """``value`` if it is a length of time that can be. Raises Impossible."""
    if value is not None and not (0 < value < math.inf):
        raise Impossible(_refusal(name, value, "a number of seconds above 0"))
    return value


def refuse(name: str, value: Any, form: str) -> NoReturn:
    """Raise UserError: this is malformed."""
    raise UserError(_refusal(name, value, form))


def _refusal(name: str, value: Any, form: str) -> str:
    shown = json.dumps(value, ensure_ascii=False)
    return f"{name} = {shown if len(shown) <= 60 else shown[:57] + '...'} is not accepted: {form}"


def _refuse_unknown(what: str, given: Collection[str], accepted: Collection[str]) -> None:
    unknown = next((name for name in given if name not in accepted), None)
    if unknown is not None:
        raise UserError(f"{what} {unknown[:60]!r} is unknown; accepted are {', '.join(accepted) or 'none'}")


def _time_us(name: str, text: str) -> int:
    try:
        time_us = parse_rfc3339(text)
        rfc3339(time_us)  # what is taken can also be shown
    except (ValueError, OverflowError):
        refuse(name, text, TIME_FORM)
    return time_us
