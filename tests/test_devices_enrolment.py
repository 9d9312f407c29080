"""Promise: a device and its secrets come, change and go together, and what was told survives a restart."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.cipher.record import Suite
from smok_twisted.devices.enrolment import Enrolment
from smok_twisted.devices.registry import Registry
from smok_twisted.errors import Conflict, NotFound, StorageError
from smok_twisted.handshake.credentials import Vault
from smok_twisted.handshake.keyring import RETIRE_AFTER_US, Keyring
from smok_twisted.storage.memory import MemoryStore
from smok_twisted.storage.records import DeviceRecord

MODEL = """
name = "m"
[[point]]
name = "a"
register = "holding"
address = 1
"""
DEVICE = 7


class Session:
    """As much of a session as enrolment needs."""

    link = "smok4"
    source = "192.0.2.1"

    def __init__(self):
        self.keys = []
        self.moods = []

    def update_key(self, kid, secret):
        self.keys.append((kid, secret))

    def want(self, plan):
        pass

    def close(self, mood):
        self.moods.append(mood)


class Daemon:
    """What enrolment works on; ``data`` of an older one is a restart."""

    def __init__(self, data=None, key=b"k" * 32):
        numbers = iter(range(1, 10_000))

        def random(octets):
            return next(numbers).to_bytes(octets)

        self.now_us = 1_000_000
        self.store = MemoryStore(data)
        self.vault = Vault(key, random)
        self.keyring = Keyring(self.vault.node_secret, lambda: self.now_us)
        self.registry = Registry(self.store, Clock(), lambda: self.now_us, random)
        self.enrolment = Enrolment(
            self.registry, self.store, self.keyring, self.vault, lambda: self.now_us, random
        )
        snapshot = self.store.open().result
        self.registry.load(snapshot)
        self.enrolment.load(snapshot)
        self.registry.start()

    def restarted(self):
        return Daemon(self.store.data)

    def secrets(self):
        """What logins are held against: (kid, secret, logins)."""
        return [(slot.kid, slot.secret, slot.logins) for slot in self.keyring.slots(DEVICE)]

    def log_in(self, secret):
        """As ``KeyringChecker`` does."""
        before = self.keyring.slots(DEVICE)
        assert self.keyring.logged_in(DEVICE, secret)
        after = self.keyring.slots(DEVICE)
        if after != before:
            self.enrolment.slots_changed(DEVICE, after)


def record(**fields):
    return DeviceRecord(**{"device_id": DEVICE, "name": "d", "model": "m", "created_us": 1} | fields)


class Enrolling(SynchronousTestCase):
    def setUp(self):
        self.daemon = Daemon()
        self.daemon.registry.add_model(MODEL)

    def enrol(self, **fields):
        return self.successResultOf(self.daemon.enrolment.enrol(record(**fields)))

    def test_gives_a_secret_of_the_suite(self):
        """20 octets or 32, in slot 0; logins find it, also after a restart."""
        for suite, octets in [(Suite.RABBIT_SHA1, 20), (Suite.CHACHA20_POLY1305, 32)]:
            daemon = self.daemon = Daemon()
            daemon.registry.add_model(MODEL)
            device, kid, secret = self.enrol(suite=suite)
            self.assertEqual((device.record.name, kid, len(secret)), ("d", 0, octets))
            for one in (daemon, daemon.restarted()):
                self.assertEqual(one.secrets(), [(0, secret, 0)])
                self.assertTrue(one.keyring.find(DEVICE, 0, suite).genuine)

    def test_keeps_no_secret_as_it_is(self):
        """The store has it wrapped."""
        _, _, secret = self.enrol()
        self.assertNotIn(secret, self.daemon.store.data.devices[DEVICE].credentials[0].wrapped)

    def test_another_key_file_is_noticed(self):
        """The start is refused with one line that names the device."""
        self.enrol()
        with self.assertRaisesRegex(StorageError, "secret 0 of device 0x0000000000000007 does not open"):
            Daemon(self.daemon.store.data, key=b"x" * 32)

    def test_a_link_without_secrets_gets_none(self):
        """A p24 device has nothing to prove itself with, and can get nothing."""
        device, kid, secret = self.enrol(link="p24")
        self.assertEqual((kid, secret, self.daemon.secrets()), (None, None, []))
        error = self.failureResultOf(self.daemon.enrolment.new_secret(device), Conflict).value
        self.assertEqual(str(error), "device 'd' comes over p24, which knows no secrets")

    def test_all_or_nothing(self):
        """What is refused, or fails half-way, leaves no device and no secret."""
        self.failureResultOf(self.daemon.enrolment.enrol(record(model="nope")), NotFound)
        self.daemon.store.save_credential = lambda _: fail(StorageError("the disk is full"))
        self.failureResultOf(self.daemon.enrolment.enrol(record()), StorageError)
        self.assertEqual((self.daemon.registry.devices, self.daemon.store.data.devices), ({}, {}))
        del self.daemon.store.save_credential
        self.enrol()

    def test_tells_nothing_before_it_is_durable(self):
        """Neither the caller nor a login knows a secret that a power cut could take away."""
        saved, save = Deferred(), self.daemon.store.save_credential
        self.daemon.store.save_credential = lambda one: saved.addCallback(lambda _: save(one))
        waiting = self.daemon.enrolment.enrol(record())
        self.assertNoResult(waiting)
        self.assertEqual(self.daemon.secrets(), [])
        saved.callback(None)
        self.assertEqual(len(self.successResultOf(waiting)), 3)
        self.assertEqual(len(self.daemon.secrets()), 1)


class WithDevice(SynchronousTestCase):
    def setUp(self):
        self.daemon = Daemon()
        self.daemon.registry.add_model(MODEL)
        enrolled = self.daemon.enrolment.enrol(record())
        self.device, _, self.secret = self.successResultOf(enrolled)

    def new_secret(self):
        return self.successResultOf(self.daemon.enrolment.new_secret(self.device))

    def assertKept(self):
        """Memory and store agree."""
        self.assertEqual(self.daemon.restarted().secrets(), self.daemon.secrets())


class NewSecrets(WithDevice):
    def test_stand_beside_the_one_in_use(self):
        """The device that has the old one still gets in."""
        kid, secret = self.new_secret()
        self.assertEqual(self.daemon.secrets(), [(0, self.secret, 0), (kid, secret, 0)])
        self.assertEqual(kid, 1)
        self.assertKept()

    def test_replace_one_that_was_never_used(self):
        """A slip of paper that got lost does not block the slot."""
        self.new_secret()
        kid, secret = self.new_secret()
        self.assertEqual(self.daemon.secrets(), [(0, self.secret, 0), (kid, secret, 0)])
        self.assertKept()

    def test_wait_while_both_are_in_use(self):
        """The older one goes after three logins with the newer one; then there is room."""
        _, secret = self.new_secret()
        self.daemon.log_in(secret)
        refused = self.daemon.enrolment.new_secret(self.device)
        words = "two secrets in use: the older one goes after 3 logins with the newer one, or 30 days"
        self.assertIn(words, str(self.failureResultOf(refused, Conflict).value))
        for _ in range(2):
            self.daemon.log_in(secret)
        self.assertEqual(self.daemon.secrets(), [(1, secret, 3)])
        self.assertKept()
        kid, newer = self.new_secret()
        self.assertEqual(self.daemon.secrets(), [(1, secret, 3), (kid, newer, 0)])
        self.assertKept()

    def test_the_older_one_also_goes_by_time(self):
        """After 30 days, with no login to notice it; the store makes room too."""
        _, secret = self.new_secret()
        self.daemon.log_in(secret)
        self.daemon.now_us += RETIRE_AFTER_US + 1
        kid, newer = self.new_secret()
        self.assertEqual(self.daemon.secrets(), [(1, secret, 1), (kid, newer, 0)])
        self.assertEqual(set(self.daemon.store.data.devices[DEVICE].credentials), {1, 2})

    def test_the_same_after_a_restart(self):
        """What the store kept beyond its time is cleared away as well."""
        _, secret = self.new_secret()
        self.daemon.log_in(secret)
        daemon = self.daemon = self.daemon.restarted()
        daemon.now_us += 2 * RETIRE_AFTER_US
        self.device = daemon.registry.devices[DEVICE]
        self.new_secret()
        self.assertEqual(set(daemon.store.data.devices[DEVICE].credentials), {1, 2})

    def test_a_clock_that_goes_back_does_not_mix_them_up(self):
        """Which one is newer is known after a restart too."""
        self.daemon.now_us -= 999_999
        kid, secret = self.new_secret()
        self.assertEqual(self.daemon.restarted().secrets(), [(0, self.secret, 0), (kid, secret, 0)])

    def test_a_login_meanwhile_wins(self):
        """A secret that comes into use while it is being replaced is not taken away from its device."""
        kid, secret = self.new_secret()
        saved, save = Deferred(), self.daemon.store.save_credential
        self.daemon.store.save_credential = lambda one: saved.addCallback(lambda _: save(one))
        waiting = self.daemon.enrolment.new_secret(self.device)
        self.daemon.log_in(secret)
        saved.callback(None)
        self.failureResultOf(waiting, Conflict)
        self.assertEqual(self.daemon.secrets(), [(0, self.secret, 0), (kid, secret, 1)])
        self.assertKept()

    def test_a_failing_store_changes_nothing(self):
        """The old one stays, the new one is not told."""
        self.daemon.store.save_credential = lambda _: fail(StorageError("the disk is full"))
        self.failureResultOf(self.daemon.enrolment.new_secret(self.device), StorageError)
        self.assertEqual(self.daemon.secrets(), [(0, self.secret, 0)])


class InSession(WithDevice):
    def setUp(self):
        super().setUp()
        self.session = Session()
        self.device.attach(self.session)

    def test_hands_over_what_is_durable(self):
        """The device gets the secret that the store has, and the event is written down when it says so."""
        kid = self.successResultOf(self.daemon.enrolment.rotate_in_session(self.device))
        self.assertEqual(self.session.keys, [(kid, self.daemon.secrets()[1][1])])
        self.assertKept()
        self.device.key_stored(kid)
        [event] = self.daemon.store.data.events
        self.assertEqual(event.kind, "key-stored")
        self.assertEqual(event.text, "the device has secret 1 and uses it from its next login")

    def test_needs_a_session(self):
        """Without one nothing is made; one that ends meanwhile is noticed."""
        self.device.detach(self.session, "gone")
        self.failureResultOf(self.daemon.enrolment.rotate_in_session(self.device), Conflict)
        self.assertEqual(len(self.daemon.secrets()), 1)
        self.device.attach(self.session)
        saved, save = Deferred(), self.daemon.store.save_credential
        self.daemon.store.save_credential = lambda one: saved.addCallback(lambda _: save(one))
        waiting = self.daemon.enrolment.rotate_in_session(self.device)
        self.device.detach(self.session, "gone")
        saved.callback(None)
        self.failureResultOf(waiting, Conflict)
        self.assertEqual(self.session.keys, [])

    def test_may_be_repeated(self):
        """A KEYOK that got lost costs nothing."""
        for _ in range(3):
            self.successResultOf(self.daemon.enrolment.rotate_in_session(self.device))
        self.assertEqual(self.daemon.secrets()[1][:2], self.session.keys[-1])
        self.assertKept()


class Logins(WithDevice):
    def test_are_counted_for_good(self):
        """A restart does not forget how often a new secret was used."""
        _, secret = self.new_secret()
        self.daemon.log_in(secret)
        self.assertEqual(self.daemon.restarted().secrets(), [(0, self.secret, 0), (1, secret, 1)])

    def test_that_cannot_be_kept_are_logged(self):
        """A login does not wait for the store, and is not refused for it."""
        self.daemon.store.save_credential = lambda _: fail(StorageError("the disk is full"))
        self.daemon.log_in(self.secret)
        self.assertEqual(self.daemon.secrets(), [(0, self.secret, 1)])


class Removing(WithDevice):
    def test_leaves_no_secret(self):
        """The session ends, and no login finds the device, now or after a restart."""
        session = Session()
        self.device.attach(session)
        self.successResultOf(self.daemon.enrolment.remove(self.device))
        self.assertEqual(session.moods, ["removed"])
        self.assertEqual(self.daemon.keyring.find(DEVICE, 0, Suite.RABBIT_SHA1).refusal, "unknown-device")
        self.assertEqual(self.daemon.restarted().secrets(), [])

    def test_a_device_of_the_same_id_starts_anew(self):
        """With a secret of its own in slot 0."""
        self.new_secret()
        self.successResultOf(self.daemon.enrolment.remove(self.device))
        _, kid, secret = self.successResultOf(self.daemon.enrolment.enrol(record()))
        self.assertEqual(self.daemon.secrets(), [(0, secret, 0)])
        self.assertEqual((kid, secret == self.secret), (0, False))

    def test_a_failing_store_keeps_it_whole(self):
        """The device is still there, with its secret and its session."""
        self.daemon.store.remove_device = lambda _: fail(StorageError("the disk is full"))
        self.failureResultOf(self.daemon.enrolment.remove(self.device), StorageError)
        self.assertEqual(len(self.daemon.secrets()), 1)
