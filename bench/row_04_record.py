"""Row 4: one record of suite 1, cipher and tag, around a body of 20 octets: sealed, and opened."""

from __future__ import annotations

from typing import Any

from smok_twisted.cipher.record import DirectionKeys, Suite

from .table import Row, at_most
from .timing import Comparison, cpu_seconds_a_unit, microseconds, of_pairs, repeated

_BODY = bytes(20)
_LENGTH = b"\x14"  # what AES-GCM has to prove beside the body
_CALLS = 100_000
_ROUNDS = 7
_KEYS = DirectionKeys(Suite.RABBIT_SHA1, bytes(range(20)), bytes(20))


def measure() -> list[Row]:
    """Beside AES-GCM of ``cryptography``, given a new nonce each time, as records are; its nonces are made before."""
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        return [Row(4, "record, 20 octets", "<= AES-GCM", "", "cryptography is not installed", None, "not measured")]
    aes, nonces = AESGCM(bytes(16)), [number.to_bytes(12) for number in range(_CALLS)]
    sealed = of_pairs([(_seal(), _encrypt(aes, nonces)) for _ in range(_ROUNDS + 1)][1:])
    texts = [(nonce, aes.encrypt(nonce, _BODY, _LENGTH)) for nonce in nonces]
    opened = of_pairs([(_open(), _decrypt(aes, texts)) for _ in range(_ROUNDS + 1)][1:])
    return [_row("sealed", sealed), _row("opened", opened)]


def _row(what: str, beside: Comparison) -> Row:
    reference = f"AES-GCM of cryptography {microseconds(beside.reference)}"
    verdict = at_most(beside.ratio, 1)
    return Row(
        4, f"record, 20 octets, {what}", "<= AES-GCM", microseconds(beside.ours), reference, beside.ratio, verdict
    )


def _seal() -> float:
    return cpu_seconds_a_unit(repeated(_CALLS, _KEYS.sealer().seal, _BODY))


def _open() -> float:
    seal, unseal = _KEYS.sealer().seal, _KEYS.opener().open
    records = [seal(_BODY) for _ in range(_CALLS)]

    def work() -> float:
        for record in records:
            unseal(record)
        return _CALLS

    return cpu_seconds_a_unit(work)


def _encrypt(aes: Any, nonces: list[bytes]) -> float:
    encrypt = aes.encrypt

    def work() -> float:
        for nonce in nonces:
            encrypt(nonce, _BODY, _LENGTH)
        return _CALLS

    return cpu_seconds_a_unit(work)


def _decrypt(aes: Any, texts: list[tuple[bytes, bytes]]) -> float:
    decrypt = aes.decrypt

    def work() -> float:
        for nonce, text in texts:
            decrypt(nonce, text, _LENGTH)
        return _CALLS

    return cpu_seconds_a_unit(work)
