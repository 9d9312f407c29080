"""Promise: history as lines: one for each reading, or one for each time."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.clock import rfc3339
from smok_twisted.errors import StorageError
from smok_twisted.history import notes
from smok_twisted.history.rows import Format, Rows
from smok_twisted.history.traces import traces_of
from smok_twisted.readings import BlockReport, Report

from .export_rig import rows_of
from .history_samples import DEVICE, START_US, view


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
