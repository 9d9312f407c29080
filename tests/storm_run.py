"""A power cut over a whole fleet: all devices log in at the same moment, and those that stayed must not notice.

``python -m tests.storm_run --devices 10000`` is ``make storm``; the suite runs a few hundred. The daemon is the whole
one, on SQLite, with a core of its own. The devices of the storm are ``storm_device``; 20 more stay connected all the
time and measure what a session waits for (design note reliability, F15).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

from bench.cpu import Subject, subject
from bench.machine import description
from bench.twenty import model
from smok_twisted import descriptors

from .fleet_rig import OPEN_DOOR, OTHER_CORES, MeasuredDaemon

#: Devices that stay connected; each asks something so often.
STAYING, STAYING_SECONDS = 20, 0.25
#: 99 % of what they ask must be answered within this.
LONGEST_SECONDS = 1.0
#: A process of devices holds as many connections that died.
A_PROCESS = 5000
#: Before the power cut they come at this pace.
FIRST_A_SECOND = 400.0
AT_ONCE = 1e9


@dataclass
class Figures:
    """What a storm has shown; seconds unless a name says otherwise."""

    devices: int
    back: list[float]  #: of each device: from the return of the power until its first report is durable
    missing: int
    counts: dict[str, int]  #: attempts, and how those that failed ended
    calm: dict[str, list[float]]  #: latencies of those that stay, before
    storm: dict[str, list[float]]  #: and in the storm, until 99 % were back
    unanswered: int  #: what they asked and nobody answered
    cpu_seconds: float = 0.0  #: of the daemon during the storm
    idle_kilobytes: float = 0.0  #: memory with all connected, before
    peak_kilobytes: float = 0.0
    peak_descriptors: int = 0
    violations: dict[str, float] = field(default_factory=dict)


def run(
    folder: Path, devices: int, sources: int, limits: str, staying_seconds: float = STAYING_SECONDS
) -> Figures:
    """A storm of so many devices from so many addresses of this machine; each that stays asks something so often."""
    daemon = MeasuredDaemon(folder, limits)
    daemon.start()
    try:
        daemon.api("POST", "/models", model())
        with ExitStack() as stack:
            storming = _enrol(daemon, devices, sources, "storm")
            parts = [storming[first : first + A_PROCESS] for first in range(0, devices, A_PROCESS)]
            swarms = [_swarm(stack, daemon, part) for part in parts]
            staying = _swarm(stack, daemon, _enrol(daemon, STAYING, STAYING, "stay"))
            return _storm(daemon, swarms, staying, devices, staying_seconds)
    finally:
        daemon.end()


def _storm(
    daemon: MeasuredDaemon, swarms: list[Subject], staying: Subject, devices: int, staying_seconds: float
) -> Figures:
    _told(staying, f"dial {STAYING / 2}")
    _all_told(swarms, f"dial {FIRST_A_SECOND / len(swarms)}")
    idle = daemon.resident_kilobytes()
    _told(staying, f"watch {staying_seconds}")
    time.sleep(5)
    calm = _told(staying, "latencies")
    _all_told(swarms, "abandon")
    time.sleep(2)
    _told(staying, "latencies")
    begun, cpu_begun, peak = time.monotonic(), daemon.cpu_seconds(), _PeakDescriptors(daemon)
    told = _all_told(swarms, f"dial {AT_ONCE}")
    spent = daemon.cpu_seconds() - cpu_begun
    _told(staying, "rest")
    storm = _told(staying, "latencies")
    back = sorted(seconds for one in told for seconds in one["back"])
    return Figures(
        devices,
        back,
        sum(one["missing"] for one in told),
        _sum([one["counts"] for one in told]),
        _asked(calm, until=begun),
        _asked(storm, until=begun + _share(back, 99)),
        storm["awaited"],
        spent,
        idle,
        daemon.resident_kilobytes("VmHWM"),
        peak.stop(),
        daemon.metrics("smok_violations_total"),
    )


def _asked(told: dict[str, Any], until: float) -> dict[str, list[float]]:
    """The latencies of what was due before then."""
    kinds = (kind for kind in told if kind != "awaited")
    return {kind: [seconds for due, seconds in told[kind] if due <= until] for kind in kinds}


def _share(ordered: Sequence[float], percent: int) -> float:
    """So many percent are not beyond this; 0 when there are none."""
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else 0.0


class _PeakDescriptors(Thread):
    """Looks at the daemon's open files from time to time."""

    def __init__(self, daemon: MeasuredDaemon) -> None:
        super().__init__(daemon=True)
        self._of = daemon
        self._most = 0
        self._over = Event()
        self.start()

    def run(self) -> None:
        """Until told to stop."""
        while not self._over.wait(0.5):
            self._most = max(self._most, self._of.descriptors())

    def stop(self) -> int:
        """The highest count that was seen."""
        self._over.set()
        self.join()
        return self._most


def _enrol(daemon: MeasuredDaemon, count: int, sources: int, word: str) -> list[str]:
    """So many new devices: id, secret, and the address that it dials from."""

    def enrol(number: int) -> str:
        added = daemon.api("POST", "/devices", {"name": f"{word}-{number}", "model": "boiler"})
        source = number % sources
        net = 1 if word == "storm" else 2
        return f"{added['id']} {added['secret']} 127.{net}.{source >> 8}.{source & 255}\n"

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(enrol, range(count)))


def _swarm(stack: ExitStack, daemon: MeasuredDaemon, listed: Sequence[str]) -> Subject:
    file = Path(stack.enter_context(tempfile.TemporaryDirectory()), "devices")
    file.write_text("".join(listed))
    return stack.enter_context(subject("swarm", daemon.smok4, file, module="tests.storm_process"))


def _told(swarm: Subject, line: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(swarm.ask(line))
    return answer


def _all_told(swarms: list[Subject], line: str) -> list[dict[str, Any]]:
    with ThreadPoolExecutor(len(swarms)) as pool:
        return list(pool.map(lambda swarm: _told(swarm, line), swarms))


def _sum(counts: list[dict[str, int]]) -> dict[str, int]:
    return {reason: sum(one.get(reason, 0) for one in counts) for reason in {key for one in counts for key in one}}


# -- what is printed


def report(figures: Figures) -> str:
    """A few lines."""
    back = figures.back
    seconds = [_share(back, percent) for percent in (50, 99, 100)]
    fastest = max(Counter(map(int, back)).values(), default=0)
    failed = {reason: count for reason, count in figures.counts.items() if reason != "attempts"}
    lines = [
        f"{figures.devices} devices, {figures.missing} missing; half of them back after {seconds[0]:.1f} s,"
        f" 99 % after {seconds[1]:.1f} s, all after {seconds[2]:.1f} s",
        f"{figures.counts['attempts']} attempts, of these failed: {failed or 'none'}; at the daemon: "
        f"{figures.violations or 'nothing'}",
        f"up to {fastest} back in a second; {figures.cpu_seconds:.1f} s of CPU, "
        f"{1000 * figures.cpu_seconds / figures.devices:.2f} ms a device",
        f"memory: {figures.idle_kilobytes / 1000:.0f} MB with all connected, {figures.peak_kilobytes / 1000:.0f} MB"
        f" at its highest; {figures.peak_descriptors} descriptors",
    ]
    for name, one in (("before", figures.calm), ("in the storm", figures.storm)):
        for kind, text in (("pong", "PING to PONG"), ("ack", "DATA to ACK"), ("late", "of this our own delay")):
            lines.append(f"{name}, {text}: {_spread(one[kind])}")
    lines.append(f"without an answer: {figures.unanswered}")
    return "\n".join(lines)


def p99(seconds: Sequence[float]) -> float:
    """The 99th percentile."""
    return _share(sorted(seconds), 99)


def _spread(seconds: list[float]) -> str:
    median, nearly_all, longest = (1000 * _share(sorted(seconds), percent) for percent in (50, 99, 100))
    return f"{len(seconds)} times, median {median:.0f} ms, p99 {nearly_all:.0f} ms, longest {longest:.0f} ms"


def holds(figures: Figures, longest_seconds: float = LONGEST_SECONDS) -> bool:
    """Whether the bars of F15 are met; ``longest_seconds`` is the one for 99 % of what the others wait for."""
    waits = [figures.storm[kind] for kind in ("pong", "ack")]
    unnoticed = all(some and p99(some) < longest_seconds for some in waits) and not figures.unanswered
    return unnoticed and not figures.missing and figures.back[-1] <= 600


def main() -> int:
    """Print the figures; 0 only if all came back in time and those that stayed did not notice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--sources", type=int, default=1000)
    parser.add_argument("--open-door", action="store_true", help="without the limits at the door")
    args = parser.parse_args()
    descriptors.allow()
    os.sched_setaffinity(0, OTHER_CORES)  # and whatever it starts, but for the daemon
    with tempfile.TemporaryDirectory() as folder:
        figures = run(Path(folder), args.devices, args.sources, OPEN_DOOR if args.open_door else "")
    print(report(figures))
    print(description())
    return 0 if holds(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
