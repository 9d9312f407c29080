"""What a session costs while it lasts, and what it leaves behind: few timers, and nothing."""

from __future__ import annotations

import gc
import weakref

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.devices.orders import NotSent, Priority
from smok_twisted.links.smok4 import messages
from smok_twisted.links.smok4.messages import ModbusResponse
from smok_twisted.modbus.protocol import LineFault
from smok_twisted.readings import Fault

from .server_in_memory import Server

READ = b"\x03\x00\x0a\x00\x01"


class Upkeep(SynchronousTestCase):
    def setUp(self) -> None:
        self.server = Server()
        self.end = self.server.dial()

    def tick(self, seconds: float) -> None:
        self.server.clock.advance(seconds)
        self.end.wire.pump()

    def test_each_order_has_its_own_time(self) -> None:
        """Whatever was asked before it and answered: neither longer nor shorter."""
        for timeout_seconds in (30, 10, 20):
            self.server.device.orders.ask(3, READ, Priority.OPERATOR_READ, timeout_seconds=30)
            self.end.wire.pump()
            txid = messages.decode_modbus_request(self.end.got[-1][1:]).txid
            self.end.send(messages.modbus_response(ModbusResponse(txid, b"\x03\x02\x00\x01")))
            order = self.server.device.orders.ask(3, READ, Priority.OPERATOR_READ, timeout_seconds=timeout_seconds)
            self.tick(timeout_seconds - 0.1)
            self.assertNoResult(order)
            self.tick(0.1)
            self.assertEqual(self.failureResultOf(order, LineFault).value.fault, Fault.TIMEOUT)

    def test_orders_leave_no_timer_each(self) -> None:
        """A thousand polls need no more of them than one."""
        waiting = len(self.server.clock.getDelayedCalls())
        for _ in range(1000):
            self.server.device.orders.ask(3, READ, Priority.POLLER)
            self.end.wire.pump()
            txid = messages.decode_modbus_request(self.end.got.pop()[1:]).txid
            self.end.send(messages.modbus_response(ModbusResponse(txid, b"\x03\x02\x00\x01")))
        self.assertEqual(len(self.server.clock.getDelayedCalls()), waiting + 1)

    def test_whoever_hears_of_a_time_out_may_end_the_session(self) -> None:
        """The next order is not sent, nothing crashes, and no timer is left."""
        order = self.server.device.orders.ask(3, READ, Priority.OPERATOR_READ, timeout_seconds=10)
        session = self.server.device.session
        order.addErrback(lambda _: (session.close("removed"), self.end.wire.pump()))
        waiting = self.server.device.orders.ask(3, READ, Priority.OPERATOR_READ)
        self.tick(10)
        self.failureResultOf(waiting, NotSent)
        self.assertEqual(self.server.notes.crashes, [])
        self.assertEqual(self.server.clock.getDelayedCalls(), [])

    def test_a_session_that_is_over_is_freed_at_once(self) -> None:
        """A storm of devices leaves nothing for the garbage collector to find."""
        gc.disable()
        self.addCleanup(gc.enable)
        [(protocol, _), _] = self.end.wire.ends
        left = weakref.WeakSet([protocol, self.server.device.session])
        self.end.wire.cut()
        self.end.wire.ends = ()  # type: ignore[assignment]
        del protocol
        self.assertEqual(list(left), [])
