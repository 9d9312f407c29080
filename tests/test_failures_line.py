"""The line fails under the whole daemon: devices that vanish without a word, and that come back another way."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from .independent_device import IndependentDevice, ModbusReq
from .namespaces import Line, Networks, inside, lacking
from .p24_box import P24Box
from .processes import Daemon, wait_until

MODEL = """
name = "plant"
interval = "3600s"
[[point]]
name = "setpoint"
register = "holding"
address = 11
access = "rw"
min = 20
max = 90
"""
PLACE = (1, 3, 11)
KEEPALIVE_SECONDS = 10


class CutLines(SynchronousTestCase):
    """A daemon on one end of two lines, a device on the other."""

    def setUp(self) -> None:
        if reason := lacking():
            raise SkipTest(reason)
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.networks = Networks()
        self.addCleanup(self.networks.remove)
        self.daemon = Daemon(self.folder)
        self.daemon.config.write_text(
            f'[listen]\nsmok4 = "tcp:{self.daemon.smok4}"\nweb = "tcp:{self.daemon.web}:interface=127.0.0.1"\n'
            f'[smok4]\nkeepalive = "{KEEPALIVE_SECONDS}s"\n'
        )
        with inside(self.networks.server):
            self.daemon.start()
        self.addCleanup(lambda: self.daemon.end())
        self.api("POST", "/models", MODEL)
        self.made = self.api("POST", "/devices", {"name": "plant", "model": "plant", "may_write": True})
        self.registers = {PLACE: 55}

    def api(self, *arguments: Any, **headers: str) -> Any:
        with inside(self.networks.server):
            return self.daemon.api(*arguments, **headers)

    def dial(self, line: Line) -> IndependentDevice:
        """The device logs in over this line."""
        device = IndependentDevice(
            line.server, self.daemon.smok4, int(self.made["id"], 16), bytes.fromhex(self.made["secret"]), timeout=20
        )
        with inside(self.networks.device):
            device.connect()
        self.addCleanup(device.close)
        device.send_planok(0)
        return device

    def write_and_vanish(self, line: Line) -> tuple[IndependentDevice, str]:
        """The device gets a write over ``line``, executes it, and no answer comes any more; the command's id."""
        device = self.dial(line)
        command = self.api("POST", "/devices/plant/commands", {"point": "setpoint", "value": 60})
        device.serve_modbus(self.order(device), self.registers)
        write = self.order(device)
        self.assertEqual(write.pdu[0], 6)
        self.networks.cut(line)
        device.serve_modbus(write, self.registers)
        self.assertEqual(self.registers[PLACE], 60)
        return device, command["id"]

    def order(self, device: IndependentDevice) -> ModbusReq:
        """The next one; whatever else the server says before is answered."""
        until = time.monotonic() + 20
        while time.monotonic() < until:
            message = device.receive(20)
            if isinstance(message, ModbusReq):
                return message
            device.handle(message, {})
        self.fail("no order came")

    def state(self, command: str) -> str:
        return str(self.api("GET", f"/devices/plant/commands/{command}")["state"])

    def ended(self, mood: str) -> float:
        """How many sessions have ended like this."""
        with inside(self.networks.server):
            return self.daemon.figure("smok_sessions_ended_total", link="smok4", mood=mood)

    def settle_by_reading(self, device: IndependentDevice, command: str) -> None:
        """The device is there again: it is asked what it holds, and never told to write a second time."""
        read = self.order(device)
        self.assertEqual(read.pdu, bytes.fromhex("03000b0001"))
        device.serve_modbus(read, self.registers)
        wait_until(lambda: self.state(command) == "confirmed", "the read-back")

    def test_a_device_that_vanishes(self) -> None:
        """F11, F24: found within 2.5 keepalives; the write on its way is unknown, and settled when it is back."""
        device, command = self.write_and_vanish(self.networks.lines[0])
        vanished = time.monotonic()
        device.close()  # its FIN does not arrive either
        wait_until(lambda: not self.api("GET", "/devices/plant")["connected"], "the end of the session")
        self.assertGreater(time.monotonic() - vanished, 1.5 * KEEPALIVE_SECONDS)
        self.assertLess(time.monotonic() - vanished, 2.5 * KEEPALIVE_SECONDS + 15)
        self.assertEqual((self.state(command), self.ended("silent")), ("unknown", 1))
        self.networks.mend(self.networks.lines[0])
        self.settle_by_reading(self.dial(self.networks.lines[0]), command)

    def test_a_device_that_comes_another_way(self) -> None:
        """F12: it takes over at once, long before anybody misses the old session, whose end has no octet."""
        old, new = self.networks.lines
        ghost, command = self.write_and_vanish(old)
        device = self.dial(new)
        wait_until(lambda: self.state(command) == "unknown", "the end of the pending write", KEEPALIVE_SECONDS)
        self.settle_by_reading(device, command)
        wait_until(lambda: self.ended("replaced") == 1, "the end of the ghost")
        self.networks.mend(old)
        self.assertEqual(_rest(ghost.sock), b"")
        device.send_ping()
        device.receive(20)
        self.assertEqual(self.ended("silent"), 0)


def _rest(connection: socket.socket | None) -> bytes:
    """What still comes, up to the end of the connection."""
    assert connection is not None
    connection.settimeout(60)
    octets = b""
    try:
        while piece := connection.recv(4096):
            octets += piece
    except ConnectionResetError:
        pass
    return octets


class Sockets(SynchronousTestCase):
    """What the kernel was told about the connections of the running daemon."""

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.daemon = Daemon(self.folder)
        self.daemon.start()
        self.addCleanup(lambda: self.daemon.end())

    def test_unsent_octets_end_a_connection(self) -> None:
        """F11: TCP_USER_TIMEOUT is 60 s on every connection of a device, logged in or not, over either link."""
        self.daemon.api("POST", "/models", MODEL)
        for link, port in (("smok4", self.daemon.smok4), ("p24", self.daemon.p24)):
            with socket.create_connection(("127.0.0.1", port), 5) as stranger:
                self.check(stranger.getsockname(), link)
        made = self.daemon.api("POST", "/devices", {"name": "a", "model": "plant"})
        device = IndependentDevice("127.0.0.1", self.daemon.smok4, int(made["id"], 16), bytes.fromhex(made["secret"]))
        device.connect()
        assert device.sock is not None
        self.check(device.sock.getsockname(), "smok4")
        device.close()
        allowed = {"link": "p24", "id": "0x30001", "from": ["127.0.0.0/8"]}
        self.daemon.api("POST", "/devices", {"name": "b", "model": "plant", **allowed})
        box = P24Box(self.daemon.p24, 0x30001)
        box.start()
        self.addCleanup(box.close)
        wait_until(lambda: self.daemon.api("GET", "/devices/b")["connected"], "the P24 device")
        self.check(box.connection.getsockname(), "p24")

    def check(self, peer: tuple[str, int], link: str) -> None:
        found = wait_until(lambda: self.socket_to(peer), f"the daemon's end of a {link} connection", 10)
        with found:
            # The kernel is told some time after the daemon's accept: in between it knows nothing.
            wait_until(lambda: _told(found) == (60_000, 1), f"60 s and no delay on a {link} connection", 10)

    def socket_to(self, peer: tuple[str, int]) -> socket.socket | None:
        """The daemon's own socket, shared with us."""
        assert self.daemon.process is not None
        pid = self.daemon.process.pid
        process = os.pidfd_open(pid)
        try:
            for name in os.listdir(f"/proc/{pid}/fd"):
                try:
                    if not os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
                        continue
                    one = socket.socket(fileno=_shared(process, int(name)))
                except OSError:  # closed meanwhile
                    continue
                if one.family == socket.AF_INET and _peer(one) == peer:
                    return one
                one.close()
        finally:
            os.close(process)
        return None


def _told(one: socket.socket) -> tuple[int, int]:
    """For how many ms octets may stay unacknowledged, and whether each is sent at once."""
    milliseconds, at_once = (one.getsockopt(socket.IPPROTO_TCP, name) for name in _OPTIONS)
    return milliseconds, at_once


_OPTIONS = (socket.TCP_USER_TIMEOUT, socket.TCP_NODELAY)
_PIDFD_GETFD = 438


def _shared(process: int, descriptor: int) -> int:
    found = ctypes.CDLL(None, use_errno=True).syscall(_PIDFD_GETFD, process, descriptor, 0)
    if found < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    return int(found)


def _peer(one: socket.socket) -> Any:
    try:
        return one.getpeername()
    except OSError:
        return None
