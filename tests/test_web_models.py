"""Promise: register maps go in as the TOML that users write, are refused with the place that is wrong, and come out
as they were written; and what happened and who did what can be read page by page."""

from __future__ import annotations

from twisted.internet.defer import fail
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import StorageError
from smok_twisted.storage.records import EventRecord

from .web_rig import BOILER, NOW, Rig


class Models(SynchronousTestCase):
    def setUp(self):
        self.rig = Rig()

    def add(self, text):
        return self.rig.ask("POST", "/models", text.encode(), Content_Type="application/toml")

    def test_go_in_and_come_out(self):
        """The answer names the version; the TOML comes back to the octet."""
        answer = self.add(BOILER)
        self.assertEqual(answer.status, 201)
        self.assertEqual((answer.json["name"], answer.json["points"]), ("boiler", 6))
        self.assertEqual(answer.headers["Location"], "/api/v1/models/boiler")
        text = self.rig.ask("GET", "/models/boiler")
        self.assertEqual((text.body.decode(), text.headers["Content-Type"]), (BOILER, "application/toml"))
        self.assertEqual(self.rig.ask("GET", "/models").json, {"models": [answer.json]})

    def test_a_new_version_takes_the_place_of_the_old_one(self):
        """Its devices read by it from then on."""
        first = self.add(BOILER).json
        self.rig.add_boiler()
        second = self.add(BOILER.replace("60s", "30s")).json
        self.assertNotEqual(second["version"], first["version"])
        self.assertEqual(self.rig.ask("GET", "/models").json["models"], [second])
        self.assertEqual(self.rig.ask("GET", "/devices/boiler-1").json["model_version"], second["version"])

    def test_say_what_is_wrong(self):
        """The point, the key, the reason and the accepted form; nothing is kept."""
        for text, words in [
            ("name = ", "the model: this is not TOML: Invalid value (at end of document)"),
            ("", "the model: name is missing, accepted is small letters, digits and -"),
            (BOILER.replace("SM16", "SM17"), 'the model: point "outside": type = "SM17" is not accepted'),
            (BOILER.replace('access = "w"', 'acces = "w"'), 'unknown key "acces", did you mean "access"?'),
            (BOILER.replace("60s", "1500ms"), "interval = 1500ms cannot be planned, accepted are whole seconds"),
        ]:
            answer = self.add(text)
            self.assertEqual((answer.status, answer.json["title"]), (400, "Bad Request"))
            self.assertIn(words, answer.detail)
        answer = self.rig.ask("POST", "/models", b"name = '\xff'")
        self.assertEqual(answer.detail, "the model is not UTF-8 at octet 8; accepted is TOML in UTF-8")
        self.assertEqual(self.rig.ask("GET", "/models").json, {"models": []})
        self.assertEqual(self.rig.store.data.models, {})

    def test_what_is_unknown_is_said_so(self):
        """With where to look."""
        answer = self.rig.ask("GET", "/models/nope")
        self.assertEqual(answer.status, 404)
        self.assertEqual(answer.detail, "model 'nope' does not exist; /models lists those that do")


class Trails(SynchronousTestCase):
    def setUp(self):
        self.rig = Rig()
        self.rig.add_boiler()

    def pages(self, path, name, key):
        """Everything, by following ``next``; and how many pages it took."""
        seen, after, pages = [], "", 0
        path += "&limit=4" if "?" in path else "?limit=4"
        while after is not None and pages < 9:
            answer = self.rig.ask("GET", path + (after and f"&cursor={after}")).json
            seen += [entry[key] for entry in answer[name]]
            after, pages = answer["next"], pages + 1
        return seen, pages

    def test_events(self):
        """What happened, newest first, to one device or anywhere."""
        device = self.rig.registry.find("boiler-1")
        for number in range(8):
            self.rig.registry.tell(device, "device-event", f"event {number}", "high")
        self.rig.store.append_event(EventRecord(self.rig.now_us, "storage", "high", "the disk is full"))
        self.assertEqual(self.pages("/events", "events", "id"), (list(range(9, 0, -1)), 3))
        self.assertEqual(self.pages("/devices/boiler-1/events", "events", "id"), (list(range(8, 0, -1)), 2))
        event = {
            "id": 8,
            "time": NOW,
            "device": "0x0000000000000001",
            "kind": "device-event",
            "severity": "high",
            "text": "event 7",
            "acknowledged_by": None,
        }
        answer = self.rig.ask("GET", "/events?limit=2").json
        self.assertEqual((answer["events"][1], answer["next"]), (event, "8"))
        self.assertIsNone(answer["events"][0]["device"])

    def test_audit(self):
        """Who did what, newest first; of one device, if one is named."""
        for number in range(5):
            self.rig.ask("PATCH", "/devices/boiler-1", {"site": f"site {number}"}, source="192.0.2.5")
        self.assertEqual(self.pages("/audit", "audit", "seq"), (list(range(7, 0, -1)), 2))
        self.assertEqual(self.pages("/audit?device=boiler-1", "audit", "seq"), (list(range(7, 1, -1)), 2))
        entry = self.rig.ask("GET", "/audit").json["audit"][0]
        self.assertEqual((entry["who"], entry["source"], entry["detail"]), ("admin", "192.0.2.5", {"site": "site 4"}))
        self.assertEqual(entry["hash"], self.rig.store.data.audit[-1].hash.hex())
        self.assertEqual(self.rig.ask("GET", "/audit?device=nope").status, 404)

    def test_what_is_done_is_done(self):
        """An audit trail that cannot be written does not undo it, and the log says so."""
        self.rig.store.append_audit = lambda *entry: fail(StorageError("the disk is full"))
        with capturedLogs() as logs:
            self.assertEqual(self.rig.ask("PATCH", "/devices/boiler-1", {"site": "x"}).status, 200)
        self.assertEqual([event["reason"] for event in logs], ["the disk is full"])

    def test_refuse_what_is_no_page(self):
        """Wrong limits and cursors are named."""
        for path in ("/events", "/audit", "/devices/boiler-1/events", "/devices/boiler-1/commands"):
            answer = self.rig.ask("GET", f"{path}?limit=0")
            self.assertEqual(answer.detail, "limit = 0 is not accepted: a whole number from 1 to 1000")
        for after in ("x", "-", "1.5"):
            self.assertEqual(self.rig.ask("GET", f"/audit?cursor={after}").status, 400)
        self.assertEqual(self.rig.ask("GET", "/audit?cursor=1").json, {"audit": [], "next": None})
        self.assertEqual(self.rig.ask("GET", f"/audit?cursor={10**17}").status, 422)
