"""A device dials in, proves itself, takes its plan and reports; over the real layers, without sockets."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from smok_twisted.devices.orders import OutcomeUnknown, Priority
from smok_twisted.links.smok4 import messages
from smok_twisted.links.smok4.messages import ModbusResponse, Type
from smok_twisted.links.smok4.server import SessionTimes
from smok_twisted.modbus.protocol import LineFault
from smok_twisted.readings import OLDEST_AGE, TIME_DOUBTFUL, BlockReport, Fault, Round

from .server_in_memory import DEVICE_ID, NOW_US, Server, result_of
from .smok4_sessions import READ, SessionCase


class Sessions(SessionCase):
    # -- login

    def test_welcome(self) -> None:
        """Time, keepalive and the newest durable batch."""
        end = self.server.dial()
        self.assertEqual(end.welcome, (NOW_US // 1_000_000, 24, 0, 0))
        self.assertIsNotNone(self.device.session)

    def test_the_newest_proven_session_takes_over(self) -> None:
        """F12, F13: the ghost closes without a word, what was asked of it ends as unknown."""
        old = self.ready()
        asked = self.device.orders.ask(1, READ, Priority.OPERATOR_READ)
        old.wire.pump()
        old.got.clear()
        new = self.server.dial()
        old.wire.pump()
        self.failureResultOf(asked, OutcomeUnknown)
        self.assertEqual((old.got, self.server.notes.moods), ([], ["replaced"]))
        new.hold(0)
        self.assertEqual((old.wire.up, new.wire.up), (False, True))
        self.assertIsNotNone(self.device.session)

    def test_a_nonce_used_twice_makes_the_device_read_only(self) -> None:
        """Until an operator looks."""
        self.server.dial(nonce=5)
        self.assertFalse(self.device.record.read_only)
        self.server.dial(nonce=5)
        self.assertTrue(self.device.record.read_only)
        self.assertEqual(self.server.events(), ["nonce-repeated"])

    def test_read_only_does_not_wait_for_the_disk(self) -> None:
        """A store that takes nothing must not leave the device open to writes."""
        self.server.store.save_device = lambda record: Deferred()  # type: ignore[method-assign]
        for _ in range(2):
            self.server.dial(nonce=5)
        self.assertTrue(self.device.record.read_only)

    def test_a_credential_in_use_twice(self) -> None:
        """The fourth take-over from elsewhere within ten minutes waits 60 s, and raises an alarm."""
        for number in range(4):
            self.server.dial(f"198.51.100.{number}")
        self.assertEqual(self.server.events(), [])
        waits = self.server.dial("198.51.100.9")
        self.assertIsNone(waits.welcome)
        self.assertEqual(self.server.events(), ["credential-in-use-twice"])
        self.tick(waits, 59)
        self.assertIsNone(waits.welcome)
        self.tick(waits, 1)
        self.assertIsNotNone(waits.welcome)

    def test_a_device_bound_to_networks_and_an_end(self) -> None:
        """Its allow entry says from where and until when; refused without an octet."""
        result_of(self.server.registry.change(self.device, allow_from=("198.51.100.0/24", "2001:db8::/32")))
        self.assertIsNotNone(self.server.dial("198.51.100.77").welcome)
        self.assertIsNone(self.server.dial("203.0.113.1").welcome)
        result_of(self.server.registry.change(self.device, allow_until_us=NOW_US - 1))
        self.assertIsNone(self.server.dial("198.51.100.77").welcome)
        self.assertEqual(self.server.notes.reasons, ["not-allowed"] * 2)

    # -- plan and data

    def test_the_plan_is_told_once_and_only_when_another_is_held(self) -> None:
        """PLANOK with the wanted number: nothing is sent."""
        end = self.server.dial()
        self.assertEqual(end.got, [])
        end.hold(0)
        number, blocks = end.take_plan()
        self.assertEqual([(one.start, one.count) for one in blocks], [(5, 1), (10, 2)])
        end.hold(0)
        self.assertEqual(len([body for body in end.got if body[0] == Type.PLAN]), 1)
        again = self.server.dial()
        again.hold(number)
        self.assertEqual(again.got, [])

    def test_a_report_is_stored_and_acknowledged_when_durable(self) -> None:
        """Not before."""
        end = self.ready()
        self.server.store.hold()
        end.report(1, Round(25, (BlockReport(0, (1,)), BlockReport(1, (0x8029, 600)))))
        self.tick(end)
        self.assertEqual(end.acks(), [])
        self.server.store.release()
        self.tick(end)
        self.assertEqual(end.acks(), [1])
        self.assertEqual(self.reports(), [(1, -2_500_000, (BlockReport(0, (1,)), BlockReport(1, (0x8029, 600))))])
        found = self.device.point_values(self.server.wall_clock())
        values = {one.point.name: (one.value, one.quality) for one in found}
        self.assertEqual(values, {"outside": (-4.1, "good"), "setpoint": (60.0, "good"), "pump": (True, "good")})

    def test_a_clock_gone_wrong(self) -> None:
        """F17: an age of years is not believed; the reading is kept under the time it came, and marked."""
        end = self.ready()
        end.report(1, Round(OLDEST_AGE, (BlockReport(0, (1,)),)), Round(OLDEST_AGE + 1, (BlockReport(0, (0,)),)))
        stored = result_of(self.server.store.reports(DEVICE_ID, 0, 1 << 62))
        self.assertEqual(
            [(one.time_us - NOW_US, one.flags) for one in stored], [(-OLDEST_AGE * 100_000, 0), (0, TIME_DOUBTFUL)]
        )

    def test_one_acknowledgement_for_all_that_became_durable_together(self) -> None:
        """Octets count on a GSM line."""
        end = self.ready()
        self.server.store.hold()
        for batch in (1, 2, 3):
            end.report(batch, Round(0, (BlockReport(0, (batch & 1,)),)))
        self.server.store.release()
        self.tick(end)
        self.assertEqual(end.acks(), [3])

    def test_a_repeat_is_acknowledged_and_not_stored_again(self) -> None:
        """After a lost ACK; and what it said still counts as told for the next changes."""
        end = self.ready()
        end.report(1, Round(0, (BlockReport(1, (1, 2)),)))
        self.tick(end)
        again = self.server.dial()
        self.assertEqual(again.welcome and again.welcome.cursor, 1)
        again.hold(self.prepare(again))
        again.report(1, Round(0, (BlockReport(1, (1, 2)),)))
        again.report(2, Round(0, (BlockReport(1, (1, 3)),)))
        self.tick(again)
        self.assertEqual(again.acks()[-1], 2)
        stored = [(batch, blocks) for batch, _, blocks in self.reports()]
        self.assertEqual(stored, [(1, (BlockReport(1, (1, 2)),)), (2, (BlockReport(1, (1, 3)),))])

    def test_a_repeat_while_the_first_is_still_on_its_way(self) -> None:
        """Over a reconnect in the middle of a slow commit: stored once, acknowledged once durable."""
        end = self.ready()
        self.server.store.hold()
        end.report(1, Round(0, (BlockReport(1, (1, 2)),)))
        new = self.server.dial()
        self.assertEqual(new.welcome and new.welcome.cursor, 0)
        new.hold(self.prepare(new))
        new.report(1, Round(0, (BlockReport(1, (1, 2)),)))
        self.server.store.release()
        self.tick(new)
        self.assertEqual((new.acks(), len(self.reports())), ([1], 1))

    def test_what_the_device_had_to_drop_is_an_event(self) -> None:
        """A jump in the batch numbers."""
        end = self.ready()
        end.report(5, Round(0, (BlockReport(0, (1,)),)))
        self.assertEqual(self.server.events(), ["readings-lost"])

    def test_a_fault_of_the_equipment_is_a_quality(self) -> None:
        """Never a zero."""
        end = self.ready()
        end.report(1, Round(0, (BlockReport(0, (), Fault.TIMEOUT), BlockReport(1, (), 2))))
        found = [(one.value, one.quality) for one in self.device.point_values(self.server.wall_clock())]
        self.assertEqual(found, [(None, "exception-2"), (None, "exception-2"), (None, "timeout")])

    def test_values_go_stale(self) -> None:
        """Two and a half intervals without news."""
        end = self.ready()
        end.report(1, Round(0, (BlockReport(0, (1,)),)))
        self.assertEqual(self.device.point_values(NOW_US + 150_000_000)[2].quality, "good")
        self.assertEqual(self.device.point_values(NOW_US + 160_000_000)[2].quality, "stale")

    def test_readings_under_a_plan_that_nobody_knows(self) -> None:
        """A device added anew: its old readings mean nothing; they are taken, told, and not kept."""
        end = self.server.dial()
        end.hold(99)
        self.prepare(end)
        end.report(1, Round(0, (BlockReport(0, (1,)),)))
        self.tick(end)
        self.assertEqual((end.acks(), self.reports(), self.server.events()), ([1], [], ["plan-unknown"]))

    def test_breaking_the_protocol(self) -> None:
        """Each closes the session with its reason."""
        for bodies, reason in [
            ([bytes((Type.DATA, 0, 1))], "data-before-planok"),
            ([messages.plan_ok(0), bytes((Type.DATA, 0))], "bad-data"),
            ([messages.plan_ok(0), bytes.fromhex("04" "0001" "0001" "80" "e0")], "bad-data"),
            ([b"\x80"], "unknown-critical"),
            ([messages.ack(1)], "unexpected-message"),
            ([b"\x0e"], "bad-message"),
        ]:
            end = self.server.dial()
            end.send(*bodies)
            self.assertEqual((self.server.notes.reasons[-1:], end.wire.up), ([reason], False), bodies)

    def test_bad_tags(self) -> None:
        """F22: each closes the session and is an event, the third in ten minutes an alarm."""
        for _ in range(3):
            end = self.server.dial()
            end.wire.ends[1][1].write(b"\x01" + bytes(9))
            end.wire.pump()
            self.assertFalse(end.wire.up)
        events = result_of(self.server.store.events())
        self.assertEqual([one.kind for one in events], ["bad-tag"] * 3)
        self.assertEqual([one.severity for one in events], ["high", "low", "low"])

    def test_unknown_messages(self) -> None:
        """Below 0x80 they are skipped; from 0x80 on a BYE says so."""
        end = self.server.dial()
        end.send(b"\x7fwhatever")
        self.assertTrue(end.wire.up)
        end.send(b"\xffwhatever")
        self.assertEqual(end.got[-1], messages.bye(messages.Reason.UNKNOWN_CRITICAL))

    # -- orders

    def test_an_order_and_its_answer(self) -> None:
        """MODBUS-REQ with a deadline of the device's own clock, MODBUS-RSP with the PDU."""
        end = self.ready()
        self.tick(end, 5)
        answer = self.device.orders.ask(3, READ, Priority.OPERATOR_READ)
        end.wire.pump()
        request = messages.decode_modbus_request(end.got[-1][1:])
        self.assertEqual((request.deadline, request.unit, request.pdu), (100 + 5 + 30, 3, READ))
        end.send(messages.modbus_response(ModbusResponse((request.txid + 1) & 0xFFFF, b"\x83\x02")))
        self.assertNoResult(answer)
        end.send(messages.modbus_response(ModbusResponse(request.txid, b"\x83\x02")))
        self.assertEqual(self.successResultOf(answer), b"\x83\x02")

    def test_the_tick_is_refreshed(self) -> None:
        """Every PONG brings the device's clock; an empty PING is answered."""
        end = self.ready()
        end.send(messages.ping(0xFFFA), messages.ping())
        self.assertEqual(end.got[-1], messages.ping())
        self.device.orders.ask(3, READ, Priority.OPERATOR_READ)
        end.wire.pump()
        self.assertEqual(messages.decode_modbus_request(end.got[-1][1:]).deadline, (0xFFFA + 30) & 0xFFFF)

    def test_no_answer_in_time(self) -> None:
        """The order fails; an answer that comes later is not taken for the next one's."""
        end = self.ready()
        late = self.device.orders.ask(3, READ, Priority.OPERATOR_READ, timeout_seconds=10)
        end.wire.pump()
        txid = messages.decode_modbus_request(end.got[-1][1:]).txid
        self.tick(end, 10)
        self.assertEqual(self.failureResultOf(late, LineFault).value.fault, Fault.TIMEOUT)
        following = self.device.orders.ask(3, READ, Priority.OPERATOR_READ)
        end.send(messages.modbus_response(ModbusResponse(txid, b"\x03\x02\x00\x01")))
        self.assertNoResult(following)

    def test_numbers_of_requests_go_on_over_sessions(self) -> None:
        """A device answers a number that it knows from memory: a new session must not begin again."""
        txids = []
        for _ in range(2):
            end = self.ready()
            self.device.orders.ask(3, READ, Priority.OPERATOR_READ).addErrback(lambda _: None)
            end.wire.pump()
            txids.append(messages.decode_modbus_request(end.got[-1][1:]).txid)
        self.assertEqual((txids[1] - txids[0]) & 0xFFFF, 1)

    # -- sign of life, age, end

    def test_a_silent_device_is_asked_and_then_closed(self) -> None:
        """F11: asked after 1.25 keepalives, closed after 2.5."""
        end = self.ready()
        end.got.clear()
        self.tick(end, 299)
        self.assertEqual(end.got, [])
        self.tick(end, 1)
        self.assertEqual(end.got, [messages.ping()])
        self.tick(end, 300)
        self.assertEqual(self.server.notes.reasons, ["silent"])
        self.assertIsNone(self.device.session)

    def test_a_session_has_an_age(self) -> None:
        """Asked to come again after 30 days, less up to 10 %: not all of a fleet on one day."""
        server, goodbye = Server(SessionTimes(age_seconds=100)), messages.go_away(messages.GoAway(0, 60))
        end = server.dial()
        for seconds, expected in ((89.9, 0), (10.1, 1), (100, 1)):
            server.clock.advance(seconds)
            end.wire.pump()
            self.assertEqual(end.got.count(goodbye), expected)

    def test_a_device_says_goodbye(self) -> None:
        """Nothing is counted against it, and no timer stays."""
        end = self.ready()
        end.send(messages.bye())
        self.assertEqual((self.server.notes.moods, self.server.notes.reasons), (["bye-0"], []))
        self.assertEqual(self.server.clock.getDelayedCalls(), [])

    def test_events_of_the_device(self) -> None:
        """Kept as events."""
        end = self.ready()
        end.send(messages.event(3, b"\x01"))
        self.assertEqual(self.server.events(), ["device-event"])

    def test_a_refused_plan(self) -> None:
        """The device goes on with the one it has; it is not told again."""
        end = self.server.dial()
        end.hold(0)
        end.send(messages.plan_ok(self.prepare(end), 2))
        self.assertEqual(self.server.events(), ["plan-refused"])
        self.assertEqual(len([body for body in end.got if body[0] == Type.PLAN]), 1)
