"""Promise: whatever answers, or does not, ends in one sentence that names it."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.tools.access import Access
from smok_twisted.tools.client import Client
from smok_twisted.tools.problems import NoAnswer, Refused, Unreachable


class Peer:
    """Takes one connection, keeps what comes first, and answers these octets; None: nothing, for as long as it may."""

    def __init__(self, answer: bytes | None) -> None:
        self.got = b""
        self._answer = answer
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listening.accept()
        with connection, self._listening:
            self.got = connection.recv(65536)
            if self._answer is not None:
                connection.sendall(self._answer)
            else:  # head and body may come one after the other
                while connection.recv(65536):
                    pass

    def join(self) -> None:
        self._thread.join(10)


def response(status: str, body: bytes = b"", kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class ClientTestCase(SynchronousTestCase):
    def ask(self, answer: bytes | None, call: Callable[[Client], object] = lambda api: api.get("devices")) -> object:
        self.peer = Peer(answer)
        self.addCleanup(self.peer.join)
        return call(Client(Access(self.peer.url, "token")))

    def error(self, kind: type[Exception], answer: bytes | None, **options) -> str:
        return str(self.assertRaises(kind, self.ask, answer, **options)).replace(self.peer.url, "URL")


class Requests(ClientTestCase):
    def test_carry_the_token_and_any_name(self):
        query = {"x": 1, "y": None}
        answer = self.ask(response("200 OK", b'{"a": 1}'), lambda api: api.get("devices", "a b/ż", query=query))
        self.assertEqual(answer, {"a": 1})
        head = self.peer.got.decode()
        self.assertTrue(head.startswith("GET /api/v1/devices/a%20b%2F%C5%BC?x=1 HTTP/1.1\r\n"), head)
        self.assertIn("\r\nAuthorization: Bearer token\r\n", head)

    def test_do_not_go_through_proxies(self):
        """A proxy of the environment is for other places."""
        self.patch(os, "environ", {**os.environ, "http_proxy": "http://127.0.0.1:1"})
        self.assertEqual(self.ask(response("200 OK", b"{}")), {})


class Answers(ClientTestCase):
    def test_a_problem_is_told_in_its_own_words(self):
        body = b'{"type": "about:blank", "title": "Not Found", "status": 404, "detail": "device 42 does not exist"}'
        problem = response("404 Not Found", body, "application/problem+json")
        self.assertEqual(self.error(Refused, problem), "device 42 does not exist")
        self.assertEqual(self.assertRaises(Refused, self.ask, problem).status, 404)

    def test_a_problem_without_a_detail_has_its_title(self):
        self.assertEqual(self.error(Refused, response("409 Conflict", b'{"title": "Conflict"}')), "Conflict")

    def test_come_again_later_is_out_of_reach(self):
        for status in ("429 Too Many Requests", "503 Service Unavailable", "504 Gateway Timeout"):
            self.assertEqual(self.error(Unreachable, response(status, b'{"detail": "wait 5 s"}')), "wait 5 s")

    def test_somebody_else_is_recognised(self):
        """A page, another API, or nothing at all instead of the daemon."""
        for answer, text in (
            (response("404 Not Found", b"<html>", "text/html"), "it says 404 Not Found"),
            (response("403 Forbidden", b"[1]"), "it says 403 Forbidden"),
            (response("302 Found", b""), "it says 302 Found"),
            (response("200 OK", b"<html>", "text/html"), "it sent text/html"),
        ):
            self.assertEqual(self.error(Refused, answer), f"what answers at URL is no SMOK daemon ({text})")


class Silence(ClientTestCase):
    def test_nobody_there(self):
        with socket.create_server(("127.0.0.1", 0)) as listening:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        error = self.assertRaises(Unreachable, Client(Access(url, "t")).get, "devices")
        text = f"no daemon answers at {url} (Connection refused); `twistd -n smok` starts one"
        self.assertEqual((str(error), type(error)), (text, Unreachable))

    def test_no_answer_in_time(self):
        """Something was sent: what it did is not known."""

        def post(api: Client) -> None:
            try:
                api.post("x", body={}, timeout_seconds=0.05)
            finally:
                self.peer._listening.close()

        self.assertEqual(self.error(NoAnswer, None, call=post), "no answer from URL within 0.05 seconds")

    def test_an_answer_that_breaks_off(self):
        for answer, name in (
            (b"", "RemoteDisconnected"),
            (b"SSH-2.0-OpenSSH\r\n", "BadStatusLine"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{", "IncompleteRead"),
        ):
            self.assertEqual(self.error(NoAnswer, answer), f"URL took the request and broke off ({name})")
