"""Conversations of SMOK/4: the clear parts always, everything with the device's secret (design note smok4).

The keys follow from HELLO and CHOICE. ``smok4_records`` opens the records, ``smok4_messages`` reads what they say.
"""

from __future__ import annotations

from ..cipher.record import Suite
from ..errors import RemoteError
from ..handshake.keys import session_keys
from ..handshake.messages import Choice, Hello
from ..observe.streams import Piece
from .findings import UNREAD, Findings
from .smok4_messages import Known, Messages
from .smok4_records import Side, opens

HELLO_OCTETS, CHOICE_OCTETS = 20, 9
_SEALED = "without HELLO and CHOICE no secret opens what follows"


class Smok4:
    """One conversation; the device is the client."""

    def __init__(self, findings: Findings, known: Known) -> None:
        self._findings = findings
        self._known = known
        self._sides = Side(CHOICE_OCTETS), Side(HELLO_OCTETS)
        self._hello = self._choice = b""
        self._suite = Suite.RABBIT_SHA1
        self._messages = Messages(findings, known)
        self._is_begun = False

    def heard(self, piece: Piece) -> None:
        """The next piece of either side."""
        self._begin(piece)
        side = self._sides[piece.from_client]
        if piece.missing:
            self._miss(side, piece)
        elif not side.is_lost:
            try:
                self._decode(side, piece)
            except RemoteError as error:
                side.is_lost = True
                self._findings.blame(piece, error.reason, error.detail)

    def ended(self) -> None:
        """Nothing more comes."""
        self._messages.ended()

    def _begin(self, piece: Piece) -> None:
        if not self._is_begun and not self._findings.conversation.is_whole:
            self._lose(piece, f"the capture begins in the middle; {_SEALED}", *self._sides)
        self._is_begun = True

    def _miss(self, side: Side, piece: Piece) -> None:
        was_lost = side.is_lost
        side.missed(piece.missing)
        self._messages.missed(piece.from_client)
        if not was_lost and not self._choice:
            self._lose(piece, f"octets are missing; {_SEALED}", *self._sides)
        elif not was_lost and side.is_lost:
            self._lose(piece, "octets are missing, and without its secret nothing tells where a record begins", side)

    def _lose(self, piece: Piece, why: str, *sides: Side) -> None:
        self._findings.event(piece, UNREAD, why)
        for side in sides:
            side.is_lost = True

    def _decode(self, side: Side, piece: Piece) -> None:
        side.feed(piece.octets)
        while (frame := side.next()) is not None:
            counts = self._findings.messages[piece.from_client]
            if not self._hello and piece.from_client:
                self._take_hello(frame)
                counts["HELLO"] += 1
            elif not self._choice and not piece.from_client:
                self._take_choice(frame)
                counts["CHOICE"] += 1
            else:
                self._record(side, frame, piece)

    def _take_hello(self, octets: bytes) -> None:
        hello, self._hello = Hello.decode(octets), octets
        self._messages.begin(hello.device_id)
        self._findings.identity = {"device": f"{hello.device_id:#018x}", "kid": hello.kid, "suite": None}

    def _take_choice(self, octets: bytes) -> None:
        choice = Choice.decode(octets)
        if not self._hello or choice.suite not in list(Suite):
            raise RemoteError("bad-choice", octets.hex())
        self._choice, self._suite = octets, Suite(choice.suite)
        self._findings.identity["suite"] = choice.suite
        for side in self._sides:
            side.expect_trailer(self._suite.tag_octets)

    def _record(self, side: Side, frame: bytes, piece: Piece) -> None:
        if piece.from_client and not side.records:
            self._prove(frame, piece)
        body = side.open(frame)
        if body is None:
            self._findings.messages[piece.from_client]["record"] += 1
        else:
            self._messages.take(body, piece)

    def _prove(self, frame: bytes, piece: Piece) -> None:
        """The first record of the device shows which secret is the right one."""
        for secret in self._known.secrets:
            if len(secret) == self._suite.secret_octets:
                keys = session_keys(self._suite, secret, self._hello, self._choice)
                if opens(keys.device_to_server, 0, frame):
                    for side, one in zip(self._sides, reversed(keys), strict=True):
                        side.use(one)
                    return
        if self._known.secrets:
            self._findings.fault(piece, "unproven", "no secret that was given opens its LOGIN")
