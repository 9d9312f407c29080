"""Our MODBUS and pymodbus's, octet by octet: ``make differential`` compares 100,000 PDUs per function and direction.

Half of the PDUs are valid, half are damaged. Where the two differ, ``tests.modbus_disagreements`` must have the reason,
and the verdict that tshark gives on the same PDU.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from random import Random
from typing import Any

from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, mei_message
from pymodbus.pdu.exceptionresponse import ExceptionResponse as TheirException

from smok_twisted.errors import RemoteError
from smok_twisted.modbus import mbap, rtu
from smok_twisted.modbus.pdu import decode_request
from smok_twisted.modbus.responses import IdentificationResponse, decode_response

from .modbus_disagreements import DISAGREEMENTS, FUNCTIONS, TAKES, UNKNOWN, Case, Value, reason_for
from .modbus_judge import Pdu, bad_crcs, verdicts
from .modbus_samples import damaged, random_request, random_response, replaced

# What each of the two makes of a PDU.


def ours(pdu: bytes, is_request: bool) -> Value | None:
    """What we understand; None: refused."""
    try:
        item: Any = (decode_request if is_request else decode_response)(pdu)
    except RemoteError:
        return None
    if isinstance(item, IdentificationResponse):
        objects = sorted(item.objects, key=lambda pair: pair[0])
        return (43, item.code, item.conformity, item.more_follows, item.next_object, tuple(objects))
    return (item.function, *(getattr(item, name) for name in item.__slots__ if name not in ("table", "function")))


class _Registers:
    """A device that has every register, for pymodbus's last checks of a request."""

    async def async_getValues(self, device: int, function: int, address: int, count: int) -> list[int]:
        return [0] * count

    async def async_setValues(self, device: int, function: int, address: int, values: Any) -> None:
        return None


_DECODERS = {True: DecodePDU(True), False: DecodePDU(False)}


def theirs(pdu: bytes, is_request: bool) -> Value | None:
    """What pymodbus understands, and would execute; None: refused."""
    item: Any = _DECODERS[is_request].decode(pdu)
    if item is None:
        return None
    if is_request and item.function_code in FUNCTIONS[:-1]:
        answer = _run(item.datastore_update(_Registers(), 0))
        if isinstance(answer, TheirException):
            return None
    if isinstance(item, TheirException):
        return (item.function_code & 0x7F, item.exception_code)
    return _their_values(item, is_request)


def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of something that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits")


def _their_values(item: Any, is_request: bool) -> Value:
    function = item.function_code
    match function:
        case 1 | 2 | 3 | 4 if is_request:
            return (function, item.address, item.count)
        case 1 | 2:
            return (function, tuple(item.bits))
        case 3 | 4:
            return (function, tuple(item.registers))
        case 5:
            return (function, item.address, item.bits[0])
        case 6:
            return (function, item.address, item.registers[0])
        case 15 | 16 if is_request:
            return (function, item.address, tuple(item.bits if function == 15 else item.registers))
        case 15 | 16:
            return (function, item.address, item.count)
        case 22:
            return (function, item.address, item.and_mask, item.or_mask)
        case 23 if is_request:
            return (function, item.read_address, item.read_count, item.write_address, tuple(item.write_registers))
        case 23:
            return (function, tuple(item.registers))
        case 43 if isinstance(item, mei_message.ReadDeviceInformationRequest):
            return (function, item.read_code, item.object_id)
        case 43 if isinstance(item, mei_message.ReadDeviceInformationResponse):
            return _their_identification(item)
    return (function,)


def _their_identification(item: Any) -> Value:
    objects = [
        (number, octets)
        for number, found in sorted(item.information.items())
        for octets in (found if isinstance(found, list) else [found])
    ]
    return (43, item.read_code, item.conformity, item.more_follows != 0, item.next_object_id, tuple(objects))


# The comparison.

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


def compare(function: int, is_request: bool, count: int, random: Random) -> Tally:
    """Encode ``count`` PDUs of a function, frame them, damage every second, and decode all."""
    tally = Tally()
    for number in range(count):
        mine, foreign = (random_request if is_request else random_response)(function, random)
        pdu = mine.encode()
        _compare_frames(mine, pdu, foreign, is_request, random, tally)
        if number % 2:
            pdu = damaged(pdu, random)
        _compare_values(pdu, is_request, tally)
    return tally


def _compare_values(pdu: bytes, is_request: bool, tally: Tally) -> None:
    mine, foreign = ours(pdu, is_request), theirs(pdu, is_request)
    tally.compared += 1
    tally.accepted += mine is not None
    if mine == foreign:
        if mine is not None and tally.accepted % AGREED_EVERY == 0:
            tally.agreed.append((pdu, is_request))
        return
    reason = reason_for(Case(pdu, mine, foreign, is_request))
    if reason is None:
        tally.defects.append(f"{'request' if is_request else 'response'} {pdu.hex()}: {mine}, pymodbus {foreign}")
    else:
        tally.explained[reason] += 1
        tally.disputed.setdefault(reason, []).append((pdu, is_request))


def _compare_frames(mine: Any, pdu: bytes, foreign: Any, is_request: bool, random: Random, tally: Tally) -> None:
    """RTU and MBAP: the same octets out, and each takes the other's apart."""
    adu = mbap.Adu(random.randrange(0x10000), random.randrange(256), pdu)
    their_pdu = bytes((foreign.function_code,)) + foreign.encode()  # once: the second time it counts its objects twice
    decoder = _DECODERS[is_request]
    their_rtu, their_tcp = FramerRTU(decoder), FramerSocket(decoder)
    rtu_frame, tcp_frame = rtu.build_frame(adu.unit, pdu), adu.encode()
    checks = {
        "RTU octets": their_rtu.encode(their_pdu, adu.unit, adu.transaction) == rtu_frame,
        "MBAP octets": their_tcp.encode(their_pdu, adu.unit, adu.transaction) == tcp_frame,
        "RTU taken apart by pymodbus": their_rtu.decode(rtu_frame) == (len(rtu_frame), adu.unit, 0, pdu),
        "MBAP taken apart by pymodbus": their_tcp.decode(tcp_frame) == (len(tcp_frame), adu.unit, adu.transaction, pdu),
        "RTU damaged": _nothing_found(their_rtu, rtu_frame, random) if is_request else True,
        "MBAP taken apart by us": _next(mbap.Decoder(), tcp_frame) == adu,
    }
    if is_request:
        checks["RTU taken apart by us"] = _next(rtu.request_decoder(), rtu_frame) == (adu.unit, pdu)
    tally.defects += [f"{what}: {mine}" for what, agrees in checks.items() if not agrees]


def _next(decoder: mbap.Decoder | rtu.Decoder, octets: bytes) -> Any:
    decoder.feed(octets)
    return decoder.next()


def _nothing_found(their_rtu: FramerRTU, frame: bytes, random: Random) -> bool:
    """A flipped bit, or an end that is missing: neither finds a frame, but for one whose CRC is right by chance."""
    at = random.randrange(len(frame) * 8)
    for wrong in (replaced(frame, at // 8, frame[at // 8] ^ 1 << at % 8), frame[:-1]):
        found = _next(rtu.request_decoder(), wrong)
        if isinstance(found, rtu.Frame) and their_rtu.encode(found.pdu, found.unit, 0) not in wrong:
            return False
        _, unit, _, pdu = their_rtu.decode(wrong)
        if pdu and rtu.build_frame(unit, pdu) not in wrong:
            return False
    return True


def judge(tally: Tally, at_most: int | None = None) -> None:
    """Let tshark see what is disputed, ``at_most`` so many PDUs of each disagreement, and what is agreed."""
    asked = [(name, pdu) for name, pdus in tally.disputed.items() for pdu in pdus[:at_most]]
    asked += [(AGREED, pdu) for pdu in tally.agreed]
    for (name, pdu), verdict in zip(asked, verdicts([pdu for _, pdu in asked]), strict=True):
        tally.judged[name, verdict.word] += 1
        if verdict.word not in (DISAGREEMENTS[name].verdicts if name in DISAGREEMENTS else (TAKES, UNKNOWN)):
            what = "request" if pdu[1] else "response"
            tally.defects.append(f"{name}: {what} {pdu[0].hex()} is {verdict.word} to tshark: {verdict.text}")
    if bad := bad_crcs(tally.agreed):
        tally.defects.append(f"{bad} RTU frames whose CRC tshark finds wrong")
    tally.disputed, tally.agreed = {}, []


def main() -> int:
    """Print what was compared; status 1 if there is a disagreement without a reason."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="per function and direction")
    parser.add_argument("--seed", type=int, default=4)
    options = parser.parse_args()
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    total = Tally()
    for function in FUNCTIONS:
        for is_request in (True, False):
            tally = compare(function, is_request, options.count, Random(options.seed))
            judge(tally)
            what = "requests" if is_request else "responses"
            print(
                f"function {function:2}: {tally.compared} {what}, {tally.accepted} accepted, "
                f"{tally.explained.total()} explained, {len(tally.defects)} not",
                flush=True,
            )
            total.add(tally)
    print(f"\n{total.judged[AGREED, TAKES]} that both understand were taken apart by tshark\n")
    for name, reason in DISAGREEMENTS.items():
        words = [f"{total.judged[name, word]} {word}" for word in reason.verdicts]
        print(f"{total.explained[name]:8} {name}: {reason.text} tshark: {reason.tshark} ({', '.join(words)}).")
    for defect in total.defects[:20]:
        print(defect)
    return 1 if total.defects else 0


if __name__ == "__main__":
    sys.exit(main())
