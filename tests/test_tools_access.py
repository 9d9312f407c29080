"""Promise: in the daemon's folder nothing has to be set up, and a token never goes to a machine it is not for."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import UserError
from smok_twisted.tools.access import Access, find_access, find_settings, is_here, port_of, url_of


class Folder(SynchronousTestCase):
    """A folder with a daemon's files, in which we are."""

    def setUp(self):
        self.folder = Path(self.mktemp()).absolute()
        (self.folder / "smok-data").mkdir(parents=True)
        self.token = self.folder / "smok-data" / "admin.token"
        self.token.write_text("local\n")
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder)

    def found(self, *, environment=(), **options: str) -> Access:
        return find_access(Namespace(**options), dict(environment))

    def error(self, *, environment=(), **options: str) -> str:
        return str(self.assertRaises(UserError, find_access, Namespace(**options), dict(environment)))

    def test_nothing_has_to_be_said(self):
        self.assertEqual(self.found(), Access("http://127.0.0.1:8080", "local"))

    def test_the_environment_stands_in_for_options(self):
        environment = {"SMOK_URL": "https://smok.example", "SMOK_TOKEN": "theirs"}
        self.assertEqual(self.found(environment=environment), Access("https://smok.example", "theirs"))

    def test_options_win(self):
        environment = {"SMOK_URL": "https://smok.example", "SMOK_TOKEN": "theirs"}
        found = self.found(environment=environment, url="http://10.0.0.1:81/smok/", token="mine")
        self.assertEqual(found, Access("http://10.0.0.1:81/smok", "mine"))

    def test_a_configuration_names_folder_and_port(self):
        """Relative folders count from the configuration, as in the daemon."""
        (self.folder / "etc" / "data").mkdir(parents=True)
        (self.folder / "etc" / "data" / "admin.token").write_text("other")
        (self.folder / "etc" / "smok.toml").write_text('[daemon]\ndata_dir = "data"\n[listen]\nweb = "tcp:81"\n')
        self.assertEqual(self.found(config="etc/smok.toml"), Access("http://127.0.0.1:81", "other"))
        found = self.found(config="etc/smok.toml", data_dir="smok-data")
        self.assertEqual(found, Access("http://127.0.0.1:81", "local"))

    def test_a_wrong_configuration_is_told_like_in_the_daemon(self):
        (self.folder / "smok.toml").write_text("[daemon]\ncolour = 1\n")
        text = "smok.toml: [daemon] colour is unknown; accepted are name, data_dir"
        self.assertEqual(self.error(config="smok.toml"), text)

    def test_the_local_token_stays_on_this_machine(self):
        """Another machine's address needs another machine's token."""
        for url in ("http://192.0.2.7:8080", "https://smok.example", "http://localhost.example"):
            text = f"no token for {url}: give --token or SMOK_TOKEN; that of a data folder stays on its machine"
            self.assertEqual(self.error(url=url), text)
        for url in ("http://127.0.0.2:8080", "http://[::1]:8080", "http://localhost:8080"):
            self.assertEqual(self.found(url=url), Access(url, "local"))

    def test_elsewhere_it_says_what_to_give(self):
        self.token.unlink()
        text = (
            "no token: there is no smok-data/admin.token; be in the daemon's folder, or give --data-dir or --config, "
            "or --token or SMOK_TOKEN"
        )
        self.assertEqual(self.error(), text)

    def test_a_token_file_that_cannot_be_read(self):
        self.token.unlink()
        self.token.mkdir()
        text = (
            "token file smok-data/admin.token cannot be read: Is a directory; only the user who runs the daemon can"
        )
        self.assertEqual(self.error(), text)

    def test_what_is_no_token(self):
        """It would have to travel in a header."""
        text = "the token is not accepted: it is one word of plain letters and digits"
        for token in ("two words", "line\nbreak", "ż"):
            self.assertEqual(self.error(token=token), text)
        self.token.write_bytes(b"\xff")
        self.assertEqual(self.error(), "token file smok-data/admin.token does not hold a token")

    def test_what_is_no_address(self):
        for url in ("127.0.0.1:8080", "ftp://x", "http://", "http://x:99999", "http://x:0", "http://x?y", "http://a b"):
            text = f"the address {url!r} is not accepted: http://HOST[:PORT] or https://HOST[:PORT]"
            self.assertEqual(self.error(url=url, token="t"), text)

    def test_settings_without_anything_are_the_daemons_own(self):
        self.assertEqual(find_settings(Namespace()).daemon.data_dir, Path("smok-data"))


class Endpoints(SynchronousTestCase):
    def test_tell_where_to_connect(self):
        for endpoint, url in (
            ("tcp:8080:interface=127.0.0.1", "http://127.0.0.1:8080"),
            ("tcp:81", "http://127.0.0.1:81"),
            ("tcp:port=81:interface=0.0.0.0", "http://127.0.0.1:81"),
            ("tcp:interface=10.1.2.3:port=81", "http://10.1.2.3:81"),
            (r"tcp:81:interface=\:\:", "http://127.0.0.1:81"),
            ("tcp6:81", "http://[::1]:81"),
            (r"tcp6:81:interface=fe80\:\:1", "http://[fe80::1]:81"),
        ):
            self.assertEqual(url_of(endpoint), url)

    def test_or_do_not(self):
        for endpoint in ("", "tcp:0", "unix:/run/smok", "systemd:domain=INET:index=0", "ssl:443"):
            error = self.assertRaises(UserError, url_of, endpoint)
            text = f"[listen] web = {endpoint!r} does not tell an address: name it by --url or SMOK_URL"
            self.assertEqual(str(error), text)

    def test_ports(self):
        self.assertEqual([port_of("tcp:2406"), port_of("systemd:domain=INET")], ["2406", "PORT"])

    def test_here_is_this_machine(self):
        here = [is_here(host) for host in ("localhost", "127.9.9.9", "::1", "10.0.0.1", "smok.example", "")]
        self.assertEqual(here, [True, True, True, False, False, False])
