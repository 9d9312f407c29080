"""Row 2: Rabbit over one frame of 20 octets: what a call costs."""

from __future__ import annotations

from Crypto.Cipher import ChaCha20

from smok_twisted.cipher.rabbit import compiled

from .table import Row, at_most
from .timing import compare, cpu_seconds_a_unit, microseconds, repeated

_KEY = bytes(range(16))
_FRAME = bytes(20)
_CALLS = 500_000
_WHY = "the result is allocated and 20 octets of keystream made"


def measure() -> list[Row]:
    """Beside the same call with nothing to do: no octets."""
    native = compiled()
    if native is None:
        return [Row(2, "Rabbit, 20 octets", "<= 2x a no-op call", "not compiled", "", None, "not measured")]
    process = native.Rabbit(_KEY).process
    beside = compare(repeated(_CALLS, process, _FRAME), repeated(_CALLS, process, b""))
    chacha = cpu_seconds_a_unit(repeated(_CALLS // 10, ChaCha20.new(key=bytes(32), nonce=bytes(8)).encrypt, _FRAME))
    reference = f"no-op {microseconds(beside.reference)}; pycryptodome ChaCha20 {microseconds(chacha)}"
    what = "Rabbit, 20 octets, compiled"
    verdict = at_most(beside.ratio, 2, _WHY)
    return [Row(2, what, "<= 2x a no-op call", microseconds(beside.ours), reference, beside.ratio, verdict)]
