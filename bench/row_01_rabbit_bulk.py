"""Row 1: Rabbit over much data at once, from Python."""

from __future__ import annotations

from collections.abc import Callable

from smok_twisted.cipher.rabbit import compiled

from . import tomcrypt
from .plain_rabbit import PlainRabbit
from .table import Row, at_least
from .timing import Work, compare, megabytes_a_second, repeated

KEY = bytes(range(16))
_MEBIBYTE = bytes(1 << 20)
_LITTLE = bytes(1 << 14)


def measure() -> list[Row]:
    """The compiled cipher beside libtomcrypt's and the plain one."""
    native = compiled()
    if native is None:
        return [Row(1, "Rabbit, 1 MiB at once", ">= 300x plain", "not compiled", "", None, "not measured")]
    ours = _octets(64, native.Rabbit(KEY).process, _MEBIBYTE)
    return [*_beside_tomcrypt(ours), _beside_plain(ours)]


def _octets(times: int, process: Callable[[bytes], object], data: bytes) -> Work:
    work = repeated(times, process, data)
    return lambda: work() * len(data)


def _beside_tomcrypt(ours: Work) -> list[Row]:
    what, target = "Rabbit, 1 MiB at once, compiled", ">= 1.0x libtomcrypt"
    library = tomcrypt.library()
    if library is None:
        return [Row(1, what, target, "", "no libtomcrypt with Rabbit here", None, "not measured")]
    beside = compare(ours, _octets(64, tomcrypt.keystream(library, KEY), _MEBIBYTE))
    speed = 1 / beside.ratio
    reference = f"libtomcrypt {megabytes_a_second(beside.reference)}"
    return [Row(1, what, target, megabytes_a_second(beside.ours), reference, speed, at_least(speed, 1.0))]


def _beside_plain(ours: Work) -> Row:
    beside = compare(ours, _octets(4, PlainRabbit(KEY).process, _LITTLE))
    speed = 1 / beside.ratio
    reference = f"plain Python {megabytes_a_second(beside.reference)}"
    what = "Rabbit, 1 MiB at once, compiled"
    return Row(1, what, ">= 300x plain", megabytes_a_second(beside.ours), reference, speed, at_least(speed, 300))
