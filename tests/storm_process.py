"""A ``Swarm`` in a process of its own, told what to do by lines on its standard input, each answered with JSON.

``python -m tests.storm_process swarm PORT FILE``: FILE lists the devices, a line each: id, secret (hex) and source.

====================  =====================================================================================
``dial A_SECOND``     everybody dials; answered when all are back: seconds that each took, how attempts ended
``watch SECONDS``     from now on each device asks PING and reports, in turns, every so many seconds
``rest``              no more is asked; answered when nothing is awaited, or after a minute
``latencies``         since the last time: when it was due, and seconds: to PONG, to ACK, until we asked; and how many
                      are still awaited
``abandon``           the power is cut
====================  =====================================================================================
"""

from __future__ import annotations

import json
import select
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

from smok_twisted import descriptors

from .storm_device import StormDevice
from .storm_swarm import Peer, Swarm

#: All devices must be back within this.
LONGEST_SECONDS = 900.0
#: What is still awaited after this is not answered at all.
REST_SECONDS = 60.0


class Watch:
    """What a live session waits for, from the moment when it was due to be asked: also when we were late to ask."""

    def __init__(self, swarm: Swarm, seconds: float) -> None:
        self._swarm = swarm
        self.is_resting = False
        self._seconds = seconds / len(swarm.peers)
        self._next = time.monotonic()
        self._turn = 0
        self._asked: dict[tuple[Peer, str], deque[tuple[int, float]]] = {}
        self._numbers: dict[Peer, int] = {}
        self.latencies: dict[str, list[tuple[float, float]]] = {"pong": [], "ack": [], "late": []}

    def run(self) -> None:
        """Ask whoever is due, and note who was answered."""
        now = time.monotonic()
        while self._next <= now and not self.is_resting:
            self.latencies["late"].append((self._next, now - self._next))
            self._ask(self._swarm.peers[self._turn % len(self._swarm.peers)], self._next)
            self._turn += 1
            self._next += self._seconds
        for (peer, kind), waiting in self._asked.items():
            reached = peer.device.pongs if kind == "pong" else peer.device.acknowledged
            while waiting and waiting[0][0] <= reached:
                _, due = waiting.popleft()
                self.latencies[kind].append((due, now - due))

    @property
    def awaited(self) -> int:
        """How many are not answered."""
        return sum(map(len, self._asked.values()))

    def told(self) -> dict[str, Any]:
        """See the module."""
        latencies, self.latencies = self.latencies, {"pong": [], "ack": [], "late": []}
        return {**latencies, "awaited": self.awaited}

    def _ask(self, peer: Peer, due: float) -> None:
        if self._turn // len(self._swarm.peers) % 2:
            kind, octets, number = "ack", peer.device.report(), peer.device.batch
        else:
            number = self._numbers[peer] = self._numbers.get(peer, peer.device.pongs) + 1
            kind, octets = "pong", peer.device.ping()
        self._asked.setdefault((peer, kind), deque()).append((number, due))
        self._swarm.send(peer, octets)


class Control:
    """Obeys lines while the swarm runs."""

    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm
        self._watch: Watch | None = None

    def run(self) -> None:
        """Until the standard input ends."""
        stdin = select.poll()
        stdin.register(sys.stdin.fileno(), select.POLLIN | select.POLLHUP)
        while True:
            self._turn()
            if stdin.poll(0):
                line = sys.stdin.readline()
                if not line:
                    return
                word, *arguments = line.split()
                answer = getattr(self, f"do_{word}")(*map(float, arguments))
                print(json.dumps(answer), flush=True)

    def do_dial(self, a_second: float) -> dict[str, Any]:
        """See the module."""
        swarm, begun = self._swarm, time.monotonic()
        swarm.dial(a_second)
        while len(swarm.back) < len(swarm.peers) and time.monotonic() < begun + LONGEST_SECONDS:
            self._turn()
        back = sorted(when - begun for when in swarm.back.values())
        return {"missing": len(swarm.peers) - len(back), "back": back, "counts": dict(swarm.counts)}

    def do_abandon(self) -> dict[str, Any]:
        """See the module."""
        self._swarm.abandon()
        return {}

    def do_watch(self, seconds: float) -> dict[str, Any]:
        """See the module."""
        self._watch = Watch(self._swarm, seconds)
        return {}

    def do_rest(self) -> dict[str, Any]:
        """See the module."""
        until = time.monotonic() + REST_SECONDS
        while self._watch and time.monotonic() < until:
            self._watch.is_resting = True
            if not self._watch.awaited:
                break
            self._turn()
        return {}

    def do_latencies(self) -> dict[str, Any]:
        """See the module."""
        return self._watch.told() if self._watch else {}

    def _turn(self) -> None:
        self._swarm.run(0.002 if self._watch else 0.02)
        if self._watch:
            self._watch.run()


def main() -> None:
    """Say one word when ready, then obey."""
    descriptors.allow()
    port, listed = sys.argv[2:]
    peers = []
    for number, line in enumerate(Path(listed).read_text("ascii").splitlines()):
        device_id, secret, source = line.split()
        peers.append(Peer(StormDevice(int(device_id, 16), bytes.fromhex(secret)), source, number))
    print("ready", flush=True)
    Control(Swarm(int(port), peers)).run()


if __name__ == "__main__":
    main()
