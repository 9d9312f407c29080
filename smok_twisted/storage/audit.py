"""The audit trail: who did what, each entry chained to the one before by its hash.

An entry that is changed, taken out or put in breaks the chain; only cutting off its newest end does not,
so write down the newest hash elsewhere if that matters.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import StorageError

#: What the first entry is chained to.
GENESIS = bytes(32)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One entry. ``detail`` is JSON: raw PDU, before, after, read-back, result, whatever the action has."""

    seq: int  #: 1, 2, 3 ... without gaps
    time_us: int
    who: str
    source: str  #: from where: an address, "console", "agent" ...
    device_id: int | None
    action: str
    detail: Mapping[str, Any]
    previous_hash: bytes
    hash: bytes


def to_json(value: Mapping[str, Any]) -> str:
    """``value`` as JSON text, the same text for the same value. Raises StorageError when it is not JSON."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise StorageError(f"not storable as JSON: {error}") from None


def chained(
    newest: AuditEntry | None,
    time_us: int,
    who: str,
    source: str,
    device_id: int | None,
    action: str,
    detail: Mapping[str, Any],
) -> AuditEntry:
    """The entry that follows ``newest`` (None: the first one)."""
    seq, previous = (newest.seq + 1, newest.hash) if newest else (1, GENESIS)
    plain = json.loads(to_json(detail))
    draft = AuditEntry(seq, time_us, who, source, device_id, action, plain, previous, b"")
    return AuditEntry(seq, time_us, who, source, device_id, action, plain, previous, _hash(draft))


def _hash(entry: AuditEntry) -> bytes:
    """SHA-256 over the previous hash and all fields as JSON."""
    fields = {name: getattr(entry, name) for name in AuditEntry.__slots__ if "hash" not in name}
    return hashlib.sha256(entry.previous_hash + to_json(fields).encode()).digest()


def verify(entries: Iterable[AuditEntry]) -> None:
    """Check a gapless run of entries, oldest first. Raises StorageError naming the first that does not fit.

    A long trail is checked page by page, with one entry of overlap.
    """
    previous: AuditEntry | None = None
    for entry in entries:
        if not _follows(entry, previous) or entry.hash != _hash(entry):
            raise StorageError(f"the audit trail is broken at entry {entry.seq}: it was changed or one is missing")
        previous = entry


def _follows(entry: AuditEntry, previous: AuditEntry | None) -> bool:
    if previous is not None:
        return entry.previous_hash == previous.hash
    return entry.seq > 1 or entry.previous_hash == GENESIS
