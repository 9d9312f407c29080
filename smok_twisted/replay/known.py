"""What helps to read conversations; what one of them tells helps with later ones."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..readings import Block
from .findings import CapturedBatch


@dataclass
class Known:
    """See the module."""

    secrets: list[bytes] = field(default_factory=list, repr=False)
    ports: dict[int, str] = field(default_factory=dict)  #: of servers, and the protocol that is spoken there
    plans: dict[tuple[int, int], tuple[Block, ...]] = field(default_factory=dict)  #: by device id and number
    blocks: tuple[Block, ...] | None = None  #: of a plan that no conversation tells
    unacknowledged: dict[tuple[int, int], list[CapturedBatch]] = field(default_factory=dict)  #: by device id and boot
