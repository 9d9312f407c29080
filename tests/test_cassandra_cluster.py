"""Three real Cassandra nodes, started, hurt and healed. Other modules share the cluster; partitions have their own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import LocalError, UserError
from tools.cassandra import Cluster, Options, cluster

from .cassandra_shared import may_be_missing, shared_cluster
from .processes import ROOT, wait_until

ROW = "smok_ready.row"


def write(cluster: Cluster, number: int, node: int = 1, consistency: str = "QUORUM") -> None:
    """One row, whose value is its number."""
    cluster.cql(f"INSERT INTO {ROW} (node, at) VALUES ({number}, {number})", node, consistency)


def read(cluster: Cluster, number: int, node: int = 1, consistency: str = "QUORUM") -> list[int]:
    """What is there of that row."""
    found = cluster.cql(f"SELECT at FROM {ROW} WHERE node = {number}", node, consistency)
    return [row["at"] for row in found]


def is_gone(pid: int | None) -> bool:
    """Whether there is no such process, not even a dead one that nobody has asked for."""
    try:
        os.kill(pid or 0, 0)
    except ProcessLookupError:
        return True
    return False


class Writer:
    """``cassandra_writer`` beside a test, where it reaches the nodes."""

    def __init__(self, test: SynchronousTestCase, cluster: Cluster) -> None:
        command = [*cluster.prefix, sys.executable, "-m", "tests.cassandra_writer", "smok_writer", *cluster.addresses]
        self._child = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        test.addCleanup(self._end)
        assert self._child.stdout is not None
        test.assertEqual(self._child.stdout.readline(), "writing\n")

    def result(self) -> dict[str, Any]:
        """How it went: see there."""
        out, _ = self._child.communicate("", timeout=600)
        told: dict[str, Any] = json.loads(out)
        return told

    def _end(self) -> None:
        self._child.kill()
        self._child.communicate()


class Use(SynchronousTestCase):
    """Beside others."""

    def setUp(self) -> None:
        self.cluster = shared_cluster(self)

    def test_ready_means_all(self) -> None:
        """A cluster that is ready takes a write at ALL through each node, and gives it back through each other."""
        for node in (1, 2, 3):
            write(self.cluster, 100 + node, node, "ALL")
            self.assertEqual([read(self.cluster, 100 + node, other, "ALL") for other in (1, 2, 3)], [[100 + node]] * 3)

    def test_up_again(self) -> None:
        """`up` on a running cluster starts nothing and says so: the processes are the same."""
        before = [entry.pid for entry in self.cluster.status()]
        self.assertNotIn(None, before)
        self.assertIs(self.cluster.up(), False)
        self.assertEqual([entry.pid for entry in self.cluster.status()], before)

    def test_other_settings(self) -> None:
        """What is asked of a running cluster and would need another one is refused, and nothing happens to it."""
        other = Cluster(self.cluster.folder, Options(nodes=1, base="auto", commitlog="group"))
        error = self.assertRaises(UserError, other.up)
        self.assertIn("runs with nodes = 3, not 1: take it down first", str(error))
        error = self.assertRaises(UserError, self.cluster.wipe)
        self.assertIn("take it down before its data are removed", str(error))
        error = self.assertRaises(UserError, self.cluster.wipe, 2)
        self.assertIn("node 2 runs", str(error))
        self.assertEqual({entry.state for entry in self.cluster.status()}, {"up"})

    def test_nodetool(self) -> None:
        """Cassandra's own tool sees three nodes, all up and normal."""
        done = self.cluster.nodetool("status", node=2)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.count("UN  127.0."), 3, done.stdout)

    def test_cql_error(self) -> None:
        """A statement that Cassandra refuses is told in its words, without a traceback."""
        error = self.assertRaises(LocalError, self.cluster.cql, "SELEC")
        self.assertIn("Syntax error in CQL query", str(error))

    def test_no_partition_here(self) -> None:
        """On the machine's own loopback nothing is cut off, and the refusal says what would help."""
        error = self.assertRaises(UserError, self.cluster.partition, 3)
        self.assertIn("started with --namespace", str(error))

    def test_address_is_taken(self) -> None:
        """A second cluster at the same addresses is refused, with the port and the process that is in the way."""
        second = Cluster(self.mktemp(), Options(nodes=1, base=self.cluster.options.base, heap="384m"))
        with may_be_missing():
            error = self.assertRaises(LocalError, second.up)
        pid = self.cluster.status()[0].pid
        self.assertIn(f"{self.cluster.addresses[0]}:9042, which node 1 needs, is taken by pid {pid} (java)", str(error))
        self.assertFalse(second.runs)
        self.assertFalse(second.down())
        self.assertEqual({entry.state for entry in self.cluster.status()}, {"up"})


class Faults(SynchronousTestCase):
    """Alone; afterwards the cluster is whole again."""

    def setUp(self) -> None:
        self.cluster = shared_cluster(self, alone=True)

    def test_kill_and_start(self) -> None:
        """A node that is killed hard: no write at QUORUM fails and none is lost; it comes back with what it missed."""
        pid = self.cluster.status()[1].pid
        writer = Writer(self, self.cluster)
        self.cluster.kill(2)
        self.assertEqual([entry.state for entry in self.cluster.status()], ["up", "down", "up"])
        wait_until(lambda: is_gone(pid), "the end of the process")
        write(self.cluster, 200)
        self.assertRaises(LocalError, write, self.cluster, 201, 1, "ALL")
        self.cluster.start(2)
        write(self.cluster, 202, 2, "ALL")
        result = writer.result()
        self.assertEqual((result["failed"], result["missing"]), ([], []))
        self.assertEqual(read(self.cluster, 200, 2, "ALL"), [200])

    def test_stop_and_up(self) -> None:
        """A node that is stopped ends by itself on SIGTERM; `up` starts what is missing and nothing else."""
        others = [entry.pid for entry in self.cluster.status() if entry.number != 3]
        self.assertIs(self.cluster.stop(3), True)
        self.assertIs(self.cluster.up(), True)
        after = self.cluster.status()
        self.assertEqual([entry.pid for entry in after if entry.number != 3], others)
        self.assertEqual({entry.state for entry in after}, {"up"})

    def test_pause_and_resume(self) -> None:
        """A node that hangs keeps its port open and answers nothing; the others go on; let go, it answers again."""
        self.cluster.pause(3)
        self.assertEqual([entry.state for entry in self.cluster.status()], ["up", "up", "paused"])
        with socket.create_connection((self.cluster.addresses[2], 9042), 10) as connection:
            connection.sendall(bytes.fromhex("050000000500000000"))  # OPTIONS, protocol version 5
            connection.settimeout(1)
            self.assertRaises(TimeoutError, connection.recv, 1)
            write(self.cluster, 300)
            error = self.assertRaises(LocalError, self.cluster.wait_ready)
            self.assertIn("node 3 is paused", str(error))
            self.cluster.resume(3)
            connection.settimeout(60)
            self.assertEqual(connection.recv(1), b"\x85")
        self.cluster.wait_ready()
        self.assertEqual(read(self.cluster, 300, 3, "ALL"), [300])

    def test_all_at_once(self) -> None:
        """All nodes killed at one moment come back with every row that was acknowledged (commit log: group)."""
        for number in range(400, 405):
            write(self.cluster, number)
        self.cluster.kill_all()
        self.assertEqual({entry.state for entry in self.cluster.status()}, {"down"})
        self.assertIs(self.cluster.up(), True)
        self.assertEqual([read(self.cluster, number) for number in range(400, 405)], [[n] for n in range(400, 405)])

    def test_lost_disk(self) -> None:
        """A node that lost its data takes its own place again and gets the rows from the others."""
        write(self.cluster, 500, 1, "ALL")
        self.cluster.kill(3)
        self.cluster.wipe(3)
        self.cluster.start(3)
        self.assertEqual(read(self.cluster, 500, 3, "ONE"), [500])


class OwnCluster(SynchronousTestCase):
    """One of its own."""

    def test_life_of_one_node(self) -> None:
        """A cluster of one node in a `with`: log-in and TLS on; `down` twice says what it did; nothing is left."""
        with may_be_missing(), cluster(Options(nodes=1, base="auto", heap="384m", password=True, tls=True)) as it:
            folder, pid = it.folder, it.status()[0].pid
            self.assertEqual(it.cql("LIST ROLES")[0]["role"], "cassandra")
            self.assertIn("CERTIFICATE", (folder / "tls" / "ca.pem").read_text())
            self.assertIs(it.down(hard=True), True)
            self.assertIs(it.down(), False)
            wait_until(lambda: is_gone(pid), "the end of the process")
            error = self.assertRaises(UserError, it.pause, 1)
            self.assertIn("node 1 does not run", str(error))
        self.assertFalse(folder.exists())

    def test_partition_and_heal(self) -> None:
        """A node that is cut off cannot write at QUORUM, the others and their clients can; healed, it catches up."""
        with may_be_missing(), cluster(Options(namespace=True, base="auto")) as it:
            self.addCleanup(lambda: self.assertFalse(it.namespace.is_open))
            writer = Writer(self, it)
            it.partition(3)
            self.assertEqual([entry.state for entry in it.status()], ["up", "up", "cut off"])
            write(it, 600, 1)
            write(it, 601, 2)
            self.assertRaises(LocalError, write, it, 602, 3)
            write(it, 603, 3, "ONE")
            error = self.assertRaises(LocalError, it.wait_ready)
            self.assertIn("node 3 is cut off", str(error))
            it.heal()
            it.wait_ready()
            result = writer.result()
            self.assertEqual((result["failed"], result["missing"]), ([], []))
            for number in (600, 601, 603):
                self.assertEqual(read(it, number, 3, "ALL"), [number])
            seen = it.run("sh", "-c", "echo $SMOK_CASSANDRA; exec ip -o link", capture_output=True, text=True)
            addresses, *links = seen.stdout.splitlines()
            self.assertEqual(addresses, "127.0.0.1,127.0.0.2,127.0.0.3")
            self.assertEqual(len(links), 1, links)
            networks = {os.readlink(f"/proc/{pid}/ns/net") for pid in ("self", it.status()[0].pid)}
            self.assertEqual(len(networks), 2)
