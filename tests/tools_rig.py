"""For tests of the ``smok`` command: the daemon's whole web half on a loopback port, and the command beside it."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.tcp import Server
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from smok_twisted.tools.main import main

from .web_rig import ADMIN_TOKEN, BOILER, Rig


class Ran(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


def run_here(*argv: str) -> Ran:
    """A command in this process, with what it printed; there is nobody at a terminal to ask."""
    out, err, stdin = io.StringIO(), io.StringIO(), sys.stdin
    sys.stdin = io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = main(argv)
    finally:
        sys.stdin = stdin
    return Ran(code, out.getvalue(), err.getvalue())


class ToolTestCase(TestCase):
    """``rig`` is a daemon's web half; ``smok`` runs a command against it."""

    def setUp(self):
        self.rig = Rig()
        self.port = reactor.listenTCP(0, self.rig.site, interface="127.0.0.1")
        self.addCleanup(self._until_all_is_closed)
        self.addCleanup(self.port.stopListening)
        self.url = f"http://127.0.0.1:{self.port.getHost().port}"

    def smok(self, *argv: str) -> Deferred[Ran]:
        """Run a command in a thread, because the API answers in this one."""
        return deferToThread(run_here, "--url", self.url, "--token", ADMIN_TOKEN, *argv)

    async def accepted(self, *argv: str) -> str:
        """What a command prints that ends well and has nothing to complain about."""
        ran = await self.smok(*argv)
        self.assertEqual((ran.code, ran.err), (0, ""))
        return ran.out

    async def refused(self, *argv: str) -> tuple[int, str]:
        """Exit code and sentence of a command that prints nothing else."""
        ran = await self.smok(*argv)
        self.assertEqual(ran.out, "")
        return ran.code, sentence(self, ran.err)

    def add_model(self) -> None:
        self.assertEqual(self.rig.ask("POST", "/models", BOILER.encode()).status, 201)

    async def until(self, true) -> None:
        """Let the reactor work until it is so."""
        while not true():
            await deferLater(reactor, 0.001)

    async def _until_all_is_closed(self):
        await self.until(lambda: not any(isinstance(one, Server) for one in reactor.getReaders()))


def sentence(case: TestCase, err: str) -> str:
    """The one line on stderr, without its prefix."""
    case.assertRegex(err, r"\Asmok: [^\n]+\n\Z")
    return err.removeprefix("smok: ").rstrip("\n")
