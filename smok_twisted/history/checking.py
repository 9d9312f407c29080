"""Whether packed history says what it was made of: chunks against the log, summaries against chunks. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from ..clock import rfc3339
from ..errors import StorageError
from ..readings import Report
from ..storage.records import HOUR_US, HOURS_A_DAY, place_of
from . import summary
from .chunk import Chunk
from .merge import merged, name_of
from .packing import stretches_of
from .stretch import Stretch
from .summary import Key, hour_start_us

if TYPE_CHECKING:
    from ..devices.values import PlanView


_OTHERWISE = "the day's summary does not say what the hour's chunk says"
_LEFT_OVER = "its chunk is missing, and so is the log; the day's summary tells of it"


class Damage(NamedTuple):
    """What is wrong. Packing the hours again puts it right, after what is ``broken`` has been taken away."""

    text: str  #: begins with the time
    again: frozenset[int]  #: hours to be packed again; none: what is needed for that is not there
    broken: str = ""  #: "chunk" or "summary", when it is no use for that: it cannot be read, or the log has all of it


class PackedDay(NamedTuple):
    """Of one device, as the store has it."""

    day: int
    summary: bytes | None
    chunks: Mapping[int, bytes]  #: by hour
    log: Mapping[int, list[Report]]  #: by hour
    marked: frozenset[int]  #: hours that wait to be packed


def damages_of(device_id: int, found: PackedDay, views: Mapping[int, PlanView]) -> list[Damage]:
    """All that is wrong with a day."""
    chunks: dict[int, Chunk] = {}
    damages = []
    for hour in sorted(found.chunks.keys() | found.log.keys()):
        log = found.log.get(hour, [])
        try:
            damages += _of_hour(device_id, hour, found, log, chunks)
        except StorageError as error:
            again = frozenset((hour,) if log else ())
            damages.append(Damage(f"{_time(hour)}: {error}", again, "chunk"))
    return damages + _of_summary(found, chunks, views)


def _of_hour(device_id: int, hour: int, found: PackedDay, log: list[Report], chunks: dict[int, Chunk]) -> list[Damage]:
    """Put the hour's chunk into ``chunks``; raises StorageError when it is no chunk of the hour."""
    packed: list[Report] = []
    if hour in found.chunks:
        chunk = Chunk(found.chunks[hour])
        packed = chunk.reports(device_id)
        if any(report.time_us // HOUR_US != hour for report in packed):
            raise StorageError("its chunk has reports of another hour")
        chunks[hour] = chunk
    return [] if hour in found.marked else _against_log(hour, log, packed)


def _against_log(hour: int, log: list[Report], packed: list[Report]) -> list[Damage]:
    """What the log says counts; of an hour that it has in full, all that the chunk may say."""
    is_in_full = {name_of(one) for one in packed} <= {name_of(one) for one in log}
    expected = merged(log) if is_in_full else merged(log, packed)
    known = {place_of(one): one for one in packed}
    missing = sum(place_of(one) not in known for one in expected)
    different = sum(known.get(place_of(one), one) != one for one in expected)
    if missing and not packed:
        return [Damage(f"{_time(hour)}: its chunk is missing, the log has {missing} reports", frozenset((hour,)))]
    texts = [f"{missing} reports of the log are not in its chunk"] if missing else []
    texts += [f"{different} reports of its chunk differ from the log"] if different else []
    if not texts:
        return []
    return [Damage(f"{_time(hour)}: {', '.join(texts)}", frozenset((hour,)), "chunk" if is_in_full else "")]


def _of_summary(found: PackedDay, chunks: Mapping[int, Chunk], views: Mapping[int, PlanView]) -> list[Damage]:
    if found.summary is None and not found.chunks:
        return []
    again = frozenset(chunks.keys() | found.log.keys())
    try:
        points = {} if found.summary is None else summary.decode(found.summary)
    except StorageError as error:
        return [Damage(f"{_time(found.day * HOURS_A_DAY)}: {error}", again, "summary")]
    wrong = [
        hour
        for hour in sorted(_hours(found.day) - (found.chunks.keys() - chunks))
        if _said(points, found.day, hour) != (_expected(chunks[hour], hour, views) if hour in chunks else {})
    ]
    wrong = [hour for hour in wrong if hour in chunks or hour not in found.log]  # the others are told already
    return [Damage(f"{_time(hour)}: {_OTHERWISE if hour in chunks else _LEFT_OVER}", again & {hour}) for hour in wrong]


def _expected(chunk: Chunk, hour: int, views: Mapping[int, PlanView]) -> dict[Key, Stretch]:
    """As it comes back from a summary."""
    day, number = divmod(hour, HOURS_A_DAY)
    points: summary.Day = {}
    summary.put_hour(points, day, number, stretches_of(chunk, hour, views))
    return _said(points, day, hour)


def _time(hour: int) -> str:
    return rfc3339(hour * HOUR_US)


def _hours(day: int) -> set[int]:
    return set(range(day * HOURS_A_DAY, (day + 1) * HOURS_A_DAY))


def _said(points: summary.Day, day: int, hour: int) -> dict[Key, Stretch]:
    """What a summary says of an hour."""
    number = hour - day * HOURS_A_DAY
    said = {key: point.get(number, hour_start_us(day, number)) for key, point in points.items()}
    return {key: stretch for key, stretch in said.items() if stretch is not None}
