"""Promise: all of a device's history leaves as CSV or Parquet, each value once, however long, and never half."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThread

from smok_twisted.clock import rfc3339
from smok_twisted.errors import StorageError
from smok_twisted.readings import BlockReport, Report
from smok_twisted.storage.records import Batch
from smok_twisted.tools import parquet, progress

from .export_rig import damage, failing, rows_of
from .tools_rig import ToolTestCase
from .web_rig import ADMIN_TOKEN, BOILER, NOW_US

PROJECT = Path(__file__).resolve().parent.parent


class Terminal(io.StringIO):
    """What a bar is drawn on."""

    def isatty(self):
        return True


class Tool(ToolTestCase):
    """smok export"""

    def setUp(self):
        super().setUp()
        self.rig.add_boiler()
        for batch in range(1, 301):
            self.rig.report(301 - batch, None if batch == 7 else batch, batch)
        turns = LoopingCall(self.rig.clock.advance, 0)
        turns.start(0)
        self.addCleanup(turns.stop)
        self.place = Path(self.mktemp())
        self.place.mkdir()

    async def test_to_the_standard_output(self):
        found = rows_of(await self.accepted("export", "boiler-1", "outside"))
        self.assertEqual(len(found), 301)
        self.assertEqual([row[1:] for row in found[6:9]], [
            ["outside", "0.6", "good"], ["outside", "", "timeout"], ["outside", "0.8", "good"],
        ])  # fmt: skip

    async def test_a_dash_is_the_standard_output(self):
        """As for ``smok capture``: the lines and nothing else, and no file of that name."""
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.place)
        for options in (("-o", "-"), ("--output=-",), ("-o", "-", "--wide")):
            found = rows_of(await self.accepted("export", "boiler-1", "outside", *options))
            self.assertEqual((len(found), found[0][0]), (301, "time"))
        self.assertEqual(os.listdir("."), [])

    async def test_the_bar_is_not_among_the_lines(self):
        """Where stderr is a terminal it shows how far the export is; what goes into a pipe is the same."""
        lines = await self.accepted("export", "boiler-1", "outside", "-o", "-")
        terminal = Terminal()
        self.patch(progress, "sys", SimpleNamespace(stderr=terminal))
        self.assertEqual(await self.accepted("export", "boiler-1", "outside", "-o", "-"), lines)
        self.assertIn("export boiler-1", terminal.getvalue())

    async def test_the_end_before_the_beginning(self):
        """Refused as ``smok series`` refuses it, not answered with a file without a line; what was there stays."""
        file = self.place / "x.csv"
        file.write_text("before")
        text = "the export ends before it begins: `from` must be before `to`"
        given = ("export", "boiler-1", "--from", "2027-01-01", "--to", "2026-01-01", "-o", str(file))
        self.assertEqual(await self.refused(*given), (1, text))
        self.assertEqual(file.read_text(), "before")

    async def test_to_a_file(self):
        file = self.place / "x.csv"
        self.assertEqual(await self.accepted("export", "boiler-1", "--wide", "-o", str(file)), "")
        found = rows_of(file.read_text())
        self.assertEqual(found[0], ["time", "outside", "setpoint", "season", "label", "pump"])
        self.assertEqual((len(found), found[1][1:4]), (301, ["0.1", "55.0", "1"]))
        self.assertEqual(file.stat().st_mode & 0o777 & 0o600, 0o600)

    async def test_wide_of_what_was_imported(self):
        """A line for each time of the file, as it was, though each value is a report of its own."""
        given = "time,outside,setpoint\n" + "".join(
            f"2020-01-01T{minute // 60:02}:{minute % 60:02}:00.000Z,{minute / 10},{30 + minute / 10}\n"
            for minute in range(150)
        )
        (self.place / "old.csv").write_text(given)
        await self.smok("import", str(self.place / "old.csv"), "--device", "boiler-1")
        found = await self.accepted("export", "boiler-1", "outside", "setpoint", "--wide", "--to", "2021-01-01")
        self.assertEqual(found, given)

    async def test_to_a_fifo(self):
        """It is written to, and stays one; a Parquet file is refused, which is not written from front to back."""
        fifo = self.place / "fifo"
        os.mkfifo(fifo)
        read = deferToThread(fifo.read_text)
        await self.accepted("export", "boiler-1", "outside", "-o", str(fifo))
        self.assertEqual(len(rows_of(await read)), 301)
        ran = await self.refused("export", "boiler-1", "--format", "parquet", "-o", str(fifo))
        self.assertEqual(ran, (2, f"{fifo} is no regular file: name a file"))
        self.assertEqual(([path.name for path in self.place.iterdir()], fifo.is_fifo()), (["fifo"], True))

    async def test_to_the_standard_output_by_its_name(self):
        """As by none: nothing is cut off that is there already. ``/dev/stdout`` is a link to this one."""
        file = self.place / "all.csv"
        file.write_text("before\n")
        command = [sys.executable, "-m", "smok_twisted.tools.main", "--url", self.url, "--token", ADMIN_TOKEN]
        command += ["export", "boiler-1", "outside", "-o", "/proc/self/fd/1"]
        with file.open("a") as stream:
            await deferToThread(subprocess.run, command, check=True, stdout=stream, cwd=PROJECT)
        found = rows_of(file.read_text())
        self.assertEqual((found[0], len(found)), (["before"], 302))

    async def test_to_a_link(self):
        """It stays one: what it leads to is replaced, when all is there."""
        target, link = self.place / "target.csv", self.place / "link.csv"
        target.write_text("before")
        link.symlink_to(target.name)
        await self.accepted("export", "boiler-1", "outside", "-o", str(link))
        self.assertEqual((link.is_symlink(), len(rows_of(target.read_text()))), (True, 301))

    async def test_what_breaks_off_leaves_what_was_there(self):
        """Half a file never gets the name of a whole one."""
        file = self.place / "x.csv"
        file.write_text("before")
        self.rig.store.reports = self.fail_later(self.rig.store.reports)
        code, text = await self.refused("export", "boiler-1", "-o", str(file))
        self.assertEqual(code, 3)
        self.assertEqual(text, "the export of boiler-1 broke off: the disk is gone")
        self.assertEqual([path.name for path in self.place.iterdir()], ["x.csv"])
        self.assertEqual(file.read_text(), "before")
        self.assertEqual(len(self.flushLoggedErrors(StorageError)), 1)

    async def test_a_damaged_hour(self):
        """It is named, with what may be done; what was there stays."""
        damage(self.rig)
        file = self.place / "x.csv"
        file.write_text("before")
        code, text = await self.refused("export", "boiler-1", "-o", str(file))
        self.assertEqual(code, 3)
        self.assertIn("broke off: 2026-09-21T14:00:00.000Z: a packed hour is damaged: unknown format 7; ", text)
        self.assertIn("`smok export --skip-damaged`", text)
        self.assertEqual(file.read_text(), "before")
        self.assertEqual(len(self.flushLoggedErrors(StorageError)), 1)

    async def test_a_damaged_hour_is_skipped(self):
        """The rest is there; device, hour and reason are told, the last line counts, and the end is not that of all."""
        damage(self.rig)
        file = self.place / "x.csv"
        ran = await self.smok("export", "boiler-1", "outside", "--skip-damaged", "-o", str(file))
        self.assertEqual((ran.code, ran.out), (1, ""))
        self.assertEqual(ran.err.splitlines(), [
            "smok: boiler-1: left out: 2026-09-21T14:00:00.000Z: a packed hour is damaged: unknown format 7",
            "smok: 1 damaged hour is left out of the export of boiler-1; all else is there",
        ])  # fmt: skip
        self.assertEqual([row[0] for row in rows_of(file.read_text())],
                         ["time", rfc3339(NOW_US - 7_200_000_000), rfc3339(NOW_US + 3_000_000_000)])  # fmt: skip

    def leave_out_outside(self):
        """A new map without it, under which the device reports on; the label becomes a name."""
        start, end = BOILER.index("[[point]]"), BOILER.index("[[point]]", BOILER.index("outside"))
        text = (BOILER[:start] + BOILER[end:]).replace('"label"', '"title"')
        self.assertEqual(self.rig.ask("POST", "/models", text.encode()).status, 201)
        device = self.rig.registry.find("boiler-1")
        block, offset = device.views[device.wanted.number].place("setpoint")
        words = [0] * device.wanted.blocks[block].count
        words[offset] = 400
        number, blocks = device.wanted.number, (BlockReport(block, tuple(words)),)
        report = Report(device.record.device_id, NOW_US, 1, 301, 0, number, blocks)
        self.rig.store.append(Batch(device.record.device_id, 1, 301, (report,)))

    async def test_a_point_that_a_new_map_leaves_out(self):
        """It keeps its history: in an export of all, and by its name; one that was renamed stands there once."""
        self.leave_out_outside()
        found = rows_of(await self.accepted("export", "boiler-1", "--wide"))
        self.assertEqual(found[0], ["time", "setpoint", "season", "title", "pump", "outside"])
        self.assertEqual([found[1][1:], found[-1][1:]], [["55.0", "1", "", "", "0.1"], ["40.0", "0", "", "", ""]])
        found = rows_of(await self.accepted("export", "boiler-1", "outside"))
        self.assertEqual((len(found), found[1][1:]), (301, ["outside", "0.1", "good"]))
        series = rows_of(await self.accepted("series", "boiler-1", "outside", "--csv"))
        self.assertEqual((len(series), series[1][1]), (301, "0.1"))
        code, text = await self.refused("export", "boiler-1", "never")
        self.assertEqual((code, text[:29]), (1, "there is no point 'never' in "))

    async def test_parquet_of_a_point_that_a_new_map_leaves_out(self):
        """Its column is of its type, though it is not in the map any more."""
        from pyarrow.parquet import read_table

        text = BOILER.replace('name = "label"', 'name = "tag"').replace("address = 20", "address = 24")
        self.assertEqual(self.rig.ask("POST", "/models", text.encode()).status, 201)
        file = self.place / "x.parquet"
        await self.accepted("export", "boiler-1", "--wide", "--format", "parquet", "-o", str(file))
        kinds = {field.name: str(field.type) for field in read_table(file).schema}
        self.assertEqual((kinds["label"], kinds["outside"]), ("string", "double"))

    async def test_with_nothing_damaged_nothing_is_told(self):
        self.assertEqual(len(rows_of(await self.accepted("export", "boiler-1", "outside", "--skip-damaged"))), 301)

    def fail_later(self, reports):
        """The second hour is not there. All is made to look like two hours."""
        self.rig.report(7200, 1, 400)
        asked = []

        def some(*arguments):
            asked.append(arguments)
            return reports(*arguments) if len(asked) == 1 else Deferred.fromCoroutine(failing())

        return some

    async def test_a_file_that_cannot_be_written(self):
        file = self.place / "no" / "x.csv"
        text = f"{file}: cannot be written: No such file or directory"
        self.assertEqual(await self.refused("export", "boiler-1", "-o", str(file)), (2, text))

    async def test_parquet_long(self):
        """Times, numbers and words of their own types; groups of rows are bounded."""
        from pyarrow.parquet import ParquetFile

        self.patch(parquet, "ROWS_A_GROUP", 200)
        file = self.place / "x.parquet"
        await self.accepted("export", "boiler-1", "outside", "--raw", "--format", "parquet", "-o", str(file))
        found = ParquetFile(file)
        self.assertEqual(found.num_row_groups, 2)
        table = found.read().to_pydict()
        self.assertEqual(list(table), ["time", "point", "value", "text", "quality", "raw"])
        self.assertEqual(table["value"][5:8], [0.6, None, 0.8])
        self.assertEqual(table["quality"][5:8], ["good", "timeout", "good"])
        self.assertEqual(int(table["time"][0].timestamp() * 1e6), NOW_US - 300_000_000)

    async def test_parquet_wide(self):
        from pyarrow.parquet import read_table

        file = self.place / "x.parquet"
        await self.accepted("export", "boiler-1", "--wide", "--format", "parquet", "-o", str(file))
        table = read_table(file)
        kinds = {field.name: str(field.type) for field in table.schema}
        self.assertEqual((kinds["time"], kinds["outside"], kinds["pump"], kinds["label"]),
                         ("timestamp[ms, tz=UTC]", "double", "bool", "string"))  # fmt: skip
        self.assertEqual(table.column("outside").to_pylist()[5:8], [0.6, None, 0.8])

    async def test_parquet_without_pyarrow(self):
        with mock.patch.dict("sys.modules", {"pyarrow": None}):
            file = str(self.place / "x.parquet")
            ran = await self.refused("export", "boiler-1", "--format", "parquet", "-o", file)
        text = "a Parquet file needs pyarrow, which is not there: pip install 'smok-twisted[parquet]'"
        self.assertEqual(ran, (2, text))
        self.assertEqual(list(self.place.iterdir()), [])

    async def test_parquet_to_nowhere(self):
        text = "a Parquet file is not for the standard output: name a file by -o FILE"
        for options in ((), ("-o", "-")):
            self.assertEqual(await self.refused("export", "boiler-1", "--format", "parquet", *options), (2, text))
