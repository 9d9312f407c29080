"""The settings of a cluster that is there already, and those that are wanted now."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from smok_twisted.errors import UserError

from .checks import free_base
from .configuration import AUTO, Options
from .processes import write_whole

#: What the data on disk depend on.
IN_THE_DATA = ("nodes", "base")


def load_options(file: Path) -> Options | None:
    """None when there is no such file yet."""
    try:
        return Options(**json.loads(file.read_text("utf-8")))
    except FileNotFoundError:
        return None


def save_options(file: Path, options: Options) -> None:
    """For ``load_options``."""
    write_whole(file, json.dumps(options.as_json()))


def settle(file: Path, wanted: Options | None, runs: bool) -> Options:
    """The settings from now on. UserError when they cannot change now, or not with the data beside ``file``."""
    kept = load_options(file)
    settled = wanted or kept or Options()
    if settled.base == AUTO:
        settled = replace(settled, base=kept.base if kept else free_base(settled))
    if kept and kept != settled:
        _refuse_change(file.parent, kept, settled, runs)
    return settled


def _refuse_change(folder: Path, kept: Options, settled: Options, runs: bool) -> None:
    before, after = kept.as_json(), settled.as_json()
    names = [name for name in after if before[name] != after[name]]
    told = " and ".join(f"{name} = {before[name]}, not {after[name]}" for name in names)
    if runs:
        raise UserError(f"the cluster in {folder} runs with {told}: take it down first")
    if any(name in IN_THE_DATA for name in names):
        raise UserError(f"the data in {folder} are of a cluster with {told}: `wipe` removes them")
