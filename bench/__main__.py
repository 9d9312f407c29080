"""Measure and print one table: everything, or only the rows whose numbers are given (docs/performance.rst)."""

from __future__ import annotations

import argparse
import pkgutil
import sys
from importlib import import_module
from pathlib import Path

import bench

from .machine import description
from .run import Run, load
from .table import Row


def modules(wanted: set[int]) -> list[str]:
    """Names of the measuring modules, in order; all of them when nothing in particular is wanted."""
    names = sorted(module.name for module in pkgutil.iter_modules(bench.__path__) if module.name.startswith("row_"))
    return [name for name in names if not wanted or int(name.split("_")[1]) in wanted]


def _measure(wanted: set[int]) -> Run:
    rows: list[Row] = []
    for name in modules(wanted):
        print(f"measuring {name} ...", file=sys.stderr)
        rows += import_module(f"bench.{name}").measure()
    return Run(description(), rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("rows", metavar="ROW", type=int, nargs="*", help="such as 9; without any, all are measured")
    parser.add_argument("--into", metavar="FOLDER", type=Path, help="write the table, its figures and the plots there")
    parser.add_argument("--again", action="store_true", help="draw what is in that folder anew, measure nothing")
    arguments = parser.parse_args()
    if arguments.again and (arguments.into is None or arguments.rows):
        parser.error("--again needs --into FOLDER, and no rows")
    return arguments


def main() -> None:
    """Progress goes to stderr, the table to stdout."""
    arguments = _arguments()
    run = load(arguments.into) if arguments.again else _measure(set(arguments.rows))
    print(run.table(), end="")
    if arguments.into is not None:
        from .plots import draw

        run.save(arguments.into)
        draw(run, arguments.into)


if __name__ == "__main__":
    main()
