"""One report as octets: small, the same when it comes back, and safe to read whatever the octets are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import StorageError
from smok_twisted.readings import BlockReport, Fault
from smok_twisted.storage.blob import decode, encode

numbers = st.integers(0, 63)
words = st.lists(st.integers(0, 65535), max_size=255).map(tuple)
bits = st.lists(st.integers(0, 1), max_size=255).map(tuple)
good = st.builds(BlockReport, numbers, words | bits, st.just(0))
faulty = st.builds(BlockReport, numbers, st.just(()), st.integers(1, 255))
reports = st.lists(good | faulty, max_size=8).map(tuple)


class RoundTrip(SynchronousTestCase):
    """What goes in comes out."""

    @given(reports)
    def test_decode_of_encode(self, blocks):
        """Every report comes back the same, as the same types."""
        decoded = decode(encode(blocks))
        self.assertEqual(decoded, blocks)
        self.assertTrue(all(isinstance(block, BlockReport) for block in decoded))

    def test_the_longest(self):
        """64 blocks of 255 words."""
        blocks = tuple(BlockReport(number, (65535,) * 255) for number in range(64))
        self.assertEqual(decode(encode(blocks)), blocks)


class Layout(SynchronousTestCase):
    """The octets on disk do not change by accident: old files must stay readable."""

    def test_each_kind(self):
        """Words, bits, a fault."""
        blocks = (
            BlockReport(0, (1, 0x8029)),
            BlockReport(5, (1, 0, 0, 0, 0, 0, 0, 0, 1)),
            BlockReport(63, (), Fault.TIMEOUT),
        )
        self.assertEqual(encode(blocks).hex(" "), "01 03 00 02 00 01 80 29 45 09 01 01 bf e0")

    def test_twenty_registers(self):
        """44 octets for 20 registers: four more than the registers themselves."""
        self.assertEqual(len(encode((BlockReport(0, tuple(range(20))),))), 44)

    def test_fifty_coils(self):
        """11 octets."""
        self.assertEqual(len(encode((BlockReport(0, (1, 0) * 25),))), 11)


class Refused(SynchronousTestCase):
    """StorageError and nothing else."""

    def test_what_cannot_be_stored(self):
        """Words that are no words, blocks that no plan has."""
        block = BlockReport(0, (5,))
        for bad in (
            block._replace(words=(65536,)),
            block._replace(words=(-1,)),
            block._replace(words=(1, -1)),
            block._replace(words=(0.5,)),
            block._replace(words=("1",)),
            block._replace(words=(5,) * 256),
            block._replace(words=(1,) * 256),
            block._replace(block=64),
            block._replace(block=-1),
            block._replace(words=(), fault=256),
            block._replace(words=(), fault=-1),
            block._replace(fault=Fault.CRC),
        ):
            self.assertRaises(StorageError, encode, (bad,))
        self.assertRaises(StorageError, encode, (block,) * 256)

    @given(st.binary(max_size=80))
    def test_any_octets(self, octets):
        """Damaged octets are a value or a StorageError."""
        self.check(octets)

    @given(reports, st.data())
    def test_almost_right_octets(self, blocks, data):
        """One octet changed, and cut anywhere."""
        octets = bytearray(encode(blocks))
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
        self.check(bytes(octets[: data.draw(st.integers(0, len(octets)))]))

    def check(self, octets):
        try:
            blocks = decode(octets)
        except StorageError:
            return
        self.assertEqual(decode(encode(blocks)), blocks)

    def test_every_cut(self):
        """A report that is not whole is never taken for one."""
        octets = encode((BlockReport(0, (1, 2)), BlockReport(1, (1, 0, 1)), BlockReport(2, (), 2)))
        for length in range(len(octets)):
            self.assertRaises(StorageError, decode, octets[:length])
        self.assertRaises(StorageError, decode, octets + b"\0")

    def test_another_format(self):
        """A later version's report is refused, not misread."""
        self.assertRaises(StorageError, decode, b"\x02\x00")

    def test_forbidden_shapes(self):
        """A fault without a code, a kind that is not there, bits beyond the last."""
        for octets in ("01 01 80 00", "01 01 c0 01", "01 01 40 03 08", "01 01 40 00 00"):
            self.assertRaises(StorageError, decode, bytes.fromhex(octets))
