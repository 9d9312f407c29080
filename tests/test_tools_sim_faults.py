"""Promise: what goes wrong on a simulated bus goes wrong as often as one wants, and again so with the same seed."""

from __future__ import annotations

from random import Random

from twisted.internet.defer import fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.modbus.protocol import LineFault
from smok_twisted.readings import Fault
from smok_twisted.tools.sim_faults import Faults, FaultyLine

READ, ANSWER = b"\x03\x00\x00\x00\x01", b"\x03\x02\x00\x07"


class Bus:
    """Answers at once, and notes what has reached it."""

    def __init__(self):
        self.reached, self.is_stopped = [], False

    def execute(self, unit, pdu, timeout_seconds):
        self.reached.append(pdu)
        return succeed(ANSWER) if unit == 1 else fail(LineFault(Fault.TIMEOUT))

    def stop(self):
        self.is_stopped = True
        return succeed(None)


class Faultiness(SynchronousTestCase):
    """One bus; time is the test's."""

    def line(self, seed=1, **faults):
        self.clock, self.bus = Clock(), Bus()
        return FaultyLine(self.bus, Faults(**faults), Random(seed), self.clock)

    def outcome(self, line, timeout_seconds=2.0):
        """(answer or fault, seconds)."""
        begun = self.clock.seconds()
        answer = line.execute(1, READ, timeout_seconds)
        while not answer.called:
            self.clock.advance(min(call.getTime() for call in self.clock.getDelayedCalls()) - self.clock.seconds())
        seconds = round(self.clock.seconds() - begun, 3)
        if answer.result == ANSWER or isinstance(answer.result, bytes):
            return answer.result.hex(), seconds
        return self.failureResultOf(answer, LineFault).value.fault.name, seconds

    def test_nothing_is_wanted(self):
        """Then nothing happens."""
        line = self.line()
        self.assertEqual({self.outcome(line) for _ in range(200)}, {(ANSWER.hex(), 0.0)})

    def test_exceptions(self):
        """About as many as were asked for; nothing has reached the unit then."""
        line = self.line(exceptions=0.2)
        outcomes = [self.outcome(line)[0] for _ in range(1000)]
        exceptions = [one for one in outcomes if one != ANSWER.hex()]
        self.assertEqual(set(exceptions), {"8304", "8306"})
        self.assertTrue(150 <= len(exceptions) <= 250, len(exceptions))
        self.assertEqual(len(self.bus.reached), 1000 - len(exceptions))

    def test_slow_answers(self):
        """They take half a second to three; who asked has given up by then, sometimes, and the unit has done it."""
        line = self.line(slow_answers=0.5)
        outcomes = [self.outcome(line) for _ in range(400)]
        slow = [seconds for one, seconds in outcomes if one == ANSWER.hex() and seconds]
        late = [seconds for one, seconds in outcomes if one == "TIMEOUT"]
        self.assertTrue(100 <= len(slow) <= 160 and 50 <= len(late) <= 110, (len(slow), len(late)))
        self.assertTrue(all(0.5 <= seconds <= 2.0 for seconds in slow))
        self.assertEqual(set(late), {2.0})
        self.assertEqual(len(self.bus.reached), 400)

    def test_a_dead_unit(self):
        """Each request takes its whole time, and nothing reaches the unit, until it is alive again."""
        line = self.line()
        line.fall_silent(5.0)
        self.assertEqual([self.outcome(line) for _ in range(3)], [("TIMEOUT", 2.0)] * 3)
        self.assertEqual(self.bus.reached, [])
        self.assertEqual(self.outcome(line), (ANSWER.hex(), 0.0))

    def test_a_seed_repeats_its_faults(self):
        """The nth request of a bus meets the same, whatever the time."""
        first, again, other = (
            [self.outcome(line) for line in [self.line(seed, exceptions=0.3, slow_answers=0.3)] for _ in range(100)]
            for seed in (7, 7, 8)
        )
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)

    def test_a_fault_of_the_line_stays_one(self):
        """A slow time-out is a time-out, whether it comes in time or too late."""
        line = self.line(slow_answers=1.0)
        for timeout_seconds in (3.5, 0.1):
            answer = line.execute(2, READ, timeout_seconds)
            self.clock.advance(3.5)
            self.failureResultOf(answer, LineFault)
        self.flushLoggedErrors()
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_stopping_leaves_nothing(self):
        """No timer of an answer that is on its way."""
        line = self.line(slow_answers=1.0)
        answer = line.execute(1, READ, 10.0)
        self.successResultOf(line.stop())
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertTrue(self.bus.is_stopped)
        self.assertNoResult(answer)
