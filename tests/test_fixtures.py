"""Captures made with real peers (fixtures/pcaps) are understood, octet by octet, however they are cut into pieces."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.modbus.maps import parse_map
from smok_twisted.observe.pcap import PacketReader
from smok_twisted.observe.streams import Conversation, Piece, conversations
from smok_twisted.replay.player import replay
from smok_twisted.replay.smok4_messages import Known

from .independent_device import KEY_SUITE, directions
from .tshark import complaints, fields, need_tshark

FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "pcaps"
MODEL = parse_map((FOLDER / "plant.toml").read_text(encoding="utf-8"))
#: tshark has to be told where RTU over TCP is.
RTU = ("-d", "tcp.port==4001,mbrtu")


class Fixture:
    """One capture and what is expected of it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.file = FOLDER / f"{name}.pcap"
        self.expected: dict[str, Any] = json.loads((FOLDER / f"{name}.expected.json").read_text(encoding="utf-8"))
        self.secrets = [bytes.fromhex(secret) for secret in self.expected["secrets"]]

    def conversations(self) -> list[Conversation]:
        with self.file.open("rb") as file:
            return conversations(PacketReader(file, self.name))

    def replayed(self, found: list[Conversation]) -> list[dict[str, Any]]:
        """As JSON, once there and back."""
        heard = sorted(((piece.time_us, one, piece) for one in found for piece in one.pieces), key=lambda each: each[0])
        findings = replay(((one, piece) for _, one, piece in heard), Known(list(self.secrets)))
        shapes = [one.as_json(MODEL) for one in findings]
        return list(json.loads(json.dumps(shapes)))


def cut(pieces: list[Piece], random: Random) -> list[Piece]:
    """Every piece in several, at random places."""
    found = []
    for piece in pieces:
        octets = piece.octets
        while octets:
            size = random.randint(1, len(octets))
            found.append(piece._replace(octets=octets[:size]))
            octets = octets[size:]
    return found


def glued(pieces: list[Piece]) -> list[Piece]:
    """What one side said without being answered is one piece."""
    found: list[Piece] = []
    for piece in pieces:
        if found and found[-1].from_client is piece.from_client:
            found[-1] = found[-1]._replace(octets=found[-1].octets + piece.octets)
        else:
            found.append(piece)
    return found


def timeless(shapes: list[dict[str, Any]]) -> list[Any]:
    """Without times, which are those of pieces, and without the order of orders, which follows from them."""
    found = []
    for shape in shapes:
        lists = {name: [bare(one) for one in each] for name, each in shape.items() if isinstance(each, list)}
        lists["orders"].sort(key=json.dumps)
        found.append(bare(shape) | lists)
    return found


def bare(shape: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in shape.items() if name not in ("time", "answered", "begun")}


class EveryFixture(SynchronousTestCase):
    """The tests of each fixture are made below."""

    def check_expected(self, fixture: Fixture) -> None:
        self.assertEqual(fixture.replayed(fixture.conversations()), fixture.expected["conversations"])

    def check_pieces(self, fixture: Fixture) -> None:
        random = Random(fixture.name)
        whole = fixture.conversations()
        for how in (lambda pieces: cut(pieces, random), lambda pieces: cut(pieces, random)):
            found = copy.deepcopy(whole)
            for one in found:
                one.pieces = how(one.pieces)
            self.assertEqual(fixture.replayed(found), fixture.expected["conversations"])
        for one in whole:
            one.pieces = cut(glued(one.pieces), random)
        self.assertEqual(timeless(fixture.replayed(whole)), timeless(fixture.expected["conversations"]))

    def check_tshark(self, fixture: Fixture) -> None:
        need_tshark()
        self.assertEqual(complaints(fixture.file, *RTU, checksums=fixture.name != "modbus-tcp-kernel"), [])

    def check_modbus_with_tshark(self, fixture: Fixture) -> None:
        """Functions, in order, as tshark counts them, requests and answers."""
        need_tshark()
        columns = ("-Y", "modbus", "-e", "tcp.srcport", "-e", "modbus.func_code")
        theirs: dict[str, dict[str, int]] = {"client": {}, "server": {}}
        for port, functions in fields(fixture.file, *RTU, *columns):
            counts = theirs["server" if int(port) < 32768 else "client"]  # where the kernel's own choice begins
            for function in functions.split(","):
                counts[function] = counts.get(function, 0) + 1
        for side, counts in theirs.items():
            ours: dict[str, int] = {}
            for one in fixture.expected["conversations"]:
                if one["protocol"] in ("modbus-tcp", "rtu"):
                    for name, count in one["messages"][side].items():
                        function = name.split()[1]
                        ours[function] = ours.get(function, 0) + count
            self.assertEqual(ours, counts, side)


def _add(fixture: Fixture) -> None:
    name = fixture.name.replace("-", "_")
    what = fixture.expected["what"]
    for check, promise in (
        ("expected", "is understood as expected"),
        ("pieces", "is understood the same however it is cut into pieces"),
        ("tshark", "gives tshark nothing to complain of"),
        ("modbus_with_tshark", "has the MODBUS functions that tshark finds"),
    ):

        def test(self: EveryFixture, check: str = check) -> None:
            getattr(self, f"check_{check}")(fixture)

        test.__doc__ = f"{fixture.name} {promise}: {what}"
        setattr(EveryFixture, f"test_{name}_{check}", test)


for _path in sorted(FOLDER.glob("*.pcap")):
    _add(Fixture(_path.stem))


class Records(SynchronousTestCase):
    def test_an_outsider_opens_the_same_records(self) -> None:
        """A second implementation, written from the protocol's text alone, finds as many messages of each type."""
        for name in ("smok4-agent", "smok4-outsider", "smok4-faults"):
            fixture = Fixture(name)
            spoken = [one for one in fixture.conversations() if one.server.port == 2406]
            expected = [one for one in fixture.expected["conversations"] if one["protocol"] == "smok4"]
            secrets = list(fixture.secrets)
            for one, wanted in zip(spoken, expected, strict=True):
                said = one.said(from_client=False), one.said(from_client=True)
                hello, choice = said[1][:20], said[0][:9]
                keys = directions(KEY_SUITE[len(secrets[-1])], secrets[-1], hello + choice)
                bodies = [opened(keys[1], said[0][9:]), opened(keys[0], said[1][20:])]
                counts = [sum(wanted["messages"][side].values()) - 1 for side in ("server", "client")]
                self.assertEqual([len(each) for each in bodies], counts)
                secrets += [body[2:] for body in bodies[0] if body[0] == 9]


def opened(direction: Any, octets: bytes) -> list[bytes]:
    """All bodies of one direction."""
    bodies = []
    while octets:
        size = 1 + octets[0] + direction.tag_size
        bodies.append(direction.open(octets[:size]))
        octets = octets[size:]
    return bodies


class Folder(SynchronousTestCase):
    def test_every_capture_is_described(self) -> None:
        """README.rst says how each was made, and each can be made again."""
        readme = (FOLDER / "README.rst").read_text(encoding="utf-8")
        script = (FOLDER / "make.py").read_text(encoding="utf-8")
        names = re.findall(r'(?m)^    "([a-z0-9-]+)": \w+,$', script)
        self.assertEqual(sorted(path.stem for path in FOLDER.glob("*.pcap")), sorted(names))
        self.assertGreater(len(names), 5)
        for name in names:
            self.assertIn(f"``{name}``", readme)

    def test_a_name_that_is_not_known(self) -> None:
        """One line that names those that are; also when the one before it is known, and then nothing is made."""
        command = [sys.executable, str(FOLDER / "make.py"), "p24", "nosuch"]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        (line,) = ran.stderr.splitlines()
        self.assertRegex(line, "^make.py: 'nosuch' is not known; those that are: smok4-agent, .*, p24, ")
        self.assertEqual((ran.returncode, ran.stdout), (1, ""))
