"""Promise: what is wrong with packed history is told line by line, and what can be put right is."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.history import summary
from smok_twisted.history.chunk import Chunk
from smok_twisted.history.packing import packed
from smok_twisted.modbus.maps import parse_map
from smok_twisted.readings import BlockReport, Report
from smok_twisted.storage import sqlite_packed
from smok_twisted.storage.database import Database, schema
from smok_twisted.storage.records import HOUR_US, Batch, DeviceRecord, ModelRecord, Unpacked
from smok_twisted.storage.sqlite import APPLICATION_ID
from smok_twisted.storage.sqlite_history import append, encoded, reports
from smok_twisted.storage.sqlite_registry import save_device, save_model, save_plan
from smok_twisted.tools import history_check

from .history_samples import DEVICE, HOUR, PLANT, START_US, view
from .tools_rig import run_here

VIEWS = {1: view()}
HOURS = 30  # from the eleventh hour of a day, to the next day
NAME = "plant-1 (0x0000000000000007)"


def flipped(block):
    """One bit of every word."""
    return block._replace(words=tuple(word ^ 1 for word in block.words))


def later(one, us):
    return one._replace(time_us=one.time_us + us)


class HistoryCase(SynchronousTestCase):
    """A file with some hours of log, all packed."""

    def setUp(self):
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.file = self.folder / "smok.db"
        self.change(self.fill)

    def change(self, work):
        database = Database(self.file, schema("sqlite"), APPLICATION_ID)
        try:
            with closing(database.connect()) as connection:
                return work(connection.cursor())
        finally:
            database.close()

    def sql(self, statement, *arguments):
        self.change(lambda cursor: cursor.execute(statement, arguments))

    def fill(self, cursor):
        chance = random.Random(5)
        cursor.execute("BEGIN")
        register_map = parse_map(PLANT)
        save_model(cursor, ModelRecord(register_map.name, register_map.version, PLANT, 0))
        save_device(cursor, DeviceRecord(DEVICE, "plant-1", "plant", 0))
        save_plan(cursor, DEVICE, VIEWS[1].plan)
        for number in range(1, 1 + 6 * HOURS):
            blocks = tuple(
                BlockReport(n, tuple(chance.randrange(2 if block.table.is_bits else 300) for _ in range(block.count)))
                for n, block in enumerate(VIEWS[1].plan.blocks)
            )
            one = Report(DEVICE, START_US + number * HOUR_US // 6 - 1, 1, number, 0, 1, blocks)
            append(cursor, encoded(Batch(DEVICE, 1, number, (one,))))
        self.pack(cursor)
        cursor.execute("COMMIT")

    def pack(self, cursor):
        """As the packer does."""
        for one in sqlite_packed.unpacked(cursor, 0, 1 << 40, 1000, None):
            self.pack_hour(cursor, one)

    def pack_hour(self, cursor, one: Unpacked):
        found = reports(cursor, DEVICE, one.hour * HOUR_US, (one.hour + 1) * HOUR_US, 1000, None)
        chunks = dict(sqlite_packed.chunks(cursor, DEVICE, one.hour, one.hour + 1, 1))
        days = dict(sqlite_packed.summaries(cursor, DEVICE, one.hour // 24, one.hour // 24 + 1, 1))
        small = packed(one, found, chunks.get(one.hour), days.get(one.hour // 24), VIEWS)
        sqlite_packed.save(cursor, small, one.mark)

    def check(self):
        ran = run_here("db", "check", "--data-dir", str(self.folder))
        self.assertEqual(ran.err, "")
        return ran.code, ran.out.splitlines()

    def repack(self, code=0):
        ran = run_here("db", "repack", "--data-dir", str(self.folder))
        self.assertEqual((ran.code, ran.err), (code, ""))
        return ran.out

    def assert_good(self, days=2):
        code, lines = self.check()
        self.assertEqual((code, len(lines)), (0, 1), lines)
        self.assertIn(f"{days} days of packed history as the log says", lines[0])

    def assert_damaged(self, *texts):
        code, lines = self.check()
        self.assertEqual((code, [line.partition(", ")[0] for line in lines[:-1]]), (1, [NAME] * len(texts)), lines)
        for line, text in zip(lines, texts, strict=False):
            self.assertIn(text, line)
        return lines[-1]

    def heals(self, hours):
        """Repacking and the packer put it right, and nothing is lost."""
        self.assertIn(f"{hours} hours are packed again when the daemon runs", self.repack())
        self.change(self.pack)
        self.assert_good()


class Check(HistoryCase):
    def test_what_is_good(self):
        """Also when the log has gone, and hours wait to be packed."""
        self.assert_good()
        self.change(lambda cursor: sqlite_packed.mark(cursor, 1, (HOUR, HOUR + 3)))
        self.assert_good()
        self.sql("DELETE FROM report")
        self.assert_good()
        self.assertIn("nothing in the history is damaged", self.repack())

    def test_a_chunk_that_does_not_decode(self):
        for octets in (b"", b"\x01rubbish", b"\x07"):
            self.sql("UPDATE chunk SET octets = ? WHERE hour = ?", octets, HOUR + 3)
            last = self.assert_damaged("2024-11-14T13:00:00.000Z: a packed hour is damaged")
            self.assertEqual(last, "1 damages; `smok db repack` puts 1 of them right")
            self.heals(hours=1)

    def test_a_chunk_of_another_hour(self):
        other = "(SELECT octets FROM chunk WHERE hour = ?)"
        self.sql(f"UPDATE chunk SET octets = {other} WHERE hour = ?", HOUR + 4, HOUR + 3)
        self.assert_damaged("T13:00:00.000Z: its chunk has reports of another hour")
        self.heals(hours=1)

    def test_a_report_that_is_not_in_its_chunk(self):
        """The packer has lost it; the log has it still."""
        self.change(self.add_unmarked)
        self.assert_damaged("T13:00:00.000Z: 1 reports of the log are not in its chunk")
        self.heals(hours=1)

    def test_a_chunk_that_says_something_else(self):
        """It decodes, and so does a summary of it: the log tells that its words, plans or flags are others."""
        for change in (
            lambda one: one._replace(blocks=tuple(map(flipped, one.blocks))),
            lambda one: one._replace(blocks=one.blocks[1:]),
            lambda one: one._replace(flags=one.flags ^ 1),
            lambda one: one._replace(plan=2),
        ):
            self.change(lambda cursor, change=change: self.spoil_chunk(cursor, change))
            last = self.assert_damaged("2024-11-14T13:00:00.000Z: 6 reports of its chunk differ from the log")
            self.assertEqual(last, "1 damages; `smok db repack` puts 1 of them right")
            self.heals(hours=1)

    def test_a_chunk_with_other_times(self):
        """They are other reports then; as the log has all of them, the chunk goes."""
        for shift_us in (-1000, -599_000_000):
            self.change(lambda cursor, us=shift_us: self.spoil_chunk(cursor, lambda one: later(one, us)))
            self.assert_damaged("T13:00:00.000Z: 6 reports of the log are not in its chunk")
            self.heals(hours=1)

    def test_a_chunk_of_which_the_log_has_a_part(self):
        """What only the chunk has stays; the rest comes from the log again."""
        self.sql("DELETE FROM report WHERE batch IN (SELECT batch FROM report WHERE time_us / ? = ? LIMIT 2)",
                 HOUR_US, HOUR + 3)  # fmt: skip
        self.change(lambda cursor: self.spoil_chunk(cursor, lambda one: one._replace(flags=1)))
        self.assert_damaged("T13:00:00.000Z: 4 reports of its chunk differ from the log")
        self.heals(hours=1)
        self.assertEqual([one.flags for one in self.packed_reports(HOUR + 3)], [1, 1, 0, 0, 0, 0])

    def packed_reports(self, hour):
        ((_, octets),) = self.change(lambda cursor: sqlite_packed.chunks(cursor, DEVICE, hour, hour + 1, 1))
        return Chunk(octets).reports(DEVICE)

    def spoil_chunk(self, cursor, change):
        """With the summary that belongs to it."""
        hour = HOUR + 3
        ((_, octets),) = sqlite_packed.chunks(cursor, DEVICE, hour, hour + 1, 1)
        ((_, day),) = sqlite_packed.summaries(cursor, DEVICE, hour // 24, hour // 24 + 1, 1)
        spoiled = list(map(change, Chunk(octets).reports(DEVICE)))
        sqlite_packed.save(cursor, packed(Unpacked(DEVICE, hour, 1), spoiled, None, day, VIEWS), 1)

    def add_unmarked(self, cursor):
        (one,) = reports(cursor, DEVICE, (HOUR + 3) * HOUR_US, (HOUR + 4) * HOUR_US, 1, None)
        late = one._replace(time_us=one.time_us + 7000, batch=10_000)
        append(cursor, encoded(Batch(DEVICE, 1, 10_000, (late,))))
        cursor.execute("DELETE FROM unpacked")

    def test_an_hour_without_a_chunk(self):
        self.sql("DELETE FROM chunk WHERE hour = ?", HOUR + 3)
        self.assert_damaged("2024-11-14T13:00:00.000Z: its chunk is missing, the log has 6 reports")
        self.repack()
        self.assert_good()  # it waits to be packed
        self.change(self.pack)
        self.assert_good()

    def test_an_hour_that_only_a_summary_knows(self):
        """There is nothing left to pack it from."""
        self.sql("DELETE FROM report")
        self.sql("DELETE FROM chunk WHERE hour = ?", HOUR + 3)
        last = self.assert_damaged(
            "T13:00:00.000Z: its chunk is missing, and so is the log; the day's summary tells of it"
        )
        self.assertEqual(last, "1 damages; `smok db repack` puts 0 of them right")

    def test_a_summary_that_says_something_else(self):
        for change in (
            lambda row: (row[0] + 1, *row[1:]),
            lambda row: (*row[:-1], row[-1] + 1),
            lambda row: (*row[:6], row[6] + 1, *row[7:]),
        ):
            self.change(lambda cursor, change=change: self.spoil_summary(cursor, change))
            self.assert_damaged("2024-11-14T15:00:00.000Z: the day's summary does not say what the hour's chunk says")
            self.heals(hours=1)

    def spoil_summary(self, cursor, change):
        ((day, octets),) = sqlite_packed.summaries(cursor, DEVICE, HOUR // 24, HOUR // 24 + 1, 1)
        known = summary.decode(octets)
        point = known[min(known)]
        point.rows[15] = change(point.rows[15])
        cursor.execute("UPDATE summary SET octets = ? WHERE day = ?", (summary.encode(known), day))

    def test_a_summary_that_does_not_decode_or_is_not_there(self):
        self.sql("UPDATE summary SET octets = x'01' WHERE day = ?", HOUR // 24 + 1)
        self.assert_damaged("2024-11-15T00:00:00.000Z: a summed-up day is damaged")
        self.heals(hours=HOURS - 14)
        self.sql("DELETE FROM summary WHERE day = ?", HOUR // 24)
        self.assert_damaged(*["does not say what the hour's chunk says"] * 14)
        self.heals(hours=14)

    def test_retention_is_no_damage(self):
        """A day goes with all that is known of it."""
        self.change(lambda cursor: sqlite_packed.forget(cursor, DEVICE, (HOUR + 40) * HOUR_US, HOUR // 24 + 1))
        self.assert_good(days=1)
        self.sql("DELETE FROM summary")
        self.sql("DELETE FROM chunk WHERE hour = (SELECT min(hour) FROM chunk)")
        self.assertEqual(self.check()[0], 1)

    def test_what_cannot_be_put_right_is_left_alone_and_told(self):
        """A chunk that is gone for good is still there for whoever can read something out of it."""
        self.sql("DELETE FROM report")
        self.sql("UPDATE chunk SET octets = x'0123' WHERE hour = ?", HOUR + 3)
        self.assertEqual(self.assert_damaged("is damaged"), "1 damages; `smok db repack` puts 0 of them right")
        self.assertIn(f"beyond repair, what is needed is in a backup or nowhere: {NAME}", self.repack(code=1))
        rows = self.change(lambda cursor: sqlite_packed.chunks(cursor, DEVICE, HOUR + 3, HOUR + 4, 1))
        self.assertEqual(rows, [(HOUR + 3, b"\x01\x23")])

    def test_a_register_map_that_cannot_be_read(self):
        """Without it no value means anything."""
        self.sql("UPDATE model SET text = 'x'")
        ran = run_here("db", "check", "--data-dir", str(self.folder))
        self.assertEqual((ran.code, ran.out), (1, ""))
        self.assertRegex(ran.err, r"\Asmok: register map 'plant', version \w+, is damaged: ")

    def test_very_many_damages_are_counted(self):
        self.patch(history_check, "LINES_AT_MOST", 5)
        self.sql("UPDATE chunk SET octets = x''")
        code, lines = self.check()
        self.assertEqual((code, lines[5:]), (1, [
            f"... and {HOURS - 5} more", f"{HOURS} damages; `smok db repack` puts {HOURS} of them right",
        ]))  # fmt: skip
