"""A cluster's data in a folder, and back into an empty cluster of the same tokens: by snapshots, node by node.

The folder: ``backup.json`` (tokens of each node), ``schema.cql``, and ``nodeN/TABLE`` with the files of each table. It
gets its name when it is whole.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from smok_twisted.errors import LocalError, UserError

from .cluster import Cluster, Say, silence
from .node import Node

KEYSPACE = "smok"
_TAG = "smok-backup"
#: Beside the data in a snapshot; ``schema.cql`` of ours says the same of all tables.
_NOT_DATA = shutil.ignore_patterns("manifest.json", "schema.cql")


def back_up(cluster: Cluster, folder: Path, keyspace: str = KEYSPACE, say: Say = silence) -> None:
    """All of ``keyspace`` as it is now, as far as each node has it; the cluster goes on.

    Raises UserError for a folder that is there, or without the keyspace; LocalError when a node cannot do it.
    """
    if folder.exists():
        raise UserError(f"{folder} is there already: name another folder")
    with _whole(folder) as made:
        (made / "schema.cql").write_text(_schema(cluster, keyspace), "utf-8")
        for node in cluster.nodes:
            say(f"node {node.number}: snapshot")
            _nodetool(cluster, node, "snapshot", "-t", _TAG, keyspace)
            try:
                for table, snapshot in _snapshots(node, keyspace):
                    shutil.copytree(snapshot, made / node.folder.name / table, ignore=_NOT_DATA)
            finally:
                _nodetool(cluster, node, "clearsnapshot", "-t", _TAG, keyspace)
        about = {"keyspace": keyspace, "tokens": _tokens(cluster)}
        (made / "backup.json").write_text(json.dumps(about, indent=1), "utf-8")


def restore(cluster: Cluster, folder: Path, say: Say = silence) -> str:
    """Into a cluster that runs, has the same tokens and not the keyspace; the name of that.

    Raises UserError for another folder or cluster, the cluster unchanged; LocalError when a node cannot do it.
    """
    about = _about(folder)
    keyspace = about["keyspace"]
    if _tokens(cluster) != about["tokens"]:
        raise UserError(f"the nodes of {folder} had other tokens: restore it into a cluster of {len(about['tokens'])}")
    if _exists(cluster, keyspace):
        raise UserError(f"keyspace {keyspace} is there already: restore into an empty cluster")
    for statement in (folder / "schema.cql").read_text("utf-8").split(";\n"):
        if statement.strip():
            cluster.cql(statement)
    say("the schema is there; the nodes are stopped, given their files, and started ...")
    cluster.down()
    for node in cluster.nodes:
        for table in sorted((folder / node.folder.name).iterdir()):
            _bring(node, keyspace, table)
    cluster.up()
    return str(keyspace)


def _bring(node: Node, keyspace: str, table: Path) -> None:
    """The files of a table go where the node looks for them when it starts."""
    places = list((node.folder / "data" / keyspace).glob(f"{table.name}-*"))
    if len(places) != 1:
        raise LocalError(f"node {node.number} has {len(places)} folders for table {table.name}, one is expected")
    shutil.copytree(table, places[0], dirs_exist_ok=True)


def _snapshots(node: Node, keyspace: str) -> Iterator[tuple[str, Path]]:
    """The name of each table and its snapshot."""
    for snapshot in sorted((node.folder / "data" / keyspace).glob(f"*/snapshots/{_TAG}")):
        yield snapshot.parents[1].name.rpartition("-")[0], snapshot


def _schema(cluster: Cluster, keyspace: str) -> str:
    if not _exists(cluster, keyspace):
        raise UserError(f"there is no keyspace {keyspace} in {cluster.folder}: name another by --keyspace")
    rows = cluster.cql(f"DESCRIBE KEYSPACE {keyspace}")
    return "".join(f"{row['create_statement'].rstrip().rstrip(';')};\n" for row in rows)


def _exists(cluster: Cluster, keyspace: str) -> bool:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,47}", keyspace):
        raise UserError(f"keyspace {keyspace!r} is not accepted: up to 48 of a-z, 0-9 and _")
    return bool(cluster.cql(f"SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = '{keyspace}'"))


def _tokens(cluster: Cluster) -> list[list[str]]:
    """Of each node, in their order."""
    rows = [cluster.cql("SELECT tokens FROM system.local", number, "ONE") for number in cluster.options.numbers]
    return [re.findall(r"-?\d+", str(row[0]["tokens"])) for row in rows]


def _about(folder: Path) -> Any:
    try:
        return json.loads((folder / "backup.json").read_text("utf-8"))
    except (OSError, ValueError):
        raise UserError(f"{folder} is no backup of a cluster: `python -m tools.cassandra backup` makes one") from None


def _nodetool(cluster: Cluster, node: Node, *words: str) -> None:
    done = cluster.nodetool(*words, node=node.number)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["it gave no reason"]
        raise LocalError(f"node {node.number}: nodetool {words[0]}: {lines[0]}")


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """A new folder that is ``folder`` at the end, or gone."""
    try:
        made = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=".part", dir=folder.parent))
    except FileNotFoundError:
        raise UserError(f"{folder.parent} does not exist: make it first") from None
    try:
        yield made
        os.replace(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
