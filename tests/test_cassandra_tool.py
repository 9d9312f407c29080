"""The tool around Cassandra without Cassandra: whom it touches, what it says, what it does around a run of tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import UserError
from tools.cassandra import Cluster, Options
from tools.cassandra.command import main
from tools.cassandra.lending import LEFT_OUT, VARIABLE, run_tests
from tools.cassandra.processes import Process, launch, load, this_process
from tools.cassandra.settling import save_options

from .processes import ROOT, wait_until

NOBODY = "127.0.98"  #: a base of this module's own
UP = "python -m tools.cassandra up"


#: A run of tests that left three out.
THREE_LEFT_OUT = f"""
import os, pathlib, sys
pathlib.Path(os.environ["{VARIABLE}"], "{LEFT_OUT}").write_text("Java 17 is needed\\n" * 3)
sys.exit(7)
"""
AROUND = """
import pathlib, sys
from tools.cassandra.lending import run_tests
sys.exit(run_tests(sys.argv[2:], pathlib.Path(sys.argv[1])))
"""


class OwnProcesses(SynchronousTestCase):
    """Only what was started here is touched."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    def launch(self, *command: str) -> Process:
        process = launch(command, self.folder / "log", os.environ)
        self.addCleanup(process.send, signal.SIGKILL)
        return process

    def test_life(self) -> None:
        """A process is started in the background, held, let go, and ended by SIGTERM."""
        process = self.launch("sleep", "600")
        self.assertTrue(process.runs)
        process.send(signal.SIGSTOP)
        wait_until(lambda: process.is_stopped, "the stop")
        self.assertTrue(process.end(20))
        self.assertFalse(process.runs)
        self.assertFalse(process.send(signal.SIGKILL))

    def test_stubborn(self) -> None:
        """One that does not listen to SIGTERM is killed after the patience."""
        process = self.launch("sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done")
        wait_until(lambda: "deaf" in (self.folder / "log").read_text(), "the trap")
        self.assertFalse(process.end(0.3))
        self.assertFalse(process.runs)

    def test_somebody_with_the_same_pid(self) -> None:
        """A pid that meanwhile belongs to another process is left alone."""
        process = self.launch("sleep", "600")
        Process(process.pid, process.started - 1).save(self.folder / "node1.json")
        stranger = load(self.folder / "node1.json")
        assert stranger is not None
        self.assertFalse(stranger.runs)
        self.assertFalse(stranger.send(signal.SIGKILL))
        self.assertTrue(stranger.end(1))
        time.sleep(0.1)
        self.assertTrue(process.runs)

    def test_down_ends_only_its_own(self) -> None:
        """`down` ends the process that the folder names, and none that only looks the same."""
        save_options(self.folder / "cluster.json", Options(nodes=1, base=NOBODY))
        own, other = self.launch("sleep", "600"), self.launch("sleep", "600")
        own.save(self.folder / "node1.json")
        cluster = Cluster(self.folder)
        self.assertIs(cluster.down(), True)
        self.assertFalse(own.runs)
        self.assertTrue(other.runs)
        self.assertIs(cluster.down(), False)

    def test_wipe_keeps_other_folders(self) -> None:
        """A folder that holds no cluster is not removed, whoever names it."""
        (self.folder / "precious").touch()
        error = self.assertRaises(UserError, Cluster(self.folder).wipe)
        self.assertIn("holds no cluster of this tool", str(error))
        self.assertTrue((self.folder / "precious").exists())


class Command(SynchronousTestCase):
    """What a person types."""

    def run_tool(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tools.cassandra", *arguments],
            cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    def test_no_cluster(self) -> None:
        """Any verb without a cluster says how to start one: one line, exit status 2."""
        folder = str(Path(self.mktemp()).absolute())
        for words in (["status"], ["kill", "2"], ["run", "--", "true"], ["down"]):
            done = self.run_tool(words[0], "--folder", folder, *words[1:])
            self.assertEqual(done.returncode, 2)
            (line,) = done.stderr.splitlines()
            self.assertEqual(line.partition(":")[2], f" there is no cluster in {folder}: `{UP}` starts one")

    def test_refused_start(self) -> None:
        """Without jars and Maven `up` ends with one sentence and exit status 1, and nothing runs."""
        folder, cache = str(Path(self.mktemp()).absolute()), str(Path(self.mktemp()).absolute())
        done = self.run_tool("up", "--folder", folder, "--base", NOBODY, PATH="/nowhere", SMOK_CASSANDRA_JARS=cache)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr.splitlines()[-1], "apt install (maven|openjdk)")
        self.assertNotIn("Traceback", done.stderr)
        self.assertFalse(Cluster(folder).exists)

    def test_usage(self) -> None:
        """What is not understood is one sentence and exit status 2."""
        done = self.run_tool("up", "--nodes", "2")
        self.assertEqual((done.returncode, done.stderr), (2, "cassandra: --nodes 2: a cluster has 1 or 3 nodes\n"))
        self.assertEqual(main(["kill", "x"]), 2)


class RunOfTests(SynchronousTestCase):
    """`make test` around trial."""

    def setUp(self) -> None:
        self.runs = Path(self.mktemp()).absolute()

    def test_what_was_left_out_is_told(self) -> None:
        """The last lines say how many tests were not run for want of something, and why; the status stays trial's."""
        around = [sys.executable, "-c", AROUND, str(self.runs)]
        tests = [sys.executable, "-c", THREE_LEFT_OUT]
        done = subprocess.run([*around, *tests], cwd=ROOT, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 7)
        self.assertEqual(
            done.stderr.splitlines()[-1],
            "LEFT OUT: 3 tests were not run: Java 17 is needed",
        )
        self.assertEqual(list(self.runs.iterdir()), [])

    def test_forgotten_nodes_are_ended(self) -> None:
        """Nodes of a run that was killed are ended by the next one; those of a run that goes on are not."""
        processes = []
        for name, owner in (("1", Process(this_process().pid, 0)), ("2", this_process())):
            folder = self.runs / name
            folder.mkdir(parents=True)
            save_options(folder / "cluster.json", Options(nodes=1, base=NOBODY))
            node = launch(["sleep", "600"], folder / "log", os.environ)
            self.addCleanup(node.send, signal.SIGKILL)
            node.save(folder / "node1.json")
            owner.save(folder / "owner.json")
            processes.append(node)
        before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        try:
            self.assertEqual(run_tests(["true"], self.runs), 0)
        finally:
            signal.signal(signal.SIGINT, before[0])
            signal.signal(signal.SIGTERM, before[1])
        self.assertEqual([process.runs for process in processes], [False, True])
