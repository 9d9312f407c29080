"""Thousands of logins with a wrong secret for one device, while that device goes on with its work (F20).

``python -m tests.wrong_secrets --count 10000`` is part of ``make failures``; the suite makes fewer.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import socket
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from smok_twisted.cipher.record import Suite
from smok_twisted.handshake.keys import session_keys
from smok_twisted.handshake.messages import Hello, Login

from .independent_device import Ack, IndependentDevice, Report, Round
from .kill_loop import MODEL
from .processes import Daemon, wait_until

#: Attempts before anything is measured: what is allocated once is allocated then.
WARM_UP = 300
SOURCES = [f"127.0.1.{number}" for number in range(1, 21)]
#: ACKs of the device before the attack, with which those during it are compared.
QUIET_ACKS = 100
#: The bars: how long the device's own login may take, and its ACKs, as a multiple of those of the quiet time before.
LONGEST_LOGIN_MS = 1000.0
SLOWER_ACKS = 3.0
MOST_MIB = 16.0
_LOGIN = Login(0, 255, 1, 7, 100, 0).encode()
_CHOICE_OCTETS = 9


class Waited(NamedTuple):
    """When the device began to wait for an answer, on the monotonic clock, and for how long; both in seconds."""

    begun: float
    seconds: float


class Guesser(threading.Thread):
    """A stranger who knows the device's id, and tries. ``answers`` counts octets heard beyond CHOICE."""

    def __init__(self, port: int, device_id: int, count: int, seed: int) -> None:
        super().__init__(daemon=True)
        self.answers = self.done = 0
        self.problem: BaseException | None = None
        self._port, self._device_id, self._count = port, device_id, count
        self._chance = random.Random(seed)
        self._sources = itertools.cycle(SOURCES)

    def run(self) -> None:
        """All attempts, one after the other."""
        try:
            for _ in range(self._count):
                self._attempt()
                self.done += 1
        except BaseException as problem:
            self.problem = problem

    def _attempt(self) -> None:
        hello = Hello(Suite.RABBIT_SHA1, 0, self._device_id, self._chance.getrandbits(64)).encode()
        source = (next(self._sources), 0)
        with socket.create_connection(("127.0.0.1", self._port), 30, source_address=source) as line:
            line.sendall(hello)
            choice = line.recv(_CHOICE_OCTETS, socket.MSG_WAITALL)
            keys = session_keys(Suite.RABBIT_SHA1, self._chance.randbytes(20), hello, choice)
            line.sendall(keys.device_to_server.sealer().seal(_LOGIN))
            self.answers += len(line.recv(100))


class Worker(threading.Thread):
    """The device itself: logs in, reports ten times, comes again; what each took in seconds."""

    def __init__(self, port: int, made: dict[str, Any]) -> None:
        super().__init__(daemon=True)
        secret = bytes.fromhex(made["secret"])
        self.logins: list[Waited] = []
        self.acks: list[Waited] = []
        self.problem: BaseException | None = None
        self.must_stop = threading.Event()
        self._device = IndependentDevice("127.0.0.1", port, int(made["id"], 16), secret, timeout=30)

    def run(self) -> None:
        """Until told to stop."""
        try:
            while not self.must_stop.is_set():
                self._session()
        except BaseException as problem:
            self.problem = problem

    def _session(self) -> None:
        begun = time.monotonic()
        self._device.connect()
        self.logins.append(Waited(begun, time.monotonic() - begun))
        self._device.send_planok(self._device.held)
        if not self._device.held:
            self._device.handle(self._device.receive(), {})
        for _ in range(10):
            batch = len(self.acks) + 1
            begun = time.monotonic()
            self._device.send_data(batch & 0xFFFF, [Round(0, (Report(0, (0, batch & 0xFFFF)),))])
            while self._device.receive() != Ack(batch & 0xFFFF):
                pass
            self.acks.append(Waited(begun, time.monotonic() - begun))
        self._device.bye()


def run(folder: Path, count: int, guessers: int = 4) -> dict[str, float]:
    """What came of it. Raises whatever a client met."""
    daemon = Daemon(folder)
    daemon.start()
    try:
        daemon.api("POST", "/models", MODEL)
        made = daemon.api("POST", "/devices", {"name": "counter", "model": "counter"})
        _guess(daemon, made, WARM_UP, 1)
        worker = Worker(daemon.smok4, made)
        worker.start()
        wait_until(lambda: len(worker.acks) > QUIET_ACKS or worker.problem, "the device's first reports", 120)
        before = _usage(daemon)
        begun = time.monotonic()
        answers = _guess(daemon, made, count, guessers)
        ended = time.monotonic()
        after = _usage(daemon)
        worker.must_stop.set()
        worker.join(60)
        if worker.problem is not None:
            raise worker.problem
        waited = waits(worker, begun, ended)
        return _figures(daemon, count, ended - begun, before, after) | waited | {"answers": answers}
    finally:
        daemon.end()


def _guess(daemon: Daemon, made: dict[str, Any], count: int, guessers: int) -> int:
    some = [Guesser(daemon.smok4, int(made["id"], 16), count // guessers, seed) for seed in range(guessers)]
    for one in some:
        one.start()
    for one in some:
        one.join()
        if one.problem is not None:
            raise one.problem
    return sum(one.answers for one in some)


def _usage(daemon: Daemon) -> tuple[float, float]:
    """CPU seconds and resident MiB of the daemon so far."""
    assert daemon.process is not None
    fields = Path(f"/proc/{daemon.process.pid}/stat").read_text().rpartition(")")[2].split()
    ticks, pages = int(fields[11]) + int(fields[12]), int(fields[21])
    return ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def waits(worker: Worker, begun: float, ended: float) -> dict[str, float]:
    """What the device waited for: whatever it began before the attack, or after, says nothing about it."""
    logins = [1000 * login.seconds for login in worker.logins if begun <= login.begun < ended]
    acks = [1000 * ack.seconds for ack in worker.acks if begun <= ack.begun < ended]
    quiet = [1000 * ack.seconds for ack in worker.acks if ack.begun < begun]
    return {
        "logins": len(logins),
        "login_worst_ms": max(logins, default=0.0),
        "acks": len(acks),
        "ack_quiet_ms": statistics.median(quiet),
        "ack_median_ms": statistics.median(acks) if acks else 0.0,
        "ack_worst_ms": max(acks, default=0.0),
    }


def _figures(
    daemon: Daemon, count: int, seconds: float, before: tuple[float, float], after: tuple[float, float]
) -> dict[str, float]:
    assert daemon.process is not None
    cpu = after[0] - before[0]
    events = [one["kind"] for one in daemon.api("GET", "/events")["events"]]
    return {
        "attempts": count,
        "refused": daemon.figure("smok_violations_total", link="smok4", reason="wrong-secret") - WARM_UP,
        "seconds": seconds,
        "cpu_us_per_attempt": cpu / count * 1e6,
        "cores": cpu / seconds,
        "mib_before": before[1],
        "mib_after": after[1],
        "alarms": events.count("wrong-secrets"),
        "events": len(events),
        "lines": sum("wrong-secret" in line for line in daemon.process.output().splitlines()),
    }


def breaches(found: dict[str, float]) -> list[str]:
    """What of F20 does not hold, in words."""
    holds = {
        "each attempt is refused": found["refused"] == found["attempts"],
        "nobody hears an answer": found["answers"] == 0,
        "the operator is told once": found["alarms"] == 1,
        "memory does not grow": found["mib_after"] - found["mib_before"] < MOST_MIB,
        "less than a core": found["cores"] < 1,
        "the device logs in within a second": found["logins"] > 0 and found["login_worst_ms"] < LONGEST_LOGIN_MS,
        "its ACKs come at most three times as late": (
            found["acks"] > 0 and found["ack_median_ms"] <= SLOWER_ACKS * found["ack_quiet_ms"]
        ),
    }
    return [what for what, is_so in holds.items() if not is_so]


def main() -> int:
    """Print the figures; 0 only if nobody was heard, nothing grew, the operator was told once, and the device itself
    hardly noticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    with tempfile.TemporaryDirectory() as folder:
        found = run(Path(folder), parser.parse_args().count)
    print("wrong secrets:", ", ".join(f"{name} {figure:.6g}" for name, figure in found.items()))
    for what in breaches(found):
        print("does not hold:", what)
    return 1 if breaches(found) else 0


if __name__ == "__main__":
    sys.exit(main())
