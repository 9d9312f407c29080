"""Promise: values and histories leave right to the last digit, with their age, and gaps stay gaps."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.clock import rfc3339

from .web_rig import BOILER, NOW, NOW_US, Rig

MINUTE_MS = 60_000


class Points(SynchronousTestCase):
    def test_are_those_of_the_register_map(self):
        """All that is needed to show a point, and to offer a new value for it."""
        rig = Rig()
        rig.add_boiler()
        points = rig.ask("GET", "/devices/boiler-1/points").json["points"]
        setpoint = {
            "point": "setpoint",
            "title": "setpoint",
            "unit": "°C",
            "type": "INT16",
            "access": "rw",
            "min": 30,
            "max": 80,
            "precision": 1,
            "states": None,
            "importable": True,
        }
        self.assertEqual(points[1], setpoint)
        self.assertEqual(points[2]["states"], {"0": "summer", "1": "winter"})
        self.assertEqual([point["precision"] for point in points], [1, 1, 0, None, 0, None])

    def test_old_ones_are_there_if_wanted(self):
        """Those of an earlier register map, after the map's own."""
        rig = Rig()
        rig.add_boiler()
        text = BOILER.replace('name = "pump"', 'name = "motor"').replace("address = 5", "address = 6")
        self.assertEqual(rig.ask("POST", "/models", text.encode()).status, 201)
        for query, names in (("", ["motor"]), ("?old=1", ["motor", "pump"])):
            found = rig.ask("GET", f"/devices/boiler-1/points{query}").json["points"]
            self.assertEqual([one["point"] for one in found[5:]], names)


class LatestValues(SynchronousTestCase):
    def setUp(self):
        self.rig = Rig()
        self.rig.add_boiler()

    def values(self, query=""):
        return self.rig.ask("GET", f"/devices/boiler-1/values{query}").json

    def test_have_value_unit_time_age_and_quality(self):
        """41 tenths of a degree below zero are -4.1, not -4.1000000000000005."""
        self.rig.report(12.5, 0x8029, batch=1)
        answer = self.rig.ask("GET", "/devices/boiler-1/values")
        outside = {
            "point": "outside",
            "title": "Outside temperature",
            "value": -4.1,
            "unit": "°C",
            "time": rfc3339(NOW_US - 12_500_000),
            "age": 12.5,
            "quality": "good",
            "raw": [0x8029],
        }
        self.assertEqual(answer.json["values"][0], outside)
        self.assertEqual((answer.json["device"], answer.json["connected"]), ("0x0000000000000001", False))
        self.assertIn(b'"value":-4.1,', answer.body)

    def test_no_answer_is_never_a_number(self):
        """A unit that is silent has the quality timeout and no value."""
        self.rig.report(1, None, batch=1)
        outside = self.values()["values"][0]
        self.assertEqual((outside["value"], outside["quality"], outside["raw"]), (None, "timeout", []))

    def test_old_ones_are_stale(self):
        """The value stays, and says that it is old."""
        self.rig.report(1, 41, batch=1)
        self.rig.clock.advance(3600)
        outside = self.values()["values"][0]
        self.assertEqual((outside["value"], outside["quality"], outside["age"]), (4.1, "stale", 3601))

    def test_are_never_younger_than_now(self):
        """A clock that was set back makes no negative age."""
        self.rig.report(-30, 41, batch=1)
        self.assertEqual(self.values()["values"][0]["age"], 0)

    def test_do_not_freeze_when_the_clock_is_set_back(self):
        """F16: what was read before is stale, what is read from then on is the value."""
        self.rig.report(1, 41, batch=1)
        self.rig.now_us -= 3_600_000_000
        self.assertEqual(self.values()["values"][0]["quality"], "stale")
        self.rig.report(1, 50, batch=2)
        self.assertEqual([self.values()["values"][0][name] for name in ("value", "quality")], [5.0, "good"])

    def test_a_silent_device_is_seen_when_the_clock_is_set_back(self):
        """F16: its last contact is an age, and goes on growing."""
        session = self.rig.connect()
        self.rig.registry.find("boiler-1").detach(session, "silent")
        self.rig.now_us -= 3_600_000_000
        self.rig.clock.advance(90)
        self.assertEqual(self.rig.ask("GET", "/devices/boiler-1").json["age"], 90)

    def test_list_every_point_that_can_be_read(self):
        """What was never read is there without a value; what can only be written is not."""
        values = self.values()["values"]
        self.assertEqual([one["point"] for one in values], ["outside", "setpoint", "season", "label", "pump"])
        self.assertEqual([one["time"] for one in values], [None] * 5)

    def test_are_read_fast_while_somebody_looks(self):
        """``watch=1`` asks the device at once; a look without it does not."""
        session = self.rig.connect()
        self.values()
        self.values("?watch=0")
        self.assertEqual(session.asked, [])
        self.values("?watch=1")
        self.rig.clock.pump([0.1] * 3)
        values = {one["point"]: one["value"] for one in self.values()["values"]}
        self.assertEqual(values, {"outside": -4.1, "setpoint": 55.0, "season": 1, "label": "abc", "pump": True})
        self.assertEqual(self.rig.ask("GET", "/devices/boiler-1/values?watch=yes").status, 400)


class History(SynchronousTestCase):
    def setUp(self):
        self.rig = Rig()
        self.rig.add_boiler()

    def series(self, query="", **headers):
        return self.rig.ask("GET", f"/devices/boiler-1/series?point=outside{query}", **headers)

    def fill(self, minutes):
        for batch, minute in enumerate(minutes, 1):
            self.rig.report(60 * minute, minute % 1000, batch)

    def test_is_what_was_read_in_the_last_day(self):
        """Without more words: 24 hours up to now, as it was read, oldest first."""
        self.fill([1500, 1440, 1439, 2, 1])
        answer = self.series().json
        now_ms = NOW_US // 1000
        times = [now_ms - minute * MINUTE_MS for minute in (1440, 1439, 2, 1)]
        times[2:2] = [times[1] + MINUTE_MS]
        self.assertEqual(answer["time"], times)
        self.assertEqual(answer["value"], [44.0, 43.9, None, 0.2, 0.1])
        self.assertEqual((answer["unit"], answer["step"], answer["point"]), ("°C", None, "outside"))
        self.assertNotIn("min", answer)

    def test_a_fault_is_a_gap(self):
        """No line is drawn across a time-out."""
        self.fill([3])
        self.rig.report(120, None, batch=2)
        self.rig.report(60, 7, batch=3)
        self.assertEqual(self.series().json["value"], [0.3, None, 0.7])

    def test_from_and_to(self):
        """The begin belongs to it, the end does not."""
        self.fill([5, 4, 3, 2])
        begin, end = rfc3339(NOW_US - 300_000_000), rfc3339(NOW_US - 120_000_000)
        self.assertEqual(self.series(f"&from={begin}&to={end}").json["value"], [0.5, 0.4, 0.3])

    def test_reads_more_than_a_page_of_the_store(self):
        """Every row counts, and 3,000 entries are the most there is."""
        self.fill(range(3500, 0, -1))
        answer = self.series(f"&from={rfc3339(NOW_US - 3600 * 60 * 1_000_000)}").json
        self.assertLessEqual(len(answer["time"]), 3000)
        self.assertEqual(answer["step"], 180)
        self.assertEqual((min(answer["min"]), max(answer["max"])), (0.0, 99.9))

    def test_step_and_agg(self):
        """Ten minutes in one, which begin at a whole ten minutes."""
        self.fill(range(30, 0, -1))
        answer = self.series("&step=600&agg=last").json
        self.assertEqual({time % 600_000 for time in answer["time"]}, {0})
        self.assertEqual((answer["step"], answer["value"]), (600, [2.4, 1.4, 0.4, 0.1]))
        self.assertEqual((answer["min"], answer["max"]), ([2.4, 1.4, 0.4, 0.1], [3.0, 2.3, 1.3, 0.3]))
        self.assertEqual(self.series("&step=600").json["value"], [2.7, 1.9, 0.9, 0.2])

    def test_is_csv_for_who_wants_it(self):
        """One line per entry; nothing is written where there is a gap."""
        self.fill([2])
        self.rig.report(60, None, batch=2)
        lines = f"time,value\r\n{rfc3339(NOW_US - 120_000_000)},0.2\r\n{rfc3339(NOW_US - 60_000_000)},\r\n"
        for answer in (self.series("&format=csv"), self.series(Accept="text/csv")):
            self.assertEqual(answer.body.decode(), lines)
            self.assertEqual(answer.headers["Content-Type"], "text/csv; charset=utf-8")
        self.assertEqual(self.series("&format=json", Accept="text/csv").json["value"], [0.2, None])
        self.assertIn(b"time,value,min,max\r\n", self.series("&format=csv&step=60").body)

    def test_keeps_its_meaning_over_a_new_register_map(self):
        """What was read with the old scale is shown with the old scale."""
        self.fill([2])
        self.rig.ask("POST", "/models", BOILER.replace("scale = 0.1", "scale = 0.01", 1).encode())
        self.fill([1])
        self.assertEqual(self.series().json["value"], [0.2])  # batch 1 of this boot is there already
        self.rig.report(60, 1, batch=2)
        self.assertEqual(self.series().json["value"], [0.2, 0.01])

    def test_says_what_is_wrong(self):
        """Each parameter is named with its accepted form."""
        for query, status, words in [
            ("", 400, "point is missing; accepted is the name of a point, as /points lists them"),
            ("point=insid", 404, "there is no point 'insid' in model 'boiler', which has outside, setpoint"),
            ("point=outside&from=yesterday", 400, 'from = "yesterday" is not accepted: an RFC 3339 time such as'),
            ("point=outside&from=2026-01-31T12:00:00+01:00", 400, "(in a query, + is written %2B)"),
            (f"point=outside&from={NOW}&to={NOW}", 422, "the series ends before it begins: `from` must be before"),
            ("point=outside&step=0", 422, "step = 0 is not accepted: a whole number from 1 to"),
            ("point=outside&step=1m", 400, 'step = "1m" is not accepted: a whole number from 1 to'),
            ("point=outside&agg=median", 400, 'agg = "median" is not accepted: one of mean, min, max, last'),
            ("point=season&agg=mean", 422, "agg 'mean' is not accepted for point 'season': one of last, min, max"),
            ("point=outside&format=xml", 400, 'format = "xml" is not accepted: one of json, csv'),
        ]:
            answer = self.rig.ask("GET", f"/devices/boiler-1/series?{query}")
            self.assertEqual(answer.status, status, query)
            self.assertIn(words, answer.detail)
