"""What a cluster may be, and what a machine lacks for one; nothing is started."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import LocalError, UserError
from tools.cassandra import Cluster, Missing, Options
from tools.cassandra.checks import check_memory, check_ports, free_base, listens, ports_of
from tools.cassandra.configuration import NATIVE_PORT, TOKENS, cassandra_yaml
from tools.cassandra.jars import find_jars, find_java, is_whole, jars_folder
from tools.cassandra.settling import save_options, settle

NOBODY = "127.0.99"  #: a base of this module's own

#: A Maven that brings half of what is needed.
HALF = """
for argument in "$@"; do
    case $argument in -DoutputDirectory=*) mkdir "${argument#*=}"; touch "${argument#*=}/jna-5.1.jar";; esac
done
"""


def script(folder: Path, name: str, text: str) -> Path:
    """An executable in ``folder``, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


class Settings(SynchronousTestCase):
    """What a cluster may be."""

    def test_refusals(self) -> None:
        """A setting that is not accepted is named, with what would be."""
        for given, accepted in (
            ({"nodes": 2}, "1 or 3 nodes"),
            ({"commitlog": "never"}, "periodic, group or volatile"),
            ({"base": "127.0.100"}, "127.0.K is accepted, K from 0 to 99"),
            ({"base": "10.0.0"}, "127.0.K is accepted"),
            ({"heap": "1g"}, "mebioctets such as 640m"),
            ({"heap": "128m"}, "384m or more"),
        ):
            error = self.assertRaises(UserError, Options, **given)
            self.assertIn(accepted, str(error))

    def test_ring(self) -> None:
        """Three nodes own a third of the ring each."""
        first, second, third = TOKENS[3]
        self.assertLessEqual(max(second - first, third - second, 2**64 + first - third) - 2**64 // 3, 1)

    def test_clusters_side_by_side(self) -> None:
        """No two nodes of any two bases want the same address and port."""
        wanted = [
            where
            for third in range(100)
            for number in (1, 2, 3)
            for where in ports_of(Options(base=f"127.0.{third}"), number)
        ]
        self.assertEqual(len(wanted), len(set(wanted)))

    def test_commit_log(self) -> None:
        """`group` waits for the disk, `periodic` does not; password and TLS are off unless they are asked for."""
        group, periodic = (
            cassandra_yaml(Options(commitlog=kind), 1, Path("/f"), Path("/k")) for kind in ("group", "periodic")
        )
        self.assertIn("commitlog_sync: group\ncommitlog_sync_group_window: 10ms\n", group)
        self.assertNotIn("commitlog_sync_period:", group)
        self.assertIn("commitlog_sync: periodic\ncommitlog_sync_period: 10000ms\n", periodic)
        self.assertNotIn("PasswordAuthenticator", periodic)
        self.assertNotIn("client_encryption_options", periodic)

    def test_replacement_is_no_seed(self) -> None:
        """A node that lost its disk takes its data from the others: it is not among its own seeds."""
        usual, replaced = (cassandra_yaml(Options(), 2, Path("/f"), Path("/k"), lost) for lost in (False, True))
        self.assertIn("127.0.0.1:7000,127.0.0.2:7000,127.0.0.3:7000", usual)
        self.assertIn('seeds: "127.0.0.1:7000,127.0.0.3:7000"', replaced)
        self.assertIn("auto_bootstrap: true", replaced)

    def test_settings_are_kept(self) -> None:
        """Without new settings those of the folder stay; what the data do not depend on may change while it is down."""
        file = Path(self.mktemp())
        save_options(file, settle(file, Options(nodes=1, base=NOBODY), runs=False))
        self.assertEqual(settle(file, None, runs=True), Options(nodes=1, base=NOBODY))
        changed = settle(file, Options(nodes=1, base="auto", commitlog="group"), runs=False)
        self.assertEqual(changed, Options(nodes=1, base=NOBODY, commitlog="group"))
        save_options(file, changed)
        error = self.assertRaises(UserError, settle, file, Options(base=NOBODY, commitlog="group"), False)
        self.assertIn("are of a cluster with nodes = 1, not 3: `wipe` removes them", str(error))
        error = self.assertRaises(UserError, settle, file, Options(nodes=1, base=NOBODY), True)
        self.assertIn("runs with commitlog = group, not periodic", str(error))
        self.assertEqual(settle(file, None, runs=False), changed)


    def test_another_process_was_first(self) -> None:
        """A cluster that was opened before somebody else started it has the addresses that were taken then."""
        folder = Path(self.mktemp())
        folder.mkdir()
        opened = Cluster(folder, Options(nodes=1, base="auto"))
        save_options(folder / "cluster.json", Options(nodes=1, base=NOBODY))
        self.assertEqual(opened.addresses, [f"{NOBODY}.1"])
        self.assertEqual([entry.state for entry in opened.status()], ["down"])


class WhatAMachineLacks(SynchronousTestCase):
    """Each in one sentence that says what to do."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.nothing = {"PATH": str(self.folder / "empty"), "XDG_CACHE_HOME": str(self.folder / "cache")}

    def test_no_java(self) -> None:
        """No Java at all, or only a newer one: the sentence names the version and the package."""
        error = self.assertRaises(Missing, find_java, self.nothing, self.folder)
        self.assertIn("Java 17 is needed", str(error))
        self.assertIn("openjdk-17-jre-headless", str(error))
        newer = script(self.folder / "bin", "java", """echo 'openjdk version "25" 2025-09-16' >&2""").parent
        self.assertRaises(Missing, find_java, {"PATH": str(newer)}, self.folder)

    def test_java_home(self) -> None:
        """JAVA_HOME counts when it is version 17; the system's folders come next, PATH last."""
        version = """echo 'openjdk version "17.0.15" 2025-04-15' >&2"""
        on_path = script(self.folder / "path", "java", version)
        self.assertEqual(find_java({"PATH": str(on_path.parent)}, self.folder), str(on_path))
        system = script(self.folder / "jvm" / "java-17" / "bin", "java", version)
        self.assertEqual(find_java({"PATH": str(on_path.parent)}, self.folder / "jvm"), str(system))
        home = script(self.folder / "home" / "bin", "java", version)
        both = {"PATH": str(on_path.parent), "JAVA_HOME": str(self.folder / "home")}
        self.assertEqual(find_java(both, self.folder / "jvm"), str(home))

    def test_no_maven(self) -> None:
        """Without jars and without Maven the sentence names the package."""
        error = self.assertRaises(Missing, find_jars, self.nothing, print)
        self.assertIn("apt install maven", str(error))

    def test_maven_fails(self) -> None:
        """A Maven that fails, or ends well with half of the jars, leaves nothing that would be taken for jars."""
        wrong = script(self.folder / "bin", "mvn", "echo '[ERROR] no such mirror'; exit 1")
        environment = {**self.nothing, "PATH": f"{wrong.parent}:/usr/bin:/bin"}
        said: list[str] = []
        error = self.assertRaises(Missing, find_jars, environment, said.append)
        self.assertIn("[ERROR] no such mirror", str(error))
        self.assertIn("once", said[0])
        script(self.folder / "bin", "mvn", HALF)
        error = self.assertRaises(Missing, find_jars, environment, said.append)
        self.assertIn("did not bring", str(error))
        left = [path.name for path in jars_folder(environment).parent.iterdir() if path.suffix != ".lock"]
        self.assertEqual(left, [])

    def test_jars_once(self) -> None:
        """Jars that are there are used, and Maven is not asked; one of two versions is not whole."""
        folder = jars_folder({"SMOK_CASSANDRA_JARS": str(self.folder)})
        folder.mkdir()
        for name in ("cassandra-all-5.0.9", "jamm-0.4.0", "jna-5.13.0", "logback-classic-1.5.18"):
            (folder / f"{name}.jar").touch()
        self.assertEqual(find_jars({**self.nothing, "SMOK_CASSANDRA_JARS": str(self.folder)}, print), folder)
        (folder / "jna-5.14.0.jar").touch()
        self.assertFalse(is_whole(folder))

    def test_memory(self) -> None:
        """Too little memory is told with both figures before anything starts."""
        meminfo = self.folder / "meminfo"
        meminfo.write_text("MemTotal: 4000000 kB\nMemAvailable:    1048576 kB\n")
        error = self.assertRaises(Missing, check_memory, Options(), 3, meminfo)
        self.assertIn("3 nodes with 640m of heap need up to 2700 MiB of memory and 1024 MiB are available", str(error))
        check_memory(Options(nodes=1), 1, meminfo)

    def test_port_is_taken(self) -> None:
        """A port that somebody has, there or at every address, is told with the process; its neighbours are free."""
        options = replace(Options(nodes=1), base=free_base(Options(nodes=1)))
        address = options.addresses[0]
        beside = options.address(2)
        with socket.socket() as mine, socket.socket() as everywhere:
            mine.bind((address, NATIVE_PORT))
            mine.listen()
            error = self.assertRaises(LocalError, check_ports, options, [1])
            self.assertTrue(listens(os.getpid(), address, NATIVE_PORT))
            self.assertFalse(listens(os.getpid(), beside, NATIVE_PORT))
            everywhere.bind(("", options.jmx_port(1)))
            everywhere.listen()
            mine.close()
            second = self.assertRaises(LocalError, check_ports, options, [1])
        told = f"which node 1 needs, is taken by pid {os.getpid()} ("
        self.assertIn(f"{address}:{NATIVE_PORT}, {told}", str(error))
        self.assertIn(f"127.0.0.1:{options.jmx_port(1)}, {told}", str(second))
        check_ports(options, [1])
