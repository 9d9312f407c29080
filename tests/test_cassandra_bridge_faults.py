"""Promise (F1, F4): one node that dies or hangs is not noticed; all gone is said at once; back is found by itself.

Three real nodes, alone; how many requests really go out is counted where the driver sends them.
"""

from __future__ import annotations

import uuid
from contextlib import closing

from cassandra.connection import Connection
from cassandra.protocol import BatchMessage, ExecuteMessage
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from smok_twisted.errors import StorageAway, StorageError
from smok_twisted.storage.cassandra.bridge import Bridge, Refused, Statement, all_of
from smok_twisted.storage.cassandra.driver import DriverSession
from smok_twisted.storage.cassandra.options import Options

from .cassandra_shared import shared_cluster

COUNT = 2000
INSERT = Statement("INSERT INTO row (id, value) VALUES (?, ?)")
TOGETHER = INSERT._replace(travels_together=True)
SELECT = Statement("SELECT id, value FROM row")
SELECT_ONE = Statement("SELECT value FROM row WHERE id = ?")
PROBE = Statement("SELECT value FROM row WHERE id = -1")


class Faults(TestCase):
    timeout = 600

    def setUp(self):
        self.cluster = shared_cluster(self, alone=True)
        self.keyspace = f"smok_{uuid.uuid4().hex[:12]}"
        self.cql(
            f"CREATE KEYSPACE {self.keyspace} WITH replication = "
            "{'class': 'NetworkTopologyStrategy', 'datacenter1': 3}",
            f"CREATE TABLE {self.keyspace}.row (id int PRIMARY KEY, value int)",
        )
        options = Options(tuple(self.cluster.addresses), self.keyspace, request_seconds=60)  # a busy machine
        self.bridge = Bridge(options, reactor, window=64, probe=PROBE)
        self.addCleanup(self.bridge.close)
        self.heard = []
        self.bridge.on_up.append(lambda: self.heard.append("up"))
        self.bridge.on_down.append(lambda: self.heard.append("down"))
        self.sent = 0
        self.count_requests()

    def cql(self, *statements: str) -> None:
        with closing(DriverSession(Options(tuple(self.cluster.addresses), keyspace=None))) as session:
            for statement in statements:
                session.run(statement)

    def count_requests(self) -> None:
        send = Connection.send_msg

        def counted(connection, message, *others, **more):
            self.sent += isinstance(message, (BatchMessage, ExecuteMessage))
            return send(connection, message, *others, **more)

        self.patch(Connection, "send_msg", counted)

    def write(self, numbers) -> Deferred[list]:
        """By hundreds: one by one, and together."""
        ways = (INSERT, TOGETHER)
        return all_of([self.bridge.execute(ways[number // 100 % 2], number, number) for number in numbers])

    async def until(self, true, what: str) -> None:
        for _ in range(1200):
            if true():
                return
            await deferLater(reactor, 0.1)
        self.fail(f"{what}: not within two minutes")

    async def writes_through(self, hurt) -> None:
        """2,000 writes; ``hurt`` is done to the second node meanwhile. None fails, all are read while it is away."""
        await self.bridge.connect()
        await self.write(range(1))
        first = self.write(range(1, COUNT // 4))
        await self.until(lambda: self.bridge.in_flight + self.bridge.waiting < COUNT // 8, "the first writes")
        rest = self.write(range(COUNT // 4, COUNT))
        await deferToThread(hurt, 2)
        await first
        await rest
        self.assertEqual(self.heard, ["up"])
        self.assertLess(self.sent, 3 * COUNT)  # who hears nothing for half a second asks another node: no storm
        rows = await all_of([self.bridge.execute(SELECT_ONE, number) for number in range(COUNT)])
        self.assertEqual(rows, [[(number,)] for number in range(COUNT)])

    async def test_together(self) -> None:
        """Ten rows to a request; one that Cassandra refuses takes nobody along."""
        await self.bridge.connect()
        await self.write(range(100, 101))
        self.sent = 0
        await self.write(range(100, 200))
        self.assertLess(self.sent, 20)  # not 10: of 64 that may be on their way the last four go alone
        answers = [self.bridge.execute(TOGETHER, key, 1) for key in (1, None, 3)]  # no key: no row
        await answers[0]
        await answers[2]
        await self.assertFailure(answers[1], Refused)
        rows = await self.bridge.execute(SELECT)
        self.assertEqual(sorted(rows), [(1, 1), (3, 1), *((number, number) for number in range(100, 200))])

    async def test_a_node_is_killed(self) -> None:
        """In the middle of writing; that others were asked instead is counted."""
        await self.writes_through(self.cluster.kill)
        self.assertGreater(self.bridge.tally.failed + self.bridge.tally.slow, 0)

    async def test_a_node_hangs(self) -> None:
        """In the middle of writing; its connections stay open, and others are asked after half a second."""
        await self.writes_through(self.cluster.pause)
        self.assertGreater(self.bridge.tally.slow, 0)

    async def test_all_gone_and_back(self):
        """Said at once to all who ask; only probes go out; the same session and statements serve afterwards."""
        await self.bridge.connect()
        await self.write(range(10))
        await deferToThread(self.cluster.kill_all)
        await self.assertFailure(self.write(range(10, 20)), StorageError)
        await self.until(lambda: not self.bridge.is_up, "the circuit opens")
        sent = self.sent
        for number in range(1000):
            self.failureResultOf(self.bridge.execute(INSERT, number, number), StorageAway)
        self.assertEqual(self.sent, sent)
        self.assertIn("Cassandra", self.bridge.health.detail)
        await deferToThread(self.cluster.up)
        await self.until(lambda: self.bridge.is_up, "found again")
        self.assertEqual(self.heard, ["up", "down", "up"])
        await self.write(range(10, 20))
        rows = await self.bridge.execute(SELECT)
        self.assertEqual(sorted(rows), [(number, number) for number in range(20)])

    async def test_there_later(self):
        """The database is not there when we start: found when it is; its tables are read over all pages."""
        await deferToThread(self.cluster.kill_all)
        connected = self.bridge.connect()
        await self.until(lambda: self.bridge.health.detail.startswith("no Cassandra node answers"), "the first try")
        self.failureResultOf(self.bridge.execute(SELECT), StorageAway)
        self.assertNoResult(connected)
        await deferToThread(self.cluster.up)
        await connected
        await self.write(range(5001))
        self.assertEqual(len(await self.bridge.execute(SELECT)), 5001)
