"""The tables of an agent's spool: the statements, and the state as it is when the file is opened. Blocking.

Batches are kept under serials; ``numbering`` says what they are called on the wire.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from ..errors import StorageError
from ..links.smok4.upload import KeptBatch
from ..readings import Block, Table
from ..storage import blob
from ..storage.database import Database, check, explained
from .batches import Placed
from .numbering import Numbering

FILE_NAME = "spool.sqlite"
#: Marks the file as an agent's spool: "SMKA".
APPLICATION_ID = 0x534D4B41

SCHEMA = """
CREATE TABLE state (
    boot INTEGER NOT NULL, base INTEGER NOT NULL, acknowledged INTEGER NOT NULL, nonce INTEGER NOT NULL,
    plan INTEGER NOT NULL, servers TEXT NOT NULL, given_kid INTEGER, given_secret BLOB
);
CREATE TABLE plan (number INTEGER PRIMARY KEY, blocks TEXT NOT NULL);
CREATE TABLE secret (slot INTEGER PRIMARY KEY, kid INTEGER NOT NULL, secret BLOB NOT NULL);
CREATE TABLE round (
    serial INTEGER, position INTEGER, plan INTEGER NOT NULL, time_us INTEGER NOT NULL, reports BLOB NOT NULL,
    PRIMARY KEY (serial, position)
) WITHOUT ROWID;
"""

Blocks = tuple[Block, ...]


class Secret(NamedTuple):
    """One slot."""

    slot: int  #: grows: the newest secret has the highest
    kid: int
    secret: bytes


class State(NamedTuple):
    """Everything but the rounds."""

    numbering: Numbering
    newest: int  #: serial of the newest batch
    nonce: int
    plan: int
    plans: dict[int, Blocks]
    servers: tuple[str, ...]
    secrets: tuple[Secret, ...]  #: the newest first


def open_file(folder: Path) -> Database:
    """The database in ``folder``, made if need be. Raises StorageError with one clear line."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the folder {folder}: {error.strerror}") from None
    database = Database(folder / FILE_NAME, [SCHEMA], APPLICATION_ID)
    try:
        with closing(database.connect()) as connection:
            check(database.path, connection)
    except (sqlite3.Error, StorageError) as error:
        database.close()
        raise explained(database.path, error) from error
    return database


def load(connection: sqlite3.Connection, random_below: Callable[[int], int], kid: int, secret: bytes) -> State:
    """The state; a new file gets a boot of its own. ``kid`` and ``secret`` are as the user gives them: when they
    are others than last time, they replace what is stored."""
    connection.execute("BEGIN IMMEDIATE")
    if connection.execute("SELECT count(*) FROM state").fetchone()[0] == 0:
        first = (random_below(1 << 16),)
        connection.execute("INSERT INTO state VALUES (?, 0, 0, 0, 0, '[]', NULL, NULL)", first)
    _give(connection, kid, secret)
    connection.execute("DELETE FROM plan WHERE number NOT IN (SELECT plan FROM state UNION SELECT plan FROM round)")
    connection.execute("COMMIT")
    boot, base, acknowledged, nonce, plan, servers = connection.execute(
        "SELECT boot, base, acknowledged, nonce, plan, servers FROM state"
    ).fetchone()
    oldest, newest = connection.execute("SELECT min(serial), max(serial) FROM round").fetchone()
    gone = acknowledged if oldest is None else oldest - 1
    return State(
        Numbering(boot, base, acknowledged, gone),
        gone if newest is None else newest,
        nonce,
        plan,
        {number: _blocks(text) for number, text in connection.execute("SELECT number, blocks FROM plan")},
        tuple(json.loads(servers)),
        read_secrets(connection),
    )


def _give(connection: sqlite3.Connection, kid: int, secret: bytes) -> None:
    given = connection.execute("SELECT given_kid, given_secret FROM state").fetchone()
    if given != (kid, secret):
        connection.execute("DELETE FROM secret")
        connection.execute("INSERT INTO secret VALUES (1, ?, ?)", (kid, secret))
        connection.execute("UPDATE state SET given_kid = ?, given_secret = ?", (kid, secret))


def read_secrets(connection: sqlite3.Connection) -> tuple[Secret, ...]:
    """All slots, the newest first."""
    rows = connection.execute("SELECT slot, kid, secret FROM secret ORDER BY slot DESC")
    return tuple(Secret(*row) for row in rows)


def read_batches(
    connection: sqlite3.Connection, numbering: Numbering, plans: dict[int, Blocks], first: int, last: int
) -> list[KeptBatch]:
    """The batches from serial ``first`` to ``last``. Raises StorageError for a damaged one."""
    rows = connection.execute(
        "SELECT serial, plan, time_us, reports FROM round WHERE serial BETWEEN ? AND ? ORDER BY serial, position",
        (first, last),
    )
    batches = []
    for (serial, plan), its_rows in groupby(rows, lambda row: (row[0], row[1])):
        rounds = tuple((time_us, blob.decode(octets)) for *_, time_us, octets in its_rows)
        batches.append(KeptBatch(serial, numbering.number_of(serial), plan, plans[plan], rounds))
    return batches


# -- writes, on the cursor of a transaction


def write_rounds(cursor: sqlite3.Cursor, placed: Sequence[Placed], plan: int, time_us: int) -> None:
    """One round, in as many batches as it needed."""
    rows = [(one.serial, one.position, plan, time_us, blob.encode(one.reports)) for one in placed]
    cursor.executemany("INSERT INTO round VALUES (?, ?, ?, ?, ?)", rows)


def write_progress(cursor: sqlite3.Cursor, numbers: tuple[int, int, int], gone: int) -> None:
    """``numbers``: boot, base, acknowledged."""
    cursor.execute("UPDATE state SET boot = ?, base = ?, acknowledged = ?", numbers)
    cursor.execute("DELETE FROM round WHERE serial <= ?", (gone,))


def write_plan(cursor: sqlite3.Cursor, number: int, blocks: Blocks) -> None:
    """The plan that is held from now on."""
    cursor.execute("INSERT OR REPLACE INTO plan VALUES (?, ?)", (number, json.dumps(blocks)))
    cursor.execute("UPDATE state SET plan = ?", (number,))


def write_secret(cursor: sqlite3.Cursor, secret: Secret, slot_in_use: int) -> None:
    """Into the spare slot: the one in use stays."""
    cursor.execute("DELETE FROM secret WHERE slot != ?", (slot_in_use,))
    cursor.execute("INSERT INTO secret VALUES (?, ?, ?)", secret)


def write_nonce(cursor: sqlite3.Cursor, nonce: int) -> None:
    """The nonce that is used next."""
    cursor.execute("UPDATE state SET nonce = ?", (nonce,))


def write_servers(cursor: sqlite3.Cursor, servers: Sequence[str]) -> None:
    """The addresses that the server has told."""
    cursor.execute("UPDATE state SET servers = ?", (json.dumps(servers),))


def _blocks(text: str) -> Blocks:
    return tuple(Block(unit, Table(table), *rest) for unit, table, *rest in json.loads(text))
