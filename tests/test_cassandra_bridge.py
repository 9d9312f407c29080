"""Promise: requests to Cassandra keep their order, wait within bounds, and are answered once each, whatever happens."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import StorageAway, StorageError
from smok_twisted.storage.cassandra.bridge import BACKGROUND, Failed, Refused, Statement, Unknown, all_of
from smok_twisted.storage.writer import Marks

from .bridge_rig import INSERT, ROW, BridgeRig

MARKS = Marks(2, 4, 8)


class Together(SynchronousTestCase):
    """Rows that are written in one turn of the loop are one request; each has its own answer."""

    def setUp(self):
        self.rig = BridgeRig.up()
        self.rig.bridge.execute(ROW, "first").addErrback(lambda failure: failure)
        self.turn()
        self.rig.session.asked.pop().answered()
        self.turn()
        self.rig.session.asked.clear()
        self.rig.outcomes.clear()

    def turn(self):
        self.rig.reactor.advance(0)
        self.rig.reactor.work()

    def written(self, *values):
        """The answers, of rows that are on their way."""
        answers = [self.rig.bridge.execute(ROW, value) for value in values]
        self.turn()
        return answers

    def rows(self):
        """Of each request, the values of each row."""
        return [[value for (value,) in one.rows] for one in self.rig.session.asked]

    def test_one_request(self):
        """All are done when it is; what is asked in the next turn is another."""
        first = self.written(*range(10))
        second = self.written(10)
        self.assertEqual(self.rows(), [list(range(10)), [10]])
        self.assertEqual(self.rig.bridge.in_flight, 11)
        self.rig.session.asked[0].answered()
        self.turn()
        self.assertEqual([self.successResultOf(one) for one in first], [[]] * 10)
        self.assertNoResult(second[0])
        self.assertEqual(self.rig.bridge.in_flight, 1)
        self.assertEqual(self.rig.outcomes, ["ok"] * 10)

    def test_one_is_refused(self):
        """Then each is asked by itself: the others are written, and it alone is refused."""
        answers = self.written("a", "bad", "c")
        self.rig.fail(Refused("no"), 0)
        self.assertEqual(self.rows()[1:], [["a"], ["bad"], ["c"]])
        for one in self.rig.session.asked[1:]:
            one.failed(Refused("no")) if one.values == ("bad",) else one.answered()
        self.turn()
        self.failureResultOf(answers.pop(1), Refused)
        self.assertEqual([self.successResultOf(one) for one in answers], [[], []])
        self.assertEqual(self.rig.bridge.in_flight, 0)

    def test_nodes_fail_over_one(self):
        """The same: nobody knows which of them it is, so each is asked by itself. It is no silence."""
        self.written("a", "bad", "c")
        self.rig.fail(Failed("too large"), 0)
        self.assertEqual(self.rows()[1:], [["a"], ["bad"], ["c"]])
        for number in range(9):
            answer = self.rig.execute(number)
            self.rig.fail(Failed("too large"))
            self.failureResultOf(answer, Failed)
        self.assertTrue(self.rig.bridge.is_up)
        self.assertEqual(set(self.rig.outcomes), {"unknown"})

    def test_one_does_not_fit(self):
        """What cannot even be sent takes nobody along."""
        answers = self.written("a", "does not fit", "c")
        self.failureResultOf(answers[1], Refused)
        self.assertEqual(self.rows(), [["a"], ["c"]])

    def test_nobody_knows(self):
        """Of none of them; and it is one silence, not ten."""
        for answer in self.written(*range(10)):
            answer.addErrback(lambda failure: failure.trap(Unknown))
        self.rig.fail(Unknown("slow"))
        self.assertEqual(self.rig.outcomes, ["unknown"] * 10)
        self.assertTrue(self.rig.bridge.is_up)

    def test_nobody_is_there(self):
        """All hear of it, also who was not sent yet."""
        answers = self.written(1, 2)
        late = self.rig.bridge.execute(ROW, 3)
        self.rig.fail(StorageAway("nobody"))
        for answer in (*answers, late):
            self.failureResultOf(answer, StorageAway)
        self.turn()
        self.assertEqual(self.rows(), [[1, 2]])

    def test_closed_meanwhile(self):
        """Nothing is sent any more, nothing is left to be called."""
        late = self.rig.bridge.execute(ROW, 1)
        self.rig.bridge.close()
        self.rig.reactor.work()
        self.failureResultOf(late, StorageAway)
        self.assertEqual((self.rig.reactor.getDelayedCalls(), self.rows()), ([], []))


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
