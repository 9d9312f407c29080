"""Draw the machines of the login from their code: as a table (reStructuredText) or as a graph (DOT).

The same code always gives the same text. ``SERVER`` and ``DEVICE`` are what to draw.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from automat import TypeMachine

from . import machine


class Drawn(NamedTuple):
    """A machine, and the order in which its states and inputs are shown."""

    name: str
    machine: TypeMachine[Any, Any]
    states: tuple[str, ...]
    inputs: tuple[str, ...]


SERVER = Drawn("server", machine.SERVER, machine.SERVER_STATES, ("hello", "login", "welcome", "closed"))
DEVICE = Drawn("device", machine.DEVICE, machine.DEVICE_STATES, ("start", "choice", "welcome", "closed"))


class Step(NamedTuple):
    """One transition."""

    state: str
    input: str
    does: str
    next: str


def steps(drawn: Drawn) -> list[Step]:
    """Every transition, by state, then by input."""
    found = [
        Step(old.name, happens, outputs[-1].name, new.name)
        for old, happens, new, outputs in drawn.machine.__automat_automaton__.allTransitions()
    ]
    return sorted(found, key=lambda step: (drawn.states.index(step.state), drawn.inputs.index(step.input)))


def as_table(drawn: Drawn) -> str:
    """A simple table: a row for each state, a column for each input, "what is done -> next state" in the cells."""
    cells = {(step.state, step.input): f"{step.does} -> {step.next}" for step in steps(drawn)}
    rows = [(drawn.name, *drawn.inputs)]
    rows += [(state, *(cells[state, happens] for happens in drawn.inputs)) for state in drawn.states]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = "  ".join("=" * width for width in widths)
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule, ""])


def as_dot(drawn: Drawn) -> str:
    """A directed graph; all that leads from one state to another is one arrow."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for step in steps(drawn):
        arrows.setdefault((step.state, step.next), []).append(f"{step.input} / {step.does}")
    lines = [_arrow(old, new, "\\n".join(labels)) for (old, new), labels in arrows.items()]
    return "\n".join([f"digraph {drawn.name} {{", *lines, "}", ""])


def _arrow(old: str, new: str, label: str) -> str:
    return f'    "{old}" -> "{new}" [label="{label}"];'
