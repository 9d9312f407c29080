"""kill -9 of the daemon again and again under load, with a ledger of acknowledged batches kept outside it.

``python -m tests.kill_loop --cycles 100`` is ``make soak``; the suite runs a few cycles. The devices are
``independent_device`` clients in threads: they send numbered batches without waiting for each ACK, note every
ACK in the ledger, and after a loss dial in again and send what is not acknowledged, as smok4.md says.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .ack_times import AckTimes, Covered
from .independent_device import Ack, IndependentDevice, Plan, Report, Round
from .processes import Daemon

MODEL = """
name = "counter"
interval = "3600s"
[[point]]
name = "high"
register = "holding"
address = 0
[[point]]
name = "low"
register = "holding"
address = 1
"""
#: Batches that a device sends before it waits for an ACK.
WINDOW = 20


class Client(threading.Thread):
    """One device. ``acknowledged`` is its ledger: the newest batch that the server has said is durable."""

    def __init__(
        self,
        daemon: Daemon,
        device: dict[str, Any],
        stop: threading.Event,
        window: int = WINDOW,
        pause_seconds: float = 0,
    ) -> None:
        """``window``: batches that it sends before it waits for an ACK; ``pause_seconds``: after each."""
        super().__init__(name=device["name"], daemon=True)
        self._window = window
        self._pause_seconds = pause_seconds
        self.device = IndependentDevice(
            "127.0.0.1", daemon.smok4, int(device["id"], 16), bytes.fromhex(device["secret"]), timeout=10
        )
        self.device_id = int(device["id"], 16)
        self.acknowledged = 0
        self.ack_times = AckTimes()
        self.sent = 0
        self.logins = 0
        self.problem: BaseException | None = None
        self._must_stop = stop

    def run(self) -> None:
        """Until told to stop; a lost connection is what this is about, anything else is a problem."""
        try:
            while not self._must_stop.is_set():
                try:
                    self._session()
                except (OSError, TimeoutError):
                    self.device.close()
                    time.sleep(random.uniform(0.01, 0.1))
        except BaseException as problem:
            self.problem = problem

    def _session(self) -> None:
        welcome = self.device.connect()
        self.logins += 1
        self._note(welcome.cursor)
        self.device.resend_kept()
        if self.device.held == 0:
            self.device.send_planok(0)
        while not self._must_stop.is_set():
            if self.device.held and self.sent - self.acknowledged < self._window:
                self._send()
            self._listen(self._pause_seconds + 0.001 if self.sent - self.acknowledged < self._window else 1.0)

    def _send(self) -> None:
        """The values are the batch's number: so each reading can be told from every other."""
        self.sent += 1
        self.ack_times.sent(self.sent)
        report = Report(0, (self.sent >> 16, self.sent & 0xFFFF))
        self.device.send_data(self.sent & 0xFFFF, [Round(0, (report,))])

    def _listen(self, seconds: float) -> None:
        try:
            message = self.device.receive(seconds)
        except TimeoutError:
            return
        if isinstance(message, Ack):
            self._note(message.batch)
        elif isinstance(message, Plan):
            self.device.held = message.number
            self.device.send_planok(message.number)
        else:
            self.device.handle(message, {})

    def _note(self, batch: int) -> None:
        """The newest number not above what was sent that ends in these 16 bits."""
        if batch:
            self.acknowledged = max(self.acknowledged, self.sent - (self.sent - batch & 0xFFFF))
            self.ack_times.acknowledged(self.acknowledged)


#: How often each number of a device is stored.
Stored = Callable[[int], Counter[int]]


class Load:
    """Devices that report as fast as they can, beside whatever happens to the daemon."""

    def __init__(self, daemon: Daemon, devices: int, window: int = WINDOW, pause_seconds: float = 0) -> None:
        """``window`` and ``pause_seconds`` of each ``Client``."""
        self._stop = threading.Event()
        daemon.api("POST", "/models", MODEL)
        self.clients = [
            Client(
                daemon,
                daemon.api("POST", "/devices", {"name": f"counter-{number}", "model": "counter"}),
                self._stop,
                window,
                pause_seconds,
            )
            for number in range(devices)
        ]
        for client in self.clients:
            client.start()

    @property
    def acknowledged(self) -> int:
        """Batches, of all devices."""
        return sum(client.acknowledged for client in self.clients)

    @property
    def covered(self) -> list[Covered]:
        """Each batch that was acknowledged, of all devices."""
        return [one for client in self.clients for one in list(client.ack_times.covered)]

    @property
    def sent(self) -> int:
        """Batches, of all devices."""
        return sum(client.sent for client in self.clients)

    @property
    def logins(self) -> int:
        """Of all devices."""
        return sum(client.logins for client in self.clients)

    def end(self) -> None:
        """Raises on any problem of a client."""
        self._stop.set()
        for client in self.clients:
            client.join(60)
        for client in self.clients:
            if client.problem is not None:
                raise client.problem


def run(folder: Path, cycles: int, devices: int = 4, seed: int = 1) -> dict[str, int]:
    """Kill the daemon ``cycles`` times; what the ledgers and the store say. Raises on any problem of a client."""
    daemon = Daemon(folder)
    return killed(daemon, cycles, devices, seed, lambda number: stored_numbers(daemon.data_dir / "smok.db", number))


def killed(daemon: Daemon, cycles: int, devices: int, seed: int, stored: Stored) -> dict[str, int]:
    """The same of a daemon with any store; ``stored`` is asked when the daemon is gone."""
    chance = random.Random(seed)
    daemon.start()
    load = Load(daemon, devices)
    for _ in range(cycles):
        _wait(load, chance)
        daemon.end(signal.SIGKILL)
        daemon.start()
    time.sleep(1)
    load.end()
    daemon.end()
    return {"cycles": cycles, **compare(load.clients, stored)}


def _wait(load: Load, chance: random.Random) -> None:
    """Until a moment after a start: at first nothing is acknowledged, then little, then much."""
    wanted = load.acknowledged + chance.choice((0, 1, 10, 100, 300))
    until = time.monotonic() + 20
    while load.acknowledged < wanted and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(chance.uniform(0, 0.5))


def compare(clients: list[Client], stored_of: Stored) -> dict[str, int]:
    """Acknowledged batches against what is stored."""
    missing = duplicated = 0
    for client in clients:
        stored = stored_of(client.device_id)
        missing += sum(number not in stored for number in range(1, client.acknowledged + 1))
        duplicated += sum(count - 1 for count in stored.values())
    return {
        "acknowledged": sum(client.acknowledged for client in clients),
        "logins": sum(client.logins for client in clients),
        "missing": missing,
        "duplicated": duplicated,
    }


def stored_numbers(path: Path, device_id: int) -> Counter[int]:
    """How often each number is stored; straight from the file, by the rows' own encoding."""
    import sqlite3

    from smok_twisted.storage.blob import decode

    with sqlite3.connect(path) as connection:
        rows = connection.execute(
            "SELECT blocks FROM report JOIN device ON number = device WHERE device_id = ?",
            (int.from_bytes(device_id.to_bytes(8), signed=True),),
        ).fetchall()
    words = [block.words for (blob,) in rows for block in decode(blob)]
    return Counter(high << 16 | low for high, low in words)


def main() -> int:
    """Print the figures; 0 only if nothing is missing and nothing is there twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=100)
    with tempfile.TemporaryDirectory() as folder:
        figures = run(Path(folder), parser.parse_args().cycles)
    print("kill -9 under load:", ", ".join(f"{name} {count}" for name, count in figures.items()))
    return 0 if not figures["missing"] and not figures["duplicated"] and figures["acknowledged"] else 1


if __name__ == "__main__":
    sys.exit(main())
