"""How a node is, as the kernel sees it; the node itself is not asked."""

from __future__ import annotations

from typing import NamedTuple

from .checks import listens
from .configuration import NATIVE_PORT
from .faults import Namespace
from .node import Node


class NodeStatus(NamedTuple):
    """``state``: ``down``, ``starting``, ``up``, ``paused`` or ``cut off``; ``resident_octets``: memory."""

    number: int
    address: str
    state: str
    pid: int | None
    resident_octets: int


def status_of(node: Node, namespace: Namespace) -> NodeStatus:
    """Of one node."""
    process = node.process
    if process is None or not process.runs:
        return NodeStatus(node.number, node.address, "down", None, 0)
    if process.is_stopped:
        state = "paused"
    elif namespace.is_cut(node.options, node.number):
        state = "cut off"
    else:
        state = "up" if listens(process.pid, node.address, NATIVE_PORT) else "starting"
    return NodeStatus(node.number, node.address, state, process.pid, process.resident_octets)
