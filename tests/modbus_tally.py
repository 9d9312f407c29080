"""What comes of comparing two implementations of MODBUS, and what tshark says to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from .modbus_disagreements import TAKES, UNKNOWN
from .modbus_judge import Pdu, bad_crcs, verdicts


class Listed(Protocol):
    """A disagreement with its reason."""

    @property
    def text(self) -> str:
        """The reason."""

    @property
    def tshark(self) -> str:
        """What it makes of an example."""

    @property
    def verdicts(self) -> tuple[str, ...]:
        """Its words: of the example, then others that cases may get."""


#: Of the PDUs that both understand the same, so many are one that tshark sees too.
AGREED_EVERY = 20
AGREED = "agreed"


@dataclass
class Tally:
    """What came of it. ``defects`` are disagreements that nobody has explained, and verdicts that nobody expected.

    ``disputed`` has the PDUs of each explained disagreement, ``agreed`` some of those that both understand the same.
    """

    compared: int = 0
    accepted: int = 0
    explained: Counter[str] = field(default_factory=Counter)
    defects: list[str] = field(default_factory=list)
    disputed: dict[str, list[Pdu]] = field(default_factory=dict)
    agreed: list[Pdu] = field(default_factory=list)
    judged: Counter[tuple[str, str]] = field(default_factory=Counter)  #: by disagreement and word

    def add(self, other: Tally) -> None:
        """Take another's."""
        self.compared += other.compared
        self.accepted += other.accepted
        self.explained += other.explained
        self.defects += other.defects
        self.judged += other.judged
        self.agreed += other.agreed
        for name, pdus in other.disputed.items():
            self.disputed.setdefault(name, []).extend(pdus)


def judge(tally: Tally, listed: Mapping[str, Listed], at_most: int | None = None) -> None:
    """Let tshark see what is disputed, ``at_most`` so many PDUs of each disagreement, and what is agreed."""
    asked = [(name, pdu) for name, pdus in tally.disputed.items() for pdu in pdus[:at_most]]
    asked += [(AGREED, pdu) for pdu in tally.agreed]
    for (name, pdu), verdict in zip(asked, verdicts([pdu for _, pdu in asked]), strict=True):
        tally.judged[name, verdict.word] += 1
        if verdict.word not in (listed[name].verdicts if name in listed else (TAKES, UNKNOWN)):
            what = "request" if pdu[1] else "response"
            tally.defects.append(f"{name}: {what} {pdu[0].hex()} is {verdict.word} to tshark: {verdict.text}")
    if bad := bad_crcs(tally.agreed):
        tally.defects.append(f"{bad} RTU frames whose CRC tshark finds wrong")
    tally.disputed, tally.agreed = {}, []


def summary(tally: Tally, listed: Mapping[str, Listed]) -> Iterator[str]:
    """A line for each disagreement, with how often it was met; then the defects."""
    for name, reason in listed.items():
        words = [f"{tally.judged[name, word]} {word}" for word in reason.verdicts]
        yield f"{tally.explained[name]:8} {name}: {reason.text} tshark: {reason.tshark} ({', '.join(words)})."
    yield from tally.defects[:20]
