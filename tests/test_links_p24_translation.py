"""MODBUS over P24: what it can say, and what it says no to."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import RemoteError
from smok_twisted.links.p24.commands import Code, Command
from smok_twisted.links.p24.translation import commands_of, response_of
from smok_twisted.modbus.pdu import (
    MaskWrite,
    Read,
    ReadIdentification,
    ReadWrite,
    Request,
    WriteCoil,
    WriteCoils,
    WriteRegister,
    WriteRegisters,
)
from smok_twisted.modbus.responses import check_response, read_values
from smok_twisted.readings import Table


class Requests(SynchronousTestCase):
    def test_reads(self) -> None:
        """One command a register or coil, in order, the unit last."""
        for table, code in [(Table.COIL, 4), (Table.HOLDING, 3), (Table.INPUT, 8)]:
            packets = [command.encode() for command in commands_of(9, Read(table, 0xFFFE, 2))]
            self.assertEqual(packets, [bytes((4, code, 0xFF, 0xFE, 9)), bytes((4, code, 0xFF, 0xFF, 9))])

    def test_writes_of_one_value(self) -> None:
        """Functions 5 and 6, and 15 and 16 when they write one."""
        for request, command in [
            (WriteRegister(4002, 13), Command(Code.WRITE_HOLDING, (4002, 13, 1))),
            (WriteRegisters(4002, (13,)), Command(Code.WRITE_HOLDING, (4002, 13, 1))),
            (WriteCoil(7115, True), Command(Code.WRITE_COIL, (7115, 1, 1))),
            (WriteCoil(7115, False), Command(Code.WRITE_COIL, (7115, 0, 1))),
            (WriteCoils(7115, (1,)), Command(Code.WRITE_COIL, (7115, 1, 1))),
        ]:
            self.assertEqual(commands_of(1, request), [command])

    def test_what_p24_cannot_say(self) -> None:
        """Writes of several values are not split: they could end half done."""
        requests: list[Request] = [
            Read(Table.DISCRETE, 0, 1),
            WriteRegisters(0, (1, 2)),
            WriteCoils(0, (1, 1)),
            MaskWrite(0, 1, 1),
            ReadWrite(0, 1, 0, (1,)),
            ReadIdentification(1),
        ]
        for request in requests:
            error = self.assertRaises(RemoteError, commands_of, 1, request)
            self.assertEqual(error.reason, "illegal-function")

    @given(st.sampled_from([Table.COIL, Table.HOLDING, Table.INPUT]), st.lists(st.integers(0, 1), min_size=1))
    def test_values_come_back_as_they_were_read(self, table: Table, values: list[int]) -> None:
        """The response answers the request, with each value in its place."""
        request = Read(table, 7, len(values))
        self.assertEqual(read_values(request, response_of(request, values).encode()), tuple(values))

    def test_responses_to_writes(self) -> None:
        """An echo, or how many were written."""
        requests: list[Request] = [
            WriteRegister(1, 2),
            WriteCoil(1, True),
            WriteRegisters(1, (2,)),
            WriteCoils(1, (0,)),
        ]
        for request in requests:
            check_response(request, response_of(request, []).encode())
