"""A fake device in your unit test: real layers, no sockets.

Run it: python -m twisted.trial examples/test_with_a_fake_device.py
"""

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.devices.orders import Orders, OutcomeUnknown, Priority
from smok_twisted.modbus.bank import RegisterBank
from smok_twisted.modbus.pdu import read_request
from smok_twisted.modbus.protocol import LineFault
from smok_twisted.modbus.responses import read_values
from smok_twisted.readings import Fault, Table
from smok_twisted.testing import BankLine


class YourProgram(SynchronousTestCase):
    def setUp(self) -> None:
        self.boiler = RegisterBank()
        self.boiler.registers[Table.HOLDING][4089] = 251
        self.line = BankLine({1: self.boiler})
        self.orders = Orders()
        self.orders.connected(self.line)
        self.request = read_request(Table.HOLDING, 4089, 1)

    def read(self):
        return self.orders.ask(1, self.request.encode(), Priority.OPERATOR_READ)

    def test_it_reads(self) -> None:
        self.assertEqual(read_values(self.request, self.successResultOf(self.read())), (251,))

    def test_equipment_that_is_silent(self) -> None:
        self.line.silent = {1}
        self.assertIs(self.failureResultOf(self.read(), LineFault).value.fault, Fault.TIMEOUT)

    def test_the_link_is_lost_in_between(self) -> None:
        self.line.hold = True
        answer = self.read()
        self.orders.disconnected()
        self.failureResultOf(answer, OutcomeUnknown)
