"""A small file system in a mount namespace of its own: nobody else sees it, and it is gone with the test."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

#: Its end of file ends it: so it does not outlive us, whatever becomes of us.
_HOLD = 'mount -t tmpfs -o "size=$1" none "$0" && echo mounted && exec cat'
_ENTER = 'cd "$0" && exec "$@"'
_IS_ROOT = os.geteuid() == 0
_UNSHARE = ["unshare", "--mount"] if _IS_ROOT else ["unshare", "--map-root-user", "--mount"]


def lacking() -> str:
    """Why there can be none here; empty when there can."""
    tried = subprocess.run([*_UNSHARE, "mount", "-t", "tmpfs", "none", "/mnt"], check=False, capture_output=True)
    return "this system lets nobody mount a file system: no disk fills up under a daemon" if tried.returncode else ""


class SmallDisk:
    """On ``folder``, with room for so many octets. ``remove`` it."""

    def __init__(self, folder: Path, octets: int) -> None:
        """Raises OSError where ``lacking`` says something."""
        folder.mkdir(parents=True, exist_ok=True)
        hold = [*_UNSHARE, "sh", "-c", _HOLD, str(folder), str(octets)]
        self._holder = subprocess.Popen(hold, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != b"mounted\n":
            raise OSError(f"{folder}: nothing can be mounted there")
        self._ballast = self.seen(folder / "ballast")

    def prefix(self, folder: Path) -> list[str]:
        """What stands before a command that is to see it; it runs in ``folder``."""
        enter = ["nsenter", f"--target={self._holder.pid}", "--mount"]
        own_user = [] if _IS_ROOT else ["--user", "--preserve-credentials"]
        return [*enter, *own_user, "sh", "-c", _ENTER, str(folder)]

    def seen(self, path: Path) -> Path:
        """Where we find what is at ``path`` for those inside."""
        return Path(f"/proc/{self._holder.pid}/root") / path.absolute().relative_to("/")

    def fill(self) -> None:
        """No octet of room is left."""
        with self._ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    def empty(self) -> None:
        """What ``fill`` took is free again."""
        self._ballast.unlink()

    def remove(self) -> None:
        """With all that is on it."""
        self._holder.communicate()
