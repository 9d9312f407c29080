"""A disk whose power can be cut between any two calls of the system, and that keeps then what POSIX lets it keep.

What was written and not synced may be there or not, each sector of 512 octets by itself; the length of a file, and
each name that was made or removed, too. ``Disk`` does everything for real in a folder and notes it; ``survivors``
gives the folders that may be left when power goes after so many calls.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from smok_twisted.storage.journal.system import System

SECTOR = 512
#: Of the ways in which sectors may survive, so many are drawn by lot, besides those that are always tried.
BY_LOT = 4


class Call(NamedTuple):
    """Of the system. ``what`` is create, reserve, write, sync, mkdir, sync_folder or remove."""

    what: str
    path: Path  #: from the base folder
    file: int = 0  #: the same name may be that of several files, one after the other
    octets: bytes = b""
    position: int = 0


class Disk(System):
    """Below ``base``. At the call number ``stop_at`` it raises ``error`` instead, once."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.calls: list[Call] = []
        self.stop_at: int | None = None
        self.error: Exception = OSError()
        self._count = 0
        self._of_path: dict[Path, int] = {}
        self._of_descriptor: dict[int, tuple[Path, int]] = {}

    def _note(self, what: str, path: Path, *rest: Any) -> None:
        self._count += 1
        if self._count - 1 == self.stop_at:
            raise self.error
        self.calls.append(Call(what, path.relative_to(self.base), *rest))

    def mkdir(self, folder: Path) -> None:
        self._note("mkdir", folder)
        super().mkdir(folder)

    def create(self, path: Path) -> int:
        file = len(self.calls) + 1
        self._note("create", path, file)
        self._of_path[path] = file
        return self._known(path, super().create(path))

    def open(self, path: Path) -> int:
        return self._known(path, super().open(path))

    def _known(self, path: Path, descriptor: int) -> int:
        self._of_descriptor[descriptor] = path, self._of_path[path]
        return descriptor

    def reserve(self, descriptor: int, octets: int) -> None:
        self._note("reserve", *self._of_descriptor[descriptor], b"", octets)
        super().reserve(descriptor, octets)

    def write(self, descriptor: int, octets: bytes, position: int) -> None:
        self._note("write", *self._of_descriptor[descriptor], octets, position)
        super().write(descriptor, octets, position)

    def sync(self, descriptor: int) -> None:
        self._note("sync", *self._of_descriptor[descriptor])

    def sync_folder(self, folder: Path) -> None:
        self._note("sync_folder", folder)

    def remove(self, path: Path) -> None:
        self._note("remove", path)
        super().remove(path)


class _File:
    """What is on the disk, and what is on its way there."""

    def __init__(self) -> None:
        self.kept = b""
        self.newest = b""

    def change(self, call: Call) -> None:
        end = call.position + len(call.octets)
        padded = self.newest.ljust(end, b"\0")
        self.newest = padded[: call.position] + call.octets + padded[end:]

    def sectors(self) -> list[int]:
        """Those that differ."""
        count = -(-len(self.newest) // SECTOR)
        return [one for one in range(count) if _sector(self.kept, one) != _sector(self.newest, one)]

    def survivors(self, lot: random.Random) -> list[bytes]:
        """What may be left: nothing new, all, torn at each sector, each sector lost alone, and some by lot."""
        changed = self.sectors()
        ways: set[tuple[int, ...]] = {(), tuple(changed)}
        for place in range(len(changed)):
            ways |= {tuple(changed[:place]), tuple(changed[place:]), (*changed[:place], *changed[place + 1 :])}
        if len(changed) > 2:
            ways |= {tuple(one for one in changed if lot.random() < 0.5) for _ in range(BY_LOT)}
        short = [self._with(way, 0) for way in sorted(ways)]
        return list(dict.fromkeys([*short, *(self._with(way, len(self.newest)) for way in sorted(ways))]))

    def _with(self, way: tuple[int, ...], length: int) -> bytes:
        octets = bytearray(self.kept.ljust(length, b"\0"))
        for one in way:
            new = _sector(self.newest, one)
            octets.extend(bytes(max(0, one * SECTOR + len(new) - len(octets))))
            octets[one * SECTOR : one * SECTOR + len(new)] = new
        return bytes(octets)


def _sector(octets: bytes, number: int) -> bytes:
    return octets[number * SECTOR : (number + 1) * SECTOR]


class _State:
    """Of the disk after some calls."""

    def __init__(self, calls: list[Call]) -> None:
        self.files: dict[int, _File] = {}
        self.names: dict[Path, int] = {}  # what is surely there; folders are file 0
        self.changes: list[Call] = []  # of names, that may be there or not
        for call in calls:
            getattr(self, f"_{call.what}")(call)

    def _create(self, call: Call) -> None:
        self.files[call.file] = _File()
        self.changes.append(call)

    def _mkdir(self, call: Call) -> None:
        self.changes.append(call)

    def _remove(self, call: Call) -> None:
        self.changes.append(call)

    def _reserve(self, call: Call) -> None:
        self.files[call.file].change(call)

    def _write(self, call: Call) -> None:
        self.files[call.file].change(call)

    def _sync(self, call: Call) -> None:
        self.files[call.file].kept = self.files[call.file].newest

    def _sync_folder(self, call: Call) -> None:
        done = [one for one in self.changes if one.path.parent == call.path]
        self.names = _changed(self.names, done)
        self.changes = [one for one in self.changes if one not in done]

    def survivors(self, lot: random.Random) -> Iterator[dict[Path, bytes | None]]:
        """Names and contents that may be left; None is a folder."""
        for chosen in _subsets(self.changes):
            names = _changed(self.names, chosen)
            names = {path: file for path, file in names.items() if all(up in names for up in path.parents[:-1])}
            ways = [self.files[file].survivors(lot) if file else [None] for file in names.values()]
            for contents in _some_of(ways):
                yield dict(zip(names, contents, strict=True))


def _changed(names: dict[Path, int], calls: list[Call]) -> dict[Path, int]:
    result = dict(names)
    for call in calls:
        if call.what == "remove":
            result.pop(call.path, None)
        else:
            result[call.path] = call.file
    return result


def _subsets(changes: list[Call]) -> Iterator[list[Call]]:
    for chosen in itertools.product((True, False), repeat=len(changes)):
        yield list(itertools.compress(changes, chosen))


def _some_of(ways: list[list[Any]]) -> Iterator[tuple[Any, ...]]:
    """Each way of each file, beside the newest and beside the oldest of the others."""
    seen = set()
    for place, own in enumerate(ways):
        for others in (0, -1):
            for one in own:
                chosen = tuple(one if place == at else way[others] for at, way in enumerate(ways))
                if chosen not in seen:
                    seen.add(chosen)
                    yield chosen
    if not ways:
        yield ()


def survivors(calls: list[Call], seed: int = 1) -> Iterator[dict[Path, bytes | None]]:
    """What may be on the disk when power goes after ``calls``."""
    yield from _State(calls).survivors(random.Random(seed))


def rebuild(names: dict[Path, bytes | None], base: Path) -> None:
    """Such a folder, in place of what was there."""
    for path in sorted(base.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    base.mkdir(exist_ok=True, parents=True)
    for name, octets in sorted(names.items()):
        if octets is None:
            (base / name).mkdir()
        else:
            (base / name).write_bytes(octets)
