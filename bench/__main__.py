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


def modules() -> dict[int, str]:
    """Names of the measuring modules by their rows, in order."""
    names = sorted(module.name for module in pkgutil.iter_modules(bench.__path__) if module.name.startswith("row_"))
    return {int(name.split("_")[1]): name for name in names}


def _measure(wanted: set[int]) -> Run:
    rows: list[Row] = []
    for number, name in modules().items():
        if wanted and number not in wanted:
            continue
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
    known = modules()
    if unknown := sorted(set(arguments.rows) - known.keys()):
        parser.exit(2, f"there is no row {unknown[0]}, the rows are {min(known)} to {max(known)}\n")
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
