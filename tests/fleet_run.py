"""A fleet that reports for minutes while things go wrong, and a count from outside: each report is stored once.

``python -m tests.fleet_run --devices 1000 --seconds 600`` is ``make fleet``; the suite runs a short one. The daemon
is the whole one, on SQLite, with a core of its own; the devices are ``smok sim``, which notes in a ledger what they
report.
A report must be in the store exactly once, or still in its device's spool; the order must be that of the ledger.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from bench.cpu import cpu_seconds, resident_octets
from bench.machine import description
from smok_twisted.agent.spool_file import FILE_NAME
from smok_twisted.tools.access import Access
from smok_twisted.tools.client import Client
from smok_twisted.tools.sim_enrolment import HERE, Enrolment

from .fleet_rig import OTHER_CORES, MeasuredDaemon
from .processes import Process, wait_until

#: What goes wrong: a connection every 15 s, a controller every minute, the power every three minutes.
FAULTS = ("--drop-rate", "240", "--dead-unit-rate", "60", "--power-cut-rate", "20", "--exceptions", "0.1")
#: What the devices' process says when it does.
MISHAPS = ("loses its connection", "answers nothing", "the power fails")
_SMOK = "import os, sys; os.sched_setaffinity(0, {cores}); from smok_twisted.tools.main import run; run()"

#: Of each device, what it reported, in order: the blocks as ``storage.blob`` has them.
Reports = dict[int, list[bytes]]


@dataclass
class Figures:
    """What a run has shown."""

    made: int  #: reports of SMOK/4 devices
    stored: int
    waiting: int  #: made, not stored yet, and still in the spool of the device
    missing: int
    twice: int  #: stored more than once, or never made
    disordered: int  #: devices whose reports are not stored in the order in which they were made
    p24_stored: int  #: reports of P24 devices
    p24_lost: int  #: read and not stored, as the daemon counts
    session_kilobytes: float  #: of the daemon, for each session that began
    growth_kilobytes: float  #: of the daemon, from the beginning of the run to its end
    cpu_share: float  #: of a core
    sim_kilobytes: float  #: of the devices' process, for each device
    sim_cpu_share: float
    mishaps: list[int]  #: how often each of ``MISHAPS``


def run(folder: Path, devices: int, p24: int, seconds: float, faults: tuple[str, ...] = FAULTS) -> Figures:
    """Raises AssertionError when devices do not come, or a process does not end as it should."""
    daemon = MeasuredDaemon(folder)
    daemon.start()
    sim: Process | None = None
    try:
        state = daemon.data_dir / "sim"
        enrolment = Enrolment(Client(Access(f"http://127.0.0.1:{daemon.web}", _token(daemon))), state, None)
        enrolment.enrol(devices)
        enrolment.enrol_p24(p24, HERE)
        before = daemon.resident_kilobytes()
        sim = _sim(daemon, devices, p24, faults)
        wait_until(lambda: daemon.connected() == devices + p24, "all devices", 120 + devices / 10)
        time.sleep(min(35, seconds / 4))  # the slowest block is read every 30 s: each was reported once
        after, figures = daemon.resident_kilobytes(), _Steady(daemon, sim)
        time.sleep(seconds)
        steady = figures.told(devices + p24)
        assert sim.end() == 0, sim.output()[-2000:]
        wait_until(lambda: daemon.connected() == 0, "the end of all sessions")
        lost = sum(daemon.metrics("smok_readings_lost_total").values())
    finally:
        if sim is not None:
            sim.end()
        daemon.end()
    made, (stored, p24_stored) = _ledger(folder / "ledger"), _stored(daemon.data_dir / "smok.db")
    mishaps = [(folder / "sim.log").read_text().count(text) for text in MISHAPS]
    counted = count(made, stored, _kept(state))
    return Figures(*counted, p24_stored, int(lost), (after - before) / (devices + p24), *steady, mishaps)


class _Steady:
    """CPU and memory of both processes from now on."""

    def __init__(self, daemon: MeasuredDaemon, sim: Process) -> None:
        self._daemon, self._sim = daemon, sim
        self._begun = time.monotonic()
        self._cpu, self._memory = daemon.cpu_seconds(), daemon.resident_kilobytes()
        self._sim_cpu = cpu_seconds(sim.pid)

    def told(self, devices: int) -> tuple[float, float, float, float]:
        """Growth (KB), CPU share; of the devices: KB each, CPU share."""
        seconds = time.monotonic() - self._begun
        return (
            self._daemon.resident_kilobytes() - self._memory,
            (self._daemon.cpu_seconds() - self._cpu) / seconds,
            resident_octets(self._sim.pid) / 1000 / devices,
            (cpu_seconds(self._sim.pid) - self._sim_cpu) / seconds,
        )


def _sim(daemon: MeasuredDaemon, devices: int, p24: int, faults: tuple[str, ...]) -> Process:
    options = ("--devices", str(devices), "--p24", str(p24), "--start-rate", "50", "--ledger", "ledger", *faults)
    where = ("--config", str(daemon.config), "--server", f"127.0.0.1:{daemon.smok4}")
    code = _SMOK.format(cores=OTHER_CORES)
    return Process(daemon.folder / "sim.log", "-c", code, "sim", *where, *options)


def _token(daemon: MeasuredDaemon) -> str:
    return (daemon.data_dir / "admin.token").read_text().strip()


# -- the count


def count(made: Reports, stored: Reports, kept: Reports) -> tuple[int, int, int, int, int, int]:
    """Made, stored, waiting, missing, twice, disordered: see ``Figures``."""
    waiting = missing = twice = disordered = 0
    for device in made.keys() | stored.keys():
        of_device, in_store = made.get(device, []), stored.get(device, [])
        lacking, surplus = Counter(of_device) - Counter(in_store), Counter(in_store) - Counter(of_device)
        at_home = lacking & Counter(kept.get(device, []))
        waiting += at_home.total()
        missing += (lacking - at_home).total()
        twice += surplus.total()
        disordered += in_store != of_device[: len(in_store)]
    return sum(map(len, made.values())), sum(map(len, stored.values())), waiting, missing, twice, disordered


def _ledger(path: Path) -> Reports:
    made: Reports = defaultdict(list)
    for line in path.read_text("ascii").splitlines():
        device, _, blocks = line.split()
        made[int(device, 16)].append(bytes.fromhex(blocks))
    return made


def _stored(path: Path) -> tuple[Reports, int]:
    """Straight from the file, in the order of the batches; and how many there are of P24 devices."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute(
            "SELECT device_id, link, blocks FROM report JOIN device ON number = report.device"
            " ORDER BY device_id, report.boot, report.batch, round"
        ).fetchall()
    stored: Reports = defaultdict(list)
    for device, link, blocks in rows:
        if link == "smok4":
            stored[device % (1 << 64)].append(blocks)
    return stored, sum(link == "p24" for _, link, _ in rows)


def _kept(state: Path) -> Reports:
    """What the devices have not sent, or do not know to be stored; straight from their spools."""
    kept: Reports = {}
    for path in state.glob(f"*/{FILE_NAME}"):
        with sqlite3.connect(path) as connection:
            rows = connection.execute("SELECT reports FROM round ORDER BY serial, position").fetchall()
        kept[int(path.parent.name, 16)] = [reports for (reports,) in rows]
    return kept


# -- what is printed


def report(figures: Figures) -> str:
    """A few lines."""
    return "\n".join((
        f"{figures.made} reports made, {figures.stored} stored, {figures.waiting} still wait on their devices;"
        f" missing {figures.missing}, twice {figures.twice}, devices out of order {figures.disordered}",
        "what went wrong: "
        + ", ".join(f"{text} {count} times" for text, count in zip(MISHAPS, figures.mishaps, strict=True)),
        f"P24: {figures.p24_stored} reports stored, {figures.p24_lost} lost",
        f"daemon: {figures.session_kilobytes:.1f} KB for each session, {figures.growth_kilobytes / 1000:+.1f} MB"
        f" during the run, {figures.cpu_share:.1%} of a core",
        f"devices: {figures.sim_kilobytes:.0f} KB each, {figures.sim_cpu_share:.1%} of a core",
    ))


def holds(figures: Figures) -> bool:
    """Whether nothing was lost and nothing is there twice."""
    wrong = figures.missing + figures.twice + figures.disordered + figures.p24_lost
    return not wrong and figures.stored > 0


def main() -> int:
    """Print the figures; 0 only if each report is stored exactly once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--p24", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=600)
    args = parser.parse_args()
    os.sched_setaffinity(0, OTHER_CORES)
    with tempfile.TemporaryDirectory() as folder:
        figures = run(Path(folder), args.devices, args.p24, args.seconds)
    print(report(figures))
    print(description())
    return 0 if holds(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
