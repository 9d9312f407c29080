"""Until nodes listen, and what is asked of them through the driver (``client.py``, in a process of its own)."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from smok_twisted.errors import LocalError

from .checks import listens
from .configuration import NATIVE_PORT
from .node import STOP_SECONDS, Node

PROJECT = Path(__file__).resolve().parents[2]


def wait_for_ports(nodes: Sequence[Node], until: float, say: Callable[[str], None]) -> None:
    """Until each listens, at most ``until`` (of ``time.monotonic``). LocalError when one ends, or it takes too long."""
    waiting = list(nodes)
    while waiting:
        for node in list(waiting):
            process = node.process
            if process is None or not process.runs:
                raise LocalError(f"node {node.number} has ended: {node.last_words()} (its log: {node.log})")
            if process.is_stopped:
                raise LocalError(f"node {node.number} is paused, so it never gets ready: resume it")
            if listens(process.pid, node.address, NATIVE_PORT):
                waiting.remove(node)
                say(f"node {node.number} listens")
        if waiting and time.monotonic() > until:
            raise LocalError(f"node {waiting[0].number} does not listen in time; its log is {waiting[0].log}")
        time.sleep(0.1)


def wait_ended(nodes: Sequence[Node]) -> None:
    """Those who were asked to stop have some patience, all together; then they are killed."""
    until = time.monotonic() + STOP_SECONDS
    for node in nodes:
        process = node.process
        if process and not process.wait(max(0.1, until - time.monotonic())):
            node.kill()


def ask(prefix: Sequence[str], verb: str, say: Callable[[str], None], **arguments: Any) -> Any:
    """The answer of ``client.py``. LocalError with its sentence when it has none."""
    command = [*prefix, sys.executable, "-m", "tools.cassandra.client", verb, json.dumps(arguments)]
    with subprocess.Popen(
        command, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as asking:
        last_line = ""
        for last_line in asking.stderr or ():
            say(last_line.rstrip())
        answer = asking.stdout.read() if asking.stdout else ""
    if asking.returncode:
        raise LocalError(answer.strip() or f"the nodes could not be asked: {last_line.strip()}")
    return json.loads(answer) if answer else None
