"""Row 2: Rabbit over one frame of 20 octets: what a call costs."""

from __future__ import annotations

from itertools import repeat

from Crypto.Cipher import ChaCha20

from smok_twisted.cipher.rabbit import compiled

from .table import Row, at_most
from .timing import compare, microseconds, repeated

_KEY = bytes(range(16))
_FRAME = bytes(20)
_CALLS = 500_000
_TARGET = "<= 2x a no-op call"
_WHY = "the result is allocated and 20 octets of keystream made"


def measure() -> list[Row]:
    """Beside the same call with nothing to do: no octets. The loop is part of both, and told."""
    native = compiled()
    if native is None:
        return [Row(2, "Rabbit, 20 octets", _TARGET, "not compiled", "", None, "not measured")]
    process = native.Rabbit(_KEY).process
    beside = compare(repeated(_CALLS, process, _FRAME), repeated(_CALLS, process, b""))
    chacha = ChaCha20.new(key=bytes(32), nonce=bytes(8)).encrypt
    others = compare(repeated(_CALLS // 10, chacha, _FRAME), _empty_loop)
    reference = (
        f"no-op {microseconds(beside.reference)}, in both {microseconds(others.reference)} of loop;"
        f" pycryptodome ChaCha20 {microseconds(others.ours)}"
    )
    verdict = at_most(beside.ratio, 2, _WHY)
    return [Row(2, "Rabbit, 20 octets, compiled", _TARGET, microseconds(beside.ours), reference, beside.ratio, verdict)]


def _empty_loop() -> float:
    for _ in repeat(None, _CALLS):
        pass
    return _CALLS
