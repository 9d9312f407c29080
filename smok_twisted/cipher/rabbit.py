"""The Rabbit stream cipher (RFC 4503) in plain Python, and the choice between it and the compiled one.

Octets are in the RFC's order: the first one of key, IV and block is the most significant. (Libraries in the
eSTREAM tradition take the key, the IV and each block of 16 octets reversed.) Section numbers are the RFC's.
"""

from __future__ import annotations

import os
from struct import Struct
from types import ModuleType
from typing import Protocol

from ..errors import LocalError

try:
    from . import _rabbit  # type: ignore[attr-defined]
except ImportError:  # not compiled
    _rabbit = None

KEY_OCTETS = 16
IV_OCTETS = 8
BLOCK_OCTETS = 16

Words = tuple[int, ...]
#: Section 2.2: X0..X7; the counters C0..C7 side by side in one integer, C0 lowest; the carry b.
#: So the addition with a carry from counter to counter (section 2.5) is one addition.
State = tuple[Words, int, int]

_SUBKEYS = Struct(">8H")
_EIGHT_WORDS = Struct("<8I")
_BLOCK = Struct(">4I")
_WORD = 0xFFFFFFFF
_COUNTERS_BITS = 256
_COUNTERS = (1 << _COUNTERS_BITS) - 1
#: A7..A0 of section 2.5, side by side as the counters are.
_STEPS = 0xD34D34D3_4D34D34D_34D34D34_D34D34D3_4D34D34D_34D34D34_D34D34D3_4D34D34D


def join_words(words: Words) -> int:
    """Eight words side by side, the first lowest."""
    return int.from_bytes(_EIGHT_WORDS.pack(*words), "little")


def split_words(joined: int) -> Words:
    """The inverse of ``join_words``."""
    return _EIGHT_WORDS.unpack(joined.to_bytes(_EIGHT_WORDS.size, "little"))


def next_state(state: State) -> State:
    """Sections 2.5 and 2.6: one iteration. Written out word by word, for speed."""
    (x0, x1, x2, x3, x4, x5, x6, x7), counters, carry = state
    counters += _STEPS + carry
    carry = counters >> _COUNTERS_BITS
    counters &= _COUNTERS
    c0, c1, c2, c3, c4, c5, c6, c7 = split_words(counters)
    square = (x0 + c0 & _WORD) ** 2
    g0 = (square ^ square >> 32) & _WORD
    square = (x1 + c1 & _WORD) ** 2
    g1 = (square ^ square >> 32) & _WORD
    square = (x2 + c2 & _WORD) ** 2
    g2 = (square ^ square >> 32) & _WORD
    square = (x3 + c3 & _WORD) ** 2
    g3 = (square ^ square >> 32) & _WORD
    square = (x4 + c4 & _WORD) ** 2
    g4 = (square ^ square >> 32) & _WORD
    square = (x5 + c5 & _WORD) ** 2
    g5 = (square ^ square >> 32) & _WORD
    square = (x6 + c6 & _WORD) ** 2
    g6 = (square ^ square >> 32) & _WORD
    square = (x7 + c7 & _WORD) ** 2
    g7 = (square ^ square >> 32) & _WORD
    # Rotations leave bits above the word; the last mask takes them away.
    words = (
        g0 + (g7 << 16 | g7 >> 16) + (g6 << 16 | g6 >> 16) & _WORD,
        g1 + (g0 << 8 | g0 >> 24) + g7 & _WORD,
        g2 + (g1 << 16 | g1 >> 16) + (g0 << 16 | g0 >> 16) & _WORD,
        g3 + (g2 << 8 | g2 >> 24) + g1 & _WORD,
        g4 + (g3 << 16 | g3 >> 16) + (g2 << 16 | g2 >> 16) & _WORD,
        g5 + (g4 << 8 | g4 >> 24) + g3 & _WORD,
        g6 + (g5 << 16 | g5 >> 16) + (g4 << 16 | g4 >> 16) & _WORD,
        g7 + (g6 << 8 | g6 >> 24) + g5 & _WORD,
    )
    return words, counters, carry


def four_iterations(state: State) -> State:
    """What ends both setups."""
    for _ in range(4):
        state = next_state(state)
    return state


def expand_key(key: bytes) -> State:
    """Section 2.3, the first half: every subkey goes into one X and one C."""
    k = _SUBKEYS.unpack(key)[::-1]
    x = []
    c = []
    for j in range(8):
        following, fourth, fifth = k[(j + 1) % 8], k[(j + 4) % 8], k[(j + 5) % 8]
        x.append(fifth << 16 | fourth if j % 2 else following << 16 | k[j])
        c.append(k[j] << 16 | following if j % 2 else fourth << 16 | fifth)
    return tuple(x), join_words(tuple(c)), 0


def modify_counters(state: State) -> State:
    """Section 2.3, the end: the counters can no longer be stepped back to the key."""
    x, counters, carry = state
    return x, counters ^ join_words(x[4:] + x[:4]), carry


def key_setup(key: bytes) -> State:
    """Section 2.3. Raises LocalError unless ``key`` has 16 octets."""
    if len(key) != KEY_OCTETS:
        raise LocalError(f"a Rabbit key has {KEY_OCTETS} octets, not {len(key)}")
    return modify_counters(four_iterations(expand_key(key)))


def mix_iv(state: State, iv: bytes) -> State:
    """Section 2.4, the first half."""
    x, counters, carry = state
    high, low = int.from_bytes(iv[:4]), int.from_bytes(iv[4:])
    odd_halves = high & 0xFFFF0000 | low >> 16
    even_halves = high << 16 & _WORD | low & 0xFFFF
    return x, counters ^ join_words((low, odd_halves, high, even_halves) * 2), carry


def iv_setup(state: State, iv: bytes) -> State:
    """Section 2.4, from the state after key setup. Raises LocalError unless ``iv`` has 8 octets."""
    if len(iv) != IV_OCTETS:
        raise LocalError(f"a Rabbit IV has {IV_OCTETS} octets, not {len(iv)}")
    return four_iterations(mix_iv(state, iv))


def extract(x: Words) -> bytes:
    """Section 2.7: a block of keystream."""
    x0, x1, x2, x3, x4, x5, x6, x7 = x
    return _BLOCK.pack(
        (x6 ^ x3 >> 16 ^ x1 << 16) & _WORD,
        (x4 ^ x1 >> 16 ^ x7 << 16) & _WORD,
        (x2 ^ x7 >> 16 ^ x5 << 16) & _WORD,
        (x0 ^ x5 >> 16 ^ x3 << 16) & _WORD,
    )


def keystream(state: State, octets: int) -> tuple[bytes, State]:
    """At least so many octets of keystream, in whole blocks, and the state after them."""
    blocks = []
    for _ in range(-(-octets // BLOCK_OCTETS)):
        state = next_state(state)
        blocks.append(extract(state[0]))
    return b"".join(blocks), state


def xor(data: bytes, stream: bytes) -> bytes:
    """Section 2.8: ``data`` XOR the beginning of ``stream``, which is at least as long."""
    octets = len(data)
    return (int.from_bytes(data) ^ int.from_bytes(stream[:octets])).to_bytes(octets)


class Cipher(Protocol):
    """What all ciphers share."""

    def process(self, data: bytes) -> bytes:
        """Encrypt or decrypt; goes on where the last call ended."""


class Rabbit:
    """One keystream, from its beginning. Without ``iv`` there is no IV setup.

    Raises LocalError unless ``key`` has 16 octets and ``iv`` 8.
    """

    def __init__(self, key: bytes, iv: bytes | None = None) -> None:
        self._state = key_setup(key)
        if iv is not None:
            self._state = iv_setup(self._state, iv)
        self._unused = b""

    def process(self, data: bytes) -> bytes:
        """``data`` XOR the next octets of the keystream."""
        more, self._state = keystream(self._state, len(data) - len(self._unused))
        stream = self._unused + more
        self._unused = stream[len(data) :]
        return xor(data, stream)


class NullCipher:
    """Changes nothing: for captures and tests."""

    def process(self, data: bytes) -> bytes:
        """``data`` as it is."""
        return data


def compiled() -> ModuleType | None:
    """The module with the compiled ``Rabbit``, ``Sealer`` and ``Opener``, or None: use the pure ones.

    The one place that decides: compiled where it could be built, unless the environment has ``SMOK_PURE=1``.
    """
    return None if os.environ.get("SMOK_PURE") == "1" else _rabbit


def make_cipher(key: bytes, iv: bytes | None = None) -> Cipher:
    """A ``Rabbit``, compiled if there is one."""
    native = compiled()
    cipher: Cipher = (native.Rabbit if native else Rabbit)(key, iv)
    return cipher
