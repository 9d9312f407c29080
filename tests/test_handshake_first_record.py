"""The true reason of a refusal, for the log."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.cipher.record import DirectionKeys, Suite
from smok_twisted.errors import RemoteError
from smok_twisted.handshake.first_record import FirstRecordOpener


class FirstRecord(SynchronousTestCase):
    """A record that does not open."""

    def test_reasons(self) -> None:
        """The first one proves who it is; later ones are just bad. What opens is not touched."""
        for suite in Suite:
            keys = DirectionKeys(suite, bytes(suite.secret_octets), bytes(suite.secret_octets))
            sealer, opener = keys.sealer(), FirstRecordOpener(keys.opener(), "unknown-device")
            self.assertEqual(opener.tag_octets, suite.tag_octets)
            bad = b"\1" + bytes(1 + suite.tag_octets)
            for _ in range(2):
                self.assertEqual(self.assertRaises(RemoteError, opener.open, bad).reason, "unknown-device")
            self.assertEqual(opener.open(sealer.seal(b"login")), b"login")
            self.assertEqual(self.assertRaises(RemoteError, opener.open, bad).reason, "bad-tag")
            self.assertEqual(opener.open(sealer.seal(b"data")), b"data")
