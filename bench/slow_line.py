"""A line between a server and its devices that is slow in one direction: three network namespaces and a token bucket.

``server -- line -- devices``. What the line sends to the devices is shaped by ``tc`` (tbf), octets counted from the
IP header on. Only root can make it; nothing outside of the namespaces is touched, and they go with the context.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

SERVER_HOST = "192.0.2.1"
_ETHERNET_OCTETS = 14
_ENDS = {"server": (SERVER_HOST, "192.0.2.2"), "devices": ("198.51.100.1", "198.51.100.2")}  # its address, the line's
#: After a pause the line gives so much without a wait: as little as the longest segment here permits.
_AT_ONCE_OCTETS = 120
#: More than ever waits; dropping would hide that the line is too slow.
_QUEUE_OCTETS = 10_000_000
#: Nothing on the line but IPv4; and microcontrollers send no TCP timestamps.
_QUIET = "echo 1 > net/ipv6/conf/all/disable_ipv6; echo 0 > net/ipv4/tcp_timestamps; echo 1 > net/ipv4/ip_forward"


class Queue(NamedTuple):
    """Of the shaped direction: octets that went through since it is shaped, and octets that wait."""

    sent: int
    waiting: int


def why_not() -> str | None:
    """What this machine lacks, if anything."""
    if os.geteuid() != 0:
        return "only root can make network namespaces"
    missing = [tool for tool in ("ip", "tc") if shutil.which(tool) is None]
    return f"{' and '.join(missing)} not found (Debian: iproute2)" if missing else None


class SlowLine:
    """As long as ``slow_line`` lasts."""

    def __init__(self) -> None:
        self._names = {end: f"smok-bench-{os.getpid()}-{end}" for end in ("line", *_ENDS)}

    def within(self, end: str) -> list[str]:
        """What to put before a command line that shall run at the ``server`` or at the ``devices``."""
        return ["ip", "netns", "exec", self._names[end]]

    def shape(self, bits_a_second: int) -> None:
        """From now on the devices are told no faster."""
        _run(
            *f"tc -n {self._names['line']} qdisc replace dev devices root stab overhead -{_ETHERNET_OCTETS}".split(),
            *f"tbf rate {bits_a_second}bit burst {_AT_ONCE_OCTETS} limit {_QUEUE_OCTETS}".split(),
        )

    def queue(self) -> Queue:
        """As it is now."""
        [found] = json.loads(_run(*f"tc -n {self._names['line']} -s -j qdisc show dev devices".split()))
        return Queue(found["bytes"], found["backlog"])

    def repeated_segments(self) -> int:
        """What the server's TCP has sent twice."""
        lines = _run(*self.within("server"), "cat", "/proc/net/snmp").splitlines()
        names, values = (line.split() for line in lines if line.startswith("Tcp:"))
        return int(values[names.index("RetransSegs")])

    def lay(self) -> None:
        """Make the namespaces and join them."""
        for name in self._names.values():
            _run("ip", "netns", "add", name)
            _run("ip", "netns", "exec", name, "sh", "-c", f"cd /proc/sys; {_QUIET}")
        for end, (own, of_line) in _ENDS.items():
            name, line = self._names[end], self._names["line"]
            _run(*f"ip link add line netns {name} type veth peer name {end} netns {line}".split())
            for where, device, host in ((name, "line", own), (line, end, of_line)):
                _run(*f"ip -n {where} addr add {host}/30 dev {device}".split())
                _run(*f"ip -n {where} link set {device} up".split())
            _run(*f"ip -n {name} route add default via {of_line}".split())

    def remove(self) -> None:
        """And everything in them."""
        for name in self._names.values():
            if Path("/run/netns", name).exists():
                _run("ip", "netns", "del", name)


@contextmanager
def slow_line() -> Iterator[SlowLine]:
    """Full speed at first; see ``why_not``."""
    line = SlowLine()
    try:
        line.lay()
        yield line
    finally:
        line.remove()


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
