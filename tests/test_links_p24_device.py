"""The device side: it behaves as the published firmware does, octet by octet on both of its wires."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.framing.codec import FrameDecoder
from smok_twisted.framing.protocol import FramedProtocol, FramingTimes
from smok_twisted.links.p24.commands import ACCEPTED, REFUSED, Code, Command
from smok_twisted.links.p24.device import P24Device
from smok_twisted.modbus.bank import RegisterBank
from smok_twisted.modbus.protocol import Line, LineFault
from smok_twisted.modbus.rtu import build_frame
from smok_twisted.readings import Fault, Table
from smok_twisted.testing import BankLine, connect

from .p24_in_memory import RawEnd
from .server_in_memory import Notes


class SerialLine:
    """Answers each RTU request with what the test says: a reply, a fault, or the very same octets."""

    def __init__(self, reply: bytes | Fault | None) -> None:
        self.reply = reply
        self.requests: list[bytes] = []

    def execute(self, unit: int, pdu: bytes, timeout_seconds: float) -> Deferred[bytes]:
        self.requests.append(build_frame(unit, pdu))
        if isinstance(self.reply, Fault):
            return fail(LineFault(self.reply))
        return succeed(pdu if self.reply is None else self.reply[1:-2])

    def stop(self) -> Deferred[None]:
        return succeed(None)


#: Number in the note, from the server, RTU request, RTU reply (None: an echo), to the server.
EXAMPLES: list[tuple[int, str, str, str | Fault | None, str]] = [
    (4, "04 03 0f f9 01", "01 03 0f f9 00 01 57 2f", "01 03 02 00 29 79 9a", "03 00 00 29"),
    (5, "04 03 0f f9 01", "01 03 0f f9 00 01 57 2f", "01 03 02 80 29 18 5a", "03 00 80 29"),
    (6, "04 03 0f f9 01", "01 03 0f f9 00 01 57 2f", "01 03 02 ff d7 b9 ea", "03 00 ff d7"),
    (7, "04 04 1b a5 01", "01 01 1b a0 00 08 3b 0a", "01 01 01 20 50 50", "02 00 01"),
    (8, "06 05 0f a2 00 0d 01", "01 06 0f a2 00 0d ea f9", None, "02 00 00"),
    (9, "05 06 1b cb 01 01", "01 05 1b cb ff 00 fb 20", None, "02 00 00"),
    (10, "04 03 0f f9 01", "01 03 0f f9 00 01 57 2f", Fault.TIMEOUT, "02 fe 01"),
    (11, "01 07", "", None, "0c 00 0a 46 52 49 53 4b 4f 2d 31 2e 30"),
    (12, "01 00", "", None, "01 00"),
    (13, "04 08 00 10 01", "", None, "01 ff"),
    (
        14,
        "01 02",
        "",
        None,
        "1e 00 c0 a8 02 07 ff ff ff 00 c0 a8 02 01 c0 a8 02 01 0c 73 6d 6f 6b 2e 65 78 61 6d 70 6c 65",
    ),
]


class Firmware(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.notes = Clock(), Notes()

    def tearDown(self) -> None:
        self.assertEqual([crash.getTraceback() for crash in self.notes.crashes], [])

    def connected(self, line: Line, answer: bytes = ACCEPTED, junk: int = 0) -> RawEnd:
        """The server's end of a connection that the device has made; it has answered the init."""
        self.heard: list[int] = []
        self.device = P24Device(0x30001, line, junk=junk, heard=lambda command: self.heard.append(command.code))
        protocol = FramedProtocol(FrameDecoder(0), self.device, self.clock, FramingTimes(), self.notes)
        end = RawEnd()
        end.wire = connect(end, protocol)
        self.assertEqual(end.take(), "00 00 00 00 00 03 00 01 00 00 00 00")
        end.say(answer)
        return end

    def test_worked_examples(self) -> None:
        """4 to 14, all four columns."""
        for number, command, request, reply, answer in EXAMPLES:
            line = SerialLine(bytes.fromhex(reply) if isinstance(reply, str) else reply)
            end = self.connected(line)
            end.say(command)
            self.assertEqual(b"".join(line.requests).hex(" "), request, number)
            self.assertEqual(end.take(), answer, number)

    def test_three_in_one_segment(self) -> None:
        """15: ok, time-out, coil on; one after the other on the serial line."""
        line = BankLine({1: RegisterBank()})
        line.units[1].registers[Table.HOLDING] = {4089: 41}
        line.units[1].registers[Table.COIL] = dict.fromkeys(range(7072, 7080), 0) | {7077: 1}
        end = self.connected(line)
        end.say("04 03 0f f9 01 04 03 10 26 01 04 04 1b a5 01")
        self.assertEqual(end.take(), "03 00 00 29 02 fe 01 02 00 01")
        self.assertEqual(self.heard, [3, 3, 4])

    def test_silence_after_the_init(self) -> None:
        """Not a word unasked, for as long as the connection lasts."""
        end = self.connected(BankLine({}))
        self.clock.advance(59)
        self.assertEqual((end.take(), end.wire.up), ("", True))

    def test_refused(self) -> None:
        """It closes, and will reboot."""
        end = self.connected(BankLine({}), REFUSED)
        self.assertEqual((end.wire.up, self.notes.reasons, self.device.is_accepted), (False, ["refused"], False))

    def test_idle_for_a_minute(self) -> None:
        """The connection is reset; any command puts that off."""
        end = self.connected(BankLine({}))
        self.clock.advance(59)
        end.say("01 00")
        self.clock.advance(59)
        end.wire.pump()
        self.assertTrue(end.wire.up)
        self.clock.advance(1)
        end.wire.pump()
        self.assertFalse(end.wire.up)

    def test_eight_aligned_coils(self) -> None:
        """A coil is picked out of its group; where the group leaves the equipment's range, none can be read."""
        bank = RegisterBank()
        bank.registers[Table.COIL] = {coil: int(coil in (8, 13, 15)) for coil in range(8, 18)}
        line = BankLine({1: bank})
        end = self.connected(line)
        for coil in range(8, 16):
            end.say(bytes((4, 4, 0, coil, 1)))
        bits = "".join(end.take().split()[2::3])
        self.assertEqual(bits, "0100000000010001")
        self.assertEqual({pdu.hex() for _, pdu in line.asked}, {"0100080008"})
        end.say("04 04 00 10 01")
        self.assertEqual(end.take(), "02 fe 01")

    def test_junk_behind_the_success_of_a_write(self) -> None:
        """Whatever is in its buffer."""
        bank = RegisterBank()
        bank.registers[Table.HOLDING] = {7: 0}
        end = self.connected(BankLine({1: bank}), junk=0xA5)
        end.say("06 05 00 07 12 34 01")
        self.assertEqual((end.take(), bank.registers[Table.HOLDING]), ("02 00 a5", {7: 0x1234}))

    def test_faults_of_the_serial_line(self) -> None:
        """An exception of the equipment looks like its silence; what is garbled looks like a bad CRC."""
        for reply, answer in [
            (bytes.fromhex("01 83 02 c0 f1"), "02 fe 01"),
            (Fault.BUS_DOWN, "02 fe 01"),
            (Fault.CRC, "02 fe 00"),
            (Fault.WRONG_REPLY, "02 fe 00"),
            (bytes.fromhex("01 03 04 00 29 00 29 0a 25"), "02 fe 00"),
        ]:
            end = self.connected(SerialLine(reply))
            end.say("04 03 0f f9 01")
            self.assertEqual(end.take(), answer)

    def test_a_command_that_would_run_on_stale_octets(self) -> None:
        """The simulation does not do what the firmware would: who sends one finds out."""
        for packet in ("03 03 00 07", "00", "01 01"):
            end = self.connected(BankLine({1: RegisterBank()}))
            end.say(packet)
            self.assertFalse(end.wire.up)
            self.assertIn(self.notes.reasons[-1], ("bad-command", "zero-length"))

    def test_an_answer_that_comes_after_the_connection(self) -> None:
        """Nobody gets it, and what waited is not asked any more."""
        line = BankLine({1: RegisterBank()})
        line.hold = True
        end = self.connected(line)
        end.say("04 03 0f f9 01 04 03 0f f9 01")
        self.assertEqual(len(line.held), 1)
        end.wire.cut()
        line.held.pop()()
        self.assertEqual((len(line.asked), end.got), (1, b""))

    def test_many_commands_at_once(self) -> None:
        """However many, on a line that answers at once: they do not nest."""
        bank = RegisterBank()
        bank.registers[Table.HOLDING] = dict.fromkeys(range(1000), 7)
        line = BankLine({1: bank})
        line.hold = True
        end = self.connected(line)
        end.say(b"".join(Command(Code.READ_HOLDING, (register, 1)).encode() for register in range(1000)))
        line.hold = False
        line.held.pop()()
        self.assertEqual(end.take(), " ".join(["03 00 00 07"] * 1000))
