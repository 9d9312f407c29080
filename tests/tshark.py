"""Wireshark's tshark as the judge of captures: what it complains of, and what it reads."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from twisted.trial.unittest import SkipTest

TSHARK = shutil.which("tshark")
#: Anything that tshark finds wrong with packets or with TCP.
_WRONG = "_ws.malformed || tcp.analysis.flags || tcp.checksum.status == 0 || ip.checksum.status == 0"


def need_tshark() -> None:
    """Skips the test where there is none; CI has it."""
    if TSHARK is None:
        if os.environ.get("CI"):
            raise AssertionError("there is no tshark here, and CI lets it judge captures")
        raise SkipTest("no tshark: captures are not judged; install tshark for that")


def fields(file: Path, *arguments: str) -> list[list[str]]:
    """The answer to ``tshark -T fields``, a list of columns for each line."""
    assert TSHARK is not None
    command = [TSHARK, "-r", str(file), "-T", "fields", "-E", "separator=|", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return [line.split("|") for line in done.stdout.splitlines()]


def complaints(file: Path, *arguments: str, checksums: bool = True) -> list[list[str]]:
    """Numbers and contents of the packets that something is wrong with."""
    checks = ("-o", f"tcp.check_checksum:{checksums}", "-o", f"ip.check_checksum:{checksums}")
    return fields(file, *checks, *arguments, "-Y", _WRONG, "-e", "frame.number", "-e", "_ws.col.Info")
