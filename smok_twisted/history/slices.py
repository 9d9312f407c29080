"""The samples and stretches of a point in a packed hour, without making reports of it. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ..modbus.points import Value
from ..readings import Report
from .chunk import BlockColumn, Chunk
from .stretch import Sample, Stretch, of_sample, of_values, of_wholes
from .traces import Trace, Wholes, is_whole, samples_of


class Span(NamedTuple):
    """From, inclusive, to, exclusive, in microseconds."""

    from_us: int
    to_us: int

    def cut(self, times_us: Sequence[int]) -> slice:
        """Which of these (in order) are in it."""
        return slice(bisect_left(times_us, self.from_us), bisect_left(times_us, self.to_us))


class PointReader:
    """Reads one point out of chunks; keeps what its words mean from one chunk to the next."""

    def __init__(self, traces: Mapping[int, Trace]) -> None:
        self.traces = traces
        self._wholes = {plan: Wholes(trace.point) for plan, trace in traces.items() if is_whole(trace.point)}
        self._known: dict[int, dict[tuple[int, ...], Value | None]] = {plan: {} for plan in traces}

    def samples(self, chunk: Chunk, span: Span) -> list[Sample]:
        """In order of time. Raises StorageError for a damaged chunk."""
        if chunk.has_odd_rows:
            return self.samples_of(chunk.reports(0), span)
        found: list[Sample] = []
        for trace, column in self._columns(chunk):
            values = self._values(trace, column)
            cut = span.cut(column.times_us)
            interval_us = trace.interval_us
            found += [Sample(*one, interval_us) for one in zip(column.times_us[cut], values[cut], strict=True)]
        return found if len(self.traces) == 1 else sorted(found, key=lambda sample: sample.time_us)

    def samples_of(self, reports: list[Report], span: Span) -> list[Sample]:
        """The same from reports in order of time."""
        return [one for one in samples_of(reports, self.traces) if span.from_us <= one.time_us < span.to_us]

    def stretches(self, chunk: Chunk, span: Span, width_us: int) -> list[Stretch]:
        """One for each plan and multiple of ``width_us`` since 1970 that has samples, in order of time."""
        if chunk.has_odd_rows:
            return [of_sample(sample) for sample in self.samples(chunk, span)]
        found = [
            self._stretch(trace, column, cut)
            for trace, column in self._columns(chunk)
            for cut in _cuts(column.times_us, span, width_us)
        ]
        return found if len(self.traces) == 1 else sorted(found, key=lambda stretch: stretch.time_us)

    def _columns(self, chunk: Chunk) -> Iterator[tuple[Trace, BlockColumn]]:
        for trace in self.traces.values():
            column = chunk.block(trace.plan, trace.block, trace.registers)
            if column is not None and column.times_us:
                yield trace, column

    def _stretch(self, trace: Trace, column: BlockColumn, cut: slice) -> Stretch:
        wholes = self._wholes.get(trace.plan)
        times_us = column.times_us[cut]
        if wholes is not None and len(column.words[0]) == len(column.times_us):
            try:
                numbers = list(map(wholes.__getitem__, column.words[0][cut]))
                return of_wholes(times_us, numbers, wholes.digits, trace.interval_us)
            except KeyError:  # a word that means nothing
                pass
        return of_values(times_us, self._values(trace, column)[cut], trace.interval_us)

    def _values(self, trace: Trace, column: BlockColumn) -> list[Value | None]:
        """One for each time; None for a fault and for words that mean nothing."""
        known = self._known[trace.plan]
        good: list[Value | None] = []
        for words in zip(*column.words, strict=True):
            if words not in known:
                known[words] = trace.point.decode(words)
            good.append(known[words])
        if len(good) == len(column.times_us):
            return good
        rest = iter(good)
        return [None if state else next(rest) for state in column.states]


def _cuts(times_us: Sequence[int], span: Span, width_us: int) -> Iterator[slice]:
    """Neighbouring pieces, each within one multiple of the width."""
    whole = span.cut(times_us)
    start = whole.start
    while start < whole.stop:
        end_us = (times_us[start] // width_us + 1) * width_us
        stop = bisect_left(times_us, end_us, start, whole.stop)
        yield slice(start, stop)
        start = stop
