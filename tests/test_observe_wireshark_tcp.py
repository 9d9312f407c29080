"""Promise: tshark understands captures as they are: cut, with holes, in wrong order, on other ports, begun late."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from pathlib import Path
from random import Random

from smok_twisted.links.smok4 import messages
from smok_twisted.links.smok4.rounds import RoundEncoder
from smok_twisted.observe.export import export
from smok_twisted.observe.pcap import PacketReader, write_pcap
from smok_twisted.tools.capture import DISSECTOR

from .replay_rig import SECRET, Session, Told, found
from .test_observe_wireshark import TWICE, Fixture, cut, glued, timeless, trimmed
from .test_observe_wireshark_peers import BITS, BLOCKS, REQUEST, RESPONSE, WORDS, Peers, data, planned, reported
from .test_replay_p24 import ACCEPTED, INIT
from .tshark import TSHARK
from .wireshark import conversations, run, shown


class Gaps(Peers):
    def test_the_next_record_is_found(self) -> None:
        """Behind missing octets records are opened again, and nobody is blamed; the gap is marked."""
        session = planned(Session())
        for number in range(150):
            session.device(messages.event(1, bytes(number % 200)), kept=False)
            session.daemon(messages.ack(number), kept=False)
        session.daemon(REQUEST)
        session.device(RESPONSE)
        session.daemon(messages.ping())
        for passes in ((), TWICE):
            (shape,) = self.seen(session, passes=passes)
            self.assertEqual(shape, trimmed(found(session, secrets=(SECRET,))[0]))
            self.assertEqual((shape["messages"]["server"]["PING"], len(shape["orders"])), (1, 1))
        text = run(self.capture(session), "-Y", "smok4.gap", secrets=self.secret_file(SECRET))
        self.assertEqual(text.count("\n"), 2)

    def test_no_value_is_made_up(self) -> None:
        """What changes is not known behind a gap, until a block is told in full again."""
        session, encoder = planned(Session()), RoundEncoder(BLOCKS)
        for batch in range(1, 5):
            words = (batch, *WORDS[1:])
            session.device(data(batch, reported(0, BITS, words), encoder=encoder), kept=batch != 2)
        session.device(data(5, reported(0, BITS, WORDS)))
        (shape,) = self.seen(session)
        self.assertEqual([one["batch"] for one in shape["readings"]], [1, 1, 5, 5])
        self.assertEqual((shape["messages"]["client"]["DATA"], shape["faults"]), (4, []))

    def test_without_a_secret_nothing_is_guessed(self) -> None:
        """The direction is marked and left."""
        session = Session()
        session.device(messages.event(1), kept=False)
        session.device(messages.event(2))
        (shape,) = self.seen(session, secrets=())
        self.assertEqual(shape["messages"]["client"], {"HELLO": 1, "record": 1})

    def test_p24(self) -> None:
        """Answers carry no identity: behind a gap none is paired."""
        one = Told(2405)
        one.client(INIT)
        one.server(ACCEPTED + bytes.fromhex("04030ff901"))
        one.client(bytes.fromhex("03000029"), missing=4)
        (shape,) = self.seen(one)
        self.assertEqual((shape["readings"], shape["faults"]), ([], []))


class Packets(Peers):
    """The fixture of the agent, its packets in other ways."""

    def setUp(self) -> None:
        super().setUp()
        self.fixture = Fixture("smok4-agent")
        self.secrets = self.secret_file(*self.fixture.secrets)
        with self.fixture.file.open("rb") as file:
            self.packets = [(one.time_us, one.octets) for one in PacketReader(file, "fixture")]
        self.wanted = trimmed(self.fixture.expected["conversations"][0])

    def found(self, packets: list[tuple[int, bytes]], *arguments: str) -> dict:
        file = self.written(write_pcap(packets))
        (one,) = conversations(shown(file, *arguments, secrets=self.secrets))
        return one

    def test_sent_again(self) -> None:
        """What TCP repeats is not read twice, whether Wireshark looks for that itself or not."""
        packets = [one for one in self.packets for _ in (0, 1)]
        for passes in ((), TWICE, ("-o", "tcp.analyze_sequence_numbers:FALSE")):
            self.assertEqual(self.found(packets, *passes), self.wanted)

    def test_in_wrong_order(self) -> None:
        """With Wireshark's own preference for that."""
        whole = self.fixture.conversations()[:1]
        whole[0].pieces = cut(glued(whole[0].pieces), Random(3))
        packets = [one.octets for one in PacketReader(io.BytesIO(export(whole)), "fixture")]
        ends = [octets[26:38] if len(octets) > 54 else None for octets in packets]
        pairs = [at for at in range(len(ends) - 2) if ends[at] and ends[at] == ends[at + 2]]
        for at in pairs[::3]:
            packets[at], packets[at + 2] = packets[at + 2], packets[at]
        one = self.found(list(enumerate(packets)), "-o", "tcp.reassemble_out_of_order:TRUE")
        self.assertEqual(timeless([one]), timeless([self.wanted]))

    def test_cut_by_a_snapshot_length(self) -> None:
        """What is whole is shown; a record that was cut is marked, and the next one is found."""
        cut = write_pcap([(time, octets[:84]) for time, octets in self.packets])
        for (_, octets), at in zip(self.packets, self.places(cut), strict=True):
            cut = cut[: at - 4] + len(octets).to_bytes(4, "little") + cut[at:]
        one = conversations(shown(self.written(cut), secrets=self.secrets))[0]
        self.assertEqual(one["faults"], [])
        self.assertEqual(one["messages"]["client"]["BYE"], 1)
        self.assertLess(one["messages"]["server"].get("PLAN", 0), 1)

    def places(self, pcap: bytes) -> list[int]:
        """Where the octets of each packet begin, behind the length that it had."""
        places, at = [], 24
        while at < len(pcap):
            places.append(at + 16)
            at += 16 + int.from_bytes(pcap[at + 8 : at + 12], "little")
        return places

    def test_begun_late(self) -> None:
        """Nothing of SMOK/4 can be opened then, and nobody is blamed."""
        packets = [one for one in self.packets[12:] if b"\x09\x66" in one[1][34:38]]
        one = self.found(packets)
        self.assertEqual((one["faults"], one["messages"]), ([], {"client": {}, "server": {}}))

    def test_p24_begun_late(self) -> None:
        """P24 is read all the same, from the first command on."""
        fixture = Fixture("p24")
        with fixture.file.open("rb") as file:
            packets = [(one.time_us, one.octets) for one in PacketReader(file, "fixture")][17:]
        (one,) = conversations(shown(self.written(write_pcap(packets))))
        wanted = trimmed(fixture.expected["conversations"][1])
        self.assertEqual((one["readings"], one["faults"]), (wanted["readings"][1:], []))


class Ports(Peers):
    def moved(self, name: str, port: int) -> Path:
        whole = [one for one in Fixture(name).conversations() if one.server.port in (2405, 2406)]
        for one in whole:
            one.server = one.server._replace(port=port)
        return self.written(export(whole))

    def test_smok4_is_known_by_its_hello(self) -> None:
        """On any port."""
        fixture = Fixture("smok4-faults")
        file, secrets = self.moved("smok4-faults", 33333), self.secret_file(*fixture.secrets)
        for passes in ((), TWICE):
            (one,) = conversations(shown(file, *passes, secrets=secrets))
            self.assertEqual(one["messages"], fixture.expected["conversations"][0]["messages"])

    def test_a_port_by_preference_or_decode_as(self) -> None:
        """P24 has nothing to be known by."""
        file, wanted = self.moved("p24", 33334), Fixture("p24").expected["conversations"][1]["messages"]
        self.assertEqual(shown(file), [])
        for arguments in (("-o", "p24.ports:2405,33330-33340"), ("-d", "tcp.port==33334,p24")):
            self.assertEqual(conversations(shown(file, *arguments))[1]["messages"], wanted)


class Installed(Peers):
    def test_in_the_folder_of_plugins(self) -> None:
        """A file there that names the script is enough; so is a copy of the folder."""
        fixture = Fixture("p24")
        for install in (self.named, self.copied):
            home = Path(self.mktemp()).resolve()
            plugins = home / ".local/lib/wireshark/plugins"
            plugins.mkdir(parents=True)
            install(plugins)
            command = [str(TSHARK), "-r", str(fixture.file), "-Y", "p24.register == 10"]
            home_only = {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home)}
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=home_only)
            self.assertIn("read holding 10 of unit 1 = 32809", done.stdout)
            self.assertNotIn("error", done.stderr.lower())

    def named(self, plugins: Path) -> None:
        (plugins / "smok.lua").write_text(f'dofile("{DISSECTOR}")\n')

    def copied(self, plugins: Path) -> None:
        shutil.copytree(DISSECTOR.parent, plugins / "smok")
