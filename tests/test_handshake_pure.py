"""The pure half of the login works without Twisted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parent.parent
TWISTED_HALF = {"cred", "protocol"}


class WithoutTwisted(SynchronousTestCase):
    """For asyncio, a serial line, a microcontroller's test bench."""

    def test_import(self) -> None:
        """Every module but ``cred`` and ``protocol`` can be imported where there is no Twisted."""
        modules = {path.stem for path in (ROOT / "smok_twisted" / "handshake").glob("*.py")}
        self.assertTrue(modules > TWISTED_HALF)
        imports = [f"import smok_twisted.handshake.{name}" for name in sorted(modules - TWISTED_HALF)]
        program = "\n".join(["import sys", "sys.modules['twisted'] = None", *imports])
        done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
