"""A cluster for the length of something: of a ``with``, or of a run of tests whose modules share it.

``python -m tools.cassandra tests -- COMMAND`` sets SMOK_TEST_CASSANDRA to a folder and runs the command. The first
test that needs the cluster starts it there, in whatever process it is (``Cluster.up`` is safe from several at once);
the end of the command is the end of the cluster. So a run that needs none pays for none.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .cluster import Cluster, Say, silence
from .configuration import AUTO, Options
from .processes import load, this_process
from .waiting import PROJECT

VARIABLE = "SMOK_TEST_CASSANDRA"
#: One folder a run, beside them the logs of the run that ended last.
RUNS = PROJECT / "build" / "cassandra-test"
#: Tests that were left out for want of a cluster or of rights, a line each, in the folder of the run: why.
LEFT_OUT = "left-out"
_OWNER = "owner.json"


@contextmanager
def cluster(
    options: Options | None = None, folder: Path | str | None = None, say: Say = silence
) -> Iterator[Cluster]:
    """A cluster for the length of a ``with``; in a temporary folder, unless one is named, and on free addresses.

    At the end nodes are killed, and a temporary folder is removed. Raises what ``Cluster.up`` raises; a temporary
    folder stays when a node did not start, as its log is there.
    """
    with ExitStack() as stack:
        temporary = None if folder else tempfile.mkdtemp(prefix="smok-cassandra-")
        it = Cluster(folder or temporary or "", options or Options(base=AUTO), say)
        stack.callback(it.down, hard=True)
        it.up()
        if temporary:
            stack.callback(shutil.rmtree, temporary, ignore_errors=True)
            stack.callback(it.down, hard=True)
        yield it


def run_tests(command: Sequence[str], runs: Path = RUNS) -> int:
    """The exit status of ``command``; in the last lines, what it left out because the machine lacks something."""
    _end_forgotten(runs)
    folder = runs / str(os.getpid())
    folder.mkdir(parents=True, exist_ok=True)
    this_process().save(folder / _OWNER)
    try:
        status = _run(command, {**os.environ, VARIABLE: str(folder)})
    finally:
        left_out = _lines(folder / LEFT_OUT)
        _end(folder)
    for why, count in Counter(left_out).items():
        tests = f"{count} tests were" if count > 1 else "1 test was"
        print(f"\nLEFT OUT: {tests} not run: {why}", file=sys.stderr, flush=True)
    return status


def _run(command: Sequence[str], environment: dict[str, str]) -> int:
    """Signals that end us end the command first, and then us, in order."""
    child = subprocess.Popen(command, env=environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to both
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    status = child.wait()
    return status if status >= 0 else 128 - status


def _end_forgotten(runs: Path) -> None:
    """Runs that were killed could not end their clusters."""
    for owner in runs.glob(f"*/{_OWNER}"):
        process = load(owner)
        if process is None or not process.runs:
            _end(owner.parent)


def _end(folder: Path) -> None:
    it = Cluster(folder)
    it.down(hard=True)
    if it.exists:
        logs = folder.parent / "logs"
        shutil.rmtree(logs, ignore_errors=True)
        for node in filter(lambda node: node.log.parent.exists(), it.nodes):
            shutil.copytree(node.log.parent, logs / node.folder.name, dirs_exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _lines(file: Path) -> list[str]:
    return file.read_text("utf-8").splitlines() if file.exists() else []
