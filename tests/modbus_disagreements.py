"""Everything in which our MODBUS and pymodbus differ, each with its reason; sections are those of V1.1b3.

What is not in ``DISAGREEMENTS`` is a defect of one of the two. ``tests.differential`` compares them, and asks tshark
for a third opinion (``tests.modbus_judge``), which stands beside each reason. tshark shows what it can and judges
little: only what it cannot take apart is malformed to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

TAKES, MALFORMED, UNKNOWN = "takes", "malformed", "unknown"  #: the words of tshark's verdicts
FUNCTIONS = (1, 2, 3, 4, 5, 6, 15, 16, 22, 23, 43)
LENGTHS = {5: 5, 6: 5, 22: 7}  #: of the PDUs that are their own echo
Value = tuple[Any, ...]  #: a decoded PDU in plain numbers, the function first


class Case(NamedTuple):
    """A PDU that the two understand differently; None: refused."""

    pdu: bytes
    ours: Value | None
    theirs: Value | None
    is_request: bool

    @property
    def function(self) -> int:
        """Its first octet."""
        return self.pdu[0]


def end_of(pdu: bytes, is_request: bool) -> int | None:
    """Where the PDU ends by its own counts (section 6); None if it is too short to say, or of no function of ours."""
    function = pdu[0]
    if function & 0x80:
        return 2
    if function in LENGTHS:
        return LENGTHS[function]
    if is_request:
        at = {15: 5, 16: 5, 23: 9}.get(function)
        fixed = 4 if function == 43 else 5
    else:
        at = {1: 1, 2: 1, 3: 1, 4: 1, 23: 1}.get(function)
        fixed = _end_of_objects(pdu) if function == 43 else 5
    if at is None:
        return fixed
    return at + 1 + pdu[at] if len(pdu) > at else None


def _end_of_objects(pdu: bytes) -> int:
    at = 7
    for _ in range(pdu[6] if len(pdu) > 6 else 0):
        at += 2 + (pdu[at + 1] if len(pdu) > at + 1 else 0)
    return at


def _length_is_wrong(case: Case) -> bool:
    return end_of(case.pdu, case.is_request) != len(case.pdu)


def _word(pdu: bytes, at: int) -> int:
    return int.from_bytes(pdu[at : at + 2])


def _leaves_the_address_range(case: Case) -> bool:
    pdu = case.pdu
    runs = {1: [1], 2: [1], 3: [1], 4: [1], 15: [1], 16: [1], 23: [1, 5]}.get(case.function, [])
    return any(_word(pdu, at) + _word(pdu, at + 2) > 0x10000 for at in runs)


def _byte_count_is_wrong(case: Case) -> bool:
    pdu = case.pdu
    if case.is_request or case.function not in (1, 2, 3, 4, 23):
        return False
    return not 1 <= pdu[1] <= 250 or (case.function not in (1, 2) and pdu[1] % 2 == 1)


class Reason(NamedTuple):
    """Why the two differ, whether that explains a case, a case that it explains, and what tshark makes of it."""

    text: str
    explains: Callable[[Case], bool]
    example: str  #: "request" or "response", then the PDU in hex
    tshark: str  #: what it makes of the example
    verdicts: tuple[str, ...] = (TAKES,)  #: of the example, then others that cases may get
    we_refuse: bool = True  #: and pymodbus takes it; False: the other way round

    def is_the_one(self, case: Case) -> bool:
        """Whether this is why the two differ in ``case``."""
        return (case.ours is None) == self.we_refuse and self.explains(case)


DISAGREEMENTS: dict[str, Reason] = {
    "another function": Reason(
        "pymodbus knows functions that SMOK does not need (7, 8, 11, 12, 17, 20, 21, 24); the answer to them is"
        " exception 1 (section 7).",
        lambda case: case.function < 0x80 and case.function not in FUNCTIONS,
        "request 07",
        "names it, and the fields of all these functions: malformed where they are missing",
        (TAKES, MALFORMED),
    ),
    "exception as a request": Reason(
        "Codes from 0x80 are exceptions, which no master sends (section 4.1); pymodbus decodes them all the same.",
        lambda case: case.is_request and case.function >= 0x80,
        "request 8302",
        "calls it a query that returns an exception, of an unknown function if it knows no such one",
        (TAKES, UNKNOWN),
    ),
    "another MEI type": Reason(
        "Function 43 with another type than 14: pymodbus has an object for it and refuses only to execute it; in a"
        " response it has no meaning for us (section 6.19).",
        lambda case: case.function == 43 and case.pdu[1:2] != b"\x0e",
        "request 2b0d00",
        "names the type of 13 (CANopen), and shows the rest as data",
    ),
    "wrong length": Reason(
        "pymodbus reads as many octets as it needs, and does not look at those behind them; it takes the bits and"
        " objects that are there for those that were announced. We refuse a PDU that does not end where it says:"
        " what arrived is not what was sent.",
        _length_is_wrong,
        "request 030000000100",
        "reads what it needs and does not mention the octet behind; malformed only where octets are missing",
        (TAKES, MALFORMED, UNKNOWN),
    ),
    "odd or impossible byte count": Reason(
        "Registers come in pairs of octets, 1 to 125 of them, bits in 1 to 250 octets (sections 6.1 to 6.4, 6.17);"
        " pymodbus drops half a register and returns an empty list for none.",
        _byte_count_is_wrong,
        "response 0303000102",
        "malformed: half a register is missing",
        (MALFORMED, TAKES),
    ),
    "coil that is neither on nor off": Reason(
        "Only 0x0000 and 0xff00 are coil values, all others are illegal (section 6.5); pymodbus takes them for on.",
        lambda case: case.function == 5 and _word(case.pdu, 3) not in (0, 0xFF00),
        "request 0500010100",
        "shows the two octets as data, whatever they are",
    ),
    "beyond address 65535": Reason(
        "The last address is 65535 (section 4.4), so we answer exception 2; pymodbus leaves it to the registers"
        " behind.",
        _leaves_the_address_range,
        "request 03ffff0002",
        "shows address and count, and does not add them",
    ),
    "too many coils written": Reason(
        "1968 coils (0x7b0) are the most that fit a PDU of function 15 (section 6.11); pymodbus accepts 2000.",
        lambda case: case.function == 15 and case.is_request and 1968 < _word(case.pdu, 3) <= 2000,
        "request 0f000007b1f7" + "00" * 247,
        "shows the count, and compares it with nothing",
    ),
    "count in an echo": Reason(
        "A response that has written none, or more than a request can ask, answers nothing (sections 6.11, 6.12);"
        " pymodbus does not look at the count.",
        lambda case: (
            not case.is_request
            and case.function in (15, 16)
            and not 1 <= _word(case.pdu, 3) <= (1968 if case.function == 15 else 123)
        ),
        "response 1000010000",
        "shows the count of 0",
    ),
    "unknown identification": Reason(
        "There are the codes 1 to 4 (section 6.21); pymodbus also answers code 0.",
        lambda case: case.function == 43 and case.is_request and case.pdu[2] not in (1, 2, 3, 4),
        "request 2b0e0000",
        "shows the code as unknown",
    ),
    "exception code that is none": Reason(
        "Codes from 128 are our own for faults of the line, and 0 is none (section 7); pymodbus returns any.",
        lambda case: not case.is_request and case.function >= 0x80 and not 1 <= case.pdu[1] <= 127,
        "response 8380",
        "shows any code; 0 is no exception to it, and then it misses the fields of an ordinary response",
        (TAKES, MALFORMED),
    ),
    "exception to function 0": Reason(
        "0 is no function (section 4.1), so 0x80 refuses nothing: pymodbus does not decode it. We do, and it answers"
        " no request of ours.",
        lambda case: not case.is_request and case.function == 0x80,
        "response 8001",
        "an exception, returned by an unknown function",
        (UNKNOWN,),
        we_refuse=False,
    ),
}


def reason_for(case: Case) -> str | None:
    """The name of the disagreement; None if nobody has explained it."""
    return next((name for name, reason in DISAGREEMENTS.items() if reason.is_the_one(case)), None)
