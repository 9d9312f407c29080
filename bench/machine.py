"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path


def description() -> str:
    """One line: cores, processor, versions."""
    cpu = next(
        (line.split(": ")[1] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    versions = f"Python {platform.python_version()}, Twisted {version('twisted')}, Linux {platform.release()}"
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, {cpu}; {versions}; load {load:.1f} at the end of the run"
