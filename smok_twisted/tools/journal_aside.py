"""``smok journal retry``: what Cassandra did not take, and was put aside for that, goes into the journal again.

A daemon that starts, or ``smok journal drain``, writes it to the database then. It stands behind all that is there;
history is kept by the times of its readings, so that changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..clock import wall_clock_us
from ..errors import StorageError
from ..storage.journal.files import Files
from ..storage.journal.journal import SEGMENT_OCTETS
from ..storage.journal.segment import Damaged, record_at


def aside(journal: Path) -> list[Path]:
    """Files of the batches that were put aside, oldest first."""
    return sorted((journal / "quarantine").glob("*.entry"))


def rows(journal: Path) -> Iterator[dict[str, Any]]:
    """Each with the reason, for ``smok journal show``."""
    for file in aside(journal):
        reason = file.read_bytes().split(b"\n", 1)[0]
        yield {"file": file.name, "reason": reason.decode(errors="replace")}


def brought_back(journal: Path) -> tuple[int, list[str]]:
    """How many are in the journal again, and a line for each that cannot be read: it stays where it is.

    Raises StorageError: a daemon has the journal, it cannot be read, or there is no room.
    """
    files, problems, count = Files(journal, SEGMENT_OCTETS), [], 0
    try:
        files.open()
        for file in aside(journal):
            try:
                files.append([_payload(file)], wall_clock_us())
            except Damaged as damage:
                problems.append(f"{file} is damaged {damage}: it stays there")
                continue
            file.unlink()  # killed before it, the same is written twice, and the database has it once
            count += 1
    except OSError as error:
        raise StorageError(f"after {count} of them {journal} cannot be written: {error.strerror or error}") from None
    finally:
        files.close()
    return count, problems


def _payload(path: Path) -> bytes:
    with path.open("rb") as file:
        reason = file.readline()
        entry = record_at(file, len(reason), int(path.stem))
    if entry is None:
        raise Damaged(len(reason), "there is no record")
    return entry.payload
