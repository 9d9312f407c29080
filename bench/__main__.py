"""``python -m bench`` measures everything and prints one table; ``python -m bench 9 6`` only these rows."""

from __future__ import annotations

import pkgutil
import sys
from importlib import import_module

import bench

from .machine import description
from .table import Row, render


def modules(wanted: set[int]) -> list[str]:
    """Names of the measuring modules, in order; all of them when nothing in particular is wanted."""
    names = sorted(module.name for module in pkgutil.iter_modules(bench.__path__) if module.name.startswith("row_"))
    return [name for name in names if not wanted or int(name.split("_")[1]) in wanted]


def main() -> None:
    """Progress goes to stderr, the table to stdout."""
    rows: list[Row] = []
    for name in modules({int(argument) for argument in sys.argv[1:]}):
        print(f"measuring {name} ...", file=sys.stderr)
        rows += import_module(f"bench.{name}").measure()
    print(description(), render(rows), sep="\n\n")


if __name__ == "__main__":
    main()
