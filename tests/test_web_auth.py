"""Promise: only who has the token, or a browser signed in by its owner, gets in; guessing is slow and useless."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import StorageError
from smok_twisted.web.auth import COOKIE_SECONDS, LINKS_AT_MOST, read_token_file
from smok_twisted.web.failures import FAILURES_AT_MOST, OTHERS, SOURCES_AT_MOST, Failures

from .web_rig import ADMIN_TOKEN, BOILER, Rig


def octets(count):
    return b"\xa5" * count


class TokenFile(SynchronousTestCase):
    def setUp(self):
        self.path = Path(self.mktemp())

    def test_is_made_for_its_owner_only(self):
        """The first start makes it, whatever the umask; later ones read the same."""
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        token = read_token_file(self.path, octets)
        self.assertEqual((token, self.path.stat().st_mode & 0o777), ("a5" * 32, 0o600))
        self.assertEqual(read_token_file(self.path, os.urandom), token)

    def test_is_refused_when_others_may_read_it(self):
        """With the command that closes it."""
        read_token_file(self.path, octets)
        for mode in (0o640, 0o604, 0o620, 0o601):
            self.path.chmod(mode)
            with self.assertRaisesRegex(StorageError, f"mode 0{mode:o}: others may read it; `chmod 600 .*` closes it"):
                read_token_file(self.path, octets)

    def test_is_refused_when_it_is_something_else(self):
        """A token that somebody shortened is not taken."""
        for text in ("", "a5" * 31, "a5" * 33, "zz" * 32, "a5" * 10_000, "ä" * 64):
            self.path.write_text(text)
            self.path.chmod(0o600)
            with self.assertRaisesRegex(StorageError, "does not hold 64 hex digits: remove it, and start again"):
                read_token_file(self.path, octets)

    def test_says_what_the_system_says(self):
        """No folder to make it in; a folder in its place."""
        with self.assertRaisesRegex(StorageError, "cannot be made: No such file or directory"):
            read_token_file(self.path / "token", octets)
        self.path.mkdir()
        with self.assertRaisesRegex(StorageError, "cannot be read: Is a directory"):
            read_token_file(self.path, octets)

    def test_is_whole_or_not_there(self):
        """A disk that is full leaves no empty file behind to stumble over."""
        self.patch(os, "fsync", lambda file: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with self.assertRaisesRegex(StorageError, "cannot be written: No space left on device"):
            read_token_file(self.path, octets)
        self.assertFalse(self.path.exists())


class Token(SynchronousTestCase):
    def setUp(self):
        self.rig = Rig()

    def status(self, authorization, **keywords):
        headers = {} if authorization is None else {"Authorization": authorization}
        return self.rig.ask("GET", "/status", token=None, **headers, **keywords)

    def test_opens_the_api(self):
        """The scheme may be written in any case."""
        for scheme in ("Bearer", "bearer", "BEARER"):
            self.assertEqual(self.status(f"{scheme} {ADMIN_TOKEN}").status, 200)

    def test_nothing_else_does(self):
        """Every other one gets 401 and hears which scheme is spoken; it is never told what was nearly right."""
        for number, authorization in enumerate(
            [
                "Bearer",
                "Bearer ",
                "Bearer x",
                f"Bearer {ADMIN_TOKEN[:-1]}",
                f"Bearer {ADMIN_TOKEN}0",
                f"Bearer {ADMIN_TOKEN.upper()}",
                f"Basic {ADMIN_TOKEN}",
                ADMIN_TOKEN,
                "Bearer \xff\xfe",
                "",
            ]
        ):
            answer = self.status(authorization, source=f"192.0.2.{number}")
            self.assertEqual((answer.status, answer.headers["WWW-Authenticate"]), (401, "Bearer"), authorization)
            self.assertEqual(answer.headers["Content-Type"], "application/problem+json")
            self.assertNotIn(ADMIN_TOKEN, answer.detail)

    def test_none_is_told_how_to_get_one(self):
        """A page that is not signed in may ask as often as it likes."""
        for _ in range(50):
            answer = self.status(None)
            self.assertEqual(answer.status, 401)
        self.assertIn("`smok login` in the daemon's folder prints a link", answer.detail)

    def test_every_route_of_the_api_wants_it(self):
        """But the description of the API; what watches the daemon needs none."""
        for rule in self.rig.site.resource._app.url_map.iter_rules():
            path = rule.rule.replace("<", "").replace(">", "")
            for method in rule.methods - {"HEAD"}:
                answer = self.rig.ask(method, f"/{path}", token=None)
                is_open = not path.startswith("/api/") or path == "/api/v1/openapi.json"
                self.assertEqual(answer.status == 401, not is_open, (method, path, answer.status))


class Guessing(SynchronousTestCase):
    def setUp(self):
        self.rig = Rig()

    def guess(self, source="192.0.2.1", token="guess"):
        return self.rig.ask("GET", "/status", token=token, source=source)

    def test_is_slowed_down(self):
        """Ten wrong tokens a minute and source, then 429 with the time to wait; a minute later it begins anew."""
        self.assertEqual({self.guess().status for _ in range(FAILURES_AT_MOST)}, {401})
        self.rig.clock.advance(20)
        answer = self.guess()
        self.assertEqual((answer.status, answer.headers["Retry-After"]), (429, "40"))
        self.rig.clock.advance(40)
        self.assertEqual(self.guess().status, 401)

    def test_locks_nobody_out(self):
        """From the very source that guesses, the right token works; other sources notice nothing."""
        for _ in range(100):
            self.guess()
        self.assertEqual(self.guess(token=ADMIN_TOKEN).status, 200)
        self.assertEqual(self.guess(source="192.0.2.2").status, 401)

    def test_a_network_of_ipv6_is_one_source(self):
        """Whoever has a /64 has many addresses."""
        for number in range(FAILURES_AT_MOST):
            self.guess(source=f"2001:db8::{number:x}")
        self.assertEqual(self.guess(source="2001:db8::ffff").status, 429)
        self.assertEqual(self.guess(source="2001:db8:0:1::1").status, 401)

    def test_links_count_too(self):
        """The page of a wrong link slows down as well."""
        statuses = [self.rig.ask("GET", "//signin?token=x").status for _ in range(FAILURES_AT_MOST + 1)]
        self.assertEqual(statuses, [403] * FAILURES_AT_MOST + [429])

    def test_memory_is_bounded(self):
        """A flood from everywhere is counted as one source, until the flood is over."""
        failures = Failures()
        for number in range(SOURCES_AT_MOST):
            self.assertEqual(failures.note(f"source {number}", 0.0), (1, 0))
        counts = [failures.note(f"more {number}", 1.0) for number in range(FAILURES_AT_MOST + 1)]
        self.assertEqual(counts[-1], (FAILURES_AT_MOST + 1, 60))
        self.assertLessEqual(len(failures._counts), SOURCES_AT_MOST + 1)
        self.assertIn(OTHERS, failures._counts)
        self.assertEqual(failures.note("more 1", 61.0), (1, 0))
        self.assertLessEqual(len(failures._counts), 2)


class SigningIn(SynchronousTestCase):
    def setUp(self):
        self.rig = Rig()

    def link(self):
        return self.rig.ask("POST", "/signin").json["url"]

    def follow(self, link, rig=None):
        return (rig or self.rig).ask("GET", "//signin?" + link.partition("?")[2], token=None)

    def cookie(self, rig=None):
        rig = rig or self.rig
        answer = self.follow(rig.auth.new_link(), rig)
        return answer.headers["Set-Cookie"].partition(";")[0]

    def test_a_link_works_once(self):
        """It leads to the page; a second use is told how to get another one."""
        link = self.link()
        self.assertTrue(link.startswith("http://smok.example:8080/signin?token="))
        answer = self.follow(link)
        self.assertEqual((answer.status, answer.headers["Location"]), (303, "/"))
        again = self.follow(link)
        self.assertEqual((again.status, again.headers["Content-Type"]), (403, "text/html; charset=utf-8"))
        self.assertIn(b"This link was used already, or is older than ten minutes; <code>smok login</code>", again.body)
        self.assertIsNone(again.headers["Set-Cookie"])

    def test_a_link_works_for_ten_minutes(self):
        """Not a moment longer."""
        first, second = self.link(), self.link()
        self.rig.clock.advance(599.9)
        self.assertEqual(self.follow(first).status, 303)
        self.rig.clock.advance(0.1)
        self.assertEqual(self.follow(second).status, 403)

    def test_nothing_is_no_link(self):
        """No token, an empty one, a guessed one."""
        for query in ("", "token=", "token=x", "token=%C3%A4"):
            self.assertEqual(self.rig.ask("GET", f"//signin?{query}", token=None).status, 403)

    def test_the_page_repeats_nothing_of_the_link(self):
        """No markup of a stranger gets into it."""
        self.assertNotIn(b"<b>", self.rig.ask("GET", "//signin?token=%3Cb%3E").body)

    def test_links_are_few(self):
        """A new one takes the place of the oldest when many wait."""
        links = [self.link() for _ in range(LINKS_AT_MOST + 1)]
        self.assertEqual(self.follow(links[0]).status, 403)
        self.assertEqual([self.follow(link).status for link in links[1:]], [303] * LINKS_AT_MOST)

    def test_only_the_token_makes_links(self):
        """A browser cannot invite another one."""
        headers = {"Cookie": self.cookie(), "X_SMOK": "1"}
        self.assertEqual(self.rig.ask("POST", "/signin", token=None, **headers).status, 403)

    def test_the_cookie_is_kept_from_scripts_and_other_sites(self):
        """HttpOnly, SameSite=Strict, for the whole site, for 30 days."""
        _, *attributes = self.follow(self.link()).headers["Set-Cookie"].split("; ")
        self.assertEqual(attributes, [f"Max-Age={COOKIE_SECONDS}", "Path=/", "HttpOnly", "SameSite=Strict"])

    def test_a_browser_stays_signed_in(self):
        """Over a restart, for 30 days and not longer."""
        cookie = self.cookie()
        rig = Rig(self.rig.store.data)
        self.assertEqual(rig.ask("GET", "/devices", token=None, Cookie=f"a=b; {cookie}").status, 200)
        rig.clock.advance(COOKIE_SECONDS - 1)
        self.assertEqual(rig.ask("GET", "/devices", token=None, Cookie=cookie).status, 200)
        rig.clock.advance(1)
        self.assertEqual(rig.ask("GET", "/devices", token=None, Cookie=cookie).status, 401)

    def test_a_forged_cookie_is_none(self):
        """No octet of it can be changed."""
        name, _, value = self.cookie().partition("=")
        later = f"{int(value.partition('.')[0]) + 1}.{value.partition('.')[2]}"
        for forged in (later, value[:-1], value + "0", value.replace(".", ""), "", ".", "x.y", "9" * 5000 + ".0"):
            self.assertEqual(self.rig.ask("GET", "/devices", token=None, Cookie=f"{name}={forged}").status, 401, forged)
        self.assertEqual(self.rig.ask("GET", "/devices", token=None, Cookie="\xff=\xfe; =; ;").status, 401)

    def test_a_change_must_be_marked(self):
        """A page of another site can make a browser send the cookie at most, not this header."""
        self.rig.add_boiler(may_write=True)
        self.rig.connect()
        cookie, body = self.cookie(), {"point": "setpoint", "value": 60}
        answer = self.rig.ask("POST", "/devices/boiler-1/commands", body, token=None, Cookie=cookie)
        self.assertEqual(answer.status, 403)
        self.assertEqual(answer.detail, "a change asked for by a browser needs the header `X-SMOK: 1`")
        answer = self.rig.ask("POST", "/devices/boiler-1/commands", body, token=None, Cookie=cookie, X_SMOK="1")
        self.assertEqual((answer.status, answer.json["state"]), (200, "confirmed"))
        [entry] = self.rig.ask("GET", "/audit?limit=1").json["audit"]
        self.assertEqual(entry["who"], "operator")

    def test_the_register_needs_the_token(self):
        """Who is signed in at the page looks and sets points; devices, secrets and models are the administrator's."""
        self.rig.add_boiler()
        headers = {"token": None, "Cookie": self.cookie(), "X_SMOK": "1"}
        for method, path, body in [
            ("POST", "/devices", {"name": "x", "model": "boiler"}),
            ("PATCH", "/devices/boiler-1", {"may_write": True}),
            ("DELETE", "/devices/boiler-1", None),
            ("POST", "/devices/boiler-1/secret", None),
            ("POST", "/devices/boiler-1/modbus", {"unit": 1, "pdu": "0300000001"}),
            ("POST", "/models", BOILER.encode()),
        ]:
            answer = self.rig.ask(method, path, body, **headers)
            self.assertEqual(answer.status, 403, (method, path))
            self.assertIn("this needs the admin token", answer.detail)
        self.assertEqual(self.rig.ask("GET", "/audit", **headers).status, 200)
