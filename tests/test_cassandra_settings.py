"""Promise: smok.toml says how Cassandra is reached, holds no secret, and what is wrong there is one sentence."""

from __future__ import annotations

import ssl
import subprocess
import sys
import tomllib
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import UserError
from smok_twisted.settings import Settings, load
from smok_twisted.storage.cassandra.options import Options, options_of


def certificate(folder: Path, name: str, passphrase: str = "") -> None:
    """NAME.pem and NAME.key."""
    key = ["-passout", f"pass:{passphrase}"] if passphrase else ["-nodes"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", *key, "-days", "9", "-subj", f"/CN={name}",
         "-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip


class SettingsCase(SynchronousTestCase):
    def setUp(self):
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    def load(self, text: str, storage: str = "") -> Settings:
        file = self.folder / "smok.toml"
        file.write_text(f"[storage]\n{storage}\n[storage.cassandra]\n{text}\n")
        return load(file)

    def options(self, text: str) -> Options:
        return options_of(self.load(text).storage.cassandra)

    def refused(self, text: str) -> str:
        return str(self.assertRaises(UserError, self.options, text))

    def put(self, name: str, octets: bytes, mode: int = 0o600) -> None:
        path = self.folder / name
        path.write_bytes(octets)
        path.chmod(mode)


class Keys(SettingsCase):
    def test_each_reaches_the_driver(self):
        """None is read and forgotten."""
        options = self.options(
            'contact_points = ["10.0.0.1", "10.0.0.2"]\nport = 9142\nkeyspace = "plants"\nlocal_dc = "north"\n'
            'replication = 5\nconsistency = "LOCAL_QUORUM"\nrequest_timeout = "2500ms"'
        )
        self.assertEqual(
            options, Options(("10.0.0.1", "10.0.0.2"), "plants", "north", "LOCAL_QUORUM", 9142, request_seconds=2.5)
        )

    def test_without_any(self):
        """The development cluster on this machine."""
        self.assertEqual(self.options(""), Options(("127.0.0.1",)))

    def test_what_is_not_accepted(self):
        for text, words in {
            "contact_points = []": "a list, each a host name or address",
            "port = 0": "a number from 1 to 65535",
            'request_timeout = "0s"': 'a duration like "30s" or "5m", from 1 to 120 seconds',
            "password_file = 7": 'the name of a file, or "" for none',
            'password = "secret"': "[storage.cassandra] password is unknown; accepted are contact_points",
            'consistency = "quorum"': 'one of "ONE", "QUORUM"',
        }.items():
            self.assertIn(words, self.refused(text))

    def test_when_devices_are_told(self):
        """`ack` has two words."""
        self.assertEqual(self.load("", 'ack = "spool"').storage.ack, "spool")
        error = self.assertRaises(UserError, self.load, "", 'ack = "never"')
        self.assertIn('[storage] ack = \'never\' is not accepted: one of "quorum", "spool"', str(error))


class Password(SettingsCase):
    USER = 'username = "smok"\npassword_file = "cassandra.password"'

    def test_from_its_file(self):
        """Beside smok.toml, with or without an end of line; and no log shows it."""
        for octets in (b"pass word\xc3\xa9", b"pass word\xc3\xa9\n", b"pass word\xc3\xa9\r\n"):
            self.put("cassandra.password", octets)
            options = self.options(self.USER)
            self.assertEqual((options.username, options.password), ("smok", "pass wordé"))
            self.assertNotIn("pass word", repr(options))

    def test_open_to_others(self):
        """The sentence says how to mend it."""
        self.put("cassandra.password", b"secret\n", 0o640)
        path = self.folder / "cassandra.password"
        self.assertEqual(
            self.refused(self.USER),
            f"password file {path} is open to others (mode 0640): `chmod 600 {path}` closes it",
        )

    def test_no_password_in_it(self):
        self.assertIn("cannot be read: No such file", self.refused(self.USER))
        for octets, words in (
            (b"", "has nothing in it: one line is accepted"),
            (b"\nsecret", "has more lines: one line is accepted"),
            (b"secret\nagain\n", "has more lines"),
            (b"\xff\xfe", "is not UTF-8"),
        ):
            self.put("cassandra.password", octets)
            self.assertIn(words, self.refused(self.USER), octets)

    def test_half_of_it(self):
        for half in self.USER.splitlines():
            self.assertIn("username and password_file go together", self.refused(half))


class Tls(SettingsCase):
    OWN = 'tls_ca = "ca.pem"\ntls_cert = "own.pem"\ntls_key = "own.key"'

    def test_nodes_are_checked(self):
        """Their certificate, and that it is for their address."""
        certificate(self.folder, "ca")
        tls = self.options('tls_ca = "ca.pem"').tls
        self.assertEqual((tls.verify_mode, tls.check_hostname), (ssl.CERT_REQUIRED, True))
        self.assertEqual(len(tls.get_ca_certs()), 1)

    def test_files_that_are_no_certificates(self):
        self.assertIn(f"tls_ca = {self.folder}/ca.pem cannot be read: No such file", self.refused(self.OWN))
        self.put("ca.pem", b"hello")
        self.assertIn(f"tls_ca = {self.folder}/ca.pem holds no certificate in PEM form", self.refused(self.OWN))

    def test_own_certificate(self):
        """A key of another certificate and one with a passphrase are refused; nobody is asked at a terminal."""
        certificate(self.folder, "ca")
        certificate(self.folder, "own")
        self.assertIsNotNone(self.options(self.OWN).tls)
        for given in (["other"], ["own", "passphrase"]):
            certificate(self.folder, *given)
            text = self.OWN.replace("own.key", f"{given[0]}.key")
            self.assertIn("do not fit together", self.refused(text))

    def test_half_of_it(self):
        for text, words in (
            ('tls_ca = "ca.pem"\ntls_cert = "own.pem"', "tls_cert and tls_key go together"),
            ('tls_cert = "own.pem"\ntls_key = "own.key"', "tls_cert needs tls_ca beside it"),
        ):
            self.assertIn(words, self.refused(text))


class Example(SynchronousTestCase):
    def test_every_key_is_shown(self):
        """docs/smok.toml has the whole section."""
        text = (Path(__file__).parent.parent / "docs" / "smok.toml").read_text("utf-8")
        self.assertEqual(set(tomllib.loads(text)["storage"]["cassandra"]), set(vars(Settings().storage.cassandra)))


class PlainInstallation(SynchronousTestCase):
    def test_without_the_extra(self):
        """A daemon that is to use Cassandra ends with what to install, not with a missing module."""
        code = (
            "import sys; sys.modules.update(cassandra=None, google_crc32c=None)\n"
            "from smok_twisted.errors import UserError\n"
            "from smok_twisted.settings import Settings, Storage\n"
            "from smok_twisted.storage import choice\n"
            "try: choice.store_of(Settings(storage=Storage(kind='cassandra')), None)\n"
            "except UserError as error: print(error)\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        told = "the Cassandra driver is not installed: pip install 'smok-twisted[cassandra]'\n"
        self.assertEqual((done.stdout, done.stderr), (told, ""))
