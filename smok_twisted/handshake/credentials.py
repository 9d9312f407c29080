"""Secrets at rest: wrapped under a key file that only its owner can read.

XChaCha20-Poly1305 (RFC 8439, draft-irtf-cfrg-xchacha-03) with random nonces; device id, kid and suite are
authenticated with each secret, so that a wrapped secret cannot be moved to another device.
"""

from __future__ import annotations

import hmac
import os
import stat
from collections.abc import Callable
from pathlib import Path
from struct import Struct

from Crypto.Cipher import ChaCha20_Poly1305

from ..errors import StorageError

KEY_OCTETS = 32

_NONCE_OCTETS = 24
_TAG_OCTETS = 16
_OWNER = Struct(">QBB")  # device id, kid, suite


def read_key_file(path: Path, random: Callable[[int], bytes]) -> bytes:
    """The key in ``path``; made from ``random`` if the file is not there.

    Raises StorageError when the file is not exactly 32 octets, when others than its owner have any right to it, or
    when the system does not let us read or make it.
    """
    try:
        return _read(path)
    except FileNotFoundError:
        return _create(path, random(KEY_OCTETS))
    except OSError as error:
        raise StorageError(f"key file {path} cannot be read: {error.strerror}") from error


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        key = file.read(KEY_OCTETS + 1)
    if mode & 0o077:
        raise StorageError(f"key file {path} has mode {mode:04o}: others may use it; `chmod 600 {path}` closes it")
    if len(key) != KEY_OCTETS:
        raise StorageError(f"key file {path} is not {KEY_OCTETS} octets long: put back the one that was made here")
    return key


def _create(path: Path, key: bytes) -> bytes:
    """Durable before anything is wrapped under it: without it every secret is lost."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise StorageError(f"key file {path} cannot be made: {error.strerror}") from error
    try:
        with open(file, "wb") as stream:
            stream.write(key)
            stream.flush()
            os.fsync(stream.fileno())
        _sync_folder(path.parent)
    except OSError as error:
        path.unlink()
        raise StorageError(f"key file {path} cannot be written: {error.strerror}") from error
    return key


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Vault:
    """Wraps and unwraps secrets with what is derived from ``key`` (32 octets, see ``read_key_file``)."""

    def __init__(self, key: bytes, random: Callable[[int], bytes]) -> None:
        self._wrapping_key = hmac.digest(key, b"SMOK wrapped secrets", "sha256")
        self.node_secret = hmac.digest(key, b"SMOK decoy keys", "sha256")  #: for ``keys.decoy_secret``
        self._random = random

    def wrap(self, secret: bytes, device_id: int, kid: int, suite: int) -> bytes:
        """What the store may keep: nonce (24), the secret encrypted, tag (16)."""
        nonce = self._random(_NONCE_OCTETS)
        hidden, tag = self._cipher(nonce, device_id, kid, suite).encrypt_and_digest(secret)
        return nonce + hidden + tag

    def unwrap(self, wrapped: bytes, device_id: int, kid: int, suite: int) -> bytes:
        """The inverse. Raises StorageError for another device, kid, suite or key, and for damaged octets."""
        nonce, hidden, tag = wrapped[:_NONCE_OCTETS], wrapped[_NONCE_OCTETS:-_TAG_OCTETS], wrapped[-_TAG_OCTETS:]
        try:
            return self._cipher(nonce, device_id, kid, suite).decrypt_and_verify(hidden, tag)
        except ValueError as error:
            raise StorageError(
                f"the secret {kid} of device 0x{device_id:016x} does not open: it is damaged or the key file is"
                " another one; put back the key file that it was made with"
            ) from error

    def _cipher(self, nonce: bytes, device_id: int, kid: int, suite: int) -> ChaCha20_Poly1305.ChaCha20Poly1305Cipher:
        cipher = ChaCha20_Poly1305.new(key=self._wrapping_key, nonce=nonce)
        cipher.update(_OWNER.pack(device_id, kid, suite))
        return cipher
