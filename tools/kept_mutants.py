"""The table of ``mutants.py`` (``tests/mutants.toml``): which tests concern a module, and which mutants may survive.

A mutant is named by what a person sees of it: the module, the function, the line as it stands and the line as it
was changed. So the list outlives all changes elsewhere in the module, and no change of the line itself.
"""

from __future__ import annotations

import ast
import json
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

#: Beginnings of a reason.
REASONS = ("equivalent: ", "text: ")


class Mutant(NamedTuple):
    """One change. Lines are without their indent; several are joined by line ends."""

    module: str
    function: str  #: dotted; "" outside of all
    original: str
    mutated: str

    def __str__(self) -> str:
        """As an entry of the table that lacks its reason."""
        lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in self._asdict().items()]
        return "\n".join(["[[survives]]", *lines, 'reason = ""'])


@dataclass(frozen=True)
class Target:
    """A module, the tests that concern it, and the functions that are meant; none named: all."""

    module: str
    tests: tuple[str, ...]
    functions: tuple[str, ...] = ()


class Table(NamedTuple):
    """The whole file."""

    targets: tuple[Target, ...]
    kept: dict[Mutant, str]  #: and the reason


class Malformed(Exception):
    """What is wrong with the file, in one sentence."""


def read_table(path: Path) -> Table:
    """Raises Malformed for a missing or unknown key, an empty reason, or the same mutant twice."""
    parsed = tomllib.loads(path.read_text(encoding="utf-8"))
    targets = tuple(
        Target(one["module"], tuple(one["tests"]), tuple(one.get("functions", ()))) for one in parsed["target"]
    )
    kept: dict[Mutant, str] = {}
    for entry in parsed.get("survives", []):
        mutant = _mutant(entry)
        if mutant.module not in {target.module for target in targets}:
            raise Malformed(f"no target has the module of\n{mutant}")
        if mutant in kept:
            raise Malformed(f"listed twice:\n{mutant}")
        kept[mutant] = entry["reason"]
    return Table(targets, kept)


def _mutant(entry: dict[str, Any]) -> Mutant:
    if sorted(entry) != sorted([*Mutant._fields, "reason"]):
        raise Malformed(f"an entry has {', '.join(Mutant._fields)} and reason, not {', '.join(entry)}")
    mutant = Mutant(*(entry[name] for name in Mutant._fields))
    if not entry["reason"].startswith(REASONS):
        raise Malformed(f"a reason begins with one of {', '.join(map(repr, REASONS))}:\n{mutant}")
    return mutant


class Source:
    """What a module's text says about its lines. ``module`` is its name in a ``Mutant``."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        tree = ast.parse(text)
        self._functions = list(_functions(tree, ""))
        self._annotations = list(_annotations(tree))

    @property
    def functions(self) -> set[str]:
        """Dotted names, those of classes included."""
        return {name for name, _, _ in self._functions}

    def function_at(self, line: int) -> str:
        """The innermost function, or class, around a line (from 1)."""
        around = [name for name, first, last in self._functions if first <= line <= last]
        return around[-1] if around else ""

    def is_annotation(self, position: tuple[int, int]) -> bool:
        """Whether a place (line from 1, column from 0) is inside of a type: nothing runs there."""
        return any(start <= position < end for start, end in self._annotations)

    def holds(self, mutant: Mutant) -> bool:
        """Whether the original line still stands in the function."""
        spans = [(first, last) for name, first, last in self._functions if name == mutant.function]
        spans = spans or ([(1, len(self._lines))] if not mutant.function else [])
        texts = ["\n".join(line.strip() for line in self._lines[first - 1 : last]) for first, last in spans]
        return any(f"\n{mutant.original}\n" in f"\n{text}\n" for text in texts)


def gone_lines(project: Path, kept: Iterable[Mutant]) -> list[Mutant]:
    """Those whose original line does not stand there any more."""
    return [one for one in kept if not Source((project / one.module).read_text(encoding="utf-8")).holds(one)]


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, int, int]]:
    """Dotted name, first and last line; outer ones first."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}{child.name}"
            first = min([child.lineno, *(one.lineno for one in child.decorator_list)])
            yield name, first, child.end_lineno or child.lineno
            yield from _functions(child, f"{name}.")
        else:
            yield from _functions(child, prefix)


def _annotations(tree: ast.AST) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    for node in ast.walk(tree):
        for name in ("annotation", "returns"):
            one = getattr(node, name, None)
            if one is not None:
                yield (one.lineno, one.col_offset), (one.end_lineno, one.end_col_offset)
