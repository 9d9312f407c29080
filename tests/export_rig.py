"""What tests of exports share: the lines of one, a store that fails, an hour that is damaged."""

from __future__ import annotations

import csv
import io

from twisted.internet.defer import succeed

from smok_twisted.errors import StorageError
from smok_twisted.storage.records import HOUR_US

from .web_rig import NOW_US


def rows_of(text):
    return list(csv.reader(io.StringIO(text)))


def damage(rig):
    """Three hours, of which the one in the middle has a chunk that nobody can read."""
    for batch, age in ((5001, 7200), (5002, -3000)):
        rig.report(age, 1, batch)
    chunks = rig.store.chunks
    hour = NOW_US // HOUR_US

    def some(device_id, first, end, limit=1000):
        return succeed([(hour, b"\x07")]) if first <= hour < end else chunks(device_id, first, end, limit)

    rig.store.chunks = some


async def failing():
    raise StorageError("the disk is gone")
