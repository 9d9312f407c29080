"""Our MODBUS beside pymodbus's and libmodbus's: ``make differential`` compares 100,000 PDUs per function and direction.

Half of the PDUs are valid, half are damaged. Where two differ, ``tests.modbus_disagreements`` (pymodbus) or
``tests.libmodbus_disagreements`` must have the reason, and the verdict that tshark gives on the same PDU. Frames of RTU
and MBAP are compared as well, whole and damaged. libmodbus is asked in ``tests.libmodbus_differential``.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import partial
from itertools import product
from random import Random
from typing import Any

from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, mei_message
from pymodbus.pdu.exceptionresponse import ExceptionResponse as TheirException

from smok_twisted.errors import RemoteError
from smok_twisted.modbus import mbap, rtu
from smok_twisted.modbus.pdu import decode_request
from smok_twisted.modbus.responses import IdentificationResponse, decode_response

from . import libmodbus
from .libmodbus_differential import ASKED, beside
from .libmodbus_disagreements import DISAGREEMENTS as libmodbus_listed
from .modbus_disagreements import DISAGREEMENTS as pymodbus_listed
from .modbus_disagreements import FUNCTIONS, TAKES, Case, Value, reason_for
from .modbus_samples import asked_by, damaged, random_request, random_response, replaced
from .modbus_tally import AGREED, AGREED_EVERY, Listed, Tally, judge, summary

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
    our_rtu = rtu.request_decoder if is_request else partial(rtu.response_decoder, adu.unit, asked_by(mine, random))
    checks = {
        "RTU octets": their_rtu.encode(their_pdu, adu.unit, adu.transaction) == rtu_frame,
        "MBAP octets": their_tcp.encode(their_pdu, adu.unit, adu.transaction) == tcp_frame,
        "RTU taken apart by pymodbus": their_rtu.decode(rtu_frame) == (len(rtu_frame), adu.unit, 0, pdu),
        "MBAP taken apart by pymodbus": their_tcp.decode(tcp_frame) == (len(tcp_frame), adu.unit, adu.transaction, pdu),
        "RTU taken apart by us": _next(our_rtu(), rtu_frame) == (adu.unit, pdu),
        "RTU damaged": _nothing_found(our_rtu, their_rtu, rtu_frame, random),
        "RTU behind noise": _found_behind_noise(our_rtu, rtu_frame, adu.unit, random),
        "MBAP taken apart by us": _next(mbap.Decoder(), tcp_frame) == adu,
    }
    tally.defects += [f"{what}: {mine}" for what, agrees in checks.items() if not agrees]


def _next(decoder: mbap.Decoder | rtu.Decoder, octets: bytes) -> Any:
    decoder.feed(octets)
    return decoder.next()


def _nothing_found(our_rtu: Callable[[], rtu.Decoder], their_rtu: FramerRTU, frame: bytes, random: Random) -> bool:
    """A flipped bit, or an end that is missing: neither finds a frame, but for one whose CRC is right by chance."""
    at = random.randrange(len(frame) * 8)
    for wrong in (replaced(frame, at // 8, frame[at // 8] ^ 1 << at % 8), frame[:-1]):
        found = _next(our_rtu(), wrong)
        if isinstance(found, rtu.Frame) and their_rtu.encode(found.pdu, found.unit, 0) not in wrong:
            return False
        _, unit, _, pdu = their_rtu.decode(wrong)
        if pdu and rtu.build_frame(unit, pdu) not in wrong:
            return False
    return True


def _found_behind_noise(our_rtu: Callable[[], rtu.Decoder], frame: bytes, unit: int, random: Random) -> bool:
    """Octets that cannot begin a frame are passed over; a request may be for any unit, so there are none for it."""
    noise = bytes(octet for octet in random.randbytes(3) if octet != unit)
    if our_rtu is rtu.request_decoder or not noise:
        return True
    decoder = our_rtu()
    return bool(_next(decoder, noise + frame) == (len(noise), False)) and decoder.next() == (unit, frame[1:-2])


def main() -> int:
    """Print what was compared; status 1 if there is a disagreement without a reason, or no libmodbus."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="per function and direction")
    parser.add_argument("--seed", type=int, default=4)
    options = parser.parse_args()
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    print("pymodbus:")
    told = [
        _told(compare(*way, options.count, Random(options.seed)), pymodbus_listed, *way)
        for way in product(FUNCTIONS, (True, False))
    ]
    defects = _summed(told, pymodbus_listed)
    library = libmodbus.load()
    if library is None:
        print("no libmodbus: install libmodbus5")
        return 1
    print("libmodbus:")
    with beside(library, Random(options.seed)) as both:
        told_of = partial(_told, listed=libmodbus_listed)
        told = [told_of(both.requests(one, options.count), function=one, is_request=True) for one in FUNCTIONS]
        told += [told_of(both.responses(one, options.count), function=one, is_request=False) for one in ASKED]
        differing = both.differing()
    print(*differing, sep="\n", end="")
    return 1 if _summed(told, libmodbus_listed) or defects or differing else 0


def _told(tally: Tally, listed: Mapping[str, Listed], function: int, is_request: bool) -> Tally:
    judge(tally, listed)
    what = "requests" if is_request else "responses"
    print(
        f"function {function:2}: {tally.compared} {what}, {tally.accepted} accepted,"
        f" {tally.explained.total()} explained, {len(tally.defects)} not",
        flush=True,
    )
    return tally


def _summed(told: Iterable[Tally], listed: Mapping[str, Listed]) -> int:
    total = Tally()
    for tally in told:
        total.add(tally)
    print(f"\n{total.judged[AGREED, TAKES]} that both understand were taken apart by tshark\n")
    print(*summary(total, listed), "", sep="\n")
    return len(total.defects)


if __name__ == "__main__":
    sys.exit(main())
