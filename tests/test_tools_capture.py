"""Promise: ``smok capture DEVICE`` leaves a file that ``smok replay`` and Wireshark read, or says why there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from twisted.internet.threads import deferToThread

from smok_twisted.observe.pcap import PacketReader
from smok_twisted.observe.streams import conversations
from smok_twisted.tools.capture import DISSECTOR

from .tools_rig import ToolTestCase
from .web_rig import ADMIN_TOKEN

PROJECT = Path(__file__).resolve().parent.parent


class Capture(ToolTestCase):
    """smok capture"""

    def setUp(self):
        super().setUp()
        self.rig.add_boiler()
        folder, before = Path(self.mktemp()), Path.cwd()
        folder.mkdir()
        os.chdir(folder)
        self.addCleanup(os.chdir, before)

    def said(self, file: str) -> list[bytes]:
        with open(file, "rb") as stream:
            (one,) = conversations(PacketReader(stream, file))
        return [piece.octets for piece in one.pieces]

    async def test_writes_a_file(self):
        """Named after the device, or as it is told."""
        self.rig.ask("GET", "/devices/boiler-1/capture.pcap")
        self.rig.connect().taps[0].received(b"report")
        for argv, file in (((), "boiler-1.pcap"), (("-o", "other.pcap"), "other.pcap")):
            out = await self.accepted("capture", "boiler-1", "--seconds", "0", *argv)
            self.assertIn(f"`smok replay {file}`", out)
            self.assertEqual(self.said(file), [b"report"])

    async def test_into_a_fifo(self):
        """Whoever waits at its other end gets the file; it stays a FIFO."""
        self.rig.ask("GET", "/devices/boiler-1/capture.pcap")
        self.rig.connect().taps[0].received(b"report")
        os.mkfifo("fifo")
        read = deferToThread(Path("fifo").read_bytes)
        await self.accepted("capture", "boiler-1", "--seconds", "0", "-o", "fifo")
        Path("other.pcap").write_bytes(await read)  # noqa: ASYNC240
        self.assertEqual((self.said("other.pcap"), Path("fifo").is_fifo()), ([b"report"], True))  # noqa: ASYNC240

    async def test_to_the_standard_output_by_its_name(self):
        """The file and not a word more. ``/dev/stdout`` is a link to this one."""
        self.rig.ask("GET", "/devices/boiler-1/capture.pcap")
        self.rig.connect().taps[0].received(b"report")
        command = [sys.executable, "-m", "smok_twisted.tools.main", "--url", self.url, "--token", ADMIN_TOKEN]
        command += ["capture", "boiler-1", "--seconds", "0", "-o", "/proc/self/fd/1"]
        with open("out.pcap", "wb") as stream:  # noqa: ASYNC230
            await deferToThread(subprocess.run, command, check=True, stdout=stream, cwd=PROJECT)
        self.assertEqual(self.said("out.pcap"), [b"report"])

    async def test_a_device_that_is_away(self):
        """Nothing is written; the capture has begun and waits for it."""
        text = "device 'boiler-1' has not been connected since; it is captured when it comes, ask again then"
        self.assertEqual(await self.refused("capture", "boiler-1", "--seconds", "0"), (1, text))
        self.assertEqual(os.listdir(), [])
        self.rig.connect().taps[0].received(b"here")
        await self.accepted("capture", "boiler-1", "--seconds", "0")
        self.assertEqual(self.said("boiler-1.pcap"), [b"here"])

    async def test_where_the_dissector_is(self):
        """The path of Wireshark's script, and nothing else, so that a shell can put it into a command."""
        self.assertEqual(await self.accepted("capture", "--wireshark"), f"{DISSECTOR}\n")

    async def test_what_is_wrong(self):
        """One sentence each."""
        self.assertIn("from 0 to 3600", (await self.refused("capture", "boiler-1", "--seconds", "3601"))[1])
        self.assertIn("a name, or the id", (await self.refused("capture", "../boiler-1"))[1])
        self.assertEqual((await self.refused("capture", "nobody", "--seconds", "0"))[0], 1)
        self.rig.ask("GET", "/devices/boiler-1/capture.pcap")
        self.rig.connect().taps[0].received(b"x")
        text = "no/such.pcap: cannot be written: No such file or directory"
        argv = ("capture", "boiler-1", "--seconds", "0", "-o", "no/such.pcap")
        self.assertEqual(await self.refused(*argv), (2, text))
