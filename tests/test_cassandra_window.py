"""Promise: who goes next to Cassandra, and which rows travel together."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.storage.cassandra.bridge import BACKGROUND, LIVE
from smok_twisted.storage.cassandra.window import Request, Window
from smok_twisted.storage.writer import Marks

from .bridge_rig import INSERT, ROW

OTHER_ROW = ROW._replace(cql="INSERT another")


class Windows(SynchronousTestCase):
    """Who goes next."""

    def window(self, size: int, *priorities: int) -> Window:
        window = Window(size, Marks(1, 4, 100))
        for number, priority in enumerate(priorities):
            window.add(Request(INSERT, (number,), None, 0.0, priority))
        return window

    def taken(self, window: Window) -> list[int]:
        return [request.values[0] for [request] in iter(window.take, [])]

    def test_the_living_first(self):
        """Each class in its order; the background has a quarter of the window, however much room there is."""
        priorities = [BACKGROUND] * 4 + [LIVE] * 3
        self.assertEqual(self.taken(self.window(8, *priorities)), [4, 5, 6, 0, 1])
        self.assertEqual(self.taken(self.window(3, *priorities)), [4, 5, 6])

    def test_the_smallest_window(self):
        """The background gets its turn even there."""
        window = self.window(1, BACKGROUND, BACKGROUND)
        [first] = window.take()
        self.assertEqual(window.take(), [])
        self.assertTrue(window.back(first))
        self.assertEqual(self.taken(window), [1])

    def test_back_once(self):
        """What came back twice counts once."""
        window = self.window(4, BACKGROUND)
        [request] = window.take()
        self.assertEqual([window.back(request), window.back(request), window.in_flight], [True, False, 0])


    def together(self, size: int, *values: tuple[object, ...]) -> list[list[object]]:
        """The first value of each row, in the requests in which they go out."""
        window = Window(size, Marks(1, 4, 100))
        for row in values:
            window.add(Request(ROW, row, None, 0.0))
        return [[request.values[0] for request in one] for one in iter(window.take, [])]

    def test_together(self):
        """Ten rows at most, of 4,000 octets at most, and never more than the window has room for."""
        rows = [(number,) for number in range(23)]
        self.assertEqual([len(one) for one in self.together(256, *rows)], [10, 10, 3])
        self.assertEqual([len(one) for one in self.together(12, *rows)], [10, 2])
        octets = [(1, bytes(2000)), (2, bytes(2000)), (3, bytes(1)), (4, bytes(9000)), (5, bytes(3999))]
        self.assertEqual(self.together(256, *octets), [[1, 2], [3], [4], [5]])

    def test_only_its_kind(self):
        """What does not travel goes by itself, at its place; so does a row for another table."""
        window = Window(256, Marks(1, 4, 100))
        for statement in (ROW, ROW, INSERT, INSERT, ROW, OTHER_ROW, ROW):
            window.add(Request(statement, (), None, 0.0))
        self.assertEqual([len(one) for one in iter(window.take, [])], [2, 1, 1, 1, 1, 1])
