"""A capture fills the history of a store up, and nothing that a device brings by itself suffers from it."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.devices.registry import Registry
from smok_twisted.devices.retention import Retention
from smok_twisted.errors import NotFound, UserError
from smok_twisted.history.packer import Packer
from smok_twisted.history.reader import History
from smok_twisted.history.slices import Span
from smok_twisted.modbus.maps import RegisterMap, parse_map
from smok_twisted.modbus.plan import plan_blocks
from smok_twisted.observe.pcap import PacketReader
from smok_twisted.observe.streams import pieces
from smok_twisted.readings import FIRST_UNTOLD_PLAN, UNAUTHENTICATED, BlockReport, Report, Table
from smok_twisted.replay.findings import Findings, Reading
from smok_twisted.replay.owners import Wish
from smok_twisted.replay.player import replay
from smok_twisted.replay.smok4_messages import Known
from smok_twisted.replay.store import Filler, Outcome
from smok_twisted.storage.memory import MemoryData, MemoryStore
from smok_twisted.storage.records import HOUR_US, Batch, Cursor, DeviceRecord, ModelRecord

from .replay_rig import Told
from .server_in_memory import result_of
from .test_fixtures import MODEL, Fixture

AGENT = Fixture("smok4-agent")
AGENT_ID = int(next(one["device"] for one in AGENT.expected["conversations"] if "device" in one), 16)
P24 = Fixture("p24")
MODBUS = Fixture("modbus-tcp-libmodbus")
NOW_US = 1_800_000_000_000_000
YEAR_US = 365 * 24 * HOUR_US


def random(octets: int) -> bytes:
    return bytes(octets - 1) + b"\x2a"


class Case(SynchronousTestCase):
    """``store`` has the device of the agent's capture, and nothing else."""

    def setUp(self) -> None:
        self.store = MemoryStore(MemoryData())
        result_of(self.store.open())
        result_of(self.store.save_model(ModelRecord(MODEL.name, MODEL.version, MODEL.text, NOW_US)))
        result_of(self.store.save_device(DeviceRecord(AGENT_ID, "plant", "plant", NOW_US)))

    def keep(self, fixture: Fixture, secrets: bool = True, **wish: Any) -> Outcome:
        snapshot = result_of(self.store.open())
        filler = Filler(self.store, snapshot, Wish(**wish), Clock(), lambda: NOW_US, random)
        known = filler.known(Known(list(fixture.secrets) if secrets else []))
        with fixture.file.open("rb") as file:
            found = replay(pieces(PacketReader(file, fixture.name)), known)
        return self.outcome(filler, found)

    def outcome(self, filler: Filler, found: list[Findings]) -> Outcome:
        return result_of(Deferred.fromCoroutine(filler.keep(found, "ola", "site.pcap")))

    def refused(self, kind: type[UserError], *given: Any, **wish: Any) -> str:
        before = json.dumps(self.store.data, default=repr)
        text = str(self.assertRaises(kind, self.keep, *given, **wish))
        self.assertEqual(json.dumps(self.store.data, default=repr), before)
        self.assertNotIn("\n", text)
        return text

    def history(self, device_id: int = AGENT_ID) -> list[Report]:
        return result_of(self.store.reports(device_id, 0, 2 * NOW_US, 10_000))

    def registry(self) -> Registry:
        """What the daemon would load."""
        registry = Registry(self.store, Clock(), lambda: NOW_US, random)
        registry.load(result_of(self.store.open()))
        result_of(registry.start())
        return registry

    def values(self) -> dict[str, Any]:
        device = self.registry().devices[AGENT_ID]
        return {one.point.name: one.value for one in device.point_values(NOW_US)}


class Smok4(Case):
    def test_the_readings_of_the_capture(self) -> None:
        """Every report that the device sent and the server acknowledged is in the history, and is the latest value."""
        self.registry()
        (kept,) = self.keep(AGENT, device="plant").kept
        (shape,) = [one for one in AGENT.expected["conversations"] if one["protocol"] == "smok4"]
        told = [(one["batch"], one["words"]) for one in shape["readings"] if one["batch"] is not None]
        stored = [(report.batch, list(one.words)) for report in self.history() for one in report.blocks]
        self.assertEqual(sorted(stored), sorted(told))
        self.assertEqual(len(kept.filled.new), len({batch for batch, _ in told}))
        self.assertEqual(self.values()["setpoint"], 61.5)

    def test_again(self) -> None:
        """Nothing is stored the second time, nor added to the audit trail."""
        self.keep(AGENT, device="plant")
        before = self.history()
        (kept,) = self.keep(AGENT, device="plant").kept
        self.assertEqual((kept.filled.new, kept.filled.there), ([], len(before)))
        self.assertEqual(self.history(), before)
        (entry,) = result_of(self.store.audit())
        self.assertEqual((entry.who, entry.action, entry.device_id), ("ola", "device-replay", AGENT_ID))
        self.assertEqual(entry.detail, {"file": "site.pcap", "reports": len(before)})

    def test_what_the_daemon_has_stored_itself(self) -> None:
        """It stamped the same batches a little later; they are there already."""
        self.keep(AGENT, device="plant")
        own = [one._replace(time_us=one.time_us + 700, flags=0) for one in self.history()]
        self.setUp()
        self.registry()
        for report in own:
            result_of(self.store.append(Batch(AGENT_ID, report.boot, report.batch, (report,))))
        self.keep(AGENT, device="plant")
        self.assertEqual(self.history(), own)

    def test_a_live_device_goes_on_as_if_nothing_had_been(self) -> None:
        """The cursor stays: what the device brings above it is stored, what is below it is a repeat."""
        boot = next(one["boot"] for one in AGENT.expected["conversations"] if "boot" in one)
        self.registry()
        for live in (Cursor(boot, 300), Cursor(boot ^ 1, 4)):
            result_of(self.store.append(Batch(AGENT_ID, *live)))
            self.keep(AGENT, device="plant")
            snapshot = result_of(self.store.open())
            self.assertEqual(snapshot.cursors, {AGENT_ID: live})
            report = Report(AGENT_ID, NOW_US, live.boot, live.batch + 1, 0, 1, (BlockReport(0, (1,)),))
            result_of(self.store.append(Batch(AGENT_ID, live.boot, live.batch + 1, (report,))))
            self.assertIn(report, self.history())

    def test_the_number_of_a_plan_of_ours_is_none_that_a_device_holds(self) -> None:
        """Plans for the points of a map count from above, where no number of a device is drawn."""
        self.keep(MODBUS, device="plant")
        registry = self.registry()
        device = registry.devices[AGENT_ID]
        self.assertEqual(sorted(device.views), [0x2A, 0xFFFF])
        result_of(registry.add_model(MODEL.text + "\n# another version\n"))
        self.assertEqual(device.wanted.number, 0x2B)
        self.assertIsNone(device.blocks_of(0xFFFF))

    def test_a_plan_that_only_the_store_knows(self) -> None:
        """A capture that begins after the plan was told is read by the store's plan of that number."""
        self.registry()
        snapshot = result_of(self.store.open())
        filler = Filler(self.store, snapshot, Wish(), Clock(), lambda: NOW_US, random)
        self.assertEqual(filler.known(Known()).plans, {(AGENT_ID, 0x2A): plan_blocks(MODEL)})

    def test_sealed(self) -> None:
        """Without the secret it brings nothing, and says what would."""
        outcome = self.keep(AGENT, secrets=False, device="plant")
        self.assertIn("sealed: --secret", " ".join(outcome.left_out.values()))

    def test_of_another_device(self) -> None:
        """Only that of the named one goes in."""
        result_of(self.store.save_device(DeviceRecord(7, "other", "plant", NOW_US)))
        outcome = self.keep(AGENT, device="other")
        self.assertIn(f"of device {AGENT_ID:#018x}", outcome.left_out.values())
        self.assertEqual(self.history(), [])


class Modbus(Case):
    def test_values_of_points(self) -> None:
        """What mbpoll read are values of the device that the user names."""
        self.keep(MODBUS, device="plant")
        wanted = {"outside": -4.1, "setpoint": 55.0, "flow": 3.14, "counter": 2**32 - 2, "pump": True}
        self.assertEqual(self.values(), wanted)
        self.assertTrue(all(report.plan >= FIRST_UNTOLD_PLAN for report in self.history()))
        before = self.history()
        self.keep(MODBUS, device="plant")
        self.assertEqual(self.history(), before)

    def test_whose_they_are(self) -> None:
        """MODBUS does not say: the user must."""
        self.assertIn("name the device by --device", self.refused(UserError, MODBUS))

    def test_an_older_version_of_the_map(self) -> None:
        """Registers mean what the map says that is given, if the store knows it."""
        newer = MODEL.text.replace("scale = 0.1", "scale = 0.5", 1)
        result_of(self.registry().add_model(newer))
        self.keep(MODBUS, device="plant", register_map=MODEL)
        self.assertEqual(self.values()["outside"], -4.1)


class OverP24(Case):
    def test_what_the_daemon_has_stored_itself(self) -> None:
        """A capture of the daemon's own reading adds nothing to its store: no value, and no refusal of the unit."""
        device_id, begun_us = 0x30001, NOW_US - YEAR_US
        result_of(self.store.save_device(DeviceRecord(device_id, "box", "plant", NOW_US, link="p24")))
        view = self.registry().devices[device_id].wanted
        number, block = next((at, one) for at, one in enumerate(view.blocks) if one.table == Table.COIL)
        own = [
            Report(device_id, begun_us, 9, 1, 0, view.number, (BlockReport(number, (1,)),), UNAUTHENTICATED),
            Report(device_id, begun_us + HOUR_US, 9, 2, 0, view.number, (BlockReport(number, (), 1),), UNAUTHENTICATED),
        ]
        for report in own:
            result_of(self.store.append(Batch(device_id, report.boot, report.batch, (report,))))
        findings = Findings(Told(2405).conversation, "p24", {"device": f"{device_id:#018x}"})
        where = block.unit, block.table, block.start
        findings.readings += [
            Reading(begun_us - 700, *where, (1,), size=1),
            Reading(begun_us + HOUR_US - 700, *where, (), 1, size=1),
        ]
        filler = Filler(self.store, result_of(self.store.open()), Wish(), Clock(), lambda: NOW_US, random)
        (kept,) = self.outcome(filler, [findings]).kept
        self.assertEqual((kept.filled.new, self.history(device_id)), ([], own))


class Packed(Case):
    """History is packed, and its log forgotten: neither hides anything, nor makes anything come twice."""

    def pack(self) -> None:
        registry = self.registry()
        fleet = Retention(registry, None, {})
        packer = Packer(self.store, fleet, Clock(), lambda: NOW_US, lambda kind, text: self.fail(text))
        for one in result_of(self.store.unpacked(0, NOW_US // HOUR_US)):
            result_of(packer.pack(one))
        result_of(self.store.forget(AGENT_ID, NOW_US, 0))
        self.assertEqual(super().history(), [])

    def history(self, device_id: int = AGENT_ID) -> list[Report]:
        async def whole() -> list[Report]:
            pages = History(self.store).reports(device_id, Span(NOW_US - 10 * YEAR_US, NOW_US))
            return [report async for page in pages for report in page]

        return result_of(Deferred.fromCoroutine(whole()))

    def test_again(self) -> None:
        """What is packed is there already: of the device's own reports, and of what somebody else read."""
        self.registry()
        for fixture in (AGENT, MODBUS):
            self.keep(fixture, device="plant")
        before = self.history()
        self.pack()
        self.assertEqual(self.history(), before)
        for fixture in (AGENT, MODBUS):
            (kept,) = self.keep(fixture, device="plant").kept
            self.assertEqual(kept.filled.new, [])
        self.assertEqual(self.history(), before)

    def test_fast_readings_stay(self) -> None:
        """A master that reads the same registers ten times a second has each of its readings in the packed history."""
        self.registry()
        snapshot = result_of(self.store.open())
        filler = Filler(self.store, snapshot, Wish(device="plant"), Clock(), lambda: NOW_US, random)
        begun_us = NOW_US - YEAR_US
        findings = Findings(Told(502).conversation, "modbus-tcp")
        for at in range(50):
            findings.readings.append(Reading(begun_us + 100_000 * at, 1, Table.HOLDING, 11, (at,), size=1))
        self.outcome(filler, [findings])
        self.pack()
        self.assertEqual([one.blocks[0].words for one in self.history()], [(at,) for at in range(50)])


class Adding(Case):
    def test_a_device_that_is_missing(self) -> None:
        """It is added with its map, without a secret, and never written to; the id is the one in the capture."""
        self.store = MemoryStore(MemoryData())
        result_of(self.store.open())
        wish = {"device": "lab", "register_map": MODEL, "may_add": True}
        self.assertTrue(self.keep(AGENT, **wish).kept[0].is_added)
        snapshot = result_of(self.store.open())
        self.assertEqual(snapshot.devices[AGENT_ID], DeviceRecord(AGENT_ID, "lab", "plant", NOW_US))
        self.assertEqual((snapshot.credentials, snapshot.cursors), ({}, {}))
        self.assertEqual(self.values()["setpoint"], 61.5)
        self.assertFalse(self.keep(AGENT, **wish).kept[0].is_added)

    def test_of_modbus_alone(self) -> None:
        """It is given an id."""
        self.keep(MODBUS, device="lab", register_map=MODEL, may_add=True)
        self.assertEqual([report.device_id for report in self.history(0x2A)], [0x2A] * len(self.history(0x2A)))
        self.assertGreater(len(self.history(0x2A)), 1)

    def test_with_something_to_keep(self) -> None:
        """A map of other registers adds neither itself nor a device."""
        other = parse_map('name = "other"\npoint = [{ name = "level", register = "input", address = 900 }]')
        before = json.dumps(self.store.data, default=repr)
        (kept,) = self.keep(MODBUS, device="lab", register_map=other, may_add=True).kept
        self.assertEqual((kept.is_added, kept.filled.new, kept.filled.left_out.total() > 0), (False, [], True))
        self.assertEqual(json.dumps(self.store.data, default=repr), before)

    def test_not_without_being_asked(self) -> None:
        """The refusal names the command that adds it."""
        text = self.refused(NotFound, MODBUS, device="cellar")
        self.assertIn("`smok device add cellar --model MODEL` adds it while the daemon runs", text)
        text = self.refused(NotFound, P24)
        self.assertIn("device 0x0000000000030001 of conversation 2 is not in the store", text)
        self.assertIn("`smok device add NAME --model MODEL --id 0x30001` adds it", text)

    def test_what_it_needs(self) -> None:
        """A name and a map."""
        for wish in ({"device": "lab"}, {"register_map": MODEL}):
            self.assertIn("--add needs --device", self.refused(UserError, MODBUS, may_add=True, **wish))

    def test_another_version_of_a_map(self) -> None:
        """Is never slipped in: other devices may read by the one that is there."""
        other: RegisterMap = parse_map(MODEL.text + "\n# other\n")
        for may_add in (True, False):
            text = self.refused(UserError, MODBUS, device="plant", register_map=other, may_add=may_add)
            self.assertIn("`smok map import FILE` gives it to the daemon", text)

