"""Seven years of one device in the embedded store: made from a seed, packed as the daemon packs, and read again.

``python -m bench.seven_years [--days 2557]`` says how large the file is, how long a process that just started takes to
the first plot, what plots cost, and that each day is there as it was made. Some two minutes of two cores.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import multiprocessing
import os
import struct
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from smok_twisted.history import chunk, packing, summary
from smok_twisted.readings import Report
from smok_twisted.storage import sqlite_packed, sqlite_registry
from smok_twisted.storage.database import Database, schema
from smok_twisted.storage.records import HOURS_A_DAY, DeviceRecord
from smok_twisted.storage.sqlite import APPLICATION_ID

from . import mix
from .cpu import Subject, subject

DEVICE = 1
DAYS = 7 * 365 + 2
#: Days that are made from one seed, so that several processes can work.
PART_DAYS = 31
_ROW = struct.Struct(f">qHHB{mix.REGISTERS}H")


class Day(NamedTuple):
    """Packed; ``digest`` is that of what was packed."""

    number: int
    chunks: list[tuple[int, bytes]]  #: by hour
    summary: bytes
    digest: str


class Figures(NamedTuple):
    """What there is to tell. ``first_plot_seconds``: by the clock, from the start of the process."""

    days: int
    octets: int
    made_seconds: float
    first_plot_seconds: float
    first_plot_points: int
    good_days: int
    series: list[list[float | None]]  #: microseconds, mean, lowest, highest

    @property
    def samples(self) -> int:
        """All that was made."""
        return self.days * HOURS_A_DAY * mix.SAMPLES_AN_HOUR

    @property
    def octets_a_sample(self) -> float:
        """Of the file."""
        return self.octets / self.samples


def digest(reports: Iterable[Report]) -> str:
    """Of all that a report says."""
    found = hashlib.sha256()
    for one in reports:
        [block] = one.blocks
        found.update(_ROW.pack(one.time_us, one.boot, one.batch, one.round, *block.words))
    return found.hexdigest()


def reports_of(part: int) -> Iterator[list[Report]]:
    """Hour by hour; the device has started anew with each part."""
    first_hour = mix.FIRST_HOUR + part * PART_DAYS * HOURS_A_DAY
    return mix.hours(DEVICE, part, first_hour, boot=part + 1)


def packed_days(part: int, days: int) -> list[Day]:
    """What hour-by-hour packing leaves in the end: the same octets, each summary made once."""
    views, source, found = {1: mix.view()}, reports_of(part), []
    for number in range(part * PART_DAYS, part * PART_DAYS + days):
        hours = list(itertools.islice(source, HOURS_A_DAY))
        first = mix.FIRST_HOUR + number * HOURS_A_DAY
        chunks = [(hour, chunk.encode(reports)) for hour, reports in enumerate(hours, first)]
        points: summary.Day = {}
        for hour, octets in chunks:
            stretches = packing.stretches_of(chunk.Chunk(octets), hour, views)
            summary.put_hour(points, hour // HOURS_A_DAY, hour % HOURS_A_DAY, stretches)
        found.append(Day(number, chunks, summary.encode(points), digest(itertools.chain(*hours))))
    return found


def make(path: Path, days: int = DAYS, processes: int | None = None) -> list[str]:
    """A store of one device with so many days; the digest of each day."""
    parts = [(part, min(PART_DAYS, days - first)) for part, first in enumerate(range(0, days, PART_DAYS))]
    database, digests = Database(path, schema("sqlite"), APPLICATION_ID), []
    try:
        with (
            closing(database.connect()) as connection,
            multiprocessing.get_context("spawn").Pool(processes or os.cpu_count()) as pool,
        ):
            cursor = connection.cursor()
            sqlite_registry.save_device(cursor, DeviceRecord(DEVICE, "plant 1", "plant", 0))
            number = sqlite_registry.number_of(cursor, DEVICE)
            for some in pool.imap(_packed_days, parts):
                cursor.execute("BEGIN")
                for day in some:
                    sqlite_packed.put(cursor, number, "chunk", day.chunks)
                    place = mix.FIRST_HOUR // HOURS_A_DAY + day.number
                    sqlite_packed.put(cursor, number, "summary", [(place, day.summary)])
                    digests.append(day.digest)
                cursor.execute("COMMIT")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        database.close()
    return digests


def _packed_days(part: tuple[int, int]) -> list[Day]:
    return packed_days(*part)


def drawing(folder: Path, days: int) -> tuple[str, ...]:
    """Arguments of ``bench.drawing`` for what ``make`` made there."""
    return str(folder / "smok.db"), str(folder / "rows.db"), str(mix.FIRST_HOUR + days * HOURS_A_DAY)


def measure_in(folder: Path, days: int = DAYS) -> Figures:
    """Make them in ``folder``, and look."""
    begun = time.monotonic()
    digests = make(folder / "smok.db", days)
    made = time.monotonic()
    expected = folder / "digests.json"
    expected.write_text(json.dumps(digests))
    begun_to_plot = time.monotonic()
    with subject("drawing", *drawing(folder, days), module="bench.drawing") as drawer:
        points = int(ask(drawer, f"ours {days * 86_400}").split()[0])
        drawn = time.monotonic()
        series = json.loads(ask(drawer, f"series {days * 86_400}"))
        good = int(ask(drawer, f"days {expected}"))
    octets = (folder / "smok.db").stat().st_size
    return Figures(days, octets, made - begun, drawn - begun_to_plot, points, good, series)


def ask(drawer: Subject, line: str) -> str:
    """The answer. Raises RuntimeError for one that tells of a failure."""
    answer = drawer.ask(line)
    if not answer or answer.startswith("failed"):
        raise RuntimeError(f"{line}: {answer or 'the process that draws is gone'}")
    return answer


def main() -> int:
    """Print the figures; 0 only if all days are there."""
    parser = argparse.ArgumentParser(prog="python -m bench.seven_years", description=__doc__)
    parser.add_argument("--days", type=int, default=DAYS)
    days = parser.parse_args().days
    with tempfile.TemporaryDirectory(prefix="smok-bench-") as folder:
        found = measure_in(Path(folder), days)
    print(f"{days} days of {mix.REGISTERS} registers, one report a minute, made in {found.made_seconds:.0f} s")
    print(f"on disk: {found.octets:,} octets, {found.octets_a_sample:.4f} a sample")
    print(f"first plot of all of it: {found.first_plot_seconds:.2f} s, {found.first_plot_points} points")
    print(f"days that are there as they were made: {found.good_days} of {days}")
    return 0 if found.good_days == days else 1


if __name__ == "__main__":
    raise SystemExit(main())
