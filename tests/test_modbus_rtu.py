"""RTU frames: CRC, and how frames are found in a stream that was cut, glued and disturbed."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import RemoteError
from smok_twisted.modbus.pdu import Read, ReadIdentification, WriteCoils, decode_request
from smok_twisted.modbus.responses import ExceptionResponse, ReadResponse
from smok_twisted.modbus.rtu import (
    CEILING_OCTETS,
    MAX_FRAME_OCTETS,
    Decoder,
    Frame,
    Noise,
    build_frame,
    crc16,
    request_decoder,
    response_decoder,
)
from smok_twisted.readings import Table

from .test_modbus_pdu import requests
from .test_modbus_responses import EXAMPLES, IDENTIFICATION, responses

#: Requests and responses on the serial line, from the worked examples of design note p24.
P24_FRAMES = {
    "01 03 0FF9 0001 572F": "01 03 02 0029 799A",
    "01 01 1BA0 0008 3B0A": "01 01 01 20 5050",
    "01 06 0FA2 000D EAF9": "01 06 0FA2 000D EAF9",
    "01 05 1BCB FF00 FB20": "01 05 1BCB FF00 FB20",
}
READ = Read(Table.HOLDING, 4089, 1)
ANSWER = bytes.fromhex("01 03 02 0029 799A")
Found = list[Frame | Noise]


def drain(decoder: Decoder) -> Found:
    return list(iter(decoder.next, None))


def merged(found: Iterable[Frame | Noise]) -> Found:
    """Neighbouring noise as one: how much comes at once depends on how the stream was cut."""
    together: Found = []
    for item in found:
        if isinstance(item, Noise) and together and isinstance(together[-1], Noise):
            last = together.pop()
            item = Noise(last.octets + item.octets, last.crc or item.crc)
        together.append(item)
    return together


def decode(decoder: Decoder, *pieces: bytes) -> Found:
    found: Found = []
    for piece in pieces:
        decoder.feed(piece)
        found += drain(decoder)
    return merged(found)


def silent(decoder: Decoder) -> Found:
    """All that is found when the line falls silent."""
    found: Found = []
    while (noise := decoder.silence()) is not None:
        found += [noise, *drain(decoder)]
    return merged(found)


def pieces(stream: bytes, cuts: Iterable[int]) -> list[bytes]:
    edges = [0, *cuts, len(stream)]
    return [stream[begin:end] for begin, end in itertools.pairwise(edges)]


def all_cuts(stream: bytes) -> Iterable[list[bytes]]:
    """``stream`` cut in all 2**(n-1) ways."""
    places = range(1, len(stream))
    for count in range(len(stream)):
        for cuts in itertools.combinations(places, count):
            yield pieces(stream, cuts)


class Frames(SynchronousTestCase):
    def test_crc_bit_by_bit(self) -> None:
        """The table gives what the specification's bit-by-bit algorithm gives."""

        def slow(octets: bytes) -> int:
            crc = 0xFFFF
            for octet in octets:
                crc ^= octet
                for _ in range(8):
                    crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
            return crc

        for octets in (b"", b"\0", bytes(range(256)), b"123456789"):
            self.assertEqual(crc16(octets), slow(octets))
        self.assertEqual(crc16(b"123456789"), 0x4B37)
        self.assertEqual(crc16(ANSWER), 0)

    def test_worked_examples(self) -> None:
        """The frames of the first-generation notes are built and understood to the octet."""
        for asked, answered in P24_FRAMES.items():
            asked, answered = bytes.fromhex(asked), bytes.fromhex(answered)
            self.assertEqual(build_frame(1, asked[1:-2]), asked)
            self.assertEqual(decode(request_decoder(), asked), [Frame(1, asked[1:-2])])
            decoder = response_decoder(1, decode_request(asked[1:-2]))
            self.assertEqual(decode(decoder, answered), [Frame(1, answered[1:-2])])

    @given(st.integers(0, 255), requests)
    def test_requests_are_found(self, unit: int, request: object) -> None:
        """Any request is a frame of the right length, alone and glued to the next."""
        frame = Frame(unit, request.encode())
        octets = build_frame(*frame)
        self.assertLessEqual(len(octets), MAX_FRAME_OCTETS)
        self.assertEqual(decode(request_decoder(), octets + octets), [frame, frame])
        self.assertEqual(decode(request_decoder(), octets[:-1]), [])

    def test_answers_are_found(self) -> None:
        """The answer to each function is a frame of the right length, and so is the exception."""
        for asked, answered, _ in EXAMPLES:
            request = decode_request(bytes.fromhex(asked))
            for pdu in (bytes.fromhex(answered), ExceptionResponse(request.function, 2).encode()):
                octets = build_frame(9, pdu)
                for cut in range(len(octets)):
                    self.assertEqual(decode(response_decoder(9, request), octets[:cut]), [], (asked, cut))
                self.assertEqual(decode(response_decoder(9, request), octets), [Frame(9, pdu)])

    @given(st.integers(0, 255), requests, responses)
    def test_only_the_answer_is_an_answer(self, unit: int, request: object, response: object) -> None:
        """What a decoder of answers finds has the unit and the function that were asked."""
        found = decode(response_decoder(unit, request), build_frame(unit, response.encode()))
        for frame in found:
            if isinstance(frame, Frame):
                self.assertEqual((frame.unit, frame.pdu[0] & 0x7F), (unit, request.function))


class Cuts(SynchronousTestCase):
    def test_every_cut_of_an_answer_among_noise(self) -> None:
        """However the octets arrive, the same frame is found and the same octets are given up."""
        stream = b"\x01\x03" + ANSWER + b"\x01\x83"
        expected = [Noise(2, False), Frame(1, ANSWER[1:-2])]
        for cut in all_cuts(stream):
            self.assertEqual(decode(response_decoder(1, READ), *cut), expected, cut)

    def test_every_cut_of_a_request_among_noise(self) -> None:
        """However the octets arrive, the same request is found."""
        request = build_frame(1, READ.encode())
        stream = b"\xff\xff" + request + b"\xff\xff\xff"
        expected = [Noise(2, True), Frame(1, READ.encode()), Noise(2, False)]
        for cut in all_cuts(stream):
            self.assertEqual(decode(request_decoder(), *cut), expected, cut)

    @given(st.lists(st.one_of(requests.map(lambda it: build_frame(1, it.encode())), st.binary(max_size=20))), st.data())
    def test_any_cut_of_any_requests(self, parts: list[bytes], data: st.DataObject) -> None:
        """Requests and garbage in any mixture: the cuts make no difference."""
        stream = b"".join(parts)
        cuts = data.draw(st.sets(st.integers(0, len(stream))).map(sorted))
        whole, in_pieces = request_decoder(), request_decoder()
        self.assertEqual(decode(in_pieces, *pieces(stream, cuts)), decode(whole, stream))
        self.assertEqual(silent(in_pieces), silent(whole))


class Resynchronisation(SynchronousTestCase):
    def test_wrong_crc(self) -> None:
        """A disturbed answer is given up and said to have had a wrong CRC; the one behind it is found."""
        disturbed = bytes.fromhex("01 03 02 0028 799A")
        found = decode(response_decoder(1, READ), disturbed + ANSWER)
        self.assertEqual(found, [Noise(7, True), Frame(1, ANSWER[1:-2])])

    def test_every_flipped_bit(self) -> None:
        """No single wrong bit gets past the CRC."""
        for bit in range(8 * len(ANSWER)):
            octets = bytearray(ANSWER)
            octets[bit // 8] ^= 1 << bit % 8
            decoder = response_decoder(1, READ)
            found = decode(decoder, bytes(octets)) + silent(decoder)
            self.assertEqual(sum(noise.octets for noise in found), len(ANSWER), bit)

    def test_wrong_unit_function_and_length(self) -> None:
        """Answers of another unit, to another function or of another length are noise, at once."""
        for pdu, unit in (
            (READ.encode(), 1),
            (b"\x03\x02\x00\x29", 2),
            (b"\x04\x02\x00\x29", 1),
            (b"\x03\x04" + bytes(4), 1),
        ):
            octets = build_frame(unit, pdu)
            self.assertEqual(decode(response_decoder(1, READ), octets + ANSWER)[-1], Frame(1, ANSWER[1:-2]))

    def test_echo_of_the_request(self) -> None:
        """Adapters that hear themselves do no harm: the request in front of the answer is noise."""
        found = decode(response_decoder(1, READ), build_frame(1, READ.encode()) + ANSWER)
        self.assertEqual(found, [Noise(8, False), Frame(1, ANSWER[1:-2])])

    @given(st.binary(max_size=300), st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=125).map(tuple))
    def test_garbage_in_front(self, garbage: bytes, values: tuple[int, ...]) -> None:
        """The answer behind any garbage is found, at the latest when the line falls silent."""
        decoder = response_decoder(1, Read(Table.HOLDING, 0, len(values)))
        frame = Frame(1, ReadResponse(3, values).encode())
        found = decode(decoder, garbage + build_frame(*frame)) + silent(decoder)
        self.assertIn(frame, found)

    def test_a_frame_behind_the_begin_of_a_longer_one(self) -> None:
        """Noise that looks like the begin of a long request holds up the next ones until the line falls silent."""
        begin = build_frame(1, WriteCoils(0, 1968 * (0,)).encode())[:7]
        decoder = request_decoder()
        self.assertEqual(decode(decoder, begin + build_frame(1, READ.encode())), [])
        noise, frame = silent(decoder)
        self.assertEqual((noise.octets, frame), (len(begin), Frame(1, READ.encode())))
        self.assertEqual(silent(decoder), [])

    def test_frames_that_would_be_too_long(self) -> None:
        """Lengths beyond the longest frame are noise at once, so nothing waits for what cannot come."""
        for text in ("01 10 0000 007b f8", "01 0f 0000 ffff ff", "01 17 0000 0001 0000 007d f4", "01 07", "01 2b 0d"):
            octets = bytes.fromhex(text)
            self.assertGreaterEqual(decode(request_decoder(), octets)[0].octets, 1, text)
        decoder = response_decoder(1, ReadIdentification(1))
        endless = b"\x01\x2b\x0e\x01\x01\xff\x01\xff" + b"\x00\xf0" + bytes(240) + b"\x01\xff"
        self.assertGreaterEqual(decode(decoder, endless)[0].octets, 1)
        self.assertEqual(decode(response_decoder(1, ReadIdentification(1)), b"\x01\x2b\x0d")[0].octets, 3)

    def test_identification_is_measured_object_by_object(self) -> None:
        """The one response whose length stands nowhere is found whole, however it is cut."""
        octets = build_frame(1, IDENTIFICATION)
        decoder = response_decoder(1, ReadIdentification(1))
        self.assertEqual(decode(decoder, *(bytes((octet,)) for octet in octets)), [Frame(1, IDENTIFICATION)])


class Bounds(SynchronousTestCase):
    @given(st.lists(st.binary(max_size=600), max_size=4))
    def test_memory(self, stream: list[bytes]) -> None:
        """Whatever comes, less than one frame is kept."""
        for decoder in (request_decoder(), response_decoder(1, ReadIdentification(1))):
            found = decode(decoder, *stream)
            taken = sum(item.octets if isinstance(item, Noise) else len(item.pdu) + 3 for item in found)
            kept = sum(map(len, stream)) - taken
            self.assertLess(kept, MAX_FRAME_OCTETS)

    def test_ceiling(self) -> None:
        """What is fed and never asked for does not grow without end."""
        decoder = request_decoder()
        decoder.feed(bytes(CEILING_OCTETS))
        self.assertEqual(self.assertRaises(RemoteError, decoder.feed, b"\0").reason, "too-much")
