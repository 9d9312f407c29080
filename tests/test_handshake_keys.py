"""The key schedule, against the published vectors."""

from __future__ import annotations

import json
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.cipher.record import Suite
from smok_twisted.errors import LocalError
from smok_twisted.handshake.keys import SessionKeys, decoy_secret, new_secret, session_keys

VECTORS = json.loads(Path(__file__).with_name("vectors").joinpath("smok4-vectors.json").read_text())


def vector(suite: Suite) -> tuple[dict[str, str], SessionKeys]:
    """The vectors of a suite, and the keys that we derive for them."""
    texts = VECTORS[f"suite{suite.value}"]
    secret, hello, choice = (bytes.fromhex(texts[name]) for name in ("secret", "hello", "choice"))
    return texts, session_keys(suite, secret, hello, choice)


class Vectors(SynchronousTestCase):
    """Firmware that follows the vectors talks to us."""

    def test_key_schedule(self) -> None:
        """B1 to B4 are as published."""
        for suite in Suite:
            texts, keys = vector(suite)
            up, down = keys.device_to_server, keys.server_to_device
            derived = [key.hex() for key in (up.cipher, up.mac, down.cipher, down.mac)]
            self.assertEqual(derived, [texts[name] for name in ("B1", "B2", "B3", "B4")])

    def test_records(self) -> None:
        """Every published record is what we seal, and opens to its body, in both directions."""
        for suite in Suite:
            texts, keys = vector(suite)
            for direction, records in (
                (keys.device_to_server, texts["device_records"]),
                (keys.server_to_device, texts["server_records"]),
            ):
                sealer, opener = direction.sealer(), direction.opener()
                for each in records:
                    self.assertEqual(sealer.seal(bytes.fromhex(each["body"])).hex(), each["record"])
                    self.assertEqual(opener.open(bytes.fromhex(each["record"])).hex(), each["body"])


class Schedule(SynchronousTestCase):
    """What the keys depend on."""

    def test_every_octet_counts(self) -> None:
        """A change of any octet of secret, HELLO or CHOICE changes all four keys."""
        for suite in Suite:
            given = bytes(suite.secret_octets), bytes(20), bytes(9)
            seen = [session_keys(suite, *given)]
            for part, octets in enumerate(given):
                for at in range(len(octets)):
                    changed = octets[:at] + b"\1" + octets[at + 1 :]
                    seen.append(session_keys(suite, *given[:part], changed, *given[part + 1 :]))
            keys = [key for up, down in seen for key in (up.cipher, up.mac, down.cipher, down.mac)]
            self.assertEqual(len(set(keys)), len(keys))

    def test_a_secret_of_the_other_suite(self) -> None:
        """A secret never serves a suite that it was not made for."""
        for suite, octets in ((Suite.RABBIT_SHA1, 32), (Suite.CHACHA20_POLY1305, 20)):
            error = self.assertRaises(LocalError, session_keys, suite, bytes(octets), bytes(20), bytes(9))
            self.assertIn(f"suite {suite.value} ", str(error))


class Secrets(SynchronousTestCase):
    """Secrets made here."""

    def test_new(self) -> None:
        """A new secret is as long as its suite asks, from the generator that is given."""
        self.assertEqual([new_secret(suite, lambda n: b"r" * n) for suite in Suite], [b"r" * 20, b"r" * 32])

    def test_decoys(self) -> None:
        """Each id and slot has a decoy of its own, the same each time, as long as a real secret."""
        for suite in Suite:
            slots = [(1, 0), (1, 1), (2, 0)]
            decoys = [decoy_secret(b"node", device_id, kid, suite) for device_id, kid in slots]
            self.assertEqual([len(decoy) for decoy in decoys], [suite.secret_octets] * 3)
            self.assertEqual(len(set(decoys)), 3)
            self.assertEqual(decoys, [decoy_secret(b"node", device_id, kid, suite) for device_id, kid in slots])
            self.assertNotEqual(decoys[0], decoy_secret(b"another node", 1, 0, suite))
