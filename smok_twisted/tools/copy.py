"""``smok db copy``: all of one store into another, compared at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import StorageAway, StorageError, UserError
from .copy_ends import KEY, End, find_end
from .problems import Unreachable
from .progress import progress
from .reacting import in_reactor

if TYPE_CHECKING:
    from .tool import Tool


def copy(tool: Tool) -> int | None:
    """The command."""
    source, target = (find_end(text) for text in (tool.args.source, tool.args.target))
    source.expect_there()
    if source.is_same_as(target):
        raise UserError(f"{source.name} is both source and target: name another target")
    target.expect_place()
    try:
        found = in_reactor(lambda reactor: _copied(source, target, reactor))
    except StorageAway as error:
        raise Unreachable(str(error)) from None
    for kind, (ours, theirs) in found.items():
        tool.output.line(f"{kind:<12} {ours}{'' if ours == theirs else f', but {theirs} in the target'}")
    if any(ours != theirs for ours, theirs in found.values()):
        raise StorageError(f"{target.name} is not the same as {source.name}: run it again, or take a new target")
    tool.output.line(f"{target.name} holds all that {source.name} holds")
    if not target.has_key_of(source):
        tool.output.line(f"{target.folder / KEY} is not that of {source.folder}: copy it, or no device can log in")
    return None


async def _copied(source_end: End, target_end: End, reactor: Any) -> dict[str, tuple[str, str]]:
    from ..storage.copying import Copy, digest, rested

    source, target = source_end.store(reactor), target_end.store(reactor)
    with progress("copy", "row") as step:
        done = [0]

        def tell(what: str, count: int) -> None:
            done[0] += count
            step(done[0], 0)

        try:
            snapshot = await rested(source, await source.open())
            there = await rested(target, await target.open())
            await Copy(source, snapshot, target, there, tell, target_end.keep_seconds).run()
            await target.rest()
            ours = await digest(source, snapshot, tell)
            await target.close()
            target = target_end.store(reactor)  # as it is on disk
            theirs = await digest(target, await rested(target, await target.open()), tell)
        finally:
            await target.close()
            await source.close()
    return {kind: (ours.get(kind, "0"), theirs.get(kind, "0")) for kind in sorted(ours.keys() | theirs.keys())}
