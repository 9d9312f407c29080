"""Promise: all of a device's history leaves as CSV or Parquet, each value once, however long, and never half."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase

from smok_twisted.clock import rfc3339
from smok_twisted.errors import StorageError
from smok_twisted.history import chunk, notes
from smok_twisted.history.reader import History
from smok_twisted.history.rows import Format, Rows
from smok_twisted.history.slices import Span
from smok_twisted.history.traces import traces_of
from smok_twisted.readings import BlockReport, Report
from smok_twisted.storage.memory import MemoryStore
from smok_twisted.storage.records import HOUR_US, Batch
from smok_twisted.tools import parquet, progress
from smok_twisted.web import export as web_export

from .history_samples import DEVICE, HOUR, START_US, view
from .tools_rig import ToolTestCase
from .web_rig import ADMIN_TOKEN, BOILER, NOW_US, Rig

PROJECT = Path(__file__).resolve().parent.parent
MINUTE_US = 60_000_000


def rows_of(text):
    return list(csv.reader(io.StringIO(text)))


class Layouts(SynchronousTestCase):
    """What stands in the lines."""

    def setUp(self):
        self.view = view()
        names = list(self.view.points)
        self.traces = {name: traces_of(point, [self.view], names) for name, point in self.view.points.items()}
        blocks = []
        for number, block in enumerate(self.view.plan.blocks):
            words = [0] * block.count
            for name in names:
                place = self.view.place(name)
                if place[0] == number and name == "outside":
                    words[place[1]] = 0x8029
                if place[0] == number and name == "label":
                    words[place[1]] = 0x2C22
                if place[0] == number and name == "pump":
                    words[place[1]] = 1
            blocks.append(BlockReport(number, tuple(words)))
        self.report = Report(DEVICE, START_US, 1, 1, 0, 1, tuple(blocks))

    def lines(self, report, names=("outside", "label", "pump"), **form):
        rows = Rows({name: self.traces[name] for name in names}, Format(**form))
        return rows_of(rows.head() + rows.lines([report]) + rows.end())

    def test_long(self):
        """Values with all their digits and no more, texts as they are, the words beside them if wanted."""
        found = self.lines(self.report, raw=True)
        time = rfc3339(START_US)
        wanted = [
            ["time", "point", "value", "quality", "raw"],
            [time, "outside", "-4.1", "good", "32809"],
            [time, "label", ',"', "good", "11298"],
            [time, "pump", "true", "good", "1"],
        ]
        self.assertEqual(sorted(found[1:]), sorted(wanted[1:]))
        self.assertEqual(found[0], wanted[0])

    def test_wide(self):
        found = self.lines(self.report, is_wide=True)
        self.assertEqual(found, [["time", "outside", "label", "pump"], [rfc3339(START_US), "-4.1", ',"', "true"]])

    def wide(self, *reports):
        """Lines of reports that come page by page, without the times and the head."""
        rows = Rows({name: self.traces[name] for name in ("outside", "pump")}, Format(is_wide=True))
        text = "".join([rows.head(), *(rows.lines([one]) for one in reports), rows.end(), rows.end()])
        found = rows_of(text)
        self.assertEqual(len(found) - 1, text.count("\n") - 1)
        return [line[1:] for line in found[1:]]

    def part(self, *names, later_us=0, fault=0):
        """The report, of the blocks of these points alone."""
        wanted = {self.view.place(name)[0] for name in names}
        blocks = tuple(
            BlockReport(one.block, (), fault) if fault else one for one in self.report.blocks if one.block in wanted
        )
        return self.report._replace(blocks=blocks, time_us=START_US + later_us)

    def test_wide_is_a_line_for_each_time(self):
        """An import makes a report of each value; those of one time, as it is printed, share a line."""
        outside, pump = self.part("outside"), self.part("pump", later_us=999)
        self.assertEqual(self.wide(outside, pump), [["-4.1", "true"]])
        self.assertEqual(self.wide(outside, pump, self.part("pump", later_us=1000)), [["-4.1", "true"], ["", "true"]])

    def test_wide_never_drops_a_value(self):
        """Two values of one point and time stand in two lines."""
        outside, pump = self.part("outside"), self.part("pump")
        self.assertEqual(self.wide(outside, outside, pump), [["-4.1", ""], ["-4.1", "true"]])
        self.assertEqual(self.wide(outside, self.part("outside", fault=0xE0)), [["-4.1", ""]])

    def test_no_answer_is_never_a_number(self):
        """It has its reason in the long layout, and nothing in the wide one."""
        for fault, word in ((0xE0, "timeout"), (2, "exception-2"), (0xE1, "crc")):
            silent = self.report._replace(blocks=tuple(BlockReport(one.block, (), fault) for one in self.report.blocks))
            self.assertEqual(self.lines(silent, ("outside",))[1][1:], ["outside", "", word])
            self.assertEqual(self.lines(silent, ("outside",), is_wide=True)[1][1:], [""])

    def test_what_proves_nothing_says_so(self):
        self.assertEqual(self.lines(self.report._replace(flags=1), ("pump",))[1][3], "unauthenticated")

    def test_a_plan_that_is_not_known_gives_no_line(self):
        for form in ({}, {"is_wide": True}):
            self.assertEqual(len(self.lines(self.report._replace(plan=9), **form)), 1)


class Notes(SynchronousTestCase):
    """Lines of an export that are not of the history."""

    def test_a_text_is_never_taken_for_one(self):
        """Texts come from equipment, and may have lines that look like notes."""
        lines = ["time,label\n", 't,"a\n', notes.left_out("x"), 'b""\n', notes.broke_off("x"), '"\n']
        self.assertEqual(list(notes.heard(iter(lines), self.fail)), lines)

    def test_what_is_told(self):
        """And is one line, whatever it says."""
        told = []
        given = ["a\n", notes.left_out("one\nhour"), 't,"b"\n', notes.broke_off("no disk")]
        lines = notes.heard(iter(given), told.append)
        self.assertEqual([next(lines), next(lines), told], ["a\n", 't,"b"\n', ["one hour"]])
        error = self.assertRaises(StorageError, next, lines)
        self.assertEqual(str(error), "no disk")


class YearStore(MemoryStore):
    """A year of packed hours that are made when they are asked for."""

    def __init__(self, one, hours):
        super().__init__()
        self.block, _ = one.place("mode")
        self.words = range(one.plan.blocks[self.block].count)
        self.hours = hours

    def chunks(self, device_id, from_hour, to_hour, limit=1000):
        found = range(max(from_hour, HOUR), min(to_hour, HOUR + self.hours))[:limit]
        return succeed([(hour, self.chunk(device_id, hour)) for hour in found])

    def chunk(self, device_id, hour):
        blocks = (BlockReport(self.block, tuple(hour % 1000 + number for number in self.words)),)
        return chunk.encode(
            Report(device_id, hour * HOUR_US + number * 5 * MINUTE_US, 1, number, 0, 1, blocks)
            for number in range(12)
        )


class AYear(TestCase):
    async def test_takes_no_more_memory_than_a_week(self):
        """105,120 reports go by; a few hours of them are in memory at a time."""
        weeks = [await self.peak(7 * 24), await self.peak(365 * 24)]
        self.assertEqual([count for _, count in weeks], [7 * 24 * 12, 365 * 24 * 12])
        self.assertTrue(weeks[1][0] < 1.5 * weeks[0][0] + 500_000, weeks)

    async def peak(self, hours):
        """Octets at most, and lines."""
        one = view()
        store = YearStore(one, hours)
        await store.open()
        rows = Rows({"mode": traces_of(one.points["mode"], [one], one.points)}, Format())
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        count = 0
        async for reports in History(store).reports(DEVICE, Span(0, START_US + 400 * 24 * HOUR_US)):
            count += rows.lines(reports).count("\n")
        count += rows.end().count("\n")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak, count


class OverHttp(SynchronousTestCase):
    """The endpoint, and a client that is slow, or goes."""

    def setUp(self):
        self.rig = Rig()
        self.rig.add_boiler()
        for batch in range(1, 1001):
            self.rig.report(1001 - batch, batch, batch)

    def begin(self, query=""):
        return self.rig.begin("GET", f"/devices/boiler-1/export{query}")

    def turn(self, times=200):
        for _ in range(times):
            self.rig.clock.advance(0)

    def whole(self, query=""):
        answer = self.begin(query)
        self.turn()
        found = answer()
        self.assertEqual((found.status, found.headers["Content-Type"]), (200, "text/csv; charset=utf-8"))
        return rows_of(found.body.decode())

    def test_all_of_it(self):
        found = self.whole("?point=outside")
        self.assertEqual(found[0], ["time", "point", "value", "quality"])
        self.assertEqual([row[2] for row in found[1:]], [f"{batch / 10}" for batch in range(1, 1001)])
        self.assertEqual(found[1][0], rfc3339(NOW_US - 1_000_000_000))

    def test_some_of_it(self):
        """From is in it, to is not."""
        first, end = (rfc3339(NOW_US - ago * 1_000_000) for ago in (10, 7))
        found = self.whole(f"?point=outside&from={first}&to={end}&layout=wide")
        self.assertEqual([row[1] for row in found], ["outside", "99.1", "99.2", "99.3"])

    def test_without_history_there_is_the_head(self):
        self.rig.ask("POST", "/devices", {"name": "new", "model": "boiler"})
        answer = self.rig.begin("GET", "/devices/new/export")
        self.turn()
        self.assertEqual(answer().body, b"time,point,value,quality\n")

    def test_a_client_that_does_not_keep_up_stops_the_reading(self):
        """And is left when it takes nothing for a minute."""
        answer = self.begin()
        producer = answer.transport.producer
        producer.pauseProducing()
        self.turn()
        before = len(answer.transport.value())
        self.turn()
        self.assertEqual(len(answer.transport.value()), before)
        producer.resumeProducing()
        self.turn(1)
        self.assertTrue(len(answer.transport.value()) > before)
        producer.pauseProducing()
        self.turn()
        self.rig.clock.advance(61)
        self.assertTrue(answer.transport.disconnecting or answer.transport.disconnected)

    def test_a_client_that_goes_ends_it(self):
        """The next ones find room."""
        for _ in range(2 * web_export.EXPORTS_AT_MOST):
            answer = self.begin()
            self.turn(1)
            answer.gone()
        self.assertEqual(len(self.whole("?point=outside")), 1001)

    def test_so_many_at_a_time(self):
        running = [self.begin() for _ in range(web_export.EXPORTS_AT_MOST)]
        refused = self.rig.ask("GET", "/devices/boiler-1/export")
        self.assertEqual((refused.status, refused.headers["Retry-After"]), (503, "30"))
        self.assertIn("8 exports are running, no more are accepted", refused.detail)
        self.turn()
        self.assertEqual({answer().status for answer in running}, {200})
        self.assertEqual(len(self.whole("?point=outside")), 1001)

    def test_what_is_not_accepted(self):
        for query, status, word in (
            ("?point=nothing", 404, "there is no point 'nothing'"),
            ("?layout=wide&raw=1", 422, "raw = 1 is not accepted with layout = wide"),
            ("?from=yesterday", 400, "an RFC 3339 time"),
            ("?from=2027-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", 422, "the export ends before it begins: `from`"),
            ("?from=2040-01-01T00:00:00Z", 422, "the export ends before it begins"),
            ("?to=1960-01-01T00:00:00Z", 422, "the export ends before it begins"),
        ):
            refused = self.rig.ask("GET", f"/devices/boiler-1/export{query}")
            self.assertEqual((refused.status, word in refused.detail), (status, True), refused)

    def test_a_store_that_cannot_be_read_is_told(self):
        self.rig.store.reports = lambda *_: Deferred.fromCoroutine(failing())
        self.assertEqual(self.rig.ask("GET", "/devices/boiler-1/export").status, 503)

    def test_a_store_that_fails_on_the_way_breaks_it_off(self):
        """The body has no end, so that nobody takes it for the whole; its last line says why."""
        answer = self.begin()
        self.rig.store.reports = lambda *_: Deferred.fromCoroutine(failing())
        self.turn()
        self.assertTrue(answer.transport.disconnecting)
        self.assertTrue(answer.transport.value().endswith(b"\r\n# broke off: the disk is gone\n\r\n"))
        self.assertEqual(len(self.flushLoggedErrors(StorageError)), 1)

    def test_a_fault_of_ours_breaks_it_off_too(self):
        """What it is stands in the log."""
        answer = self.begin()
        self.patch(Rows, "lines", lambda *_: 1 / 0)
        self.turn()
        self.assertIn(b"# broke off: an internal error; the log of the daemon says more\n", answer.transport.value())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_a_client_that_does_not_take_the_reason(self):
        """It is left after a minute; one of HTTP/1.0, to which the connection's end is that of the body, at once."""
        new = self.begin()
        old = self.rig.raw(
            b"GET /api/v1/devices/boiler-1/export HTTP/1.0\r\nAuthorization: Bearer %s\r\n\r\n" % ADMIN_TOKEN.encode()
        )
        aborted = []
        for name, one in (("new", new), ("old", old)):
            one.transport.abortConnection = lambda name=name: aborted.append(name)
        self.rig.store.reports = lambda *_: Deferred.fromCoroutine(failing())
        self.turn()
        self.assertEqual(aborted, ["old"])
        self.rig.clock.advance(61)
        self.assertIn("new", aborted)
        for one in (new, old):
            one.gone()
        self.assertEqual(len(self.flushLoggedErrors(StorageError)), 2)

    def test_a_damaged_hour_is_named(self):
        """By a refusal when nothing was sent before it, else by the last line."""
        damage(self.rig)
        reason = "2026-09-21T14:00:00.000Z: a packed hour is damaged: unknown format 7; `smok db repack` may"
        refused = self.rig.ask("GET", "/devices/boiler-1/export?from=2026-09-21T14:00:00Z")
        self.assertEqual((refused.status, refused.detail.startswith(reason)), (503, True), refused)
        answer = self.begin()
        self.turn()
        self.assertIn(f"# broke off: {reason}".encode(), answer.transport.value())
        self.assertEqual(len(self.flushLoggedErrors(StorageError)), 1)

    def test_a_damaged_hour_is_left_out(self):
        """If that is wanted; a line says so in its place, in both layouts."""
        damage(self.rig)
        wanted = ["# left out: 2026-09-21T14:00:00.000Z: a packed hour is damaged: unknown format 7"]
        for layout in ("long", "wide"):
            found = self.whole(f"?point=outside&damaged=skip&layout={layout}")
            at = found.index(wanted)
            self.assertEqual([row[0][:13] for row in found[at - 1 :: 2]], ["2026-09-21T13", "2026-09-21T15"])
            self.assertEqual(len(found), at + 2)


def damage(rig):
    """Three hours, of which the one in the middle has a chunk that nobody can read."""
    for batch, age in ((5001, 7200), (5002, -3000)):
        rig.report(age, 1, batch)
    chunks = rig.store.chunks
    hour = NOW_US // HOUR_US

    def some(device_id, first, end, limit=1000):
        return succeed([(hour, b"\x07")]) if first <= hour < end else chunks(device_id, first, end, limit)

    rig.store.chunks = some


async def failing():
    raise StorageError("the disk is gone")


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
