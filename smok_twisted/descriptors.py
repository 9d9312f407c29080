"""File descriptors: how many this process may have. Each connection takes one; the usual soft limit is 1,024."""

from __future__ import annotations

import resource

#: More than any fleet needs; some systems allow a thousand times as many.
_MOST = 1 << 20


def allow(wanted: int = _MOST) -> int:
    """Raise the soft limit towards ``wanted``, as far as the system lets us; how many there may be now."""
    soft, hard = (_MOST if limit == resource.RLIM_INFINITY else limit for limit in _limits())
    if soft < wanted:
        soft = max(soft, min(wanted, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, _limits()[1]))
    return soft


def _limits() -> tuple[int, int]:
    return resource.getrlimit(resource.RLIMIT_NOFILE)
