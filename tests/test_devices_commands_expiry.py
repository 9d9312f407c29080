"""How long a write may wait, to the second, and what is left of it when it could not be sent."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail

from smok_twisted.devices.commands import TRY_AGAIN_SECONDS, Command
from smok_twisted.devices.orders import NotSent
from smok_twisted.errors import UserError

from .commands_rig import CommandRig

WEEK = 7 * 24 * 3600


class Expiring(CommandRig):
    def away(self) -> None:
        self.device.detach(self.session, "lost")

    def queued(self, expires_in: float) -> Command:
        """A write that waits for its device."""
        self.away()
        command = self.write(expires_in=expires_in)
        self.assertEqual(command.record.state, "queued")
        return command

    def refuse_orders(self, reason: Exception, writes_only: bool = True) -> None:
        """What the device's queue answers from now on."""
        real = self.device.orders.ask

        def ask(unit: int, pdu: bytes, *more: Any) -> Deferred[bytes]:
            return fail(reason) if pdu[0] == 6 or not writes_only else real(unit, pdu, *more)

        self.patch(self.device.orders, "ask", ask)

    def test_to_the_last_second(self) -> None:
        """A week is a week: a tenth of a second before its end the write still waits, and then it is told why."""
        command = self.queued(WEEK)
        self.server.clock.advance(WEEK - 0.1)
        self.assertEqual(command.record.state, "queued")
        self.server.clock.advance(0.1)
        self.assertEqual(self.outcome(command), ("expired", None, None, "the device did not come in time"))

    def test_no_timer_stays(self) -> None:
        """The device has come: nothing is left that would wake up in a week."""
        command = self.queued(WEEK)
        self.device.attach(self.session)
        self.assertEqual(command.record.state, "confirmed")
        self.assertEqual(self.server.clock.getDelayedCalls(), [])

    def test_the_device_was_slow_for_longer_than_it_lasts(self) -> None:
        """The read before the write was answered long after the end: not sent, and said so."""
        self.session.hold = True
        command = self.write(expires_in=10)
        self.server.clock.advance(25)
        self.session.held.pop(0)()
        self.assertEqual(self.outcome(command), ("expired", None, None, "it could not be sent in time"))
        self.assertEqual(self.sent(), [b"\x03"])

    def test_it_ends_while_it_waits_to_be_tried_again(self) -> None:
        """Its queue was full, then the device went; when the next try is due its time is over."""
        self.refuse_orders(NotSent("full"), writes_only=False)
        command = self.write(expires_in=TRY_AGAIN_SECONDS / 2)
        self.away()
        delays: list[float] = []
        real = self.server.clock.callLater
        self.patch(self.server.clock, "callLater", lambda delay, *more: delays.append(delay) or real(delay, *more))
        self.server.clock.advance(TRY_AGAIN_SECONDS)
        self.assertEqual((command.record.state, delays), ("expired", [0.0]))  # a reactor takes none below 0

    def test_queued_again(self) -> None:
        """It was about to be sent and was not: it waits on as before, and is not called sent."""
        self.refuse_orders(NotSent("full"))
        command = self.write(expires_in=60)
        self.assertEqual((command.record.state, self.sent()), ("queued", [b"\x03"]))

    def test_a_request_that_the_device_cannot_take(self) -> None:
        """Refused at once with the reason, not tried again."""
        self.refuse_orders(UserError("the request has 15 octets, the device takes 14"))
        command = self.write(expires_in=60)
        reason = "not sent: the request has 15 octets, the device takes 14"
        self.assertEqual(self.outcome(command), ("refused", 55.0, None, reason))
