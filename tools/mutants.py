"""Change a module in many small ways, run its tests each time, and tell which changes no test noticed.

``mutants.py [--jobs N] [MODULE ...]`` does so for the modules of ``tests/mutants.toml`` whose path ends in
``MODULE`` (with or without ``.py``), or for all. Exit status 1 when a mutant survives that the table does not list,
or when one that it lists is killed or is no mutant any more. Cosmic Ray makes and runs the mutants, in a copy.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

import mutant_operators
from cosmic_ray.commands import execute, init
from cosmic_ray.config import ConfigDict
from cosmic_ray.testing import run_tests
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkerOutcome, WorkResult
from kept_mutants import Malformed, Mutant, Source, Table, Target, read_table

MEMORY_OCTETS = 4 << 30  #: a mutant that wants more is killed
BASELINE_SECONDS = 120.0
#: A mutant that takes so many times as long as the true module never ends: killed.
PATIENCE, SHORTEST_PATIENCE_SECONDS = 10, 20.0


class Outcome(NamedTuple):
    """What became of a module's mutants."""

    target: Target
    killed: list[Mutant]
    survived: list[Mutant]
    seconds: float


class Verdict(NamedTuple):
    """All modules beside the table."""

    killed: int
    listed: set[Mutant]  #: survive, as the table says
    unlisted: set[Mutant]  #: survive, and nobody knew
    gone: set[Mutant]  #: listed, and no survivor any more

    @property
    def is_good(self) -> bool:
        """The table is the truth."""
        return not self.unlisted and not self.gone

    def __str__(self) -> str:
        total = self.killed + len(self.listed) + len(self.unlisted)
        return (
            f"{total} mutants: {self.killed} killed, {len(self.listed)} survive as listed, "
            f"{len(self.unlisted)} survive unlisted, {len(self.gone)} listed do not survive any more"
        )


class CannotRun(Exception):
    """The tests fail without any mutant, or the tool itself failed; the text says how."""


def judge(outcomes: Iterable[Outcome], kept: Iterable[Mutant]) -> Verdict:
    """``kept``: all that are listed; those of other modules do not count."""
    done = list(outcomes)
    kept = {mutant for mutant in kept if mutant.module in {outcome.target.module for outcome in done}}
    survived = {mutant for outcome in done for mutant in outcome.survived}
    killed = sum(len(outcome.killed) for outcome in done)
    return Verdict(killed, survived & kept, survived - kept, kept - survived)


def run_target(project: Path, target: Target) -> Outcome:
    """Every mutant of one module, one after another, in a fresh copy of the code and the tests."""
    mutant_operators.choose()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_OCTETS, MEMORY_OCTETS))
    begun = time.monotonic()
    folder = copy_of(project, target)
    os.chdir(folder)
    os.environ["PYTHONPATH"] = str(folder)
    command = " ".join([sys.executable, "-m", "twisted.trial", "--exitfirst", *target.tests])
    config = ConfigDict({"test-command": command, "timeout": patience(command), "distributor": {"name": "local"}})
    with use_db("session.sqlite", WorkDB.Mode.create) as session:
        init([Path(target.module)], session, {})
        source = Source(Path(target.module).read_text(encoding="utf-8"))
        skip_unwanted(session, target, source)
        execute(session, config)
        results = [(item.mutations[0], result) for item, result in session.completed_work_items]
    killed, survived = sorted_out(target, source, results)
    return Outcome(target, killed, survived, time.monotonic() - begun)


def copy_of(project: Path, target: Target) -> Path:
    """A folder with the packages that the module and its tests are in."""
    folder = project / "build" / "mutants" / target.module.removesuffix(".py").replace("/", ".")
    shutil.rmtree(folder, ignore_errors=True)
    for package in {Path(target.module).parts[0], *(name.partition(".")[0] for name in target.tests)}:
        shutil.copytree(project / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def patience(command: str) -> float:
    """Seconds for a mutant, by what the tests take without one. Raises CannotRun when they fail."""
    begun = time.monotonic()
    outcome, output = run_tests(command, BASELINE_SECONDS)
    if outcome is not TestOutcome.SURVIVED:
        raise CannotRun(f"these tests fail without any mutant:\n{command}\n{output}")
    return max(SHORTEST_PATIENCE_SECONDS, PATIENCE * (time.monotonic() - begun))


def skip_unwanted(session: WorkDB, target: Target, source: Source) -> None:
    """Types do not run, and of some modules only a few functions are meant."""
    for item in session.pending_work_items:
        mutation = item.mutations[0]
        function = source.function_at(mutation.start_pos[0])
        is_meant = not target.functions or f"{function}.".startswith(tuple(f"{one}." for one in target.functions))
        if not is_meant or source.is_annotation(mutation.start_pos):
            session.set_result(item.job_id, WorkResult(WorkerOutcome.SKIPPED))


def sorted_out(
    target: Target, source: Source, results: Iterable[tuple[MutationSpec, WorkResult]]
) -> tuple[list[Mutant], list[Mutant]]:
    """The killed and the survivors."""
    killed, survived = [], []
    for mutation, result in results:
        if result.worker_outcome is WorkerOutcome.SKIPPED:
            continue
        if result.worker_outcome is not WorkerOutcome.NORMAL:
            raise CannotRun(f"{mutation} of {target.module} cannot be tried:\n{result.output}")
        function = source.function_at(mutation.start_pos[0])
        mutant = Mutant(target.module, function, *changed_lines(result.diff or ""))
        (killed if result.is_killed else survived).append(mutant)
    return killed, survived


def changed_lines(diff: str) -> tuple[str, str]:
    """The lines before and after, of a unified diff with one change."""
    body = diff[diff.index("\n@@") :].splitlines()[2:]
    before, after = ("\n".join(line[1:].strip() for line in body if line[:1] == mark).strip() for mark in "-+")
    return before, after


def run(project: Path, targets: Sequence[Target], jobs: int) -> Iterable[Outcome]:
    """One module after another is done; ``jobs`` at a time."""
    with ProcessPoolExecutor(jobs) as pool:
        for done in as_completed([pool.submit(run_target, project, target) for target in targets]):
            outcome: Outcome = done.result()
            counts = f"{len(outcome.killed):4d} killed {len(outcome.survived):3d} survive {outcome.seconds:5.0f} s"
            print(f"{outcome.target.module:40} {counts}", flush=True)
            yield outcome


def chosen(table: Table, names: Sequence[str]) -> list[Target]:
    """The targets that are named. Raises Malformed for a name that none has."""
    def is_named(target: Target, name: str) -> bool:
        return f"/{target.module}".removesuffix(".py").endswith(f"/{name}".removesuffix(".py"))

    for name in names:
        if not any(is_named(target, name) for target in table.targets):
            known = ", ".join(target.module for target in table.targets)
            raise Malformed(f"{name!r} is no module of the table; it has {known}")
    return [target for target in table.targets if not names or any(is_named(target, name) for name in names)]


def main(arguments: Sequence[str]) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description="Mutation tests; tests/mutants.toml says of what.")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="the end of a path, such as cipher/record")
    parser.add_argument("--jobs", type=int, default=2, help="modules at a time (default 2)")
    parser.add_argument("--project", type=Path, default=Path(__file__).parent.parent, help="the folder with tests/")
    options = parser.parse_args(arguments)
    project = options.project.resolve()
    try:
        table = read_table(project / "tests" / "mutants.toml")
        outcomes = []
        for outcome in run(project, chosen(table, options.modules), options.jobs):
            outcomes.append(outcome)
            complain(judge([outcome], table.kept))
    except (Malformed, CannotRun) as error:
        print(error, file=sys.stderr)
        return 1
    verdict = judge(outcomes, table.kept)
    print(verdict)
    return 0 if verdict.is_good else 1


def complain(verdict: Verdict) -> None:
    """Tell what the table does not know, as it would list it, and what it should not list."""
    for mutants, what in ((verdict.unlisted, "survives"), (verdict.gone, "is listed and does not survive any more")):
        for mutant in sorted(mutants):
            print(f"\n# {what}\n{mutant}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
