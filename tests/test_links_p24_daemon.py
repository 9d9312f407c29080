"""Promise: what smok.toml says about P24 is what a device meets, and what fails behind a device can be seen."""

from __future__ import annotations

import time
from typing import Any

from .p24_box import P24Box
from .processes import Daemon, wait_until
from .test_service import Stand

#: One point more than the box has registers.
MODEL = """
name = "old"
interval = "1s"
point = [
    { name = "p0", register = "holding", address = 0 },
    { name = "p2", register = "holding", address = 2 },
    { name = "p4", register = "holding", address = 4 },
    { name = "dead", register = "holding", address = 0, unit_id = 7 },
]
"""


class Served(Stand):
    """A daemon with a first-generation device in plain sockets."""

    more = ""

    def setUp(self) -> None:
        super().setUp()
        self.daemon = Daemon(self.folder, self.more)
        self.daemon.start()
        self.daemon.api("POST", "/models", MODEL)
        allowed = {"link": "p24", "id": "0x30001", "from": ["127.0.0.0/8"]}
        self.daemon.api("POST", "/devices", {"name": "old", "model": "old", **allowed})

    def dial(self, holds: bool = False) -> P24Box:
        box = P24Box(self.daemon.p24, 0x30001)
        box.holds = holds
        box.registers = {0: 10, 2: 12, 4: 14}
        box.silent = {7}
        self.addCleanup(box.close)
        box.start()
        return box

    def asked_of_a_silent_box(self, count: int) -> list[str]:
        """Everything that is sent to a device that does not answer: so many, and what comes half a second later."""
        box = self.dial(holds=True)
        wait_until(lambda: len(box.asked) >= count, f"{count} commands", 10)
        time.sleep(0.5)
        return [packet.hex(" ") for packet in box.asked]

    def values(self) -> dict[str, Any]:
        return {one["point"]: one for one in self.daemon.api("GET", "/devices/old/values")["values"]}


class Faults(Served):
    def test_what_fails_on_the_serial_line(self) -> None:
        """Counted for Prometheus, and by unit where the device is shown."""
        self.dial()
        wait_until(lambda: self.values()["dead"]["quality"] == "timeout", "the time-out")
        counted = self.daemon.figure("smok_line_faults_total", fault="timeout", link="p24")
        (unit,) = self.daemon.api("GET", "/devices/old")["line_faults"]
        self.assertEqual((unit["unit"], unit["crc"]), (7, 0))
        self.assertLessEqual(1, counted)
        self.assertLessEqual(counted, unit["timeout"])


class OneByOne(Served):
    def test_one_command_is_on_its_way(self) -> None:
        """Unless smok.toml says otherwise."""
        self.assertEqual(self.asked_of_a_silent_box(1), ["03 00 00 01"])


class Window(Served):
    more = "[p24]\nwindow = 3\n"

    def test_as_many_commands_are_on_their_way_as_smok_toml_allows(self) -> None:
        """Three of the four that are due, and no more."""
        self.assertEqual(self.asked_of_a_silent_box(3), ["03 00 00 01", "03 00 02 01", "03 00 04 01"])
