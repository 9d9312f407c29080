"""Reads history from wherever it is cheapest: days summed up, packed hours, or the log; the answer is the same.

An hour is *open* while the store has it marked: then the log and the hour's chunk together are what is known. All other
hours are in chunks, and every full one also in the summary of its day (design note storage).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from ..clock import rfc3339
from ..errors import Damaged
from ..readings import Report
from ..storage.records import HOUR_US, HOURS_A_DAY, place_of
from . import summary
from .chunk import Chunk
from .merge import merged
from .series import ENTRIES_AT_MOST, AsRead, Buckets, Question, Series
from .slices import PointReader, Span
from .stretch import Sample, Stretch, of_sample
from .summary import Key
from .traces import Trace

if TYPE_CHECKING:
    from ..devices.values import PlanView
    from ..storage.interface import Store

#: Rows taken from the store at a time, so that nobody waits long for the reactor.
_PAGE = 1000
_CHUNKS = 400
#: Of those that are unpacked whole.
_WHOLE_CHUNKS = 12
_DAYS = 400


#: Hears of an hour that cannot be read, and raises unless the rest is wanted all the same.
OnDamage = Callable[[int, Damaged], None]


def refuse(hour: int, error: Damaged) -> NoReturn:
    """Raise Damaged with the hour (``smok db check`` says the same)."""
    raise Damaged(f"{rfc3339(hour * HOUR_US)}: {error}") from None


class _Run(NamedTuple):
    """Hours that follow each other and are of one kind."""

    is_open: bool
    first: int
    end: int  #: exclusive


class History:
    """Of the devices of one store. Every method raises StorageError when something cannot be read."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def reports(self, device_id: int, span: Span, on_damage: OnDamage = refuse) -> AsyncIterator[list[Report]]:
        """All reports of the span in the order of their places, some at a time."""
        for run in await self._runs(device_id, span):
            async for page in self._reports_of(device_id, run, span, on_damage):
                yield page

    async def series(
        self, device_id: int, question: Question, traces: Mapping[int, Trace], views: Mapping[int, PlanView]
    ) -> Series:
        """The answer to a question. ``traces`` of its point, out of ``views`` (``traces.traces_of``)."""
        reading = _Reading(device_id, question, traces, views)
        runs = await self._runs(device_id, reading.span)
        if question.may_be_as_read and reading.samples_expected <= ENTRIES_AT_MOST:
            as_read = await self._as_read(reading, runs)
            if as_read.fits:
                return as_read.series()
        buckets = Buckets(question)
        for run in runs:
            async for stretches in self._stretches_of(reading, run):
                for stretch in stretches:
                    buckets.add(stretch)
        if question.may_be_as_read and buckets.samples <= ENTRIES_AT_MOST:
            as_read = await self._as_read(reading, runs)
            if as_read.fits:
                return as_read.series()
        return buckets.series()

    async def _runs(self, device_id: int, span: Span) -> list[_Run]:
        first, end = span.from_us // HOUR_US, -(-span.to_us // HOUR_US)
        marked = await self._store.unpacked(first, end, end - first, device_id)
        return list(_runs(first, end, [one.hour for one in marked]))

    async def _as_read(self, reading: _Reading, runs: list[_Run]) -> AsRead:
        as_read = AsRead()
        for run in runs:
            async for samples in self._samples_of(reading, run):
                for sample in samples:
                    as_read.add(sample)
                if not as_read.fits:
                    return as_read
        return as_read

    async def _samples_of(self, reading: _Reading, run: _Run) -> AsyncIterator[list[Sample]]:
        if run.is_open:
            async for reports in self._reports_of(reading.device_id, run, reading.span):
                yield reading.point.samples_of(reports, reading.span)
        else:
            async for chunks in self._chunks(reading.device_id, run):
                yield [one for _, chunk in chunks for one in reading.point.samples(chunk, reading.span)]

    async def _stretches_of(self, reading: _Reading, run: _Run) -> AsyncIterator[list[Stretch]]:
        if run.is_open:
            async for samples in self._samples_of(reading, run):
                yield [of_sample(sample) for sample in samples]
            return
        for part, is_summed in reading.parts(run):
            if is_summed:
                async for stretches in self._summed(reading, part):
                    yield stretches
            else:
                async for chunks in self._chunks(reading.device_id, part):
                    yield [one for _, chunk in chunks for one in reading.stretches(chunk)]

    async def _summed(self, reading: _Reading, run: _Run) -> AsyncIterator[list[Stretch]]:
        first, end = run.first // HOURS_A_DAY, -(-run.end // HOURS_A_DAY)
        for start in range(first, end, _DAYS):
            days = await self._store.summaries(reading.device_id, start, min(start + _DAYS, end))
            yield [one for day, octets in days for one in reading.summed(day, octets, run)]

    async def _chunks(self, device_id: int, run: _Run) -> AsyncIterator[list[tuple[int, Chunk]]]:
        async for rows in self._packed(device_id, run, _CHUNKS):
            yield [(hour, _opened(hour, octets)) for hour, octets in rows]

    async def _packed(self, device_id: int, run: _Run, limit: int) -> AsyncIterator[list[tuple[int, bytes]]]:
        first = run.first
        while True:
            rows = await self._store.chunks(device_id, first, run.end, limit)
            yield rows
            if len(rows) < limit:
                return
            first = rows[-1][0] + 1

    async def _reports_of(
        self, device_id: int, run: _Run, span: Span, on_damage: OnDamage = refuse
    ) -> AsyncIterator[list[Report]]:
        """Whole hours at a time, cut to the span."""
        for hour in range(run.first, run.end) if run.is_open else ():
            try:
                reports = await self._open_hour(device_id, hour)
            except Damaged as error:
                on_damage(hour, error)
            else:
                yield _cut(reports, span)
        if not run.is_open:
            async for page in self._packed(device_id, run, _WHOLE_CHUNKS):
                for hour, octets in page:
                    try:
                        reports = Chunk(octets).reports(device_id)
                    except Damaged as error:
                        on_damage(hour, error)
                    else:
                        yield _cut(reports, span)

    async def _open_hour(self, device_id: int, hour: int) -> list[Report]:
        rows = await self._store.chunks(device_id, hour, hour + 1)
        packed = [Chunk(octets).reports(device_id) for _, octets in rows]
        return merged(await self._log(device_id, hour), *packed)

    async def _log(self, device_id: int, hour: int) -> list[Report]:
        found: list[Report] = []
        after = None
        while True:
            page = await self._store.reports(device_id, hour * HOUR_US, (hour + 1) * HOUR_US, _PAGE, after)
            found += page
            if len(page) < _PAGE:
                return found
            after = place_of(page[-1])


class _Reading:
    """One question and what its answer is read with."""

    def __init__(
        self, device_id: int, question: Question, traces: Mapping[int, Trace], views: Mapping[int, PlanView]
    ) -> None:
        self.device_id = device_id
        self.span = Span(question.from_us, question.to_us)
        self.point = PointReader(traces)
        self._width_us = question.width_seconds * 1_000_000
        self._keys = {Key(plan, list(views[plan].points).index(trace.point.name)) for plan, trace in traces.items()}
        self._can_be_summed = self._width_us % HOUR_US == 0 and not question.point.kind.is_text
        interval_us = min((trace.interval_us for trace in traces.values()), default=HOUR_US)
        self.samples_expected = (question.to_us - question.from_us) / max(1, interval_us)

    def parts(self, run: _Run) -> list[tuple[_Run, bool]]:
        """The run in up to three parts, and whether a part's full hours may be taken from summaries."""
        if not self._can_be_summed:
            return [(run, False)]
        first = min(max(run.first, -(-self.span.from_us // HOUR_US)), run.end)
        end = max(min(run.end, self.span.to_us // HOUR_US), first)
        parts = [(run.first, first, False), (first, end, True), (end, run.end, False)]
        return [(_Run(False, start, stop), is_summed) for start, stop, is_summed in parts if start < stop]

    def stretches(self, chunk: Chunk) -> list[Stretch]:
        """Of one packed hour."""
        return self.point.stretches(chunk, self.span, self._width_us)

    def summed(self, day: int, octets: bytes, run: _Run) -> list[Stretch]:
        """Of the hours of a day that are in the run, in order of time."""
        points = summary.decode(octets, self._keys).values()
        hours = range(max(0, run.first - day * HOURS_A_DAY), min(HOURS_A_DAY, run.end - day * HOURS_A_DAY))
        found = [(hour, point.get(hour, summary.hour_start_us(day, hour))) for hour in hours for point in points]
        return [stretch for _, stretch in found if stretch is not None]


def _opened(hour: int, octets: bytes) -> Chunk:
    try:
        return Chunk(octets)
    except Damaged as error:
        refuse(hour, error)


def _runs(first: int, end: int, marked: list[int]) -> Iterator[_Run]:
    """Open and closed hours of ``[first, end)``, in turns."""
    for hour in marked:
        if first < hour:
            yield _Run(False, first, hour)
        yield _Run(True, hour, hour + 1)
        first = hour + 1
    if first < end:
        yield _Run(False, first, end)


def _cut(reports: list[Report], span: Span) -> list[Report]:
    return [one for one in reports if span.from_us <= one.time_us < span.to_us]
