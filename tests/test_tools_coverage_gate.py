"""Promises of ``tools/coverage_gate.py``: no branch of the cipher or of a record goes unrun without a complaint."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

PROJECT = Path(__file__).resolve().parent.parent
GATE = PROJECT / "tools" / "coverage_gate.py"


class Gate(SynchronousTestCase):
    """What CI sees."""

    def setUp(self) -> None:
        listed = (PROJECT / "tools" / "pure_modules.txt").read_text(encoding="utf-8").split("\n")
        self.files = {path: self.measured() for path in [*listed, "smok_twisted/cipher/protocol.py"]}

    def measured(self, branches_missed: int = 0, lines_missed: int = 0) -> dict[str, Any]:
        """A module of 100 lines and 20 branches, as coverage tells of it."""
        return {
            "summary": {
                "num_statements": 100,
                "covered_lines": 100 - lines_missed,
                "num_branches": 20,
                "covered_branches": 20 - branches_missed,
            },
            "missing_lines": list(range(1, 1 + lines_missed)),
            "missing_branches": [[7, 8]] * branches_missed,
        }

    def judged(self) -> tuple[int, str]:
        report = Path(self.mktemp())
        report.write_text(json.dumps({"files": self.files}), encoding="utf-8")
        done = subprocess.run([sys.executable, GATE, report], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout

    def test_everything_was_run(self) -> None:
        """Then it passes, and has a line for each layer."""
        status, text = self.judged()
        self.assertEqual(status, 0, text)
        layers = [line.split()[0] for line in text.splitlines()[:4]]
        self.assertEqual(layers, ["framing", "cipher", "record", "handshake"])

    def test_one_branch_is_enough(self) -> None:
        """One branch that no test took fails the layer, and is named."""
        for path in ("cipher/record", "cipher/rabbit", "cipher/protocol", "framing/codec", "handshake/machine"):
            self.setUp()
            self.files[f"smok_twisted/{path}.py"] = self.measured(branches_missed=1)
            status, text = self.judged()
            self.assertEqual(status, 1, path)
            self.assertIn(f"smok_twisted/{path}.py:7 -> 8", text)

    def test_lines(self) -> None:
        """Two in a hundred may be missed, three not."""
        for missed, expected in ((2, 0), (3, 1)):
            self.files["smok_twisted/cipher/record.py"] = self.measured(lines_missed=missed)
            self.assertEqual(self.judged()[0], expected)

    def test_a_module_that_was_not_measured(self) -> None:
        """It is not taken for one without faults."""
        del self.files["smok_twisted/cipher/record.py"]
        status, text = self.judged()
        self.assertEqual(status, 1)
        self.assertIn("not measured: smok_twisted/cipher/record.py", text)
