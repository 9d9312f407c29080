"""``smok journal``: what is in the journal in front of Cassandra, without a daemon; nothing in it is changed.

While it is looked at the daemon may run: what it writes or removes meanwhile may be seen or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import StorageError, UserError
from .arguments import Commands, folder, output, whole
from .output import Column, age, plain
from .progress import progress

if TYPE_CHECKING:
    from ..settings import Settings
    from ..storage.journal.reader import Damage, Reader, Segment
    from ..storage.journal.segment import Entry
    from .tool import Tool

#: So often the folder is looked at anew when a daemon has removed a file meanwhile.
_TRIES = 10
_LSN = whole(0, 2**64 - 1)

_SEGMENTS = (
    Column("file", "FILE"),
    Column("first", "FIRST", right=True),
    Column("entries", "ENTRIES", right=True),
    Column("octets", "OCTETS", right=True),
    Column("age", "OLDEST ENTRY", age),
)
_ENTRIES = (
    Column("lsn", "ENTRY", right=True),
    Column("written", "WRITTEN"),
    Column("device", "DEVICE"),
    Column("boot", "BOOT", right=True),
    Column("batch", "BATCH", right=True),
    Column("reports", "REPORTS", lambda reports: plain([_short(one) for one in reports])),
)
_ASIDE = (Column("file", "PUT ASIDE"), Column("reason", "REASON"))


def add_to(commands: Commands) -> None:
    """``smok journal ...``"""
    group = commands.group("journal", "what waits on this machine for Cassandra")
    text = "files, entries, ages, and what was put aside; the daemon may run"
    show = group.add("show", _show, text, "", folder(), output())
    show.add_argument("--entries", action="store_true", help="the batches in it instead")
    show.add_argument("--from", dest="first", type=_LSN, default=0, metavar="ENTRY", help="the first one to show")
    show.add_argument("--limit", type=whole(1, 10**9), default=1000, help="at most so many (default 1000)")
    group.add("verify", _verify, "read everything; exit status 1 and a line for each damage", "", folder())
    text = "put back into it what was put aside; not while the daemon runs, which writes it to Cassandra afterwards"
    group.add("retry", _retry, text, "", folder())
    group.add("drain", _drain, "write all of it into Cassandra; not while the daemon runs", "", folder())


def _show(tool: Tool) -> None:
    from ..clock import wall_clock_us

    path, segments, reader = _journal(tool)
    if tool.args.entries:
        rows = list(_entry_rows(segments, reader, tool.args.first, tool.args.limit))
        return tool.output.rows({"entries": rows}, rows, _ENTRIES)
    rows = [_segment_row(reader, *one, wall_clock_us()) for one in _with_ends(segments, reader)]
    aside = list(_aside_rows(path))
    tool.output.rows({"segments": rows, "quarantine": aside}, rows, _SEGMENTS)
    if aside and tool.output.form == "table":
        tool.output.line()
        tool.output.rows(aside, aside, _ASIDE)


def _verify(tool: Tool) -> int:
    path, segments, reader = _journal(tool)
    entries = damages = done = 0
    total = sum(segment.octets for segment in segments)
    with progress("journal", "B") as step:
        for segment, end in _with_ends(segments, reader):
            for item in _scanned(reader, segment, segment.first, end):
                wrong = _what_is_wrong(item)
                if wrong:
                    tool.output.line(wrong)
                    damages += 1
                entries += not wrong
            done += segment.octets
            step(done, total)
    if not damages:
        tool.output.line(f"{path} is good: {entries} entries in {len(segments)} files")
    return 1 if damages else 0


def _retry(tool: Tool) -> int:
    from .access import find_settings

    path = _folder_of(find_settings(tool.args))
    from .journal_aside import brought_back  # needs what ``_folder_of`` has looked for

    count, problems = brought_back(path)
    for problem in problems:
        tool.output.line(problem)
    tool.output.line(f"batches that are in {path} again: {count}; start the daemon, or `smok journal drain`")
    return 1 if problems else 0


def _drain(tool: Tool) -> int:
    from .access import find_settings
    from .journal_drain import drained
    from .reacting import in_reactor

    settings = find_settings(tool.args)
    if settings.storage.kind != "cassandra":
        raise UserError(f'[storage] kind = "{settings.storage.kind}" has no journal: it is for kind = "cassandra"')
    path = _folder_of(settings)
    with progress("journal", "batch") as step:
        done = in_reactor(lambda reactor: drained(settings, reactor, step))
    for problem in done.problems:
        tool.output.line(problem)
    keyspace = settings.storage.cassandra.keyspace
    but = " but for what is told above" if done.problems else ""
    tool.output.line(f"{done.entries} batches of {path} are in keyspace {keyspace}{but}")
    return 1 if done.problems else 0


def _journal(tool: Tool) -> tuple[Path, list[Segment], Reader]:
    from .access import find_settings

    path = _folder_of(find_settings(tool.args))
    from ..storage.journal.reader import Reader, survey  # needs what ``_folder_of`` has looked for

    for _ in range(_TRIES):
        with suppress(FileNotFoundError):
            return path, survey(path)[0], Reader()
    raise StorageError(f"{path} changes all the time: try again")


def _folder_of(settings: Settings) -> Path:
    path = settings.daemon.data_dir / "journal"
    if not path.is_dir():
        raise UserError(
            f'{path} does not exist: a daemon with [storage] kind = "cassandra" makes it; --data-dir or --config names'
            " another folder"
        )
    if find_spec("google_crc32c") is None:
        raise UserError("the journal's checksums need more than is installed: pip install 'smok-twisted[cassandra]'")
    return path


def _aside_rows(path: Path) -> Iterator[dict[str, Any]]:
    from .journal_aside import rows

    return rows(path)


def _with_ends(segments: list[Segment], reader: Reader) -> Iterator[tuple[Segment, int]]:
    """Each with the lsn behind its last entry."""
    for number, segment in enumerate(segments):
        if number + 1 < len(segments):
            yield segment, segments[number + 1].first
        else:
            tail = reader.tail(segment)
            yield segment, tail.behind[-1].lsn + 1 if tail.damage(segment) else tail.next_lsn


def _scanned(reader: Reader, segment: Segment, start: int, end: int) -> Iterator[Entry | Damage]:
    """Nothing of a file that a daemon has removed meanwhile: the database has all that was in it."""
    if start < end:
        with suppress(FileNotFoundError):
            yield from reader.scan(segment, start, end)


def _what_is_wrong(item: Entry | Damage) -> str:
    from ..storage.journal.batches import decode
    from ..storage.journal.reader import Damage

    if isinstance(item, Damage):
        return str(item)
    try:
        decode(item.payload)
    except StorageError as error:
        return f"entry {item.lsn}: {error}"
    return ""


def _segment_row(reader: Reader, segment: Segment, end: int, now_us: int) -> dict[str, Any]:
    from ..storage.journal.segment import Entry

    found = next((one for one in _scanned(reader, segment, segment.first, end) if not _what_is_wrong(one)), None)
    return {
        "file": segment.path.name,
        "first": segment.first,
        "entries": end - segment.first,
        "octets": segment.octets,
        "age": max(0.0, (now_us - found.time_us) / 1_000_000) if isinstance(found, Entry) else None,
    }


def _entry_rows(segments: list[Segment], reader: Reader, first: int, limit: int) -> Iterator[dict[str, Any]]:
    from ..storage.journal.segment import Entry

    for segment, end in _with_ends(segments, reader):
        for item in _scanned(reader, segment, first, end):
            if not limit:
                return
            if isinstance(item, Entry):
                limit -= 1
                yield _entry_row(item)


def _entry_row(entry: Entry) -> dict[str, Any]:
    from ..clock import rfc3339
    from ..storage.journal.batches import decode

    batch = decode(entry.payload)[1]
    reports = [
        {
            "time": rfc3339(report.time_us),
            "round": report.round,
            "plan": report.plan,
            "flags": report.flags,
            "blocks": [
                {"block": one.block} | ({"fault": one.fault} if one.fault else {"words": list(one.words)})
                for one in report.blocks
            ],
        }
        for report in batch.reports
    ]
    return {
        "lsn": entry.lsn,
        "written": rfc3339(entry.time_us),
        "device": f"0x{batch.device_id:016x}",
        "boot": batch.boot,
        "batch": batch.batch,
        "reports": reports,
    }


def _short(report: dict[str, Any]) -> str:
    """A report in a table: its time, then each block with its words."""
    blocks = [
        (one["block"], f"fault-{one['fault']}" if "fault" in one else ",".join(map(str, one["words"])))
        for one in report["blocks"]
    ]
    return " ".join([report["time"], *(f"{number}:{content}" for number, content in blocks)])
