"""Records: bodies that nobody else can read, change, repeat, drop or reorder (design note smok4, "Record").

``L (1) | C (L octets) | tag``. An ``Aead`` is what a suite does to one record; ``RecordSealer`` and
``RecordOpener`` count the records of one direction. For suite 1 the compiled pair does both in one call.
"""

from __future__ import annotations

import enum
import hmac
from dataclasses import dataclass, field
from typing import Protocol

from Crypto.Cipher import ChaCha20_Poly1305

from ..errors import LocalError, RemoteError
from ..interfaces import Opener, Sealer
from . import rabbit

MAX_BODY_OCTETS = 255
MAX_RECORDS = 2**32 - 1  #: per direction; then the connection is renewed


class Suite(enum.IntEnum):
    """What HELLO and CHOICE negotiate."""

    RABBIT_SHA1 = 1
    CHACHA20_POLY1305 = 2

    @property
    def secret_octets(self) -> int:
        """Length of a device's secret, and of the keys derived from it."""
        return 20 if self is Suite.RABBIT_SHA1 else 32

    @property
    def tag_octets(self) -> int:
        """Length of a record's tag."""
        return 8 if self is Suite.RABBIT_SHA1 else 16


class Aead(Protocol):
    """Encrypts and proves one record; knows nothing of the others."""

    tag_octets: int

    def encrypt(self, seq: int, length: bytes, body: bytes) -> bytes:
        """C and tag of record number ``seq``; ``length`` is L, which the tag covers."""

    def decrypt(self, seq: int, length: bytes, text: bytes, tag: bytes) -> bytes | None:
        """The body, or None when the tag is not the right one."""


class RabbitSha1:
    """Suite 1. ``cipher``: Rabbit key (16 octets) and IV salt (4); ``mac``: key of the tag (20)."""

    tag_octets = Suite.RABBIT_SHA1.tag_octets

    def __init__(self, cipher: bytes, mac: bytes) -> None:
        self._master = rabbit.key_setup(cipher[: rabbit.KEY_OCTETS])
        self._salt = cipher[rabbit.KEY_OCTETS :]
        self._mac = hmac.new(mac, digestmod="sha1")

    def encrypt(self, seq: int, length: bytes, body: bytes) -> bytes:
        """See ``Aead``."""
        text = self._crypt(seq, body)
        return text + self._tag(seq, length, text)

    def decrypt(self, seq: int, length: bytes, text: bytes, tag: bytes) -> bytes | None:
        """See ``Aead``."""
        if not hmac.compare_digest(self._tag(seq, length, text), tag):
            return None
        return self._crypt(seq, text)

    def _crypt(self, seq: int, data: bytes) -> bytes:
        state = rabbit.iv_setup(self._master, self._salt + seq.to_bytes(4))
        return rabbit.xor(data, rabbit.keystream(state, len(data))[0])

    def _tag(self, seq: int, length: bytes, text: bytes) -> bytes:
        mac = self._mac.copy()
        mac.update(seq.to_bytes(4) + length + text)
        return mac.digest()[: self.tag_octets]


class ChaCha20Poly1305:
    """Suite 2 (RFC 8439). ``key`` has 32 octets."""

    tag_octets = Suite.CHACHA20_POLY1305.tag_octets

    def __init__(self, key: bytes) -> None:
        self._key = key

    def encrypt(self, seq: int, length: bytes, body: bytes) -> bytes:
        """See ``Aead``."""
        return b"".join(self._record(seq, length).encrypt_and_digest(body))

    def decrypt(self, seq: int, length: bytes, text: bytes, tag: bytes) -> bytes | None:
        """See ``Aead``."""
        try:
            return self._record(seq, length).decrypt_and_verify(text, tag)
        except ValueError:
            return None

    def _record(self, seq: int, length: bytes) -> ChaCha20_Poly1305.ChaCha20Poly1305Cipher:
        record = ChaCha20_Poly1305.new(key=self._key, nonce=seq.to_bytes(12))
        record.update(length)
        return record


class NullAead:
    """Hides and proves nothing: for captures and tests."""

    tag_octets = 0

    def encrypt(self, seq: int, length: bytes, body: bytes) -> bytes:
        """``body`` as it is."""
        return body

    def decrypt(self, seq: int, length: bytes, text: bytes, tag: bytes) -> bytes | None:
        """``text`` as it is."""
        return text


class RecordSealer:
    """The sending half of one direction; see ``interfaces.Sealer``. ``seq`` numbers the first record."""

    def __init__(self, aead: Aead, seq: int = 0) -> None:
        self.tag_octets = aead.tag_octets
        self._aead = aead
        self._seq = seq

    def seal(self, body: bytes) -> bytes:
        """``body`` (1..255 octets) as a whole record.

        Raises LocalError on a wrong length or after the last record.
        """
        if not 1 <= len(body) <= MAX_BODY_OCTETS:
            raise LocalError(f"a record's body has 1 to {MAX_BODY_OCTETS} octets, not {len(body)}")
        if self._seq >= MAX_RECORDS:
            raise LocalError("all 2**32 - 1 records of this direction are used")
        length = bytes([len(body)])
        record = length + self._aead.encrypt(self._seq, length, body)
        self._seq += 1
        return record


class RecordOpener:
    """The receiving half of one direction; see ``interfaces.Opener``. ``seq`` numbers the first record."""

    def __init__(self, aead: Aead, seq: int = 0) -> None:
        self.tag_octets = aead.tag_octets
        self._aead = aead
        self._seq = seq

    def open(self, record: bytes) -> bytes:
        """The body of a whole record.

        Raises RemoteError("bad-tag") for anything but the next record of this direction, and
        RemoteError("exhausted") after the last one; neither changes the state.
        """
        if self._seq >= MAX_RECORDS:
            raise RemoteError("exhausted")
        body = self._verified(record)
        if body is None:
            raise RemoteError("bad-tag")
        self._seq += 1
        return body

    def _verified(self, record: bytes) -> bytes | None:
        octets = len(record) - 1 - self.tag_octets
        if octets < 1 or record[0] != octets:
            return None
        return self._aead.decrypt(self._seq, record[:1], record[1 : 1 + octets], record[1 + octets :])


@dataclass(frozen=True)
class DirectionKeys:
    """The keys of one direction: ``cipher`` is B1 or B3; ``mac`` is B2 or B4, which suite 2 does without.

    Raises LocalError when their lengths do not suit the suite.
    """

    suite: Suite
    cipher: bytes = field(repr=False)
    mac: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        octets = self.suite.secret_octets
        if len(self.cipher) != octets or (self.suite is Suite.RABBIT_SHA1 and len(self.mac) != octets):
            raise LocalError(f"keys of suite {self.suite.value} have {octets} octets each")

    def sealer(self, seq: int = 0) -> Sealer:
        """A fresh sending half; ``seq`` is the number of its first record."""
        native = rabbit.compiled()
        if native and self.suite is Suite.RABBIT_SHA1:
            sealer: Sealer = native.Sealer(self.cipher, self.mac, seq)
            return sealer
        return RecordSealer(self._aead(), seq)

    def opener(self, seq: int = 0) -> Opener:
        """A fresh receiving half; ``seq`` is the number of its first record."""
        native = rabbit.compiled()
        if native and self.suite is Suite.RABBIT_SHA1:
            opener: Opener = native.Opener(self.cipher, self.mac, seq)
            return opener
        return RecordOpener(self._aead(), seq)

    def _aead(self) -> Aead:
        if self.suite is Suite.RABBIT_SHA1:
            return RabbitSha1(self.cipher, self.mac)
        return ChaCha20Poly1305(self.cipher)
