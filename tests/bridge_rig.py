"""A reactor and a driver's session that do nothing by themselves, for tests of the bridge between the two."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from smok_twisted.errors import StorageAway
from smok_twisted.storage.cassandra.bridge import PROBE, Bridge, Options, Statement
from smok_twisted.storage.cassandra.policies import Tally

INSERT = Statement("INSERT ?")
ROW = Statement("INSERT a row", travels_together=True)


class ManualReactor(Clock):
    """Threads run when ``work`` is called; what they hand over comes with ``turn``."""

    def __init__(self):
        super().__init__()
        self.handed_over = []
        self.thread_work = []

    def callFromThread(self, call, *arguments):
        self.handed_over.append((call, arguments))

    def getThreadPool(self):
        return self

    def callInThreadWithCallback(self, on_result, call, *arguments):
        self.thread_work.append((on_result, call, arguments))

    def turn(self) -> int:
        """How many calls came over."""
        calls, self.handed_over = self.handed_over, []
        for call, arguments in calls:
            call(*arguments)
        return len(calls)

    def work(self) -> None:
        """Threads and what comes of them, until there is nothing more."""
        while self.thread_work or self.handed_over:
            self.one_work()
            self.turn()

    def one_work(self) -> None:
        """What the threads have to do now."""
        todo, self.thread_work = self.thread_work, []
        for on_result, call, arguments in todo:
            try:
                result = True, call(*arguments)
            except Exception as error:
                result = False, error
            on_result(*result)


class Asked:
    """One request that the driver was given."""

    def __init__(self, cql, rows, done, whose):
        self.cql, self.rows, self.done, self.whose = cql, rows, done, whose

    @property
    def values(self):
        """Of the only row."""
        [values] = self.rows
        return values

    def answered(self, *rows):
        self.done(self.whose, list(rows), None)

    def failed(self, error):
        self.done(self.whose, [], error)


class ManualSession:
    """A driver's session. ``refusals``: what the next attempts to make it or to prepare raise."""

    def __init__(self):
        self.asked: list[Asked] = []
        self.prepared: list[str] = []
        self.refusals: list[Exception] = []
        self.made = self.closed = 0
        self.tally = Tally()

    def make(self, options):
        self._refuse()
        self.made += 1
        return self

    def _refuse(self):
        if self.refusals:
            raise self.refusals.pop(0)

    def prepare(self, cql, is_idempotent):
        self._refuse()
        self.prepared.append(cql)
        return cql

    def ask(self, prepared, rows, done, whose):
        if any("does not fit" in values for values in rows):
            raise TypeError("it does not fit")
        self.tally.sent += 1
        self.asked.append(Asked(prepared, rows, done, whose))

    def close(self):
        self.closed += 1

    @property
    def values(self) -> list:
        """The first value of each request that was asked and is no probe."""
        return [one.values[0] for one in self.asked if one.cql != PROBE.cql]

    @property
    def probes(self) -> list[Asked]:
        return [one for one in self.asked if one.cql == PROBE.cql]


class Journal(list):
    """Outcomes, as the bridge's observer hears them."""

    def answered(self, outcome, seconds):
        self.append(outcome)


class BridgeRig:
    """``up`` is a bridge that has connected."""

    def __init__(self, **settings):
        self.reactor = ManualReactor()
        self.session = ManualSession()
        self.outcomes = Journal()
        settings = {"chance": lambda: 1.0, "observer": self.outcomes, **settings}
        self.bridge = Bridge(Options(("a",)), self.reactor, session=self.session.make, **settings)
        self.heard: list[str] = []
        self.bridge.on_up.append(lambda: self.heard.append("up"))
        self.bridge.on_down.append(lambda: self.heard.append("down"))

    @classmethod
    def up(cls, **settings) -> BridgeRig:
        rig = cls(**settings)
        rig.bridge.connect()
        rig.reactor.work()
        rig.answer_probe()
        rig.bridge.execute(INSERT, "first")
        rig.reactor.work()
        rig.session.asked.pop().answered()
        rig.reactor.work()
        rig.outcomes.clear()
        return rig

    def answer_probe(self):
        self.session.probes[-1].answered((1,))
        self.reactor.work()

    def execute(self, value, **how) -> Deferred:
        """Given to the driver, as far as the window allows."""
        answer = self.bridge.execute(INSERT, value, **how)
        self.reactor.work()
        return answer

    def fail(self, error, which=-1):
        self.session.asked[which].failed(error)
        self.reactor.work()

    def go_down(self):
        """One request finds nobody."""
        self.execute("last").addErrback(lambda failure: failure.trap(StorageAway))
        self.fail(StorageAway("nobody"))

    def seconds_to_probe(self) -> float:
        """Time passes until the next probe; 0 if there is none."""
        (call,) = self.reactor.getDelayedCalls() or (None,)
        if call is None:
            return 0.0
        seconds = call.getTime() - self.reactor.seconds()
        self.reactor.advance(seconds)
        self.reactor.work()
        return seconds
