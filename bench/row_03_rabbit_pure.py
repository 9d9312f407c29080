"""Row 3: the cipher where nothing could be compiled."""

from __future__ import annotations

from smok_twisted.cipher.rabbit import Rabbit

from .plain_rabbit import PlainRabbit
from .table import Row, at_least
from .timing import compare, megabytes_a_second, repeated

_KEY = bytes(range(16))
_DATA = bytes(1 << 16)


def measure() -> list[Row]:
    """The pure Rabbit beside the plain one."""
    ours, plain = Rabbit(_KEY), PlainRabbit(_KEY)
    beside = compare(repeated(4, ours.process, _DATA), repeated(2, plain.process, _DATA))
    speed = 1 / beside.ratio
    octets = len(_DATA)
    return [
        Row(
            3,
            "Rabbit, 64 KiB at once, pure Python",
            ">= 1.7x plain",
            megabytes_a_second(beside.ours / octets),
            f"plain Python {megabytes_a_second(beside.reference / octets)}",
            speed,
            at_least(speed, 1.7),
        )
    ]
