"""Everything as processes: a pymodbus slave <- ``smok agent`` -> the daemon, and strangers who try."""

from __future__ import annotations

import itertools
import shutil
import signal
import socket
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from pymodbus.client import ModbusTcpClient
from twisted.trial.unittest import SynchronousTestCase

from . import pymodbus_slave
from .independent_device import IndependentDevice, Plan, Report, Round
from .kill_loop import run as kill_loop
from .p24_box import P24Box
from .processes import ApiError, Daemon, Process, free_port, listens, wait_until

MODEL = """
name = "plant"
interval = "1s"

[[point]]
name = "outside"
register = "holding"
address = 10
type = "SM16"
scale = 0.1
unit = "°C"

[[point]]
name = "setpoint"
register = "holding"
address = 11
scale = 0.1
unit = "°C"
access = "rw"
min = 20
max = 90

[[point]]
name = "flow"
register = "holding"
address = 12
type = "FLOAT32"

[[point]]
name = "counter"
register = "holding"
address = 14
type = "UINT32"

[[point]]
name = "pump"
register = "coil"
address = 5
access = "rw"
"""
VALUES = {"outside": -4.1, "setpoint": 55.0, "flow": 3.14, "counter": 4294967294, "pump": True}


class System(SynchronousTestCase):
    """A daemon and a slave for each test."""

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.slave_port = free_port()
        slave = Process(self.folder / "slave.log", "-m", "tests.pymodbus_slave", str(self.slave_port))
        self.addCleanup(slave.end)
        self.daemon = Daemon(self.folder)
        self.daemon.start()
        self.addCleanup(lambda: self.daemon.end())
        wait_until(lambda: listens(self.slave_port), "the slave's start")
        self.daemon.api("POST", "/models", MODEL)

    # -- parts

    def add(self, name: str, **more: Any) -> dict[str, Any]:
        device = self.daemon.api("POST", "/devices", {"name": name, "model": "plant", **more})
        self.assertEqual((device["kid"], device["link"], device["name"]), (0, "smok4", name))
        return dict(device)

    def agent(self, device: dict[str, Any]) -> Process:
        secret = self.folder / f"{device['name']}.secret"
        secret.touch(0o600)
        secret.write_text(device["secret"])
        return Process(
            self.folder / f"{device['name']}.log",
            *("-m", "smok_twisted.tools.main", "agent", "--server", f"127.0.0.1:{self.daemon.smok4}"),
            *("--device", device["id"], "--secret-file", str(secret)),
            *("--modbus", f"tcp:127.0.0.1:{self.slave_port}", "--spool", str(self.folder / f"{device['name']}.spool")),
        )

    def values(self, name: str) -> dict[str, Any]:
        return {one["point"]: one for one in self.daemon.api("GET", f"/devices/{name}/values")["values"]}

    def has_all(self, name: str) -> bool:
        return all(one["quality"] == "good" for one in self.values(name).values())

    def independent(self, device: dict[str, Any], **more: Any) -> IndependentDevice:
        secret = bytes.fromhex(device["secret"])
        return IndependentDevice("127.0.0.1", self.daemon.smok4, int(device["id"], 16), secret, **more)

    # -- the promises

    def test_values_are_right_to_the_last_digit(self) -> None:
        """What the slave holds is what the API says, with quality, time and age; the history agrees."""
        agent = self.agent(self.add("right"))
        try:
            wait_until(lambda: self.has_all("right"), "the first values")
            found = self.values("right")
            self.assertEqual({name: one["value"] for name, one in found.items()}, VALUES)
            self.assertEqual(found["outside"]["raw"], [0x8029])
            self.assertLess(found["outside"]["age"], 30)
            self.assertEqual(found["outside"]["unit"], "°C")
            series = wait_until(lambda: self.series_of("right", "outside", 3), "three samples")
            self.assertEqual({value for value in series["value"] if value is not None}, {-4.1})
        finally:
            agent.end()

    def series_of(self, name: str, point: str, least: int) -> dict[str, Any] | None:
        series = self.daemon.api("GET", f"/devices/{name}/series?point={point}")
        return dict(series) if len(series["value"]) >= least else None

    def test_a_write_is_confirmed_and_seen_in_the_slave(self) -> None:
        """By another master, too; and it is audited."""
        device = self.add("written")
        agent = self.agent(device)
        try:
            wait_until(lambda: self.has_all("written"), "the first values")
            command = {"point": "setpoint", "value": 61.5}
            refused = self.assertRaises(ApiError, self.daemon.api, "POST", "/devices/written/commands", command)
            self.assertEqual(refused.status, 403)
            self.assertIn("smok device set written --may-write", refused.problem["detail"])
            self.daemon.api("PATCH", "/devices/written", {"may_write": True})
            done = self.daemon.api("POST", "/devices/written/commands", command, Prefer="wait=30")
            self.assertEqual(
                [done[key] for key in ("state", "point", "value", "before", "read_back")],
                ["confirmed", "setpoint", 61.5, 55.0, 61.5],
            )
            with ModbusTcpClient("127.0.0.1", port=self.slave_port) as master:
                self.assertEqual(master.read_holding_registers(11, count=1, device_id=1).registers, [615])
                master.write_register(11, 550, device_id=1)
            (entry,) = wait_until(lambda: self.audited("write"), "the audit entry")
            self.assertEqual((entry["who"], entry["detail"]["pdu"]), ("admin", "06000b0267"))
        finally:
            agent.end()

    def audited(self, action: str) -> list[dict[str, Any]]:
        return [one for one in self.daemon.api("GET", "/audit")["audit"] if one["action"] == action]

    def test_readings_of_the_meantime_arrive_once_each(self) -> None:
        """The server is killed and started again: no second of the outage is missing, none is there twice."""
        agent = self.agent(self.add("meantime"))
        try:
            wait_until(lambda: self.has_all("meantime"), "the first values")
            before_ms = int(time.time() * 1000)
            self.daemon.end(signal.SIGKILL)
            time.sleep(5)
            self.daemon.start()
            after_ms = int(time.time() * 1000)
            wait_until(lambda: self.caught_up("meantime", after_ms + 2000), "the agent's return", 120)
            times = self.daemon.api("GET", "/devices/meantime/series?point=outside")["time"]
            outage = [time_ms for time_ms in times if before_ms - 1000 <= time_ms <= after_ms + 1000]
            steps = [later - earlier for earlier, later in itertools.pairwise(outage)]
            self.assertGreaterEqual(len(outage), 5)
            self.assertTrue(all(500 < step < 1500 for step in steps), steps)
        finally:
            agent.end()

    def caught_up(self, name: str, until_ms: int) -> bool:
        times = self.daemon.api("GET", f"/devices/{name}/series?point=outside")["time"]
        return bool(times) and times[-1] >= until_ms

    def test_a_secret_is_changed_over_the_link(self) -> None:
        """KEYUPDATE, KEYOK; the agent logs in with the new secret from then on, also after both were restarted."""
        device = self.add("rotated")
        agent = self.agent(device)
        wait_until(lambda: self.has_all("rotated"), "the first values")
        answer = self.daemon.api("POST", "/devices/rotated/secret", {"in_session": True})
        self.assertEqual((answer["kid"], "secret" in answer), (1, False))
        time.sleep(1)
        agent.end()
        self.daemon.end()
        self.daemon.start()
        old = self.independent(device)
        old.connect()
        old.close()
        for _ in range(3):
            agent = self.agent(device)
            wait_until(lambda: self.daemon.api("GET", "/devices/rotated")["connected"], "the agent's return")
            agent.end()
            wait_until(lambda: not self.daemon.api("GET", "/devices/rotated")["connected"], "the agent's end")
        old.open()
        old.hello()
        self.assertRaises(ConnectionError, old.login)

    def test_strangers_learn_nothing(self) -> None:
        """Wrong secret, unknown id, replayed login: each gets a choice of 9 octets, then silence, then the end."""
        device = self.add("stranger")
        good = self.independent(device)
        good.connect()
        wrong = self.independent({**device, "secret": "00" * 20})
        unknown = self.independent({**device, "id": "0x00000000deadbeef"})
        for stranger in (wrong, unknown):
            stranger.open()
            self.assertEqual(len(stranger.hello()), 9)
            self.assertRaises(ConnectionError, stranger.login)
        replay = self.independent(device)
        replay.open()
        replay.hello()
        replay.send_raw(good.sent[0])
        self.assertEqual(replay.read_until_closed(), b"")
        good.send_ping()
        good.receive()
        good.close()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.daemon.web}/metrics", timeout=10) as answer:
            metrics = answer.read().decode()
        for reason, count in {"wrong-secret": 2, "unknown-device": 1}.items():
            self.assertIn(f'smok_violations_total{{link="smok4",reason="{reason}"}} {count}.0', metrics)
        log = self.daemon.process.output() if self.daemon.process else ""
        self.assertEqual(log.count("smok4 from 127.0.0.1"), 1)  # one line a source and minute
        self.assertNotIn("Traceback", log)

    def test_probes_are_closed(self) -> None:
        """F19: HTTP, TLS and garbage end within 20 octets, without an answer."""
        for probe in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes.fromhex("16030100f5010000f1") + bytes(60), bytes(20)):
            with socket.create_connection(("127.0.0.1", self.daemon.smok4), 5) as stranger:
                stranger.sendall(probe)
                self.assertEqual(self.all_of(stranger), b"")

    @staticmethod
    def all_of(connection: socket.socket) -> bytes:
        try:
            return connection.recv(100)
        except ConnectionResetError:
            return b""

    def test_a_client_that_shares_no_code(self) -> None:
        """Written from the protocol's text alone: it logs in, takes its plan, delivers, answers, in both suites."""
        for suite in (1, 2):
            device = self.add(f"outsider-{suite}", suite=suite, may_write=True)
            client = self.independent(device, suite=suite)
            self.assertEqual(client.connect().cursor, 0)
            client.send_planok(0)
            plan = client.receive()
            assert isinstance(plan, Plan)
            client.handle(plan, {})
            self.assertEqual([(one.table, one.start, one.count) for one in plan.blocks], [(1, 5, 1), (3, 10, 6)])
            words = tuple(pymodbus_slave.HOLDING.values())
            client.send_data(1, [Round(0, (Report(0, (1,)), Report(1, words)))])
            self.assertEqual(client.receive().batch, 1)
            name = device["name"]
            self.assertEqual({key: one["value"] for key, one in self.values(name).items()}, VALUES)
            client.close()
            again = self.independent(device, suite=suite)
            self.assertEqual(again.connect().cursor, 1)
            again.close()

    def test_a_first_generation_device(self) -> None:
        """P24: accepted by its allow entry only, marked as unauthenticated, polled by plan, written to when allowed."""
        self.refused_p24(0x30001)
        allowed = {"link": "p24", "id": "0x30001", "from": ["127.0.0.0/8"]}
        self.daemon.api("POST", "/devices", {"name": "old", "model": "plant", **allowed})
        box = P24Box(self.daemon.p24, 0x30001)
        box.registers = dict(pymodbus_slave.HOLDING)
        box.coils = dict(pymodbus_slave.COILS)
        box.start()
        self.addCleanup(box.close)
        wait_until(lambda: self.values("old")["outside"]["value"] is not None, "the first values")
        wait_until(lambda: {name: one["value"] for name, one in self.values("old").items()} == VALUES, "all values")
        self.assertEqual({one["quality"] for one in self.values("old").values()}, {"unauthenticated"})
        command = {"point": "setpoint", "value": 60}
        refused = self.assertRaises(ApiError, self.daemon.api, "POST", "/devices/old/commands", command)
        self.assertEqual(refused.status, 403)
        self.daemon.api("PATCH", "/devices/old", {"may_write": True})
        done = self.daemon.api("POST", "/devices/old/commands", command, Prefer="wait=30")
        self.assertEqual((done["state"], done["read_back"], box.registers[11]), ("confirmed", 60.0, 600))
        series = wait_until(lambda: self.series_of("old", "setpoint", 3), "its history")
        self.assertIn(60.0, series["value"])

    def refused_p24(self, device_id: int) -> None:
        stranger = P24Box(self.daemon.p24, device_id)
        stranger.run()
        self.assertEqual(stranger.accepted, b"\x01\xfe")

    def test_kill_9_under_load(self) -> None:
        """Three cycles of what ``make soak`` does a hundred times: nothing acknowledged is missing or there twice."""
        folder = self.folder / "kill"
        folder.mkdir()
        figures = kill_loop(folder, cycles=3, devices=2)
        self.assertEqual((figures["missing"], figures["duplicated"]), (0, 0))
        self.assertGreater(figures["acknowledged"], 100)
        self.assertGreater(figures["logins"], 4)
