"""Which nonces a device has used: a repeat is a security event (design note smok4, "Nonces").

A stranger can send any nonce in a HELLO, so ask only about those of a LOGIN that has verified.
"""

from __future__ import annotations

import enum
from struct import Struct

from ..errors import StorageError
from .messages import Hello

REMEMBERED = 256

_HIGHEST = Struct(">?Q")  # whether there is one, and which
_NONCE = Struct(">Q")


class Verdict(enum.Enum):
    """What ``NonceMemory.seen`` answers."""

    FRESH = "fresh"
    REPEAT = "repeat"


class NonceMemory:
    """The nonces of one device: the last 256, or only the highest of those that are unique for good."""

    def __init__(self) -> None:
        self._highest: int | None = None
        self._recent: list[int] = []

    def seen(self, hello: Hello) -> Verdict:
        """Whether the nonce of ``hello`` is new; it is remembered from now on."""
        fresh = self._is_higher(hello.nonce) if hello.nonce_is_unique_for_good else self._is_new(hello.nonce)
        return Verdict.FRESH if fresh else Verdict.REPEAT

    def _is_higher(self, nonce: int) -> bool:
        if self._highest is not None and nonce <= self._highest:
            return False
        self._highest = nonce
        return True

    def _is_new(self, nonce: int) -> bool:
        if nonce in self._recent:
            return False
        self._recent = [*self._recent, nonce][-REMEMBERED:]
        return True

    def to_octets(self) -> bytes:
        """For the store: 9 to 2057 octets."""
        head = _HIGHEST.pack(self._highest is not None, self._highest or 0)
        return head + b"".join(map(_NONCE.pack, self._recent))

    @classmethod
    def from_octets(cls, octets: bytes) -> NonceMemory:
        """The inverse. Raises StorageError for a length that ``to_octets`` never gives."""
        recent, rest = divmod(len(octets) - _HIGHEST.size, _NONCE.size)
        if rest or not 0 <= recent <= REMEMBERED:
            raise StorageError(f"a nonce memory of {len(octets)} octets is damaged: 9 + 8 for each nonce is right")
        memory = cls()
        there, highest = _HIGHEST.unpack_from(octets)
        memory._highest = highest if there else None
        memory._recent.extend(nonce for (nonce,) in _NONCE.iter_unpack(octets[_HIGHEST.size :]))
        return memory
