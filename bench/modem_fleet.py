"""Many light devices in one process: each reports once a minute, at a second of its own; see ``cpu.Subject``.

``python -m bench.modem_fleet HOST PORT COUNT``. It says ``ready`` when all are logged in, hold their plan and have been
quiet for a while. Then a line with a number of minutes is answered with how many reports were sent, when these minutes
are over; a line ``ask`` with how many devices lack an ACK, after each has asked PING: with PONG comes what waits.
"""

from __future__ import annotations

import random
import selectors
import sys
import time
from collections.abc import Sequence

from .fleet import dialled, logged_in
from .reporting import Reporter, reporters

MINUTE = 60.0
#: The server knows no rhythm but that of the first report, at the login, and the next: they shall be a minute apart.
_QUIET_SECONDS = 45.0
_GRACE_SECONDS = 20.0


class Fleet:
    """``seed``: which second is whose."""

    def __init__(self, devices: Sequence[Reporter], seed: int = 10) -> None:
        chance = random.Random(seed)
        self._turns = sorted((chance.random(), number) for number in range(len(devices)))
        self._devices = devices
        self._waiting: set[int] = set()
        self._selector = selectors.DefaultSelector()
        for number, device in enumerate(devices):
            self._selector.register(device.connection, selectors.EVENT_READ, number)

    def report(self, minutes: int) -> int:
        """Of all devices; how many."""
        begun = time.monotonic()
        for minute in range(minutes):
            for turn, number in self._turns:
                self._listen(begun + MINUTE * (minute + turn))
                self._devices[number].send(self._devices[number].batch(1))
                self._waiting.add(number)
        self._listen(begun + MINUTE * minutes)
        return minutes * len(self._devices)

    def ask(self) -> int:
        """All of them; how many have reports that are not acknowledged all the same."""
        for number in sorted(self._waiting):
            self._devices[number].ask()
        end = time.monotonic() + _GRACE_SECONDS
        while self._waiting and time.monotonic() < end:
            self._listen(time.monotonic() + 0.1)
        return len(self._waiting)

    def _listen(self, until: float) -> None:
        while (left := until - time.monotonic()) > 0:
            for key, _ in self._selector.select(left):
                if self._has_heard_all(key):
                    self._waiting.discard(key.data)

    def _has_heard_all(self, key: selectors.SelectorKey) -> bool:
        """Never, when its connection is lost: then it is among those that are told at the end."""
        try:
            return self._devices[key.data].heard_all()
        except ConnectionError:
            self._selector.unregister(key.fileobj)
            return False


def main(host: str, port: int, count: int) -> None:
    """Log in, then do as told, line by line."""
    with dialled(port, count, host) as connections:
        fleet = Fleet(reporters(logged_in(connections)))
        time.sleep(_QUIET_SECONDS)
        print("ready", flush=True)
        for line in sys.stdin:
            print(fleet.ask() if line == "ask\n" else fleet.report(int(line)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
