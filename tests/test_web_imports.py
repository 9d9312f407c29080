"""Promise: what is posted as history is there once and exactly, beside the device's own, or it is said why not."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.clock import rfc3339
from smok_twisted.history.packing import packed
from smok_twisted.readings import FIRST_UNTOLD_PLAN
from smok_twisted.storage.records import HOUR_US

from .web_rig import BOILER, NOW_US, Rig

START_MS = 1_700_000_000_000
#: One bit of the register of ``season``, so it is read with it.
FLAG = '[[point]]\nname = "flag"\nregister = "holding"\naddress = 12\ntype = "BOOL"\nbit = 0\n'


class Api(SynchronousTestCase):
    """POST /devices/{id}/history"""

    def setUp(self):
        self.rig = Rig()
        self.rig.add_boiler()
        self.device = self.rig.registry.find("boiler-1")

    def post(self, point, *values, rounds=False, **changes):
        body = {"point": point, "time": [START_MS + 60_000 * n for n in range(len(values))], "value": list(values)}
        return self.rig.ask("POST", "/devices/boiler-1/history", body | {"round": rounds} | changes)

    def series(self, point):
        span = f"from={rfc3339(START_MS * 1000)}&to={rfc3339(START_MS * 1000 + HOUR_US)}"
        return self.rig.ask("GET", f"/devices/boiler-1/series?point={point}&{span}").json["value"]

    def test_becomes_history(self):
        said = self.post("outside", -4.1, 0, 21.3).json
        counts = {"stored": 3, "there": 0, "differ": 0, "refused": 0, "rounded": 0}
        self.assertEqual(said, counts | {"reasons": [], "differences": []})
        self.assertEqual(self.series("outside"), [-4.1, 0, 21.3])
        self.assertEqual(self.series("setpoint"), [])
        self.post("season", "winter", 0)
        self.post("label", "ab", "c")
        self.post("pump", True, False)
        found = [self.series(name) for name in ("season", "label", "pump")]
        self.assertEqual(found, [[1, 0], ["ab", "c"], [True, False]])

    def test_the_same_again_changes_nothing(self):
        """Not even when the log has been packed and has forgotten it; what is new is stored."""
        self.post("outside", 1, 2)
        before = self.rig.store.reports(self.device.record.device_id, 0, 1 << 62).result
        self.assertEqual(self.post("outside", 1, 2, 3).json["stored"], 1)
        self.assertEqual(self.post("outside", 9, 2, 9).json["there"], 1)
        self.assertEqual(self.series("outside"), [1, 2, 3])
        self.assertEqual(self.rig.store.reports(self.device.record.device_id, 0, 1 << 62).result[:2], before)
        self.pack()
        self.assertEqual(self.rig.store.reports(self.device.record.device_id, 0, 1 << 62).result, [])
        self.assertEqual(self.post("outside", 1, 2, 3, 4).json["stored"], 1)
        self.assertEqual(self.series("outside"), [1, 2, 3, 4])

    def test_another_value_for_the_same_time(self):
        """What is there is kept, and the difference is told; in the log, packed and within one request."""
        self.post("outside", 1, 2, 3)
        for _ in range(2):
            said = self.post("outside", 1, 2.5, 4).json
            self.assertEqual((said["stored"], said["there"], said["differ"], said["refused"]), (0, 1, 2, 0))
            self.assertEqual([one["index"] for one in said["differences"]], [1, 2])
            reason = "point 'outside' at 2023-11-14T22:14:20.000Z has the value 2.0, not 2.5"
            self.assertEqual(said["differences"][0]["reason"], reason)
            self.pack()
        self.assertEqual(self.series("outside"), [1, 2, 3])
        said = self.post("setpoint", 40, 41, 40, time=[START_MS] * 3).json
        self.assertEqual((said["stored"], said["there"], said["differ"]), (1, 1, 1))
        said = self.post("outside", *range(10, 20), time=[START_MS] * 10).json
        self.assertEqual((said["differ"], len(said["differences"])), (10, 5))

    def change_map(self, *changes):
        """A new version of the model."""
        text = BOILER
        for old, new in changes:
            text = text.replace(old, new)
        self.assertEqual(self.rig.ask("POST", "/models", text.encode()).status, 201)

    def test_a_point_that_was_renamed(self):
        """The same file again stores nothing twice, whatever a point is called by now, or how it is scaled."""
        self.post("outside", 1, 2)
        for changes in ([], [('"SM16"\nscale = 0.1', '"SM16"\nscale = 0.01')]):
            self.change_map(('"outside"', '"weather"'), *changes)
            said = self.post("weather", 1, 2).json
            self.assertEqual((said["stored"], said["there"], said["differ"]), (0, 2, 0))
            self.assertEqual(self.series("weather"), [1, 2])
            self.assertEqual(self.post("weather", 1, 3).json["differ"], 1)

    def test_a_point_that_was_moved(self):
        """It is known by its name then."""
        self.post("outside", 1, 2)
        self.change_map(("address = 10", "address = 25"))
        said = self.post("outside", 1, 2, 3).json
        self.assertEqual((said["stored"], said["there"], said["differ"]), (1, 2, 0))

    def test_two_points_of_the_same_registers(self):
        """What was imported for one is there for the other, too."""
        self.change_map(('name = "setpoint"', 'name = "cold"'), ("address = 11", "address = 10"))
        self.post("outside", 1, 2)
        said = self.post("cold", 1, 2, 3).json
        self.assertEqual((said["stored"], said["there"], said["differ"]), (1, 2, 0))
        self.assertEqual((self.series("outside"), self.series("cold")), ([1, 2, 3], [1, 2, 3]))

    def test_values_further_apart_than_the_map_has_them(self):
        """They are a line, and only where values are missing it is torn; also when they are packed, and summed up."""
        minutes = [*range(0, 48 * 60, 5), *range(52 * 60, 72 * 60, 5)]
        span = f"from={rfc3339(START_MS * 1000)}&to={rfc3339(START_MS * 1000 + 80 * HOUR_US)}"
        times = [START_MS + 60_000 * minute for minute in minutes]
        said = self.post("outside", *(n % 50 for n in range(len(times))), time=times, interval=300).json
        self.assertEqual(said["stored"], len(times))
        for _ in range(2):
            for step in ("", "&step=3600", "&step=600"):
                path = f"/devices/boiler-1/series?point=outside&{span}{step}"
                self.assertEqual(self.rig.ask("GET", path).json["value"].count(None), 1, step)
            self.pack()

    def test_an_interval_below_that_of_the_map(self):
        """The map's counts; and an interval of its own is a plan of its own, of which there is an end."""
        self.post("outside", 1, interval=5)
        self.post("outside", 1, 2)
        self.post("outside", 1, 2, 3, interval=60)
        self.assertEqual(len(self.device.views), 2)
        said = self.post("outside", 1, 2, 3, 4, interval=61).json
        self.assertEqual((said["stored"], said["there"], len(self.device.views)), (1, 3, 3))
        for interval in (0, 366 * 86_400 + 1):
            self.assertEqual(self.post("outside", 1, interval=interval).status, 422)
        self.device.views[FIRST_UNTOLD_PLAN] = self.device.views[0xFFFF]
        self.assertEqual(self.post("outside", 1, interval=62).json["there"], 1)  # nothing is stored, so none is needed
        answer = self.post("outside", 1, 2, 3, 4, 5, interval=62)
        self.assertEqual((answer.status, "has readings under 4096 plans of imports" in answer.detail), (422, True))

    def pack(self):
        """All of it; the log forgets."""
        store, device_id = self.rig.store, self.device.record.device_id
        for one in store.unpacked(0, 1 << 40).result:
            log = store.reports(device_id, one.hour * HOUR_US, (one.hour + 1) * HOUR_US).result
            chunks = dict(store.chunks(device_id, one.hour, one.hour + 1).result)
            days = dict(store.summaries(device_id, one.hour // 24, one.hour // 24 + 1).result)
            known = chunks.get(one.hour), days.get(one.hour // 24)
            store.save_packed(packed(one, log, *known, self.device.views), one.mark)
        store.forget(device_id, 1 << 62, 0)

    def test_is_beside_what_the_device_has_read(self):
        """It never displaces a report, a newer value or the cursor, and is never taken for one."""
        self.rig.report(10, 41, batch=1)
        data = self.rig.store.data.devices[self.device.record.device_id]
        cursor, latest = data.cursor, dict(data.latest)
        time = (NOW_US - 10_000_000) // 1000
        self.assertEqual(self.post("outside", 7, time=[time]).json["stored"], 1)
        self.assertEqual((data.cursor, {key: data.latest[key] for key in latest}), (cursor, latest))
        self.assertEqual(len(data.reports), 2)
        value = self.rig.ask("GET", "/devices/boiler-1/values").json["values"][0]["value"]
        self.assertEqual(value, 4.1)

    def test_two_points_of_one_moment(self):
        """Neither is taken for the other."""
        self.post("outside", 1)
        self.assertEqual(self.post("setpoint", 2).json["stored"], 1)
        self.assertEqual((self.series("outside"), self.series("setpoint")), ([1], [2]))

    def test_what_has_no_raw_value(self):
        """It is refused with the reason, or rounded when that was asked for; both are counted."""
        said = self.post("outside", 4.14, 1, "warm", 99999, -4.16).json
        self.assertEqual((said["stored"], said["refused"]), (1, 4))
        self.assertIn("4.14 has no raw value, the two nearest that have one", said["reasons"][0]["reason"])
        self.assertEqual([one["index"] for one in said["reasons"]], [0, 2, 3, 4])
        said = self.post("outside", 4.14, 1, "warm", 99999, -4.16, rounds=True).json
        self.assertEqual((said["stored"], said["there"], said["refused"], said["rounded"]), (2, 1, 2, 2))
        self.assertEqual(self.series("outside"), [4.1, 1, None, -4.2])

    def test_what_is_not_accepted(self):
        for point, values, changes, status, word in (
            ("nothing", [1], {}, 404, "there is no point 'nothing'"),
            ("doorbell", [1], {}, 422, "is not read"),
            ("outside", [1], {"time": []}, 400, "time has 0 entries and value has 1"),
            ("outside", [1], {"time": [-1]}, 422, "time is not accepted"),
            ("outside", [None], {}, 400, "value"),
            ("outside", [1], {"time": [1 << 42]}, 422, "time is not accepted"),
            ("outside", [1] * 1001, {}, 422, "up to 1000 times"),
        ):
            answer = self.post(point, *values, **changes)
            self.assertEqual((answer.status, word in answer.detail), (status, True), answer)

    def test_times_to_come(self):
        """Up to a day ahead clocks may be wrong; what is beyond is a refusal."""
        times = [NOW_US // 1000 + hours * 3_600_000 for hours in (-1, 23, 25, 24 * 365 * 50)]
        said = self.post("outside", 1, 2, 3, 4, time=times).json
        self.assertEqual((said["stored"], said["refused"]), (2, 2))
        self.assertEqual([one["index"] for one in said["reasons"]], [2, 3])
        self.assertIn("is more than a day ahead of the daemon's clock", said["reasons"][0]["reason"])

    def test_is_no_contact(self):
        """The device was not heard of, whatever was imported; not even after a restart."""
        now_ms = NOW_US // 1000
        self.post("outside", 1, 2, time=[now_ms - 60_000, now_ms + 3_600_000])
        for rig in (self.rig, Rig(self.rig.store.data)):
            self.assertIsNone(rig.ask("GET", "/devices/boiler-1").json["last_contact"])

    def test_shows_among_the_latest_values(self):
        """If it is newer than what is there, at once as after a restart; the device's next reading is newer."""
        now_ms = NOW_US // 1000
        self.rig.report(600, 41, batch=1)
        self.post("outside", 7, 8, time=[now_ms - 120_000, now_ms - 60_000])
        self.post("outside", 9, time=[now_ms - 900_000])
        again = Rig(self.rig.store.data)
        for rig in (self.rig, again):
            self.assertEqual(self.outside(rig), (8, "good"))
        self.post("outside", 10, time=[now_ms + 3_600_000])
        self.rig.report(5, 42, batch=2)
        self.assertEqual(self.outside(self.rig), (4.2, "good"))

    def outside(self, rig):
        """Value and quality of now."""
        value = rig.ask("GET", "/devices/boiler-1/values").json["values"][0]
        return value["value"], value["quality"]

    def test_a_number_beyond_all_numbers(self):
        """It is a refusal, not a fault of the daemon."""
        said = self.post("outside", 10**400, 1).json
        self.assertEqual((said["stored"], said["refused"]), (1, 1))

    def test_a_bit_of_a_register_is_refused(self):
        """Its other bits would be made up."""
        self.assertEqual(self.rig.ask("POST", "/models", (BOILER + FLAG).encode()).status, 201)
        self.assertIn("is a bit of a register", self.post("flag", True).detail)
        points = self.rig.ask("GET", "/devices/boiler-1/points").json["points"]
        self.assertEqual([point["point"] for point in points if not point["importable"]], ["doorbell", "flag"])

    def test_is_for_the_administrator_and_audited(self):
        body = {"point": "outside", "time": [], "value": []}
        self.assertEqual(self.rig.ask("POST", "/devices/boiler-1/history", body, token=None).status, 401)
        self.post("outside", 1, 2)
        [entry] = [one for one in self.rig.ask("GET", "/audit").json["audit"] if one["action"] == "history-import"]
        self.assertEqual((entry["who"], entry["detail"]), ("admin", {"point": "outside", "stored": 2}))

    def test_two_imports_at_once(self):
        """Each point has a plan of its own, however long the database takes to keep one."""
        save, waiting = self.rig.store.save_plan, []

        def slow(*arguments):
            waiting.append((Deferred(), arguments))
            return waiting[-1][0]

        self.patch(self.rig.store, "save_plan", slow)
        begun = [
            self.rig.begin("POST", "/devices/boiler-1/history", {"point": name, "time": [START_MS], "value": [40]})
            for name in ("outside", "setpoint")
        ]
        for _ in begun:
            saved, arguments = waiting.pop()
            save(*arguments).chainDeferred(saved)
        self.assertEqual([answer().json["stored"] for answer in begun], [1, 1])
        self.assertEqual((self.series("outside"), self.series("setpoint")), ([40], [40]))

    def test_the_device_keeps_its_plan(self):
        """What is imported has plans of its own, also after a restart."""
        wanted = self.device.wanted
        self.post("outside", 1)
        self.post("outside", 1, 2)
        self.assertEqual((self.device.wanted, len(self.device.views)), (wanted, 2))
        again = Rig(self.rig.store.data)
        self.assertEqual(again.registry.find("boiler-1").wanted, wanted)
