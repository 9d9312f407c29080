"""Row 13: octets of a stored sample. Exact for the embedded store; ``tests/test_bench_stored.py`` holds that."""

from __future__ import annotations

import itertools
import struct
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from smok_twisted.errors import LocalError
from smok_twisted.readings import Report
from smok_twisted.storage.cassandra.rows import CHUNK, SUMMARY
from tools.cassandra import Cluster

from . import gorilla, mix
from .cpu import subject
from .nodes import KEYSPACE, beside_cassandra, octets_on_disk
from .packed import DEVICES, HOURS, SAMPLES, Stored, fill, packed_hours
from .plain_rows import PlainRows, samples_of
from .table import Row, at_most

TARGET = 0.6
WHAT = "octets of a stored sample, 60 s mix"
#: Hours in a block of Gorilla, as in its paper.
_BLOCK_HOURS = 2
_ROW = struct.Struct(f">q{mix.REGISTERS}H")


def measure() -> list[Row]:
    """Ours in SQLite and in Cassandra, beside rows in SQLite and what compresses rows."""
    with tempfile.TemporaryDirectory(prefix="smok-bench-") as folder:
        ours = fill(Path(folder, "smok.db"), packed_hours())
        rows = row_model(Path(folder, "rows.db"))
    others = {"zlib of an hour's rows": zipped(), "Gorilla": of_gorilla(), "entropy of differences": least()}
    return [_embedded(ours, rows, others), *beside_cassandra(13, f"{WHAT}: Cassandra", _production)]


def _embedded(ours: Stored, rows: float, others: dict[str, float]) -> Row:
    each = ours.file / SAMPLES
    found = {
        "a row a sample, SQLite": rows,
        **others,
        "ours, chunks alone": ours.chunks / SAMPLES,
        "ours, summaries alone": ours.summaries / SAMPLES,
        "ours, file of SQLite": each,
    }
    reference = f"a row a sample {rows:.1f}; " + "; ".join(f"{name} {value:.2f}" for name, value in others.items())
    what = f"{WHAT}: SQLite; chunks {ours.chunks / SAMPLES:.3f}, summaries {ours.summaries / SAMPLES:.3f}"
    why = "pages of SQLite are not full"
    data = {"stored": found, "target": TARGET}
    return Row(13, what, f"<= {TARGET}", f"{each:.4f}", reference, each / rows, at_most(each, TARGET, why), data)


def _production(it: Cluster) -> list[Row]:
    with subject("writer", KEYSPACE, it.addresses[0], module="bench.cassandra") as writer:
        if writer.ask(f"packed {DEVICES * HOURS}") != str(DEVICES * HOURS):
            raise LocalError("not all hours were written to Cassandra")
    chunks, summaries = (octets_on_disk(it, table.name) / SAMPLES for table in (CHUNK, SUMMARY))
    each = chunks + summaries
    return [
        Row(
            13,
            f"{WHAT}: Cassandra, one replica, flushed and compacted",
            f"<= {TARGET}",
            f"{each:.4f}",
            f"chunks {chunks:.3f}, summaries {summaries:.3f}",
            None,
            at_most(each, TARGET),
            {"stored": {"ours, Cassandra": each}, "target": TARGET},
        )
    ]


def _hours(device: int) -> Iterator[list[Report]]:
    return itertools.islice(mix.hours(device, device), HOURS)


def row_model(path: Path) -> float:
    """Octets of a sample as a row of SQLite, written minute by minute over all devices."""
    model = PlainRows(path)
    for hours in zip(*map(_hours, range(1, DEVICES + 1)), strict=True):
        model.insert(samples_of(itertools.chain(*zip(*hours, strict=True))))
    octets = model.octets()
    model.close()
    return octets / SAMPLES


def zipped() -> float:
    """Octets of a sample when the rows of an hour are zipped as they are: a time and all registers each."""
    packed = [
        zlib.compress(b"".join(_ROW.pack(one.time_us, *one.blocks[0].words) for one in reports), 9)
        for reports in _hours(1)
    ]
    return sum(map(len, packed)) / HOURS / mix.SAMPLES_AN_HOUR


def of_gorilla(hours: int = 24) -> float:
    """Octets of a sample by Gorilla: each register a series of doubles, two hours a block, heads not counted."""
    bits = 0
    source = itertools.islice(mix.hours(1, 1), hours)
    for block in zip(*[source] * _BLOCK_HOURS, strict=True):
        reports = list(itertools.chain(*block))
        times = [one.time_us // 1_000_000 for one in reports]
        for register in zip(*(one.blocks[0].words for one in reports), strict=True):
            bits += len(gorilla.encode(times, [word * mix.SCALE for word in register]))
    return bits / 8 / hours / mix.SAMPLES_AN_HOUR


def least() -> float:
    """``mix.entropy``."""
    return mix.entropy(_hours(1))
