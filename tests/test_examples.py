"""Every example runs as it stands, and prints what its reader expects."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from .cassandra_shared import shared_cluster

ROOT = Path(__file__).resolve().parent.parent
PRINTS = {
    "only_rabbit.py": "burner off, 62.5 degrees\n",
    "records_over_anything.py": "opened: boiler 62.5\nopened: boiler 62.7\n",
    "only_modbus.py": "outside_temperature = -4.1 °C\n",
    "modbus_over_rtu.py": "register 4102 of unit 17 holds 600\n",
    "handshake_with_own_nonces.py": "the server knows: 0x2a\n",
    "agent_in_your_application.py": "level 73.5 % good\n",
    "test_with_a_fake_device.py": "PASSED (successes=3)\n",
    "replay_a_capture.py": "PASSED (successes=1)\n",
    "serve_smok4.py": "stored: batch 1 of device 0x2a: (600, 41)\n",
}


class Examples(SynchronousTestCase):
    def test_each_is_run(self) -> None:
        """None is forgotten here."""
        self.assertEqual({path.name for path in (ROOT / "examples").glob("*.py")}, {*PRINTS, "only_cassandra.py"})

    def mktemp_folder(self) -> str:
        folder = self.mktemp()
        Path(folder).mkdir(parents=True)
        return folder

    def run_one(self, name: str, printed: str, *arguments: str) -> None:
        runner = ["-m", "twisted.trial"] if printed.startswith("PASSED") else []
        done = subprocess.run(
            [sys.executable, *runner, ROOT / "examples" / name, *arguments],
            cwd=self.mktemp_folder(),
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""), name)
        self.assertEqual(done.stdout.count(printed), 1, name)

    def test_what_they_print(self) -> None:
        """Without a word on standard error."""
        for name, printed in PRINTS.items():
            self.run_one(name, printed)

    def test_on_cassandra(self) -> None:
        """The one that needs a database: three rows, and a question that is refused."""
        printed = "[(0, 100), (1, 101), (2, 102)]\nmend it: Cassandra refuses: "
        self.run_one("only_cassandra.py", printed, *shared_cluster(self).addresses)

    def test_without_cassandra(self) -> None:
        """The same where nobody is: its reader learns what that looks like."""
        self.run_one("only_cassandra.py", "try later: no Cassandra node answers: ", "127.0.0.77")
