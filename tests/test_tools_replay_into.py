"""Promise: ``smok replay FILE --into PLACE`` puts a capture's readings where the daemon and the page find them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from .processes import ROOT, Daemon

FOLDER = ROOT / "fixtures" / "pcaps"
MODEL = str(FOLDER / "plant.toml")
AGENT = str(FOLDER / "smok4-agent.pcap")
MODBUS = str(FOLDER / "modbus-tcp-libmodbus.pcap")
SECRET = json.loads((FOLDER / "smok4-agent.expected.json").read_text(encoding="utf-8"))["secrets"][0]
ADD = ("--device", "plant", "--map", MODEL, "--add")


class IntoAStore(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.daemon = Daemon(self.folder)

    def smok(self, *argv: str) -> subprocess.CompletedProcess[str]:
        command = (sys.executable, "-m", "smok_twisted.tools.main", "replay", *argv)
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)

    def kept(self, *argv: str) -> dict[str, Any]:
        done = self.smok(*argv, "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return dict(json.loads(done.stdout))

    def refused(self, code: int, *argv: str) -> str:
        done = self.smok(*argv)
        self.assertEqual((done.returncode, done.stdout), (code, ""), done)
        self.assertRegex(done.stderr, r"\Asmok: [^\n]+\n\Z")
        return done.stderr

    def test_values_and_history_are_on_the_page(self) -> None:
        """After a replay the daemon's API has every value with its time, and the history; a running daemon keeps
        others out, and what came by the replay stands in the audit trail."""
        into = ("--into", str(self.daemon.data_dir), "--secret", SECRET)
        first, second = self.kept(AGENT, *into, *ADD), self.kept(AGENT, *into, *ADD)
        (device,), (again,) = first["devices"], second["devices"]
        self.assertEqual((device["added"], device["stored"], device["there"]), (True, 4, 0))
        self.assertEqual((again["added"], again["stored"], again["there"]), (False, 0, 4))
        self.kept(MODBUS, "--into", str(self.daemon.data_dir / "smok.db"), "--device", device["id"])
        self.daemon.start()
        try:
            values = {one["point"]: one for one in self.daemon.api("GET", "/devices/plant/values")["values"]}
            series = self.daemon.api("GET", "/devices/plant/series?point=setpoint&from=2026-11-23T00:00:00Z")
            audited = self.daemon.api("GET", "/audit")["audit"]
            text = self.refused(1, AGENT, *into)
        finally:
            self.daemon.end()
        self.assertEqual([values[name]["value"] for name in ("outside", "flow", "pump")], [-4.1, 3.14, True])
        self.assertEqual({one["quality"] for one in values.values()}, {"stale"})
        self.assertEqual([value for value in series["value"] if value is not None], [55.0, 55.0, 55.0, 61.5, 55.0])
        self.assertEqual([one["action"] for one in audited], ["device-replay", "device-replay"])
        self.assertIn(f"in use by process {self.daemon.process.pid}", text)

    def test_what_is_printed(self) -> None:
        """What was stored, what was there, what was left out and why."""
        into = ("--into", str(self.folder / "lab"))
        first, second = self.smok(MODBUS, *into, *ADD), self.smok(MODBUS, *into, *ADD)
        for line in (
            r"plant: added as 0x[0-9a-f]{16}; it has no secret, so nobody can log in as it",
            r"plant: stored in .*/lab/smok.db: 2 reports, of 20[-0-9T:.]+Z to 20[-0-9T:.]+Z; there already: 0",
            r"plant: 2 left out: of registers that hold no whole point of the map",
            r"conversation 4 left out: no readings in it",
        ):
            self.assertRegex(first.stdout, f"(?m)^{line}$")
        self.assertRegex(second.stdout, r"(?m)^plant: stored in .*: 0 reports; there already: 2$")

    def test_a_configuration_names_the_store(self) -> None:
        """As for the daemon itself; a store that keeps nothing is refused."""
        self.kept(MODBUS, "--into", str(self.daemon.config), *ADD)
        self.assertTrue((self.daemon.data_dir / "smok.db").exists())
        self.daemon.config.write_text('[storage]\nkind = "memory"\n')
        self.assertIn("keeps nothing", self.refused(2, MODBUS, "--into", str(self.daemon.config), *ADD))

    def test_what_is_refused(self) -> None:
        """One sentence, and nothing is made or changed."""
        into = ("--into", str(self.folder / "lab"))
        self.assertIn("lab/smok.db does not exist", self.refused(2, MODBUS, *into))
        self.assertIn("is no folder", self.refused(2, MODBUS, "--into", MODBUS))
        self.assertIn("they need --into", self.refused(2, MODBUS, "--device", "plant"))
        self.assertFalse((self.folder / "lab").exists())
        self.kept(MODBUS, *into, *ADD)
        self.assertIn("name the device by --device", self.refused(2, MODBUS, *into))
        self.assertIn("`smok device add cellar --model", self.refused(1, MODBUS, *into, "--device", "cellar"))
        (self.folder / "lab" / "smok.db").write_bytes(b"GET / HTTP/1.1" * 99)
        self.assertIn("is damaged", self.refused(1, MODBUS, *into, "--device", "plant"))

    def test_a_wrong_secret_makes_no_device(self) -> None:
        """Nothing is made; without a secret the device gets the id that its sealed session tells, so that the right
        secret, given later, brings the session in."""
        into, lab = ("--into", str(self.folder / "lab")), self.folder / "lab"
        text = self.refused(2, AGENT, *into, *ADD, "--secret", "ab" * 20)
        self.assertIn("the secret does not open any conversation", text)
        self.assertFalse(lab.exists())
        (plain,) = self.kept(AGENT, *into, *ADD)["devices"]
        self.assertIn("the secret does not open any", self.refused(2, AGENT, *into, *ADD, "--secret", "ab" * 20))
        (whole,) = self.kept(AGENT, *into, *ADD, "--secret", SECRET)["devices"]
        self.assertEqual((plain["id"], plain["added"]), (whole["id"], True))
        self.assertEqual((whole["added"], whole["stored"] + whole["there"] > plain["stored"]), (False, True))

    def test_a_failure_makes_no_store(self) -> None:
        """What cannot come true is said before anything is made: a wish without a map, a file that is no capture, one
        that brings nothing, and a map of other registers."""
        into, lab = ("--into", str(self.folder / "lab")), self.folder / "lab"
        empty, other = self.folder / "empty.pcap", self.folder / "other.toml"
        empty.touch()
        other.write_text('name = "other"\npoint = [{ name = "level", register = "input", address = 900 }]\n')
        self.assertIn("--add needs --device", self.refused(2, MODBUS, *into, "--device", "plant", "--add"))
        self.assertIn("is no capture but 0 octets", self.refused(2, str(empty), *into, *ADD))
        for file, model in ((AGENT.replace("agent", "attack"), MODEL), (MODBUS, str(other))):
            done = self.smok(file, *into, "--device", "plant", "--add", "--map", model)
            self.assertEqual(done.returncode, 1, done)
            self.assertIn("nothing in it that the store can keep", done.stderr)
        self.assertFalse(lab.exists())

    def test_a_capture_that_brings_nothing(self) -> None:
        """Says why for each conversation, and ends in 1."""
        into = ("--into", str(self.folder / "lab"))
        self.kept(MODBUS, *into, *ADD)
        done = self.smok(AGENT.replace("agent", "attack"), *into, "--device", "plant")
        self.assertEqual(done.returncode, 1)
        self.assertIn("conversation 2 left out: sealed: --secret", done.stdout)
        self.assertIn("nothing in it that the store can keep", done.stderr)
