"""The server's side of a P24 connection: MODBUS orders said in P24, answers matched, and no surprise survived."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.devices.orders import NotSent, OutcomeUnknown, Priority
from smok_twisted.errors import Conflict
from smok_twisted.links.p24.commands import Code
from smok_twisted.modbus.pdu import Read, WriteCoil, WriteRegister
from smok_twisted.modbus.protocol import LineFault
from smok_twisted.modbus.responses import read_values
from smok_twisted.readings import Fault, Table

from .p24_in_memory import RawEnd, Server

HOLDING = Read(Table.HOLDING, 4089, 1)
THREE = Read(Table.HOLDING, 10, 3)
READ_10, READ_11, READ_12 = "04 03 00 0a 01", "04 03 00 0b 01", "04 03 00 0c 01"


class Session(SynchronousTestCase):
    window = 1

    def setUp(self) -> None:
        self.server = Server(self.window)
        self.device = self.server.device
        self.end = self.dial()

    def tearDown(self) -> None:
        """No session may end by a fault of our own, and none leaves a timer behind."""
        self.end.wire.cut()
        self.assertEqual([crash.getTraceback() for crash in self.server.notes.crashes], [])
        self.assertEqual(self.server.clock.getDelayedCalls(), [])

    def dial(self) -> RawEnd:
        end = self.server.dial_raw()
        self.assertEqual(end.take(), "01 00")
        return end

    def ask(self, pdu: bytes, unit: int = 1, priority: Priority = Priority.OPERATOR_READ) -> Deferred[bytes]:
        return self.device.orders.ask(unit, pdu, priority)

    def tick(self, seconds: float) -> None:
        self.server.clock.advance(seconds)
        self.end.wire.pump()

    def assertClosed(self, reason: str) -> None:
        self.assertEqual((self.server.notes.reasons[-1:], self.end.wire.up), ([reason], False))
        self.assertIsNone(self.device.session)


class Orders(Session):
    def test_reading_one_register(self) -> None:
        """Worked example 4, as MODBUS on the one side and P24 on the other."""
        answer = self.ask(HOLDING.encode())
        self.assertEqual(self.end.take(), "04 03 0f f9 01")
        self.end.say("03 00 00 29")
        self.assertEqual(self.successResultOf(answer), bytes.fromhex("03 02 00 29"))

    def test_reading_several(self) -> None:
        """One at a time, since answers carry no identity."""
        answer = self.ask(THREE.encode())
        for packet, value in [(READ_10, "03 00 00 01"), (READ_11, "03 00 00 02"), (READ_12, "03 00 00 03")]:
            self.assertEqual(self.end.take(), packet)
            self.assertNoResult(answer)
            self.end.say(value)
        self.assertEqual(read_values(THREE, self.successResultOf(answer)), (1, 2, 3))

    def test_writing(self) -> None:
        """Worked examples 8 and 9; the answer is an echo, whatever junk the device adds."""
        for request, packet, junk in [
            (WriteRegister(4002, 13), "06 05 0f a2 00 0d 01", "02 00 5a"),
            (WriteCoil(7115, True), "05 06 1b cb 01 01", "01 00"),
            (WriteCoil(7115, False), "05 06 1b cb 00 01", "05 00 de ad be ef"),
        ]:
            answer = self.ask(request.encode(), priority=Priority.OPERATOR_WRITE)
            self.assertEqual(self.end.take(), packet)
            self.end.say(junk)
            self.assertEqual(self.successResultOf(answer), request.encode())

    def test_faults_of_the_serial_line(self) -> None:
        """A time-out and a bad CRC, counted for each unit; what was not sent yet is not sent any more."""
        for unit, packet, fault in [(1, "02 fe 01", Fault.TIMEOUT), (2, "02 fe 00", Fault.CRC)]:
            answer = self.ask(THREE.encode(), unit)
            self.end.say(packet)
            self.assertEqual(self.failureResultOf(answer, LineFault).value.fault, fault)
            self.assertEqual(self.end.take(), f"04 03 00 0a {unit:02x}")
        again = self.ask(HOLDING.encode())
        self.end.say("02 fe 01")
        self.failureResultOf(again, LineFault)
        self.assertEqual(self.device.line_faults, {(1, Fault.TIMEOUT): 2, (2, Fault.CRC): 1})
        self.assertEqual((self.server.counted["TIMEOUT"], self.server.counted["CRC"]), (2, 1))

    def test_not_implemented_is_remembered(self) -> None:
        """Exception 1; the device is not asked again, not even over another connection. Other commands are."""
        request = Read(Table.INPUT, 16, 2)
        answer = self.ask(request.encode())
        self.assertEqual(self.end.take(), "04 08 00 10 01")
        self.end.say("01 ff")
        self.assertEqual(self.successResultOf(answer), b"\x84\x01")
        old, self.end = self.end, self.dial()
        old.wire.pump()
        self.assertEqual(self.successResultOf(self.ask(request.encode())), b"\x84\x01")
        self.assertEqual(self.end.take(), "")
        self.ask(HOLDING.encode()).addErrback(lambda _: None)
        self.assertEqual(self.end.take(), "04 03 0f f9 01")
        self.assertEqual(self.server.doorkeeper.known(self.device).unsupported, {Code.READ_INPUT})

    def test_what_p24_cannot_say(self) -> None:
        """Exception 1, or what is wrong with the request; nothing is sent."""
        for pdu, answer in [
            ("0200000001", "8201"),
            ("10000000020400010002", "9001"),
            ("0f000000020103", "8f01"),
            ("16000000010001", "9601"),
            ("0300000000", "8303"),
            ("03ffff0002", "8302"),
            ("63", "e301"),
        ]:
            self.assertEqual(self.successResultOf(self.ask(bytes.fromhex(pdu))).hex(), answer, pdu)
        self.assertEqual(self.end.take(), "")

    def test_the_words_of_an_order_that_takes_long(self) -> None:
        """Each answer gives it new time: a slow line delays, it does not fail."""
        answer = self.device.orders.ask(1, THREE.encode(), Priority.OPERATOR_READ, timeout_seconds=10)
        for _ in range(3):
            self.assertNoResult(answer)
            self.tick(9)
            self.end.say("03 00 00 01")
        self.successResultOf(answer)

    def test_an_order_with_less_patience_than_the_link(self) -> None:
        """It fails; its late answer is not taken for the next one's."""
        late = self.device.orders.ask(1, THREE.encode(), Priority.OPERATOR_READ, timeout_seconds=3)
        self.tick(3)
        self.assertEqual(self.failureResultOf(late, LineFault).value.fault, Fault.TIMEOUT)
        following = self.ask(HOLDING.encode())
        self.assertEqual(self.end.take(), READ_10)
        self.end.say("03 00 00 01")
        self.assertEqual(self.end.take(), "04 03 0f f9 01")
        self.assertNoResult(following)
        self.end.say("03 00 00 29")
        self.assertEqual(self.successResultOf(following), bytes.fromhex("03 02 00 29"))

    def test_operators_go_before_everybody_else(self) -> None:
        """What waits is sent by priority; writes stay in their order."""
        running = self.ask(HOLDING.encode(), priority=Priority.POLLER)
        poll = self.ask(Read(Table.HOLDING, 1, 1).encode(), priority=Priority.POLLER)
        for value in (1, 2):
            self.ask(WriteRegister(7, value).encode(), priority=Priority.OPERATOR_WRITE)
        sent = [self.end.take()]
        for _ in range(3):
            self.end.say("03 00 00 00")
            sent.append(self.end.take())
        self.assertEqual(sent, ["04 03 0f f9 01", "06 05 00 07 00 01 01", "06 05 00 07 00 02 01", "04 03 00 01 01"])
        self.successResultOf(running)
        self.assertNoResult(poll)
        self.end.say("03 00 00 00")
        self.successResultOf(poll)

    def test_no_secrets(self) -> None:
        """Nothing to hand over."""
        self.assertRaises(Conflict, self.server.session.update_key, 0, b"")


class Windows(Session):
    window = 100

    def test_one_segment_carries_all(self) -> None:
        """20 registers cost one write of 100 octets."""
        answer = self.ask(Read(Table.HOLDING, 0, 20).encode())
        sent = self.end.wire.ends[0][1].sent
        self.assertEqual([len(write) for write in sent], [100])
        self.end.say(b"".join(b"\x03\x00" + value.to_bytes(2) for value in range(20)))
        self.assertEqual(read_values(Read(Table.HOLDING, 0, 20), self.successResultOf(answer)), tuple(range(20)))

    def test_no_more_than_the_device_has_room_for(self) -> None:
        """100 commands outstanding; each answer lets one more out."""
        answer = self.ask(Read(Table.HOLDING, 0, 120).encode())
        self.assertEqual(len(self.end.take().split()), 500)
        self.end.say(b"".join(b"\x03\x00" + value.to_bytes(2) for value in range(10)))
        self.assertEqual(len(self.end.take().split()), 50)
        self.end.say(b"".join(b"\x03\x00" + value.to_bytes(2) for value in range(10, 120)))
        self.assertEqual(read_values(Read(Table.HOLDING, 0, 120), self.successResultOf(answer)), tuple(range(120)))

    def test_worked_example_15(self) -> None:
        """Three requests outstanding: ok, time-out, coil on; the answers in any number of pieces."""
        requests = [HOLDING, Read(Table.HOLDING, 4134, 1), Read(Table.COIL, 7077, 1)]
        answers = [self.server.session.execute(1, request.encode(), 30) for request in requests]
        self.assertEqual(self.end.take(), "04 03 0f f9 01 04 03 10 26 01 04 04 1b a5 01")
        for octet in bytes.fromhex("03000029 02fe01 020001"):
            self.end.say(bytes((octet,)))
        self.assertEqual(self.successResultOf(answers[0]), bytes.fromhex("03 02 00 29"))
        self.assertEqual(self.failureResultOf(answers[1], LineFault).value.fault, Fault.TIMEOUT)
        self.assertEqual(self.successResultOf(answers[2]), bytes.fromhex("01 01 01"))

    def test_a_fault_among_many_outstanding(self) -> None:
        """The other answers of a request that has failed are passed over; those of the next are not."""
        failed = self.server.session.execute(1, THREE.encode(), 30)
        following = self.server.session.execute(1, THREE.encode(), 30)
        self.end.say("03000001 02fe00 03000003" + "03000004 03000005 03000006")
        self.assertEqual(self.failureResultOf(failed, LineFault).value.fault, Fault.CRC)
        self.assertEqual(read_values(THREE, self.successResultOf(following)), (4, 5, 6))

    def test_a_later_write_is_never_overtaken(self) -> None:
        """Two writes to one register reach the device in the order in which they were asked for, once each."""
        answers = [self.server.session.execute(1, WriteRegister(7, value).encode(), 3) for value in (1, 2)]
        self.assertEqual(self.end.take(), "06 05 00 07 00 01 01 06 05 00 07 00 02 01")
        self.tick(3)
        for answer in answers:
            self.failureResultOf(answer, LineFault)
        read = self.server.session.execute(1, Read(Table.HOLDING, 7, 1).encode(), 30)
        self.assertEqual(self.end.take(), "04 03 00 07 01")
        self.end.say("020000 020000 03000002")
        self.assertEqual(self.successResultOf(read), bytes.fromhex("03 02 00 02"))


class Surprises(Session):
    """Each closes the link; to the device that is the command to reboot."""

    def test_a_device_that_speaks_unasked(self) -> None:
        """Nothing was asked."""
        self.end.say("01 00")
        self.assertClosed("unexpected-answer")

    def test_one_answer_too_many(self) -> None:
        """The first one counts, the second one closes."""
        answer = self.ask(HOLDING.encode())
        self.end.say("03 00 00 29 03 00 00 29")
        self.successResultOf(answer)
        self.assertClosed("unexpected-answer")

    def test_an_answer_of_the_wrong_shape(self) -> None:
        """A coil's answer to a register's question; whoever waits is told that the link was lost."""
        answer = self.ask(HOLDING.encode())
        self.end.say("02 00 01")
        self.assertClosed("bad-answer")
        self.failureResultOf(answer, OutcomeUnknown)

    def test_a_size_of_zero(self) -> None:
        """A protocol error."""
        answer = self.ask(HOLDING.encode())
        self.end.say("00")
        self.assertClosed("zero-length")
        self.failureResultOf(answer, OutcomeUnknown)

    def test_no_answer(self) -> None:
        """Twenty seconds; a late one could not be told from the next."""
        answer = self.ask(HOLDING.encode())
        self.tick(19.9)
        self.assertTrue(self.end.wire.up)
        self.tick(0.1)
        self.assertClosed("no-answer")
        self.failureResultOf(answer, OutcomeUnknown)

    def test_end_of_file_in_the_middle_of_a_packet(self) -> None:
        """The session ends, wherever the packet was cut; the first generation's server looped for ever there."""
        for cut in range(1, 4):
            running, waiting = self.ask(HOLDING.encode()), self.ask(HOLDING.encode())
            self.end.say(bytes.fromhex("03000029")[:cut])
            self.end.wire.cut()
            self.failureResultOf(running, OutcomeUnknown)
            self.failureResultOf(waiting, NotSent)
            self.assertEqual((self.server.notes.moods[-1], self.device.session), ("peer-closed", None))
            self.assertEqual(self.server.clock.getDelayedCalls(), [])
            self.end = self.dial()

    def test_a_packet_that_never_ends(self) -> None:
        """The next answer does not come: the link is closed."""
        self.ask(HOLDING.encode()).addErrback(lambda _: None)
        self.end.say("03 00")
        self.tick(20)
        self.assertClosed("no-answer")

    @given(st.data())
    def test_anything_at_all(self, data: st.DataObject) -> None:
        """Whatever a device says, in whatever pieces: answers, or a fault of the device. Never a fault of ours."""
        server = Server(data.draw(st.sampled_from([1, 3, 100])))
        end = server.dial_raw()
        likely = st.sampled_from(["03000029", "020001", "02fe00", "02fe01", "01ff", "0100", "00", "0201"])
        for _ in range(data.draw(st.integers(1, 8))):
            table = data.draw(st.sampled_from(list(Table)))
            request = Read(table, 7, data.draw(st.integers(1, 4)))
            server.device.orders.ask(1, request.encode(), Priority.POLLER).addErrback(lambda _: None)
            end.say(data.draw(likely.map(bytes.fromhex) | st.binary(max_size=20)))
            server.clock.advance(data.draw(st.sampled_from([0.0, 1.0, 30.0])))
            end.wire.pump()
        end.wire.cut()
        self.assertEqual([crash.getTraceback() for crash in server.notes.crashes], [])
        self.assertEqual(server.clock.getDelayedCalls(), [])


class SignsOfLife(Session):
    def test_keepalive(self) -> None:
        """After 25 s of silence, again and again; a device without points stays up too."""
        for _ in range(20):
            self.tick(24.9)
            self.assertEqual(self.end.take(), "")
            self.tick(0.1)
            self.assertEqual(self.end.take(), "01 00")
            self.end.say("01 00")
        self.assertTrue(self.end.wire.up)

    def test_silence_is_what_counts(self) -> None:
        """Not so long after any other command."""
        self.tick(20)
        self.ask(HOLDING.encode())
        self.end.say("03 00 00 29")
        self.assertEqual(self.end.take(), "04 03 0f f9 01")
        self.tick(24.9)
        self.assertEqual(self.end.take(), "")
        self.tick(0.1)
        self.assertEqual(self.end.take(), "01 00")

    def test_a_ghost_is_found(self) -> None:
        """Half-open connections end before the device would reset them itself."""
        self.tick(25)
        self.tick(20)
        self.assertClosed("no-answer")

    def test_an_order_behind_a_keepalive(self) -> None:
        """It waits for the keepalive's answer, and is not answered by it."""
        self.tick(25)
        self.assertEqual(self.end.take(), "01 00")
        answer = self.ask(HOLDING.encode())
        self.assertEqual(self.end.take(), "")
        self.end.say("01 00")
        self.assertEqual(self.end.take(), "04 03 0f f9 01")
        self.end.say("03 00 00 29")
        self.successResultOf(answer)

    def test_closing(self) -> None:
        """Nothing is said: there is no word for it."""
        self.server.session.go_away(0, 10)
        self.server.session.acknowledge()
        self.assertTrue(self.end.wire.up)
        self.server.session.close("drained")
        self.end.wire.pump()
        self.assertEqual((self.end.take(), self.server.notes.moods, self.server.notes.reasons), ("", ["drained"], []))
