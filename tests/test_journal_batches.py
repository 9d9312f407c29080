"""Promise: a batch comes out of the journal as it went in; other octets are refused in one sentence."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import StorageError
from smok_twisted.readings import BlockReport, Report
from smok_twisted.storage.journal.batches import decode, encode
from smok_twisted.storage.records import Batch

from .store_samples import DEVICE, batch_of, report

U16 = st.integers(0, 65535)
BLOCK = st.builds(BlockReport, st.integers(0, 63), st.lists(U16, max_size=9).map(tuple), st.just(0))
FAULT = st.builds(BlockReport, st.integers(0, 63), st.just(()), st.integers(1, 255))


@st.composite
def batches(draw):
    device_id, boot, number = draw(st.integers(0, 2**64 - 1)), draw(U16), draw(U16)
    reports = [
        Report(device_id, draw(st.integers(-(2**63), 2**63 - 1)), boot, number, draw(U16), draw(U16), blocks, draw(U16))
        for blocks in draw(st.lists(st.lists(BLOCK | FAULT, max_size=4).map(tuple), max_size=4))
    ]
    return Batch(device_id, boot, number, tuple(reports))


class Batches(SynchronousTestCase):
    """Both ways."""

    @given(st.integers(0, 2**64 - 1), batches())
    def test_there_and_back(self, number, batch):
        """Every batch, an empty one too."""
        self.assertEqual(decode(encode(number, batch)), (number, batch))

    def test_what_cannot_be_stored(self):
        """It is refused before it is in the journal."""
        self.assertRaises(StorageError, encode, -1, Batch(DEVICE, 0, 0))
        self.assertRaises(StorageError, encode, 1, Batch(DEVICE, 65536, 0))
        self.assertRaises(StorageError, encode, 1, batch_of(report(1, words=(65536,))))

    def test_other_octets(self):
        """A batch of a later version, nothing, and one that was cut."""
        octets = encode(1, batch_of(report(1, 0), report(1, 1)))
        self.assertIn("unknown format 9", str(self.assertRaises(StorageError, decode, b"\x09" + octets[1:])))
        one_report = encode(1, batch_of(report(1, 0)))
        for cut in set(range(len(octets))) - {21, len(one_report)}:
            self.assertRaises(StorageError, decode, octets[:cut])
