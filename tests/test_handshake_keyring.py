"""The secrets of all devices, in memory."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.cipher.record import Suite
from smok_twisted.errors import Conflict
from smok_twisted.handshake.keyring import Keyring, Slot
from smok_twisted.handshake.keys import decoy_secret

ONE, TWO = Suite.RABBIT_SHA1, Suite.CHACHA20_POLY1305
DAY_US = 24 * 3600 * 1_000_000
NODE_SECRET = b"node secret"


def slot(kid: int, created_us: int = 0, suite: Suite = ONE) -> Slot:
    """A slot whose secret is made of its number."""
    return Slot(kid, suite, bytes([kid]) * suite.secret_octets, created_us)


class KeyringCase(SynchronousTestCase):
    """A keyring with device 7 in it."""

    def setUp(self) -> None:
        self.now_us = 0
        self.keyring = Keyring(NODE_SECRET, lambda: self.now_us)
        self.keyring.put(7, [slot(0)])

    def kids(self) -> list[int]:
        return [each.kid for each in self.keyring.slots(7)]

    def log_in(self, kid: int, times: int = 1) -> None:
        for _ in range(times):
            self.assertTrue(self.keyring.logged_in(7, slot(kid).secret))


class Find(KeyringCase):
    """What a login continues on."""

    def refusal(self, device_id: int, kid: int, suite: Suite) -> str:
        """Assert that it is a decoy, and say why."""
        candidate = self.keyring.find(device_id, kid, suite)
        self.assertEqual(candidate.secret, decoy_secret(NODE_SECRET, device_id, kid, suite))
        self.assertFalse(candidate.genuine)
        return candidate.refusal

    def test_known(self) -> None:
        """A device continues on its own secret."""
        candidate = self.keyring.find(7, 0, ONE)
        self.assertEqual((candidate.secret, candidate.genuine), (slot(0).secret, True))
        self.assertEqual(candidate.refusal, "wrong-secret")

    def test_everything_else_gets_a_decoy(self) -> None:
        """Unknown ids, slots and suites and revoked devices continue on a decoy; the log knows why."""
        self.assertEqual(self.refusal(8, 0, ONE), "unknown-device")
        self.assertEqual(self.refusal(7, 1, ONE), "unknown-kid")
        self.assertEqual(self.refusal(7, 0, TWO), "wrong-suite")
        self.keyring.put(7, [])
        self.assertEqual(self.refusal(7, 0, ONE), "revoked")
        self.keyring.remove(7)
        self.assertEqual(self.refusal(7, 0, ONE), "unknown-device")
        self.keyring.remove(7)

    def test_two_suites_in_one_slot_number(self) -> None:
        """A device that speaks both suites has a secret for each."""
        self.keyring.put(7, [slot(0), slot(0, suite=TWO)])
        for suite in Suite:
            self.assertEqual(self.keyring.find(7, 0, suite).secret, bytes(suite.secret_octets))

    def test_secrets_are_not_shown(self) -> None:
        """What is printed or logged of a slot or a candidate does not hold the secret."""
        self.keyring.put(7, [Slot(1, ONE, b"topsecret.topsecret.", 0)])
        for shown in (self.keyring.slots(7), self.keyring.find(7, 1, ONE)):
            self.assertNotIn("topsecret", repr(shown))


class Rotation(KeyringCase):
    """The old secret goes when the new one has shown that it works, never before."""

    def setUp(self) -> None:
        super().setUp()
        self.keyring.rotate(7, slot(1))

    def test_both_work(self) -> None:
        """While a rotation is under way the device may use either."""
        self.assertEqual([self.keyring.find(7, kid, ONE).genuine for kid in (0, 1)], [True, True])

    def test_three_logins(self) -> None:
        """The third login with the new secret retires the old one."""
        self.log_in(1, times=2)
        self.assertEqual(self.kids(), [0, 1])
        self.log_in(1)
        self.assertEqual(self.kids(), [1])
        self.assertFalse(self.keyring.find(7, 0, ONE).genuine)
        self.assertFalse(self.keyring.logged_in(7, slot(0).secret))

    def test_logins_with_the_old_one_do_not_count(self) -> None:
        """A device that still uses the old secret keeps it."""
        self.log_in(0, times=10)
        self.assertEqual(self.kids(), [0, 1])

    def test_thirty_days(self) -> None:
        """After one login with the new secret the old one goes 30 days after the new one was made, by itself."""
        self.log_in(1)
        self.now_us = 30 * DAY_US - 1
        self.assertTrue(self.keyring.find(7, 0, ONE).genuine)
        self.now_us = 30 * DAY_US
        self.assertFalse(self.keyring.find(7, 0, ONE).genuine)
        self.assertEqual(self.kids(), [1])

    def test_never_before_the_first_login(self) -> None:
        """A device that never took the new secret is not locked out, however long it takes."""
        self.now_us = 1000 * DAY_US
        self.assertEqual(self.kids(), [0, 1])
        self.log_in(1)
        self.assertEqual(self.kids(), [1])

    def test_a_third_secret(self) -> None:
        """No third secret until the second is in use: the device may have stored it already."""
        error = self.assertRaises(Conflict, self.keyring.rotate, 7, slot(2))
        self.assertIn("device 0x0000000000000007", str(error))
        self.assertEqual(self.kids(), [0, 1])
        self.log_in(1, times=3)
        self.keyring.rotate(7, slot(2))
        self.assertEqual(self.kids(), [1, 2])

    def test_the_same_number_twice(self) -> None:
        """Two live secrets never share a number."""
        self.keyring.put(7, [slot(3)])
        self.assertIn("secret 3", str(self.assertRaises(Conflict, self.keyring.rotate, 7, slot(3))))

    def test_what_the_store_keeps(self) -> None:
        """Logins are counted up to three: after that nothing changes any more and nothing has to be stored."""
        self.log_in(0, times=5)
        self.assertEqual([each.logins for each in self.keyring.slots(7)], [3, 0])

    def test_a_login_of_nobody(self) -> None:
        """A secret that was withdrawn while somebody logged in counts for nothing."""
        self.keyring.put(7, [])
        self.assertFalse(self.keyring.logged_in(7, slot(0).secret))
        self.assertFalse(self.keyring.logged_in(8, slot(0).secret))
        self.assertEqual((self.kids(), self.keyring.slots(8)), ([], ()))
