"""What ``smok replay`` prints: a table of each kind over all conversations; those that would be empty are left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain

from ..clock import rfc3339
from ..errors import RemoteError
from ..modbus.maps import RegisterMap
from ..modbus.pdu import (
    MaskWrite,
    Read,
    ReadIdentification,
    ReadWrite,
    Request,
    WriteCoil,
    WriteCoils,
    WriteRegister,
    WriteRegisters,
    decode_request,
)
from ..modbus.points import Point, Value
from ..readings import quality_of
from ..replay.findings import SIDES, Findings, Json, Order, PointsOf, Remark
from .output import Column, Output, plain, value_text

_WHICH, _TIME, _UNIT = Column("number", "#", right=True), Column("time", "TIME"), Column("unit", "UNIT", right=True)
CONVERSATIONS = (
    _WHICH,
    Column("protocol", "PROTOCOL"),
    Column("client", "CLIENT"),
    Column("server", "SERVER"),
    Column("device", "DEVICE"),
    Column("begun", "BEGUN"),
    Column("end", "END"),
)
OCTETS = (
    _WHICH,
    Column("from", "FROM"),
    Column("octets", "OCTETS", right=True),
    Column("missing", "MISSING", right=True),
    Column("packets", "PACKETS", right=True),
    Column("ip_octets", "WITH HEADERS", right=True),
    Column("messages", "MESSAGES"),
)
READINGS = (
    *(_WHICH, _TIME, _UNIT),
    Column("table", "TABLE"),
    Column("start", "FROM", right=True),
    Column("quality", "QUALITY"),
    Column("words", "WORDS"),
)
POINTS = (
    *(_WHICH, _TIME, Column("point", "POINT")),
    Column("value", "VALUE", right=True),
    Column("symbol", "UNIT"),
    Column("quality", "QUALITY"),
)
ORDERS = (
    *(_WHICH, _TIME, _UNIT),
    Column("request", "REQUEST"),
    Column("outcome", "OUTCOME"),
    Column("after", "AFTER", right=True),
)
REMARKS = (_WHICH, _TIME, Column("from", "FROM"), Column("what", "WHAT"), Column("detail", "DETAIL"))


def print_tables(output: Output, found: Sequence[Findings], register_map: RegisterMap | None) -> None:
    """With ``register_map``, readings are values of its points."""
    numbered = list(enumerate(found, 1))
    shapes = [{"number": number, **one.as_json(rows=iter)} for number, one in numbered]
    output.rows(None, shapes, CONVERSATIONS)
    _table(output, "octets", (row for shape in shapes for row in _octets(shape)), OCTETS)
    if register_map is None:
        rows = ({"number": shape["number"], **row} for shape in shapes for row in shape["readings"])
        _table(output, "readings", rows, READINGS)
    else:
        points = PointsOf(register_map)
        _table(output, "readings", (row for one in numbered for row in _points(*one, points)), POINTS)
    _table(output, "orders", (_order(number, order) for number, one in numbered for order in one.orders), ORDERS)
    _table(output, "faults", (_remark(number, remark) for number, one in numbered for remark in one.faults), REMARKS)
    _table(output, "events", (_remark(number, remark) for number, one in numbered for remark in one.events), REMARKS)


def _table(output: Output, title: str, rows: Iterator[Json], columns: Sequence[Column]) -> None:
    """One row after the other, so that they need not all be there at once."""
    first = next(rows, None)
    if first is not None:
        output.line(f"\n{title}")
        output.rows(None, chain((first,), rows), columns)


def _octets(shape: Json) -> Iterator[Json]:
    for side in reversed(SIDES):
        row = {name: shape[name][side] for name in ("octets", "missing", "packets", "ip_octets")}
        messages = [f"{count} {name}" for name, count in shape["messages"][side].items()]
        yield {"number": shape["number"], "from": side, **row, "messages": ", ".join(messages)}


def _points(number: int, findings: Findings, points: PointsOf) -> Iterator[Json]:
    """A reading without values is told as it is."""
    for reading in findings.readings:
        row = {"number": number, "time": rfc3339(reading.time_us), "quality": quality_of(reading.fault)}
        if reading.fault:
            yield row | {"point": f"({reading.table.name.lower()} {reading.start} of unit {reading.unit})"}
        for point, value in points.values(reading):
            yield row | {"point": point.name, "value": _value(point, value), "symbol": point.unit}


def _value(point: Point, value: Value | None) -> str:
    """As ``smok values`` shows it."""
    return value_text(value, point.state_name(value), point.precision if point.kind.is_number else None)


def _order(number: int, order: Order) -> Json:
    after = None if order.answered_us is None else f"{(order.answered_us - order.time_us) / 1000:.1f} ms"
    row = {"number": number, "time": rfc3339(order.time_us), "unit": order.unit, "outcome": order.outcome}
    return row | {"request": request_text(order.request), "after": after}


def _remark(number: int, remark: Remark) -> Json:
    row = {"number": number, "time": rfc3339(remark.time_us), "from": SIDES[remark.from_client]}
    return row | {"what": remark.what, "detail": remark.detail}


@lru_cache(maxsize=4096)
def request_text(octets: bytes) -> str:
    """A request PDU in words; remembered, for a master asks the same again and again."""
    try:
        return _words(decode_request(octets))
    except RemoteError:
        return f"no known request: {octets.hex()}"


def _words(request: Request) -> str:
    match request:
        case Read(table, start, count):
            return f"read {table.name.lower()} {_span(start, count)}"
        case WriteCoil(address, on):
            return f"write coil {address} = {int(on)}"
        case WriteRegister(address, value):
            return f"write holding {address} = {value}"
        case WriteCoils(start, values):
            return f"write coil {_span(start, len(values))} = {plain(list(values))}"
        case WriteRegisters(start, values):
            return f"write holding {_span(start, len(values))} = {plain(list(values))}"
        case MaskWrite(address, and_mask, or_mask):
            return f"write holding {address} and {and_mask:#06x} or {or_mask:#06x}"
        case ReadWrite(start, count, write_start, values):
            written = f"{_span(write_start, len(values))} = {plain(list(values))}"
            return f"write holding {written}, read {_span(start, count)}"
        case ReadIdentification(code, object_id):
            return f"read identification {code} from {object_id}"


def _span(start: int, count: int) -> str:
    return str(start) if count == 1 else f"{start}..{start + count - 1}"
