"""A capture as a unit test: what was said in the field is said again to your protocol, without sockets.

Run it: python -m twisted.trial examples/replay_a_capture.py
"""

from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.modbus.bank import RegisterBank
from smok_twisted.modbus.responses import decode_response
from smok_twisted.modbus.server import TcpServerFactory
from smok_twisted.readings import Table
from smok_twisted.replay.into import play, read_conversations

CAPTURE = Path(__file__).parent.parent / "fixtures" / "pcaps" / "modbus-tcp-libmodbus.pcap"  # as tcpdump writes them


class YourServer(SynchronousTestCase):
    def test_it_answers_as_the_equipment_did(self) -> None:
        session = read_conversations(CAPTURE)[0]
        answers = play(session.pieces, self.server())
        self.assertEqual(answers, session.said(from_client=False))

    def server(self):
        """The protocol under test: here our MODBUS/TCP server; yours takes octets in ``dataReceived`` as well."""
        unit = RegisterBank()
        unit.registers[Table.HOLDING] = dict(enumerate((0x8029, 550, 0x4048, 0xF5C3, 0xFFFF, 0xFFFE), 10))
        factory = TcpServerFactory(lambda _, request: decode_response(unit.answer(request.encode())), Clock())
        return factory.buildProtocol(None)
