"""Rabbit of libtomcrypt, a C library, through ctypes, where there is one that has it.

Its releases (1.18) have none, its development branch does: build that one as a shared library and name its folder in
LD_LIBRARY_PATH.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Callable
from typing import Any

#: More than its ``rabbit_state`` of any version.
_STATE_OCTETS = 1024


def library() -> Any:
    """The library, or None."""
    name = ctypes.util.find_library("tomcrypt")
    found = ctypes.CDLL(name) if name else None
    return found if hasattr(found, "rabbit_crypt") else None


def keystream(found: Any, key: bytes) -> Callable[[bytes], object]:
    """Encrypts on and on, always into the same buffer: nothing but the cipher. (It has its own order of octets.)"""
    state = ctypes.create_string_buffer(_STATE_OCTETS)
    found.rabbit_setup(state, key, ctypes.c_ulong(len(key)))
    out = ctypes.create_string_buffer(1 << 20)
    return lambda data: found.rabbit_crypt(state, data, ctypes.c_ulong(len(data)), out)
