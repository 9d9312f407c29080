"""Promise: the site serves its page safely, stays small whatever strangers send, and says how the daemon is."""

from __future__ import annotations

import http.client
import socket
import sys

from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.threads import deferToThread
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase, TestCase

from smok_twisted import __version__
from smok_twisted.storage.records import Health
from smok_twisted.web.pages import STATIC
from smok_twisted.web.site import BODY_OCTETS_AT_MOST, make_site

from .web_rig import ADMIN_TOKEN, BOILER, Rig

MIB = 1 << 20


class Files(SynchronousTestCase):
    def setUp(self):
        self.rig = Rig()

    def get(self, path, **headers):
        return self.rig.ask("GET", f"/{path}", token=None, **headers)

    def test_the_page_and_its_files(self):
        """Every file of the page is there, as it is, without a token."""
        self.assertEqual(self.get("/").body, (STATIC / "index.html").read_bytes())
        for path in STATIC.iterdir():
            self.assertEqual(self.get(f"/static/{path.name}").body, path.read_bytes(), path.name)
        self.assertEqual(self.get("/").headers["Content-Type"], "text/html; charset=utf-8")
        self.assertEqual(self.get("/static/smok.js").headers["Content-Type"], "text/javascript; charset=utf-8")

    def test_plots_come_from_their_package(self):
        """uPlot is found without importing the package, which would bring in half the world."""
        self.assertIn(b"var uPlot", self.get("/static/uPlot.iife.js").body)
        self.assertIn(b".u-wrap", self.get("/static/uPlot.min.css").body)
        self.assertNotIn("uplot", sys.modules)

    def test_nothing_else_is_a_file(self):
        """No way leads out of the folder, and folders are not listed."""
        names = ("", "nope.js", "..", "../site.py", "%2e%2e/site.py", "..%2fsite.py", "%00", "uPlot.mousewheel.js")
        for name in names:
            answer = self.get(f"/static/{name}")
            self.assertEqual((answer.status, answer.headers["Content-Type"]), (404, "application/problem+json"), name)

    def test_are_asked_for_again_and_sent_only_when_changed(self):
        """An upgrade is seen at once, and costs nothing when there was none."""
        answer = self.get("/static/smok.js")
        self.assertEqual(answer.headers["Cache-Control"], "no-cache")
        tag = answer.headers["ETag"]
        for known in (tag, f'"x", {tag}'):
            again = self.get("/static/smok.js", If_None_Match=known, Accept_Encoding="gzip")
            self.assertEqual((again.status, again.body, again.headers["ETag"]), (304, b"", tag))
        self.assertEqual(self.get("/static/smok.css", If_None_Match=tag).status, 200)

    def test_are_compressed(self):
        """For a slow line; whoever does not want it gets it plain."""
        plain = self.get("/static/uPlot.iife.js")
        for accepted in ("gzip", "deflate, gzip;q=1.0, *;q=0.5", "br,gzip"):
            packed = self.get("/static/uPlot.iife.js", Accept_Encoding=accepted)
            self.assertEqual((packed.headers["Content-Encoding"], packed.body), ("gzip", plain.body))
            self.assertLess(int(packed.headers["Content-Length"]), int(plain.headers["Content-Length"]) / 2)
            self.assertEqual(packed.headers["Vary"], "Accept-Encoding")
        for refused in ("identity", "gzip;q=0", "gzip; q=0.0, br"):
            self.assertIsNone(self.get("/static/uPlot.iife.js", Accept_Encoding=refused).headers["Content-Encoding"])

    def test_head_has_no_body(self):
        """Lengths and types without the octets, plain and compressed."""
        for headers in ({}, {"Accept_Encoding": "gzip"}):
            get = self.get("/", **headers)
            head = self.rig.begin("HEAD", "//", token=None, **headers)
            self.assertTrue(head.transport.value().endswith(b"\r\n\r\n"))
            self.assertEqual(head().headers["Content-Length"], get.headers["Content-Length"])

    def test_head_of_what_is_refused(self):
        """The same, and no line in the log: any stranger may ask."""
        lines = []
        globalLogPublisher.addObserver(lines.append)
        self.addCleanup(globalLogPublisher.removeObserver, lines.append)
        head = self.rig.begin("HEAD", "//%ff", token=None)
        self.assertTrue(head.transport.value().endswith(b"\r\n\r\n"))
        self.assertEqual((head().status, lines), (400, []))


class Headers(SynchronousTestCase):
    def setUp(self):
        self.rig = Rig()

    def test_every_answer_is_safe_to_look_at(self):
        """No script from elsewhere, no framing, no sniffing, no referrer - and no word about versions."""
        for method, path in [("GET", "//"), ("GET", "/devices"), ("GET", "//nope"), ("PUT", "//"), ("GET", "//%ff")]:
            answer = self.rig.ask(method, path)
            policy = answer.headers["Content-Security-Policy"]
            self.assertEqual(policy.split("; ")[0], "default-src 'self'")
            self.assertIn("frame-ancestors 'none'", policy)
            self.assertNotIn("unsafe", policy)
            self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
            self.assertEqual(answer.headers["Referrer-Policy"], "no-referrer")
            self.assertIsNotNone(answer.headers["Date"])
            self.assertIsNone(answer.headers["Server"])
            self.assertNotIn(b"wisted", answer.body + str(answer.headers).encode())
        answer = self.rig.raw(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")()
        self.assertEqual((answer.status, answer.headers["Server"]), (200, None))

    def test_answers_of_the_api_are_not_kept(self):
        """By no cache on the way."""
        for path in ("/devices", "/nope", "/status"):
            self.assertEqual(self.rig.ask("GET", path).headers["Cache-Control"], "no-store")

    def test_the_api_is_compressed_too(self):
        """500 devices are a few kilobytes."""
        self.rig.add_boiler()
        for number in range(500):
            self.rig.ask("POST", "/devices", {"name": f"d{number}", "model": "boiler"})
        self.assertLess(int(self.rig.ask("GET", "/devices", Accept_Encoding="gzip").headers["Content-Length"]), 12_000)


class Strangers(SynchronousTestCase):
    def setUp(self):
        self.rig = Rig()

    def test_what_is_nowhere(self):
        """404 and 405 are problem documents too; 405 says what is accepted."""
        for path in ("//nope", "/nope", "//api", "//api/v2/devices", "/devices/", "/devices/a/b", "//api//v1/devices"):
            answer = self.rig.ask("GET", path)
            self.assertEqual((answer.status, answer.json["title"]), (404, "Not Found"), path)
            self.assertIn("there is nothing at this address; /api/v1/openapi.json lists", answer.detail)
        for method, path, allow in [
            ("PUT", "/devices", "GET, HEAD, POST"),
            ("POST", "//", "GET, HEAD"),
            ("OPTIONS", "/status", "GET, HEAD"),
        ]:
            answer = self.rig.ask(method, path)
            self.assertEqual((answer.status, answer.headers["Allow"]), (405, allow))
            self.assertEqual(answer.detail, f"this method is not accepted here; accepted are {allow}")

    def test_odd_requests(self):
        """Addresses that are no text, hosts that are no names, methods that are no verbs: answered, and not logged."""
        for octets, status in [
            (b"GET /%ff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            (b"GET /api/v1/devices/%c3%28 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            (b"GET /healthz HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n", 200),
            (b"GET /healthz HTTP/1.1\r\nHost: a..b\r\n\r\n", 200),
            (b"GET /healthz HTTP/1.1\r\nHost: " + b"x" * 300 + b"\r\n\r\n", 200),
            (b"GET /healthz HTTP/1.1\r\n\r\n", 200),
            (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
            (b"G!T /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 405),
            (b"GET http://other/healthz HTTP/1.1\r\nHost: x\r\n\r\n", 404),
            (b"GET /healthz?%ff=1 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 400),
            (b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 501 + b"\r\n", 400),
        ]:
            answer = self.rig.raw(octets)()
            self.assertEqual(answer.status, status, octets[:60])
        endless = self.rig.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 20_000)
        self.assertTrue(endless.transport.disconnecting)

    def post(self, octets):
        head = f"POST /api/v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\n"
        return self.rig.raw(head.encode() + octets)

    def test_a_body_of_a_megabyte_is_taken(self):
        """Exactly as large as is allowed."""
        body = BOILER.encode() + b"#" * (MIB - len(BOILER.encode()))
        self.assertEqual(self.post(b"Content-Length: %d\r\n\r\n" % MIB + body)().status, 201)

    def test_a_larger_one_is_refused(self):
        """Also in chunks, whose sum nobody announces; what is over is not kept."""
        self.assertEqual(BODY_OCTETS_AT_MOST, MIB)
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        for octets in (
            b"Content-Length: %d\r\n\r\n" % (MIB + 1) + b"x" * (MIB + 1),
            b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 17 + b"0\r\n\r\n",
        ):
            answer = self.post(octets)
            self.assertEqual(answer().status, 413)
            self.assertEqual(answer().detail, "the body is too large; accepted are 1048576 octets")
            self.assertFalse(answer.transport.disconnecting)

    def test_an_endless_one_is_cut_off(self):
        """Nobody listens for ever, and memory does not grow."""
        head = b"Transfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + b"x" * 0x10000 + b"\r\n") * 257
        answer = self.post(head)
        self.assertTrue(answer.transport.disconnected)
        self.assertIsNone(answer())

    def test_a_form_is_not_parsed(self):
        """Twisted would take it apart before anybody asked for it."""
        answer = self.rig.ask("POST", "/models", b"name=x&point=y", Content_Type="application/x-www-form-urlencoded")
        self.assertEqual((answer.status, "is not TOML" in answer.detail), (400, True))

    def test_a_fault_of_ours_is_no_secret_and_no_traceback(self):
        """The client hears one sentence, the log gets the rest."""
        self.rig.registry.models = lambda: 1 / 0
        answer = self.rig.ask("GET", "/models")
        self.assertEqual((answer.status, answer.detail), (500, "an internal error; the log of the daemon says more"))
        self.assertNotIn(b"Zero", answer.body)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_a_fault_outside_of_every_handler(self):
        """The same."""
        self.rig.site.getResourceFor = lambda request: 1 / 0
        answer = self.rig.ask("GET", "//healthz")
        self.assertEqual((answer.status, answer.json["title"]), (500, "Internal Server Error"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class HowItIs(SynchronousTestCase):
    def setUp(self):
        self.rig = Rig()

    def test_alive_and_ready(self):
        """Whatever restarts it or sends it traffic needs no token."""
        self.assertEqual(self.rig.ask("GET", "//healthz", token=None).status, 200)
        ready = self.rig.ask("GET", "//readyz", token=None)
        self.assertEqual((ready.status, ready.json["storage"]["state"]), (200, "ok"))

    def test_alive_and_not_ready(self):
        """With a full disk it lives, and says since when it cannot keep what comes."""
        health = Health("disk-full", 1_790_000_000_000_000, "no space left")
        self.patch(type(self.rig.store), "health", property(lambda _: health))
        self.assertEqual(self.rig.ask("GET", "//healthz", token=None).status, 200)
        ready = self.rig.ask("GET", "//readyz", token=None)
        self.assertEqual((ready.status, ready.headers["Retry-After"]), (503, "10"))
        storage = {"state": "disk-full", "since": "2026-09-21T14:13:20.000Z", "detail": "no space left"}
        self.assertEqual(ready.json, {"status": "degraded", "storage": storage})

    def test_a_store_that_cannot(self):
        """Its one clear line reaches whoever asked."""
        self.rig.add_boiler()
        self.rig.store.close()
        answer = self.rig.ask("GET", "/events")
        self.assertEqual((answer.status, answer.detail), (503, "the memory store is not open"))
        self.assertEqual(answer.headers["Retry-After"], "30")

    def test_figures(self):
        """As Prometheus takes them, with the prefix smok_."""
        self.rig.services.metrics.batches.inc(3)
        answer = self.rig.ask("GET", "//metrics", token=None)
        self.assertIn("text/plain; version=", answer.headers["Content-Type"])
        self.assertIn(b"\nsmok_batches_total 3.0\n", answer.body)
        accept = "application/openmetrics-text; version=1.0.0"
        self.assertTrue(self.rig.ask("GET", "//metrics", token=None, Accept=accept).body.endswith(b"# EOF\n"))

    def test_the_daemon_in_a_few_figures(self):
        """Name, version, devices."""
        self.rig.add_boiler()
        self.rig.add_boiler("boiler-2")
        self.rig.connect()
        status = self.rig.ask("GET", "/status").json
        self.assertEqual((status["name"], status["version"]), ("a", __version__))
        self.assertEqual((status["devices"], status["connected"], status["models"]), (2, 1, 1))


class OverSockets(TestCase):
    """The same site, behind a real port."""

    def setUp(self):
        self.rig = Rig()
        self.port = reactor.listenTCP(0, make_site(self.rig.services, reactor), interface="127.0.0.1")
        self.addCleanup(self.port.stopListening)

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port.getHost().port, timeout=20)

    @inlineCallbacks
    def test_one_connection_serves_many_requests(self):
        """HEAD, 304, 204 and compressed answers leave nothing behind on the line that the next answer trips over."""
        self.rig.add_boiler()
        token = {"Authorization": f"Bearer {ADMIN_TOKEN}"}

        def talk():
            line, seen = self.connect(), []
            tag = None
            for method, path, headers in [
                ("GET", "/static/uPlot.iife.js", {"Accept-Encoding": "gzip"}),
                ("HEAD", "/static/uPlot.iife.js", {"Accept-Encoding": "gzip"}),
                ("GET", "/static/uPlot.iife.js", {"Accept-Encoding": "gzip", "If-None-Match": "tag"}),
                ("HEAD", "/api/v1/devices", token),
                ("DELETE", "/api/v1/devices/boiler-1", token | {"Accept-Encoding": "gzip"}),
                ("GET", "/api/v1/devices", token),
            ]:
                line.request(method, path, headers={k: tag if v == "tag" else v for k, v in headers.items()})
                response = line.getresponse()
                body = response.read()
                tag = response.headers["ETag"] or tag
                seen.append((response.status, len(body) > 0))
                self.assertEqual(response.headers["Content-Length"] is None, response.status in (204, 304))
            line.close()
            return seen, body

        seen, body = yield deferToThread(talk)
        self.assertEqual(seen, [(200, True), (200, False), (304, False), (200, False), (204, False), (200, True)])
        self.assertEqual(body, b'{"devices":[],"next":null}')

    @inlineCallbacks
    def test_an_endless_body_ends(self):
        """The connection is cut when somebody sends and sends."""

        def send():
            sent = 0
            with socket.create_connection(("127.0.0.1", self.port.getHost().port), timeout=20) as line:
                line.sendall(b"POST /api/v1/models HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
                while sent < 64 * MIB:
                    try:
                        line.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
                    except OSError:
                        break
                    sent += 0x10000
            return sent

        sent = yield deferToThread(send)
        self.assertLess(sent, 64 * MIB)

    def test_sets_no_timer(self):
        """An idle site costs nothing; a timer left over would fail this test by itself."""
        self.assertEqual(reactor.getDelayedCalls(), [])
