"""Promise: what another system kept becomes history here, each value once and exactly, or it is said why not."""

from __future__ import annotations

import json
from pathlib import Path
from zoneinfo import ZoneInfo

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.clock import rfc3339
from smok_twisted.errors import StorageAway, UserError
from smok_twisted.history.packing import packed
from smok_twisted.readings import FIRST_UNTOLD_PLAN
from smok_twisted.storage.records import HOUR_US
from smok_twisted.tools import import_pages as module
from smok_twisted.tools.client import Client
from smok_twisted.tools.csv_history import Form, Table
from smok_twisted.tools.csv_times import rhythm_seconds

from .tools_rig import ToolTestCase
from .web_rig import BOILER, NOW_US, Rig

POINTS = ("outside", "flow")
START_MS = 1_700_000_000_000
#: One bit of the register of ``season``, so it is read with it.
FLAG = '[[point]]\nname = "flag"\nregister = "holding"\naddress = 12\ntype = "BOOL"\nbit = 0\n'


def cells_of(lines):
    """Of a wide export: time, point and value, but those that are left out."""
    names = lines[0].split(",")
    rows = [dict(zip(names, line.split(","), strict=True)) for line in lines[1:]]
    return {(row["time"], name, row[name]) for row in rows for name in names[1:] if row[name] and name != "flag"}


def cells(text, **form):
    return list(Table(text.splitlines(keepends=True), POINTS, Form(**form)).cells())


class Csv(SynchronousTestCase):
    """What a file says."""

    def times(self, *texts, zone=None):
        zone = ZoneInfo(zone) if zone else None
        found = cells("time,flow\n" + "".join(f"{text},1\n" for text in texts), zone=zone)
        return [cell.problem or rfc3339(cell.time_us) for cell in found]

    def test_times_that_name_their_zone(self):
        texts = ("2026-01-31T12:00:00Z", "2026-01-31 13:00:00.25+01:00", "1769860800", "1769860800123", "1769860800.5")
        seconds = ("00.000", "00.250", "00.000", "00.123", "00.500")
        self.assertEqual(self.times(*texts), [f"2026-01-31T12:00:{second}Z" for second in seconds])

    def test_fractions_of_seconds(self):
        """Each millisecond is what the file says, whatever a float would make of it."""
        milliseconds = [1_101_198_086_873, *range(1_700_000_000_000, 1_700_000_001_000)]
        texts = [f"{one // 1000}.{one % 1000:03}" for one in milliseconds]
        found = cells("time,flow\n" + "".join(f"{text},1\n" for text in texts))
        self.assertEqual([cell.time_us for cell in found], [1000 * one for one in milliseconds])
        texts = ("1700000000.1234567", "1700000000123.4567", "1700000000.5", "1700000000123.5", "100000000000")
        found = cells("time,flow\n" + "".join(f"{text},1\n" for text in texts))
        wanted = (1_700_000_000_123_456, 1_700_000_000_123_456, 1_700_000_000_500_000, 1_700_000_000_123_500)
        self.assertEqual(tuple(cell.time_us for cell in found), (*wanted, 100_000_000_000_000))

    def test_times_of_a_zone(self):
        """In autumn an hour comes twice, in spring one does not come."""
        found = self.times("2026-07-01 12:00", "2026-07-01T12:00:30", "2026-07-02", zone="Europe/Warsaw")
        self.assertEqual(found, ["2026-07-01T10:00:00.000Z", "2026-07-01T10:00:30.000Z", "2026-07-01T22:00:00.000Z"])
        twice = ["2026-10-25 01:30", *["2026-10-25 02:00", "2026-10-25 02:30"] * 2, "2026-10-25 03:00"]
        found = [text[11:16] for text in self.times(*twice, zone="Europe/Warsaw")]
        self.assertEqual(found, ["23:30", "00:00", "00:30", "01:00", "01:30", "02:00"])
        lines = [f"2026-10-25 {time},{point},1\n" for time in ("01:30", "02:00") for point in ("flow", "outside")]
        found = cells("time,point,value\n" + "".join([*lines, *lines[2:]]), zone=ZoneInfo("Europe/Warsaw"))
        times = [rfc3339(cell.time_us)[11:16] for cell in found]
        self.assertEqual(times, ["23:30", "23:30", "00:00", "00:00", "00:00", "00:00"])
        [text] = self.times("2026-03-29 02:30", zone="Europe/Warsaw")
        self.assertIn("does not exist: clocks were put forward then", text)

    def test_an_hour_that_comes_twice_where_times_do_not_rise(self):
        """Newest first, nothing tells one from the other: they are refused with their lines, none is lost silently."""
        twice = ["2026-10-25 02:30", "2026-10-25 02:00"] * 2
        rows = ["2026-10-25 03:00", *twice, "2026-10-25 01:30"]
        text = "time,flow\n" + "".join(f"{row},1\n" for row in rows)
        found = cells(text, zone=ZoneInfo("Europe/Warsaw"))
        self.assertEqual([cell.line for cell in found if cell.problem], [3, 4, 5, 6])
        self.assertEqual([rfc3339(found[at].time_us)[11:16] for at in (0, 5)], ["02:00", "23:30"])
        said = self.times(*twice, "2026-10-25 01:30", zone="Europe/Warsaw")
        self.assertEqual(["came twice that day" in text for text in said], [True, True, True, True, False])
        offsets = self.times("2026-10-25 02:30+01:00", "2026-10-25 02:30+02:00", zone="Europe/Warsaw")
        self.assertEqual([text[11:16] for text in offsets], ["01:30", "00:30"])

    def test_an_hour_that_comes_twice_for_each_point(self):
        """A file with one point after the other falls back only between them."""
        day = ["2026-10-25 01:30", *["2026-10-25 02:00", "2026-10-25 02:30"] * 2, "2026-10-25 03:00"]
        text = "time,point,value\n" + "".join(f"{time},{point},1\n" for point in POINTS for time in day)
        found = cells(text, zone=ZoneInfo("Europe/Warsaw"))
        times = [rfc3339(cell.time_us)[11:16] for cell in found]
        self.assertEqual(times, ["23:30", "00:00", "00:30", "01:00", "01:30", "02:00"] * 2)

    def test_times_that_are_none(self):
        said = self.times("yesterday", "2026-07-01 12:00", "")
        self.assertIn("the time 'yesterday' is not accepted: RFC 3339, YYYY-MM-DD HH:MM[:SS] with --timezone", said[0])
        self.assertIn("names no zone: give --timezone", said[1])
        self.assertIn("is not accepted", said[2])

    def test_columns(self):
        """By name, by option, or a line for each value; what separates them is found."""
        for text, form in (
            ("Time;flow;outside\n1700000000;1,5;-4,1\n", {"decimal_comma": True}),
            ("\ufefftimestamp\tflow\toutside\n1700000000\t1.5\t-4.1\n", {}),
            ("T out,when,flow\n-4.1,1700000000,1.5\n", {"columns": {"T out": "outside"}, "time_column": "when"}),
            ("time,point,value,quality\n1700000000,outside,-4.1,good\n1700000000,flow,1.5,good\n", {}),
        ):
            found = {(cell.point, cell.time_us, cell.value) for cell in cells(text, **form)}
            time_us = START_MS * 1000
            self.assertEqual(found, {("outside", time_us, -4.1), ("flow", time_us, 1.5)}, text)

    def test_values(self):
        """Whole numbers stay whole, empty cells are no values, texts stay texts."""
        text = "time,flow,other\n1700000000,7,1\n1700000001,,\n1700000002,true\n1700000003,on\n"
        self.assertEqual([repr(cell.value) for cell in cells(text)], ["7", "True", "'on'"])

    def problems(self, text, **form):
        """By line; '' where there is a value."""
        return [(cell.line, cell.problem) for cell in cells(text, **form)]

    def test_a_bad_cell_is_a_refusal_of_its_own(self):
        """It is named with its line, and what stands around it is read."""
        long, huge = "x" * 2000, "y" * 200_000
        rows = ["1e999,1", "9" * 5000 + ",2", f"{long},3", f"{huge},4", "-" + "9" * 900 + ",5", f'"{huge},6']
        found = self.problems("time,flow,outside\n" + "".join(f"1700000000,{row}\n" for row in rows))
        words = {
            2: "the number '1e999' is too large to be one",
            3: "a cell of 5000 characters is not accepted: up to 1000",
            4: "a cell of 2000 characters is not accepted: up to 1000",
            5: "it is no CSV: field larger than field limit (131072); up to line 5 it is one row",
            6: "is too large to be one",
            7: "it is no CSV: field larger than field limit (131072)",
        }
        for line, word in words.items():
            self.assertIn(word, next(problem for at, problem in found if at == line and problem))
        self.assertEqual([line for line, problem in found if not problem], [2, 3, 4, 6])

    def test_a_quote_that_is_not_closed(self):
        """It takes what follows with it, and is named where it begins; what comes after is read again."""
        rows = [f"{1_700_000_000 + n},{n}" for n in range(20_000)]
        rows[10] = rows[10].replace(",", ',"')
        found = self.problems("time,flow\n" + "\n".join(rows) + "\n")
        [(line, problem)] = [one for one in found if one[1]]
        self.assertEqual(line, 12)
        last = int(problem.partition("up to line ")[2].partition(" ")[0])
        self.assertIn("it is one row: is a quote not closed?", problem)
        self.assertEqual([line for line, _ in found], [*range(2, 13), *range(last + 1, 20_002)])

    def test_times_that_cannot_be(self):
        texts = ("1969-12-31T23:59:59Z", "2206-01-01T00:00:00Z", "99999999999999", "0001-01-01 00:00")
        said = {text.partition("is not accepted: ")[2] for text in self.times(*texts, zone="UTC")}
        self.assertEqual(said, {"it is not between the years 1970 and 2109"})
        [text] = self.times("9" * 5000)
        self.assertLess(len(text), 250)

    def test_the_rhythm_of_times(self):
        """The median, rounded up to what people say; neither an outage nor a burst counts, nor the order."""
        for steps, seconds in (
            ([], 1),
            ([0, 0], 1),
            ([300, 300, 9000, 300, 1, 300], 300),
            ([-300, -301, -300], 300),
            ([299.2], 300),
            ([600, -300, 600, -300, 600], 300),
            ([15.01], 16),
            ([301], 310),
            ([3600], 3600),
            ([86_400], 86_400),
            ([9e9], 366 * 86_400),
        ):
            times = [0]
            for step in steps:
                times.append(times[-1] + int(step * 1_000_000))
            self.assertEqual(rhythm_seconds(times), seconds, steps)

    def test_lines_that_are_too_short(self):
        """Each is a refusal, whole: its last cell may be cut off, too. Columns that are left out may be missing."""
        for text, refused in (
            ("time,flow,outside,x\n1700000000,1,2\n1700000001,1\n1700000002\n\n1700000003,1,2,3\n", [3, 4]),
            ("time,point,value\n1700000000,flow\n1700000001\n1700000002,flow,1\n", [2, 3]),
            ("flow,time\n1\n1,1700000000\n", [2]),
        ):
            found = self.problems(text)
            self.assertEqual([line for line, problem in found if problem], refused)
            self.assertTrue(all("are needed" in problem for _, problem in found if problem))
        self.assertIn((2, "it has 2 cells, 3 are needed"), self.problems("time,point,value\n1700000000,flow\n"))

    def test_a_head_that_is_no_csv(self):
        with self.assertRaises(UserError) as raised:
            cells(f"time,{'x' * 200_000}\n")
        self.assertIn("its first line, which should name the columns, is no CSV", str(raised.exception))

    def test_what_leads_nowhere_is_counted(self):
        """In both layouts; the names that are told are bounded, however many a file has."""
        for text, left_out in (
            ("time,flow,a,b\n1700000000,1,2,\n1700000001,1,3,\n", {"a": 2, "b": 0}),
            ("time,point,value\n1700000000,a,1\n1700000000,flow,1\n1700000001,a,1\n", {"a": 2}),
        ):
            table = Table(text.splitlines(keepends=True), POINTS, Form())
            self.assertEqual({cell.point for cell in table.cells()}, {"flow"})
            self.assertEqual(dict(table.left_out), left_out)
        text = "time,point,value\n" + "".join(f"1700000000,p{n}{'x' * 999},1\n" for n in range(300))
        table = Table(text.splitlines(keepends=True), POINTS, Form())
        self.assertEqual(list(table.cells()), [])
        self.assertEqual((len(table.left_out), table.left_out["others"]), (101, 200))
        self.assertLess(max(map(len, table.left_out)), 61)

    def test_files_that_lead_nowhere(self):
        for text, form, word in (
            ("", {}, "none of the columns (none) is called time"),
            ("a,b\n", {}, "none of the columns a, b is called time: name it by --time-column"),
            ("time,b\n", {}, "no column is called like a point of the device (outside, flow)"),
            ("time,b\n", {"columns": {"c": "flow"}}, "there is no column 'c'; the file has time, b"),
            ("time,b\n", {"columns": {"b": "x"}}, "there is no point 'x' that can be imported"),
            ("time,b\n", {"time_column": "when"}, "there is no column 'when'"),
        ):
            with self.assertRaises(UserError) as raised:
                cells(text, **form)
            self.assertIn(word, str(raised.exception))


class Api(SynchronousTestCase):
    """POST /devices/{id}/history"""

    def setUp(self):
        self.rig = Rig()
        self.rig.add_boiler()
        self.device = self.rig.registry.find("boiler-1")

    def post(self, point, *values, rounds=False, **changes):
        body = {"point": point, "time": [START_MS + 60_000 * n for n in range(len(values))], "value": list(values)}
        return self.rig.ask("POST", "/devices/boiler-1/history", body | {"round": rounds} | changes)

    def series(self, point):
        span = f"from={rfc3339(START_MS * 1000)}&to={rfc3339(START_MS * 1000 + HOUR_US)}"
        return self.rig.ask("GET", f"/devices/boiler-1/series?point={point}&{span}").json["value"]

    def test_becomes_history(self):
        said = self.post("outside", -4.1, 0, 21.3).json
        counts = {"stored": 3, "there": 0, "differ": 0, "refused": 0, "rounded": 0}
        self.assertEqual(said, counts | {"reasons": [], "differences": []})
        self.assertEqual(self.series("outside"), [-4.1, 0, 21.3])
        self.assertEqual(self.series("setpoint"), [])
        self.post("season", "winter", 0)
        self.post("label", "ab", "c")
        self.post("pump", True, False)
        found = [self.series(name) for name in ("season", "label", "pump")]
        self.assertEqual(found, [[1, 0], ["ab", "c"], [True, False]])

    def test_the_same_again_changes_nothing(self):
        """Not even when the log has been packed and has forgotten it; what is new is stored."""
        self.post("outside", 1, 2)
        before = self.rig.store.reports(self.device.record.device_id, 0, 1 << 62).result
        self.assertEqual(self.post("outside", 1, 2, 3).json["stored"], 1)
        self.assertEqual(self.post("outside", 9, 2, 9).json["there"], 1)
        self.assertEqual(self.series("outside"), [1, 2, 3])
        self.assertEqual(self.rig.store.reports(self.device.record.device_id, 0, 1 << 62).result[:2], before)
        self.pack()
        self.assertEqual(self.rig.store.reports(self.device.record.device_id, 0, 1 << 62).result, [])
        self.assertEqual(self.post("outside", 1, 2, 3, 4).json["stored"], 1)
        self.assertEqual(self.series("outside"), [1, 2, 3, 4])

    def test_another_value_for_the_same_time(self):
        """What is there is kept, and the difference is told; in the log, packed and within one request."""
        self.post("outside", 1, 2, 3)
        for _ in range(2):
            said = self.post("outside", 1, 2.5, 4).json
            self.assertEqual((said["stored"], said["there"], said["differ"], said["refused"]), (0, 1, 2, 0))
            self.assertEqual([one["index"] for one in said["differences"]], [1, 2])
            reason = "point 'outside' at 2023-11-14T22:14:20.000Z has the value 2.0, not 2.5"
            self.assertEqual(said["differences"][0]["reason"], reason)
            self.pack()
        self.assertEqual(self.series("outside"), [1, 2, 3])
        said = self.post("setpoint", 40, 41, 40, time=[START_MS] * 3).json
        self.assertEqual((said["stored"], said["there"], said["differ"]), (1, 1, 1))
        said = self.post("outside", *range(10, 20), time=[START_MS] * 10).json
        self.assertEqual((said["differ"], len(said["differences"])), (10, 5))

    def change_map(self, *changes):
        """A new version of the model."""
        text = BOILER
        for old, new in changes:
            text = text.replace(old, new)
        self.assertEqual(self.rig.ask("POST", "/models", text.encode()).status, 201)

    def test_a_point_that_was_renamed(self):
        """The same file again stores nothing twice, whatever a point is called by now, or how it is scaled."""
        self.post("outside", 1, 2)
        for changes in ([], [('"SM16"\nscale = 0.1', '"SM16"\nscale = 0.01')]):
            self.change_map(('"outside"', '"weather"'), *changes)
            said = self.post("weather", 1, 2).json
            self.assertEqual((said["stored"], said["there"], said["differ"]), (0, 2, 0))
            self.assertEqual(self.series("weather"), [1, 2])
            self.assertEqual(self.post("weather", 1, 3).json["differ"], 1)

    def test_a_point_that_was_moved(self):
        """It is known by its name then."""
        self.post("outside", 1, 2)
        self.change_map(("address = 10", "address = 25"))
        said = self.post("outside", 1, 2, 3).json
        self.assertEqual((said["stored"], said["there"], said["differ"]), (1, 2, 0))

    def test_two_points_of_the_same_registers(self):
        """What was imported for one is there for the other, too."""
        self.change_map(('name = "setpoint"', 'name = "cold"'), ("address = 11", "address = 10"))
        self.post("outside", 1, 2)
        said = self.post("cold", 1, 2, 3).json
        self.assertEqual((said["stored"], said["there"], said["differ"]), (1, 2, 0))
        self.assertEqual((self.series("outside"), self.series("cold")), ([1, 2, 3], [1, 2, 3]))

    def test_values_further_apart_than_the_map_has_them(self):
        """They are a line, and only where values are missing it is torn; also when they are packed, and summed up."""
        minutes = [*range(0, 48 * 60, 5), *range(52 * 60, 72 * 60, 5)]
        span = f"from={rfc3339(START_MS * 1000)}&to={rfc3339(START_MS * 1000 + 80 * HOUR_US)}"
        times = [START_MS + 60_000 * minute for minute in minutes]
        said = self.post("outside", *(n % 50 for n in range(len(times))), time=times, interval=300).json
        self.assertEqual(said["stored"], len(times))
        for _ in range(2):
            for step in ("", "&step=3600", "&step=600"):
                path = f"/devices/boiler-1/series?point=outside&{span}{step}"
                self.assertEqual(self.rig.ask("GET", path).json["value"].count(None), 1, step)
            self.pack()

    def test_an_interval_below_that_of_the_map(self):
        """The map's counts; and an interval of its own is a plan of its own, of which there is an end."""
        self.post("outside", 1, interval=5)
        self.post("outside", 1, 2)
        self.post("outside", 1, 2, 3, interval=60)
        self.assertEqual(len(self.device.views), 2)
        said = self.post("outside", 1, 2, 3, 4, interval=61).json
        self.assertEqual((said["stored"], said["there"], len(self.device.views)), (1, 3, 3))
        for interval in (0, 366 * 86_400 + 1):
            self.assertEqual(self.post("outside", 1, interval=interval).status, 422)
        self.device.views[FIRST_UNTOLD_PLAN] = self.device.views[0xFFFF]
        self.assertEqual(self.post("outside", 1, interval=62).json["there"], 1)  # nothing is stored, so none is needed
        answer = self.post("outside", 1, 2, 3, 4, 5, interval=62)
        self.assertEqual((answer.status, "has readings under 4096 plans of imports" in answer.detail), (422, True))

    def pack(self):
        """All of it; the log forgets."""
        store, device_id = self.rig.store, self.device.record.device_id
        for one in store.unpacked(0, 1 << 40).result:
            log = store.reports(device_id, one.hour * HOUR_US, (one.hour + 1) * HOUR_US).result
            chunks = dict(store.chunks(device_id, one.hour, one.hour + 1).result)
            days = dict(store.summaries(device_id, one.hour // 24, one.hour // 24 + 1).result)
            known = chunks.get(one.hour), days.get(one.hour // 24)
            store.save_packed(packed(one, log, *known, self.device.views), one.mark)
        store.forget(device_id, 1 << 62, 0)

    def test_is_beside_what_the_device_has_read(self):
        """It never displaces a report, a newer value or the cursor, and is never taken for one."""
        self.rig.report(10, 41, batch=1)
        data = self.rig.store.data.devices[self.device.record.device_id]
        cursor, latest = data.cursor, dict(data.latest)
        time = (NOW_US - 10_000_000) // 1000
        self.assertEqual(self.post("outside", 7, time=[time]).json["stored"], 1)
        self.assertEqual((data.cursor, {key: data.latest[key] for key in latest}), (cursor, latest))
        self.assertEqual(len(data.reports), 2)
        value = self.rig.ask("GET", "/devices/boiler-1/values").json["values"][0]["value"]
        self.assertEqual(value, 4.1)

    def test_two_points_of_one_moment(self):
        """Neither is taken for the other."""
        self.post("outside", 1)
        self.assertEqual(self.post("setpoint", 2).json["stored"], 1)
        self.assertEqual((self.series("outside"), self.series("setpoint")), ([1], [2]))

    def test_what_has_no_raw_value(self):
        """It is refused with the reason, or rounded when that was asked for; both are counted."""
        said = self.post("outside", 4.14, 1, "warm", 99999, -4.16).json
        self.assertEqual((said["stored"], said["refused"]), (1, 4))
        self.assertIn("4.14 has no raw value, the two nearest that have one", said["reasons"][0]["reason"])
        self.assertEqual([one["index"] for one in said["reasons"]], [0, 2, 3, 4])
        said = self.post("outside", 4.14, 1, "warm", 99999, -4.16, rounds=True).json
        self.assertEqual((said["stored"], said["there"], said["refused"], said["rounded"]), (2, 1, 2, 2))
        self.assertEqual(self.series("outside"), [4.1, 1, None, -4.2])

    def test_what_is_not_accepted(self):
        for point, values, changes, status, word in (
            ("nothing", [1], {}, 404, "there is no point 'nothing'"),
            ("doorbell", [1], {}, 422, "is not read"),
            ("outside", [1], {"time": []}, 400, "time has 0 entries and value has 1"),
            ("outside", [1], {"time": [-1]}, 422, "time is not accepted"),
            ("outside", [None], {}, 400, "value"),
            ("outside", [1], {"time": [1 << 42]}, 422, "time is not accepted"),
            ("outside", [1] * 1001, {}, 422, "up to 1000 times"),
        ):
            answer = self.post(point, *values, **changes)
            self.assertEqual((answer.status, word in answer.detail), (status, True), answer)

    def test_times_to_come(self):
        """Up to a day ahead clocks may be wrong; what is beyond is a refusal."""
        times = [NOW_US // 1000 + hours * 3_600_000 for hours in (-1, 23, 25, 24 * 365 * 50)]
        said = self.post("outside", 1, 2, 3, 4, time=times).json
        self.assertEqual((said["stored"], said["refused"]), (2, 2))
        self.assertEqual([one["index"] for one in said["reasons"]], [2, 3])
        self.assertIn("is more than a day ahead of the daemon's clock", said["reasons"][0]["reason"])

    def test_is_no_contact(self):
        """The device was not heard of, whatever was imported; not even after a restart."""
        now_ms = NOW_US // 1000
        self.post("outside", 1, 2, time=[now_ms - 60_000, now_ms + 3_600_000])
        for rig in (self.rig, Rig(self.rig.store.data)):
            self.assertIsNone(rig.ask("GET", "/devices/boiler-1").json["last_contact"])

    def test_shows_among_the_latest_values(self):
        """If it is newer than what is there, at once as after a restart; the device's next reading is newer."""
        now_ms = NOW_US // 1000
        self.rig.report(600, 41, batch=1)
        self.post("outside", 7, 8, time=[now_ms - 120_000, now_ms - 60_000])
        self.post("outside", 9, time=[now_ms - 900_000])
        again = Rig(self.rig.store.data)
        for rig in (self.rig, again):
            self.assertEqual(self.outside(rig), (8, "good"))
        self.post("outside", 10, time=[now_ms + 3_600_000])
        self.rig.report(5, 42, batch=2)
        self.assertEqual(self.outside(self.rig), (4.2, "good"))

    def outside(self, rig):
        """Value and quality of now."""
        value = rig.ask("GET", "/devices/boiler-1/values").json["values"][0]
        return value["value"], value["quality"]

    def test_a_number_beyond_all_numbers(self):
        """It is a refusal, not a fault of the daemon."""
        said = self.post("outside", 10**400, 1).json
        self.assertEqual((said["stored"], said["refused"]), (1, 1))

    def test_a_bit_of_a_register_is_refused(self):
        """Its other bits would be made up."""
        self.assertEqual(self.rig.ask("POST", "/models", (BOILER + FLAG).encode()).status, 201)
        self.assertIn("is a bit of a register", self.post("flag", True).detail)
        points = self.rig.ask("GET", "/devices/boiler-1/points").json["points"]
        self.assertEqual([point["point"] for point in points if not point["importable"]], ["doorbell", "flag"])

    def test_is_for_the_administrator_and_audited(self):
        body = {"point": "outside", "time": [], "value": []}
        self.assertEqual(self.rig.ask("POST", "/devices/boiler-1/history", body, token=None).status, 401)
        self.post("outside", 1, 2)
        [entry] = [one for one in self.rig.ask("GET", "/audit").json["audit"] if one["action"] == "history-import"]
        self.assertEqual((entry["who"], entry["detail"]), ("admin", {"point": "outside", "stored": 2}))

    def test_two_imports_at_once(self):
        """Each point has a plan of its own, however long the database takes to keep one."""
        save, waiting = self.rig.store.save_plan, []

        def slow(*arguments):
            waiting.append((Deferred(), arguments))
            return waiting[-1][0]

        self.patch(self.rig.store, "save_plan", slow)
        begun = [
            self.rig.begin("POST", "/devices/boiler-1/history", {"point": name, "time": [START_MS], "value": [40]})
            for name in ("outside", "setpoint")
        ]
        for _ in begun:
            saved, arguments = waiting.pop()
            save(*arguments).chainDeferred(saved)
        self.assertEqual([answer().json["stored"] for answer in begun], [1, 1])
        self.assertEqual((self.series("outside"), self.series("setpoint")), ([40], [40]))

    def test_the_device_keeps_its_plan(self):
        """What is imported has plans of its own, also after a restart."""
        wanted = self.device.wanted
        self.post("outside", 1)
        self.post("outside", 1, 2)
        self.assertEqual((self.device.wanted, len(self.device.views)), (wanted, 2))
        again = Rig(self.rig.store.data)
        self.assertEqual(again.registry.find("boiler-1").wanted, wanted)


class Tool(ToolTestCase):
    """smok import"""

    def setUp(self):
        super().setUp()
        self.rig.add_boiler()
        self.patch(module, "PAGE", 40)
        turns = LoopingCall(self.rig.clock.advance, 0)
        turns.start(0)
        self.addCleanup(turns.stop)
        self.file = Path(self.mktemp())

    def write(self, *rows, head="time,outside,setpoint,other"):
        self.file.write_text("\n".join([head, *rows]) + "\n")

    async def test_a_file(self):
        self.write(*(f"{1_700_000_000 + 60 * n},{n / 10},50,x" for n in range(100)))
        left_out = "left out, there is no such point that can be imported: other (100 values)\n"
        said = await self.accepted("import", str(self.file), "--device", "boiler-1")
        self.assertEqual(said, f"{left_out}200 values stored, 0 already there, 0 refused\n")
        said = await self.accepted("import", str(self.file), "--device", "boiler-1")
        self.assertEqual(said, f"{left_out}0 values stored, 200 already there, 0 refused\n")

    async def there_and_back(self, *options):
        """What a whole map's export gives on the other side, and what the import said."""
        self.rig.ask("POST", "/models", (BOILER + FLAG).encode())
        for batch in range(1, 50):
            self.rig.report(60 * (50 - batch), batch, batch)
        exported = await self.accepted("export", "boiler-1", *options)
        self.file.write_text(exported)
        self.rig.ask("POST", "/devices", {"name": "boiler-2", "model": "boiler"})
        said = await self.accepted("import", str(self.file), "--device", "boiler-2")
        again = await self.accepted("export", "boiler-2", *options)
        return exported.splitlines(), again.splitlines(), said

    async def test_there_and_back(self):
        """What was exported from one device is the same after the import into another, all of the map."""
        exported, again, said = await self.there_and_back()
        exported = [line for line in exported if not line.endswith(",label,,good")]  # a text of nothing is no value
        self.assertEqual(sorted(again), sorted(exported))
        self.assertEqual(len(exported), 1 + 49 * 4)
        left_out = "left out, there is no such point that can be imported: flag (49 values)"
        self.assertEqual(said.splitlines(), [left_out, "147 values stored, 0 already there, 0 refused"])

    async def test_there_and_back_wide(self):
        exported, again, said = await self.there_and_back("--wide")
        values = [cells_of(lines) for lines in (again, exported)]
        self.assertEqual(values[0], values[1])
        self.assertIn("flag (49 values)", said)

    async def test_into_a_map_that_lacks_a_point(self):
        """The others are taken."""
        less = BOILER.replace('"boiler"', '"less"').replace('"season"', '"time_of_year"')
        self.rig.ask("POST", "/models", less.encode())
        self.rig.ask("POST", "/devices", {"name": "boiler-2", "model": "less"})
        self.rig.report(60, 41, 1)
        self.file.write_text(await self.accepted("export", "boiler-1"))
        said = await self.accepted("import", str(self.file), "--device", "boiler-2")
        left_out = "left out, there is no such point that can be imported: season (1 values)"
        self.assertEqual(said.splitlines(), [left_out, "2 values stored, 0 already there, 0 refused"])

    async def test_nothing_but_what_is_left_out(self):
        """A script learns that nothing was taken."""
        self.write("1700000000,nothing,1", head="time,point,value")
        ran = await self.smok("import", str(self.file), "--device", "boiler-1")
        self.assertEqual((ran.code, ran.err), (1, ""))
        self.assertIn("nothing (1 values)\n0 values stored, 0 already there, 0 refused", ran.out)

    async def test_bad_cells_among_good_ones(self):
        """Each is one refusal with its line, all others are stored."""
        bad = ("1969-01-01T00:00:00Z,1", "2206-01-01T00:00:00Z,1", "1700000001,1e999", f"1700000002,{'1' * 5000}")
        bad += (f"1700000003,{'x' * 200_000}",)
        good = [f"{1_700_000_100 + 60 * n},{n}" for n in range(100)]
        self.write(*good[:50], *bad, *good[50:], head="time,outside")
        ran = await self.smok("import", str(self.file), "--device", "boiler-1")
        lines = ran.out.splitlines()
        self.assertEqual((ran.code, ran.err, lines[0]), (1, "", "100 values stored, 0 already there, 5 refused"))
        self.assertEqual([line.partition(":")[0] for line in lines[1:]], [f"line {n}" for n in range(52, 57)])

    async def test_texts_that_fill_a_body(self):
        """A page is bounded by octets, too."""
        self.patch(module, "PAGE", 1000)
        text = "\N{GRINNING FACE}" * 900
        self.write(*(f"{1_700_000_000 + 60 * n},{text}" for n in range(1000)), head="time,label")
        ran = await self.smok("import", str(self.file), "--device", "boiler-1")
        self.assertEqual((ran.code, ran.err), (1, ""))
        self.assertIn("0 values stored, 0 already there, 1000 refused", ran.out)

    async def test_interrupted_and_repeated(self):
        """Each value is there once, and whatever ended it, it was told how far it came."""
        self.write(*(f"{1_700_000_000 + 60 * n},{n / 10},50,x" for n in range(100)))
        store, count = self.rig.store, []
        append = store.backfill

        def failing(*arguments):
            count.append(1)
            if len(count) == 3:
                raise StorageAway("the database is away")
            return append(*arguments)

        self.patch(store, "backfill", failing)
        ran = await self.smok("import", str(self.file), "--device", "boiler-1")
        self.assertEqual((ran.code, "the database is away" in ran.err), (3, True))
        told = "not finished: what came until then is stored, the same command again does the rest\n"
        self.assertIn(told, ran.out)
        self.assertIn("80 values stored, 0 already there, 0 refused", ran.out)
        said = await self.accepted("import", str(self.file), "--device", "boiler-1")
        self.assertIn("120 values stored, 80 already there, 0 refused", said)
        self.assertEqual(len(store.data.devices[self.rig.registry.find("boiler-1").record.device_id].reports), 200)

    async def test_ended_by_ctrl_c(self):
        """It is told how far it came."""
        self.write(*(f"{1_700_000_000 + 60 * n},{n / 10}" for n in range(100)), head="time,outside")
        post, count = Client.post, []

        def interrupted(*arguments, **keywords):
            count.append(1)
            if len(count) == 3:
                raise KeyboardInterrupt
            return post(*arguments, **keywords)

        self.patch(Client, "post", interrupted)
        ran = await self.smok("import", str(self.file), "--device", "boiler-1")
        self.assertEqual((ran.code, ran.err), (130, ""))
        self.assertIn("not finished: what came until then is stored", ran.out)
        self.assertIn("80 values stored, 0 already there, 0 refused", ran.out)

    async def test_ended_by_what_is_no_utf_8(self):
        octets = "".join(f"{1_700_000_000 + 60 * n},{n}\n" for n in range(5000)).encode()
        self.file.write_bytes(b"time,outside\n" + octets + b"\xff\n")
        ran = await self.smok("import", str(self.file), "--device", "boiler-1")
        self.assertEqual((ran.code, "is not UTF-8" in ran.err), (2, True))
        self.assertRegex(ran.out, "not finished: .*\n[1-9][0-9]* values stored")

    async def test_differences_are_told_with_their_lines(self):
        self.write("1700000000,1", "1700000060,2", "1700000120,3", head="time,outside")
        await self.accepted("import", str(self.file), "--device", "boiler-1")
        self.write("1700000000,1", "1700000060,2.5", "1700000120,3.5", head="time,outside")
        ran = await self.smok("import", str(self.file), "--device", "boiler-1")
        self.assertEqual((ran.code, ran.err), (1, ""))
        lines = ran.out.splitlines()
        self.assertEqual(lines[0], "0 values stored, 1 already there, 0 refused")
        self.assertEqual(lines[1], "2 differ from what is there, which was kept")
        self.assertEqual(lines[2], "line 3: point 'outside' at 2023-11-14T22:14:20.000Z has the value 2.0, not 2.5")
        self.assertEqual([line[:7] for line in lines[2:]], ["line 3:", "line 4:"])

    async def gaps(self, point):
        """Of all that is there."""
        text = await self.accepted("series", "boiler-1", point, "--from", "2023-11-14", "--json")
        return json.loads(text)["value"].count(None)

    async def test_a_file_with_a_rhythm_of_its_own(self):
        """No gap where nothing is missing, one where there was an outage; the same when it is interrupted and repeated,
        under one plan for each point."""
        times = [*range(0, 30_000, 300), *range(60_000, 90_000, 300)]
        self.write(*(f"{1_700_000_000 + time},1,2" for time in times), head="time,outside,setpoint")
        store, append = self.rig.store, self.rig.store.backfill
        for fails_at in (3, 2):
            count = []

            def failing(*arguments, count=count, fails_at=fails_at):
                count.append(1)
                if len(count) == fails_at:
                    raise StorageAway("the database is away")
                return append(*arguments)

            self.patch(store, "backfill", failing)
            ran = await self.smok("import", str(self.file), "--device", "boiler-1")
            self.assertEqual(ran.code, 3)
        self.patch(store, "backfill", append)
        await self.accepted("import", str(self.file), "--device", "boiler-1")
        self.assertEqual((await self.gaps("outside"), await self.gaps("setpoint")), (1, 1))
        views = self.rig.registry.find("boiler-1").views
        self.assertEqual(sum(view.plan.number >= FIRST_UNTOLD_PLAN for view in views.values()), 2)
        said = await self.accepted("import", str(self.file), "--device", "boiler-1", "--interval", "10m")
        self.assertIn("0 values stored, 400 already there", said)

    async def test_an_interval_that_is_given(self):
        """Values that came when they changed."""
        times = [0, 10, 500, 505, 510, 2000, 2005]
        self.write(*(f"{1_700_000_000 + time},1" for time in times), head="time,outside")
        await self.accepted("import", str(self.file), "--device", "boiler-1", "--interval", "10m")
        self.assertEqual(await self.gaps("outside"), 0)
        said = await self.refused("import", str(self.file), "--device", "boiler-1", "--interval", "often")
        self.assertEqual((said[0], "'often' is no duration" in said[1]), (2, True))

    async def test_refusals_are_told_with_their_lines(self):
        self.write("1700000000,4.14", "never,1", "1700000060,warm", "1700000120,1", head="time,outside")
        ran = await self.smok("import", str(self.file), "--device", "boiler-1")
        lines = ran.out.splitlines()
        self.assertEqual((ran.code, ran.err, lines[0]), (1, "", "1 values stored, 0 already there, 3 refused"))
        self.assertEqual(sorted(line.partition(":")[0] for line in lines[1:]), ["line 2", "line 3", "line 4"])

    async def test_what_is_not_accepted(self):
        self.write("1,1")
        for options, text in (
            (("--timezone", "Mars"), "the time zone 'Mars' is not known: a name such as UTC or Europe/Warsaw"),
            (("--map-columns", "outside"), "'outside' is not accepted: COLUMN=POINT"),
        ):
            ran = await self.refused("import", str(self.file), "--device", "boiler-1", *options)
            self.assertEqual(ran, (2, text))
        missing = f"{self.file}.no"
        text = f"{missing}: cannot be read: No such file or directory"
        self.assertEqual(await self.refused("import", missing, "--device", "boiler-1"), (2, text))
