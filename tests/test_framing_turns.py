"""Promise: a storm of logins does not keep those waiting who are connected."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.framing.turns import Turns


class Loop:
    """An event loop: what is called for while a turn lasts belongs to the next one."""

    def __init__(self):
        self.now, self.due = 0.0, []

    def seconds(self):
        return self.now

    def callLater(self, seconds, call):
        self.due.append(call)
        return call

    def turn(self):
        due, self.due = self.due, []
        for call in due:
            call()


class Queue(SynchronousTestCase):
    """A call takes a second here."""

    def setUp(self):
        self.loop = Loop()
        self.turns = Turns(self.loop, turn_seconds=3.0)
        self.called = []

    def put(self, *names):
        for name in names:
            self.turns.put(lambda name=name: self.call(name))

    def call(self, name):
        self.called.append(name)
        self.loop.now += 1.0

    def turn(self):
        """Who has one."""
        self.called = []
        self.loop.turn()
        return "".join(self.called)

    def test_a_turn_ends_after_its_time(self):
        """What is left waits for the next one, in order."""
        self.put(*"abcdefg")
        self.assertEqual(len(self.turns), 7)
        self.assertEqual([self.turn(), self.turn(), self.turn(), self.turn()], ["abc", "def", "g", ""])
        self.assertEqual(self.loop.due, [])

    def test_a_slow_machine_goes_on(self):
        """One at least has its turn, however long it takes."""
        self.turns = Turns(self.loop, turn_seconds=0.0)
        self.put(*"ab")
        self.assertEqual([self.turn(), self.turn()], ["a", "b"])

    def test_who_comes_again_goes_behind(self):
        """Also while a turn lasts."""
        self.turns.put(lambda: (self.call("a"), self.put("c")))
        self.put("b")
        self.assertEqual(self.turn(), "abc")
        self.put("d")
        self.assertEqual(self.turn(), "d")
