"""Who may come in over P24: an id proves nothing, so somebody must have said from where it may come."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.devices.orders import OutcomeUnknown, Priority
from smok_twisted.links.p24.commands import encode_init

from .p24_in_memory import DEVICE_ID, RawEnd, Server
from .server_in_memory import NOW_US, result_of

READ = b"\x03\x00\x0a\x00\x01"


class OtherSession:
    """A session of SMOK/4, as far as it matters here."""

    link = "smok4"
    source = "198.51.100.1"

    def execute(self, unit: int, pdu: bytes, timeout_seconds: float) -> Deferred[bytes]:
        return Deferred()


class Entering(SynchronousTestCase):
    def setUp(self) -> None:
        self.server = Server()

    def tearDown(self) -> None:
        """No session may end by a fault of our own."""
        self.assertEqual([crash.getTraceback() for crash in self.server.notes.crashes], [])

    def assertRefused(self, end: RawEnd, reason: str) -> None:
        self.assertEqual((end.take(), end.wire.up), ("01 fe", False))
        self.assertEqual(self.server.notes.reasons[-1], reason)

    def test_accepted(self) -> None:
        """01 00, and the device is there."""
        end = self.server.dial_raw()
        self.assertEqual((end.take(), end.wire.up), ("01 00", True))
        self.assertEqual((self.server.session.link, self.server.session.source), ("p24", "198.51.100.7"))

    def test_an_init_in_pieces(self) -> None:
        """Cut anywhere."""
        for cut in range(1, 12):
            end = RawEnd()
            self.server.device.wanted = None
            end.wire = self.server.connect(end)
            end.say(encode_init(DEVICE_ID)[:cut])
            self.assertEqual(end.take(), "")
            end.say(encode_init(DEVICE_ID)[cut:])
            self.assertEqual(end.take(), "01 00")

    def test_refused(self) -> None:
        """01 FE, then the connection closes; the device reboots and tries again."""
        self.server.add(5, link="smok4")
        self.assertRefused(self.server.dial_raw(0x666), "unknown-device")
        self.assertRefused(self.server.dial_raw(5), "wrong-link")
        self.assertRefused(self.server.dial_raw(host="203.0.113.1"), "not-allowed")
        self.assertIsNone(self.server.device.session)

    def test_another_protocol_on_this_port(self) -> None:
        """An HTTP probe is told no, and gone."""
        end = RawEnd()
        end.wire = self.server.connect(end)
        end.say(b"GET / HTTP/1.1\r\n\r\n")
        self.assertRefused(end, "wrong-version")

    def test_a_device_with_a_secret(self) -> None:
        """Whoever can prove itself must."""
        self.server.secrets.add(DEVICE_ID)
        self.assertRefused(self.server.dial_raw(), "wrong-link")

    def test_a_session_of_smok4_is_never_replaced(self) -> None:
        """It stays, and its orders go on."""
        session = OtherSession()
        self.server.device.attach(session)  # type: ignore[arg-type]
        asked = self.server.device.orders.ask(1, READ, Priority.OPERATOR_READ)
        self.assertRefused(self.server.dial_raw(), "wrong-link")
        self.assertIs(self.server.device.session, session)
        self.assertNoResult(asked)

    def test_an_entry_without_networks(self) -> None:
        """It allows nothing."""
        result_of(self.server.registry.change(self.server.device, allow_from=()))
        self.assertRefused(self.server.dial_raw(), "not-allowed")

    def test_an_entry_has_an_end(self) -> None:
        """Its last microsecond counts, the next one does not."""
        result_of(self.server.registry.change(self.server.device, allow_until_us=NOW_US))
        self.assertEqual(self.server.dial_raw().take(), "01 00")
        self.server.clock.advance(1e-6)
        self.assertRefused(self.server.dial_raw(), "not-allowed")

    def test_an_entry_that_ends_meanwhile(self) -> None:
        """Within one keepalive the connection ends too; so it does when an operator takes the network away."""
        end = self.server.dial()
        result_of(self.server.registry.change(self.server.device, allow_until_us=NOW_US + 100_000_000))
        end.pass_time(100)
        self.assertTrue(end.wire.up)
        end.pass_time(25)
        self.assertEqual((end.wire.up, self.server.notes.reasons), (False, ["not-allowed"]))
        result_of(self.server.registry.change(self.server.device, allow_until_us=None))
        end = self.server.dial()
        result_of(self.server.registry.change(self.server.device, allow_from=("10.0.0.0/8",)))
        end.pass_time(25)
        self.assertEqual((end.wire.up, self.server.notes.reasons), (False, ["not-allowed"] * 2))

    def test_networks_of_both_families(self) -> None:
        """An IPv6 source is its /64."""
        result_of(self.server.registry.change(self.server.device, allow_from=("10.0.0.0/8", "2001:db8::/32")))
        self.assertEqual(self.server.dial_raw(host="10.9.8.7").take(), "01 00")
        self.assertEqual(self.server.dial_raw(host="2001:db8:1:2::3").take(), "01 00")
        self.assertRefused(self.server.dial_raw(host="2001:db9::3"), "not-allowed")
        self.assertRefused(self.server.dial_raw(host="unix socket"), "not-allowed")

    def test_the_newest_connection_replaces_the_older_one(self) -> None:
        """The older one is usually a ghost; what was asked of it ends as unknown."""
        old = self.server.dial_raw()
        asked = self.server.device.orders.ask(1, READ, Priority.OPERATOR_READ)
        new = self.server.dial_raw()
        self.failureResultOf(asked, OutcomeUnknown)
        old.wire.pump()
        self.assertEqual((old.wire.up, new.wire.up, self.server.notes.moods), (False, True, ["replaced"]))
        self.assertIsNotNone(self.server.device.session)

    def test_strangers_are_cut_off(self) -> None:
        """60 s for the init, and nothing but the whole of it counts."""
        end = RawEnd()
        end.wire = self.server.connect(end)
        end.say(encode_init(DEVICE_ID)[:11])
        self.server.clock.advance(59)
        end.wire.pump()
        self.assertTrue(end.wire.up)
        self.server.clock.advance(1)
        end.wire.pump()
        self.assertFalse(end.wire.up)

    def test_a_removed_device(self) -> None:
        """Its connection ends, and nothing of it stays."""
        end = self.server.dial_raw()
        known = self.server.doorkeeper.known(self.server.device)
        result_of(self.server.registry.remove(self.server.device))
        self.server.doorkeeper.forget(self.server.device)
        end.wire.pump()
        self.assertFalse(end.wire.up)
        self.assertIsNot(self.server.doorkeeper.known(self.server.device), known)
