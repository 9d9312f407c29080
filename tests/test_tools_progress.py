"""Long work says how far it is, to whoever sits at a terminal."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.tools.progress import OCTETS_A_STEP, Watched, progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Files(SynchronousTestCase):
    def setUp(self) -> None:
        self.steps: list[tuple[float, float]] = []

    def step(self, done: float, total: float) -> None:
        self.steps.append((done, total))

    def test_how_much_of_a_file_was_read(self) -> None:
        """Now and then, in octets of its size; what is read is what is there."""
        path, octets = Path(self.mktemp()), os.urandom(3 * OCTETS_A_STEP)
        path.write_bytes(octets)
        with path.open("rb") as file:
            watched = Watched(file, self.step)
            read = b"".join(iter(lambda: watched.read(OCTETS_A_STEP // 2), b""))
        self.assertEqual(read, octets)
        self.assertEqual(self.steps, [(OCTETS_A_STEP * number, len(octets)) for number in (1, 2, 3)])

    def test_a_pipe_has_no_size(self) -> None:
        """How much was read is told all the same."""
        Watched(io.BytesIO(bytes(OCTETS_A_STEP)), self.step).read(OCTETS_A_STEP)
        reading, writing = os.pipe()
        os.write(writing, b"12345678")
        os.close(writing)
        with open(reading, "rb") as file:
            self.assertEqual(Watched(file, self.step).read(99), b"12345678")
        self.assertEqual(self.steps, [(OCTETS_A_STEP, 0)])


class Bars(SynchronousTestCase):
    def shown(self, stream: io.StringIO) -> str:
        self.patch(sys, "stderr", stream)
        with progress("replay", "B") as step:
            step(0, 100)
        return stream.getvalue()

    def test_on_a_terminal_only(self) -> None:
        """Elsewhere nothing is written."""
        self.assertIn("replay", self.shown(Terminal()))
        self.assertEqual(self.shown(io.StringIO()), "")
