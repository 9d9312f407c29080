"""Whether this process may have so many devices: file descriptors and port numbers."""

from __future__ import annotations

from pathlib import Path

from .. import descriptors
from ..errors import UserError

#: A connection, and one that died and is not closed yet.
OF_CONNECTIONS = 2
#: The lock of a spool, and two connections to it with its write-ahead log and index.
OF_SPOOL = 6
SPARE = 100
_PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def check(smok4: int, p24: int, volatile: bool) -> None:
    """Raise the soft limit on descriptors as far as so many devices need. Raises UserError when they cannot be."""
    _check_ports(max(smok4, p24))
    with_spool = 0 if volatile else smok4
    wanted = SPARE + OF_CONNECTIONS * (smok4 + p24) + OF_SPOOL * with_spool
    allowed = descriptors.allow(wanted)
    if allowed < wanted:
        less = ", or take --volatile, which needs fewer" if with_spool else ""
        raise UserError(
            f"{smok4 + p24} devices need up to {wanted} file descriptors and the system allows {allowed}:"
            f" raise its hard limit (`ulimit -Hn {wanted}` as root){less}"
        )


def _check_ports(devices: int) -> None:
    """Each connection to one port of a server has a local port number of its own (ip(7))."""
    try:
        first, last = map(int, _PORT_RANGE.read_text("ascii").split())
    except (OSError, ValueError):
        return
    if devices > last - first + 1:
        raise UserError(
            f"{devices} devices are not accepted: this machine has {last - first + 1} port numbers for connections to"
            f" one server (sysctl net.ipv4.ip_local_port_range)"
        )
