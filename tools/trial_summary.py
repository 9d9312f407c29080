"""Read what trial printed and say it in one line: ``N passed, N failed, N skipped``.

``trial_summary.py FILE...`` prints the end of each failure's report and the closing lines of every run that the files
hold, then the sum as the very last line. Exit status 1 when something failed or a file holds no finished run.

Trial ends a run with ``Ran 7 tests in 0.1s`` and, after an empty line, ``PASSED`` or ``FAILED`` with the numbers that
are not 0 in brackets. A test that is marked todo counts as skipped when it fails, as passed when it passes: trial
says PASSED either way.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

_RAN = re.compile(r"Ran \d+ tests in [\d.]+s")
_VERDICT = re.compile(r"(?:PASSED|FAILED)(?: \(([\w=, ]+)\))?")
#: A failure's report, up to the next one or to the closing lines.
_REPORT = re.compile(r"^={79}\n\[(?:FAIL|ERROR)\]\n(.*?)(?=^={79}$|^-{79}$)", re.MULTILINE | re.DOTALL)
LINES_OF_A_REPORT = 12


class Summary(NamedTuple):
    """How many tests went which way."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


#: A run that did not finish counts as one failure.
UNFINISHED = Summary(failed=1)


def closing_lines(output: str) -> list[tuple[str, str]]:
    """The ``Ran`` line of each run and the verdict after it; an empty verdict when the run did not get so far."""
    lines = [line.strip() for line in output.splitlines()]
    starts = [number for number, line in enumerate(lines) if _RAN.fullmatch(line)]
    found = []
    for start in starts:
        after = next((line for line in lines[start + 1 :] if line), "")
        found.append((lines[start], after if _VERDICT.fullmatch(after) else ""))
    return found


def summary_of(verdict: str) -> Summary:
    """The numbers in a verdict."""
    match = _VERDICT.fullmatch(verdict)
    if match is None:
        return UNFINISHED
    counts = {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", match[1] or "")}
    return Summary(
        passed=counts.get("successes", 0) + counts.get("unexpectedSuccesses", 0),
        failed=counts.get("failures", 0) + counts.get("errors", 0),
        skipped=counts.get("skips", 0) + counts.get("expectedFailures", 0),
    )


def total(output: str) -> Summary:
    """The sum of all runs in ``output``; no run at all counts as one that did not finish."""
    parts = [summary_of(verdict) for _, verdict in closing_lines(output)] or [UNFINISHED]
    return Summary(*map(sum, zip(*parts, strict=True)))


def reports(output: str) -> list[str]:
    """How each failure's report ends: what was wrong, and the names of the tests."""
    return ["\n".join(report.rstrip().splitlines()[-LINES_OF_A_REPORT:]) for report in _REPORT.findall(output)]


def main(paths: list[str]) -> int:
    """The exit status."""
    outputs = [Path(path).read_text(encoding="utf-8", errors="replace") for path in paths]
    for output in outputs:
        for report in reports(output):
            print(f"[...]\n{report}\n")
        for ran, verdict in closing_lines(output) or [("No run of trial finished", "")]:
            print(f"{ran}\n{verdict or '(it did not finish)'}")
    sums = Summary(*map(sum, zip(*map(total, outputs), strict=True)))
    print(sums)
    return 1 if sums.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
