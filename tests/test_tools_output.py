"""Promise: tables are aligned whatever is in them, JSON is what the API said, CSV is what other programs read."""

from __future__ import annotations

import csv
import io
import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.tools.output import Column, Output, age, one_line, plain, table

COLUMNS = (Column("name", "NAME"), Column("value", "VALUE", right=True), Column("age", "AGE", age))
ROWS = [
    {"name": "kotłownia", "value": 4.1, "age": 3, "unseen": 1},
    {"name": "数据", "value": None, "age": None},
    {"name": "e\u0301", "value": True, "age": 200_000},
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Tables(SynchronousTestCase):
    def test_columns_stand_below_each_other(self):
        """Also with letters that take two places, or none."""
        self.assertEqual(
            list(table(ROWS, COLUMNS, ruled=False)),
            [
                "NAME       VALUE  AGE",
                "kotłownia    4.1  3 s ago",
                "数据           -  never",
                "e\u0301            yes  2 days ago",
            ],
        )

    def test_a_terminal_gets_a_rule_below_the_header(self):
        stream = Terminal()
        Output(stream, "table").rows(None, ROWS[:1], COLUMNS)
        self.assertEqual(
            stream.getvalue(), "NAME       VALUE  AGE\n─────────  ─────  ───────\nkotłownia    4.1  3 s ago\n"
        )

    def test_without_rows_the_header_stays(self):
        stream = io.StringIO()
        Output(stream, "table").rows(None, [], COLUMNS)
        self.assertEqual(stream.getvalue(), "NAME  VALUE  AGE\n")

    def test_a_record_is_a_line_for_each_member(self):
        stream = io.StringIO()
        Output(stream, "table").record({"name": "a", "value": [1, 2]}, COLUMNS)
        self.assertEqual(stream.getvalue(), "NAME   a\nVALUE  1 2\nAGE    never\n")

    @given(st.text())
    def test_nothing_that_a_device_says_moves_the_cursor(self, text):
        """Escape sequences and line breaks are blanks."""
        self.assertTrue(one_line(text).isprintable())
        (_, line) = table([{"name": text}], COLUMNS[:1], ruled=False)
        self.assertTrue(line.isprintable())


class Cells(SynchronousTestCase):
    def test_as_people_read_them(self):
        values = (None, "", [], True, False, 0, [1, "a"])
        self.assertEqual([plain(value) for value in values], ["-", "-", "-", "yes", "no", "0", "1 a"])

    def test_ages_in_words(self):
        for seconds, words in (
            (None, "never"),
            (0, "now"),
            (0.99, "now"),
            (1, "1 s ago"),
            (12.4, "12 s ago"),
            (89.9, "90 s ago"),
            (90, "2 min ago"),
            (5399, "90 min ago"),
            (5400, "2 h ago"),
            (129599, "36 h ago"),
            (129600, "2 days ago"),
            (864000, "10 days ago"),
        ):
            self.assertEqual(age(seconds), words)


class OtherForms(SynchronousTestCase):
    def printed(self, form: str) -> str:
        stream = io.StringIO()
        Output(stream, form).rows({"rows": ROWS}, ROWS, COLUMNS)
        return stream.getvalue()

    def test_json_is_the_answer_itself(self):
        text = self.printed("json")
        self.assertEqual(json.loads(text), {"rows": ROWS})
        self.assertIn("kotłownia", text)

    def test_csv_has_plain_values(self):
        self.assertEqual(self.printed("csv"), "name,value,age\nkotłownia,4.1,3\n数据,,\ne\u0301,true,200000\n")

    @given(st.lists(st.text(alphabet="aż, ;\"'\t\r\n", min_size=1)))
    def test_csv_reads_back(self, names):
        """Quotes and commas survive; what moves a cursor is a blank here too."""
        stream = io.StringIO()
        Output(stream, "csv").rows(None, [{"name": name} for name in names], COLUMNS[:1])
        rows = list(csv.reader(stream.getvalue().splitlines()))
        self.assertEqual(rows[1:], [[one_line(name)] for name in names])
