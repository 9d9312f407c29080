"""Promise: what a CSV file of another system says is read as it was meant, or it is said why not, line by line."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.clock import rfc3339
from smok_twisted.errors import UserError
from smok_twisted.tools.csv_history import Form, Table
from smok_twisted.tools.csv_times import rhythm_seconds

POINTS = ("outside", "flow")
START_MS = 1_700_000_000_000


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
