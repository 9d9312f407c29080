"""What an agent must be told, validated once at the edge (design note product, "Agent")."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ..cipher.record import Suite
from ..errors import UserError

DEFAULT_PORT = 2406
_SUITE_OF_LENGTH = {suite.secret_octets: suite for suite in Suite}
#: The accepted form of a secret, as errors say it.
HEX_FORM = "hex digits: 40 for suite 1, 64 for suite 2"
_ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^\s:\[\]]+))(?::(?P<port>[0-9]{1,5}))?")


class Address(NamedTuple):
    """Where a server listens."""

    host: str  #: a name, an IPv4 or an IPv6 address
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class AgentSettings:
    """One agent. Raises UserError for what cannot be."""

    server: Address  #: always among the addresses to dial, whatever the server says later
    device_id: int  #: u64
    secret: bytes = field(repr=False)  #: 20 octets (suite 1) or 32 (suite 2)
    modbus: str  #: the line, as ``modbus.lines.open_line`` takes it
    spool_folder: Path
    kid: int = 0  #: number of the slot that ``secret`` belongs to
    firmware: int = 0  #: u16, told to the server
    timeout_seconds: float = 2.0  #: how long a unit may take to answer

    def __post_init__(self) -> None:
        suite_of(self.secret)
        _check("device id", self.device_id, 0xFFFF_FFFF_FFFF_FFFF)
        _check("kid", self.kid, 0xFF)
        _check("firmware", self.firmware, 0xFFFF)


def suite_of(secret: bytes) -> Suite:
    """A secret's length says its suite. Raises UserError."""
    suite = _SUITE_OF_LENGTH.get(len(secret))
    if suite is None:
        raise UserError(f"a secret of {len(secret)} octets is not accepted: {HEX_FORM}")
    return suite


def parse_address(text: str, default_port: int = DEFAULT_PORT) -> Address:
    """``HOST[:PORT]``; an IPv6 address is in brackets when a port follows. Raises UserError."""
    without_port = text.count(":") > 1 and not text.startswith("[")
    match = _ADDRESS.fullmatch(f"[{text}]" if without_port else text)
    port = int(match["port"] or default_port) if match else 0
    if match is None or not 1 <= port <= 0xFFFF:
        raise UserError(f"server address {text!r} is not accepted: HOST or HOST:PORT, port 1..65535")
    return Address(match["name"] or match["v6"], port)


def parse_device_id(text: str) -> int:
    """A u64 in decimal or 0x-hex. Raises UserError."""
    if not re.fullmatch(r"[0-9]{1,20}|0[xX][0-9A-Fa-f]{1,16}", text):
        raise UserError(f"device id {text!r} is not accepted: a number 0..2^64-1, decimal or 0x and hex digits")
    return _check("device id", int(text, 0) if text[:2] in ("0x", "0X") else int(text), 0xFFFF_FFFF_FFFF_FFFF)


def read_secret(path: Path) -> bytes:
    """The secret in a file of hex digits that only its owner can read. Raises UserError."""
    return _secret_of(private_octets(path, 256), path)


def private_octets(path: Path, most: int) -> bytes:
    """The first ``most`` octets of a file that only its owner can read. Raises UserError."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            octets = file.read(most)
    except OSError as error:
        raise UserError(f"secret file {path} cannot be read: {error.strerror}") from None
    if mode & 0o077:
        raise UserError(f"secret file {path} is open to others (mode {mode:04o}): make it yours with chmod 600 {path}")
    return octets


def _secret_of(text: bytes, path: Path) -> bytes:
    try:
        secret = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        raise UserError(f"secret file {path} holds something else than a secret: {HEX_FORM}") from None
    if len(secret) not in _SUITE_OF_LENGTH:
        raise UserError(f"secret file {path} holds {len(secret)} octets: {HEX_FORM}")
    return secret


def _check(name: str, number: int, most: int) -> int:
    if not 0 <= number <= most:
        raise UserError(f"{name} {number} is not accepted: 0..{most}")
    return number
