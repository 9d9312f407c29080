"""The disk fills up under a daemon that devices load: acknowledgements stop, everything else goes on, nothing is lost.

``python -m tests.disk_full --seconds 60`` under the embedded store; ``python -m tests.cassandra_faults disk`` under the
journal in front of a real Cassandra. The suite runs short versions of both.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

from .kill_loop import Load, Stored, compare, stored_numbers
from .processes import Daemon, wait_until
from .small_disk import SmallDisk

DEVICES = 4
OCTETS = 24 << 20
#: So long without an acknowledgement, and they have stopped.
_STILL_SECONDS = 2.0
#: Segments of the daemon's journal are small: it comes to the end of the room that it has reserved.
SMALL_SEGMENTS = (
    "from smok_twisted.storage.journal.journal import Journal; "
    "Journal.__init__.__kwdefaults__['segment_octets'] = 1 << 18; "
)


def under_sqlite(folder: Path, seconds: float) -> dict[str, Any]:
    """The folder of the embedded store is what fills up."""
    daemon = Daemon(folder)
    disk = SmallDisk(daemon.data_dir, OCTETS)
    try:
        daemon.data_dir = disk.seen(daemon.data_dir)

        def stored(device_id: int) -> Counter[int]:  # from a copy: SQLite resolves the path, out of the namespace
            file = shutil.copy(daemon.data_dir / "smok.db", folder / "copy.db")
            return stored_numbers(Path(file), device_id)

        return filled(daemon, disk, stored, seconds)
    finally:
        disk.remove()


def filled(daemon: Daemon, disk: SmallDisk, stored: Stored, seconds: float) -> dict[str, Any]:
    """``disk`` is full for so long; what was seen then, and what the ledgers and the store say afterwards."""
    daemon.prefix = disk.prefix(daemon.folder)
    daemon.start()
    try:
        load = Load(daemon, DEVICES)
        wait_until(lambda: load.acknowledged > 200, "the first acknowledgements")
        logins = load.logins
        stop(load, disk)
        before = load.acknowledged
        time.sleep(seconds)
        figures = {"acknowledged while full": load.acknowledged - before, **answers(daemon, load)}
        disk.empty()
        begun = time.monotonic()
        wait_until(lambda: load.acknowledged > before + 20, "acknowledgements when there is room again")
        figures["acknowledging again after"] = round(time.monotonic() - begun, 1)
        time.sleep(2)
        load.end()
        figures["sessions dropped"] = load.logins - logins
    finally:
        status = daemon.end()
    assert daemon.process is not None
    figures |= {"exit status": status, "tracebacks": daemon.process.output().count("Traceback")}
    return figures | compare(load.clients, stored)


def stop(load: Load, disk: SmallDisk) -> None:
    """Fill it until nothing is acknowledged any more."""

    def is_still() -> bool:
        disk.fill()  # what the daemon has given back as well
        count = load.acknowledged
        time.sleep(_STILL_SECONDS)
        return load.acknowledged == count

    wait_until(is_still, "an end of acknowledgements")


def answers(daemon: Daemon, load: Load) -> dict[str, Any]:
    """Of the daemon on a full disk: what it says of itself, and whether page and values are there."""
    name = load.clients[0].device.device_id
    status, ready = asked(daemon, "/readyz")
    return {
        "ready": status,
        "state": json.loads(ready)["storage"]["state"],
        "alive": asked(daemon, "/healthz")[0],
        "page": asked(daemon, "/")[0],
        "values": len(daemon.api("GET", f"/devices/{name}/values")["values"]),
    }


def asked(daemon: Daemon, path: str) -> tuple[int, bytes]:
    """Status and body."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{daemon.web}{path}", timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def is_good(figures: dict[str, Any]) -> bool:
    """Nothing was acknowledged while the disk was full, nothing lost, and nobody but those who ask noticed."""
    wanted = {
        "acknowledged while full": 0, "ready": 503, "state": "disk-full", "alive": 200, "page": 200, "values": 2,
        "sessions dropped": 0, "exit status": -signal.SIGTERM, "tracebacks": 0, "missing": 0, "duplicated": 0,
    }  # fmt: skip
    return figures["acknowledged"] > 200 and {name: figures[name] for name in wanted} == wanted


def main() -> int:
    """Print the figures; 0 if all is as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="for which the disk is full")
    with tempfile.TemporaryDirectory() as folder:
        figures = under_sqlite(Path(folder), parser.parse_args().seconds)
    print("disk full:", ", ".join(f"{name} {count}" for name, count in figures.items()))
    return 0 if is_good(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
