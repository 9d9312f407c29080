"""Promise: devices are added, listed, changed and removed as design note product says, and nothing is half done."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import StorageError
from smok_twisted.handshake.keyring import Slot
from smok_twisted.readings import Fault

from .web_rig import BOILER, NOW, NOW_US, Rig


class Adding(SynchronousTestCase):
    def setUp(self):
        self.rig = Rig()
        self.rig.ask("POST", "/models", BOILER.encode())

    def add(self, **members):
        return self.rig.ask("POST", "/devices", {"name": "boiler-1", "model": "boiler"} | members)

    def test_shows_the_secret_once(self):
        """The answer has all that goes into the device; nothing else ever shows the secret."""
        answer = self.add()
        self.assertEqual(answer.status, 201)
        added = answer.json
        self.assertEqual(list(added), ["id", "name", "model", "link", "suite", "kid", "secret"])
        self.assertEqual((added["link"], added["suite"], added["kid"], len(added["secret"])), ("smok4", 1, 0, 40))
        self.assertEqual(answer.headers["Location"], f"/api/v1/devices/{added['id']}")
        self.assertEqual(answer.headers["Cache-Control"], "no-store")
        seen = b"".join(self.rig.ask("GET", path).body for path in ("/devices", "/devices/boiler-1", "/audit"))
        self.assertNotIn(added["secret"].encode(), seen)

    def test_lets_it_log_in(self):
        """The secret that was shown is the one that a login is held against, also after a restart."""
        added = self.add(suite=2).json
        for rig in (self.rig, Rig(self.rig.store.data)):
            candidate = rig.keyring.find(int(added["id"], 16), 0, 2)
            self.assertEqual((candidate.secret.hex(), candidate.genuine), (added["secret"], True))
            self.assertEqual(len(candidate.secret), 32)

    def test_takes_everything_there_is_to_say(self):
        """Each member of the shape is kept."""
        answer = self.add(
            site="School",
            id="0xA11CE",
            link="p24",
            **{"from": ["10.0.0.0/8", "192.0.2.7"]},
            until="2027-01-31T13:00:00+01:00",
            may_write=True,
        )
        self.assertEqual(answer.json["id"], "0x00000000000a11ce")
        self.assertEqual((answer.json["kid"], answer.json["secret"]), (None, None))
        shown = self.rig.ask("GET", "/devices/659918").json
        self.assertEqual((shown["site"], shown["link"], shown["may_write"]), ("School", "p24", True))
        self.assertEqual(shown["from"], ["10.0.0.0/8", "192.0.2.7/32"])
        self.assertEqual((shown["until"], shown["created"]), ("2027-01-31T12:00:00.000Z", NOW))

    def test_may_not_write_unless_it_is_said(self):
        """A new device is never written to."""
        self.add()
        self.assertIs(self.rig.ask("GET", "/devices/boiler-1").json["may_write"], False)

    def test_says_what_is_wrong(self):
        """Each refusal names the member, the reason and the accepted form, and leaves nothing behind."""
        for members, status, words in [
            ({"name": 5}, 400, "name = 5 is not accepted: a text of one line"),
            ({"name": "5"}, 400, "device name '5' is not accepted: a name begins with a letter"),
            ({"name": "a\u202eb"}, 400, 'name = "a\u202eb" is not accepted: a text of one line'),
            ({"name": "0x12"}, 400, "a name begins with a letter"),
            ({"model": "nope"}, 404, "model 'nope' does not exist; `smok map import FILE` adds one"),
            ({"modell": "x"}, 400, "member 'modell' is unknown; accepted are name, model, site, id, link"),
            ({"id": 5}, 400, 'id = 5 is not accepted: a text with a number from 1 to 2**64 - 1, such as "0x0'),
            ({"id": "0xfffffffffffffffff"}, 400, "a text with a number from 1 to 2**64 - 1"),
            ({"id": "0"}, 422, "device id 0 is not accepted: a number from 1 to 2**64 - 1"),
            ({"link": "dtu"}, 422, 'link = "dtu" is not accepted: one of "smok4", "p24"'),
            ({"suite": 3}, 422, "suite = 3 is not accepted: one of 1, 2"),
            ({"suite": True}, 400, "suite = true is not accepted: one of 1, 2"),
            ({"from": "10.0.0.0/8"}, 400, 'from = "10.0.0.0/8" is not accepted: a list of networks such as'),
            ({"from": ["10.0.0.1/8"]}, 400, "10.0.0.1/8 has host bits set; accepted is a list of networks"),
            ({"from": [1]}, 400, "from = [1] is not accepted: a list of networks"),
            ({"until": "tomorrow"}, 400, 'until = "tomorrow" is not accepted: an RFC 3339 time such as 2026'),
            ({"until": "2027-01-31T12:00:00"}, 400, "an RFC 3339 time such as 2026-01-31T12:00:00Z"),
            ({"until": "9999-12-31T23:59:59-23:59"}, 400, "an RFC 3339 time"),
            ({"may_write": 1}, 400, "may_write = 1 is not accepted: true or false"),
            ({"link": "p24", "from": ["10.0.0.0/8"]}, 422, "id is missing; a device with link 'p24' says its own"),
            ({"link": "p24", "id": "5"}, 422, "from is missing; a device with link 'p24' proves nothing"),
            (
                {"link": "p24", "id": "5", "from": ["10.0.0.0/8"], "suite": 1},
                422,
                "suite is not accepted: a device with link 'p24' has neither cipher nor secret",
            ),
        ]:
            answer = self.add(**members)
            self.assertEqual(answer.status, status, (members, answer.body))
            self.assertIn(words, answer.detail)
        self.assertEqual(self.rig.ask("GET", "/devices").json["devices"], [])
        self.assertEqual(self.rig.store.data.devices, {})

    def test_a_name_or_id_is_given_once(self):
        """Neither is given to two devices."""
        added = self.add().json
        self.assertEqual(self.add().detail, f"device name 'boiler-1' is taken by {added['id']}")
        again = self.add(name="other", id=added["id"])
        self.assertEqual((again.status, again.detail), (409, f"device id {added['id']} is taken by 'boiler-1'"))

    def test_a_secret_that_is_not_kept_leaves_no_device(self):
        """The store fails between the device and its secret: the device is gone again."""
        self.rig.store.save_credential = lambda record: fail(StorageError("the disk is full"))
        answer = self.add()
        self.assertEqual((answer.status, answer.detail), (503, "the disk is full"))
        self.assertEqual(answer.headers["Retry-After"], "30")
        self.assertEqual(self.rig.ask("GET", "/devices").json["devices"], [])
        self.assertEqual(self.rig.store.data.devices, {})

    def test_goes_on_when_the_client_goes(self):
        """Whoever asks for a device and hangs up leaves a whole one behind, not half of one."""
        saved, save = Deferred(), self.rig.store.save_device
        self.rig.store.save_device = lambda record: saved.addCallback(lambda _: save(record))
        answer = self.rig.begin("POST", "/devices", {"name": "boiler-1", "model": "boiler"})
        answer.gone()
        saved.callback(None)
        [device] = self.rig.ask("GET", "/devices").json["devices"]
        self.assertTrue(self.rig.keyring.slots(int(device["id"], 16)))
        self.assertIsNone(answer())


class Listing(SynchronousTestCase):
    def setUp(self):
        self.rig = Rig()

    def test_is_the_shape(self):
        """A device of the list has exactly the members of the contract."""
        self.rig.add_boiler(site="School")
        self.rig.report(90, 41, batch=1)
        self.rig.connect()
        self.rig.clock.advance(12.3456)
        answer = self.rig.ask("GET", "/devices").json
        device = {
            "id": "0x0000000000000001",
            "name": "boiler-1",
            "site": "School",
            "model": "boiler",
            "link": "smok4",
            "connected": True,
            "last_contact": NOW,
            "age": 12.345,
        }
        self.assertEqual(answer, {"devices": [device], "next": None})

    def test_turns_pages(self):
        """Following ``next`` shows every device once."""
        for number in range(7):
            self.rig.add_boiler(f"d{number}", id=str(1 + number * 1000))
        seen, after, pages = [], "", 0
        while after is not None and pages < 9:
            answer = self.rig.ask("GET", f"/devices?limit=3{after and f'&cursor={after}'}").json
            seen += [device["name"] for device in answer["devices"]]
            after, pages = answer["next"], pages + 1
        self.assertEqual((seen, pages), ([f"d{number}" for number in range(7)], 3))

    def test_a_full_last_page_is_the_last(self):
        """There is no empty page after it."""
        for number in range(3):
            self.rig.add_boiler(f"d{number}")
        self.assertIsNone(self.rig.ask("GET", "/devices?limit=3").json["next"])

    def test_refuses_what_is_no_page(self):
        """Wrong limits and cursors are named."""
        for query, status, words in [
            ("limit=0", 422, "limit = 0 is not accepted: a whole number from 1 to 1000"),
            ("limit=1001", 422, "limit = 1001 is not accepted: a whole number from 1 to 1000"),
            ("limit=many", 400, 'limit = "many" is not accepted: a whole number from 1 to 1000'),
            ("limit=1&limit=2", 400, "query parameter limit is there 2 times; accepted is one"),
            ("cursor=x", 400, 'cursor = "x" is not accepted: what `next` of the page before said'),
            ("after=1", 400, "query parameter 'after' is unknown; accepted are limit, cursor"),
            ("limit=%ff", 400, "the query is not UTF-8; percent-encode its text as UTF-8"),
        ]:
            answer = self.rig.ask("GET", f"/devices?{query}")
            self.assertEqual((answer.status, answer.detail), (status, words))


class One(SynchronousTestCase):
    def setUp(self):
        self.rig = Rig()
        self.device_id = self.rig.add_boiler("Kotłownia 1")["id"]

    def test_has_three_names(self):
        """A device is found by name, decimal id and hex id."""
        number = str(int(self.device_id, 16))
        shouted = self.device_id.upper().replace("X", "x")
        for name in ("Kot%C5%82ownia%201", number, self.device_id, shouted, "0x1"):
            self.assertEqual(self.rig.ask("GET", f"/devices/{name}").json["name"], "Kotłownia 1", name)

    def test_what_is_unknown_is_said_so(self):
        """404 names what was asked for and how to see what there is."""
        for name in ("boiler", "0x2", "99999999999999999999999", "Kot%C5%82ownia"):
            for method, path in [("GET", ""), ("GET", "/values"), ("DELETE", ""), ("PATCH", ""), ("GET", "/events")]:
                answer = self.rig.ask(method, f"/devices/{name}{path}")
                self.assertEqual(answer.status, 404, (method, name, path))
                self.assertIn("does not exist; `smok device list` shows those that do", answer.detail)

    def test_shows_its_secrets_only_as_being_there(self):
        """Of a secret its slot is shown, and whether the device has used it."""
        self.assertEqual(
            self.rig.ask("GET", "/devices/1").json["secrets"], [{"kid": 0, "suite": 1, "created": NOW, "logins": 0}]
        )

    def test_shows_what_failed_on_the_serial_line_of_a_p24_device(self):
        """For each unit with a fault; null where the link does not tell."""
        self.assertIsNone(self.rig.ask("GET", "/devices/1").json["line_faults"])
        self.rig.add_boiler("old", id="9", link="p24", **{"from": ["10.0.0.0/8"]})
        self.assertEqual(self.rig.ask("GET", "/devices/old").json["line_faults"], [])
        faults = {(7, Fault.CRC): 2, (1, Fault.TIMEOUT): 3, (7, Fault.TIMEOUT): 1}
        self.rig.registry.find("old").line_faults.update(faults)
        shown = [{"unit": 1, "timeout": 3, "crc": 0}, {"unit": 7, "timeout": 1, "crc": 2}]
        self.assertEqual(self.rig.ask("GET", "/devices/old").json["line_faults"], shown)


class Changing(SynchronousTestCase):
    def setUp(self):
        self.rig = Rig()
        self.rig.add_boiler()

    def change(self, **members):
        return self.rig.ask("PATCH", "/devices/boiler-1", members)

    def test_changes_what_is_named(self):
        """The rest stays; the answer is the device as it is now; a restart finds the same."""
        self.change(site="School", **{"from": ["10.0.0.0/8"]}, until="2027-01-01T00:00:00Z")
        answer = self.change(name="boiler-2", may_write=True)
        self.assertEqual(answer.status, 200)
        again = Rig(self.rig.store.data).ask("GET", "/devices/boiler-2").json
        self.assertEqual(answer.json, again)
        self.assertEqual((again["site"], again["from"], again["may_write"]), ("School", ["10.0.0.0/8"], True))

    def test_takes_back(self):
        """null, or an empty list, is "none"."""
        self.change(site="School", **{"from": ["10.0.0.0/8"]}, until="2027-01-01T00:00:00Z", may_write=True)
        now = self.change(site=None, **{"from": []}, until=None, may_write=False).json
        self.assertEqual((now["site"], now["from"], now["until"], now["may_write"]), (None, [], None, False))

    def test_allowing_writes_ends_a_security_event(self):
        """An operator who allows writes has looked."""
        device = self.rig.registry.find("boiler-1")
        self.rig.registry.change(device, read_only=True)
        self.assertIs(self.change(site="x").json["read_only"], True)
        self.assertIs(self.change(may_write=True).json["read_only"], False)

    def test_another_model_is_another_plan(self):
        """The device is told at once what to read from now on."""
        session = self.rig.connect()
        wanted = []
        session.want = wanted.append
        other = BOILER.replace('"boiler"', '"other"').replace("address = 10", "address = 9")
        self.rig.ask("POST", "/models", other.encode())
        self.change(model="other")
        self.assertEqual([plan.model for plan in wanted], ["other"])

    def test_refuses_all_or_nothing(self):
        """One wrong member and nothing changes."""
        self.rig.add_boiler("boiler-2")
        before = self.rig.ask("GET", "/devices/boiler-1").json
        for members, status in [
            ({"name": "boiler-2", "site": "x"}, 409),
            ({"model": "nope", "site": "x"}, 404),
            ({"id": "5", "site": "x"}, 400),
            ({"suite": 2, "site": "x"}, 400),
            ({"site": 5, "may_write": True}, 400),
            ({"site": "x" * 201}, 400),
            ({"name": None}, 400),
        ]:
            self.assertEqual(self.change(**members).status, status, members)
        self.assertEqual(self.rig.ask("GET", "/devices/boiler-1").json, before)

    def test_p24_keeps_an_allow_entry(self):
        """A device that proves nothing cannot be left open to everywhere."""
        self.rig.add_boiler("old", id="9", link="p24", **{"from": ["10.0.0.0/8"]})
        answer = self.rig.ask("PATCH", "/devices/old", {"from": []})
        self.assertEqual(answer.status, 422)
        self.assertEqual(self.rig.ask("PATCH", "/devices/old", {"site": "x"}).status, 200)

    def test_is_audited(self):
        """Who changed what is written down."""
        self.change(may_write=True)
        [entry] = self.rig.ask("GET", "/audit?limit=1").json["audit"]
        self.assertEqual((entry["who"], entry["source"], entry["action"]), ("admin", "127.0.0.1", "device-change"))
        self.assertEqual(entry["detail"], {"may_write": True, "read_only": False})


class Removing(SynchronousTestCase):
    def test_leaves_nothing(self):
        """The device, its secret and its session are gone, and its name is free."""
        rig = Rig()
        device_id = int(rig.add_boiler()["id"], 16)
        session = rig.connect()
        answer = rig.ask("DELETE", "/devices/boiler-1")
        self.assertEqual((answer.status, answer.body), (204, b""))
        self.assertEqual(session.moods, ["removed"])
        self.assertFalse(rig.keyring.find(device_id, 0, 1).genuine)
        self.assertEqual(rig.ask("GET", "/devices/boiler-1").status, 404)
        self.assertEqual(rig.store.data.devices, {})
        self.assertNotEqual(rig.add_boiler()["id"], f"0x{device_id:016x}")


class Secrets(SynchronousTestCase):
    def setUp(self):
        self.rig = Rig()
        self.added = self.rig.add_boiler()

    def ask(self, **members):
        return self.rig.ask("POST", "/devices/boiler-1/secret", members or None)

    def test_a_new_one_is_shown_once(self):
        """It stands beside the one in use, which still works."""
        answer = self.ask()
        self.assertEqual((answer.status, list(answer.json)), (201, ["id", "kid", "suite", "secret"]))
        secrets = [slot.secret.hex() for slot in self.rig.keyring.slots(1)]
        self.assertEqual(secrets, [self.added["secret"], answer.json["secret"]])

    def test_in_the_session_it_is_shown_to_nobody(self):
        """The device gets it over its own connection; the answer has its number only."""
        session = self.rig.connect()
        answer = self.ask(in_session=True)
        self.assertEqual((answer.status, answer.json), (202, {"id": self.added["id"], "kid": 1, "suite": 1}))
        self.assertEqual(session.keys, [(1, self.rig.keyring.slots(1)[1].secret)])
        self.rig.registry.find("boiler-1").key_stored(1)
        [event] = self.rig.ask("GET", "/devices/boiler-1/events").json["events"]
        self.assertEqual(event["kind"], "key-stored")

    def test_says_why_not(self):
        """Not connected, both in use, no secrets at all."""
        answer = self.ask(in_session=True)
        self.assertEqual(answer.status, 409)
        self.assertIn("is not connected: connect it, or ask for a secret to enter by hand", answer.detail)
        self.assertEqual(self.ask(in_session="yes").status, 400)
        slots = (Slot(0, 1, b"a" * 20, NOW_US), Slot(1, 1, b"b" * 20, NOW_US, logins=1))
        self.rig.keyring.put(1, slots)
        self.assertEqual(self.ask().status, 409)
        self.rig.add_boiler("old", id="9", link="p24", **{"from": ["10.0.0.0/8"]})
        answer = self.rig.ask("POST", "/devices/old/secret")
        self.assertEqual((answer.status, "knows no secrets" in answer.detail), (409, True))
