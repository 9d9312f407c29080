"""A certificate for the nodes, made by openssl: for a cluster whose clients speak TLS."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from smok_twisted.errors import LocalError

from .configuration import KEYSTORE_PASSWORD
from .missing import Missing


def make_keystore(folder: Path, addresses: Sequence[str]) -> Path:
    """``node.p12`` for the nodes, ``ca.pem`` for their clients; nothing is made again. Missing without openssl."""
    keystore = folder / "node.p12"
    if keystore.exists():
        return keystore
    if shutil.which("openssl") is None:
        raise Missing("openssl is needed for --tls and is not on PATH: apt install openssl")
    folder.mkdir(exist_ok=True)
    names = ",".join(f"IP:{address}" for address in addresses)
    key, certificate = folder / "key.pem", folder / "ca.pem"
    _openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", "/CN=smok-cassandra",
        "-addext", f"subjectAltName={names}", "-keyout", str(key), "-out", str(certificate),
    )  # fmt: skip
    half = folder / "node.p12.new"
    _openssl(
        "pkcs12", "-export", "-inkey", str(key), "-in", str(certificate), "-out", str(half),
        "-passout", f"pass:{KEYSTORE_PASSWORD}",
    )  # fmt: skip
    half.chmod(0o644)  # the nodes run under other users
    half.rename(keystore)
    return keystore


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise LocalError(f"openssl could not make a certificate: {done.stderr.strip().splitlines()[-1]}")
