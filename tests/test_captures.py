"""Any conversation of a device can be captured on demand, and replayed."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from pathlib import Path

from smok_twisted.observe.pcap import PacketReader
from smok_twisted.observe.streams import pieces
from smok_twisted.replay.findings import Findings
from smok_twisted.replay.player import replay
from smok_twisted.replay.smok4_messages import Known

from .independent_device import IndependentDevice, Report, Round
from .processes import ROOT
from .test_service import Stand


def replayed(octets: bytes, secret: bytes) -> list[Findings]:
    """What a capture says to somebody who has the secret."""
    return replay(pieces(PacketReader(io.BytesIO(octets), "captured")), Known(secrets=[secret]))


class Captures(Stand):
    def report(self, device: IndependentDevice, batch: int) -> None:
        device.send_data(batch, [Round(0, (Report(0, (batch, 8)),))])
        device.receive()

    def test_on_demand(self) -> None:
        """From ``smok capture`` to the reading, login included, although it began before anybody asked."""
        self.daemon.start()
        device = self.device()
        self.report(device, 1)
        file = self.folder / "counter.pcap"
        command = ("-m", "smok_twisted.tools.main", "capture", "counter", "--seconds", "3", "-o", str(file))
        arguments = [sys.executable, *command, "--config", str(self.daemon.config)]
        capture = subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.DEVNULL)
        for batch in range(2, 10):
            time.sleep(0.4)
            self.report(device, batch)
        self.assertEqual(capture.wait(30), 0)
        (found,) = replayed(file.read_bytes(), device.secret)
        self.assertEqual((found.protocol, found.identity["device"]), ("smok4", f"0x{device.device_id:016x}"))
        self.assertEqual(found.messages[True]["LOGIN"], 1)

    def test_nobody_asked(self) -> None:
        """Then only how the connection began is kept: a few octets."""
        self.daemon.start()
        device = self.device()
        for batch in range(1, 50):
            self.report(device, batch)
        (found,) = replayed(self.pcap(), device.secret)
        self.assertLess(sum(found.octets), 200)

    def pcap(self) -> bytes:
        file = Path(self.folder) / "nobody.pcap"
        command = ("-m", "smok_twisted.tools.main", "capture", "counter", "--seconds", "0", "-o", str(file))
        arguments = [sys.executable, *command, "--config", str(self.daemon.config)]
        subprocess.run(arguments, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
        return file.read_bytes()
