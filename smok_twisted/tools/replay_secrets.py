"""The secrets that open a capture: of as many devices as speak in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ..agent.settings import HEX_FORM, private_octets, suite_of
from ..errors import UserError

#: Of a secret file: tens of thousands of devices, and a remark for each.
FILE_OCTETS_AT_MOST = 4 << 20


def secrets_of(given: Iterable[str], files: Iterable[Path]) -> list[bytes]:
    """Each once: those ``given`` in hex, then those in ``files``. Raises UserError, which never shows one."""
    found = [_secret(text) for text in given]
    for path in files:
        found += read_secrets(path)
    return list(dict.fromkeys(found))


def read_secrets(path: Path) -> list[bytes]:
    """Hex digits, one secret a line; ``#`` begins a remark: the form that our Wireshark dissector takes too.

    Raises UserError for another form, and for a file that is open to others.
    """
    text = private_octets(path, FILE_OCTETS_AT_MOST).decode("utf-8", "replace")
    found = list(_in_lines(path, text.split("\n")))
    if not found:
        raise UserError(f"secret file {path} holds no secret: {HEX_FORM}, one a line")
    return found


def _in_lines(path: Path, lines: Iterable[str]) -> Iterator[bytes]:
    for number, line in enumerate(lines, 1):
        digits = "".join(line.partition("#")[0].split())
        try:
            if digits:
                yield _checked(digits)
        except (ValueError, UserError):
            raise UserError(f"secret file {path}, line {number}, is no secret: {HEX_FORM}, one a line") from None


def _secret(text: str) -> bytes:
    try:
        return _checked(text)
    except ValueError:
        raise UserError(f"--secret is not accepted: {HEX_FORM}") from None


def _checked(digits: str) -> bytes:
    """Raises ValueError for what is no hex, and UserError for a wrong length."""
    secret = bytes.fromhex(digits)
    suite_of(secret)
    return secret
