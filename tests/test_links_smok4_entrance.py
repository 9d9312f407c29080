"""Whom the door lets in after a wait, and what a device can and cannot take."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.links.smok4.messages import Type
from smok_twisted.links.smok4.rounds import RoundEncoder
from smok_twisted.readings import BlockReport, Round

from .server_in_memory import DEVICE_ID, NOW_US, DeviceEnd, Server, result_of


class Waiting(SynchronousTestCase):
    """A credential in use twice: the newest waits a minute, and much may change in a minute."""

    def setUp(self) -> None:
        self.server = Server()
        self.before = [self.server.dial(f"198.51.100.{number}") for number in range(4)][-1]
        self.waits = self.server.dial("198.51.100.9")

    def tearDown(self) -> None:
        self.assertEqual([crash.getTraceback() for crash in self.server.notes.crashes], [])

    def refused(self, reason: str) -> None:
        """The wait ends without WELCOME."""
        self.server.clock.advance(60)
        self.waits.wire.pump()
        self.assertIsNone(self.waits.welcome)
        self.assertEqual((self.server.notes.reasons[-1], self.waits.wire.up), (reason, False))

    def test_a_device_that_was_removed(self) -> None:
        """Whoever holds its secret does not come in through a door that is gone."""
        result_of(self.server.registry.remove(self.server.device))
        self.before.wire.pump()
        self.refused("unknown-device")
        self.assertIsNone(self.server.device.session)

    def test_an_allow_entry_that_has_changed(self) -> None:
        """The operator has bound the device to its true network meanwhile."""
        result_of(self.server.registry.change(self.server.device, allow_from=("198.51.100.0/29",)))
        self.refused("not-allowed")

    def test_an_allow_entry_that_has_ended(self) -> None:
        """Its end lay within the minute."""
        result_of(self.server.registry.change(self.server.device, allow_until_us=NOW_US + 30_000_000))
        self.refused("not-allowed")

    def test_whoever_gives_up_is_forgotten(self) -> None:
        """The connection goes while it waits: no timer stays, and the session in use is left alone."""
        in_use = self.server.device.session
        self.waits.wire.ends[1][1].loseConnection()
        self.waits.wire.pump()
        self.server.clock.advance(120)
        self.assertIs(self.server.device.session, in_use)


class Elsewhere(SynchronousTestCase):
    """A device that has reported to another server before, or to this one before it was removed and added again."""

    def setUp(self) -> None:
        self.server = Server()

    def report(self, end: DeviceEnd, batch: int) -> None:
        assert self.server.device.wanted is not None
        end.encoder = RoundEncoder(self.server.device.wanted.blocks)
        end.hold(self.server.device.wanted.number)
        end.report(batch, Round(0, (BlockReport(0, (1,)),)))
        self.server.clock.advance(0)
        end.wire.pump()

    def test_its_numbers_go_on(self) -> None:
        """Far beyond what RFC 1982 could compare with none: stored once, acknowledged, nothing is called lost."""
        for _ in range(2):
            end = self.server.dial(boot=9, cursor=40_001)
            self.report(end, 40_001)
            self.assertEqual((end.acks(), end.wire.up), ([40_001], True))
        self.assertEqual(len(result_of(self.server.store.reports(DEVICE_ID, 0, 1 << 62))), 1)
        self.assertEqual(self.server.events(), [])

    def test_its_plan_is_not_taken_for_ours(self) -> None:
        """It kept its plan while it was removed and added again: that number stands for nothing else now."""
        assert self.server.device.wanted is not None
        held = self.server.device.wanted.number
        record = self.server.device.record
        result_of(self.server.registry.remove(self.server.device))
        result_of(self.server.registry.add_model(MODEL_WITHOUT_PUMP))
        self.server.device = result_of(self.server.registry.add(record))
        end = self.server.dial()
        end.hold(held)
        self.assertEqual([body[0] for body in end.got], [Type.PLAN])
        end.send(bytes((Type.DATA, 0, 1, 0, 1, 0, 0, 7)))  # block 0, one register: as the plan of now could have it
        self.assertEqual(self.server.events(), ["plan-unknown"])
        self.assertEqual(result_of(self.server.store.reports(DEVICE_ID, 0, 1 << 62)), [])

    def test_plans_of_a_server_from_a_backup(self) -> None:
        """The device holds a plan that the backup has not heard of; the next new one must not bear its number."""
        numbers: list[int] = []
        for title in ("backup", "lost", "new"):
            result_of(self.server.registry.add_model(f"title = '{title}'\n{MODEL_WITHOUT_PUMP}"))
            assert self.server.device.wanted is not None
            numbers.append(self.server.device.wanted.number)
            if title == "lost":
                del self.server.device.views[numbers[-1]]
        self.assertEqual(len(set(numbers)), 3)

    def test_a_repeat_before_anything_is_durable(self) -> None:
        """There is no number yet that an ACK could name."""
        self.server.store.hold()
        for _ in range(2):
            end = self.server.dial(boot=9)
            self.report(end, 40_001)
            self.assertEqual(end.acks(), [])
        self.server.store.release()
        self.server.clock.advance(0)
        end.wire.pump()
        self.assertEqual(end.acks(), [40_001])


class SmallDevices(SynchronousTestCase):
    """What a device says that it can take decides what it is told."""

    def dial(self, max_rx: int) -> tuple[Server, DeviceEnd]:
        server = Server()
        end = server.dial(max_rx=max_rx)
        end.hold(0)
        return server, end

    def test_a_plan_in_the_smallest_pieces(self) -> None:
        """15 octets are one block."""
        server, end = self.dial(15)
        self.assertEqual([len(body) for body in end.got if body[0] == Type.PLAN], [15, 15])
        self.assertEqual(server.events(), [])

    def test_too_small_for_any_plan(self) -> None:
        """It stays connected without one, and the operator is told once why nothing comes."""
        for max_rx in (0, 14):
            server, end = self.dial(max_rx)
            end.hold(0)
            self.assertEqual((end.got, end.wire.up, server.notes.crashes), ([], True, []))
            self.assertEqual(server.events(), ["plan-refused"])
            (event,) = result_of(server.store.events())
            self.assertIn(f"records of {max_rx} octets", event.text)

    def test_a_new_plan_for_a_small_device(self) -> None:
        """A change of its register map is kept, and no error of the user's."""
        server, end = self.dial(14)
        result_of(server.registry.add_model(f"title = 'new'\n{MODEL_WITHOUT_PUMP}"))
        self.assertEqual((end.wire.up, server.events()), (True, ["plan-refused"] * 2))


MODEL_WITHOUT_PUMP = """
name = "boiler"

[[point]]
name = "outside"
register = "holding"
address = 10
"""
