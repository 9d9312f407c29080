"""Promise: ``smok replay FILE`` tells in tables or as JSON what a capture says, and in one sentence what is wrong."""

from __future__ import annotations

import io
import json
import os
import pstats
import sys
import tracemalloc
from argparse import Namespace
from contextlib import contextmanager, redirect_stdout
from cProfile import Profile
from pathlib import Path
from typing import TextIO

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import UserError
from smok_twisted.modbus.pdu import (
    MaskWrite,
    Read,
    ReadIdentification,
    ReadWrite,
    WriteCoil,
    WriteCoils,
    WriteRegister,
    WriteRegisters,
)
from smok_twisted.observe.export import export
from smok_twisted.observe.pcap import PacketReader, write_pcap
from smok_twisted.readings import Table
from smok_twisted.tools import progress, replay
from smok_twisted.tools.arguments import Commands, Parser
from smok_twisted.tools.replay_tables import request_text
from smok_twisted.tools.tool import Tool

from .replay_rig import Told

FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "pcaps"
MODBUS = str(FOLDER / "modbus-tcp-libmodbus.pcap")
ATTACK = str(FOLDER / "smok4-attack.pcap")
MODEL = str(FOLDER / "plant.toml")


def expected(name: str) -> dict:
    return json.loads((FOLDER / f"{name}.expected.json").read_text(encoding="utf-8"))


def run(*argv: str) -> str:
    """What the command prints."""
    out = io.StringIO()
    run_into(out, *argv)
    return out.getvalue()


def run_into(out: TextIO, *argv: str) -> None:
    parser = Parser(prog="smok")
    replay.add_to(Commands(parser))
    with redirect_stdout(out):
        args = parser.parse_args(["replay", *argv], Namespace(form="table"))
        args.run(Tool(args))


def secret_file(path: str, *lines: str) -> str:
    """Made at ``path``, with mode 0600."""
    Path(path).touch(0o600)
    Path(path).write_text("\n".join(lines))
    return path


class Replay(SynchronousTestCase):
    maxDiff = None

    def refused(self, *argv: str) -> str:
        return str(self.assertRaises(UserError, run, *argv))

    def test_json(self):
        """The expected JSON of each fixture is what the command prints."""
        for file in FOLDER.glob("*.pcap"):
            wanted = expected(file.stem)
            secrets = [f"--secret={secret}" for secret in wanted["secrets"]]
            found = json.loads(run(str(file), "--map", MODEL, "--json", *secrets))
            notes = {"cut_short": False, "shortened": 0}
            self.assertEqual(found, {"conversations": wanted["conversations"], **notes})

    def test_tables(self):
        """Who spoke, how much, what was read and what was asked, in the user's words."""
        text = run(MODBUS)
        titles = [line for line in text.splitlines() if line.isalpha()]
        self.assertEqual(titles, ["octets", "readings", "orders"])
        for line in (
            r"#  PROTOCOL    CLIENT           SERVER         DEVICE  BEGUN                     END",
            r"1  modbus-tcp  127.0.0.1:40001  127.0.0.1:502  -       [-0-9T:.]+Z  closed by client",
            r"1  client      12        0        6           252  1 function 3",
            r"6  server       9        0        4           169  1 function 3 refused",
            r"1  [-0-9T:.]+Z     1  holding    10  good         32809 550 16456 62915 65535 65534",
            r"4  [-0-9T:.]+Z     1  write holding 11..12 = 615 616  good         \d+\.\d ms",
            r"6  [-0-9T:.]+Z     1  read holding 98..106            exception-2  \d+\.\d ms",
        ):
            self.assertRegex(text, f"(?m)^{line}$")

    def test_values_of_points(self):
        """With a register map, for every protocol."""
        text = run(MODBUS, "--map", MODEL)
        self.assertRegex(text, r"(?m)^1  [-0-9T:.]+Z  outside *-4.1  °C    good$")
        self.assertRegex(text, r"(?m)^3  [-0-9T:.]+Z  pump *true  -     good$")
        self.assertRegex(text, r"(?m)^6  [-0-9T:.]+Z  \(holding 98 of unit 1\) *-  -     exception-2$")

    def test_values_look_as_those_of_the_daemon(self):
        """True and false, names of states, all digits: as ``smok values`` and the page have them."""
        model = Path(self.mktemp())
        model.write_text(
            'name = "plant"\npoint = [\n'
            '{ name = "outside", register = "holding", address = 10, type = "SM16", scale = 0.1, precision = 3 },\n'
            '{ name = "setpoint", register = "holding", address = 11, states = { 550 = "winter" } },\n'
            '{ name = "pump", register = "coil", address = 5, states = { 1 = "runs", 0 = "rests" } },\n]'
        )
        text = run(MODBUS, "--map", str(model))
        for line in (r"outside *-4.100  -     good", r"setpoint *winter  -     good", r"pump *runs  -     good"):
            self.assertRegex(text, f"(?m)^[13]  [-0-9T:.]+Z  {line}$")

    def test_faults_and_events(self):
        """An attack, seen with the secret of the device that was attacked."""
        text = run(ATTACK, "--secret", expected("smok4-attack")["secrets"][0])
        for line in (
            r"1  [-0-9T:.]+Z  client  bad-magic  4745",
            r"3  [-0-9T:.]+Z  client  unproven   no secret that was given opens its LOGIN",
            r"6  [-0-9T:.]+Z  client  bad-tag    -",
            r"2  [-0-9T:.]+Z  client  bye   reason 0",
        ):
            self.assertRegex(text, f"(?m)^{line}$")

    def test_a_secret_in_a_file(self):
        """As for the agent: hex, seen by nobody else."""
        secret = expected("smok4-attack")["secrets"][0]
        file = secret_file(self.mktemp(), secret)
        self.assertEqual(run(ATTACK, "--secret-file", file), run(ATTACK, "--secret", secret))
        Path(file).chmod(0o644)
        self.assertIn("chmod 600", self.refused(ATTACK, "--secret-file", file))

    def test_several_secrets(self):
        """Each option as often as there are devices, and a file of many lines, as the Wireshark dissector takes it:
        whatever is the right one is found, wherever it stands."""
        right, wrong = expected("smok4-attack")["secrets"][0], "ab" * 32
        wanted = run(ATTACK, "--secret", right)
        lines = (f"{wrong}  # boiler room", "", "# cellar", f"  {right.upper()}\r")
        both, other = secret_file(self.mktemp(), *lines), secret_file(self.mktemp(), wrong)
        for argv in (
            ("--secret", right, "--secret", "ab" * 20),
            ("--secret", "ab" * 20, "--secret", right),
            ("--secret-file", both),
            ("--secret-file", both, "--secret-file", other),
            ("--secret-file", other, "--secret", right),
        ):
            self.assertEqual(run(ATTACK, *argv), wanted)

    def test_a_capture_at_the_server(self):
        """Several devices are opened in one run."""
        names = ("smok4-agent", "smok4-outsider")
        packets = []
        for name in names:
            with (FOLDER / f"{name}.pcap").open("rb") as file:
                packets += [(packet.time_us, packet.octets) for packet in PacketReader(file, name)]
        both = Path(self.mktemp())
        both.write_bytes(write_pcap(packets))
        file = secret_file(self.mktemp(), *(secret for name in names for secret in expected(name)["secrets"]))
        found = json.loads(run(str(both), "--secret-file", file, "--map", MODEL, "--json"))
        wanted = [one for name in names for one in expected(name)["conversations"]]
        self.assertEqual(found["conversations"], wanted)

    def test_what_is_no_secret(self):
        """The line is named, and what stands there is not shown."""
        for line, secret in {2: ("00" * 20, "ab" * 19), 1: ("cellar", "00" * 20)}.items():
            file = secret_file(self.mktemp(), *secret)
            text = self.refused(ATTACK, "--secret-file", file)
            form = "hex digits: 40 for suite 1, 64 for suite 2, one a line"
            self.assertEqual(text, f"secret file {file}, line {line}, is no secret: {form}")
        self.assertIn("holds no secret", self.refused(ATTACK, "--secret-file", secret_file(self.mktemp(), "# none")))

    def test_the_standard_input(self):
        """For captures that come through a pipe."""
        self.patch(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path(MODBUS).read_bytes())))
        self.assertEqual(run("-"), run(MODBUS))

    def test_a_file_that_is_cut_short(self):
        """What is whole is told, and that something is not."""
        short = Path(self.mktemp())
        short.write_bytes(Path(MODBUS).read_bytes()[:-5])
        self.assertTrue(run(str(short)).endswith("\n(the file ends in the middle of a packet)\n"))
        self.assertTrue(json.loads(run(str(short), "--json"))["cut_short"])

    def test_what_is_wrong(self):
        """One sentence that names the thing, the reason and the accepted form."""
        self.assertEqual(self.refused("nowhere.pcap"), "nowhere.pcap: cannot be read: No such file or directory")
        self.assertIn("plant.toml: begins with 23205768 and is no capture; accepted are pcap", self.refused(MODEL))
        self.assertIn("--secret is not accepted: hex digits", self.refused(MODBUS, "--secret", "xyz"))
        self.assertIn("a secret of 2 octets is not accepted", self.refused(MODBUS, "--secret", "abcd"))
        self.assertIn("cannot be read", self.refused(MODBUS, "--map", "nowhere.toml"))
        self.assertIn("is not UTF-8", self.refused(MODBUS, "--map", MODBUS))
        self.assertIn("--secret is not accepted", self.refused(MODBUS, "--secret", "00" * 20, "--secret", "xyz"))


def polled(exchanges: int) -> bytes:
    """A capture of a master that reads six registers again and again."""
    told = Told(502)
    for number in range(exchanges):
        head = (number & 0xFFFF).to_bytes(2) + b"\0\0"
        told.client(head + b"\0\6\1" + Read(Table.HOLDING, 10, 6).encode())
        told.server(head + b"\0\x0f\1\3\x0c" + number.to_bytes(2) + bytes(range(10)))
    return export([told.conversation])


class Long(SynchronousTestCase):
    """A capture of a day is read in little more than its findings take, in time and memory, and says how far it is."""

    def setUp(self):
        self.files = {}
        for exchanges in (200, 1200):
            path = Path(self.mktemp())
            path.write_bytes(polled(exchanges))
            self.files[exchanges] = str(path)

    def more(self, cost, *argv):
        """Of each exchange, beyond what a start costs."""
        costs = [cost(file, *argv) for file in self.files.values()]
        return (costs[1] - costs[0]) / 1000

    def calls(self, *argv):
        profile = Profile()
        profile.runcall(run, *argv)
        return pstats.Stats(profile).total_calls

    def octets(self, *argv):
        """At most, at once, beside what is printed."""
        tracemalloc.start()
        try:
            with open(os.devnull, "w", encoding="utf-8") as nowhere:
                run_into(nowhere, *argv)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    def test_little_is_done_for_an_exchange(self):
        """Counted in calls, which is the same on every machine."""
        run(MODBUS, "--json")
        for argv in ((), ("--json",)):
            self.assertLess(self.more(self.calls, *argv), 900)

    def test_little_is_kept_of_an_exchange(self):
        """What was found; of what is printed only the cells of one table, or one row of JSON."""
        run(MODBUS, "--json")
        for argv, most in {(): 2000, ("--json",): 1400}.items():
            self.assertLess(self.more(self.octets, *argv), most)

    def test_how_far_it_is(self):
        """By the position in the file, as `smok export` shows it."""
        shown = []

        @contextmanager
        def recorded(what, unit):
            yield lambda done, total: shown.append((what, unit, done, total))

        self.patch(progress, "progress", recorded)
        file = self.files[1200]
        run(file)
        size = Path(file).stat().st_size
        self.assertEqual({one[:2] + one[3:] for one in shown}, {("replay", "B", size)})
        self.assertEqual(len(shown), size // progress.OCTETS_A_STEP)


class Words(SynchronousTestCase):
    def test_requests(self):
        """Each function as a person would say it."""
        for request, text in {
            Read(Table.INPUT, 5, 1): "read input 5",
            Read(Table.COIL, 5, 3): "read coil 5..7",
            WriteCoil(5, True): "write coil 5 = 1",
            WriteRegister(5, 9): "write holding 5 = 9",
            WriteCoils(5, (1, 0)): "write coil 5..6 = 1 0",
            WriteRegisters(5, (9,)): "write holding 5 = 9",
            MaskWrite(5, 0xFF00, 3): "write holding 5 and 0xff00 or 0x0003",
            ReadWrite(5, 2, 9, (1, 2)): "write holding 9..10 = 1 2, read 5..6",
            ReadIdentification(1, 0): "read identification 1 from 0",
        }.items():
            self.assertEqual(request_text(request.encode()), text)
        self.assertEqual(request_text(b"\x41\xbe"), "no known request: 41be")
