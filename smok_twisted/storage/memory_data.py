"""What the memory store keeps, as a file would."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..readings import Plan, Report
from .audit import AuditEntry
from .records import (
    HOUR_US,
    CommandRecord,
    CredentialRecord,
    Cursor,
    DeviceRecord,
    EventRecord,
    LatestByBlock,
    ModelRecord,
    latest_of,
    place_of,
)


@dataclass
class DeviceData:
    """A device and all that goes when it is removed."""

    record: DeviceRecord
    plans: dict[int, Plan] = field(default_factory=dict)
    credentials: dict[int, CredentialRecord] = field(default_factory=dict)
    nonces: bytes | None = None
    cursor: Cursor | None = None
    latest: LatestByBlock = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)  #: in the order of their places
    unpacked: dict[int, int] = field(default_factory=dict)  #: hour -> mark
    chunks: dict[int, bytes] = field(default_factory=dict)  #: by hour
    summaries: dict[int, bytes] = field(default_factory=dict)  #: by day
    commands: dict[str, CommandRecord] = field(default_factory=dict)

    def keep(self, reports: Sequence[Report]) -> None:
        """Each once and in its place, marked for packing; the latest of each block."""
        for report in reports:
            self.insert(report)
            hour = report.time_us // HOUR_US
            self.unpacked[hour] = self.unpacked.get(hour, 0) + 1
        for key, latest in latest_of(reports).items():
            if key not in self.latest or latest.time_us >= self.latest[key].time_us:
                self.latest[key] = latest

    def insert(self, report: Report) -> None:
        """In its place; what is there already stays once."""
        place = place_of(report)
        index = bisect_left(self.reports, place, key=place_of)
        if index == len(self.reports) or place_of(self.reports[index]) != place:
            self.reports.insert(index, report)


@dataclass
class MemoryData:
    """What a memory store keeps."""

    devices: dict[int, DeviceData] = field(default_factory=dict)
    models: dict[tuple[str, str], ModelRecord] = field(default_factory=dict)
    audit: list[AuditEntry] = field(default_factory=list)
    events: list[EventRecord] = field(default_factory=list)  #: the n-th has event_id n
    settings: dict[str, str] = field(default_factory=dict)
