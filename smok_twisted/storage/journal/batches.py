"""A batch as the payload of a journal's entry, and back. Pure.

``format (1) | number of the device (8) | device id (8) | boot (2) | batch (2)``, then for each report
``time (8, us) | round (2) | plan (2) | flags (2) | octets (4) | blocks as storage.blob``.
"""

from __future__ import annotations

import struct

from ...errors import StorageError
from ...readings import Report
from .. import blob
from ..records import Batch

_FORMAT = 1
_HEAD = struct.Struct(">BQQHH")
_REPORT = struct.Struct(">qHHHI")


def encode(number: int, batch: Batch) -> bytes:
    """``number`` is the device's own in the registry. Raises StorageError for a batch that cannot be stored."""
    try:
        parts = [_HEAD.pack(_FORMAT, number, batch.device_id, batch.boot, batch.batch)]
        for report in batch.reports:
            blocks = blob.encode(report.blocks)
            parts += [_REPORT.pack(report.time_us, report.round, report.plan, report.flags, len(blocks)), blocks]
    except struct.error as error:
        raise StorageError(f"a batch that cannot be stored: {error}") from None
    return b"".join(parts)


def decode(payload: bytes) -> tuple[int, Batch]:
    """The inverse. Raises StorageError for octets that ``encode`` never made."""
    try:
        form, number, device_id, boot, batch = _HEAD.unpack_from(payload)
        if form != _FORMAT:
            raise StorageError(f"a batch of unknown format {form} is in the journal")
        reports, position = [], _HEAD.size
        while position < len(payload):
            time_us, round_, plan, flags, size = _REPORT.unpack_from(payload, position)
            position += _REPORT.size + size
            blocks = blob.decode(payload[position - size : position])
            reports.append(Report(device_id, time_us, boot, batch, round_, plan, blocks, flags))
    except struct.error as error:
        raise StorageError(f"a batch in the journal is damaged: {error}") from None
    return number, Batch(device_id, boot, batch, tuple(reports))
