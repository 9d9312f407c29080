"""Row 1: Rabbit over much data at once, from Python."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from smok_twisted.cipher.rabbit import compiled

from .cpu import Subject
from .plain_rabbit import PlainRabbit
from .rabbit_elsewhere import Missing, cryptopp, libtomcrypt
from .table import Row, at_least
from .timing import ROUNDS, Comparison, Work, compare, cpu_seconds_a_unit, megabytes_a_second, of_pairs, repeated

_KEY = bytes(range(16))
_MEBIBYTE = bytes(1 << 20)
_LITTLE = bytes(1 << 14)
_TIMES = 64  # a MiB, in each round
_WHAT = "Rabbit, 1 MiB at once, compiled"


def measure() -> list[Row]:
    """The compiled cipher beside libraries in C and C++, and beside the plain one."""
    native = compiled()
    if native is None:
        return [Row(1, _WHAT, ">= 1.0x libtomcrypt", "not compiled", "", None, "not measured")]
    ours = _octets(_TIMES, native.Rabbit(_KEY).process, _MEBIBYTE)
    return [
        _beside(">= 1.0x libtomcrypt", "libtomcrypt, through Perl", libtomcrypt(), ours),
        _beside(">= 1.0x Crypto++", "Crypto++", cryptopp(), ours),
        _row(">= 300x plain", "plain Python", compare(ours, _octets(4, PlainRabbit(_KEY).process, _LITTLE)), 300),
    ]


def _octets(times: int, process: Callable[[bytes], object], data: bytes) -> Work:
    work = repeated(times, process, data)
    return lambda: work() * len(data)


def _beside(target: str, name: str, reference: AbstractContextManager[Subject], ours: Work) -> Row:
    try:
        with reference as theirs:
            pairs = [(cpu_seconds_a_unit(ours), _seconds_an_octet(theirs)) for _ in range(ROUNDS + 1)][1:]
    except Missing as missing:
        return Row(1, _WHAT, target, "", str(missing), None, "not measured")
    return _row(target, name, of_pairs(pairs), 1)


def _seconds_an_octet(theirs: Subject) -> float:
    begun = theirs.cpu_seconds()
    theirs.ask(str(_TIMES))
    return (theirs.cpu_seconds() - begun) / (_TIMES * len(_MEBIBYTE))


def _row(target: str, name: str, beside: Comparison, times: float) -> Row:
    speed = 1 / beside.ratio
    reference = f"{name} {megabytes_a_second(beside.reference)}"
    return Row(1, _WHAT, target, megabytes_a_second(beside.ours), reference, speed, at_least(speed, times))
