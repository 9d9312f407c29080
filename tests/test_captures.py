"""Any conversation of a device can be captured on demand, and replayed."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from pathlib import Path

from smok_twisted.observe.capture import HEAD_OCTETS
from smok_twisted.observe.pcap import PacketReader
from smok_twisted.observe.streams import pieces
from smok_twisted.replay.findings import Findings
from smok_twisted.replay.player import replay
from smok_twisted.replay.smok4_messages import Known

from .independent_device import Ack, IndependentDevice, Report, Round
from .kill_loop import MODEL
from .p24_box import P24Box
from .processes import ROOT, wait_until
from .test_service import Stand


def replayed(octets: bytes, secret: bytes) -> list[Findings]:
    """What a capture says to somebody who has the secret."""
    return replay(pieces(PacketReader(io.BytesIO(octets), "captured")), Known(secrets=[secret]))


class Captures(Stand):
    def report(self, device: IndependentDevice, batch: int) -> None:
        device.send_data(batch, [Round(0, (Report(0, (batch, 8)),))])
        while not isinstance(message := device.receive(), Ack):
            device.handle(message, {})

    def capture(self, file: Path, seconds: int, device: str = "counter") -> subprocess.Popen[bytes]:
        command = ("-m", "smok_twisted.tools.main", "capture", device, "--seconds", str(seconds), "-o", str(file))
        arguments = [sys.executable, *command, "--config", str(self.daemon.config)]
        return subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.DEVNULL)

    def test_on_demand(self) -> None:
        """From ``smok capture`` to the reading, login included, although it began before anybody asked.

        The device is connected and sends changes of what it has reported; every one of them is read, and known to the
        store, which has them all.
        """
        self.daemon.start()
        device = self.device()
        self.report(device, 1)
        file = self.folder / "counter.pcap"
        capture, last = self.capture(file, 3), 1
        while capture.poll() is None:
            last += 1
            self.report(device, last)
            time.sleep(0.1)
        self.assertEqual(capture.returncode, 0)
        (found,) = replayed(file.read_bytes(), device.secret)
        self.assertEqual((found.protocol, found.identity["device"]), ("smok4", f"0x{device.device_id:016x}"))
        self.assertEqual((found.messages[True]["LOGIN"], found.messages[False]["PLAN"], found.faults), (1, 1, []))
        read = [reading.words for reading in found.readings]
        self.assertEqual(read, [(batch, 8) for batch in range(read[0][0], read[0][0] + len(read))])
        self.assertGreater(len(read), 3)
        self.assertLessEqual(found.messages[True]["DATA"], len(read) + 1)  # one may cross with the plan
        self.daemon.end()
        acknowledged = [batch for batch in found.batches if batch.is_acknowledged]
        self.assertEqual(self.into_its_store(file, device.secret), (0, len(acknowledged)))

    def into_its_store(self, file: Path, secret: bytes) -> tuple[int, int]:
        """How many reports of a capture the store of the daemon lacked, and how many it had."""
        secret_file = self.folder / "counter.secret"
        secret_file.write_text(secret.hex())
        secret_file.chmod(0o600)
        command = ("-m", "smok_twisted.tools.main", "replay", str(file), "--into", str(self.daemon.data_dir), "--json")
        arguments = [sys.executable, *command, "--secret-file", str(secret_file)]
        (kept,) = json.loads(subprocess.run(arguments, cwd=ROOT, capture_output=True, check=True).stdout)["devices"]
        return kept["stored"], kept["there"]

    def test_a_first_generation_device_on_demand(self) -> None:
        """It is connected and polled for a while, and its values change: those of the capture are read."""
        self.daemon.start()
        self.daemon.api("POST", "/models", MODEL.replace("3600s", "1s"))
        allowed = {"link": "p24", "id": "0x30001", "from": ["127.0.0.0/8"]}
        self.daemon.api("POST", "/devices", {"name": "old", "model": "counter", **allowed})
        box = P24Box(self.daemon.p24, 0x30001)
        self.addCleanup(box.close)
        box.registers = dict.fromkeys(range(100), 0)
        answered: list[int] = []
        box._answer = lambda code, data: answered.append(code) or P24Box._answer(box, code, data)  # type: ignore
        box.start()
        wait_until(lambda: len(answered) > 2 * HEAD_OCTETS // 5, "more than is kept of the beginning")
        file, told = self.folder / "old.pcap", 100
        capture = self.capture(file, 4, "old")
        while capture.poll() is None:
            told += 1
            box.registers = dict.fromkeys(range(100), told)
            time.sleep(0.05)
        self.assertEqual(capture.returncode, 0)
        (found,) = replayed(file.read_bytes(), b"")
        self.assertEqual(found.protocol, "p24")
        self.assertGreater(min(found.missing), 0)
        read = [word for reading in found.readings for word in reading.words if word > 100]
        self.assertGreater(len(read), 3)
        self.assertEqual(read, sorted(read))
        self.assertLessEqual(read[-1], told)
        self.assertEqual((found.faults, found.identity["device"]), ([], "0x0000000000030001"))
        self.assertLessEqual({order.outcome for order in found.orders}, {"good", "not-captured"})

    def test_nobody_asked(self) -> None:
        """Then only how the connection began is kept: a few octets."""
        self.daemon.start()
        device = self.device()
        for batch in range(1, 50):
            self.report(device, batch)
        (found,) = replayed(self.pcap(), device.secret)
        self.assertLess(sum(found.octets), 200)

    def pcap(self) -> bytes:
        file = self.folder / "nobody.pcap"
        self.assertEqual(self.capture(file, 0).wait(30), 0)
        return file.read_bytes()
