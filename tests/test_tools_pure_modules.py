"""Promise: the pure modules do without Twisted, so that they can be used over asyncio, a serial line or a file."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

PROJECT = Path(__file__).resolve().parent.parent

#: Runs in a fresh interpreter: its arguments are the modules to import.
IMPORT_WITHOUT_TWISTED = """
import importlib, sys
sys.modules["twisted"] = None
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def modules():
    paths = runpy.run_path(str(PROJECT / "tools" / "pure_modules.py"))["pure_modules"]()
    return [path.removesuffix(".py").replace("/", ".") for path in paths]


def import_without_twisted(*names):
    command = [sys.executable, "-c", IMPORT_WITHOUT_TWISTED, *names]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60)


class PureModules(SynchronousTestCase):
    """The list in tools/pure_modules.txt is true."""

    def test_import_with_twisted_blocked(self):
        """Every pure module imports where there is no Twisted."""
        done = import_without_twisted(*modules())
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_block_blocks(self):
        """A module of the Twisted half does not: the test above can fail."""
        done = import_without_twisted("smok_twisted.framing.protocol")
        self.assertIn("twisted", done.stderr)
        self.assertNotEqual(done.returncode, 0)
