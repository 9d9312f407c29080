"""Promise: requests to Cassandra keep their order, wait within bounds, and are answered once each, whatever happens."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import StorageAway, StorageError
from smok_twisted.storage.cassandra.bridge import BACKGROUND, LIVE, Refused, Statement, Unknown, all_of
from smok_twisted.storage.cassandra.window import Request, Window
from smok_twisted.storage.writer import Marks

from .bridge_rig import INSERT, BridgeRig

MARKS = Marks(2, 4, 8)


class Windows(SynchronousTestCase):
    """Who goes next."""

    def window(self, size: int, *priorities: int) -> Window:
        window = Window(size, Marks(1, 4, 100))
        for number, priority in enumerate(priorities):
            window.add(Request(INSERT, (number,), None, 0.0, priority))
        return window

    def taken(self, window: Window) -> list[int]:
        return [request.values[0] for request in iter(window.take, None)]

    def test_the_living_first(self):
        """Each class in its order; the background has a quarter of the window, however much room there is."""
        priorities = [BACKGROUND] * 4 + [LIVE] * 3
        self.assertEqual(self.taken(self.window(8, *priorities)), [4, 5, 6, 0, 1])
        self.assertEqual(self.taken(self.window(3, *priorities)), [4, 5, 6])

    def test_the_smallest_window(self):
        """The background gets its turn even there."""
        window = self.window(1, BACKGROUND, BACKGROUND)
        first = window.take()
        self.assertIsNone(window.take())
        self.assertTrue(window.back(first))
        self.assertEqual(self.taken(window), [1])

    def test_back_once(self):
        """What came back twice counts once."""
        window = self.window(4, BACKGROUND)
        request = window.take()
        self.assertEqual([window.back(request), window.back(request), window.in_flight], [True, False, 0])


class Order(SynchronousTestCase):
    def test_window(self):
        """So many are on their way at once; each answer lets the next one go, in the order of asking."""
        rig = BridgeRig.up(window=2)
        for number in range(4):
            rig.execute(number)
        self.assertEqual((rig.session.values, rig.bridge.in_flight, rig.bridge.waiting), ([0, 1], 2, 2))
        rig.session.asked[-1].answered()
        rig.reactor.work()
        self.assertEqual((rig.session.values, rig.bridge.in_flight, rig.bridge.waiting), ([0, 1, 2], 2, 1))

    def test_a_draining_journal(self):
        """A thousand rows in the background do not keep a live one waiting."""
        rig = BridgeRig.up(window=8)
        for number in range(1000):
            rig.bridge.execute(INSERT, number, priority=BACKGROUND)
        rig.execute("live")
        self.assertEqual(rig.session.values, [0, 1, "live"])

    def test_rows(self):
        """Each asker has the rows of its own request."""
        rig = BridgeRig.up()
        first, second = rig.execute(1), rig.execute(2)
        rig.session.asked[-1].answered(("b",))
        rig.session.asked[-2].answered(("a",), ("c",))
        rig.reactor.work()
        self.assertEqual(self.successResultOf(all_of([first, second])), [[("a",), ("c",)], [("b",)]])
        self.assertEqual(rig.outcomes, ["ok", "ok"])

    def test_one_call_for_all_that_wait(self):
        """Few answers wake the reactor up once and are given at once; a later one wakes it again."""
        rig = BridgeRig.up()
        for number in range(11):
            rig.execute(number)
        for asked in rig.session.asked[1:11]:
            asked.answered()
        self.assertEqual((rig.reactor.turn(), len(rig.outcomes)), (1, 10))
        rig.session.asked[-1].answered()
        self.assertEqual((rig.reactor.turn(), len(rig.outcomes), rig.bridge.in_flight), (1, 11, 0))

    def test_many_at_once(self):
        """A hundred that come within two milliseconds are one call, too."""
        rig = BridgeRig.up()
        for number in range(100):
            rig.execute(number)
        for asked in rig.session.asked[1:]:
            asked.answered()
            rig.reactor.turn()
        self.assertEqual((len(rig.outcomes), len(rig.reactor.getDelayedCalls())), (0, 1))
        rig.reactor.advance(0.002)
        self.assertEqual((len(rig.outcomes), rig.bridge.in_flight, rig.reactor.handed_over), (100, 0, []))

    def test_answers_that_come_meanwhile(self):
        """A callback that asks again and is answered at once does not keep the reactor from its other work."""
        rig = BridgeRig.up()

        def again(_):
            rig.bridge.execute(INSERT, "again").addCallback(again)
            rig.session.asked[-1].answered()

        rig.execute("once").addCallback(again)
        rig.session.asked[-1].answered()
        for _ in range(5):
            self.assertEqual(rig.reactor.turn(), 1)

    def test_cancelled(self):
        """It is sent all the same, and its place becomes free."""
        rig = BridgeRig.up(window=1)
        answers = [rig.execute(number) for number in range(2)]
        for answer in answers:
            answer.addErrback(lambda _: None)
            answer.cancel()
        rig.session.asked[-1].answered()
        rig.reactor.work()
        self.assertEqual(rig.session.values, [0, 1])
        rig.fail(Unknown("x"))
        self.assertEqual(rig.bridge.in_flight, 0)

    def test_values_that_do_not_fit(self):
        """Refused, and the next one is not held up."""
        rig = BridgeRig.up(window=1)
        error = self.failureResultOf(rig.execute("does not fit"), Refused).value
        self.assertEqual(str(error), "not sent to Cassandra: it does not fit")
        self.assertNoResult(rig.execute(2))
        self.assertEqual(rig.session.values, [2])


class Water(SynchronousTestCase):
    """The owner is told to pause, and to go on."""

    def test_marks(self):
        rig = BridgeRig.up(window=1, marks=MARKS)
        rig.bridge.high_water = lambda: rig.heard.append("high")
        rig.bridge.low_water = lambda: rig.heard.append("low")
        rig.heard.clear()
        for number in range(9):
            rig.execute(number)
        self.assertEqual(rig.heard, ["high"])
        error = self.failureResultOf(rig.execute(9), StorageError).value
        self.assertEqual(str(error), "8 requests to Cassandra wait already")
        for _ in range(5):
            rig.session.asked[-1].answered()
            rig.reactor.work()
        self.assertEqual((rig.heard, rig.bridge.waiting), (["high"], 3))
        rig.session.asked[-1].answered()
        rig.reactor.work()
        self.assertEqual((rig.heard, rig.bridge.waiting), (["high", "low"], 2))

    def test_low_again_when_all_fail(self):
        """Who was paused is let go when the database goes away, too."""
        rig = BridgeRig.up(window=1, marks=MARKS)
        rig.bridge.low_water = lambda: rig.heard.append("low")
        answers = [rig.execute(number) for number in range(6)]
        rig.fail(StorageAway("nobody"))
        for answer in answers:
            self.failureResultOf(answer, StorageAway)
        self.assertEqual(rig.heard, ["up", "low", "down"])


class Preparing(SynchronousTestCase):
    def test_once(self):
        """However many ask at once, and in their order."""
        rig = BridgeRig.up()
        statement = Statement("SELECT ?")
        for number in range(3):
            rig.bridge.execute(statement, number)
        rig.reactor.work()
        self.assertEqual(rig.session.prepared.count("SELECT ?"), 1)
        self.assertEqual(rig.session.values[-3:], [0, 1, 2])
        rig.bridge.execute(statement, 3)
        self.assertEqual(rig.session.values[-1], 3)

    def test_refused(self):
        """All who asked are told; the next one tries again: there may be a table now."""
        rig = BridgeRig.up(window=2)
        statement = Statement("SELECT ?")
        rig.session.refusals = [Refused("no such table")]
        answers = [rig.bridge.execute(statement, number) for number in range(2)]
        later = rig.bridge.execute(statement, 2)
        rig.reactor.work()
        for answer in answers:
            self.failureResultOf(answer, Refused)
        self.assertNoResult(later)
        self.assertEqual(rig.session.values, [2])
        self.assertTrue(rig.bridge.is_up)

    def test_nobody_there(self):
        """That opens the circuit as well."""
        rig = BridgeRig.up()
        rig.session.refusals = [StorageAway("nobody")]
        self.failureResultOf(self.prepared(rig), StorageAway)
        self.assertFalse(rig.bridge.is_up)

    def prepared(self, rig):
        answer = rig.bridge.execute(Statement("SELECT ?"), 1)
        rig.reactor.work()
        return answer

    def test_kept_over_an_outage(self):
        """The driver's session lasts, and so do its statements."""
        rig = BridgeRig.up()
        rig.go_down()
        rig.seconds_to_probe()
        rig.answer_probe()
        rig.execute("again")
        self.assertEqual(rig.session.values[-1], "again")
        self.assertEqual((rig.session.made, rig.session.prepared.count(INSERT.cql)), (1, 1))


class Hearers(SynchronousTestCase):
    def test_one_that_fails(self):
        """Neither the others nor the answers suffer."""
        rig = BridgeRig.up()
        rig.bridge.on_down.insert(0, lambda: 1 / 0)
        answers = [rig.execute(number) for number in range(2)]
        rig.session.asked[-2].failed(StorageAway("nobody"))
        rig.session.asked[-1].answered()
        rig.reactor.work()
        self.failureResultOf(answers[0], StorageAway)
        self.successResultOf(answers[1])
        self.assertEqual(rig.heard, ["up", "down"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
