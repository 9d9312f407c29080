"""What ``mutants.py`` changes in a module: a choice of Cosmic Ray's operators, and two of our own.

Of all that may stand in the place of an operator one or a few tell as much as eleven do, and take a tenth of the
time. Cosmic Ray leaves statements and texts alone; most of a state machine is nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import cosmic_ray.plugins
from cosmic_ray.operators.operator import Example, Operator
from parso.python.tree import Keyword, Name, String

_OTHER_BINARY = ("Add_Sub", "Sub_Add", "Mul_FloorDiv", "Div_Mul", "FloorDiv_Mul", "Mod_FloorDiv", "Pow_Mul",
                 "RShift_LShift", "LShift_RShift", "BitOr_BitAnd", "BitAnd_BitOr", "BitXor_BitOr")  # fmt: skip
_COMPARISON = r"ReplaceComparisonOperator_(?:Is_IsNot|IsNot_Is|(?!Is)[A-Za-z]+_(?!Is)[A-Za-z]+)"
_WANTED = re.compile(
    rf"ReplaceBinaryOperator_(?:{'|'.join(_OTHER_BINARY)})|{_COMPARISON}|ReplaceUnaryOperator_.*"
    "|AddNot|ReplaceTrueWithFalse|ReplaceFalseWithTrue|ReplaceAndWithOr|ReplaceOrWithAnd|ReplaceBreakWithContinue"
    "|ReplaceContinueWithBreak|ExceptionReplacer|NumberReplacer|RemoveDecorator|ZeroIterationForLoop"
)

Position = tuple[tuple[int, int], tuple[int, int]]


class RemoveStatement(Operator):
    """``pass`` in place of an assignment, a call, a ``return``, a ``raise`` ..."""

    _KINDS = ("expr_stmt", "atom_expr", "return_stmt", "raise_stmt", "del_stmt", "assert_stmt")

    def mutation_positions(self, node: Any) -> Iterable[Position]:
        """One for each statement that does something."""
        if node.type == "simple_stmt" and self._does_something(node.children[0]):
            yield node.children[0].start_pos, node.children[0].end_pos

    def _does_something(self, statement: Any) -> bool:
        if isinstance(statement, Keyword):
            return statement.value in ("return", "raise")
        is_bare_annotation = statement.type == "expr_stmt" and len(getattr(statement.children[1], "children", ())) == 2
        return statement.type in self._KINDS and not is_bare_annotation

    def mutate(self, node: Any, index: int) -> Any:
        """The same line with ``pass``."""
        first = node.children[0].get_first_leaf()
        node.children[0] = Name("pass", first.start_pos, first.prefix)
        return node

    @classmethod
    def examples(cls) -> Iterable[Example]:
        """See ``Operator``."""
        return (Example("x = 1\n", "pass\n"), Example("def f():\n    return 1\n", "def f():\n    pass\n"))


class ReplaceText(Operator):
    """A text with marks around it. Texts with values in them are messages to people, and left alone."""

    _PARTS = re.compile(r"""(?s)(\w*(?:'''|\"\"\"|'|"))(.*)('''|\"\"\"|'|")""")

    def mutation_positions(self, node: Any) -> Iterable[Position]:
        """One for each text that is no docstring."""
        if isinstance(node, String) and node.parent.type != "simple_stmt":
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """The text, longer."""
        node.value = self._PARTS.sub(r"\1XX\2XX\3", node.value)
        return node

    @classmethod
    def examples(cls) -> Iterable[Example]:
        """See ``Operator``."""
        return (Example("x = b'y'", "x = b'XXyXX'"),)


class _Chosen:
    """The operators that a session uses, as Cosmic Ray asks for them."""

    _ours = {"RemoveStatement": RemoveStatement, "ReplaceText": ReplaceText}

    def __init__(self, core: Any) -> None:
        self._core = core

    def __iter__(self) -> Iterator[str]:
        yield from (name for name in self._core if _WANTED.fullmatch(name))
        yield from self._ours

    def __getitem__(self, name: str) -> Any:
        return self._ours.get(name) or self._core[name]


def choose() -> None:
    """Let every session of this process use these operators and no others."""
    chosen = _Chosen(cosmic_ray.plugins.OPERATOR_PROVIDERS["core"])
    cosmic_ray.plugins.OPERATOR_PROVIDERS.clear()
    cosmic_ray.plugins.OPERATOR_PROVIDERS["core"] = chosen
