"""Long answers are written row by row, and read back as what they are."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.tools.long_json import written

PLAIN = st.none() | st.booleans() | st.integers() | st.text()
ANSWERS = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4))


class LongJson(SynchronousTestCase):
    @given(ANSWERS, st.integers(0, 5))
    def test_reads_back(self, answer: Any, depth: int) -> None:
        """Whatever it is, and however deep its lines go."""
        self.assertEqual(json.loads("".join(written(answer, depth))), answer)

    def test_a_row_a_line(self) -> None:
        """What is below the depth shares the line of its row; names stay readable."""
        answer = {"rows": iter([{"a": [1, 2]}, {"a": []}]), "none": iter(()), "unit": "°C", "of": {}}
        lines = ["{", '  "rows": [', '    {"a": [1, 2]},', '    {"a": []}', "  ],", '  "none": [],', '  "unit": "°C",']
        self.assertEqual("".join(written(answer, 2)).split("\n"), [*lines, '  "of": {}', "}"])

    def test_rows_are_made_when_they_are_written(self) -> None:
        """So that no more than one of them is there at once."""
        asked: list[int] = []
        parts = written({"rows": (asked.append(number) or number for number in range(3))}, 2)
        seen = [(part.strip(), len(asked)) for part in parts]
        self.assertEqual([pair for pair in seen if pair[0].isdigit()], [("0", 1), ("1", 2), ("2", 3)])
