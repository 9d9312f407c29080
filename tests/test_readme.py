"""What README.rst shows works as it stands."""

from __future__ import annotations

import contextlib
import io
import re
import textwrap
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.modbus.maps import parse_map
from smok_twisted.modbus.plan import plan_blocks

README = (Path(__file__).parent.parent / "README.rst").read_text("utf-8")


def blocks(after: str) -> list[str]:
    """Every indented block that follows a line ending in ``after``."""
    found = re.findall(rf"{re.escape(after)}\n\n((?:    .*\n|\n)+)", README)
    return [textwrap.dedent(block) for block in found]


class Readme(SynchronousTestCase):
    def test_one_layer_alone(self) -> None:
        """The example of twenty lines prints both bodies."""
        (code,) = blocks(".. code-block:: python")
        self.assertLessEqual(len([line for line in code.splitlines() if line.strip()]), 20)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, {})
        self.assertEqual(printed.getvalue(), "b'first'\nb'second'\n")

    def test_the_register_map(self) -> None:
        """The map that a newcomer types is accepted and can be planned."""
        (text,) = blocks("register map such as ``boiler.toml``::")
        self.assertEqual(len(plan_blocks(parse_map(text))), 1)

    def test_the_two_commands(self) -> None:
        """Both are targets of the Makefile."""
        makefile = (Path(__file__).parent.parent / "Makefile").read_text("utf-8")
        for target in re.findall(r"^    make (\w+)", README, re.MULTILINE):
            self.assertRegex(makefile, rf"(?m)^{target}:")
