"""Cassandra for a Twisted application that wants nothing else of ours: Deferreds, and an end to asking nobody.

Run it: python examples/only_cassandra.py (`make cassandra` starts one on this machine), or with the nodes' addresses
"""

import sys

from twisted.internet import reactor, task
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import deferToThread

from smok_twisted.clock import use_monotonic_timers
from smok_twisted.errors import StorageAway
from smok_twisted.storage.cassandra.bridge import Bridge, Options, Refused, Statement, Unknown
from smok_twisted.storage.cassandra.driver import DriverSession

NODES = tuple(sys.argv[1:]) or ("127.0.0.1",)
INSERT = Statement("INSERT INTO reading (meter, day, value) VALUES (?, ?, ?)", travels_together=True)
SELECT = Statement("SELECT day, value FROM reading WHERE meter = ?")


def make_tables() -> None:
    """Blocks: once, by hand or in a thread, never by several programs at a time."""
    session = DriverSession(Options(NODES, keyspace=None))
    replication = "{'class': 'NetworkTopologyStrategy', 'datacenter1': 1}"
    session.run(f"CREATE KEYSPACE IF NOT EXISTS example WITH replication = {replication}")
    session.run("CREATE TABLE IF NOT EXISTS example.reading (meter int, day int, value int, PRIMARY KEY (meter, day))")
    session.close()


async def main() -> None:
    bridge = Bridge(Options(NODES, keyspace="example"), reactor, probe=Statement("SELECT meter FROM reading LIMIT 1"))
    bridge.on_down.append(lambda: print("away:", bridge.health.detail))
    try:
        await deferToThread(make_tables)
        await bridge.connect()
        await gatherResults([bridge.execute(INSERT, 7, day, 100 + day) for day in range(3)])
        print(await bridge.execute(SELECT, 7))
        await bridge.execute(Statement("SELECT nothing FROM reading"))
    except StorageAway as away:  # nobody is there: later, bridge.on_up says when
        print("try later:", away)
    except Unknown as unknown:  # it was done, or not: the same once more does no harm
        print("try again:", unknown)
    except Refused as refused:  # it will never be done
        print("mend it:", refused)
    await bridge.close()


use_monotonic_timers(reactor)
task.react(lambda _: Deferred.fromCoroutine(main()), _reactor=reactor)
