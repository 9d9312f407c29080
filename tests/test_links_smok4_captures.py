"""Promise: a capture can be read from where it begins: the device is told its plan again, and reports in full."""

from __future__ import annotations

from smok_twisted.links.smok4 import messages
from smok_twisted.links.smok4.rounds import RoundEncoder
from smok_twisted.readings import BlockReport, Round

from .server_in_memory import DeviceEnd, result_of
from .smok4_sessions import SessionCase


class Captures(SessionCase):
    def captured(self, *ends: DeviceEnd) -> None:
        self.device.captured()
        for end in ends:
            end.wire.pump()

    def test_a_capture_is_told_the_plan(self) -> None:
        """Under the same number, once for each capture; changes that cross with it are still understood."""
        end = self.ready()
        report = Round(0, (BlockReport(0, (1,)), BlockReport(1, (1, 2))))
        end.report(1, report)
        end.got.clear()
        for _ in range(2):
            self.captured()
        end.report(2, report)  # crosses
        (number,) = self.plans(end)
        assert self.device.wanted is not None
        self.assertEqual(number, self.device.wanted.number)
        end.hold(number)
        end.report(3, report)  # by a device that does not begin anew
        end.encoder = RoundEncoder(self.device.wanted.blocks)
        end.report(4, report)
        self.assertEqual([blocks for _, _, blocks in self.reports()], [report.reports] * 4)
        self.assertEqual((self.plans(end), end.wire.up), ([], True))

    def test_a_capture_waits_for_the_plan_that_is_on_its_way(self) -> None:
        """Never the old one behind the new one; and what was told before the capture is told again."""
        end = self.server.dial()
        end.hold(0)
        (number,) = self.plans(end)
        self.captured(end)
        self.assertEqual(self.plans(end), [])
        end.hold(number)
        self.assertEqual(self.plans(end), [number])
        end.hold(number)
        self.assertEqual(self.plans(end), [])

    def test_a_capture_of_a_device_that_comes_later(self) -> None:
        """With a plan that it holds, or without: in either case it is told, once. A read-only one reads as any."""
        result_of(self.server.registry.change(self.device, read_only=True))
        self.captured()
        assert self.device.wanted is not None
        for held in (0, self.device.wanted.number):
            end = self.server.dial()
            end.hold(held)
            self.assertEqual(self.plans(end), [self.device.wanted.number])
            end.hold(self.device.wanted.number)
            self.assertEqual(self.plans(end), [])

    def test_a_capture_of_a_device_that_refuses_its_plan(self) -> None:
        """It is not asked again and again."""
        end = self.server.dial()
        end.hold(0)
        (number,) = self.plans(end)
        end.send(messages.plan_ok(number, 1))
        self.captured(end)
        self.assertEqual((self.plans(end), self.server.events()), ([], ["plan-refused"]))
