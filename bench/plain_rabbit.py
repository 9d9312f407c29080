"""Rabbit as RFC 4503 writes it down, section by section, with no thought of speed: the reference of rows 1 and 3."""

from __future__ import annotations

_WORD = 0xFFFFFFFF
_A = [0x4D34D34D, 0xD34D34D3, 0x34D34D34, 0x4D34D34D, 0xD34D34D3, 0x34D34D34, 0x4D34D34D, 0xD34D34D3]


def _rotated(word: int, bits: int) -> int:
    return (word << bits | word >> (32 - bits)) & _WORD


class PlainRabbit:
    """A keystream under a key of 16 octets, without an IV."""

    def __init__(self, key: bytes) -> None:
        k = [int.from_bytes(key[14 - 2 * j : 16 - 2 * j]) for j in range(8)]
        self._x = [0] * 8
        self._c = [0] * 8
        self._b = 0
        for j in range(8):
            if j % 2 == 0:
                self._x[j] = k[(j + 1) % 8] << 16 | k[j]
                self._c[j] = k[(j + 4) % 8] << 16 | k[(j + 5) % 8]
            else:
                self._x[j] = k[(j + 5) % 8] << 16 | k[(j + 4) % 8]
                self._c[j] = k[j] << 16 | k[(j + 1) % 8]
        for _ in range(4):
            self._iterate()
        for j in range(8):
            self._c[j] ^= self._x[(j + 4) % 8]

    def process(self, data: bytes) -> bytes:
        """``data`` XOR the keystream; a whole number of blocks of 16 octets."""
        out = bytearray()
        for at in range(0, len(data), 16):
            self._iterate()
            stream = self._block()
            for octet, key in zip(data[at : at + 16], stream, strict=True):
                out.append(octet ^ key)
        return bytes(out)

    def _iterate(self) -> None:
        for j in range(8):
            total = self._c[j] + _A[j] + self._b
            self._b = total >> 32
            self._c[j] = total & _WORD
        g = [self._g(self._x[j], self._c[j]) for j in range(8)]
        for j in range(8):
            if j % 2 == 0:
                self._x[j] = (g[j] + _rotated(g[j - 1], 16) + _rotated(g[j - 2], 16)) & _WORD
            else:
                self._x[j] = (g[j] + _rotated(g[j - 1], 8) + g[j - 2]) & _WORD

    @staticmethod
    def _g(u: int, v: int) -> int:
        square = ((u + v) & _WORD) ** 2
        return (square & _WORD) ^ (square >> 32)

    def _block(self) -> bytes:
        x = self._x
        words = [x[j] ^ (x[(j + 5) % 8] >> 16) ^ (x[(j + 3) % 8] << 16 & _WORD) for j in (6, 4, 2, 0)]
        return b"".join(word.to_bytes(4) for word in words)
