"""Which command an answer belongs to: strictly first in, first out (design note p24). Pure.

Answers carry no identity. So nothing is ever sent twice or out of turn, and what was sent keeps its place until it is
answered, even if nobody waits for it any more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

from ...errors import RemoteError
from .commands import Answer, Command, decode_answer

Owner = TypeVar("Owner")


class Pipeline(Generic[Owner]):
    """Commands of one connection, each with whoever wants its answer; at most ``window`` are sent and unanswered."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._waiting: deque[tuple[Command, Owner]] = deque()
        self._sent: deque[tuple[Command, Owner]] = deque()

    @property
    def outstanding(self) -> int:
        """How many commands are sent and not answered."""
        return len(self._sent)

    def is_waiting(self, owner: Owner) -> bool:
        """Whether anything of ``owner`` is not sent yet."""
        return any(entry[1] is owner for entry in self._waiting)

    def put(self, commands: Iterable[Command], owner: Owner) -> None:
        """Queue commands behind all others."""
        self._waiting.extend((command, owner) for command in commands)

    def due(self) -> bytes:
        """The packets that may be sent now; whoever asks sends them at once."""
        packets = []
        while self._waiting and len(self._sent) < self._window:
            command, owner = self._waiting.popleft()
            packets.append(command.encode())
            self._sent.append((command, owner))
        return b"".join(packets)

    def answered(self, packet: bytes) -> tuple[Command, Owner, Answer]:
        """What ``packet`` answers, and to whom. Raises RemoteError for an answer to nothing, or of a wrong shape."""
        if not self._sent:
            raise RemoteError("unexpected-answer", packet.hex())
        command, owner = self._sent.popleft()
        return command, owner, decode_answer(command.code, packet)

    def drop(self, owner: Owner) -> None:
        """Forget what ``owner`` wanted and what is not sent yet."""
        self._waiting = deque(entry for entry in self._waiting if entry[1] is not owner)
