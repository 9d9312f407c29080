"""Devices and what belongs to them, register maps and settings in SQLite. Each function works on a given cursor."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, fields

from ..errors import StorageError
from ..readings import Block, Plan, Table
from .records import CREDENTIAL_SLOTS, CredentialRecord, DeviceRecord, ModelRecord, unknown_device

_DEVICE_COLUMNS = [field.name for field in fields(DeviceRecord)]
_DEVICE_FLAGS = ("may_write", "replay_weak", "read_only")

_SAVE_DEVICE = f"""
INSERT INTO device ({", ".join(_DEVICE_COLUMNS)}) VALUES ({", ".join(f":{name}" for name in _DEVICE_COLUMNS)})
ON CONFLICT (device_id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _DEVICE_COLUMNS)}"""


def signed(device_id: int) -> int:
    """A u64 as the signed integer of the same bits, which is what SQLite can hold."""
    return device_id - (1 << 64) if device_id >> 63 else device_id


def unsigned(column: int) -> int:
    """The inverse of ``signed``."""
    return column % (1 << 64)


def number_of(cursor: sqlite3.Cursor, device_id: int) -> int:
    """The row number of a device. Raises StorageError for an unknown one."""
    row = cursor.execute("SELECT number FROM device WHERE device_id = ?", (signed(device_id),)).fetchone()
    if row is None:
        raise unknown_device(device_id)
    number: int = row[0]
    return number


def save_device(cursor: sqlite3.Cursor, record: DeviceRecord) -> None:
    """Insert or update; the row keeps its number, and with it everything that refers to it."""
    row = asdict(record) | {"device_id": signed(record.device_id), "allow_from": json.dumps(record.allow_from)}
    cursor.execute(_SAVE_DEVICE, row)


def remove_device(cursor: sqlite3.Cursor, device_id: int) -> None:
    """Delete the row, which takes all that refers to it along; history stays a while (``left_behind``)."""
    cursor.execute("DELETE FROM device WHERE device_id = ?", (signed(device_id),))


def load_devices(cursor: sqlite3.Cursor) -> dict[int, DeviceRecord]:
    """All devices, in the order in which they were added."""
    rows = cursor.execute(f"SELECT {', '.join(_DEVICE_COLUMNS)} FROM device ORDER BY number")
    records = [_device(dict(zip(_DEVICE_COLUMNS, row, strict=True))) for row in rows]
    return {record.device_id: record for record in records}


def _device(row: dict[str, object]) -> DeviceRecord:
    row["device_id"] = unsigned(int(str(row["device_id"])))
    row["allow_from"] = tuple(json.loads(str(row["allow_from"])))
    row.update({name: bool(row[name]) for name in _DEVICE_FLAGS})
    return DeviceRecord(**row)  # type: ignore[arg-type]


def save_plan(cursor: sqlite3.Cursor, device_id: int, plan: Plan) -> None:
    """Insert, unless the same plan is there."""
    number = number_of(cursor, device_id)
    row = (plan.model, plan.version, json.dumps(plan.blocks))
    found = cursor.execute(
        "SELECT model, version, blocks FROM plan WHERE device = ? AND number = ?", (number, plan.number)
    ).fetchone()
    if found is None:
        cursor.execute(
            "INSERT INTO plan (device, number, model, version, blocks) VALUES (?, ?, ?, ?, ?)",
            (number, plan.number, *row),
        )
    elif found != row:
        raise StorageError(f"plan {plan.number} of device 0x{device_id:016x} is another one: take a new number")


def load_plans(cursor: sqlite3.Cursor) -> dict[int, dict[int, Plan]]:
    """All plans of all devices."""
    found: dict[int, dict[int, Plan]] = {}
    rows = cursor.execute(
        "SELECT device_id, plan.number, plan.model, version, blocks FROM plan JOIN device ON device = device.number"
    )
    for device_id, number, model, version, blocks in rows:
        plan = Plan(number, tuple(_block(*numbers) for numbers in json.loads(blocks)), model, version)
        found.setdefault(unsigned(device_id), {})[number] = plan
    return found


def _block(unit: int, table: int, *rest: int) -> Block:
    return Block(unit, Table(table), *rest)


def save_credential(cursor: sqlite3.Cursor, record: CredentialRecord) -> None:
    """Fill the slot, at most two of a device."""
    number = number_of(cursor, record.device_id)
    others = cursor.execute(
        "SELECT count(*) FROM credential WHERE device = ? AND kid <> ?", (number, record.kid)
    ).fetchone()[0]
    if others >= CREDENTIAL_SLOTS:
        raise StorageError(f"device 0x{record.device_id:016x} has {others} secrets already: remove one first")
    cursor.execute(
        "INSERT OR REPLACE INTO credential (device, kid, suite, wrapped, created_us, logins, state)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (number, record.kid, record.suite, record.wrapped, record.created_us, record.logins, record.state),
    )


def remove_credential(cursor: sqlite3.Cursor, device_id: int, kid: int) -> None:
    """Empty the slot."""
    cursor.execute(
        "DELETE FROM credential WHERE device = (SELECT number FROM device WHERE device_id = ?) AND kid = ?",
        (signed(device_id), kid),
    )


def load_credentials(cursor: sqlite3.Cursor) -> dict[int, dict[int, CredentialRecord]]:
    """All slots of all devices."""
    found: dict[int, dict[int, CredentialRecord]] = {}
    rows = cursor.execute(
        "SELECT device_id, kid, credential.suite, wrapped, credential.created_us, logins, state"
        " FROM credential JOIN device ON device = number"
    )
    for device_id, kid, *rest in rows:
        found.setdefault(unsigned(device_id), {})[kid] = CredentialRecord(unsigned(device_id), kid, *rest)
    return found


def save_nonces(cursor: sqlite3.Cursor, device_id: int, memory: bytes) -> None:
    """Replace the nonce memory."""
    number = number_of(cursor, device_id)
    cursor.execute("INSERT OR REPLACE INTO nonces (device, memory) VALUES (?, ?)", (number, memory))


def load_nonces(cursor: sqlite3.Cursor) -> dict[int, bytes]:
    """The nonce memories of all devices."""
    rows = cursor.execute("SELECT device_id, memory FROM nonces JOIN device ON device = number")
    return {unsigned(device_id): memory for device_id, memory in rows}


def save_model(cursor: sqlite3.Cursor, record: ModelRecord) -> None:
    """Insert or replace; the row saved last has the highest number."""
    cursor.execute(
        "INSERT OR REPLACE INTO model (saved, name, version, text, created_us)"
        " VALUES ((SELECT coalesce(max(saved), 0) + 1 FROM model), ?, ?, ?, ?)",
        (record.name, record.version, record.text, record.created_us),
    )


def models(cursor: sqlite3.Cursor) -> list[ModelRecord]:
    """All versions in the order of saving."""
    rows = cursor.execute("SELECT name, version, text, created_us FROM model ORDER BY saved")
    return [ModelRecord(*row) for row in rows]


def put_setting(cursor: sqlite3.Cursor, name: str, text: str) -> None:
    """Insert or replace."""
    cursor.execute("INSERT OR REPLACE INTO setting (name, text) VALUES (?, ?)", (name, text))


def settings(cursor: sqlite3.Cursor) -> dict[str, str]:
    """All of them."""
    return dict(cursor.execute("SELECT name, text FROM setting"))


def setting(cursor: sqlite3.Cursor, name: str) -> str | None:
    """The text, or None."""
    row = cursor.execute("SELECT text FROM setting WHERE name = ?", (name,)).fetchone()
    return row[0] if row else None
