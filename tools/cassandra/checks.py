"""What has to be true before nodes start, each told in one sentence: memory and ports."""

from __future__ import annotations

import os
import random
import socket
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from smok_twisted.errors import LocalError

from .configuration import LAST_BASE, NATIVE_PORT, STORAGE_PORT, Options
from .missing import Missing

#: Of a node, beside its heap: code, threads, buffers off the heap.
BESIDE_HEAP_MEBIOCTETS = 260
_LISTENS = "0A"
_EVERY_IP4, _EVERY_IP6 = 8 * "0", 32 * "0"


def check_memory(options: Options, nodes: int, meminfo: Path = Path("/proc/meminfo")) -> None:
    """Missing when ``nodes`` more nodes do not fit into what the machine has left."""
    lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
    available = int(lines["MemAvailable"].split()[0]) // 1024
    needed = nodes * (options.heap_mebioctets + BESIDE_HEAP_MEBIOCTETS)
    if available < needed:
        raise Missing(
            f"{nodes} node{'s' * (nodes > 1)} with {options.heap} of heap need up to {needed} MiB of memory and"
            f" {available} MiB are available: close something, or take --nodes 1 or --heap 384m"
        )


def ports_of(options: Options, number: int) -> list[tuple[str, int]]:
    """Where node ``number`` listens."""
    address = options.address(number)
    return [(address, NATIVE_PORT), (address, STORAGE_PORT), ("127.0.0.1", options.jmx_port(number))]


def check_ports(options: Options, numbers: Iterable[int]) -> None:
    """LocalError when somebody listens where these nodes will, and who it is."""
    for number in numbers:
        for address, port in ports_of(options, number):
            if not is_free(address, port):
                raise LocalError(
                    f"{address}:{port}, which node {number} needs, is taken by {_owner(address, port)}:"
                    " stop that, or take other addresses with --base 127.0.K"
                )


def is_free(address: str, port: int) -> bool:
    """Whether one could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen()
        except OSError:
            return False
    return True


def free_base(options: Options) -> str:
    """A base whose addresses nobody uses; LocalError when there is none."""
    if options.namespace:
        return "127.0.0"  # nobody else is in there
    # At random, so that a cluster whose nodes were all killed for a moment is rarely robbed of its addresses.
    for third in random.sample(range(1, LAST_BASE + 1), LAST_BASE):
        placed = replace(options, base=f"127.0.{third}")
        if all(is_free(*where) for number in placed.numbers for where in ports_of(placed, number)):
            return placed.base
    raise LocalError(f"every base from 127.0.1 to 127.0.{LAST_BASE} has an address that is taken: see `ss -ltn`")


def listens(pid: int, address: str, port: int) -> bool:
    """Whether somebody listens there in the network namespace of process ``pid``."""
    return any(fields[1] == f"{_hex(address)}:{port:04X}" for fields in _listening(Path(f"/proc/{pid}/net/tcp")))


def _owner(address: str, port: int) -> str:
    """Who listens there, or on that port at every address, as far as it can be seen."""
    wanted = {f"{ip}:{port:04X}" for ip in (_hex(address), _EVERY_IP4, _EVERY_IP6)}
    tables = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
    sockets = {f"socket:[{fields[9]}]" for table in tables for fields in _listening(table) if fields[1] in wanted}
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(descriptor) in sockets:
                words = (descriptor.parent.parent / "cmdline").read_bytes().split(b"\0")
                return f"pid {descriptor.parts[2]} ({Path(words[0].decode('utf-8', 'replace')).name})"
        except OSError:
            continue
    return "a process that cannot be seen from here"


def _hex(address: str) -> str:
    """As the kernel's tables write it: the octets in the order of the machine's words."""
    return f"{int.from_bytes(socket.inet_aton(address), sys.byteorder):08X}"


def _listening(table: Path) -> Iterable[list[str]]:
    """The lines of a kernel's table of sockets that stand for a listening one."""
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return []
    return [fields for fields in map(str.split, lines) if fields[3] == _LISTENS]
