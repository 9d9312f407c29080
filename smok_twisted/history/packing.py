"""From an hour's reports to its chunk, and to its place in the day's summary. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..readings import Report
from ..storage.records import HOUR_US, HOURS_A_DAY, PackedHour, Unpacked
from . import chunk, summary
from .merge import merged
from .slices import PointReader, Span
from .stretch import Stretch, joined
from .summary import Key
from .traces import traces_of

if TYPE_CHECKING:
    from ..devices.values import PlanView


def packed(
    what: Unpacked,
    log: list[Report],
    known_chunk: bytes | None,
    known_day: bytes | None,
    views: Mapping[int, PlanView],
) -> PackedHour:
    """The hour with all that the log has and all that was packed before; the same input gives the same octets.

    Raises StorageError when a chunk or a summary is damaged.
    """
    before = [] if known_chunk is None else chunk.Chunk(known_chunk).reports(what.device_id)
    octets = chunk.encode(merged(log, before))
    day, hour = divmod(what.hour, HOURS_A_DAY)
    points = {} if known_day is None else summary.decode(known_day)
    summary.put_hour(points, day, hour, stretches_of(chunk.Chunk(octets), what.hour, views))
    return PackedHour(what.device_id, what.hour, octets, summary.encode(points))


def stretches_of(hour_chunk: chunk.Chunk, hour: int, views: Mapping[int, PlanView]) -> dict[Key, Stretch]:
    """What an hour says of each point that is no text, under each plan."""
    span = Span(hour * HOUR_US, (hour + 1) * HOUR_US)
    found: dict[Key, Stretch] = {}
    for plan in hour_chunk.plans & views.keys():
        view = views[plan]
        for number, point in enumerate(view.points.values()):
            traces = {} if point.kind.is_text else traces_of(point, [view], view.points)
            for stretch in PointReader(traces).stretches(hour_chunk, span, HOUR_US):
                key = Key(plan, number)
                found[key] = joined(found[key], stretch) if key in found else stretch
    return found
