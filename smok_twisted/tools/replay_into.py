"""``smok replay FILE --into PLACE``: the readings of a capture into a store that no daemon has open."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..clock import rfc3339, wall_clock_us
from ..errors import StorageError, UserError
from ..settings import DATABASE_FILE, Settings, load
from .problems import Refused
from .reacting import in_reactor

if TYPE_CHECKING:
    from ..replay.findings import Findings
    from ..replay.owners import Wish
    from ..replay.smok4_messages import Known
    from ..replay.store import Filler, Kept, Outcome
    from ..storage.interface import Store
    from ..storage.records import Snapshot
    from .replay_notes import Notes
    from .tool import Tool

    Read = Callable[[Known], tuple[list[Findings], Notes]]


def keep(tool: Tool, wish: Wish, known: Known, read: Read) -> None:
    """Store what is missing, and print what became of it. ``read`` gives what was captured."""
    wish.check()
    settings = settings_of(Path(tool.args.into))
    where = _where(settings, wish.may_add)
    outcome, notes = in_reactor(lambda reactor: _keep(settings, reactor, wish, known, read, tool.args.file))
    if tool.output.form == "json":
        tool.output.json({"store": where, **_shape(outcome), **notes.shape})
    else:
        _print(tool, where, outcome, notes)
    if not any(kept.filled.new or kept.filled.there for kept in outcome.kept):
        raise Refused(f"{tool.args.file}: there is nothing in it that the store can keep")


def settings_of(place: Path) -> Settings:
    """Of the store at ``place``: a data folder, its smok.db, or the smok.toml of a daemon. Raises UserError."""
    if place.suffix == ".toml":
        return load(place)
    folder = place.parent if place.name == DATABASE_FILE else place
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--into {place} is no folder; accepted are a data folder, its {DATABASE_FILE} or a smok.toml")
    settings = Settings()
    return replace(settings, daemon=replace(settings.daemon, data_dir=folder))


def _where(settings: Settings, may_make: bool) -> str:
    """What users call the store; it may be missing only where a device is added."""
    kind, file = settings.storage.kind, settings.daemon.database
    if kind == "memory":
        raise UserError('[storage] kind = "memory" keeps nothing; accepted is a store that outlives the daemon')
    if kind != "sqlite":
        return kind
    if not file.exists() and not may_make:
        raise UserError(f"{file} does not exist; --into names the data folder of a daemon, --add begins a new one")
    return str(file)


async def _keep(
    settings: Settings, reactor: Any, wish: Wish, known: Known, read: Read, file: str
) -> tuple[Outcome, Notes]:
    """A new store is made only for something that it will keep: that is found out with an empty one in memory."""
    from ..storage.choice import store_of
    from ..storage.memory import MemoryStore

    name, read_once = Path(file).name, cache(lambda: read(known))
    store = store_of(settings, reactor)
    if settings.storage.kind == "sqlite" and not settings.daemon.database.exists():
        trial = MemoryStore()
        filler = _filler(trial, await trial.open(), reactor, wish)
        found, notes = read_once()
        if not filler.brings(found):
            return await filler.keep(found, getpass.getuser(), name), notes
        _make_folder(settings.daemon.database.parent)
    snapshot = await store.open()
    try:
        filler = _filler(store, snapshot, reactor, wish)
        filler.known(known)
        found, notes = read_once()
        return await filler.keep(found, getpass.getuser(), name), notes
    finally:
        await store.close()


def _filler(store: Store, snapshot: Snapshot, reactor: Any, wish: Wish) -> Filler:
    from ..replay.store import Filler

    return Filler(store, snapshot, wish, reactor, wall_clock_us, os.urandom)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{folder} cannot be made: {error.strerror}") from None


# -- what is printed


def _shape(outcome: Outcome) -> dict[str, Any]:
    return {
        "devices": [_device_shape(kept) for kept in outcome.kept],
        "left_out": [{"conversation": number, "why": why} for number, why in outcome.left_out.items()],
    }


def _device_shape(kept: Kept) -> dict[str, Any]:
    times = sorted(report.time_us for report in kept.filled.new)
    return {
        "device": kept.name,
        "id": f"{kept.device_id:#018x}",
        "added": kept.is_added,
        "stored": len(times),
        "from": rfc3339(times[0]) if times else None,
        "to": rfc3339(times[-1]) if times else None,
        "there": kept.filled.there,
        "left_out": [{"count": count, "why": why} for why, count in kept.filled.left_out.items()],
    }


def _print(tool: Tool, where: str, outcome: Outcome, notes: Notes) -> None:
    say = tool.output.line
    for shape in _shape(outcome)["devices"]:
        if shape["added"]:
            say(f"{shape['device']}: added as {shape['id']}; it has no secret, so nobody can log in as it")
        span = f", of {shape['from']} to {shape['to']}" if shape["stored"] else ""
        say(f"{shape['device']}: stored in {where}: {shape['stored']} reports{span}; there already: {shape['there']}")
        for one in shape["left_out"]:
            say(f"{shape['device']}: {one['count']} left out: {one['why']}")
    for number, why in outcome.left_out.items():
        say(f"conversation {number} left out: {why}")
    for line in notes.lines:
        say(f"({line})")
