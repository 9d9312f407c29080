"""MODBUS requests: octets, limits, and what a stranger's octets get (V1.1b3, section 6)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import Impossible, NotAllowed, RemoteError
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
    pack_bits,
    read_request,
    unpack_bits,
    write_request,
)
from smok_twisted.modbus.responses import CODE_OF_REASON
from smok_twisted.readings import Table

WORD = st.integers(0, 0xFFFF)
BIT = st.integers(0, 1)


def runs(values: st.SearchStrategy[int], most: int) -> st.SearchStrategy[tuple[int, tuple[int, ...]]]:
    """(start, values) that lie within the address range."""
    some = st.lists(values, min_size=1, max_size=most).map(tuple)
    return some.flatmap(lambda values: st.tuples(st.integers(0, 0x10000 - len(values)), st.just(values)))


def counts(most: int) -> st.SearchStrategy[tuple[int, int]]:
    """(start, count) that lie within the address range."""
    return st.integers(1, most).flatmap(lambda count: st.tuples(st.integers(0, 0x10000 - count), st.just(count)))


requests = st.one_of(
    st.tuples(st.sampled_from([Table.COIL, Table.DISCRETE]), counts(2000)).map(lambda it: Read(it[0], *it[1])),
    st.tuples(st.sampled_from([Table.HOLDING, Table.INPUT]), counts(125)).map(lambda it: Read(it[0], *it[1])),
    st.builds(WriteCoil, WORD, st.booleans()),
    st.builds(WriteRegister, WORD, WORD),
    runs(BIT, 1968).map(lambda it: WriteCoils(*it)),
    runs(WORD, 123).map(lambda it: WriteRegisters(*it)),
    st.builds(MaskWrite, WORD, WORD, WORD),
    st.tuples(counts(125), runs(WORD, 121)).map(lambda it: ReadWrite(*it[0], *it[1])),
    st.builds(ReadIdentification, st.integers(1, 4), st.integers(0, 255)),
)

#: The examples of the specification, one per function.
EXAMPLES = {
    "01 0013 0013": Read(Table.COIL, 0x13, 19),
    "02 00c4 0016": Read(Table.DISCRETE, 0xC4, 22),
    "03 006b 0003": Read(Table.HOLDING, 0x6B, 3),
    "04 0008 0001": Read(Table.INPUT, 8, 1),
    "05 00ac ff00": WriteCoil(0xAC, True),
    "06 0001 0003": WriteRegister(1, 3),
    "0f 0013 000a 02 cd01": WriteCoils(0x13, (1, 0, 1, 1, 0, 0, 1, 1, 1, 0)),
    "10 0001 0002 04 000a 0102": WriteRegisters(1, (0x0A, 0x0102)),
    "16 0004 00f2 0025": MaskWrite(4, 0xF2, 0x25),
    "17 0003 0006 000e 0003 06 00ff 00ff 00ff": ReadWrite(3, 6, 14, (0xFF, 0xFF, 0xFF)),
    "2b 0e 01 00": ReadIdentification(1, 0),
}


class Octets(SynchronousTestCase):
    def test_examples_of_the_specification(self) -> None:
        """Every function is sent and understood as the specification prints it."""
        for text, request in EXAMPLES.items():
            self.assertEqual(request.encode(), bytes.fromhex(text))
            self.assertEqual(decode_request(bytes.fromhex(text)), request)

    @given(requests)
    def test_what_is_sent_is_what_is_understood(self, request: object) -> None:
        """Any request survives the wire, and fits it."""
        pdu = request.encode()
        self.assertLessEqual(len(pdu), MAX_PDU_OCTETS)
        self.assertEqual(decode_request(pdu), request)

    @given(st.lists(BIT, max_size=50).map(tuple))
    def test_bits(self, bits: tuple[int, ...]) -> None:
        """Bits travel least significant first, padded with zeros."""
        octets = pack_bits(bits)
        self.assertEqual(len(octets), (len(bits) + 7) // 8)
        self.assertEqual(unpack_bits(octets, len(bits)), bits)
        self.assertEqual(sum(unpack_bits(octets, 8 * len(octets))), sum(bits))


class Limits(SynchronousTestCase):
    def test_the_largest_requests_exist_and_one_more_does_not(self) -> None:
        """The quantities of the specification are the limits, to the last one."""
        for build, most in (
            (lambda count: Read(Table.COIL, 0, count), 2000),
            (lambda count: Read(Table.DISCRETE, 0, count), 2000),
            (lambda count: Read(Table.HOLDING, 0, count), 125),
            (lambda count: Read(Table.INPUT, 0, count), 125),
            (lambda count: WriteCoils(0, count * (1,)), 1968),
            (lambda count: WriteRegisters(0, count * (1,)), 123),
            (lambda count: ReadWrite(0, count, 0, (1,)), 125),
            (lambda count: ReadWrite(0, 1, 0, count * (1,)), 121),
        ):
            self.assertEqual(decode_request(build(most).encode()), build(most))
            error = self.assertRaises(Impossible, build, most + 1)
            self.assertIn(f"accepted are 1 to {most}", str(error))
            self.assertRaises(Impossible, build, 0)

    def test_the_last_address_is_65535(self) -> None:
        """A run may end at the last address, not beyond it."""
        for build in (
            lambda start: Read(Table.HOLDING, start, 2),
            lambda start: WriteCoils(start, (1, 1)),
            lambda start: WriteRegisters(start, (1, 1)),
            lambda start: ReadWrite(start, 2, 0, (1,)),
            lambda start: ReadWrite(0, 1, start, (1, 1)),
        ):
            build(65534)
            self.assertRaises(Impossible, build, 65535)
            self.assertRaises(Impossible, build, -1)
        for build in (
            lambda address: WriteCoil(address, True),
            lambda address: WriteRegister(address, 0),
            lambda address: MaskWrite(address, 0, 0),
        ):
            build(65535)
            self.assertRaises(Impossible, build, 65536)

    def test_values_are_words(self) -> None:
        """What is no register value is refused before anything is sent."""
        for build in (
            lambda value: WriteRegister(0, value),
            lambda value: WriteRegisters(0, (1, value)),
            lambda value: MaskWrite(0, value, 0),
            lambda value: MaskWrite(0, 0, value),
            lambda value: ReadWrite(0, 1, 0, (value,)),
        ):
            for value in (-1, 65536, 0.5, "1", None):
                self.assertIn("integers 0 to 65535", str(self.assertRaises(Impossible, build, value)))

    def test_identification(self) -> None:
        """Only the four access codes, and object ids of one octet, exist."""
        for wrong in ((0, 0), (5, 0), (1, -1), (1, 256)):
            self.assertRaises(Impossible, ReadIdentification, *wrong)


class Strangers(SynchronousTestCase):
    def refused(self, text: str) -> str:
        return self.assertRaises(RemoteError, decode_request, bytes.fromhex(text)).reason

    def test_each_fault_has_the_exception_of_the_specification(self) -> None:
        """A master that asks wrongly learns why by the exception code that the specification prescribes."""
        for text, reason in {
            "": "illegal-function",
            "00": "illegal-function",
            "07": "illegal-function",
            "83 0000 0001": "illegal-function",
            "2b 0d 00 00": "illegal-function",
            "03 0000 0000": "illegal-value",
            "03 0000 007e": "illegal-value",
            "01 0000 07d1": "illegal-value",
            "03 0000 00": "illegal-value",
            "03 0000 0001 00": "illegal-value",
            "03 ffff 0002": "illegal-address",
            "05 0000 0001": "illegal-value",
            "05 0000 ff01": "illegal-value",
            "06 0000": "illegal-value",
            "0f 0000 0009 01 ff": "illegal-value",
            "0f 0000 0008 02 ff": "illegal-value",
            "0f 0000 0008 01 ff00": "illegal-value",
            "0f 0000": "illegal-value",
            "10 0000 0001 04 00000000": "illegal-value",
            "10 0000 0002 04 0000": "illegal-value",
            "10 0000 0001 01 00": "illegal-value",
            "10 ffff 0002 04 00000000": "illegal-address",
            "16 0000 0000": "illegal-value",
            "17 0000 0001 0000 0001 04 00000000": "illegal-value",
            "17 0000 0000 0000 0001 02 0000": "illegal-value",
            "17 0000": "illegal-value",
            "2b 0e 05 00": "illegal-value",
            "2b 0e 01": "illegal-value",
        }.items():
            self.assertEqual(self.refused(text), reason, text)

    @given(st.binary(max_size=300))
    def test_garbage(self, pdu: bytes) -> None:
        """Any octets are a request, or refused with a reason that a server can answer."""
        try:
            request = decode_request(pdu)
        except RemoteError as error:
            self.assertIn(error.reason, CODE_OF_REASON)
        else:
            self.assertEqual(len(request.encode()), len(pdu))

    @given(requests, st.data())
    def test_truncated_and_lengthened(self, request: object, data: st.DataObject) -> None:
        """A request that lost octets, or has one too many, is never taken for another one."""
        pdu = request.encode()
        cut = data.draw(st.integers(1, len(pdu) - 1))
        for wrong in (pdu[:cut], pdu + b"\0"):
            self.assertRaises(RemoteError, decode_request, wrong)


class Helpers(SynchronousTestCase):
    def test_read(self) -> None:
        """Table numbers are function codes."""
        self.assertEqual(read_request(Table.INPUT, 7, 2).encode(), bytes.fromhex("04 0007 0002"))

    def test_write(self) -> None:
        """One value goes by the function that every slave knows, several by the other one."""
        for table, values, expected in (
            (Table.COIL, (1,), WriteCoil(5, True)),
            (Table.COIL, (0,), WriteCoil(5, False)),
            (Table.COIL, [0, 1], WriteCoils(5, (0, 1))),
            (Table.HOLDING, (9,), WriteRegister(5, 9)),
            (Table.HOLDING, [9, 8], WriteRegisters(5, (9, 8))),
        ):
            self.assertEqual(write_request(table, 5, values), expected)

    def test_write_what_cannot_be_written(self) -> None:
        """Inputs have no write function; no value at all is no request."""
        for table in (Table.DISCRETE, Table.INPUT):
            self.assertIn("only coils and holding", str(self.assertRaises(NotAllowed, write_request, table, 0, (1,))))
        self.assertRaises(Impossible, write_request, Table.HOLDING, 0, ())
