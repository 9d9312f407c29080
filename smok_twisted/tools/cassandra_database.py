"""``smok db`` for ``kind = "cassandra"``: keyspace and tables, which the daemon never makes (design note cassandra)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import StorageAway
from .problems import Unreachable

if TYPE_CHECKING:
    from ..settings import Cassandra
    from ..storage.cassandra.options import Options
    from .tool import Tool


def init(tool: Tool, settings: Cassandra) -> None:
    """Make keyspace and tables."""
    from ..storage.cassandra import schema

    keyspace = settings.keyspace
    with _reached(settings) as options:
        if not schema.make(options, keyspace, settings.replication):
            return tool.output.line(f"keyspace {keyspace} is there already: nothing to do")
    tool.output.line(f"made the tables in keyspace {keyspace}, schema {len(schema.scripts())}")


def upgrade(tool: Tool, settings: Cassandra) -> None:
    """Bring the tables to this version's schema."""
    from ..storage.cassandra import schema

    with _reached(settings) as options:
        before, after = schema.bring_up_to_date(options, settings.keyspace)
    if before == after:
        return tool.output.line(f"keyspace {settings.keyspace} has schema {after}, the newest: nothing to do")
    tool.output.line(f"brought keyspace {settings.keyspace} from schema {before} to {after}")


def check(tool: Tool, settings: Cassandra) -> None:
    """What is there, and which nodes are."""
    from ..storage.cassandra import schema

    with _reached(settings) as options:
        found = schema.look(options, settings.keyspace)
    down = sorted(node.address for node in found.nodes if not node.is_up)
    up = len(found.nodes) - len(down)
    tool.output.line(
        f"keyspace {settings.keyspace} is good: schema {found.version}, {found.devices} devices, "
        f"{found.models} models, copies: {found.replication}; {up} of {len(found.nodes)} nodes up and of one mind"
        + (f", down: {', '.join(down)}" if down else "")
    )


@contextmanager
def _reached(settings: Cassandra) -> Iterator[Options]:
    """Raises UserError, StorageError, or Unreachable."""
    from ..storage.cassandra.options import options_of

    try:
        yield replace(options_of(settings), keyspace=None)
    except StorageAway as error:
        raise Unreachable(str(error)) from None
