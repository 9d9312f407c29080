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
from typing import Any

from smok_twisted.cipher.record import Suite
from smok_twisted.handshake.keys import session_keys
from smok_twisted.handshake.messages import Hello, Login

from .independent_device import Ack, IndependentDevice, Report, Round
from .kill_loop import MODEL
from .processes import Daemon, wait_until

#: Attempts before anything is measured: what is allocated once is allocated then.
WARM_UP = 300
SOURCES = [f"127.0.1.{number}" for number in range(1, 21)]
_LOGIN = Login(0, 255, 1, 7, 100, 0).encode()
_CHOICE_OCTETS = 9


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
        self.logins: list[float] = []
        self.acks: list[float] = []
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
        self.logins.append(time.monotonic() - begun)
        self._device.send_planok(self._device.held)
        if not self._device.held:
            self._device.handle(self._device.receive(), {})
        for _ in range(10):
            batch = len(self.acks) + 1
            begun = time.monotonic()
            self._device.send_data(batch & 0xFFFF, [Round(0, (Report(0, (0, batch & 0xFFFF)),))])
            while self._device.receive() != Ack(batch & 0xFFFF):
                pass
            self.acks.append(time.monotonic() - begun)
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
        wait_until(lambda: len(worker.acks) > 20 or worker.problem, "the device's first reports")
        quiet = _quantiles(worker)
        before = _usage(daemon)
        begun = time.monotonic()
        answers = _guess(daemon, made, count, guessers)
        seconds = time.monotonic() - begun
        after = _usage(daemon)
        worker.must_stop.set()
        worker.join(60)
        if worker.problem is not None:
            raise worker.problem
        return _figures(daemon, worker, count, seconds, before, after) | quiet | {"answers": answers}
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


def _quantiles(worker: Worker) -> dict[str, float]:
    return {"ack_quiet_ms": statistics.median(worker.acks) * 1000}


def _figures(
    daemon: Daemon, worker: Worker, count: int, seconds: float, before: tuple[float, float], after: tuple[float, float]
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
        "logins": len(worker.logins),
        "login_worst_ms": max(worker.logins) * 1000,
        "acks": len(worker.acks),
        "ack_median_ms": statistics.median(worker.acks) * 1000,
        "ack_worst_ms": max(worker.acks) * 1000,
        "alarms": events.count("wrong-secrets"),
        "events": len(events),
        "lines": sum("wrong-secret" in line for line in daemon.process.output().splitlines()),
    }


def main() -> int:
    """Print the figures; 0 only if nobody was heard, nothing grew, and the operator was told once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    with tempfile.TemporaryDirectory() as folder:
        found = run(Path(folder), parser.parse_args().count)
    print("wrong secrets:", ", ".join(f"{name} {figure:.6g}" for name, figure in found.items()))
    sound = found["refused"] == found["attempts"] and (found["answers"], found["alarms"]) == (0, 1)
    return 0 if sound and found["mib_after"] - found["mib_before"] < 16 and found["cores"] < 1 else 1


if __name__ == "__main__":
    sys.exit(main())
