"""Writes to a device that goes, comes back, is late, or is removed: never sent twice, never forgotten."""

from __future__ import annotations

from smok_twisted.devices.orders import WAITING_AT_MOST, Priority
from smok_twisted.errors import Conflict, Impossible
from smok_twisted.readings import Table

from .commands_rig import CommandRig, Session
from .server_in_memory import result_of


class Lost(CommandRig):
    def test_the_link_is_lost_after_sending(self) -> None:
        """Unknown, and said so at once; settled by reading when the device is there again."""
        self.session.hold = True
        command = self.write()
        told = command.when_settled()
        self.session.held.pop(0)()
        self.assertEqual((command.record.state, self.sent()), ("sent", [b"\x03", b"\x06"]))
        self.bank.registers[Table.HOLDING][11] = 600
        self.device.detach(self.session, "lost")
        self.assertEqual(self.successResultOf(told).state, "unknown")
        again = Session({1: self.bank})
        self.device.attach(again)
        self.assertEqual(self.outcome(command), ("confirmed", 55.0, 60.0, "the link was lost after the order was sent"))
        self.assertEqual([pdu[:1] for _, pdu in again.asked], [b"\x03"])
        self.assertEqual(self.audit(), [("admin", "write", "confirmed"), ("admin", "write", "unknown")])

    def test_another_session_takes_over_after_sending(self) -> None:
        """F12: unknown at once, and settled by reading through the new one at once."""
        self.session.hold = True
        command = self.write()
        told = command.when_settled()
        self.session.held.pop(0)()
        self.bank.registers[Table.HOLDING][11] = 600
        self.device.attach(again := Session({1: self.bank}))
        self.assertEqual((self.successResultOf(told).state, self.session.moods), ("unknown", ["replaced"]))
        self.assertEqual((command.record.state, command.record.body["read_back"]), ("confirmed", 60.0))
        self.assertEqual([pdu[:1] for _, pdu in again.asked], [b"\x03"])

    def test_the_link_is_lost_before_sending(self) -> None:
        """Nothing was sent, so it is refused, not unknown."""
        self.session.hold = True
        command = self.write()
        self.device.detach(self.session, "lost")
        self.assertEqual((command.record.state, self.sent()), ("refused", [b"\x03"]))

    def test_a_device_that_is_away(self) -> None:
        """A write is not kept for it, unless the user said until when."""
        self.device.detach(self.session, "lost")
        self.assertIn("expires_in", str(self.assertRaises(Conflict, self.write)))
        self.assertRaises(Impossible, self.write, expires_in=0)
        command = self.write(expires_in=60)
        self.assertEqual(command.record.state, "queued")
        self.server.clock.advance(59)
        self.device.attach(self.session)
        self.assertEqual(command.record.state, "confirmed")

    def test_the_device_is_removed(self) -> None:
        """Whatever waits for it is told so and audited; nothing of it stays."""
        self.session.hold = True
        sent = self.write()
        self.session.held.pop(0)()
        self.device.detach(self.session, "lost")
        waits = self.write(expires_in=600)
        told = waits.when_settled()
        self.assertEqual((sent.record.state, waits.record.state), ("unknown", "queued"))
        result_of(self.server.registry.remove(self.device))
        self.assertEqual(self.successResultOf(told).state, "refused")
        self.assertEqual(waits.record.body["error"], "not sent: the device was removed")
        self.assertIn("the device was removed before it could be read back", sent.record.body["error"])
        self.assertEqual(
            self.audit(), [("admin", "write", state) for state in ("refused", "unknown", "unknown")]
        )
        self.assertEqual((self.commands._running, self.server.clock.getDelayedCalls()), ({}, []))

    def test_the_device_is_removed_while_it_is_written_to(self) -> None:
        """Its session ends: what was sent is unknown, and what waits behind it is not sent."""
        self.session.hold = True
        first, second = self.write(value=60), self.write(value=70, expires_in=600)
        self.session.held.pop(0)()
        result_of(self.server.registry.remove(self.device))
        self.server.clock.advance(1)
        self.assertEqual((first.record.state, second.record.state), ("unknown", "refused"))
        self.assertEqual((self.sent().count(b"\x06"), self.session.moods), (1, ["removed"]))
        self.device.attach(late := Session({1: self.bank}))  # a login that was under way
        self.assertEqual((late.moods, late.asked, self.device.session), (["removed"], [], self.session))

    def test_rights_are_looked_at_again_before_sending(self) -> None:
        """A write that waited for its device is not sent once the device may not be written to any more."""
        for change in ({"may_write": False}, {"read_only": True}):
            result_of(self.server.registry.change(self.device, may_write=True, read_only=False))
            self.device.detach(self.session, "lost")
            command = self.write(expires_in=600)
            result_of(self.server.registry.change(self.device, **change))
            self.device.attach(self.session)
            state, _, _, error = self.outcome(command)
            self.assertEqual((state, self.sent().count(b"\x06")), ("refused", 0))
            self.assertIn("not sent: device 'kotłownia 1'", error)

    def test_a_step_of_the_wall_clock(self) -> None:
        """F16: a write lives as long as its user has said, whatever the clock on the wall says meanwhile."""
        for hours in (1, -1):
            self.device.detach(self.session, "lost")
            in_time, too_late = self.write(value=60, expires_in=60), self.write(value=70, expires_in=30)
            self.server.step_us += hours * 3_600_000_000
            self.server.clock.advance(30)
            self.session.hold = True
            self.device.attach(self.session)
            also_too_late = self.write(value=80, expires_in=10)
            self.server.clock.advance(10)
            self.session.hold = False
            while self.session.held:
                self.session.held.pop(0)()
            states = [one.record.state for one in (in_time, too_late, also_too_late)]
            self.assertEqual(states, ["confirmed", "expired", "expired"])

    def test_it_expires_between_two_steps(self) -> None:
        """The device is there, but slow: what has expired is not sent."""
        self.session.hold = True
        command = self.write(expires_in=60)
        self.server.clock.advance(60)
        self.session.held.pop(0)()
        self.assertEqual((command.record.state, self.sent()), ("expired", [b"\x03"]))

    def test_a_full_queue(self) -> None:
        """A write that may wait is tried again later, not at once and for ever."""
        self.session.hold = True
        for _ in range(WAITING_AT_MOST + 1):
            self.device.orders.ask(1, b"\x03\x00\x0a\x00\x01", Priority.POLLER).addErrback(lambda _: None)
        command = self.write(expires_in=60)
        self.assertEqual(command.record.state, "queued")
        self.session.hold = False
        self.session.held.pop(0)()
        self.server.clock.advance(1)
        self.assertEqual(command.record.state, "confirmed")

    def test_nothing_of_a_settled_command_stays(self) -> None:
        """However it ended."""
        self.write()
        self.device.detach(self.session, "lost")
        self.write(expires_in=60)
        self.server.clock.advance(60)
        self.assertEqual(self.commands._running, {})

    def test_it_comes_too_late(self) -> None:
        """Expired, and never sent."""
        self.device.detach(self.session, "lost")
        command = self.write(expires_in=60)
        self.server.clock.advance(60)
        self.device.attach(self.session)
        self.assertEqual((command.record.state, self.session.asked), ("expired", []))
        self.assertEqual(self.audit(), [("admin", "write", "expired")])
