"""The pure half of the MODBUS layer needs nothing but Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

PURE = (
    "pdu", "responses", "rtu", "mbap", "codecs", "scaling", "points", "durations", "fields", "map_points", "maps",
    "plan", "estimate",
)  # fmt: skip

PROGRAM = """
import importlib, sys
sys.modules["twisted"] = None
for name in sys.argv[1:]:
    importlib.import_module("smok_twisted.modbus." + name)
loaded = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
print(*sorted(name for name in loaded if name in {"serial", "zope", "attr", "automat", "pymodbus"}))
"""


class Pure(SynchronousTestCase):
    def test_without_twisted(self) -> None:
        """Who has no Twisted can still use PDUs, frames, register maps and the planner."""
        root = Path(__file__).resolve().parent.parent
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *PURE], cwd=root, capture_output=True, text=True, check=False
        )
        self.assertEqual((done.stdout.strip(), done.stderr, done.returncode), ("", "", 0))
