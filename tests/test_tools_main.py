"""Promise: whatever goes wrong is one line and an exit code, never a traceback; and the command starts fast."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import StorageError, UserError
from smok_twisted.tools import main as module
from smok_twisted.tools.problems import NoAnswer, Refused, Unreachable

from .tools_rig import ToolTestCase, run_here, sentence
from .web_rig import ADMIN_TOKEN

PROJECT = Path(__file__).resolve().parent.parent
NOT_AT_HELP = ("twisted", "klein", "http", "tomllib", "smok_twisted.settings", "smok_twisted.modbus.maps")


def command(*argv: str) -> list[str]:
    return [sys.executable, "-m", "smok_twisted.tools.main", *argv]


def environment() -> dict[str, str]:
    """With buffered output, as everywhere."""
    own = {name: text for name, text in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return own | {"PYTHONPATH": str(PROJECT)}


def read_all(terminal: int) -> bytes:
    """Until the other end is closed, which Linux tells by an error."""
    octets = b""
    with contextlib.suppress(OSError):
        while got := os.read(terminal, 65536):
            octets += got
    return octets


class Help(SynchronousTestCase):
    def test_names_every_command(self):
        """And nothing that does not exist."""
        ran = run_here("--help")
        listed = ran.out.partition("commands:")[2].partition("examples:")[0].splitlines()
        names = [line.split()[0] for line in listed if line.startswith("    ") and line[4] != " "]
        wanted = "device map values series read write audit events login capture replay "
        wanted += "backup restore export import db journal"
        self.assertEqual((names, ran.code), ([*wanted.split(), "agent", "sim", "demo"], 0))

    def test_is_there_for_each_of_them(self):
        for words in ("device", "device add", "map check", "values", "series", "read", "write", "db upgrade"):
            ran = run_here(*words.split(), "--help")
            self.assertEqual((ran.code, ran.err), (0, ""))
            self.assertTrue(ran.out.startswith(f"usage: smok {words}"), ran.out)

    def test_imports_nothing_heavy(self):
        """No Twisted, no HTTP, no register maps: it comes at once."""
        code = (
            "import sys; before = set(sys.modules); from smok_twisted.tools.main import main; main(['--help']);"
            f"print([name for name in {NOT_AT_HELP!r} if name in set(sys.modules) - before], file=sys.stderr)"
        )
        done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True)
        self.assertEqual(done.stderr, "[]\n")


class Usage(SynchronousTestCase):
    def test_wrong_words_are_named(self):
        for argv, text in (
            ((), "the following arguments are required: COMMAND; `smok --help` shows what is accepted"),
            (("device",), "the following arguments are required: COMMAND; `smok device --help` shows what is accepted"),
            (("values",), "the following arguments are required: DEVICE; `smok values --help` shows what is accepted"),
            (("values", "x", "--no"), "--no is not accepted here; `smok values --help` shows what is accepted"),
            (("db", "check", "x"), "x is not accepted here; `smok db check --help` shows what is accepted"),
            (
                ("device", "list", "--json", "--csv"),
                "argument --csv: not allowed with argument --json; `smok device list --help` shows what is accepted",
            ),
        ):
            ran = run_here(*argv)
            self.assertEqual((ran.code, ran.out, sentence(self, ran.err)), (2, "", text))

    def test_an_unknown_command_is_told_the_known_ones(self):
        ran = run_here("devices")
        self.assertEqual(ran.code, 2)
        self.assertRegex(sentence(self, ran.err), "invalid choice: 'devices' .*device.*map.*values")


class Elsewhere(SynchronousTestCase):
    """smok agent, sim and demo read their own arguments."""

    def test_gets_the_rest_of_the_line(self):
        got = []

        def import_module(name):
            return SimpleNamespace(main=lambda argv: got.append((name, argv)) or 7)

        self.patch(module, "import_module", import_module)
        self.assertEqual(run_here("agent", "--json", "-0").code, 7)
        self.assertEqual(got, [("smok_twisted.agent.command", ("--json", "-0"))])

    def test_the_agent_is_there(self):
        self.assertTrue(run_here("agent", "--help").out.startswith("usage: smok agent"))


class Failures(SynchronousTestCase):
    def ran(self, error: BaseException, *argv: str):
        def fail(args):
            raise error

        self.patch(module, "_run", fail)
        return run_here(*argv)

    def test_each_kind_has_its_code(self):
        for error, code in (
            (Refused("no"), 1),
            (StorageError("no"), 1),
            (OSError(28, "no"), 1),
            (UserError("no"), 2),
            (Unreachable("no"), 3),
            (NoAnswer("no"), 3),
        ):
            self.assertEqual(self.ran(error), (code, "", "smok: no\n"))

    def test_a_file_is_named(self):
        self.assertEqual(self.ran(OSError(13, "Permission denied", "x.toml")).err, "smok: x.toml: Permission denied\n")

    def test_an_error_is_one_line_whatever_is_in_it(self):
        """Neither a line break nor an escape sequence of somebody else's reaches the terminal."""
        self.assertEqual(self.ran(Refused("a\nb\x1b[2Jc")).err, "smok: a b [2Jc\n")

    def test_a_fault_of_ours_is_said_to_be_one(self):
        ran = self.ran(ZeroDivisionError("oh"))
        text = "a fault of this program (ZeroDivisionError: oh): please report it with what `smok --debug ...` prints"
        self.assertEqual((ran.code, sentence(self, ran.err)), (1, text))

    def test_debug_shows_where(self):
        ran = self.ran(ZeroDivisionError("oh"), "--debug")
        self.assertTrue(ran.err.startswith("Traceback"), ran.err)
        self.assertIn("in fail", ran.err)

    def test_ctrl_c_is_quiet(self):
        self.assertEqual(self.ran(KeyboardInterrupt()), (130, "", ""))


class Processes(ToolTestCase):
    """As a shell sees it."""

    def setUp(self):
        super().setUp()
        self.rig.add_boiler()
        self.rig.report(3, 41, batch=1)

    def start(self, *argv: str, **options) -> subprocess.Popen:
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        argv = ("--url", self.url, "--token", ADMIN_TOKEN, *argv)
        return subprocess.Popen(command(*argv), env=environment(), text=True, **options)

    async def ended(self, process: subprocess.Popen) -> tuple[int, str]:
        await self.until(lambda: process.poll() is not None)
        with process.stderr:
            return process.returncode, process.stderr.read()

    async def at_terminal(self, *argv: str, typed: str = "") -> str:
        """What a terminal shows; ``typed`` is typed ahead."""
        ours, theirs = os.openpty()
        self.addCleanup(os.close, ours)
        os.write(ours, typed.encode())
        process = self.start(*argv, stdin=theirs, stdout=theirs, stderr=theirs)
        await self.until(lambda: process.poll() is not None)
        self.assertEqual(process.returncode, 0)
        os.close(theirs)
        return read_all(ours).decode().replace("\r\n", "\n")

    async def test_a_terminal_has_a_rule_below_the_header(self):
        lines = (await self.at_terminal("device", "list")).splitlines()
        self.assertEqual(lines[1].split(), ["─" * len(column) for column in lines[1].split()])
        self.assertEqual(len(lines), 3)

    async def test_removing_asks_at_a_terminal(self):
        """Anything but a yes is a no; Ctrl-D too."""
        question = "remove boiler-1 with its secrets and its history? [y/N] "
        for typed in ("\n", "no\n", "\x04"):
            shown = await self.at_terminal("device", "remove", "boiler-1", typed=typed)
            self.assertTrue(shown.endswith("nothing was removed\n"), shown)
            self.assertIn(question, shown)
        self.assertEqual(len(self.rig.registry.devices), 1)
        shown = await self.at_terminal("device", "remove", "boiler-1", typed="Y\n")
        self.assertTrue(shown.endswith("removed boiler-1\n"), shown)
        self.assertEqual(self.rig.registry.devices, {})

    async def test_ctrl_c_ends_a_watch_quietly(self):
        looks = []
        self.rig.connect()
        self.patch(type(self.rig.registry.find("boiler-1")), "look", lambda device: looks.append(device))
        process = self.start("values", "boiler-1", "--watch")
        await self.until(lambda: looks)
        process.send_signal(signal.SIGINT)
        self.assertEqual(await self.ended(process), (130, ""))
        process.stdout.close()

    async def test_a_reader_that_has_enough_is_no_error(self):
        """As in ``smok values DEVICE | head -1``."""
        read_end, write_end = os.pipe()
        os.close(read_end)
        self.addCleanup(os.close, write_end)
        for argv in (("values", "boiler-1"), ("--help",)):
            self.assertEqual(await self.ended(self.start(*argv, stdout=write_end)), (141, ""))

    async def test_nobody_listens_at_all(self):
        """Output and errors are closed, as by ``smok ... >&- 2>&-``."""
        for word, code in (("list", 0), ("nonsense", 2)):
            line = shlex.join(command("--url", self.url, "--token", ADMIN_TOKEN, "device", word))
            ended = await deferToThread(subprocess.call, f"{line} >&- 2>&-", shell=True, env=environment())
            self.assertEqual(ended, code)

    async def test_a_full_disk_is_said(self):
        full = os.open("/dev/full", os.O_WRONLY)
        self.addCleanup(os.close, full)
        ended = await self.ended(self.start("values", "boiler-1", stdout=full))
        self.assertEqual(ended, (1, "smok: No space left on device\n"))
