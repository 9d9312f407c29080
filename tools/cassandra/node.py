"""One node: its folder, its command line, its process.

As root a node runs under a user id of its own: root's would lock its whole heap into memory, and partitions tell the
nodes apart by user. Folders above may be closed to that user (``/root``, a temporary one), so it keeps the one
capability to look into them.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from smok_twisted.errors import LocalError, UserError

from .configuration import TEMPLATES, Options, cassandra_yaml, logback, server_arguments
from .faults import uid_of
from .processes import Process, launch, load

STOP_SECONDS = 30
_FOLDERS = ("logs", "hints", "tmp", "conf", "data", "commitlog", "saved_caches")
#: Those that go when a node loses its disk.
_KEPT = ("data", "commitlog", "hints", "saved_caches")
#: Bits in ``CapPrm`` of /proc/self/status; the first that we have is given on.
_LOOK_INTO_FOLDERS = {"dac_read_search": 2, "dac_override": 1}


class Node:
    """``number`` counts from 1; ``folder`` is its own."""

    def __init__(self, number: int, options: Options, cluster: Path) -> None:
        self.number = number
        self.options = options
        self.address = options.address(number)
        self.folder = cluster / f"node{number}"
        self.log = self.folder / "logs" / "system.log"
        self._console = self.folder / "logs" / "console.log"
        # Beside its folder, not inside: the node's own user must not say whom root sends a signal.
        self._pid_file = cluster / f"node{number}.json"
        self._replaces = cluster / f"node{number}.replaces"  #: is there while the node has lost its data

    @property
    def process(self) -> Process | None:
        """What was started last; None when nothing was."""
        return load(self._pid_file)

    @property
    def runs(self) -> bool:
        """Also while it is paused."""
        return bool(self.process and self.process.runs)

    @property
    def is_paused(self) -> bool:
        """Whether SIGSTOP holds it."""
        return bool(self.process and self.process.is_stopped)

    def start(self, java: str, jars: Path, prefix: Sequence[str], environment: Mapping[str, str]) -> None:
        """Returns at once; it is ready some 10 s later."""
        for name in _FOLDERS:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        replaces = self._replaces.exists()
        self._write("cassandra.yaml", cassandra_yaml(self.options, self.number, self.folder, self._keystore, replaces))
        self._write("logback.xml", logback(self.log))
        self._write("logback-tools.xml", (TEMPLATES / "logback-tools.xml").read_text("utf-8"))
        self._write("server.args", server_arguments(self.options))
        self._give_away()
        command = [*prefix, *self._as_own_user(), *self._command(java, jars, replaces)]
        settings = {**environment, "MALLOC_ARENA_MAX": "2"}
        settings.pop("JAVA_TOOL_OPTIONS", None)
        launch(command, self._console, settings).save(self._pid_file)

    def kill(self, wait: bool = True) -> None:
        """SIGKILL, and wait until it is gone."""
        self._send(signal.SIGKILL)
        if wait and self.process and not self.process.wait(10):
            raise LocalError(f"node {self.number}: pid {self.process.pid} is still there 10 s after SIGKILL")

    def ask_to_stop(self) -> None:
        """SIGTERM; a paused node is woken for it."""
        self._send(signal.SIGTERM)
        self._send(signal.SIGCONT)

    def stop(self) -> bool:
        """SIGTERM, 30 s, SIGKILL. False when it had to be killed."""
        return self.process.end(STOP_SECONDS) if self.process else True

    def pause(self) -> None:
        """SIGSTOP: it holds its connections and answers nothing."""
        self._running("paused").send(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._running("resumed").send(signal.SIGCONT)

    def wipe(self) -> None:
        """It loses all that it has on disk. UserError while it runs."""
        if self.runs:
            raise UserError(f"node {self.number} runs: kill or stop it before its data are removed")
        for name in _KEPT:
            shutil.rmtree(self.folder / name, ignore_errors=True)
        self._replaces.touch()

    def has_joined(self) -> None:
        """From now on it starts as one that has its data."""
        self._replaces.unlink(missing_ok=True)

    def tool_command(self, java: str, jars: Path, arguments: Sequence[str]) -> list[str]:
        """nodetool for this node."""
        conf = self.folder / "conf"
        return [
            java, f"@{TEMPLATES / 'jpms.args'}", "-Xmx96m",
            f"-Dlogback.configurationFile={conf / 'logback-tools.xml'}", f"-Dcassandra.storagedir={self.folder}",
            "-cp", f"{conf}:{jars}/*", "org.apache.cassandra.tools.NodeTool",
            "-h", "127.0.0.1", "-p", str(self.options.jmx_port(self.number)), *arguments,
        ]  # fmt: skip

    def last_words(self) -> str:
        """Why it ended, as far as its logs say it."""
        for file in (self.log, self._console):
            lines = file.read_text("utf-8", "replace").splitlines() if file.exists() else []
            for line in reversed(lines[-200:]):
                if "ERROR" in line or "Exception" in line or "rror:" in line:
                    return line.strip()
        return "it left no reason"

    @property
    def _keystore(self) -> Path:
        return self.folder.parent / "tls" / "node.p12"

    def _command(self, java: str, jars: Path, replaces: bool) -> list[str]:
        conf = self.folder / "conf"
        command = [
            java, f"@{TEMPLATES / 'jpms.args'}", f"@{conf / 'server.args'}",
            f"-javaagent:{next(jars.glob('jamm-*.jar'))}",
            f"-Dcassandra.config={(conf / 'cassandra.yaml').as_uri()}",
            f"-Dcassandra.storagedir={self.folder}", f"-Dcassandra.logdir={self.folder / 'logs'}",
            f"-Dlogback.configurationFile={conf / 'logback.xml'}", f"-Djava.io.tmpdir={self.folder / 'tmp'}",
            f"-Dcassandra.jmx.local.port={self.options.jmx_port(self.number)}",
        ]  # fmt: skip
        if replaces:
            command.append(f"-Dcassandra.replace_address_first_boot={self.address}")
        return [*command, "-cp", f"{conf}:{jars}/*", "org.apache.cassandra.service.CassandraDaemon"]

    def _as_own_user(self) -> list[str]:
        if os.geteuid():
            return []
        uid = str(uid_of(self.number))
        command = ["setpriv", "--reuid", uid, "--regid", uid, "--clear-groups"]
        if kept := _capability():
            # The securebit: access(2), which Java asks before it opens, counts the capability as well.
            command += ["--securebits", "+no_setuid_fixup", "--inh-caps", f"+{kept}", "--ambient-caps", f"+{kept}"]
        return command

    def _give_away(self) -> None:
        self.own(self.folder)

    def own(self, folder: Path) -> None:
        """The node's own user may do what it likes with all that is in it."""
        if os.geteuid() == 0:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, uid_of(self.number), uid_of(self.number), follow_symlinks=False)

    def _send(self, number: signal.Signals) -> None:
        if self.process:
            self.process.send(number)

    def _running(self, done: str) -> Process:
        if self.process is None or not self.process.runs:
            raise UserError(f"node {self.number} does not run, so it cannot be {done}")
        return self.process

    def _write(self, name: str, text: str) -> None:
        (self.folder / "conf" / name).write_text(text, "utf-8")


def _capability() -> str | None:
    status = Path("/proc/self/status").read_text()
    permitted = int(status.partition("CapPrm:")[2].split()[0], 16)
    return next((name for name, bit in _LOOK_INTO_FOLDERS.items() if permitted >> bit & 1), None)
