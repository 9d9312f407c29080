"""The nouns of a store, as plain values (design note storage, "Data").

Times are wall-clock microseconds since 1970 UTC. Octets called *opaque* belong to somebody else; the store
never looks into them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import StorageError
from ..readings import BlockReport, Plan, Report

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

#: Key slots of a device that may be in use (design note smok4, "Key rotation").
CREDENTIAL_SLOTS = 2

#: History is packed by hours and summed up by days, both counted since 1970 UTC.
HOUR_US = 3600 * 1_000_000
HOURS_A_DAY = 24

#: Links that prove nothing: an allow entry stands in for a secret, and what is read is marked.
LINKS_WITHOUT_PROOF = ("p24",)

#: States of a command that is not settled yet.
PENDING_STATES = ("queued", "sent")


def unknown_device(device_id: int) -> StorageError:
    """What every write answers that needs a device which is not there."""
    return StorageError(f"device 0x{device_id:016x} is not known to the store")


class Batch(NamedTuple):
    """What a device wants acknowledged in one go. ``reports`` are all its rounds, possibly none."""

    device_id: int
    boot: int  #: u16, the epoch of the device's batch numbers
    batch: int  #: u16
    reports: tuple[Report, ...] = ()


class Cursor(NamedTuple):
    """The newest batch of a device that is durable."""

    boot: int
    batch: int

    def covers(self, boot: int, batch: int) -> bool:
        """True when that batch is at or below this one: it is stored already (RFC 1982, 16 bits)."""
        return boot == self.boot and (self.batch - batch) % 0x10000 < 0x8000


class Place(NamedTuple):
    """Where a report stands in the history of its device; no two have the same place."""

    time_us: int
    boot: int
    batch: int
    round: int


def place_of(report: Report) -> Place:
    """The place of ``report``; the one of a page's last report is what asks for the next page."""
    return Place(report.time_us, report.boot, report.batch, report.round)


class Unpacked(NamedTuple):
    """An hour of a device with reports that are in no chunk yet."""

    device_id: int
    hour: int  #: since 1970 UTC
    #: Another one as soon as further reports have come for the hour; None: some are on their way, it is packed later.
    mark: int | None


class PackedHour(NamedTuple):
    """An hour made small. The octets are opaque: ``history.chunk`` and ``history.summary`` know them."""

    device_id: int
    hour: int  #: since 1970 UTC
    chunk: bytes  #: all reports of the hour
    summary: bytes  #: of its whole day, ``hour // 24``


#: (hour, chunk) or (day, summary), as a store answers them.
Packed = list[tuple[int, bytes]]


class Latest(NamedTuple):
    """The newest thing known of one block."""

    time_us: int
    report: BlockReport
    flags: int


#: The latest of a device by (plan number, block number).
LatestByBlock = dict[tuple[int, int], Latest]


def latest_of(reports: Iterable[Report]) -> LatestByBlock:
    """The newest of each block in ``reports``."""
    return {
        (report.plan, block.block): Latest(report.time_us, block, report.flags)
        for report in sorted(reports, key=place_of)
        for block in report.blocks
    }


@dataclass(frozen=True)
class Adopted:
    """Some of what another store has of a device, to be taken over as it is."""

    reports: tuple[Report, ...] = ()
    chunks: tuple[tuple[int, bytes], ...] = ()  #: by hour
    summaries: tuple[tuple[int, bytes], ...] = ()  #: by day
    unpacked: tuple[int, ...] = ()  #: hours that need packing
    cursor: Cursor | None = None
    latest: LatestByBlock = field(default_factory=dict)
    keep_seconds: int | None = None  #: of chunks and summaries, as in ``Store.save_packed``


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """A device as the operator registered it."""

    device_id: int  #: u64
    name: str
    model: str  #: name of its register map
    created_us: int
    site: str = ""
    model_version: str | None = None  #: None: the current version of the model
    link: str = "smok4"
    suite: int = 1
    may_write: bool = False
    replay_weak: bool = False  #: it cannot make nonces that never repeat
    read_only: bool = False  #: a security event: no writes until an operator looks
    allow_from: tuple[str, ...] = ()  #: networks it may come from; empty: any
    allow_until_us: int | None = None
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """One version of a register map. Old versions are kept, so that old words keep their meaning."""

    name: str
    version: str  #: content hash
    text: str  #: the TOML itself
    created_us: int


@dataclass(frozen=True, slots=True)
class CredentialRecord:
    """One key slot of a device; at most ``CREDENTIAL_SLOTS`` are kept."""

    device_id: int
    kid: int  #: slot number, 0..255
    suite: int
    wrapped: bytes  #: opaque: the secret under the node's key
    created_us: int
    logins: int = 0
    state: str = "live"  #: one word of whoever keeps the credentials


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """A write that somebody asked for; ``body`` is JSON (point, value, before, read_back, error ...)."""

    command_id: str
    device_id: int
    state: str  #: queued, sent, confirmed, refused, expired or unknown
    requested_us: int
    who: str
    point: str | None = None  #: None: raw addresses, see ``body``
    expires_us: int | None = None
    idempotency_key: str | None = None
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventRecord:
    """Something that happened and that an operator may want to know."""

    time_us: int
    kind: str
    severity: str
    text: str
    device_id: int | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)  #: JSON
    acknowledged_by: str | None = None
    event_id: int = 0  #: given by the store


class Health(NamedTuple):
    """Whether what is handed over becomes durable."""

    #: ok; away: durable here, the database cannot be reached; disk-full; locked by another program; failed for good;
    #: closed
    state: str
    since_us: int
    detail: str = ""


class OnItsWay(NamedTuple):
    """Batches of a device up to ``cursor`` are kept here already; they are durable when ``durable`` fires."""

    cursor: Cursor
    durable: Deferred[None]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that must be in memory so that logins, values and writes to equipment need no round trip.

    It is handed over whole and belongs to the receiver.
    """

    devices: dict[int, DeviceRecord]
    models: list[ModelRecord]  #: every version; the last one of a name is the current one
    plans: dict[int, dict[int, Plan]]  #: by device and number
    credentials: dict[int, dict[int, CredentialRecord]]  #: by device and kid
    nonces: dict[int, bytes]  #: by device; opaque
    cursors: dict[int, Cursor]
    latest: dict[int, LatestByBlock]
    pending: list[CommandRecord]  #: in the order in which they were asked for
    on_their_way: dict[int, OnItsWay] = field(default_factory=dict)  #: by device, beyond its cursor
