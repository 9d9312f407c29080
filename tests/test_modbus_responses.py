"""MODBUS responses: octets, limits, and whether a response answers its request (V1.1b3, sections 6 and 7)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import Impossible, RemoteError
from smok_twisted.modbus.pdu import (
    MAX_PDU_OCTETS,
    MaskWrite,
    Read,
    ReadIdentification,
    ReadWrite,
    WriteCoil,
    WriteCoils,
    WriteRegister,
    WriteRegisters,
    decode_request,
)
from smok_twisted.modbus.responses import (
    ExceptionResponse,
    IdentificationResponse,
    ModbusException,
    ReadResponse,
    WriteResponse,
    check_response,
    decode_response,
    exception_response,
    read_values,
)
from smok_twisted.readings import Table

from .test_modbus_pdu import BIT, WORD, counts, requests

OBJECTS = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40)), max_size=5).map(tuple)
OCTET = st.integers(0, 255)

responses = st.one_of(
    st.builds(
        ReadResponse,
        st.sampled_from([1, 2]),
        st.integers(1, 250).flatmap(lambda size: st.lists(BIT, min_size=8 * size, max_size=8 * size).map(tuple)),
    ),
    st.builds(ReadResponse, st.sampled_from([3, 4, 23]), st.lists(WORD, min_size=1, max_size=125).map(tuple)),
    st.builds(WriteCoil, WORD, st.booleans()),
    st.builds(WriteRegister, WORD, WORD),
    st.builds(MaskWrite, WORD, WORD, WORD),
    counts(1968).map(lambda it: WriteResponse(15, *it)),
    counts(123).map(lambda it: WriteResponse(16, *it)),
    st.builds(IdentificationResponse, st.integers(1, 4), OCTET, st.booleans(), OCTET, OBJECTS),
    st.builds(ExceptionResponse, st.integers(0, 127), st.integers(1, 127)),
)

IDENTIFICATION = b"\x2b\x0e\x01\x01\x00\x00\x03" + b"\x00\x07Company" + b"\x01\x04Code" + b"\x02\x05V2.11"
#: Request and response of each example of the specification, and the values read.
EXAMPLES = (
    ("01 0013 0013", "01 03 cd6b05", (1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1)),
    ("02 00c4 0016", "02 03 acdb35", (0, 0, 1, 1, 0, 1, 0, 1, 1, 1, 0, 1, 1, 0, 1, 1, 1, 0, 1, 0, 1, 1)),
    ("03 006b 0003", "03 06 022b00000064", (0x022B, 0, 100)),
    ("04 0008 0001", "04 02 000a", (10,)),
    ("05 00ac ff00", "05 00ac ff00", ()),
    ("06 0001 0003", "06 0001 0003", ()),
    ("0f 0013 000a 02 cd01", "0f 0013 000a", ()),
    ("10 0001 0002 04 000a 0102", "10 0001 0002", ()),
    ("16 0004 00f2 0025", "16 0004 00f2 0025", ()),
    (
        "17 0003 0006 000e 0003 06 00ff 00ff 00ff",
        "17 0c 00fe0acd00010003000d00ff",
        (0xFE, 0x0ACD, 1, 3, 13, 255),
    ),
    ("2b 0e 01 00", IDENTIFICATION.hex(), ()),
)


class Octets(SynchronousTestCase):
    def test_examples_of_the_specification(self) -> None:
        """Requests and responses as the specification prints them give the values that it prints."""
        for asked, answered, values in EXAMPLES:
            request, pdu = decode_request(bytes.fromhex(asked)), bytes.fromhex(answered)
            self.assertEqual(read_values(request, pdu), values)
            self.assertEqual(check_response(request, pdu).encode(), pdu)

    def test_identification(self) -> None:
        """A device's own name and version can be read."""
        response = decode_response(IDENTIFICATION)
        self.assertEqual(response.objects, ((0, b"Company"), (1, b"Code"), (2, b"V2.11")))
        self.assertEqual((response.more_follows, response.next_object, response.conformity), (False, 0, 1))
        self.assertEqual(response.encode(), IDENTIFICATION)

    @given(responses)
    def test_what_is_sent_is_what_is_understood(self, response: object) -> None:
        """Any response survives the wire, and fits it."""
        pdu = response.encode()
        self.assertLessEqual(len(pdu), MAX_PDU_OCTETS)
        self.assertEqual(decode_response(pdu), response)

    def test_impossible_responses(self) -> None:
        """A server cannot build what does not fit the wire."""
        for build in (
            lambda: ReadResponse(1, 2001 * (1,)),
            lambda: ReadResponse(3, 126 * (1,)),
            lambda: ReadResponse(3, ()),
            lambda: ReadResponse(3, (65536,)),
            lambda: WriteResponse(15, 0, 1969),
            lambda: WriteResponse(16, 0, 124),
            lambda: WriteResponse(16, 65535, 2),
            lambda: IdentificationResponse(1, 1, False, 0, ((0, bytes(245)),)),
            lambda: ExceptionResponse(3, 0),
            lambda: ExceptionResponse(3, 128),
        ):
            self.assertRaises(Impossible, build)
        self.assertEqual(len(IdentificationResponse(1, 1, False, 0, ((0, bytes(244)),)).encode()), MAX_PDU_OCTETS)


class Strangers(SynchronousTestCase):
    def wrong(self, asked: str, answered: str) -> None:
        request = decode_request(bytes.fromhex(asked))
        error = self.assertRaises(RemoteError, check_response, request, bytes.fromhex(answered))
        self.assertEqual(error.reason, "wrong-reply", answered)

    def test_what_answers_something_else(self) -> None:
        """Another function, byte count, count or echo is never taken for the answer."""
        for asked, answered in (
            ("03 0000 0002", "04 04 00000000"),
            ("03 0000 0002", "03 02 0000"),
            ("03 0000 0002", "03 06 000000000000"),
            ("03 0000 0002", "84 02"),
            ("01 0000 0009", "01 01 00"),
            ("01 0000 0008", "01 02 0000"),
            ("05 0001 ff00", "05 0002 ff00"),
            ("05 0001 ff00", "05 0001 0000"),
            ("06 0001 0003", "06 0001 0004"),
            ("0f 0000 0002 01 03", "0f 0000 0003"),
            ("10 0000 0001 02 0000", "10 0001 0001"),
            ("16 0004 00f2 0025", "16 0004 00f2 0026"),
            ("17 0000 0002 0000 0001 02 0000", "17 02 0000"),
            ("2b 0e 01 00", IDENTIFICATION.hex().replace("2b0e01", "2b0e02", 1)),
        ):
            self.wrong(asked, answered)

    def test_what_is_no_response(self) -> None:
        """Octets that the specification does not know are an error, not a crash, and never a good value."""
        for answered in (
            "", "03", "0304 0000", "03 03 000000", "03 00", "05 0000 0001", "63 00", "83", "83 00", "83 80", "83 02 00",
            "06 0000 00", "2b 0d 01 01 00 00 00", "2b 0e 01 01 00 00 01", "2b 0e 01 01 00 00 01 00 05 41",
            "2b 0e 01 01 00 00 00 00",
        ):  # fmt: skip
            self.wrong("03 0000 0001", answered)

    @given(requests, st.one_of(st.binary(max_size=260), responses.map(lambda response: response.encode())))
    def test_garbage(self, request: object, pdu: bytes) -> None:
        """Any octets are refused as a wrong reply, say no, or bring exactly as many values as were asked for."""
        try:
            values = read_values(request, pdu)
        except RemoteError as error:
            self.assertEqual(error.reason, "wrong-reply")
        except ModbusException as exception:
            self.assertEqual(pdu, bytes((request.function | 0x80, exception.code)))
        else:
            due = {Read: "count", ReadWrite: "read_count"}.get(type(request))
            self.assertEqual(len(values), getattr(request, due) if due else 0)

    @given(responses, st.data())
    def test_truncated_and_lengthened(self, response: object, data: st.DataObject) -> None:
        """A response that lost octets, or has one too many, is refused."""
        pdu = response.encode()
        for wrong in (pdu[: data.draw(st.integers(0, len(pdu) - 1))], pdu + b"\0"):
            self.assertRaises(RemoteError, decode_response, wrong)


class Exceptions(SynchronousTestCase):
    def test_a_no_has_a_code_and_a_name(self) -> None:
        """A user learns what the equipment said, in the words of the specification."""
        error = self.assertRaises(ModbusException, check_response, Read(Table.COIL, 0, 1), b"\x81\x02")
        self.assertEqual((error.code, error.name), (2, "illegal data address"))
        self.assertEqual(str(error), "MODBUS exception 2: illegal data address")

    def test_codes_that_nobody_knows(self) -> None:
        """Vendors invent codes; they are passed on by number."""
        self.assertEqual(str(ModbusException(99)), "MODBUS exception 99: not in the specification")

    def test_any_request_can_be_refused(self) -> None:
        """Every function takes an exception for an answer."""
        for request in (
            Read(Table.INPUT, 0, 1), WriteCoil(0, True), WriteRegister(0, 0), WriteCoils(0, (1,)),
            WriteRegisters(0, (1,)), MaskWrite(0, 0, 0), ReadWrite(0, 1, 0, (1,)), ReadIdentification(1),
        ):  # fmt: skip
            pdu = ExceptionResponse(request.function, 11).encode()
            self.assertEqual(self.assertRaises(ModbusException, check_response, request, pdu).code, 11)

    def test_what_a_server_answers_to_nonsense(self) -> None:
        """A request that cannot be understood is answered by the exception for its fault."""
        for text, answer in {
            "": "8001",
            "07": "8701",
            "87": "8701",
            "03 0000 0000": "8303",
            "03 ffff 0002": "8302",
        }.items():
            pdu = bytes.fromhex(text)
            error = self.assertRaises(RemoteError, decode_request, pdu)
            self.assertEqual(exception_response(pdu, error).encode().hex(), answer)
