"""An hour packed is the hour: every report comes back to the last bit, small, and damage is seen."""

from __future__ import annotations

import zlib

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import StorageError
from smok_twisted.history import columns
from smok_twisted.history.chunk import Chunk, encode
from smok_twisted.history.merge import merged
from smok_twisted.readings import BlockReport, Fault, Report
from smok_twisted.storage.records import place_of

from .history_samples import DEVICE, START_US, histories, view

VIEWS = [view(1), view(2)]


def report(batch, *blocks, time_us=None, plan=1, flags=0, round_=0):
    return Report(
        DEVICE, START_US + batch * 60_000_000 if time_us is None else time_us, 3, batch, round_, plan, blocks, flags
    )


anything = st.builds(
    Report,
    st.just(DEVICE),
    st.integers(0, 1 << 52),
    st.integers(0, 65535),
    st.integers(0, 65535),
    st.integers(0, 300),
    st.integers(0, 65535),
    st.lists(
        st.builds(BlockReport, st.integers(0, 63), st.lists(st.integers(0, 65535), max_size=4).map(tuple), st.just(0))
        | st.builds(BlockReport, st.integers(0, 63), st.just(()), st.integers(1, 255)),
        max_size=4,
    ).map(tuple),
    st.integers(0, 3),
)


class RoundTrip(SynchronousTestCase):
    @settings(deadline=None)
    @given(histories(VIEWS))
    def test_an_hour_of_equipment(self, reports):
        """Values, faults, blocks that are not in every report, two plans in one hour."""
        self.assertEqual(Chunk(encode(reports)).reports(DEVICE), reports)

    @settings(deadline=None)
    @given(st.lists(anything, min_size=1, max_size=12, unique_by=place_of))
    def test_whatever_a_device_makes_up(self, reports):
        """Blocks twice, out of order or of changing length, and times of any year."""
        self.assertEqual(Chunk(encode(reports)).reports(DEVICE), sorted(reports, key=place_of))

    @settings(deadline=None)
    @given(histories(VIEWS))
    def test_one_block_is_what_the_reports_say(self, reports):
        """A register alone, unpacked without the rest, is the same as out of the reports."""
        chunk = Chunk(encode(reports))
        for plan in {report.plan for report in reports}:
            for number, block in enumerate(VIEWS[plan - 1].plan.blocks):
                rows = [(r.time_us, b) for r in reports if r.plan == plan for b in r.blocks if b.block == number]
                found = chunk.block(plan, number, range(block.count))
                if not rows:
                    self.assertIsNone(found)
                    continue
                self.assertEqual(list(found.times_us), [time_us for time_us, _ in rows])
                self.assertEqual(list(found.states), [one.fault for _, one in rows])
                words = [one.words for _, one in rows if not one.fault]
                self.assertEqual(list(zip(*found.words, strict=True)), words)

    def test_the_same_reports_give_the_same_octets(self):
        """In whatever order they come: packing again changes nothing."""
        reports = [report(batch, BlockReport(0, (batch, 7))) for batch in range(60)]
        self.assertEqual(encode(reports), encode(reports[::-1]))

    def test_what_cannot_be_packed_is_refused(self):
        """No half hour is written, wherever in it the wrong word is."""
        for words in ((65536, 0), (0, 65536), (-1, 0), (0, -1)):
            with self.assertRaisesRegex(StorageError, "cannot be packed"):
                encode([report(number, BlockReport(0, (word,))) for number, word in enumerate(words)])

    def test_an_hour_without_reports(self):
        """It is refused in words."""
        with self.assertRaisesRegex(StorageError, "an hour without reports cannot be packed"):
            encode([])


class Layout(SynchronousTestCase):
    """Old chunks must stay readable: seven years are written in this form."""

    def test_octet_by_octet(self):
        """Two reports with a register, a fault and a coil."""
        reports = [
            report(1, BlockReport(0, (0x0102,)), BlockReport(1, (1,))),
            report(2, BlockReport(0, (), Fault.CRC), BlockReport(1, (0,)), flags=1),
        ]
        octets = encode(reports)
        self.assertEqual(octets[0], 1)
        self.assertEqual(zlib.decompress(octets[1:]).hex(), LAYOUT.replace(" ", ""))

    def test_a_quiet_hour_is_next_to_nothing(self):
        """Sixty reports of twenty registers in which nothing changes: below one octet for ten samples."""
        reports = [report(batch, BlockReport(0, tuple(range(100, 120)))) for batch in range(60)]
        self.assertLess(len(encode(reports)), 120)


LAYOUT = (
    "000626dc87024f00 000000000000ea60 00000002 0002 00000000 03e8"  # first time, step, rows, groups, odd rows, unit
    "00"  # both times are on the line
    "00 01 00 01 00 02 00"  # widths of: boot, batch, round, flags, plan, state of block 0, of block 1
    "0000000000000003 0000000000000001 0000000000000000 0000000000000000 0000000000000001"  # their first numbers
    "0000000000000000 0000000000000000"
    "01 01 e100"  # differences of batch, flags and state of block 0: octets of equal rank together
    "0001 00 01 00 0102"  # plan 1, block 0, one register: no differences, it was read once
    "0001 01 01 01 0001 ff"  # plan 1, block 1, one register: from 1 to 0
)


class Damage(SynchronousTestCase):
    def test_every_octet_counts(self):
        """A flipped bit, a missing end, another format: StorageError, or no harm; never other values."""
        reports = [report(batch, BlockReport(0, (batch, 7))) for batch in range(5)]
        octets, refused = encode(reports), 0
        for position in range(len(octets)):
            flipped = octets[:position] + bytes((octets[position] ^ 4,)) + octets[position + 1 :]
            for damaged in (octets[:position], flipped):
                try:
                    self.assertEqual(Chunk(damaged).reports(DEVICE), reports)
                except StorageError as error:
                    self.assertIn("damaged", str(error))
                    refused += 1
        self.assertGreater(refused, 2 * len(octets) - 6)

    @given(st.binary(max_size=200))
    def test_random_octets(self, body):
        """Nothing but StorageError, also when they are well compressed."""
        for octets in (body, b"\1" + zlib.compress(body)):
            try:
                chunk = Chunk(octets)
                if chunk.rows < 1000:
                    chunk.reports(DEVICE)
            except StorageError:
                pass


class Columns(SynchronousTestCase):
    @given(st.lists(st.integers(-(1 << 62), 1 << 62), min_size=1, max_size=30))
    def test_any_numbers(self, numbers):
        """Differences of every width, or a clear refusal."""
        differences = columns.differences_of(numbers)
        try:
            width = columns.width_of(differences)
        except OverflowError:
            self.assertGreaterEqual(max(map(abs, differences)), 1 << 63)
            return
        octets = b"xx" + columns.pack(differences, width)
        self.assertEqual(len(octets), 2 + width * len(differences))
        self.assertEqual(columns.read(octets, 2, len(numbers), width, numbers[0]), numbers)

    def test_widths(self):
        """Each takes what fits it and not one more."""
        for width in (1, 2, 4):
            limit = 1 << (8 * width - 1)
            self.assertEqual(columns.width_of([limit - 1, -limit]), width)
            self.assertEqual((columns.width_of([limit]), columns.width_of([-limit - 1])), (2 * width, 2 * width))
        self.assertEqual((columns.width_of([]), columns.width_of([0, 0])), (0, 0))


class Merged(SynchronousTestCase):
    def test_a_batch_that_came_twice_is_there_once(self):
        """Its second time differs by milliseconds; the first copy counts. Log and chunk share what they share."""
        first, again = report(1, time_us=START_US), report(1, time_us=START_US + 7000)
        second = report(2)
        self.assertEqual(merged([first, second], [second, again]), [first, second])

    def test_the_same_number_an_age_later_is_another_batch(self):
        """Numbers go round."""
        first, later = report(1, time_us=START_US), report(1, time_us=START_US + 3_000_000_000)
        self.assertEqual(merged([later], [first]), [first, later])
