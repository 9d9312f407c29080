"""``Cluster``: the verbs. What a command or a test says goes through here.

A cluster is a folder: ``cluster.json`` (its settings), ``nodeN`` (configuration, data, logs), ``nodeN.json`` (pid and
start time). Any process may open it again and go on: ``Cluster(folder)``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from smok_twisted.errors import LocalError, UserError

from .checks import check_memory, check_ports
from .configuration import Options
from .faults import Namespace, refuse_without_namespace
from .jars import find_jars, find_java, jars_folder
from .locks import exclusive
from .node import Node
from .settling import load_options, save_options, settle
from .status import NodeStatus, status_of
from .tls import make_keystore
from .waiting import PROJECT, ask, wait_ended, wait_for_ports

#: Where a cluster is when nobody says where.
FOLDER = PROJECT / "cassandra-data"
#: For a machine that does other things as well.
READY_SECONDS = 300.0
Say = Callable[[str], None]


def silence(line: str) -> None:
    """A ``say`` that tells nobody."""


class Cluster:
    """A cluster in ``folder``; nothing is started before ``up``.

    ``options``: for ``up``; without them those of ``cluster.json`` are kept (or the defaults, when it is new).
    ``say`` is given a line of progress now and then. Every verb raises LocalError, or UserError for what was asked
    wrongly, with one sentence. Nodes are counted from 1.
    """

    def __init__(self, folder: Path | str = FOLDER, options: Options | None = None, say: Say = silence) -> None:
        self.folder = Path(folder).absolute()
        self._say = say
        self._file = self.folder / "cluster.json"
        self._wanted = options
        self.namespace = Namespace(self.folder)

    # What it is made of

    @property
    def options(self) -> Options:
        """In force; read anew each time, as another process may have started it first and taken free addresses."""
        return load_options(self._file) or self._wanted or Options()

    @property
    def exists(self) -> bool:
        """Whether it was started here before, and not removed since."""
        return self._file.exists()

    @property
    def addresses(self) -> list[str]:
        """Of the nodes; the port is 9042."""
        return self.options.addresses

    @property
    def nodes(self) -> list[Node]:
        """All of them, in their order."""
        return self._nodes_of(self.options)

    def node(self, number: int) -> Node:
        """UserError when the cluster has no such node."""
        if number not in self.options.numbers:
            raise UserError(f"node {number}: this cluster has the nodes 1 to {self.options.nodes}")
        return self.nodes[number - 1]

    @property
    def runs(self) -> bool:
        """Whether any node does."""
        return any(node.runs for node in self.nodes)

    @property
    def prefix(self) -> list[str]:
        """What stands before a command that is to reach the nodes: the way into their namespace, or nothing."""
        return self.namespace.prefix if self.options.namespace else []

    def status(self) -> list[NodeStatus]:
        """One entry a node."""
        return [status_of(node, self.namespace) for node in self.nodes]

    # Start and stop

    def up(self, seconds: float = READY_SECONDS) -> bool:
        """Start what does not run, and wait until all nodes are ready. False when all ran already."""
        with self._locked(), self._one_start_at_a_time():
            options = settle(self._file, self._wanted, self.runs)
            missing = [node for node in self._nodes_of(options) if not node.runs]
            if missing:
                self._start(missing, options)
            self.wait_ready(seconds)
            return bool(missing)

    def down(self, hard: bool = False) -> bool:
        """End every node that was started here, by SIGTERM, or at once (``hard``). False when none ran."""
        if not self.folder.exists():
            return False
        with self._locked():
            running = [node for node in self.nodes if node.runs]
            for node in running:
                node.kill() if hard else node.ask_to_stop()
            wait_ended(running)
            self.namespace.close()
            return bool(running)

    def start(self, number: int, wait: bool = True, seconds: float = READY_SECONDS) -> None:
        """Start one node again; with ``wait`` until it is ready, and with it all others that run undisturbed."""
        with self._locked():
            if not self.node(number).runs:
                self._start([self.node(number)], self.options)
        if wait:
            self.wait_ready(seconds) if self._is_undisturbed() else self.wait_for(number, seconds)

    def stop(self, number: int) -> bool:
        """SIGTERM and up to 30 s of patience. False when it had to be killed."""
        return self.node(number).stop()

    def wipe(self, number: int | None = None) -> None:
        """Remove all of a cluster that is down; or the data of one node that is, which then joins anew."""
        if number is not None:
            return self.node(number).wipe()
        if self.runs:
            raise UserError(f"the cluster in {self.folder} runs: take it down before its data are removed")
        if not self.exists and self.folder.exists():
            raise UserError(f"{self.folder} holds no cluster of this tool, so nothing is removed")
        self.namespace.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        return None

    # Faults

    def kill(self, number: int) -> None:
        """SIGKILL; returns when it is gone."""
        self.node(number).kill()

    def kill_all(self) -> None:
        """SIGKILL for all at one moment: as near to a power cut as processes come."""
        for node in self.nodes:
            node.kill(wait=False)
        wait_ended(self.nodes)

    def pause(self, number: int) -> None:
        """SIGSTOP: connections stay open, nothing is answered."""
        self.node(number).pause()

    def resume(self, number: int) -> None:
        """SIGCONT."""
        self.node(number).resume()

    def partition(self, number: int) -> None:
        """Cut node ``number`` off from the others; clients still reach all. UserError without a namespace."""
        refuse_without_namespace(self.options, "a partition")
        self.node(number)
        self.namespace.cut(self.options, number)

    def heal(self) -> None:
        """All nodes reach each other again."""
        refuse_without_namespace(self.options, "healing a partition")
        self.namespace.heal()

    # Use

    def run(self, *command: str, **options: Any) -> subprocess.CompletedProcess[Any]:
        """``subprocess.run`` where the nodes can be reached, with SMOK_CASSANDRA, their addresses, set."""
        return subprocess.run([*self.prefix, *command], env=options.pop("env", self.environment()), **options)

    def environment(self) -> dict[str, str]:
        """For a command that uses the cluster."""
        return {**os.environ, "SMOK_CASSANDRA": ",".join(self.addresses)}

    def cql(self, statement: str, node: int = 1, consistency: str = "QUORUM") -> list[dict[str, Any]]:
        """The rows of one statement, sent to one node; what JSON has no form for is text. LocalError when it fails."""
        where = {"address": self.node(node).address, "password": self.options.password}
        answer = ask(self.prefix, "cql", self._say, **where, statement=statement, consistency=consistency)
        return [dict(zip(answer["columns"], row, strict=True)) for row in answer["rows"]]

    def nodetool(self, *arguments: str, node: int = 1) -> subprocess.CompletedProcess[str]:
        """Cassandra's own tool, beside one node; the caller looks at ``returncode``."""
        command = self.node(node).tool_command(find_java(os.environ), jars_folder(os.environ), arguments)
        return subprocess.run([*self.prefix, *command], capture_output=True, text=True, timeout=300)

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Until a row can be written and read at ALL through each node."""
        self._refuse_disturbed()
        self._wait(self.nodes, "ready", seconds, addresses=self.addresses)

    def wait_for(self, number: int, seconds: float = READY_SECONDS) -> None:
        """Until this node answers as a member, whatever the others do."""
        node = self.node(number)
        self._wait([node], "one", seconds, address=node.address)

    # Inside

    def _wait(self, nodes: Sequence[Node], verb: str, seconds: float, **whom: Any) -> None:
        until = time.monotonic() + seconds
        wait_for_ports(nodes, until, self._say)
        left = max(1.0, until - time.monotonic())
        ask(self.prefix, verb, self._say, **whom, password=self.options.password, seconds=left)
        for node in nodes:
            node.has_joined()

    def _nodes_of(self, options: Options) -> list[Node]:
        return [Node(number, options, self.folder) for number in options.numbers]

    def _start(self, nodes: Sequence[Node], options: Options) -> None:
        java = find_java(os.environ)
        jars = find_jars(os.environ, self._say)
        check_memory(options, len(nodes))
        if options.tls:
            make_keystore(self.folder / "tls", options.addresses)
        if options.namespace:
            self.namespace.open(os.environ)
        else:
            check_ports(options, [node.number for node in nodes])
        save_options(self._file, options)
        for node in nodes:
            node.start(java, jars, self.prefix, os.environ)
        self._say(f"starting {', '.join(f'node {node.number} ({node.address})' for node in nodes)}; some 20 s ...")

    def _refuse_disturbed(self) -> None:
        for entry in self.status():
            if entry.state == "cut off":
                raise LocalError(f"node {entry.number} is cut off from the others, so they never get ready: heal it")

    def _is_undisturbed(self) -> bool:
        return all(entry.state in ("up", "starting") for entry in self.status())

    def _locked(self) -> AbstractContextManager[None]:
        """One command at a time changes which nodes run."""
        return exclusive(self.folder / "lock")

    def _one_start_at_a_time(self) -> AbstractContextManager[None]:
        """Of all clusters of this user: addresses and memory are looked at and taken in one go."""
        told = "waiting for another cluster that is being started ..."
        return exclusive(jars_folder(os.environ).parent / "starting.lock", lambda: self._say(told))
