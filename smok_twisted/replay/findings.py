"""What is found in one conversation: readings, orders, faults, events and counts; and the same as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..clock import rfc3339
from ..modbus.maps import RegisterMap
from ..modbus.points import Point, Value
from ..observe.streams import Conversation, Piece
from ..readings import Block, Round, Table, quality_of

Json = dict[str, Any]

SIDES = ("server", "client")
NOT_CAPTURED = "not-captured"
#: The event that says from where on one side or both cannot be read, and why.
UNREAD = "unread"
#: Why batches cannot be read.
UNKNOWN_PLAN = "read by a plan that neither the capture nor the store tells"
UNFOUNDED = "changes of what was reported before the capture, or is missing in it"


class Reading(NamedTuple):
    """What a run of registers or bits held; ``words`` is empty when ``fault`` says why (see ``readings``)."""

    time_us: int
    unit: int
    table: Table
    start: int
    words: tuple[int, ...]
    fault: int = 0
    batch: int | None = None  #: that brought it; None when it answers an order
    size: int = 0  #: registers or bits that were asked for


@dataclass(eq=False)
class CapturedBatch:
    """What a device of SMOK/4 wanted acknowledged: ``rounds`` were read by ``blocks``, the plan of that number."""

    received_us: int
    boot: int
    batch: int
    plan: int
    blocks: tuple[Block, ...]
    rounds: tuple[Round, ...]
    is_acknowledged: bool = False  #: the capture has the server's word that it is durable


class Order(NamedTuple):
    """A MODBUS request and what became of it: good, exception-N, wrong-reply, crc, unanswered; not-captured when octets
    of the other side are missing where the answer may have been; unchecked when we do not know its function."""

    time_us: int
    unit: int
    request: bytes
    outcome: str
    answer: bytes | None = None
    answered_us: int | None = None


class Remark(NamedTuple):
    """Something that one side did: a fault or an event."""

    time_us: int
    from_client: bool
    what: str
    detail: str = ""


@dataclass
class Findings:
    """One conversation. Lists of two are the server's, then the client's."""

    conversation: Conversation
    protocol: str = "unknown"
    identity: Json = field(default_factory=dict)  #: who it was, as far as the protocol tells
    readings: list[Reading] = field(default_factory=list)
    batches: list[CapturedBatch] = field(default_factory=list)  #: those that brought readings, once more
    unread_batches: Counter[str] = field(default_factory=Counter)  #: by why
    orders: list[Order] = field(default_factory=list)
    faults: list[Remark] = field(default_factory=list)
    events: list[Remark] = field(default_factory=list)
    messages: list[Counter[str]] = field(default_factory=lambda: [Counter(), Counter()])
    octets: list[int] = field(default_factory=lambda: [0, 0])
    missing: list[int] = field(default_factory=lambda: [0, 0])

    @property
    def is_whole(self) -> bool:
        """Whether everything was captured so far."""
        return self.conversation.is_whole and not any(self.missing)

    def blame(self, piece: Piece, what: str, detail: str = "") -> None:
        """What ``piece`` says does not make sense: a fault, or, where not all was captured so far, an event."""
        (self.fault if self.is_whole else self.event)(piece, what, detail)

    def fault(self, piece: Piece, what: str, detail: str = "") -> None:
        """The side that said ``piece`` broke the protocol, or cannot be understood."""
        self.faults.append(Remark(piece.time_us, piece.from_client, what, detail))

    def event(self, piece: Piece, what: str, detail: str = "") -> None:
        """Something worth telling."""
        self.events.append(Remark(piece.time_us, piece.from_client, what, detail))

    def take(self, other: Findings) -> None:
        """All that was found of the same conversation in other ones."""
        self.readings += other.readings
        self.orders += other.orders
        self.faults += other.faults
        self.events += other.events
        for counts, more in zip(self.messages, other.messages, strict=True):
            counts.update(more)

    def take_unpaired(self, other: Findings) -> None:
        """Only the orders: which answer is whose has turned out to be wrong."""
        self.orders += [one._replace(outcome=NOT_CAPTURED, answer=None, answered_us=None) for one in other.orders]
        self.messages[False].update(other.messages[False])

    def as_json(
        self, register_map: RegisterMap | None = None, rows: Callable[[Iterable[Json]], Iterable[Json]] = list
    ) -> Json:
        """With ``register_map``, readings have the values of its points too. ``rows`` is what the long lists become:
        with ``iter``, a row is made when it is wanted."""
        one, points = self.conversation, None if register_map is None else PointsOf(register_map)
        return {
            "protocol": self.protocol,
            "client": str(one.client),
            "server": str(one.server),
            "begun": rfc3339(one.begun_us),
            "whole": one.is_whole,
            "end": one.end,
            **self.identity,
            "octets": _by_side(self.octets),
            "missing": _by_side(self.missing),
            "packets": _by_side(one.packets),
            "ip_octets": _by_side(one.ip_octets),
            "messages": _by_side([dict(sorted(counts.items())) for counts in self.messages]),
            "readings": rows(_reading(reading, points) for reading in self.readings),
            "orders": rows(map(_order, sorted(self.orders, key=lambda order: order.time_us))),
            "faults": rows(map(_remark, self.faults)),
            "events": rows(map(_remark, self.events)),
        }


class PointsOf:
    """The points of a register map, found in readings; where each lies in those of one shape is looked for once."""

    def __init__(self, register_map: RegisterMap) -> None:
        self._points = register_map.points
        self._places: dict[tuple[int, ...], list[tuple[Point, slice]]] = {}

    def values(self, reading: Reading) -> Iterator[tuple[Point, Value | None]]:
        """Those that ``reading`` holds whole."""
        shape = reading.unit, reading.table, reading.start, len(reading.words)
        if shape not in self._places:
            self._places[shape] = list(self._held(*shape))
        for point, place in self._places[shape]:
            yield point, point.decode(reading.words[place])

    def _held(self, unit: int, table: Table, start: int, words: int) -> Iterator[tuple[Point, slice]]:
        for point in self._points:
            place = slice(point.address - start, point.address - start + point.words_count)
            if (point.unit_id, point.table) == (unit, table) and place.start >= 0 and place.stop <= words:
                yield point, place


def _by_side(both: Iterable[Any]) -> Json:
    return dict(sorted(zip(SIDES, both, strict=True)))


def _reading(reading: Reading, points: PointsOf | None) -> Json:
    shape: Json = {
        "time": rfc3339(reading.time_us),
        "unit": reading.unit,
        "table": reading.table.name.lower(),
        "start": reading.start,
        "words": list(reading.words),
        "quality": quality_of(reading.fault),
        "batch": reading.batch,
    }
    if points is not None:
        shape["points"] = {point.name: value for point, value in points.values(reading)}
    return shape


def _order(order: Order) -> Json:
    return {
        "time": rfc3339(order.time_us),
        "unit": order.unit,
        "request": order.request.hex(),
        "outcome": order.outcome,
        "answer": None if order.answer is None else order.answer.hex(),
        "answered": None if order.answered_us is None else rfc3339(order.answered_us),
    }


def _remark(remark: Remark) -> Json:
    return {
        "time": rfc3339(remark.time_us),
        "from": SIDES[remark.from_client],
        "what": remark.what,
        "detail": remark.detail,
    }
