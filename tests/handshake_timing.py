"""Can a stranger tell an id that is unknown from one whose secret he has not? He sees octets and time.

``python -m tests.handshake_timing`` makes 10,000 attempts of either kind on the real layers, over memory, and prints
what the server spent on them. The suite compares octets and calls; only this command judges by time.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from collections.abc import Callable
from random import Random
from types import FrameType
from typing import Any, NamedTuple

from twisted.cred.portal import Portal

from smok_twisted.cipher.record import Suite
from smok_twisted.framing.protocol import FramedProtocol, FramingTimes
from smok_twisted.handshake.cred import KeyringChecker
from smok_twisted.handshake.keyring import Slot
from smok_twisted.handshake.keys import session_keys
from smok_twisted.handshake.messages import Hello, Login
from smok_twisted.observe.metrics import Metrics
from smok_twisted.observe.witness import Witness
from smok_twisted.stack import smok4_server
from smok_twisted.testing import MemoryTransport

from .server_in_memory import DEVICE_ID, NOW_US, SECRET, Server

#: What the stranger says for his id; nobody has the first one.
IDS = {"unknown-device": 0x43, "wrong-secret": DEVICE_ID}
SOURCE = "198.51.100.66"
LOGIN = Login(0, 255, 1, 7, 100, 0).encode()

#: Welch's t beyond which two series are not of one kind; usual in tests for leaking hardware (ISO/IEC 17825). By chance
#: one run in 100,000 gets there.
FAR_OUT = 4.5

Measure = Callable[[Callable[[bytes], None], bytes], Any]


class Attempt(NamedTuple):
    """What came of one."""

    sent: tuple[bytes, ...]  #: by the server
    closed: bool
    work: tuple[Any, Any]  #: what ``measure`` said of HELLO and of LOGIN


class Door:
    """A server with one device, and a stranger in front of it. ``alarms`` are what its operator hears."""

    def __init__(self) -> None:
        self.server = Server()
        secrets = [Slot(0, suite, (SECRET * 2)[: suite.secret_octets], NOW_US) for suite in Suite]
        self.server.keyring.put(DEVICE_ID, secrets)
        self.alarms: list[str] = []
        self._metrics = Metrics()
        self._witness = Witness("smok4", self._metrics, self.server.clock, lambda kind, text: self.alarms.append(kind))
        self._random = Random()
        self._stack = smok4_server(
            self.server.keyring.find,
            Portal(self.server.realm, [KeyringChecker(self.server.keyring, lambda device_id, slots: None)]),
            suites=list(Suite),
            keepalive_10s=24,
            wall_clock=self.server.wall_clock,
            random=lambda octets: self._random.randbytes(octets),
        )

    def counted(self, reason: str) -> float | None:
        """How many attempts were refused for this reason, as only the operator sees."""
        labels = {"link": "smok4", "reason": reason}
        return self._metrics.registry.get_sample_value("smok_violations_total", labels)

    def attempt(self, device_id: int, number: int, measure: Measure) -> Attempt:
        """Dial in, say HELLO, then LOGIN under a guessed secret. All nonces follow from ``number``."""
        stranger = Random(number)
        self._random.seed(~number)
        suite = Suite(1 + number % 2)
        hello = Hello(suite, 0, device_id, stranger.getrandbits(64)).encode()
        decoder, above = self._stack()
        protocol = FramedProtocol(decoder, above, self.server.clock, FramingTimes(), self._witness)
        transport = MemoryTransport(SOURCE)
        protocol.makeConnection(transport)
        on_hello = measure(protocol.dataReceived, hello)
        keys = session_keys(suite, stranger.randbytes(suite.secret_octets), hello, transport.sent[0])
        on_login = measure(protocol.dataReceived, keys.device_to_server.sealer().seal(LOGIN))
        seen = Attempt(tuple(transport.sent), transport.closing, (on_hello, on_login))
        protocol.connectionLost()
        return seen


def calls(function: Callable[[bytes], None], octets: bytes) -> list[object]:
    """Everything that is called on the way, in order: our functions, and the compiled ones by name."""
    found: list[object] = []

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            found.append(frame.f_code)
        elif event == "c_call":
            found.append(argument.__name__)

    sys.setprofile(note)
    try:
        function(octets)
    finally:
        sys.setprofile(None)
    return found


def lines(function: Callable[[bytes], None], octets: bytes) -> list[tuple[str, int]]:
    """Every line of Python that is run on the way, in order: file and number."""
    found: list[tuple[str, int]] = []

    def note(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            found.append((frame.f_code.co_filename, frame.f_lineno))
        return note

    before = sys.gettrace()
    sys.settrace(note)
    try:
        function(octets)
    finally:
        sys.settrace(before)
    return found


def cpu_ns(function: Callable[[bytes], None], octets: bytes) -> int:
    """What it costs."""
    started = time.process_time_ns()
    function(octets)
    return time.process_time_ns() - started


def main() -> int:
    """Print the statistics, status 1 if they tell the kinds apart. The order of the two is random, so that both meet
    the same weather."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="attempts of either kind")
    count = parser.parse_args().count
    door, random = Door(), Random(4)
    costs: dict[str, list[float]] = {kind: [] for kind in IDS}
    gc.disable()
    for number in range(-200, count):
        for kind in random.sample(list(IDS), len(IDS)):
            work = door.attempt(IDS[kind], number, cpu_ns).work
            if number >= 0:
                costs[kind].append(sum(work) / 1000)
    for kind, some in costs.items():
        cuts = statistics.quantiles(some, n=100)
        print(
            f"{kind:15} {len(some)} attempts, CPU in us: mean {statistics.fmean(some):.2f}, "
            f"deviation {statistics.stdev(some):.2f}, 1 % {cuts[0]:.2f}, median {cuts[49]:.2f}, 99 % {cuts[98]:.2f}"
        )
    one, other = costs.values()
    t = welch_t(one, other)
    print(
        f"difference of the means {difference(one, other):.3f} us, Welch's t {t:.2f} (told apart beyond {FAR_OUT});"
        f" one look tells the kind in {right_share(one, other):.1%} of the cases (50 % is chance)"
    )
    return 1 if abs(t) > FAR_OUT else 0


def difference(one: list[float], other: list[float]) -> float:
    """Of the means."""
    return statistics.fmean(one) - statistics.fmean(other)


def welch_t(one: list[float], other: list[float]) -> float:
    """How sure that difference is: of what would come by chance, so many standard errors."""
    error = (statistics.variance(one) / len(one) + statistics.variance(other) / len(other)) ** 0.5
    return difference(one, other) / error


def right_share(one: list[float], other: list[float]) -> float:
    """How often a stranger is right who calls whatever is slower than the median the one kind."""
    median = statistics.median(one + other)
    right = sum(cost > median for cost in one) + sum(cost <= median for cost in other)
    return max(right, len(one) + len(other) - right) / (len(one) + len(other))


if __name__ == "__main__":
    sys.exit(main())
