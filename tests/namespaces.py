"""A daemon and a device in network namespaces of their own, joined by two lines that can be cut like real ones.

What is sent into a line that is down is lost: no FIN and no RST arrives, on neither side.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

_CLONE_NEWNET = 0x40000000
#: Addresses for documentation (RFC 5737): nobody has them.
_NETWORKS = ("192.0.2", "198.51.100")


class Line(NamedTuple):
    """Addresses of its two ends."""

    name: str
    server: str
    device: str


def lacking() -> str:
    """Why there can be no namespaces here; empty when there can."""
    if shutil.which("ip") is None:
        return "no `ip`: lines are not cut; install iproute2 for that"
    if os.geteuid() != 0 or subprocess.run(["unshare", "--net", "true"], check=False, capture_output=True).returncode:
        return "only root can make network namespaces: lines are not cut"
    return ""


class Networks:
    """Namespaces ``server`` and ``device``, and two ``lines`` between them. ``remove`` takes all of it away."""

    def __init__(self) -> None:
        self.server, self.device = (f"smok-{os.getpid()}-{end}" for end in ("server", "device"))
        self.lines = [Line(f"line{n}", f"{net}.1", f"{net}.2") for n, net in enumerate(_NETWORKS)]
        for name in (self.server, self.device):
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        for line in self.lines:
            _ip("-n", self.server, "link", "add", line.name, "type", "veth", "peer", line.name, "netns", self.device)
            for name, address in ((self.server, line.server), (self.device, line.device)):
                _ip("-n", name, "address", "add", f"{address}/30", "dev", line.name)
                _ip("-n", name, "link", "set", line.name, "up")

    def cut(self, line: Line) -> None:
        """Nothing passes any more."""
        _ip("-n", self.device, "link", "set", line.name, "down")

    def mend(self, line: Line) -> None:
        """It passes again."""
        _ip("-n", self.device, "link", "set", line.name, "up")

    def remove(self) -> None:
        """Nothing may run there any more."""
        for name in (self.server, self.device):
            _ip("netns", "delete", name)


@contextlib.contextmanager
def inside(name: str) -> Iterator[None]:
    """Sockets and processes that are made meanwhile belong to that namespace, and stay there."""
    with open("/proc/thread-self/ns/net", "rb") as here, open(f"/run/netns/{name}", "rb") as there:
        _enter(there.fileno())
        try:
            yield
        finally:
            _enter(here.fileno())


def _enter(namespace: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
