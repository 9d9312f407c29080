"""Promise: user, password and TLS of smok.toml are what a real node asks for; what is wrong is said in one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from smok_twisted.errors import StorageAway
from smok_twisted.settings import load
from smok_twisted.storage.cassandra.bridge import Bridge, Refused, Statement
from smok_twisted.storage.cassandra.options import Options, options_of
from smok_twisted.storage.cassandra.schema import expect_tables
from tools.cassandra import Options as ClusterOptions
from tools.cassandra import cluster
from tools.cassandra.configuration import PASSWORD, USER

from .cassandra_shared import may_be_missing
from .test_cassandra_settings import certificate
from .tools_rig import run_here

CLIENTS = Statement("SELECT username, ssl_enabled FROM system_views.clients")


class Login(TestCase):
    """One node of its own that wants a password and offers TLS; the whole way once, as it takes its time."""

    timeout = 600

    def setUp(self):
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        with may_be_missing():
            context = cluster(ClusterOptions(nodes=1, base="auto", heap="384m", password=True, tls=True))
            self.node = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)

    def configure(self, password: str = PASSWORD) -> Options:
        secret = self.folder / "cassandra.password"
        secret.write_text(password)
        secret.chmod(0o600)
        self.config = self.folder / "smok.toml"
        self.config.write_text(
            f'[storage]\nkind = "cassandra"\n[storage.cassandra]\ncontact_points = {self.node.addresses}\n'
            f'replication = 1\nusername = "{USER}"\npassword_file = "cassandra.password"\n'
            f'tls_ca = "{self.node.folder}/tls/ca.pem"\n'
        )
        return options_of(load(self.config).storage.cassandra)

    def bridge(self, options: Options) -> Bridge:
        made = Bridge(options, reactor)
        self.addCleanup(made.close)
        return made

    async def test_the_whole_way(self):
        """`smok db init`, and the bridge: in under that name, by TLS; with anything wrong, not."""
        options = self.configure()
        text = str(await self.assertFailure(self.bridge(options).connect(), Refused))
        self.assertEqual(text, "keyspace smok does not exist: `smok db init` makes it")
        made = await deferToThread(run_here, "db", "init", "--config", str(self.config))
        self.assertEqual((made.code, made.err), (0, ""))

        bridge = self.bridge(options)
        bridge.expect = expect_tables
        await bridge.connect()
        clients = set(await bridge.execute(CLIENTS))
        self.assertEqual(clients, {(USER, True)})

        for wrong in (self.configure("another"), replace(options, username="", password="")):
            text = str(await self.assertFailure(self.bridge(wrong).connect(), Refused))
            self.assertIn("does not accept the user name and the password, or wants some", text)
        certificate(self.folder, "stranger")
        stranger = replace(load(self.config).storage.cassandra, tls_ca=self.folder / "stranger.pem")
        bridge = self.bridge(options_of(stranger))
        connected = bridge.connect().addErrback(lambda failure: failure.trap(StorageAway))
        while bridge.health.detail == "not connected yet":
            await deferToThread(lambda: None)
        self.assertIn("CERTIFICATE_VERIFY_FAILED", bridge.health.detail)
        await bridge.close()
        await connected
