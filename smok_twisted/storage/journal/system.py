"""The calls of the system that matter when power goes, a disk fills up or fails: tests put others in their place."""

from __future__ import annotations

import os
from pathlib import Path


class System:
    """Each call raises OSError."""

    def make_folder(self, folder: Path) -> None:
        """Durably, with all that are above it, if it is not there."""
        if not folder.is_dir():
            self.make_folder(folder.parent)
            self.mkdir(folder)
            self.sync_folder(folder.parent)

    def mkdir(self, folder: Path) -> None:
        """A new one."""
        folder.mkdir(mode=0o700)

    def create(self, path: Path) -> int:
        """A new file, for reading and writing."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)

    def open(self, path: Path) -> int:
        """One that is there."""
        return os.open(path, os.O_RDWR)

    def reserve(self, descriptor: int, octets: int) -> None:
        """Room on the disk, and the length of the file."""
        os.posix_fallocate(descriptor, 0, octets)

    def write(self, descriptor: int, octets: bytes, position: int) -> None:
        """All of them."""
        while octets:
            written = os.pwrite(descriptor, octets, position)
            octets, position = octets[written:], position + written

    def sync(self, descriptor: int) -> None:
        """What was written to the file is on the disk."""
        os.fdatasync(descriptor)

    def sync_folder(self, folder: Path) -> None:
        """And which files there are."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def remove(self, path: Path) -> None:
        """A file."""
        path.unlink()

    def close(self, descriptor: int) -> None:
        """A file."""
        os.close(descriptor)

    def free(self, folder: Path) -> int:
        """Octets that can be written yet."""
        room = os.statvfs(folder)
        return room.f_bavail * room.f_frsize
