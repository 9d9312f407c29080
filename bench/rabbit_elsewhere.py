"""Other implementations of Rabbit, each in a process of its own that is measured; see ``cpu.Subject``.

They take the key, and give each block of 16 octets, in reverse, as libraries in the eSTREAM tradition do.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from smok_twisted.cipher.rabbit import Rabbit

from .cpu import Subject, command

_HERE = Path(__file__).resolve().parent
_KEY = bytes(range(16))


class Missing(Exception):
    """This machine has it not; the text says what would help."""


@contextmanager
def libtomcrypt() -> Iterator[Subject]:
    """In C, as Debian's CryptX for Perl carries it. Raises Missing."""
    asked = ["perl", "-MCrypt::Stream::Rabbit", "-e1"]
    if shutil.which("perl") is None or subprocess.run(asked, capture_output=True).returncode:
        raise Missing("no CryptX for Perl here (Debian: libcryptx-perl)")
    with command(["perl", str(_HERE / "rabbit_perl.pl")]) as process:
        yield _proven(process)


@contextmanager
def cryptopp() -> Iterator[Subject]:
    """In C++. Raises Missing."""
    with TemporaryDirectory(prefix="smok-bench-") as folder:
        program = str(Path(folder, "rabbit"))
        build = ["g++", "-O2", "-o", program, str(_HERE / "rabbit_cryptopp.cpp"), "-lcryptopp"]
        if shutil.which("g++") is None or subprocess.run(build, capture_output=True).returncode:
            raise Missing("no Crypto++ here (Debian: g++, libcrypto++-dev)")
        with command([program]) as process:
            yield _proven(process)


def _proven(process: Subject) -> Subject:
    """It says 32 octets of keystream first: a reference that computes something else would be none."""
    said, ours = bytes.fromhex(process.word), Rabbit(_KEY[::-1]).process(bytes(32))
    if said != ours[15::-1] + ours[:15:-1]:
        raise ValueError(f"its keystream is {said.hex()}, not Rabbit's")
    return process
