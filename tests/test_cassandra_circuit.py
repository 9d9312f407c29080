"""Promise: a database that is away is noticed at once, asked for now and then, and used again when it is back (F4)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import StorageAway, UserError
from smok_twisted.storage.cassandra.bridge import Refused, Unknown
from smok_twisted.storage.cassandra.circuit import Circuit

from .bridge_rig import BridgeRig


class Pauses(SynchronousTestCase):
    def test_longer_and_longer(self):
        """1 s to 30 s, each shortened by up to a half, so that many daemons do not come back at one moment."""
        for chance, seconds in (
            (1.0, [1, 2, 4, 8, 16, 30, 30]),
            (0.0, [0.5, 1, 2, 4, 8, 15, 15]),
            (0.5, [0.75, 1.5, 3, 6, 12, 22.5, 22.5]),
        ):
            circuit = Circuit(lambda chance=chance: chance)
            self.assertEqual([circuit.next_probe_seconds() for _ in seconds], seconds)

    def test_short_again(self):
        """Once a request was answered; that a probe was is not enough: writes may still find nobody."""
        circuit = Circuit(lambda: 1.0)
        for _ in range(3):
            circuit.next_probe_seconds()
        circuit.found()
        self.assertEqual(circuit.next_probe_seconds(), 8)
        circuit.answered()
        self.assertEqual(circuit.next_probe_seconds(), 1)


class Away(SynchronousTestCase):
    """While the circuit is open."""

    def test_at_once(self):
        """One answer of nobody: what waits fails, what comes fails, nothing is sent, the owner hears of it once."""
        rig = BridgeRig.up(window=2)
        answers = [rig.execute(number) for number in range(4)]
        rig.session.asked[-2].failed(StorageAway("nobody"))
        rig.session.asked[-1].failed(StorageAway("nobody either"))
        rig.reactor.work()
        for answer in [*answers, rig.execute("later")]:
            self.assertIn("nobody", str(self.failureResultOf(answer, StorageAway).value))
        self.assertEqual((rig.session.values, rig.heard), ([0, 1], ["up", "down"]))
        self.assertEqual((rig.bridge.health.state, rig.bridge.health.detail), ("away", "nobody"))
        self.assertEqual(rig.outcomes, ["away"] * 4)

    def test_five_silences(self):
        """In a row; an answer between them, also a refusal, shows that somebody is there."""
        rig = BridgeRig.up()
        for number in range(4):
            self.silence(rig, number)
        rig.execute("refused").addErrback(lambda failure: failure.trap(Refused))
        rig.fail(Refused("no"))
        for number in range(4):
            self.silence(rig, number)
        self.assertTrue(rig.bridge.is_up)
        self.silence(rig, "fifth")
        self.assertFalse(rig.bridge.is_up)
        self.assertEqual(rig.outcomes, ["unknown"] * 4 + ["refused"] + ["unknown"] * 5)

    def silence(self, rig, value):
        answer = rig.execute(value)
        rig.fail(Unknown("nothing came"))
        self.failureResultOf(answer, Unknown)

    def test_no_storm(self):
        """An hour without a database: some 120 small questions, whatever is asked of us meanwhile."""
        rig = BridgeRig.up()
        rig.go_down()
        asked = len(rig.session.asked)
        passed = 0.0
        while passed < 3600:
            for number in range(100):
                self.failureResultOf(rig.execute(number), StorageAway)
            passed += rig.seconds_to_probe()
            rig.fail(StorageAway("nobody"))
        self.assertEqual(len(rig.session.asked) - asked, len(rig.session.probes) - 1)
        self.assertEqual(len(rig.session.probes) - 1, 124)
        self.assertEqual(rig.heard, ["up", "down"])

    def test_back(self):
        """A probe that is answered closes the circuit, and the owner hears of it."""
        rig = BridgeRig.up()
        rig.go_down()
        self.assertEqual(rig.seconds_to_probe(), 1)
        self.assertFalse(rig.bridge.is_up)
        rig.answer_probe()
        self.assertEqual((rig.heard, rig.bridge.health.state), (["up", "down", "up"], "ok"))
        self.assertNoResult(rig.execute("again"))
        self.assertEqual(rig.session.values[-1], "again")

    def test_late_answers(self):
        """Of requests from before: they tell their askers, and do not close the circuit."""
        rig = BridgeRig.up()
        late = rig.execute("late")
        rig.go_down()
        next(one for one in rig.session.asked if one.values == ("late",)).answered()
        rig.reactor.work()
        self.successResultOf(late)
        self.assertFalse(rig.bridge.is_up)

    def test_a_schema_that_is_missing(self):
        """The probe is refused: somebody is there; whoever needs tables says so."""
        rig = BridgeRig()
        connected = rig.bridge.connect()
        rig.reactor.work()
        rig.fail(Refused("no table"))
        self.successResultOf(connected)
        self.assertTrue(rig.bridge.is_up)


class Connecting(SynchronousTestCase):
    def test_not_there_yet(self):
        """It goes on trying, and whoever waits is told once it is there; so is whoever asks again."""
        rig = BridgeRig()
        rig.session.refusals = [StorageAway("nobody"), ValueError("a fault of ours"), StorageAway("nobody")]
        connected = rig.bridge.connect()
        rig.reactor.work()
        self.failureResultOf(rig.execute("early"), StorageAway)
        self.assertEqual([rig.seconds_to_probe() for _ in range(3)], [1, 2, 4])
        self.assertNoResult(connected)
        rig.answer_probe()
        self.successResultOf(connected)
        self.successResultOf(rig.bridge.connect())
        self.assertEqual((rig.session.made, rig.heard), (1, ["up"]))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_refused(self):
        """A wrong password, or no driver: whoever waits is told; it may be mended while we go on trying."""
        for refusal in (Refused("wrong password"), UserError("no driver")):
            rig = BridgeRig()
            rig.session.refusals = [refusal]
            connected = rig.bridge.connect()
            rig.reactor.work()
            self.failureResultOf(connected, type(refusal))
            self.assertEqual(rig.bridge.health.detail, str(refusal))
            rig.seconds_to_probe()
            rig.answer_probe()
            self.assertEqual(rig.heard, ["up"])


class Closing(SynchronousTestCase):
    """In every state: all who wait are told, nothing stays behind."""

    def closed(self, rig):
        closing = rig.bridge.close()
        rig.reactor.work()
        self.successResultOf(closing)
        self.successResultOf(rig.bridge.close())
        self.assertEqual(rig.reactor.getDelayedCalls(), [])
        self.assertEqual(rig.session.made, rig.session.closed)
        self.assertEqual((rig.bridge.in_flight, rig.bridge.waiting), (0, 0))
        self.assertEqual((rig.bridge.is_up, rig.bridge.health.state), (False, "closed"))
        self.failureResultOf(rig.bridge.execute(None), StorageAway)
        self.failureResultOf(rig.bridge.connect(), StorageAway)

    def test_never_connected(self):
        self.closed(BridgeRig())

    def test_while_connecting(self):
        """The session that a thread is about to bring is closed when it comes."""
        rig = BridgeRig()
        connected = rig.bridge.connect()
        self.closed(rig)
        self.failureResultOf(connected, StorageAway)
        self.assertEqual(rig.session.made, 1)

    def test_while_it_fails_to_connect(self):
        rig = BridgeRig()
        rig.session.refusals = [StorageAway("nobody")]
        connected = rig.bridge.connect()
        self.closed(rig)
        self.failureResultOf(connected, StorageAway)

    def test_while_pausing(self):
        rig = BridgeRig.up()
        rig.go_down()
        self.closed(rig)

    def test_while_a_probe_is_out(self):
        """The driver ends it when its session is closed; or never does."""
        for says in (True, False):
            rig = BridgeRig.up()
            rig.go_down()
            rig.seconds_to_probe()
            closing = rig.bridge.close()
            if says:
                rig.session.probes[-1].failed(StorageAway("closed"))
            rig.reactor.work()
            self.successResultOf(closing)
            self.closed(rig)

    def test_while_answers_gather(self):
        """Nobody is left with none."""
        rig = BridgeRig.up()
        answers = [rig.execute(number) for number in range(20)]
        rig.session.asked[-1].answered()
        rig.reactor.turn()
        self.closed(rig)
        for answer in answers:
            self.failureResultOf(answer, Unknown)

    def test_with_requests(self):
        """What waits was not done; of what is out nobody knows; late answers change nothing."""
        rig = BridgeRig.up(window=1)
        out, waits = rig.execute(1), rig.execute(2)
        self.closed(rig)
        self.failureResultOf(out, Unknown)
        self.failureResultOf(waits, StorageAway)
        rig.session.asked[-1].answered()
        rig.reactor.work()
        self.assertEqual(rig.session.values, [1])
