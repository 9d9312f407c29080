"""Everything in which our MODBUS and libmodbus (3.1.6) differ, each with its reason; sections are those of V1.1b3.

As ``tests.modbus_disagreements`` has it for pymodbus. Here the two are a whole unit each, and a whole master: they
differ when one answers something else, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from smok_twisted.modbus import rtu
from smok_twisted.modbus.pdu import Request

from .modbus_disagreements import FUNCTIONS, MALFORMED, TAKES, UNKNOWN, end_of

#: What a master makes of a response: "values" or "exception", then numbers; None: it is no answer.
Meaning = tuple[str | int, ...] | None
UNIT = 17  #: that all are asked of
REPORT_ID = 17
ILLEGAL_FUNCTION = 1


class Case(NamedTuple):
    """A request PDU, and the PDUs that two units answer (None: nothing); or, with ``request``, what two masters make
    of a response PDU to it."""

    pdu: bytes
    is_rtu: bool
    ours: bytes | Meaning
    theirs: bytes | Meaning
    request: Request | None = None

    @property
    def is_request(self) -> bool:
        """Whether two units were asked."""
        return self.request is None

    @property
    def function(self) -> int:
        """Its first octet."""
        return self.pdu[0]

    @property
    def end(self) -> int | None:
        """Where the PDU ends by its own counts; None if it is too short to say."""
        return end_of(self.pdu, self.is_request)

    @property
    def is_refused(self) -> bool:
        """Whether what we answer, or understand, is an exception, or nothing."""
        return not self.ours or self.ours[0] == "exception" or (self.is_request and self.function_answered >= 0x80)

    @property
    def function_answered(self) -> int:
        """The first octet of what our unit answers."""
        return self.ours[0] if isinstance(self.ours, bytes) else 0


def _we_refuse(case: Case) -> bool:
    return case.is_request and case.function_answered >= 0x80


def _is_known(case: Case) -> bool:
    """Whether libmodbus knows how long such a request is: all up to 6, and those of ours from there on but 43."""
    return case.function in (0, *FUNCTIONS[:-1])


def _waits(case: Case) -> bool:
    is_short = case.end is None or case.end > len(case.pdu)
    return _we_refuse(case) and case.theirs is None and _is_known(case) and is_short


def _octets_behind(case: Case) -> bool:
    refused = _we_refuse(case) and _is_known(case) if case.is_request else case.ours is None
    if not refused or case.end is None or case.end >= len(case.pdu):
        return False
    shorter, whole = (rtu.build_frame(UNIT, pdu) for pdu in (case.pdu[: case.end], case.pdu))
    return (case.theirs is not None) == (not case.is_rtu or whole.startswith(shorter))


def _has_no_crc_there(case: Case) -> bool:
    return _we_refuse(case) and case.is_rtu and case.theirs is None and not _is_known(case) and len(case.pdu) > 1


def _answers_without_bit(case: Case) -> bool:
    return case.is_request and case.function >= 0x80 and case.theirs == bytes((case.function & 0x7F, ILLEGAL_FUNCTION))


def _another_function(case: Case) -> bool:
    return _we_refuse(case) and case.function == (7 if case.theirs is None else REPORT_ID)


def _has_no_identification(case: Case) -> bool:
    return _we_refuse(case) and case.function == 43 and case.theirs == bytes((0xAB, ILLEGAL_FUNCTION))


def _more_octets_than_coils(case: Case) -> bool:
    pdu = case.pdu
    return _we_refuse(case) and case.function == 15 and case.end == len(pdu) and 8 * pdu[5] >= int.from_bytes(pdu[3:5])


def _address_before_value(case: Case) -> bool:
    no = bytes((0x85,))
    return case.function == 5 and (case.ours, case.theirs) == (no + b"\3", no + b"\2")


def _another_echo(case: Case) -> bool:
    is_echo = not case.is_request and case.function in (5, 6, 15, 16, 22)
    return is_echo and (case.ours, case.theirs) == (None, ("values",))


def _unknown_exception(case: Case) -> bool:
    return not case.is_request and case.theirs is None and case.function >= 0x80 and case.pdu[1] not in range(1, 12)


class Reason(NamedTuple):
    """Why the two differ, whether that explains a case, one that it explains, and what tshark makes of its PDU."""

    text: str
    explains: Callable[[Case], bool]
    example: str  #: "tcp" or "rtu", then a request in hex; and the response to it, if that is what it is about
    tshark: str  #: what it makes of the example
    verdicts: tuple[str, ...] = (TAKES,)  #: of the example, then others that cases may get


DISAGREEMENTS: dict[str, Reason] = {
    "waits for more": Reason(
        "libmodbus looks for the length of a request in its function and its byte count, not in the header of"
        " MODBUS/TCP: where octets are missing it waits, and takes the next request for them. We answer exception 3"
        " (Implementation Guide, section 3.1.3: the length is in the header).",
        _waits,
        "tcp 03800000",
        "malformed: the octets are missing",
        (MALFORMED, TAKES, UNKNOWN),
    ),
    "octets behind": Reason(
        "For the same reason libmodbus takes a PDU that is too long for a shorter one, and what is behind for the begin"
        " of the next; with RTU it then finds no CRC, but by chance, and"
        " says nothing. We refuse what does not end where it says.",
        _octets_behind,
        "tcp 038000000100",
        "reads what it needs and does not mention the octet behind",
        (TAKES, MALFORMED, UNKNOWN),
    ),
    "unknown function over RTU": Reason(
        "libmodbus does not know the length of a function that it does not know, looks for the CRC right behind it, and"
        " stays silent. Our unit, which is given the whole PDU, answers exception 1 (section 7).",
        _has_no_crc_there,
        "rtu 2b0e0100",
        "takes it apart",
        (TAKES, UNKNOWN, MALFORMED),
    ),
    "exception as a request": Reason(
        "No master sends codes from 0x80 (section 4.1). libmodbus adds 0x80 once more, so that its exception looks like"
        " a response of an ordinary function; ours keeps the bit.",
        _answers_without_bit,
        "tcp 8302",
        "calls it a query that returns an exception, of an unknown function if it knows no such one",
        (TAKES, UNKNOWN),
    ),
    "functions 7 and 17": Reason(
        "libmodbus knows two functions that SMOK does not need, and whose answer is exception 1 (section 7): it reports"
        " its name (17), and ignores a request for the exception status (7).",
        _another_function,
        "tcp 11",
        "names it",
    ),
    "no identification": Reason(
        "libmodbus has no function 43, and refuses whatever begins with it as illegal. We look into it first: what is"
        " no whole request of 43/14 is an illegal value (section 6.21).",
        _has_no_identification,
        "tcp 2b0e0000",
        "shows the code as unknown",
        (TAKES, MALFORMED),
    ),
    "more octets than coils": Reason(
        "The byte count of function 15 is that of its coils (section 6.11); libmodbus only asks whether it is enough.",
        _more_octets_than_coils,
        "tcp 0f8000000903ffffff",
        "shows all three octets as data",
    ),
    "address before value": Reason(
        "A coil that is neither on nor off, at an address that is not there: the value is looked at first (figure 15 in"
        " section 6.5), so we answer exception 3; libmodbus answers 2.",
        _address_before_value,
        "tcp 0500000100",
        "shows the two octets as data, whatever they are",
    ),
    "another echo": Reason(
        "The response to a write repeats the request, or its address and count (sections 6.5, 6.6, 6.11, 6.12, 6.16)."
        " libmodbus compares the counts of 15 and 16, and nothing of the others; to us another echo is an answer to"
        " something else.",
        _another_echo,
        "tcp 0680000001 0680000002",
        "shows what is there",
    ),
    "unknown exception": Reason(
        "libmodbus knows the exceptions 1 to 11; another is to it no answer at all. Equipment returns codes of its own,"
        " which we report as they are (section 7 forbids none).",
        _unknown_exception,
        "tcp 0380000001 8320",
        "shows any code",
    ),
}


def reason_for(case: Case) -> str | None:
    """The name of the disagreement; None if nobody has explained it."""
    return next((name for name, reason in DISAGREEMENTS.items() if reason.explains(case)), None)
