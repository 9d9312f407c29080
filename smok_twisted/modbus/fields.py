"""Reads one table of a TOML file key by key, and refuses what is not as it must be in one sentence.

The sentence names the file, the key, the reason and the accepted form.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import Any, NoReturn

from ..errors import UserError
from .durations import FORM, parse_duration_ms

#: The default of a key that has none.
REQUIRED: Any = object()

MAX_NUMBER = Decimal(10) ** 21
MAX_DECIMALS = 15
SHOWN_CHARACTERS = 60
PRINTABLE = r"[^\x00-\x1f\x7f]*"


class Fields:
    """The keys of one table; ``where`` says which (``boiler.toml: point "flow"``).

    Each method gives the value of a key, or ``default`` when it is absent, or raises UserError.
    """

    def __init__(self, table: Mapping[str, Any], where: str, accepted: Collection[str]) -> None:
        self.where = where
        self._table = table
        for key in table:
            if key not in accepted:
                meant = difflib.get_close_matches(key, accepted, 1)
                hint = f'did you mean "{meant[0]}"? ' if meant else ""
                raise UserError(f'{where}: unknown key "{key}", {hint}accepted are {", ".join(accepted)}')

    def has(self, key: str) -> bool:
        return key in self._table

    def refuse(self, key: str, reason: str) -> NoReturn:
        """Raise UserError about a key; ``reason`` goes on after its name."""
        raise UserError(f"{self.where}: {key} {reason}")

    def take(self, key: str, default: Any, is_right: Callable[[Any], bool], form: str) -> Any:
        """The value as it stands, if ``is_right``."""
        if key not in self._table:
            if default is REQUIRED:
                self.refuse(key, f"is missing, accepted is {form}")
            return default
        value = self._table[key]
        if not is_right(value):
            self.refuse(key, f"= {shown(value)} is not accepted, it must be {form}")
        return value

    def text(self, key: str, default: Any = REQUIRED, pattern: str = PRINTABLE, form: str = "one line") -> str:
        """A text that matches ``pattern`` from end to end."""

        def is_right(value: Any) -> bool:
            return isinstance(value, str) and re.fullmatch(pattern, value) is not None

        value: str = self.take(key, default, is_right, form)
        return value

    def choice(self, key: str, default: Any, options: Collection[str]) -> str:
        """One of the texts in ``options``."""
        form = "one of " + ", ".join(options)
        value: str = self.take(key, default, lambda it: isinstance(it, str) and it in options, form)
        return value

    def flag(self, key: str, default: bool) -> bool:
        """true or false."""
        value: bool = self.take(key, default, lambda it: isinstance(it, bool), "true or false")
        return value

    def integer(self, key: str, default: Any, lowest: int, highest: int) -> int:
        """A whole number within the range."""
        form = f"a whole number from {lowest} to {highest}"
        value: int = self.take(key, default, lambda it: is_integer(it) and lowest <= it <= highest, form)
        return value

    def number(self, key: str, default: Any) -> Decimal:
        """A whole number or a decimal, exactly as written."""
        form = f"a number with at most {MAX_DECIMALS} decimals, below 1e21"
        value = self.take(key, default, _is_number, form)
        return Decimal(value)

    def plain(self, key: str, default: float | None) -> float | None:
        """A number for comparing: an int if it is whole, else a float; ``default`` as it is."""
        if not self.has(key):
            return default
        number = self.number(key, REQUIRED)
        return int(number) if number == int(number) else float(number)

    def duration_ms(self, key: str, default: Any, lowest_ms: int = 0) -> int:
        """A duration such as ``5m``, in milliseconds; a default is in milliseconds too."""
        if not self.has(key):
            return int(default)
        text = self.take(key, default, lambda it: isinstance(it, str), FORM)
        try:
            value_ms = parse_duration_ms(text)
        except UserError as error:
            self.refuse(key, f"= {error}")
        if value_ms < lowest_ms:
            self.refuse(key, f"= {shown(text)} is not accepted, it must be at least {lowest_ms}ms")
        return value_ms


def is_integer(value: Any) -> bool:
    """Whether TOML means a whole number; Python counts true and false among them."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        return isinstance(exponent, int) and exponent >= -MAX_DECIMALS and -MAX_NUMBER < value < MAX_NUMBER
    return is_integer(value) and -MAX_NUMBER < value < MAX_NUMBER


def shown(value: Any) -> str:
    """``value`` as a user wrote it, more or less; long ones are cut."""
    text = str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."
