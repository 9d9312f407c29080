"""Every parser that a stranger's octets or files reach, each as a function that may raise what it declares, no more.

``tests/corpus`` has a folder for each, with inputs that come far; ``python -m tests.fuzzing --count 20000 [NAME ...]``
damages them at random and prints the slowest input of each parser. (What is gzip'd may cost as much as it unpacks to.)
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from twisted.web.http import parse_qs

from smok_twisted.cipher.record import DirectionKeys, RabbitSha1, RecordOpener, Suite
from smok_twisted.errors import RemoteError, UserError
from smok_twisted.framing.codec import FrameDecoder
from smok_twisted.handshake.messages import Choice, Hello, Login, Welcome
from smok_twisted.interfaces import Opener
from smok_twisted.links.p24 import commands as p24
from smok_twisted.links.smok4 import messages
from smok_twisted.links.smok4.messages import Type
from smok_twisted.links.smok4.plans import PlanAssembler
from smok_twisted.links.smok4.rounds import RoundDecoder
from smok_twisted.modbus import mbap, rtu
from smok_twisted.modbus.maps import parse_map
from smok_twisted.modbus.pdu import Read, ReadIdentification, ReadWrite, Request, WriteCoils, decode_request
from smok_twisted.modbus.responses import ModbusException, check_response, decode_response
from smok_twisted.readings import Block, Table
from smok_twisted.web.members import Members, Query, parse_json

from .fuzzing_files import capture, conversation, http, segment

CORPUS = Path(__file__).resolve().parent / "corpus"
INPUT_OCTETS = 2048  #: the longest input
SLOW_SECONDS = 0.05

KEYS = {suite: DirectionKeys(suite, bytes(range(suite.secret_octets)), bytes(20)) for suite in Suite}
BLOCKS = (
    Block(1, Table.HOLDING, 0, 120, 1, 0, 0),
    Block(1, Table.COIL, 0, 255, 1, 0, 0),
    Block(1, Table.INPUT, 0, 1, 1, 0, 0),
)
ASKED: tuple[Request, ...] = (Read(Table.HOLDING, 0, 2), ReadWrite(0, 2, 0, (1,)), ReadIdentification(1))
NAMES = ("name", "flag", "count", "list", "time", "kind")

Parse = Callable[[bytes], object]


class Parser(NamedTuple):
    """What a stranger talks to. ``refuses`` is the family of errors that it declares."""

    parse: Parse
    refuses: type[Exception]

    def takes(self, octets: bytes) -> bool:
        """Whether it accepts; what it did not declare goes through."""
        try:
            self.parse(octets)
        except self.refuses:
            return False
        return True


def _pieces(octets: bytes) -> Iterator[bytes]:
    """As they may come off a socket; the sizes depend on the octets alone."""
    at = 0
    while at < len(octets):
        size = 1 + octets[at] % 97
        yield octets[at : at + size]
        at += size


def frames(opening_octets: int, trailer_octets: int) -> Callable[[bytes], list[bytes]]:
    """A parser of streams of frames."""

    def parse(octets: bytes) -> list[bytes]:
        decoder, found = FrameDecoder(opening_octets), []
        decoder.trailer_octets = trailer_octets
        for piece in _pieces(octets):
            decoder.feed(piece)
            while (frame := decoder.next()) is not None:
                found.append(frame)
            assert decoder.pending_octets < 1 + 255 + 16
        return found

    return parse


def records(opener: Callable[[], Opener]) -> Parse:
    """A parser of streams of records."""

    def parse(octets: bytes) -> list[bytes]:
        opening = opener()
        return [opening.open(record) for record in frames(0, opening.tag_octets)(octets)]

    return parse


def stream(make: Callable[[], Any]) -> Parse:
    """A parser of what a MODBUS decoder finds."""

    def parse(octets: bytes) -> list[Any]:
        decoder, found = make(), []
        for piece in _pieces(octets):
            decoder.feed(piece)
            while (item := decoder.next()) is not None:
                found.append(item)
        while isinstance(decoder, rtu.Decoder) and decoder.silence():
            while (item := decoder.next()) is not None:
                found.append(item)
        return found

    return parse


DECODERS: dict[int, Parse] = {
    Type.PING: messages.decode_ping,
    Type.ACK: messages.decode_ack,
    Type.MODBUS_REQ: messages.decode_modbus_request,
    Type.MODBUS_RSP: messages.decode_modbus_response,
    Type.EVENT: messages.decode_event,
    Type.KEYUPDATE: messages.decode_key_update,
    Type.KEYOK: messages.decode_key_ok,
    Type.GOAWAY: messages.decode_go_away,
    Type.BYE: messages.decode_bye,
    Type.PLANOK: messages.decode_plan_ok,
    Type.SERVERS: messages.decode_servers,
}


def message(octets: bytes) -> object:
    """One body of a session."""
    decode = DECODERS.get(octets[0]) if octets else None
    return decode(octets[1:]) if decode else None


def plans(octets: bytes) -> None:
    """PLAN records one after another, each behind its length."""
    assembler = PlanAssembler()
    for frame in frames(0, 0)(octets):
        assembler.add(frame[1:])


def data(octets: bytes) -> None:
    """DATA records one after another, each behind its length."""
    decoder = RoundDecoder(BLOCKS)
    for frame in frames(0, 0)(octets):
        decoder.decode(frame[1:])


def response(octets: bytes) -> None:
    """A response PDU, by itself and as the answer to several requests."""
    decode_response(octets)
    for request in ASKED:
        with suppress(RemoteError, ModbusException):
            check_response(request, octets)


def p24_answers(octets: bytes) -> None:
    """The init of a P24 device, then answers to each command in turn."""
    for number, frame in enumerate(frames(p24.INIT_OCTETS, 0)(octets)):
        if number:
            p24.decode_answer(tuple(p24.Code)[number % len(p24.Code)], frame)
        else:
            p24.decode_init(frame)


def p24_commands(octets: bytes) -> None:
    """Commands, as the device's side takes them."""
    for frame in frames(0, 0)(octets):
        p24.decode_command(frame)


def body(octets: bytes) -> None:
    """The body of an HTTP request."""
    members = Members(parse_json(octets), NAMES)
    members.text("name", None)
    members.flag("flag", False)
    members.integer("count", 0)
    members.list_of("list", [], (str, int), "a list")
    members.time_us("time", None)
    members.one_of("kind", "one", ("one", "two"))


def query(octets: bytes) -> None:
    """The query of an HTTP request, taken apart as Twisted does."""
    parameters = Query(parse_qs(octets, keep_blank_values=True), NAMES)
    parameters.text("name")
    parameters.integer("count", 0, 1, 100)
    parameters.time_us("time", 0)
    parameters.one_of("kind", ("one", "two"))


PARSERS: dict[str, Parser] = {
    "frames": Parser(frames(20, 8), RemoteError),
    "hello": Parser(Hello.decode, RemoteError),
    "choice": Parser(Choice.decode, RemoteError),
    "login": Parser(Login.decode, RemoteError),
    "welcome": Parser(Welcome.decode, RemoteError),
    "record_suite_1": Parser(records(KEYS[Suite.RABBIT_SHA1].opener), RemoteError),
    "record_suite_1_pure": Parser(records(lambda: RecordOpener(RabbitSha1(bytes(range(20)), bytes(20)))), RemoteError),
    "record_suite_2": Parser(records(KEYS[Suite.CHACHA20_POLY1305].opener), RemoteError),
    "message": Parser(message, RemoteError),
    "plan": Parser(plans, RemoteError),
    "data": Parser(data, RemoteError),
    "p24_answers": Parser(p24_answers, RemoteError),
    "p24_commands": Parser(p24_commands, RemoteError),
    "modbus_request": Parser(decode_request, RemoteError),
    "modbus_response": Parser(response, RemoteError),
    "mbap": Parser(stream(mbap.Decoder), RemoteError),
    "rtu_request": Parser(stream(rtu.request_decoder), RemoteError),
    "rtu_response": Parser(stream(lambda: rtu.response_decoder(1, ASKED[0])), RemoteError),
    "rtu_identification": Parser(stream(lambda: rtu.response_decoder(1, ASKED[2])), RemoteError),
    "rtu_echo": Parser(stream(lambda: rtu.response_decoder(1, WriteCoils(0, (1,)))), RemoteError),
    "http_body": Parser(body, UserError),
    "http_query": Parser(query, UserError),
    "http": Parser(http, RemoteError),
    "capture": Parser(capture, UserError),
    "segment": Parser(segment, RemoteError),
    "conversation": Parser(conversation, RemoteError),
    "register_map": Parser(lambda octets: parse_map(octets.decode(errors="replace")), UserError),
}


def corpus(name: str) -> list[bytes]:
    """The inputs that are kept for a parser."""
    return [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]


def damaged(octets: bytes, seeds: list[bytes], random: Random) -> bytes:
    """``octets`` with one to four faults."""
    for _ in range(random.randint(1, 4)):
        at = random.randint(0, len(octets))
        match random.randrange(6):
            case 0:
                octets = octets[:at] + random.randbytes(random.randint(1, 8)) + octets[at:]
            case 1:
                octets = octets[:at] + octets[at + random.randint(1, 16) :]
            case 2:
                octets = octets[:at] + bytes((random.choice((0, 1, 0x7F, 0x80, 0xFF)),)) + octets[at + 1 :]
            case 3:
                octets = octets[:at] + octets[at : at + random.randint(1, 64)] * random.randint(1, 40) + octets[at:]
            case 4:
                octets = octets[:at] + random.choice(seeds)[random.randint(0, 32) :]
            case 5 if octets:
                at = random.randrange(len(octets))
                octets = octets[:at] + bytes((octets[at] ^ 1 << random.randrange(8),)) + octets[at + 1 :]
    return octets[:INPUT_OCTETS]


def cpu_seconds(parser: Parser, octets: bytes, runs: int = 1) -> float:
    """What one input costs: the least of several runs, since the first may pay for something else."""
    costs = []
    for _ in range(runs):
        started = time.process_time()
        parser.takes(octets)
        costs.append(time.process_time() - started)
    return min(costs)


def main() -> int:
    """Print, for each parser, the input that costs most; status 1 if one costs more than 50 ms."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=20_000, help="inputs for each parser")
    options.add_argument("--seed", type=int, default=4)
    options.add_argument("names", metavar="NAME", nargs="*", help="of a parser; without, all")
    given = options.parse_args()
    if unknown := set(given.names) - PARSERS.keys():
        options.error(f"no parser {', '.join(unknown)}, there are {', '.join(PARSERS)}")
    worst = 0.0
    for name in given.names or PARSERS:
        parser = PARSERS[name]
        seeds, random = corpus(name), Random(given.seed)
        slowest, seconds = b"", 0.0
        for _ in range(given.count):
            octets = damaged(random.choice(seeds), seeds, random)
            if cpu_seconds(parser, octets) > seconds:
                slowest, seconds = octets, max(seconds, cpu_seconds(parser, octets, 5))
        print(f"{name:20} {seconds * 1000:8.3f} ms  {slowest[:40].hex()}", flush=True)
        worst = max(worst, seconds)
    return 1 if worst > SLOW_SECONDS else 0


if __name__ == "__main__":
    sys.exit(main())
