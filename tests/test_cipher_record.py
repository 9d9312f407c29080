"""Records of both suites, pure and compiled: the vectors of SMOK/4, and every way of tampering refused."""

from __future__ import annotations

import hmac
import json
import os
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.cipher import rabbit
from smok_twisted.cipher.record import (
    MAX_RECORDS,
    DirectionKeys,
    NullAead,
    RabbitSha1,
    RecordOpener,
    RecordSealer,
    Suite,
)
from smok_twisted.errors import LocalError, RemoteError

VECTORS = json.loads((Path(__file__).parent / "vectors" / "smok4-vectors.json").read_text())
NATIVE: Any = rabbit._rabbit  # also under SMOK_PURE=1
NOT_COMPILED = None if NATIVE else "not compiled: python setup.py build_ext --inplace"

BODIES = [b"\x01", b"\x03", b"\x04" + bytes(range(19)), bytes(255)]
key20 = st.binary(min_size=20, max_size=20)
bodies = st.binary(min_size=1, max_size=255)


class Promises:
    """What the records of a suite promise, whoever computes them."""

    suite: Suite
    pure: str

    def setUp(self: Any) -> None:
        self.patch(os, "environ", {"SMOK_PURE": self.pure})
        octets = self.suite.secret_octets
        self.keys = DirectionKeys(self.suite, bytes(range(octets)), bytes(range(100, 100 + octets)))
        self.records = [self.keys.sealer(seq).seal(body) for seq, body in enumerate(BODIES)]

    def refused(self: Any, opener: Any, record: bytes) -> None:
        """``record`` gives RemoteError("bad-tag") and nothing else."""
        error = self.assertRaises(RemoteError, opener.open, record)
        self.assertEqual(error.reason, "bad-tag")

    def test_vectors(self: Any) -> None:
        """Records are those of smok4-vectors.json, in both directions."""
        vectors = VECTORS[f"suite{self.suite.value}"]
        for sender, cipher, mac in (("device", "B1", "B2"), ("server", "B3", "B4")):
            keys = DirectionKeys(self.suite, bytes.fromhex(vectors[cipher]), bytes.fromhex(vectors[mac]))
            sealer, opener = keys.sealer(), keys.opener()
            for each in vectors[f"{sender}_records"]:
                self.assertEqual(sealer.seal(bytes.fromhex(each["body"])).hex(), each["record"])
                self.assertEqual(opener.open(bytes.fromhex(each["record"])).hex(), each["body"])

    def test_there_and_back(self: Any) -> None:
        """Bodies of 1 to 255 octets arrive as they were, L octets and a tag longer."""
        sealer, opener = self.keys.sealer(), self.keys.opener()
        self.assertEqual((sealer.tag_octets, opener.tag_octets), (self.suite.tag_octets,) * 2)
        for octets in range(1, 256):
            body = bytes([octets]) * octets
            record = sealer.seal(body)
            self.assertEqual((record[0], len(record)), (octets, 1 + octets + self.suite.tag_octets))
            self.assertEqual(opener.open(record), body)

    def test_each_flipped_bit(self: Any) -> None:
        """A record with any one bit changed is refused; the true one still opens after all of them."""
        opener = self.keys.opener(2)
        for bit in range(8 * len(self.records[2])):
            record = bytearray(self.records[2])
            record[bit // 8] ^= 1 << bit % 8
            self.refused(opener, bytes(record))
        self.assertEqual(opener.open(self.records[2]), BODIES[2])
        self.assertEqual(opener.open(self.records[3]), BODIES[3])

    def test_truncation_at_each_octet(self: Any) -> None:
        """A record cut short anywhere, or one octet too long, is refused."""
        opener = self.keys.opener(2)
        for octets in range(len(self.records[2])):
            self.refused(opener, self.records[2][:octets])
        self.refused(opener, self.records[2] + b"\0")
        self.assertEqual(opener.open(self.records[2]), BODIES[2])

    def test_wrong_length_octet(self: Any) -> None:
        """A record whose L is 0, or not its own length, is refused though its tag be right."""
        aead = self.keys._aead()
        for length, body in ((b"\0", b""), (b"\0", b"four"), (b"\5", b"four"), (b"\3", b"four")):
            self.refused(self.keys.opener(), length + aead.encrypt(0, length, body))

    def test_replay(self: Any) -> None:
        """A record that has been taken is not taken again."""
        opener = self.keys.opener()
        opener.open(self.records[0])
        self.refused(opener, self.records[0])
        self.assertEqual(opener.open(self.records[1]), BODIES[1])

    def test_dropped_or_reordered(self: Any) -> None:
        """A record is taken at its own place only."""
        opener = self.keys.opener()
        self.refused(opener, self.records[1])
        for record, body in zip(self.records, BODIES, strict=True):
            self.assertEqual(opener.open(record), body)

    def test_spliced(self: Any) -> None:
        """The octets of one record under the tag of another are refused."""
        tag = self.suite.tag_octets
        self.refused(self.keys.opener(), self.records[0][:-tag] + self.records[1][-tag:])
        self.refused(self.keys.opener(), self.records[1][:-tag] + self.records[0][-tag:])

    def test_reflected(self: Any) -> None:
        """A record under the keys of the other direction is refused."""
        other = DirectionKeys(self.suite, self.keys.mac, self.keys.cipher)
        self.refused(other.opener(), self.records[0])

    def test_same_body_twice(self: Any) -> None:
        """The same body looks different every time."""
        sealer = self.keys.sealer()
        self.assertEqual(len({sealer.seal(bytes(20))[1:21] for _ in range(20)}), 20)

    def test_wrong_length_to_seal(self: Any) -> None:
        """A body of no octets or of more than 255 is our own mistake, and uses no number up."""
        sealer = self.keys.sealer()
        for octets in (0, 256, 70000):
            error = self.assertRaises(LocalError, sealer.seal, bytes(octets))
            self.assertEqual(str(error), f"a record's body has 1 to 255 octets, not {octets}")
        self.assertEqual(sealer.seal(BODIES[0]), self.records[0])

    def test_last_record(self: Any) -> None:
        """After 2**32 - 1 records nothing more is sealed or opened: no number is used twice."""
        sealer, opener = (make(MAX_RECORDS - 1) for make in (self.keys.sealer, self.keys.opener))
        record = sealer.seal(b"last")
        self.assertEqual(opener.open(record), b"last")
        mistake = self.assertRaises(LocalError, sealer.seal, b"one more")
        self.assertEqual(str(mistake), "all 2**32 - 1 records of this direction are used")
        error = self.assertRaises(RemoteError, opener.open, record)
        self.assertEqual(error.reason, "exhausted")


class PureSuite1(Promises, SynchronousTestCase):
    suite = Suite.RABBIT_SHA1
    pure = "1"

    def test_is_pure(self) -> None:
        """These tests are about the pure version."""
        self.assertIsInstance(self.keys.sealer(), RecordSealer)
        self.assertIsInstance(self.keys.opener(), RecordOpener)

    def test_where_a_direction_begins(self) -> None:
        """With record 0, unless somebody says otherwise; and never beyond the last one."""
        aead = RabbitSha1(self.keys.cipher, self.keys.mac)
        self.assertEqual(RecordSealer(aead).seal(BODIES[0]), self.records[0])
        self.assertEqual(RecordOpener(aead).open(self.records[0]), BODIES[0])
        self.assertRaises(LocalError, RecordSealer(aead, MAX_RECORDS + 1).seal, b"body")
        error = self.assertRaises(RemoteError, RecordOpener(aead, MAX_RECORDS + 1).open, self.records[0])
        self.assertEqual(error.reason, "exhausted")

    def test_as_written(self) -> None:
        """The octets are those of the design note's own two formulas."""
        record = self.keys.sealer(0x01020304).seal(b"body")
        stream = rabbit.Rabbit(self.keys.cipher[:16], self.keys.cipher[16:] + b"\1\2\3\4")
        text = stream.process(b"body")
        tag = hmac.digest(self.keys.mac, b"\1\2\3\4" + b"\4" + text, "sha1")[:8]
        self.assertEqual(record, b"\4" + text + tag)


class CompiledSuite1(Promises, SynchronousTestCase):
    suite = Suite.RABBIT_SHA1
    pure = ""
    skip = NOT_COMPILED

    def test_is_compiled(self) -> None:
        """These tests are about the compiled version."""
        self.assertIsInstance(self.keys.sealer(), NATIVE.Sealer)
        self.assertIsInstance(self.keys.opener(), NATIVE.Opener)

    def test_every_length_same_as_pure(self) -> None:
        """For each length of a body both implementations make the same record."""
        pure = RecordSealer(RabbitSha1(self.keys.cipher, self.keys.mac))
        sealer = self.keys.sealer()
        for octets in range(1, 256):
            self.assertEqual(sealer.seal(bytes(octets)), pure.seal(bytes(octets)))

    @settings(deadline=None)
    @given(key20, key20, st.integers(0, MAX_RECORDS - 1), bodies)
    def test_same_as_pure(self, cipher: bytes, mac: bytes, seq: int, body: bytes) -> None:
        """For any keys, number and body both implementations make, and take, the same record."""
        pure = RabbitSha1(cipher, mac)
        record = NATIVE.Sealer(cipher, mac, seq).seal(body)
        self.assertEqual(record, RecordSealer(pure, seq).seal(body))
        self.assertEqual(RecordOpener(pure, seq).open(record), body)
        self.assertEqual(NATIVE.Opener(cipher, mac, seq).open(record), body)

    @settings(deadline=None)
    @given(st.binary(max_size=300))
    def test_garbage(self, octets: bytes) -> None:
        """Octets that nobody sealed are refused, whatever their number."""
        self.refused(NATIVE.Opener(bytes(20), bytes(20)), octets)

    def test_wrong_keys(self) -> None:
        """Keys of another length are refused before they are read."""
        for cipher, mac in ((19, 20), (21, 20), (20, 19), (20, 21), (0, 0)):
            self.assertRaises(LocalError, NATIVE.Sealer, bytes(cipher), bytes(mac))
            self.assertRaises(LocalError, NATIVE.Opener, bytes(cipher), bytes(mac))

    def test_text(self) -> None:
        """Text in place of octets is refused, and uses no number up."""
        sealer = self.keys.sealer()
        self.assertRaises(TypeError, sealer.seal, "text")
        self.assertRaises(TypeError, self.keys.opener().open, "text")
        self.assertRaises(TypeError, NATIVE.Sealer, "k" * 20, bytes(20))
        self.assertEqual(sealer.seal(BODIES[0]), self.records[0])


class Suite2(Promises, SynchronousTestCase):
    suite = Suite.CHACHA20_POLY1305
    pure = ""


class Keys(SynchronousTestCase):
    def test_wrong_lengths(self) -> None:
        """Keys that do not suit the suite are our own mistake, told in one sentence."""
        for suite, cipher, mac in ((1, 19, 20), (1, 32, 20), (1, 20, 0), (1, 20, 32), (2, 20, 0), (2, 31, 0)):
            error = self.assertRaises(LocalError, DirectionKeys, Suite(suite), bytes(cipher), bytes(mac))
            self.assertEqual(str(error), f"keys of suite {suite} have {20 if suite == 1 else 32} octets each")

    def test_suite_2_needs_one_key(self) -> None:
        """Suite 2 does without the second key, and ignores it."""
        one, two = (DirectionKeys(Suite.CHACHA20_POLY1305, bytes(32), mac) for mac in (b"", b"m" * 32))
        self.assertEqual(one.sealer().seal(b"body"), two.sealer().seal(b"body"))
        self.assertEqual(one, DirectionKeys(Suite.CHACHA20_POLY1305, bytes(32)))

    def test_not_shown(self) -> None:
        """Keys do not get into a log by way of their object."""
        shown = repr(DirectionKeys(Suite.RABBIT_SHA1, b"A" * 20, b"B" * 20))
        self.assertNotIn("AAAA", shown)
        self.assertNotIn("BBBB", shown)


class Null(SynchronousTestCase):
    def test_there_and_back(self) -> None:
        """Without a suite a record is a length and the body: what a capture holds."""
        record = RecordSealer(NullAead()).seal(b"clear")
        self.assertEqual(record, b"\5clear")
        self.assertEqual(RecordOpener(NullAead()).open(record), b"clear")
