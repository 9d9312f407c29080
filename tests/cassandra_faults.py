"""The daemon under load on a real Cassandra, while something dies: nothing that was acknowledged is missing.

``python -m tests.cassandra_faults kill --cycles 300`` and others (``--help``); the suite runs short versions. Devices
are the clients of ``kill_loop`` with their ledger outside of the daemon; what is stored is read by CQL.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bench.cpu import resident_octets
from smok_twisted.errors import StorageError
from smok_twisted.history.chunk import Chunk
from smok_twisted.storage.blob import decode
from smok_twisted.storage.cassandra.driver import DriverSession, Options

from . import cassandra_rig
from .ack_times import Course
from .disk_full import OCTETS, SMALL_SEGMENTS, filled, is_good
from .kill_loop import Load, compare, killed
from .processes import Daemon
from .small_disk import SmallDisk

DEVICES = 4
#: While one node of three fails acknowledgements may stay out so long.
GAP_SECONDS = 5.0
#: Batches that are acknowledged, and on no node's disk, when the power is cut.
LOST = 100


def daemon_on(options: Options, folder: Path, more: str = "") -> Daemon:
    """Not started; its keyspace has its tables."""
    points = ", ".join(f'"{address}"' for address in options.contact_points)
    return Daemon(
        folder,
        f'[storage]\nkind = "cassandra"\n{more}\n[storage.cassandra]\ncontact_points = [{points}]\n'
        f'keyspace = "{options.keyspace}"\n',
    )


def stored(options: Options, device_id: int) -> Counter[int]:
    """How often each number of a device is in Cassandra: in the log or, where that is packed, in its chunks."""
    session = DriverSession(options)
    try:
        signed = int.from_bytes(device_id.to_bytes(8), signed=True)
        numbers = [row[0] for row in rows(session, "SELECT number, device_id FROM device") if row[1] == signed]
        if not numbers:  # lost with the power
            return Counter()
        [number] = numbers
        reports = set(of_device(session, number, "report", "day", "boot, batch_number, round, blocks"))
        blocks_of = [decode(blocks) for *_, blocks in reports]
        seen = {(boot, batch, round_) for boot, batch, round_, _ in reports}
        for (octets,) in of_device(session, number, "chunk", "month", "octets"):
            blocks_of += [
                one.blocks for one in Chunk(octets).reports(device_id) if (one.boot, one.batch, one.round) not in seen
            ]
    finally:
        session.close()
    return Counter(block.words[0] << 16 | block.words[1] for blocks in blocks_of for block in blocks)


def of_device(session: DriverSession, number: int, table: str, part: str, columns: str) -> Iterator[tuple[Any, ...]]:
    """Partition by partition: of nodes that differ, Cassandra would filter no more than 32,000 rows."""
    for device, one in rows(session, f"SELECT DISTINCT device, {part} FROM {table}"):
        if device == number:
            yield from rows(session, f"SELECT {columns} FROM {table} WHERE device = {device} AND {part} = {one}")


def rows(session: DriverSession, cql: str, tries: int = 5) -> list[tuple[Any, ...]]:
    """Nodes that have just come back are slow, and are asked again."""
    try:
        return session.run(cql)
    except StorageError:
        if tries == 1:
            raise
    time.sleep(2)
    return rows(session, cql, tries - 1)


def kill(options: Options, folder: Path, cycles: int) -> dict[str, Any]:
    """kill -9 of the daemon, again and again."""
    daemon = daemon_on(options, folder)
    return killed(daemon, cycles, DEVICES, 1, lambda device_id: stored(options, device_id))


@contextmanager
def under_load(daemon: Daemon, devices: int = DEVICES, **pace: Any) -> Iterator[Load]:
    """A daemon that runs and is loaded; ended afterwards."""
    daemon.start()
    try:
        load = Load(daemon, devices, **pace)
        wait_for(lambda: load.acknowledged > 20, 60, "the first acknowledgements")
        yield load
    finally:
        daemon.end()


def wait_for(true: Callable[[], bool], seconds: float, what: str) -> float:
    """How long it took. Raises AssertionError."""
    begun = time.monotonic()
    while not true():
        if time.monotonic() - begun > seconds:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.05)
    return time.monotonic() - begun


def one_node(
    cluster: Any, options: Options, folder: Path, kinds: tuple[str, ...], seconds: float, keep: Path | None = None
) -> dict[str, Any]:
    """One node killed, hung, cut off or restarted, in turn, for so long each, with half of that quiet before.

    ``keep``: a file for the course of it all.
    """
    daemon = daemon_on(options, folder)
    with under_load(daemon) as load:
        logins, course = load.logins, Course()
        for number, kind in enumerate(kinds):
            node = number % 3 + 1
            hurt, heal = hurting(cluster, kind, node)
            time.sleep(seconds / 2)
            course.struck(kind)
            hurt()
            time.sleep(seconds)
            if kind == "partition":
                wait_for(partial(others_miss, cluster, node), 120, f"the others missing node {node}")
            heal()
            wait_for(lambda: all(entry.state == "up" for entry in cluster.status()), 180, f"node {node} up again")
            time.sleep(2)
            course.over(kind)
        figures = course.figures(load.covered) | {"sessions dropped": load.logins - logins}
        load.end()
    if keep is not None:
        course.keep(load.covered, keep)
    return figures | compare(load.clients, lambda device_id: stored(options, device_id))


def nobody_noticed(figures: dict[str, Any]) -> bool:
    """No session was dropped, and acknowledgements went on in time."""
    gaps = [count for name, count in figures.items() if name.startswith("longest gap")]
    return figures["acknowledged"] > 50 and not figures["sessions dropped"] and max(gaps) <= GAP_SECONDS


def others_miss(cluster: Any, node: int) -> bool:
    """Whether another node takes this one for down: some 20 s after the cut, twice that where gossip is slow."""
    said = cluster.nodetool("status", node=node % 3 + 1).stdout
    return bool(re.search(rf"^DN +{re.escape(cluster.addresses[node - 1])} ", said, re.MULTILINE))


def hurting(cluster: Any, kind: str, node: int) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """What hurts a node, and what mends it."""
    return {
        "kill": (lambda: cluster.kill(node), lambda: cluster.start(node)),
        "hang": (lambda: cluster.pause(node), lambda: cluster.resume(node)),
        "restart": (lambda: cluster.stop(node), lambda: cluster.start(node)),
        "partition": (lambda: cluster.partition(node), lambda: cluster.heal()),
    }[kind]


def quorum_lost(cluster: Any, options: Options, folder: Path, seconds: float) -> dict[str, Any]:
    """Two nodes gone for a while: devices stay logged in, values stay live, nothing is lost afterwards."""
    daemon = daemon_on(options, folder)
    # As devices do: they report on, however much is not acknowledged.
    with under_load(daemon, window=30_000, pause_seconds=0.2) as load:
        logins, name = load.logins, load.clients[0].device.device_id
        assert daemon.process is not None
        octets = resident_octets(daemon.process.pid)
        for node in (2, 3):
            cluster.kill(node)
        time.sleep(seconds)
        ready = daemon.ready()
        values = daemon.api("GET", f"/devices/{name}/values")["values"]
        grown = resident_octets(daemon.process.pid) - octets
        unsettled = daemon.figure("smok_journal_unsettled")
        oldest = daemon.figure("smok_journal_unsettled_seconds")
        before, begun = load.acknowledged, time.monotonic()
        for node in (2, 3):
            cluster.start(node)
        wait_for(lambda: load.acknowledged > before + 20, 240, "acknowledgements after the outage")
        again = time.monotonic() - begun
        wait_for(lambda: load.sent - load.acknowledged < 10 * DEVICES, 240, "the journal drained")
        drained = time.monotonic() - begun
        load.end()
        figures = {
            "sessions dropped": load.logins - logins,
            "state": ready["storage"]["state"],
            "age of values": max(value["age"] for value in values),
            "unsettled entries": int(unsettled),
            "megabytes more": round(grown / 1e6, 1),
            "age of the oldest": round(oldest, 1),
            "acknowledging again after": round(again, 1),
            "journal drained after": round(drained, 1),
        }
    return figures | compare(load.clients, lambda device_id: stored(options, device_id))


def disk(options: Options, folder: Path, seconds: float) -> dict[str, Any]:
    """The disk under the journal is full for so long."""
    daemon = daemon_on(options, folder)
    daemon.preamble = SMALL_SEGMENTS
    small = SmallDisk(daemon.data_dir / "journal", OCTETS)
    try:
        return filled(daemon, small, lambda device_id: stored(options, device_id), seconds)
    finally:
        small.remove()


def all_nodes(cluster: Any, options: Options, folder: Path) -> dict[str, Any]:
    """All three killed at once right after acknowledgements: what Cassandra alone has lost, and what is there later.

    ``cluster`` is ``volatile``: SIGKILL takes from it what a power cut would.
    """
    daemon = daemon_on(options, folder)
    with under_load(daemon, 32, window=5) as load:
        strike_all(cluster, load)
        daemon.end(9)
        wait_for(lambda: all(entry.state == "down" for entry in cluster.status()), 60, "the end of all nodes")
        cluster.up()
        alone = compare(load.clients, lambda device_id: stored(options, device_id))
        sent = load.sent
        daemon.start()
        wait_for(lambda: load.acknowledged > sent, 240, "acknowledgements after the outage")
        load.end()
        wait_for(lambda: daemon.figure("smok_journal_waiting") == 0, 240, "the journal written again")
    found = compare(load.clients, lambda device_id: stored(options, device_id))
    return {"missing in Cassandra alone": alone["missing"], **found}


def strike_all(cluster: Any, load: Load) -> None:
    """SIGKILL to all nodes in one moment, while ``LOST`` acknowledged batches or more are in no node's log on disk."""
    pids = [entry.pid for entry in cluster.status()]

    def held_with_batches_to_lose() -> bool:
        synced = last_sync(cluster)
        enough = load.sent + LOST  # an ACK that comes now may be older than that sync, one for these cannot
        wait_for(lambda: load.acknowledged >= enough or last_sync(cluster) != synced, 60, f"{LOST} batches")
        send(pids, signal.SIGSTOP)  # a node could write its log between the look and the blow
        if load.acknowledged >= enough and last_sync(cluster) == synced:
            return True
        send(pids, signal.SIGCONT)
        return False

    wait_for(held_with_batches_to_lose, 240, f"{LOST} batches acknowledged while no node writes its log to disk")
    send(pids, signal.SIGKILL)


def send(pids: list[int], number: signal.Signals) -> None:
    """To each of them."""
    for pid in pids:
        os.kill(pid, number)


def last_sync(cluster: Any) -> float:
    """When any node of a ``volatile`` cluster wrote its commit log down last: what came later, none has on disk."""
    return max(path.stat().st_mtime for path in cluster.folder.glob("node*/commitlog/*.log"))


def main() -> int:
    """Print the figures; 0 only if nothing is missing and nothing is there twice."""
    from tools.cassandra import Cluster
    from tools.cassandra.configuration import Options as ClusterOptions

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("kill", "node", "quorum", "disk", "all"))
    parser.add_argument("--cycles", type=int, default=300, help="of kill")
    parser.add_argument("--seconds", type=float, default=600, help="of quorum and disk; of each fault of node")
    parser.add_argument("--inside", type=Path, help="folder of a cluster in whose namespace this runs")
    parser.add_argument("--kinds", nargs="+", default=["kill", "hang", "restart"], help="of node; partition needs root")
    parser.add_argument("--keep", type=Path, help="of node: a file for what tests.fault_plot draws")
    args = parser.parse_args()
    if args.inside is not None:
        with tempfile.TemporaryDirectory() as home:
            return report(args, Cluster(args.inside), Path(home))
    with tempfile.TemporaryDirectory() as folder:
        commitlog = "volatile" if args.what == "all" else "group"
        wanted = ClusterOptions(base="auto", commitlog=commitlog, namespace="partition" in args.kinds)
        cluster = Cluster(Path(folder, "cluster"), wanted)
        cluster.up()
        try:
            if wanted.namespace:
                again = [sys.executable, "-m", "tests.cassandra_faults", *sys.argv[1:], "--inside", cluster.folder]
                return subprocess.run([*cluster.prefix, *again], check=False).returncode
            home = Path(folder, "daemon")
            home.mkdir()
            return report(args, cluster, home)
        finally:
            cluster.down(hard=True)
            cluster.wipe()


def report(args: argparse.Namespace, cluster: Any, home: Path) -> int:
    """Do it and print the figures."""
    options = cassandra_rig.make_keyspace(cluster.addresses, 3)
    figures = {
        "kill": lambda: kill(options, home, args.cycles),
        "node": lambda: one_node(cluster, options, home, tuple(args.kinds), args.seconds, args.keep),
        "quorum": lambda: quorum_lost(cluster, options, home, args.seconds),
        "disk": lambda: disk(options, home, args.seconds),
        "all": lambda: all_nodes(cluster, options, home),
    }[args.what]()
    print(f"{args.what}:", ", ".join(f"{name} {count}" for name, count in figures.items()), flush=True)
    is_shown = figures["acknowledged"] and figures.get("missing in Cassandra alone", 1)
    if args.what == "disk":
        is_shown = is_good(figures)
    if args.what == "node":
        is_shown = nobody_noticed(figures)
    return 0 if is_shown and not figures["missing"] and not figures["duplicated"] else 1


if __name__ == "__main__":
    sys.exit(main())
