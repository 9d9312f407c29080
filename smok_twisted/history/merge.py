"""Reports of the log and of a chunk, put together: each once, in order. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ..readings import Report, is_nameless
from ..storage.records import place_of

#: A batch that came again was read at the same time, give or take what its way took; the same number so much later
#: is that of another batch, as numbers go round.
_SAME_READING_US = 600 * 1_000_000


def name_of(report: Report) -> tuple[int, ...]:
    """What is the same in each repeat of a report; the place of one that has no name of its own."""
    return place_of(report) if is_nameless(report) else (report.boot, report.batch, report.round)


def merged(*sources: Iterable[Report]) -> list[Report]:
    """All reports of one device in the order of their places, without repeats by (boot, batch, round); those without
    a name of their own only without repeats of their places. Of two at one place that of the first source stays."""
    found: list[Report] = []
    newest: dict[tuple[int, ...], int] = {}
    for report in sorted((report for source in sources for report in source), key=place_of):
        name = name_of(report)
        if name in newest and report.time_us - newest[name] <= _SAME_READING_US:
            continue
        newest[name] = report.time_us
        found.append(report)
    return found
