"""A network namespace of the cluster's own, and partitions in it (design note cassandra, section 3). Needs root.

Cassandra does not bind its outgoing connections, so a packet's source address does not tell which node sent it. The
owner of the socket does: each node runs under a user id of its own. Rules are only ever set in the namespace that was
made here; it ends with its last process.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from smok_twisted.errors import LocalError, UserError

from .configuration import STORAGE_PORT, Options
from .missing import Missing
from .processes import Process, launch, load

FIRST_UID = 20000
_TOOLS = {"unshare": "util-linux", "nsenter": "util-linux", "ip": "iproute2", "iptables": "iptables"}


def uid_of(number: int) -> int:
    """The user id of node ``number`` when root starts it."""
    return FIRST_UID + number


class Namespace:
    """Kept open by a process that does nothing, from ``open`` to ``close``."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "namespace.json"
        self._log = folder / "namespace.log"

    @property
    def _holder(self) -> Process | None:
        return load(self._file)

    @property
    def is_open(self) -> bool:
        """Whether there is one."""
        return bool(self._holder and self._holder.runs)

    @property
    def prefix(self) -> list[str]:
        """What stands before a command that is to run inside. LocalError when there is none."""
        if self._holder is None or not self._holder.runs:
            raise LocalError("the cluster's network namespace is not there: start the cluster with --namespace")
        return ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net"]

    def open(self, environment: Mapping[str, str]) -> None:
        """Make it, unless it is there. Missing when rights or a tool are missing."""
        if self.is_open:
            return
        if os.geteuid():
            raise Missing("a network namespace, which partitions need, needs root's rights: run this as root")
        for tool, package in _TOOLS.items():
            if shutil.which(tool, path=environment.get("PATH", "")) is None:
                raise Missing(f"{tool} is needed for partitions and is not on PATH: apt install {package}")
        hold = ["unshare", "--net", "sh", "-c", "ip link set lo up && exec sleep infinity"]
        launch(hold, self._log, environment).save(self._file)
        self._wait_for_loopback()

    def close(self) -> None:
        """End the process that keeps it open."""
        if self._holder is not None:
            self._holder.end(5)
        self._file.unlink(missing_ok=True)

    def cut(self, options: Options, number: int) -> None:
        """Nothing that node ``number`` and the others say to each other arrives any more; clients still reach all."""
        if self.is_cut(options, number):
            return
        mine, me = options.address(number), str(uid_of(number))
        for other in options.numbers:
            if other != number:
                self._drop(options.address(other), "--uid-owner", me)
        self._drop(mine, "!", "--uid-owner", me)

    def heal(self) -> None:
        """All reach each other again."""
        if self.is_open:
            self._iptables("-F", "OUTPUT")

    def is_cut(self, options: Options, number: int) -> bool:
        """Whether ``cut`` has been done to it."""
        if not self.is_open:
            return False
        rules = self._iptables("-S", "OUTPUT").splitlines()
        return any(f"-d {options.address(number)}/32" in rule and "! --uid-owner" in rule for rule in rules)

    def _drop(self, to: str, *owner: str) -> None:
        where = ("-p", "tcp", "-d", to, "--dport", str(STORAGE_PORT))
        self._iptables("-A", "OUTPUT", *where, "-m", "owner", *owner, "-j", "DROP")

    def _iptables(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self.prefix, "iptables", "-w", "10", *arguments], capture_output=True, text=True, timeout=60
        )
        if done.returncode:
            words = done.stderr.strip().splitlines() or ["it said nothing"]
            raise LocalError(f"iptables does not work in the cluster's namespace: {words[-1]}")
        return done.stdout

    def _wait_for_loopback(self) -> None:
        with contextlib.suppress(LocalError):  # it has ended: its words are in the log
            for _ in range(100):
                if "UP" in self._loopback_flags():
                    return
                time.sleep(0.05)
        words = self._log.read_text("utf-8", "replace").strip().splitlines() or ["no reason was given"]
        raise Missing(f"a network namespace cannot be made here: {words[-1]}")

    def _loopback_flags(self) -> str:
        look = [*self.prefix, "ip", "-o", "link", "show", "lo"]
        return subprocess.run(look, capture_output=True, text=True, timeout=60).stdout.partition(">")[0]


def refuse_without_namespace(options: Options, verb: str) -> None:
    """UserError when the cluster is on the machine's own loopback."""
    if not options.namespace:
        raise UserError(
            f"{verb} needs a cluster that was started with --namespace (as root): on the machine's own loopback"
            " nothing is cut off"
        )
