"""Promise: what the driver says becomes one of three clear answers, once a request, with all pages together."""

from __future__ import annotations

from cassandra import (
    AuthenticationFailed,
    InvalidRequest,
    OperationTimedOut,
    ReadTimeout,
    Unauthorized,
    Unavailable,
    UnresolvableContactPoints,
    WriteFailure,
    WriteTimeout,
)
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionException
from cassandra.protocol import ErrorMessage, OverloadedErrorMessage, ServerError, SyntaxException
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import StorageAway
from smok_twisted.storage.cassandra.answers import Failed, Refused, Unknown, explained
from smok_twisted.storage.cassandra.driver import DriverSession
from smok_twisted.storage.cassandra.policies import Tally, retrying, speculating


class Future:
    """Of the driver: a request that several nodes were asked."""

    def __init__(self, pages: list[list[int]], place: int):
        self._page, self._paging_state = pages[place], place + 1 if place + 1 < len(pages) else None
        self.has_more_pages = self._paging_state is not None
        self._col_names = self._col_types = None

    def add_callbacks(self, page, failed):
        self.failed = failed
        self.answer = lambda: page([(value,) for value in self._page])
        self.answer()


class Session:
    """Of the driver; each request is answered at once, and ``again`` by a node that was slow."""

    def __init__(self, pages: list[list[int]]):
        self.pages = pages
        self.futures: list[Future] = []

    def execute_async(self, prepared, values, paging_state=None):
        self.futures.append(Future(self.pages, paging_state or 0))
        return self.futures[-1]


class Asking(SynchronousTestCase):
    def asked(self, *pages: list[int]):
        session = DriverSession.__new__(DriverSession)
        session._session, session.tally = Session(list(pages)), Tally()
        told = []
        session.ask("a statement", [()], lambda *answer: told.append(answer), "Ola")
        return session._session.futures, told

    def test_pages(self):
        """All of them, in their order."""
        futures, told = self.asked([1, 2], [3], [4])
        self.assertEqual((told, len(futures)), ([("Ola", [(1,), (2,), (3,), (4,)], None)], 3))

    def test_two_nodes_answer(self):
        """Because the first was slow: its answer comes too, and counts no more; nor does an error."""
        futures, told = self.asked([1, 2], [3])
        for future in list(futures):
            future.answer()
            future.failed(OSError("reset"))
        self.assertEqual((told, len(futures)), ([("Ola", [(1,), (2,), (3,)], None)], 2))


class Retries(SynchronousTestCase):
    def test_a_node_misses_the_others(self):
        """It may be the one that is cut off: each of the three is asked before the database is taken for away."""
        tally = Tally()
        policy = retrying(tally)
        whats = [
            policy.on_unavailable(None, 4, required_replicas=2, alive_replicas=1, retry_num=number)[0]
            for number in range(3)
        ]
        self.assertEqual(whats, [policy.RETRY_NEXT_HOST, policy.RETRY_NEXT_HOST, policy.RETHROW])
        self.assertEqual((tally.failed, tally.slow), (2, 0))

    def test_a_node_is_slow(self):
        """After half a second the second is asked as well, after another the third; then there is nobody left."""
        tally = Tally()
        plan = speculating(tally).new_plan(None, None)
        self.assertEqual([(plan.next_execution(None), tally.slow) for _ in range(3)], [(0.5, 0), (0.5, 1), (-1, 2)])
        self.assertEqual(tally.failed, 0)


class Answers(SynchronousTestCase):
    """Which of the three it is decides what happens next."""

    def kind(self, error: Exception) -> type:
        told = explained(error)
        self.assertNotIn("\n", str(told))
        self.assertLess(len(str(told)), 600)
        return type(told)

    def test_refused(self):
        """It will never be done."""
        for error in (
            InvalidRequest("unconfigured table\nrow"),
            Unauthorized("no"),
            SyntaxException(0x2000, "line 1", None),
            NoHostAvailable("no", {"a": AuthenticationFailed("wrong"), "b": OSError("reset")}),
        ):
            self.assertIs(self.kind(error), Refused, error)

    def test_away(self):
        """Nobody did it, they may come back."""
        for error in (
            NoHostAvailable("no", {"a": ConnectionException("refused"), "b": OSError("reset " * 500)}),
            NoHostAvailable("no", []),
            Unavailable("no", required_replicas=2, alive_replicas=1),
            OverloadedErrorMessage(0x1001, "too much", None),
            UnresolvableContactPoints({}),
        ):
            self.assertIs(self.kind(error), StorageAway, error)

    def test_unknown(self):
        """It may have been done; also a write with a condition that lost its way (code 0x1700)."""
        for error in (
            WriteTimeout("slow", write_type=0),
            ReadTimeout("slow"),
            OperationTimedOut({"a": "slow"}),
            ErrorMessage(0x1700, "CAS operation result is unknown", None),
            NoHostAvailable("no", {"a": ReadTimeout("slow"), "b": OSError("reset")}),
        ):
            self.assertIs(self.kind(error), Unknown, error)

    def test_failed(self):
        """Nobody knows what the other nodes did; but it is no silence, and may be the row's own fault."""
        for error in (WriteFailure("no", write_type=0), ServerError(0x0000, "too large", None)):
            self.assertIs(self.kind(error), Failed, error)
        self.assertTrue(issubclass(Failed, Unknown))
