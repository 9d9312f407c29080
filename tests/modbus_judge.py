"""Wireshark's dissector as the third opinion on PDUs that our MODBUS and pymodbus understand differently.

Each PDU goes into a capture as MODBUS/TCP, a segment of its own; the port says whether it is a request. (In RTU tshark
guesses the direction by the length, so there its opinion is of the CRC only.)
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from smok_twisted.modbus import mbap, rtu
from smok_twisted.observe.pcap import write_pcap
from smok_twisted.observe.segments import ACK, PSH, Endpoint, Segment, build

from .modbus_disagreements import MALFORMED, TAKES, UNKNOWN
from .tshark import fields

TCP_PORT, RTU_PORT = 502, 4001
#: A protocol above MODBUS, for which tshark takes random values now and then.
NOT_MODBUS = ("--disable-protocol", "opensafety")
#: Packets in one capture: a client's port for each.
PAGE = 20_000

Pdu = tuple[bytes, bool]  #: and whether it is a request


class Verdict(NamedTuple):
    """``word``: tshark takes the PDU apart, finds it malformed, or does not know the function; ``text``: its line."""

    word: str
    text: str


def verdicts(pdus: Sequence[Pdu]) -> Iterator[Verdict]:
    """In the order of ``pdus``; tshark must be there."""
    frames = [(mbap.Adu(1, 1, pdu).encode(), is_request) for pdu, is_request in pdus]
    for text, malformed in _lines(frames, TCP_PORT, "-e", "_ws.col.Info", "-e", "_ws.malformed"):
        word = MALFORMED if malformed else UNKNOWN if "Unknown function" in text else TAKES
        yield Verdict(word, text)


def bad_crcs(pdus: Sequence[Pdu]) -> int:
    """In how many of our RTU frames of ``pdus`` tshark finds a wrong CRC."""
    frames = [(rtu.build_frame(1, pdu), is_request) for pdu, is_request in pdus]
    options = ("-d", f"tcp.port=={RTU_PORT},mbrtu", "-o", "mbrtu.crc_verification:TRUE")
    lines = _lines(frames, RTU_PORT, *options, "-e", "mbrtu.crc16", "-e", "_ws.expert.message")
    return sum("CRC" in text or not crc for crc, text in lines)


def _lines(frames: Sequence[Pdu], port: int, *arguments: str) -> Iterator[list[str]]:
    """What tshark prints of each packet."""
    rest = iter(frames)
    while page := list(islice(rest, PAGE)):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "pdus.pcap"
            file.write_bytes(write_pcap(_packets(page, port)))
            found = fields(file, *NOT_MODBUS, *arguments)
        assert len(found) == len(page), (len(found), len(page))
        yield from found


def _packets(frames: Sequence[Pdu], port: int) -> Iterator[tuple[int, bytes]]:
    for number, (octets, is_request) in enumerate(frames):
        client, server = Endpoint("192.0.2.2", 10_000 + number), Endpoint("192.0.2.1", port)
        ends = (client, server) if is_request else (server, client)
        yield number, build(Segment(*ends, 1, 1, PSH | ACK, octets, 0), is_request, number)
