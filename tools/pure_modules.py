"""The one list of pure modules (``pure_modules.txt``, beside this file), as paths from the project's folder."""

from __future__ import annotations

from pathlib import Path

LIST = Path(__file__).with_name("pure_modules.txt")


def pure_modules() -> list[str]:
    """In the order of the list."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


if __name__ == "__main__":
    print(*pure_modules())
