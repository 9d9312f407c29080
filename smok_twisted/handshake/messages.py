"""The four messages of the login: HELLO, CHOICE, LOGIN, WELCOME (design note smok4, "Hello and choice", "Login").

``encode`` gives octets (struct.error for a number that does not fit), ``decode`` takes them back and raises
RemoteError: ``bad-length``, ``bad-magic``, ``bad-version``, ``bad-type`` or ``bad-keepalive``.
"""

from __future__ import annotations

from struct import Struct
from typing import Any, NamedTuple

from ..errors import RemoteError

MAGIC = b"S4"
VERSION = 4

#: Bit of ``Hello.offer``: the device never repeats a nonce, and each is larger than the one before.
NONCE_UNIQUE_FOR_GOOD = 0x80

#: Bits of ``Login.flags``.
HAS_CLOCK = 1  #: ages are computed from the device's own clock
KEEPS_BATCHES = 2  #: unsent batches survive a reboot

_HELLO = Struct(">2sBBQQ")
_CHOICE = Struct(">BQ")
_LOGIN = Struct(">BBBHHHH")
_WELCOME = Struct(">BIBBH")
_LOGIN_TYPE = 0x01
_WELCOME_TYPE = 0x02


class Hello(NamedTuple):
    """What a device says first, in the clear."""

    offer: int  #: bit 0 suite 1, bit 1 suite 2, bit 7 ``NONCE_UNIQUE_FOR_GOOD``; others are kept and ignored
    kid: int  #: number of the key slot
    device_id: int  #: u64
    nonce: int  #: Nd, u64; never repeats under one secret

    def offers(self, suite: int) -> bool:
        """Whether the device can speak ``suite``."""
        return bool(self.offer >> (suite - 1) & 1)

    @property
    def nonce_is_unique_for_good(self) -> bool:
        """Whether the device promises that its nonces only grow."""
        return bool(self.offer & NONCE_UNIQUE_FOR_GOOD)

    def encode(self) -> bytes:
        """20 octets."""
        return _HELLO.pack(MAGIC, self.offer, self.kid, self.device_id, self.nonce)

    @classmethod
    def decode(cls, octets: bytes) -> Hello:
        """From exactly 20 octets."""
        magic, *fields = _unpack(_HELLO, octets)
        if magic != MAGIC:
            raise RemoteError("bad-magic", magic.hex())
        return cls(*fields)


class Choice(NamedTuple):
    """What the server answers, in the clear."""

    suite: int  #: 0..15
    nonce: int  #: Ns, u64

    def encode(self) -> bytes:
        """9 octets."""
        return _CHOICE.pack(VERSION << 4 | self.suite, self.nonce)

    @classmethod
    def decode(cls, octets: bytes) -> Choice:
        """From exactly 9 octets."""
        first, nonce = _unpack(_CHOICE, octets)
        if first >> 4 != VERSION:
            raise RemoteError("bad-version", str(first >> 4))
        return cls(first & 0x0F, nonce)


class Login(NamedTuple):
    """The first record of a device: it proves the key and says where the device is."""

    flags: int  #: ``HAS_CLOCK``, ``KEEPS_BATCHES``; others are ignored
    max_rx: int  #: the longest body that the device can take, octets
    firmware: int
    boot: int  #: the epoch of the batch numbers
    tick: int  #: uptime, seconds mod 2**16
    cursor: int  #: newest batch that the device holds

    def encode(self) -> bytes:
        """A body of 11 octets."""
        return _LOGIN.pack(_LOGIN_TYPE, *self)

    @classmethod
    def decode(cls, body: bytes) -> Login:
        """From a body of exactly 11 octets."""
        return cls(*_fields(_LOGIN, _LOGIN_TYPE, body))


class Welcome(NamedTuple):
    """The first record of the server: it proves the key and says what is stored."""

    unixtime: int  #: seconds since 1970, UTC
    keepalive_10s: int  #: 1..255, in units of 10 s
    flags: int  #: none yet
    cursor: int  #: newest batch of this boot that is durable; 0: none yet

    def encode(self) -> bytes:
        """A body of 9 octets."""
        return _WELCOME.pack(_WELCOME_TYPE, *self)

    @classmethod
    def decode(cls, body: bytes) -> Welcome:
        """From a body of exactly 9 octets."""
        welcome = cls(*_fields(_WELCOME, _WELCOME_TYPE, body))
        if not welcome.keepalive_10s:
            raise RemoteError("bad-keepalive", "0 s")
        return welcome


def _unpack(shape: Struct, octets: bytes) -> tuple[Any, ...]:
    if len(octets) != shape.size:
        raise RemoteError("bad-length", f"{len(octets)} octets instead of {shape.size}")
    return shape.unpack(octets)


def _fields(shape: Struct, type_: int, body: bytes) -> tuple[int, ...]:
    found, *fields = _unpack(shape, body)
    if found != type_:
        raise RemoteError("bad-type", f"{found:02x} instead of {type_:02x}")
    return tuple(fields)
