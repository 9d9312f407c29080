"""A user's own capture is understood, however it was made; or it is said in one sentence why not."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from smok_twisted.errors import UserError
from smok_twisted.modbus.mbap import Adu
from smok_twisted.modbus.rtu import build_frame
from smok_twisted.observe.export import export
from smok_twisted.observe.pcap import write_pcap
from smok_twisted.observe.segments import Endpoint, build
from smok_twisted.observe.streams import Conversation, Piece

from .processes import ROOT, wait_until
from .test_observe_pcap import block
from .test_observe_streams import CLIENT, Talk
from .test_readme import README
from .test_tools_replay import run

FOLDER = ROOT / "fixtures" / "tcpdump"
GOT: dict[str, list[list[int]]] = json.loads((FOLDER / "got.json").read_text(encoding="utf-8"))
READ, VALUES = bytes.fromhex("03000a0002"), bytes.fromhex("030400010002")


def replayed(file: Path, *argv: str) -> dict[str, Any]:
    return dict(json.loads(run(str(file), "--json", *argv)))


class Recorded(SynchronousTestCase):
    def test_the_master_s_view(self) -> None:
        """What the master was told is what the capture says: on any interface, over VLAN and IPv6, in every format."""
        for name, got in GOT.items():
            found = replayed(FOLDER / name)
            readings = [one["words"] for each in found["conversations"] for one in each["readings"]]
            outcomes = [one["outcome"] for each in found["conversations"] for one in each["orders"]]
            lost = 1 if name == "snaplen.pcap" else 0
            self.assertEqual(readings, got[lost:], name)
            self.assertEqual(outcomes, ["not-captured"] * lost + ["good"] * len(got[lost:]), name)
            self.assertEqual((found["shortened"], found["cut_short"]), (lost, False), name)
            self.assertEqual([each["faults"] for each in found["conversations"] if each["faults"]], [], name)

    def test_every_file_is_listed(self) -> None:
        """And described."""
        self.assertEqual({path.name for path in FOLDER.glob("*.pcap*")}, set(GOT))
        readme = (FOLDER / "README.rst").read_text(encoding="utf-8")
        for name in set(GOT) - {"ethernet.pcap.gz"}:
            self.assertIn(f"``{name}``", readme)

    def test_a_capture_that_kept_too_little_says_so(self) -> None:
        """And how to keep all."""
        text = run(str(FOLDER / "snaplen.pcap"))
        self.assertIn("(packets of which only the beginning was kept: 1; tcpdump -s 0 keeps all of each)", text)

    def test_a_gzip_that_ends_too_early(self) -> None:
        """What is whole is told, and that something is not; damage is one sentence."""
        octets = (FOLDER / "ethernet.pcap.gz").read_bytes()
        for cut in (octets[:-9], octets[:300]):
            found = replayed(self.file(cut))
            self.assertTrue(found["cut_short"])
            self.assertEqual(len(found["conversations"]) > 1, cut == octets[:-9])
        self.assertTrue(replayed(self.file(octets + octets[:0]))["conversations"])
        error = self.assertRaises(UserError, run, str(self.file(octets[:200] + bytes(50) + octets[250:])))
        self.assertRegex(str(error), "is damaged: gzip cannot unpack it .*; accepted are pcap and pcapng")

    def file(self, octets: bytes) -> Path:
        path = Path(self.mktemp())
        path.write_bytes(octets)
        return path


class OneWay(SynchronousTestCase):
    """``tcpdump dst port 502``, or a mirror port of one direction: half of each conversation."""

    def test_nobody_is_blamed(self) -> None:
        """What TCP acknowledges was said: it is missing, so orders are not captured, and answers are no fault."""
        for from_client, outcomes, events in ((True, ["not-captured"] * 3, []), (False, [], ["unasked"])):
            talk = Talk().dial()
            for number in range(3):
                talk.send(True, Adu(number, 1, READ).encode())
                talk.send(False, Adu(number, 1, VALUES).encode())
            talk.hang_up()
            captured = [one for one in talk.segments if (one.source == CLIENT) is from_client]
            path = Path(self.mktemp())
            path.write_bytes(write_pcap((at, build(one, from_client, at)) for at, one in enumerate(captured)))
            (found,) = replayed(path)["conversations"]
            missing = {"client": 0, "server": 39} if from_client else {"client": 36, "server": 0}
            self.assertEqual((found["missing"], found["end"]), (missing, "closed by client"))
            self.assertEqual(([one["outcome"] for one in found["orders"]], found["faults"]), (outcomes, []))
            self.assertEqual([one["what"] for one in found["events"]], events)


class OtherPorts(SynchronousTestCase):
    """Where neither the octets nor the port tell the protocol, the user can."""

    def capture(self, port: int, client_port: int, *said: tuple[bool, bytes]) -> str:
        """Without its first packets: nobody has seen who dialled."""
        ends = Endpoint("192.0.2.1", client_port), Endpoint("192.0.2.2", port)
        one = Conversation(*ends, 1_700_000_000_000_000, is_whole=True)
        one.pieces += [Piece(one.begun_us + at, *piece) for at, piece in enumerate(said)]
        octets = export([one])
        head, packets = octets[:24], octets[24:]
        for _ in range(3):
            packets = packets[16 + struct.unpack_from("<I", packets, 8)[0] :]
        path = Path(self.mktemp())
        path.write_bytes(head + packets)
        return str(path)

    def test_begun_within_a_message(self) -> None:
        """It is not recognised; the last line says what would help, and that helps."""
        tail, again = (False, Adu(6, 1, VALUES).encode()[5:]), (True, Adu(7, 1, READ).encode())
        file = self.capture(5020, 40000, tail, again, (False, Adu(7, 1, VALUES).encode()))
        known = self.capture(502, 40000, tail, again, (False, Adu(7, 1, VALUES).encode()))
        wanted = [[1, 2]]
        self.assertEqual(self.words(known), wanted)
        self.assertEqual(self.words(file, "--port", "5020=modbus-tcp"), wanted)

    def test_nothing_is_recognised(self) -> None:
        """One line names the port and the option."""
        file = self.capture(4001, 40000, (False, build_frame(1, VALUES)), (True, build_frame(1, READ)[:4]))
        text = "(what is spoken at port 4001 was not recognised; --port 4001=PROTOCOL would say it: "
        self.assertIn(f"{text}smok4, rtu, p24 or modbus-tcp)", run(file))
        self.assertNotIn("not recognised", run(file, "--port", "4001=rtu"))

    def test_a_server_s_port_above_the_client_s(self) -> None:
        """Who dialled cannot be seen then; the port that the user names is the server's."""
        said = (True, build_frame(1, READ)), (False, build_frame(1, VALUES))
        file = self.capture(50200, 40000, *said)
        self.assertEqual(self.words(file, "--port", "50200=rtu"), [[1, 2]])

    def test_what_is_not_accepted(self) -> None:
        """One sentence with an example."""
        for given in ("5020", "0=rtu", "5020=http"):
            text = str(self.assertRaises(UserError, run, "x.pcap", "--port", given))
            self.assertIn("such as 5020=modbus-tcp", text)

    def words(self, file: str, *argv: str) -> list[list[int]]:
        return [one["words"] for each in replayed(Path(file), *argv)["conversations"] for one in each["readings"]]


class NotUnderstood(SynchronousTestCase):
    def capture(self, link_types: tuple[int, ...]) -> str:
        """pcapng with an interface, and a packet, of each."""
        blocks = [(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))]
        blocks += [(1, struct.pack("<HHI", link_type, 0, 0)) for link_type in link_types]
        blocks += [(6, struct.pack("<IIIII", at, 0, 1, 4, 4) + b"\0\0\0\0") for at in range(len(link_types))]
        path = Path(self.mktemp())
        path.write_bytes(b"".join(block("<", *one) for one in blocks))
        return str(path)

    def test_a_link_that_we_do_not_know(self) -> None:
        """Wi-Fi in monitor mode, USB: said, with what is accepted; beside others, it is passed over and counted."""
        text = str(self.assertRaises(UserError, run, self.capture((127, 189))))
        self.assertIn("its packets are of link type 127, 189; accepted are Ethernet, tcpdump -i any, raw IP", text)
        self.assertIn("(packets of link type 127, which are passed over: 1)", run(self.capture((1, 127))))

    def test_nothing_of_tcp(self) -> None:
        """A capture of the wrong interface or filter."""
        self.assertIn("(no TCP connection says anything in its 2 packets)", run(self.capture((1, 1))))


class AsInTheReadme(SynchronousTestCase):
    """The two lines of README.rst, word by word, in a network of their own."""

    def test_the_two_lines(self) -> None:
        """tcpdump listens, mbpoll asks a pymodbus slave, and the values of the map are there."""
        for part in ("tcpdump", "mbpoll"):
            if shutil.which(part) is None:
                if os.environ.get("CI"):
                    self.fail(f"CI must have {part} (tools/debian-packages)")
                raise SkipTest(f"no {part}: the two lines of the README are not tried; install {part} for that")
        capture, replay = re.findall(r"^    (?:\.venv/bin/)?((?:tcpdump|smok replay) .*)$", README, re.MULTILINE)
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        shutil.copy(ROOT / "fixtures" / "pcaps" / "plant.toml", folder / "boiler.toml")
        listening = self.within(folder, capture.replace("eth0", "lo"))
        if "tcpdump: listening" not in (folder / "log").read_text():
            self.assertIn("unshare", (folder / "log").read_text())
            raise SkipTest("no network namespace may be made here: the two lines of the README are not tried")
        self.assertEqual(listening, 0, (folder / "log").read_text())
        command = (sys.executable, "-m", "smok_twisted.tools.main", *replay.split()[1:])
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=True)
        self.assertRegex(done.stdout, r"(?m)^1  [-0-9T:.]+Z  outside *-4.1  °C    good$")

    def within(self, folder: Path, capture: str) -> int:
        """Run the capture while mbpoll asks; the exit status of all."""
        script = f"""
            ip link set lo up
            {sys.executable} -m tests.pymodbus_slave 502 & slave=$!
            cd {folder}
            {capture} & capture=$!
            for try in $(seq 60); do
                sleep 0.5
                mbpoll -m tcp -a 1 -0 -1 -t 4 -r 10 -c 6 127.0.0.1 && break
            done
            sleep 1.5
            kill $capture $slave; wait $capture
            test -s site.pcap
        """
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        with (folder / "log").open("wb") as log:
            own = subprocess.Popen(["unshare", *user, "--net", "sh", "-c", script], cwd=ROOT, stdout=log, stderr=log)
            wait_until(lambda: own.poll() is not None, "the capture", 120)
        return own.wait()
