"""Promises of ``tools/trial_summary.py``: the one line that tells how a run of the tests went."""

from __future__ import annotations

import io
import runpy
import subprocess
import sys
from pathlib import Path

from twisted.trial.reporter import TextReporter, TreeReporter
from twisted.trial.unittest import SkipTest, SynchronousTestCase, TestSuite

TOOL = Path(__file__).resolve().parent.parent / "tools" / "trial_summary.py"


class Sample(SynchronousTestCase):
    """One test of each outcome; ``Outcomes`` runs them, trial does not find them."""

    def passes(self):
        pass

    def fails(self):
        self.fail("on purpose")

    def errs(self):
        raise ValueError("on purpose")

    def skips(self):
        raise SkipTest("on purpose")

    def todo_fails(self):
        self.fail("on purpose")

    todo_fails.todo = "not yet"

    def todo_passes(self):
        pass

    todo_passes.todo = "not yet"


def output_of(reporter_class, *methods):
    stream = io.StringIO()
    reporter = reporter_class(stream)
    TestSuite([Sample(name) for name in methods]).run(reporter)
    reporter.done()
    return stream.getvalue()


class Outcomes(SynchronousTestCase):
    """The numbers are trial's own, whatever happened."""

    def setUp(self):
        self.tool = runpy.run_path(str(TOOL))

    def tearDown(self):
        self.flushLoggedErrors(ValueError)

    def total(self, output):
        return tuple(self.tool["total"](output))

    def test_each_outcome(self):
        """Each outcome lands where a reader looks for it, with either of trial's reporters."""
        for reporter in (TextReporter, TreeReporter):
            for method, expected in (
                ("passes", (1, 0, 0)),
                ("fails", (0, 1, 0)),
                ("errs", (0, 1, 0)),
                ("skips", (0, 0, 1)),
                ("todo_fails", (0, 0, 1)),
                ("todo_passes", (1, 0, 0)),
            ):
                self.assertEqual(self.total(output_of(reporter, method)), expected, method)

    def test_all_outcomes_at_once(self):
        """Nothing is lost when a run has some of each."""
        methods = ("passes", "passes", "fails", "errs", "skips", "todo_fails", "todo_passes")
        self.assertEqual(self.total(output_of(TextReporter, *methods)), (3, 2, 2))

    def test_runs_are_summed(self):
        """Two runs in one log are counted together."""
        output = output_of(TextReporter, "passes") + output_of(TextReporter, "passes", "fails")
        self.assertEqual(self.total(output), (2, 1, 0))

    def test_a_run_of_nothing(self):
        """A run that found no test is a failure, though trial says PASSED."""
        self.assertEqual(self.total(output_of(TextReporter)), (0, 1, 0))

    def test_a_run_that_did_not_finish(self):
        """Output that stops early is a failure, never a silent pass."""
        whole = output_of(TextReporter, "passes")
        self.assertEqual(self.total(""), (0, 1, 0))
        self.assertEqual(self.total("Traceback (most recent call last):\nImportError: x\n"), (0, 1, 0))
        self.assertEqual(self.total(whole[: whole.index("PASSED")]), (0, 1, 0))

    def test_words_in_a_test_are_no_verdict(self):
        """PASSED or FAILED alone on a line, without a run before it, counts nothing."""
        self.assertEqual(self.total("FAILED (errors=9)\n" + output_of(TextReporter, "passes")), (1, 0, 0))


class Command(SynchronousTestCase):
    """What `.ci/run` sees."""

    def run_tool(self, output):
        log = Path(self.mktemp())
        log.write_text(output, encoding="utf-8")
        return subprocess.run([sys.executable, TOOL, log], capture_output=True, text=True, timeout=60)

    def test_the_last_line(self):
        """Trial's own lines come first, the sum is the very last line, and a pass is exit status 0."""
        done = self.run_tool(output_of(TextReporter, "passes", "skips"))
        lines = done.stdout.splitlines()
        self.assertTrue(lines[0].startswith("Ran 2 tests in "))
        self.assertEqual(lines[1:], ["PASSED (skips=1, successes=1)", "1 passed, 0 failed, 1 skipped"])
        self.assertEqual(done.returncode, 0)

    def test_failures_are_told(self):
        """A failure is exit status 1; how each report ends stands beside the sum, where nobody has to look for it."""
        done = self.run_tool(output_of(TextReporter, "passes", "fails", "errs") + "=" * 79 + "\n[OK]\n" + "-" * 79)
        self.assertEqual(done.returncode, 1)
        told, _, closing = done.stdout.partition("Ran 3 tests in ")
        first, second = told.removeprefix("[...]\n").split("\n[...]\n")
        for report, wrong, name in ((first, "FailTest", "fails"), (second, "ValueError", "errs")):
            self.assertIn(f"{wrong}: on purpose", report)
            self.assertTrue(report.rstrip().endswith(f"Sample.{name}"), report)
            self.assertLessEqual(len(report.rstrip().splitlines()), 12)
        self.assertTrue(closing.endswith("1 passed, 2 failed, 0 skipped\n"), closing)
