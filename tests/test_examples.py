"""Every example runs as it stands, and prints what its reader expects."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parent.parent
PRINTS = {
    "only_rabbit.py": "burner off, 62.5 degrees\n",
    "records_over_anything.py": "opened: boiler 62.5\nopened: boiler 62.7\n",
    "only_modbus.py": "outside_temperature = -4.1 °C\n",
    "handshake_with_own_nonces.py": "the server knows: 0x2a\n",
    "agent_in_your_application.py": "level 73.5 % good\n",
    "test_with_a_fake_device.py": "",
    "serve_smok4.py": "device 0x2a has brought batch 1: (600, 41)\n",
}


class Examples(SynchronousTestCase):
    def test_each_is_run(self) -> None:
        """None is forgotten here."""
        self.assertEqual({path.name for path in (ROOT / "examples").glob("*.py")}, set(PRINTS))

    def mktemp_folder(self) -> str:
        folder = self.mktemp()
        Path(folder).mkdir(parents=True)
        return folder

    def test_what_they_print(self) -> None:
        """Without a word on standard error."""
        for name, printed in PRINTS.items():
            runner = ["-m", "twisted.trial"] if name.startswith("test_") else []
            done = subprocess.run(
                [sys.executable, *runner, ROOT / "examples" / name],
                cwd=self.mktemp_folder(),
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            self.assertEqual((done.returncode, done.stderr), (0, ""), name)
            self.assertIn(printed, done.stdout, name)
