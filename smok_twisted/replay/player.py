"""Who reads which conversation: by what it begins with, and by its port.

``KINDS`` is the table of protocols; a new one is a line in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from ..errors import RemoteError
from ..handshake.messages import MAGIC
from ..modbus import mbap, rtu
from ..observe.streams import Conversation, Piece
from .findings import Findings
from .modbus import Rtu, Tcp
from .p24 import P24, is_init
from .smok4 import Smok4
from .smok4_messages import Known

#: The longest first frame of any protocol: what has not shown itself by then never does.
OPENING_OCTETS = 260


class Dialect(Protocol):
    """Reads one conversation."""

    def heard(self, piece: Piece) -> None:
        """The next piece of either side."""

    def ended(self) -> None:
        """Nothing more comes."""


class Kind(NamedTuple):
    """One protocol."""

    name: str
    ports: tuple[int, ...]  #: of the server
    begins: Callable[[bytes], bool]  #: whether the first octets of a side are of this kind
    is_proof: bool  #: whether that says more than a port does
    make: Callable[[Findings, Known], Dialect]


def _is_rtu(octets: bytes) -> bool:
    decoder = rtu.request_decoder()
    decoder.feed(octets)
    return isinstance(decoder.next(), rtu.Frame)


def _is_mbap(octets: bytes) -> bool:
    decoder = mbap.Decoder()
    decoder.feed(octets)
    try:
        return decoder.next() is not None
    except RemoteError:
        return False


#: Tried from above. A word or a CRC proves more than zeros at their places do.
KINDS = (
    Kind("smok4", (2406,), lambda octets: octets.startswith(MAGIC), True, Smok4),
    Kind("rtu", (), _is_rtu, True, lambda findings, known: Rtu(findings)),
    Kind("p24", (2405,), is_init, False, lambda findings, known: P24(findings)),
    Kind("modbus-tcp", (502, 1502), _is_mbap, False, lambda findings, known: Tcp(findings)),
)


#: Ports of the protocols that are known by them.
PORTS = tuple(port for kind in KINDS for port in kind.ports)


#: What each of them is called, for users.
PROTOCOLS = ", ".join(kind.name for kind in KINDS[:-1]) + f" or {KINDS[-1].name}"


class Replay:
    """``hear`` every piece of every conversation, then ``finish``; ``found`` is what they said."""

    def __init__(self, known: Known | None = None) -> None:
        self.found: dict[Conversation, Findings] = {}
        self._known = known or Known()
        self._players: dict[Conversation, _Player] = {}

    def hear(self, conversation: Conversation, piece: Piece) -> None:
        """The next piece, as ``streams.pieces`` gives it."""
        if conversation not in self.found:
            findings = self.found[conversation] = Findings(conversation)
            self._players[conversation] = _Player(findings, self._known)
        self._players[conversation].hear(piece)

    def finish(self) -> list[Findings]:
        """What each conversation said, in the order in which they spoke first."""
        for player in self._players.values():
            player.finish()
        return list(self.found.values())


def replay(heard: Iterable[tuple[Conversation, Piece]], known: Known | None = None) -> list[Findings]:
    """All of it; see ``observe.streams.pieces``."""
    player = Replay(known)
    for conversation, piece in heard:
        player.hear(conversation, piece)
    return player.finish()


class _Player:
    """One conversation: its first pieces wait until it is clear what they are."""

    def __init__(self, findings: Findings, known: Known) -> None:
        self._findings = findings
        self._known = known
        self._waiting: list[Piece] = []
        self._dialect: Dialect | None = None
        self._is_decided = False

    def hear(self, piece: Piece) -> None:
        self._findings.octets[piece.from_client] += len(piece.octets)
        self._findings.missing[piece.from_client] += piece.missing
        if self._is_decided:
            self._pass_on(piece)
            return
        self._waiting.append(piece)
        if {one.from_client for one in self._waiting} == {True, False} or sum(self._findings.octets) >= OPENING_OCTETS:
            self._decide()

    def finish(self) -> None:
        if not self._is_decided:
            self._decide()
        if self._dialect is not None:
            self._dialect.ended()

    def _decide(self) -> None:
        kind = self._kind()
        self._is_decided = True
        if kind is not None:
            self._findings.protocol = kind.name
            self._dialect = kind.make(self._findings, self._known)
        for piece in self._waiting:
            self._pass_on(piece)
        self._waiting = []

    def _kind(self) -> Kind | None:
        """What the user says; what it begins with, where that proves something; its port; what it looks like."""
        openings = [
            b"".join(piece.octets for piece in self._waiting if piece.from_client is side) for side in (True, False)
        ]
        fitting = [kind for kind in KINDS if any(map(kind.begins, openings))]
        port = self._findings.conversation.server.port
        told = [kind for kind in KINDS if kind.name == self._known.ports.get(port)]
        proven = [kind for kind in fitting if kind.is_proof]
        by_port = [kind for kind in KINDS if port in kind.ports]
        return [*told, *proven, *by_port, *fitting, None][0]

    def _pass_on(self, piece: Piece) -> None:
        if self._dialect is not None:
            self._dialect.heard(piece)
