"""Promises of ``make mutants``: what no test notices is found, and the list of what may survive is the truth."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

PROJECT = Path(__file__).resolve().parent.parent
TOOLS = PROJECT / "tools"

AGES = '''"""Ages."""


def is_adult(years: int) -> bool:
    """From 18 on."""
    return years >= 18
'''

#: Notices six of the eight changes, but not ``==`` in place of ``>=``, nor 17 in place of 18.
WEAK = """
from unittest import TestCase

from plant.ages import is_adult


class Ages(TestCase):
    def test_ages(self):
        self.assertIs(is_adult(18), True)
        self.assertIs(is_adult(3), False)
"""

TARGET = """
[[target]]
module = "plant/ages.py"
tests = ["tests.test_ages"]
"""


def entry(mutated: str, **changes: str) -> str:
    """A listed survivor in ``is_adult``."""
    keys = {
        "module": "plant/ages.py",
        "function": "is_adult",
        "original": "return years >= 18",
        "mutated": mutated,
        "reason": "equivalent: on purpose",
    }
    return "\n[[survives]]\n" + "".join(f'{key} = "{value}"\n' for key, value in {**keys, **changes}.items())


def kept_mutants(case: SynchronousTestCase) -> Any:
    """The module that reads the table."""
    case.patch(sys, "path", [str(TOOLS), *sys.path])
    return importlib.import_module("kept_mutants")


class KeptList(SynchronousTestCase):
    """tests/mutants.toml does not rot."""

    def setUp(self) -> None:
        self.kept_mutants = kept_mutants(self)
        self.table = self.kept_mutants.read_table(PROJECT / "tests" / "mutants.toml")

    def test_each_line_still_stands(self) -> None:
        """A survivor whose line was changed or moved away is not listed any more."""
        self.assertEqual(self.kept_mutants.gone_lines(PROJECT, self.table.kept), [])

    def test_modules_and_tests_are_there(self) -> None:
        """Nothing is left out of the run because it was renamed."""
        for target in self.table.targets:
            self.assertTrue((PROJECT / target.module).is_file(), target.module)
            self.assertTrue(target.tests)
            for name in target.tests:
                self.assertTrue((PROJECT / f"{name.replace('.', '/')}.py").is_file(), name)
            functions = self.kept_mutants.Source((PROJECT / target.module).read_text(encoding="utf-8")).functions
            self.assertLessEqual(set(target.functions), functions)

    def test_a_line_that_is_gone_is_noticed(self) -> None:
        """It must stand in its function as a whole line, wherever that has moved."""
        folder = self.planted(entry("return years > 18"))
        kept = self.kept_mutants.read_table(folder / "tests" / "mutants.toml").kept
        self.assertEqual(self.kept_mutants.gone_lines(folder, kept), [])
        ages = folder / "plant" / "ages.py"
        ages.write_text(f"# moved\n\n{AGES}")
        self.assertEqual(self.kept_mutants.gone_lines(folder, kept), [])
        for changed in (AGES.replace("18\n", "18  # years\n"), AGES.replace("is_adult", "is_grown")):
            ages.write_text(changed)
            self.assertEqual(self.kept_mutants.gone_lines(folder, kept), list(kept), changed)

    def test_malformed(self) -> None:
        """An entry without a reason, of an unknown module, with an unknown key or twice is refused."""
        for entries in (
            entry("x", reason=""),
            entry("x", reason="because"),
            entry("x", module="plant/other.py"),
            entry("x", line="7"),
            2 * entry("x"),
        ):
            folder = self.planted(entries)
            with self.assertRaises(self.kept_mutants.Malformed):
                self.kept_mutants.read_table(folder / "tests" / "mutants.toml")

    def planted(self, entries: str) -> Path:
        """A small project with its table."""
        return plant(Path(self.mktemp()), entries)


def plant(folder: Path, entries: str, tests: str = WEAK) -> Path:
    """A project of one function, whose tests notice little."""
    for package in ("plant", "tests"):
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").touch()
    (folder / "plant" / "ages.py").write_text(AGES)
    (folder / "tests" / "test_ages.py").write_text(tests)
    (folder / "tests" / "mutants.toml").write_text(TARGET + entries)
    return folder


class Running(SynchronousTestCase):
    """The tool on a project of one function."""

    def run_tool(self, entries: str, *arguments: str, tests: str = WEAK) -> tuple[int, list[str], str]:
        """Exit status, what was printed, and the complaint."""
        folder = plant(Path(self.mktemp()), entries, tests)
        command = [sys.executable, str(TOOLS / "mutants.py"), "--project", str(folder), "--jobs", "1", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        return done.returncode, done.stdout.splitlines(), done.stderr

    def test_a_survivor_is_found(self) -> None:
        """One that nobody listed, and one listed that a test does notice, are both told; the run fails."""
        status, lines, errors = self.run_tool(entry("return years == 18") + entry("return years > 18"))
        self.assertEqual(errors, "")
        counts = "6 killed, 1 survive as listed, 1 survive unlisted, 1 listed do not survive any more"
        self.assertEqual((status, lines[-1]), (1, f"8 mutants: {counts}"))
        self.assertIn('mutated = "return years >= 17"', lines)
        self.assertIn('mutated = "return years > 18"', lines)
        self.assertNotIn('mutated = "return years == 18"', lines)

    def test_all_survivors_are_listed(self) -> None:
        """Then the run passes."""
        status, lines, errors = self.run_tool(entry("return years == 18") + entry("return years >= 17"), "ages")
        counts = "6 killed, 2 survive as listed, 0 survive unlisted, 0 listed do not survive any more"
        self.assertEqual((status, lines[-1], errors), (0, f"8 mutants: {counts}", ""))

    def test_tests_that_fail_without_a_mutant(self) -> None:
        """They would seem to notice everything: refused."""
        status, _, errors = self.run_tool("", tests=WEAK.replace("is_adult(3)", "is_adult(30)"))
        self.assertEqual(status, 1)
        self.assertIn("these tests fail without any mutant", errors)

    def test_an_unknown_module(self) -> None:
        """A name that the table does not have is told with those that it has."""
        status, _, errors = self.run_tool("", "age")
        self.assertEqual((status, errors), (1, "'age' is no module of the table; it has plant/ages.py\n"))
