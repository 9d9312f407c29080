"""Promise: ``smok replay FILE`` tells in tables or as JSON what a capture says, and in one sentence what is wrong."""

from __future__ import annotations

import io
import json
import sys
from argparse import Namespace
from contextlib import redirect_stdout
from pathlib import Path

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
from smok_twisted.readings import Table
from smok_twisted.tools import replay
from smok_twisted.tools.arguments import Commands, Parser
from smok_twisted.tools.replay_tables import request_text
from smok_twisted.tools.tool import Tool

FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "pcaps"
MODBUS = str(FOLDER / "modbus-tcp-libmodbus.pcap")
ATTACK = str(FOLDER / "smok4-attack.pcap")
MODEL = str(FOLDER / "plant.toml")


def expected(name: str) -> dict:
    return json.loads((FOLDER / f"{name}.expected.json").read_text(encoding="utf-8"))


def run(*argv: str) -> str:
    """What the command prints."""
    parser = Parser(prog="smok")
    replay.add_to(Commands(parser))
    out = io.StringIO()
    with redirect_stdout(out):
        args = parser.parse_args(["replay", *argv], Namespace(form="table"))
        args.run(Tool(args))
    return out.getvalue()


class Replay(SynchronousTestCase):
    maxDiff = None

    def refused(self, *argv: str) -> str:
        return str(self.assertRaises(UserError, run, *argv))

    def test_json(self):
        """The expected JSON of each fixture is what the command prints."""
        for file in FOLDER.glob("*.pcap"):
            wanted = expected(file.stem)
            secret = ("--secret", *wanted["secrets"]) if wanted["secrets"] else ()
            found = json.loads(run(str(file), "--map", MODEL, "--json", *secret))
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
        self.assertRegex(text, r"(?m)^3  [-0-9T:.]+Z  pump *yes  -     good$")
        self.assertRegex(text, r"(?m)^6  [-0-9T:.]+Z  \(holding 98 of unit 1\) *-  -     exception-2$")

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
        secret = Path(self.mktemp())
        secret.touch(0o600)
        secret.write_text(expected("smok4-attack")["secrets"][0])
        self.assertEqual(run(ATTACK, "--secret-file", str(secret)), run(ATTACK, "--secret", secret.read_text()))
        secret.chmod(0o644)
        self.assertIn("chmod 600", self.refused(ATTACK, "--secret-file", str(secret)))

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
        self.assertIn("not allowed with", self.refused(MODBUS, "--secret", "ab", "--secret-file", "x"))


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
