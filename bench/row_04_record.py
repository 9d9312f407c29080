"""Row 4: one record of suite 1, cipher and tag, around a body of 20 octets."""

from __future__ import annotations

from smok_twisted.cipher.record import DirectionKeys, Suite

from .table import Row, at_most
from .timing import Work, compare, microseconds, repeated

_BODY = bytes(20)
_CALLS = 100_000


def measure() -> list[Row]:
    """Sealing beside AES-GCM of ``cryptography``, which is given a new nonce each time, as records are."""
    target = "<= AES-GCM"
    sealer = DirectionKeys(Suite.RABBIT_SHA1, bytes(range(20)), bytes(20)).sealer()
    ours = repeated(_CALLS, sealer.seal, _BODY)
    try:
        reference = _aes_gcm()
    except ImportError:
        return [Row(4, "record, 20 octets, sealed", target, "", "cryptography is not installed", None, "not measured")]
    beside = compare(ours, reference)
    return [
        Row(
            4,
            "record, 20 octets, sealed",
            target,
            microseconds(beside.ours),
            f"AES-GCM of cryptography {microseconds(beside.reference)}",
            beside.ratio,
            at_most(beside.ratio, 1),
        )
    ]


def _aes_gcm() -> Work:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    encrypt, count = AESGCM(bytes(16)).encrypt, 0

    def one(body: bytes) -> None:
        nonlocal count
        count += 1
        encrypt(count.to_bytes(12), body, b"\x14")

    return repeated(_CALLS, one, _BODY)
