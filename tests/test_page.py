"""The page in a real browser, over the real daemon, agent and slave."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from pymodbus.client import ModbusTcpClient
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from .processes import Daemon, Process, free_port, listens, wait_until
from .test_system import MODEL

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Page(SynchronousTestCase):
    def setUp(self) -> None:
        if CHROMIUM is None:
            if os.environ.get("CI"):
                self.fail("there is no chromium here, and CI looks at the page")
            raise SkipTest("no chromium: the page is not looked at; install chromium for that")
        from playwright.sync_api import sync_playwright

        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.slave_port = free_port()
        slave = Process(self.folder / "slave.log", "-m", "tests.pymodbus_slave", str(self.slave_port))
        self.addCleanup(slave.end)
        self.daemon = Daemon(self.folder)
        self.daemon.start()
        self.addCleanup(self.daemon.end)
        wait_until(lambda: listens(self.slave_port), "the slave's start")
        self.start_device()
        playwright = sync_playwright().start()
        self.addCleanup(playwright.stop)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        self.addCleanup(browser.close)
        self.page: Any = browser.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def start_device(self) -> None:
        self.daemon.api("POST", "/models", MODEL)
        device = self.daemon.api("POST", "/devices", {"name": "plant-1", "model": "plant", "may_write": True})
        secret = self.folder / "secret"
        secret.touch(0o600)
        secret.write_text(device["secret"])
        agent = Process(
            self.folder / "agent.log",
            *("-m", "smok_twisted.tools.main", "agent", "--server", f"127.0.0.1:{self.daemon.smok4}"),
            *("--device", device["id"], "--secret-file", str(secret)),
            *("--modbus", f"tcp:127.0.0.1:{self.slave_port}"),
        )
        self.addCleanup(agent.end)
        wait_until(lambda: self.daemon.api("GET", "/devices/plant-1/values")["values"][0]["value"], "a value")

    def test_an_operator_changes_a_setpoint(self) -> None:
        """Signed in by the link, sees the value, changes it, and reads "confirmed by read-back"."""
        page = self.page
        page.goto(f"http://127.0.0.1:{self.daemon.web}/")
        page.get_by_text("open the sign-in link").wait_for()
        self.complaints.clear()  # of the 401 before signing in
        page.goto(self.daemon.api("POST", "/signin")["url"])
        page.locator("#devices").get_by_text("plant-1").click()
        page.locator("#values").get_by_text("outside").wait_for()
        self.assertIn("−4.1", page.locator("#values").inner_text())
        page.locator("#values").get_by_text("setpoint").click()
        page.locator("#plot canvas").wait_for()
        page.locator("#field input").fill("61.5")
        page.get_by_role("button", name="Change").click()
        self.assertIn("61.5", page.locator("#confirm").inner_text())
        page.locator("#confirm-write").click()
        page.get_by_text("confirmed by read-back: 61.5").wait_for()
        with ModbusTcpClient("127.0.0.1", port=self.slave_port) as master:
            self.assertEqual(master.read_holding_registers(11, count=1, device_id=1).registers, [615])
        self.assertEqual(self.complaints, [])
