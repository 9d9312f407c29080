"""Promise: `smok db` makes Cassandra's tables, looks at them and upgrades them, and touches nothing of anybody else."""

from __future__ import annotations

import sys
import uuid
from contextlib import closing
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import StorageError
from smok_twisted.storage.cassandra import schema
from smok_twisted.storage.cassandra.driver import DriverSession, Node
from smok_twisted.storage.cassandra.options import Options

from .cassandra_shared import shared_cluster
from .tools_rig import run_here, sentence

NEWEST = len(schema.scripts())
NEWER = "CREATE TABLE later (id int PRIMARY KEY);"
SIMPLE = "{'class': 'SimpleStrategy', 'replication_factor': 1}"


class DatabaseCase(SynchronousTestCase):
    """``smok db`` with a configuration for the keyspace of this test."""

    def setUp(self):
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.keyspace = f"smok_{uuid.uuid4().hex[:12]}"

    def configure(self, addresses: list[str], more: str = "") -> None:
        self.config = self.folder / "smok.toml"
        self.config.write_text(
            f'[storage]\nkind = "cassandra"\n[storage.cassandra]\nkeyspace = "{self.keyspace}"\n'
            f"contact_points = {addresses}\n{more}\n"
        )

    def db(self, word: str):
        return run_here("db", word, "--config", str(self.config))

    def accepted(self, word: str) -> str:
        ran = self.db(word)
        self.assertEqual((ran.code, ran.err), (0, ""))
        return ran.out.removesuffix("\n")

    def refused(self, word: str, code: int = 1) -> str:
        ran = self.db(word)
        self.assertEqual((ran.code, ran.out), (code, ""), ran.err)
        return sentence(self, ran.err)


class OnTheCluster(DatabaseCase):
    def setUp(self):
        super().setUp()
        self.addresses = shared_cluster(self).addresses
        self.configure(self.addresses)
        self.addCleanup(self.cql, f"DROP KEYSPACE IF EXISTS {self.keyspace}")

    def cql(self, *statements: str) -> list[tuple]:
        with closing(DriverSession(Options(tuple(self.addresses), keyspace=None))) as session:
            return [session.run(statement) for statement in statements][-1]

    def tables(self) -> list[str]:
        rows = self.cql(f"SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{self.keyspace}'")
        return sorted(name for (name,) in rows)

    def test_its_life(self):
        """Made once, looked at, brought to the next version; what a newer version has made is left alone."""
        missing = f"keyspace {self.keyspace} does not exist: `smok db init` makes it"
        self.assertEqual([self.refused("check"), self.refused("upgrade")], [missing] * 2)
        self.assertEqual(self.accepted("init"), f"made the tables in keyspace {self.keyspace}, schema {NEWEST}")
        self.assertEqual(self.accepted("init"), f"keyspace {self.keyspace} is there already: nothing to do")
        newest = f"keyspace {self.keyspace} has schema {NEWEST}, the newest: nothing to do"
        self.assertEqual(self.accepted("upgrade"), newest)
        self.cql(f"INSERT INTO {self.keyspace}.device (number, name) VALUES (1, 'cellar')")
        good = (
            f"keyspace {self.keyspace} is good: schema {NEWEST}, 1 devices, 0 models, copies: 3 in datacenter1; "
            "3 of 3 nodes up and of one mind"
        )
        self.assertEqual(self.accepted("check"), good)

        self.patch(schema, "scripts", lambda: [*schema.schema("cassandra"), NEWER])
        older = f"keyspace {self.keyspace} has schema {NEWEST}, this version of SMOK has {NEWEST + 1}: "
        for word in ("check", "init"):
            self.assertEqual(self.refused(word), older + "`smok db upgrade` brings it up to date")
        self.assertEqual(
            self.accepted("upgrade"), f"brought keyspace {self.keyspace} from schema {NEWEST} to {NEWEST + 1}"
        )
        self.assertIn("later", self.tables())
        self.assertIn(f"schema {NEWEST + 1}, 1 devices", self.accepted("check"))

        self.patch(schema, "scripts", lambda: schema.schema("cassandra"))
        newer = f"keyspace {self.keyspace} has schema {NEWEST + 1}, this version of SMOK has {NEWEST}: "
        for word in ("check", "init", "upgrade"):
            self.assertEqual(self.refused(word), newer + "install the version that wrote it")

    def test_interrupted(self):
        """`init` goes on where another one was stopped."""
        self.accepted("init")
        self.cql(f"TRUNCATE {self.keyspace}.schema_version", f"DROP TABLE {self.keyspace}.setting")
        self.assertIn("has no tables of SMOK yet: `smok db init` makes them", self.refused("check"))
        self.assertIn("made the tables", self.accepted("init"))
        self.assertIn("setting", self.tables())
        self.assertIn("is good", self.accepted("check"))

    def test_somebody_elses(self):
        """A keyspace with other tables, also with a table of the same name as ours: nothing is made in it."""
        text = f"keyspace {self.keyspace} has tables of another program: name another keyspace in smok.toml"
        self.cql(
            f"CREATE KEYSPACE {self.keyspace} WITH replication = {SIMPLE}",
            f"CREATE TABLE {self.keyspace}.recipe (name text PRIMARY KEY)",
        )
        self.assertEqual([self.refused(word) for word in ("init", "check", "upgrade")], [text] * 3)
        self.cql(f"CREATE TABLE {self.keyspace}.schema_version (installed_rank int PRIMARY KEY)")
        self.assertEqual([self.refused(word) for word in ("init", "check", "upgrade")], [text] * 3)
        self.assertEqual(self.tables(), ["recipe", "schema_version"])

    def test_what_cannot_be(self):
        """A data centre that is none, more copies than nodes: said before anything is made."""
        self.configure(self.addresses, 'local_dc = "north"')
        text = "local_dc = 'north' is no data centre of this Cassandra: it has datacenter1"
        self.assertEqual(self.refused("init"), text)
        self.configure(self.addresses, "replication = 5")
        text = "replication = 5, and datacenter1 has 3 nodes: start more of them, or set replication = 3"
        self.assertEqual(self.refused("init"), text)
        self.assertEqual(self.tables(), [])


class WithoutACluster(DatabaseCase):
    def test_nobody_there(self):
        """One line, soon, and exit status 3."""
        self.configure(["127.0.99.77"], "port = 1")
        for word in ("init", "upgrade", "check"):
            self.assertRegex(self.refused(word, code=3), r"\Ano Cassandra node answers: 127\.0\.99\.77:1: .*refused")

    def test_no_driver(self):
        """It says what to install."""
        self.configure(["127.0.0.1"])
        text = "the Cassandra driver is not installed: pip install 'smok-twisted[cassandra]'"
        with mock.patch.dict(sys.modules, {"cassandra": None}):
            self.assertEqual(self.refused("init", code=2), text)


class Disagreement(SynchronousTestCase):
    """F6: nodes that differ; no table is touched."""

    def session(self, schemas: dict[str, str], releases: dict[str, str], down: tuple[str, ...] = ()):
        class Session:
            ran: list[str] = []

            def nodes(self):
                return tuple(Node(one, "datacenter1", releases[one], one not in down) for one in schemas)

            def run(self, cql):
                self.ran.append(cql)
                if "system.local" in cql:
                    return [(schemas["a"],)]
                if "system.peers_v2" in cql:
                    return [(one, schemas[one]) for one in schemas if one != "a"]
                return []

        return Session()

    def upgraded(self, *about) -> list[str]:
        """The changes that it would make."""
        self.patch(schema, "_AGREEMENT_SECONDS", 0.1)
        session = self.session(*about)
        try:
            schema.upgrade(session, "smok")
        finally:
            self.changes = [cql for cql in session.ran if not cql.startswith("SELECT")]
        return self.changes

    def test_nodes_disagree(self):
        """About the schema, after some patience."""
        error = self.assertRaises(StorageError, self.upgraded, {"a": "1", "b": "2"}, {"a": "5", "b": "5"})
        self.assertIn("the Cassandra nodes disagree about the schema", str(error))
        self.assertEqual(self.changes, [])

    def test_a_node_that_is_down(self):
        """It is told when it comes back: what it last said does not count."""
        changes = self.upgraded({"a": "1", "b": "2"}, {"a": "5", "b": "5"}, ("b",))
        self.assertTrue(changes[0].startswith("CREATE TABLE IF NOT EXISTS smok."))
        self.assertEqual(changes[-1], f"INSERT INTO smok.schema_version (id, version) VALUES (0, {NEWEST})")

    def test_mixed_versions(self):
        """In the middle of a rolling upgrade of Cassandra."""
        about = {"a": "1", "b": "1"}, {"a": "5.0.9", "b": "4.1.7"}
        error = self.assertRaises(StorageError, self.upgraded, *about)
        self.assertIn("nodes run Cassandra 4.1.7 and 5.0.9", str(error))
        self.assertEqual(self.changes, [])
