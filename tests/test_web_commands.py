"""Promise: a write is confirmed by read-back, refused with its reason, or said to be unknown; never sent twice."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.modbus.protocol import LineFault
from smok_twisted.readings import Fault, Table

from .web_rig import Rig

COMMANDS = "/devices/boiler-1/commands"
SET_60 = {"point": "setpoint", "value": 60}
WRITE_60 = "06000b0258"


class Writing(SynchronousTestCase):
    def setUp(self):
        self.rig = Rig()
        self.rig.add_boiler(may_write=True)
        self.session = self.rig.connect()

    def submit(self, body, **headers):
        return self.rig.ask("POST", COMMANDS, body, **headers)

    def written(self):
        """The writes that reached the unit."""
        return [pdu for _, pdu in self.session.asked if int(pdu[:2], 16) > 4]


class Outcomes(Writing):
    def test_confirmed(self):
        """The answer has what it was, what it was set to and what a read-back found, in engineering units."""
        answer = self.submit(SET_60)
        command = {
            "id": answer.json["id"],
            "state": "confirmed",
            "point": "setpoint",
            "value": 60.0,
            "before": 55.0,
            "read_back": 60.0,
        }
        self.assertEqual((answer.status, answer.json), (200, command))
        self.assertEqual(answer.headers["Location"], f"/api/v1/devices/0x0000000000000001/commands/{command['id']}")
        self.assertEqual(self.rig.ask("GET", f"{COMMANDS}/{command['id']}").json, command)
        self.assertEqual(self.rig.ask("GET", COMMANDS).json, {"commands": [command]})
        self.assertEqual(self.written(), [WRITE_60])

    def test_refused_by_the_equipment(self):
        """The exception of the unit is the error."""
        del self.session.bank.registers[Table.HOLDING][11]
        answer = self.submit(SET_60)
        self.assertEqual((answer.status, answer.json["state"]), (200, "refused"))
        self.assertIn("MODBUS exception 2: illegal data address", answer.json["error"])

    def test_refused_when_the_equipment_keeps_another_value(self):
        """A read-back that differs is no success."""
        self.session.bank.answer = lambda pdu, answer=self.session.bank.answer: pdu if pdu[0] == 6 else answer(pdu)
        answer = self.submit(SET_60).json
        self.assertEqual((answer["state"], answer["read_back"]), ("refused", 55.0))
        self.assertEqual(answer["error"], "the equipment holds 55.0")

    def test_unknown(self):
        """The unit falls silent after the write: nobody can know, and nobody tries again."""
        self.session.failing = lambda pdu: LineFault(Fault.TIMEOUT) if self.written() else None
        answer = self.submit(SET_60).json
        self.assertEqual((answer["state"], answer["before"], answer["read_back"]), ("unknown", 55.0, None))
        self.assertEqual(answer["error"], "the equipment did not answer (timeout)")
        self.assertEqual(self.written(), [WRITE_60])

    def test_expired(self):
        """A write that may wait a minute for its device is not done after two."""
        self.rig.registry.find("boiler-1").detach(self.session, "gone")
        answer = self.submit(SET_60 | {"expires_in": 60})
        self.assertEqual((answer.status, answer.json["state"]), (202, "queued"))
        self.rig.clock.advance(61)
        self.session = self.rig.connect()
        answer = self.rig.ask("GET", f"{COMMANDS}/{answer.json['id']}")
        self.assertEqual((answer.status, answer.json["state"]), (200, "expired"))
        self.assertEqual(self.written(), [])

    def test_waits_for_its_device(self):
        """In time, it is done as soon as the device is there."""
        self.rig.registry.find("boiler-1").detach(self.session, "gone")
        answer = self.submit(SET_60 | {"expires_in": 60})
        self.session = self.rig.connect()
        self.assertEqual(self.rig.ask("GET", f"{COMMANDS}/{answer.json['id']}").json["state"], "confirmed")

    def test_is_audited(self):
        """Who, from where, the raw PDU, before, after and read-back."""
        self.submit(SET_60, source="192.0.2.44")
        [entry] = self.rig.ask("GET", "/audit?limit=1&device=boiler-1").json["audit"]
        self.assertEqual((entry["who"], entry["source"], entry["action"]), ("admin", "192.0.2.44", "write"))
        detail = {"pdu": WRITE_60, "before": 55.0, "value": 60.0, "read_back": 60.0, "state": "confirmed"}
        self.assertEqual(entry["detail"], entry["detail"] | detail)


class Waiting(Writing):
    def setUp(self):
        super().setUp()
        self.session.hold()

    def begin(self, prefer):
        return self.rig.begin("POST", COMMANDS, SET_60, Prefer=prefer)

    def settle(self):
        """Let the unit answer."""
        self.session.release()

    def test_nobody_waits_unless_asked(self):
        """202 comes at once, with the place where to ask."""
        answer = self.submit(SET_60)
        self.assertEqual((answer.status, answer.json["state"]), (202, "queued"))
        self.settle()
        place = answer.headers["Location"].removeprefix("/api/v1")
        self.assertEqual(self.rig.ask("GET", place).json["state"], "confirmed")

    def test_waits_until_it_is_settled(self):
        """``Prefer: wait`` answers with the outcome."""
        answer = self.begin("respond-async, wait=20")
        self.rig.clock.advance(19)
        self.assertIsNone(answer())
        self.settle()
        self.assertEqual((answer().status, answer().json["state"]), (200, "confirmed"))

    def test_waits_no_longer_than_asked(self):
        """Then the answer is how it is by now; the write goes on."""
        answer = self.begin("wait=20")
        self.rig.clock.advance(20)
        self.assertEqual((answer().status, answer().json["state"]), (202, "queued"))
        self.settle()
        self.assertEqual(self.written(), [WRITE_60])

    def test_waits_two_minutes_at_most(self):
        """However long one would like to."""
        answer = self.begin("wait=999999999")
        self.rig.clock.advance(120)
        self.assertEqual(answer().status, 202)

    def test_a_client_that_leaves_leaves_the_write_alone(self):
        """It is done all the same, once, and its outcome is kept."""
        answer = self.begin("wait=20")
        answer.gone()
        self.settle()
        self.assertEqual(self.written(), [WRITE_60])
        [command] = self.rig.ask("GET", COMMANDS).json["commands"]
        self.assertEqual(command["state"], "confirmed")
        self.rig.clock.advance(20)

    def test_says_what_is_no_time(self):
        """The preference is named."""
        answer = self.submit(SET_60, Prefer="wait=soon")
        self.assertEqual(answer.status, 400)
        self.assertEqual(answer.detail, 'Prefer: wait = "soon" is not accepted: whole seconds, up to 120')
        self.assertEqual(self.submit(SET_60, Prefer="handling=lenient").status, 202)


class Repeating(Writing):
    def test_the_same_key_is_the_same_command(self):
        """A client that lost the answer asks again and nothing is written twice."""
        first = self.submit(SET_60, Idempotency_Key="k1")
        again = self.submit(SET_60, Idempotency_Key="k1")
        self.assertEqual((again.status, again.json), (200, first.json))
        self.assertEqual(self.written(), [WRITE_60])

    def test_while_it_is_on_its_way(self):
        """Also before it is settled, and also when the second one waits."""
        self.session.hold()
        first = self.submit(SET_60, Idempotency_Key="k1")
        waiting = self.rig.begin("POST", COMMANDS, SET_60, Idempotency_Key="k1", Prefer="wait=5")
        self.session.release()
        self.assertEqual(waiting().json["id"], first.json["id"])
        self.assertEqual(self.written(), [WRITE_60])

    def test_a_key_is_not_taken_for_another_command(self):
        """That is a mistake of the client, and is said so."""
        self.submit(SET_60, Idempotency_Key="k1")
        answer = self.submit({"point": "setpoint", "value": 61}, Idempotency_Key="k1")
        self.assertEqual((answer.status, "was used for another command" in answer.detail), (409, True))
        self.assertEqual(self.submit(SET_60, Idempotency_Key="a b").status, 400)
        self.assertEqual(self.submit(SET_60, Idempotency_Key="k" * 256).status, 400)


class Refusals(Writing):
    def test_each_names_the_thing_the_reason_and_the_form(self):
        """Nothing of it reaches the equipment."""
        for body, status, words in [
            ({"point": "setpoint"}, 400, "value is missing; accepted is a number, a text, true or false"),
            ({"point": "setpoint", "value": [1]}, 400, "value = [1] is not accepted: a number, a text, true or false"),
            ({"point": "setpoint", "value": None}, 400, "value = null is not accepted"),
            ({"point": "setpoint", "value": "warm"}, 422, "point 'setpoint' does not take 'warm', accepted is a"),
            ({"point": "setpoint", "value": True}, 422, "point 'setpoint' does not take True, accepted is a number"),
            ({"point": "setpoint", "value": 81}, 422, "point 'setpoint' must not be 81, accepted is a number from"),
            ({"point": "setpoint", "value": 60.05}, 422, "60.05 has no raw value, the two nearest that have one"),
            ({"point": "season", "value": "autumn"}, 422, "accepted is one of 0 (summer), 1 (winter)"),
            ({"point": "pump", "value": 2}, 422, "point 'pump' does not take 2, accepted is true or false"),
            ({"point": "outside", "value": 1}, 403, "point 'outside' is read-only"),
            ({"point": "inside", "value": 1}, 404, "there is no point 'inside' in model 'boiler', which has outside"),
            ({"point": 5, "value": 1}, 400, "point = 5 is not accepted: a text of one line"),
            ({"point": "setpoint", "value": 60, "unit": 1}, 400, "member 'unit' is unknown; accepted are point"),
            (SET_60 | {"expires_in": -1}, 422, "expires_in = -1 is not accepted: a number of seconds above 0"),
            (SET_60 | {"expires_in": "5m"}, 400, 'expires_in = "5m" is not accepted: a number of seconds'),
            (SET_60 | {"expires_in": 10**9}, 422, "expires_in 1000000000 is not accepted: seconds, up to 604800"),
            (b'{"point": "setpoint", "value": 1e999}', 422, "no register can hold so large a number"),
            (b'{"point": "setpoint", "value": 1%s}' % (b"0" * 400), 422, "no register can hold so large a number"),
            (b'{"point": "setpoint", "value": NaN}', 400, "the body is not JSON: NaN is no JSON number"),
            (b'{"point": "setpoint", "point": "pump"}', 400, "the body is not JSON: a member is there twice"),
            (b"[1]", 400, "the body is not a JSON object; accepted members are point, value, expires_in, unit"),
            ({}, 400, "unit is missing; accepted is a whole number"),
        ]:
            answer = self.submit(body)
            self.assertEqual(answer.status, status, (body, answer.body))
            self.assertIn(words, answer.detail)
        self.assertEqual(self.session.asked, [])
        self.assertEqual(self.rig.ask("GET", COMMANDS).json, {"commands": []})

    def test_a_device_that_may_not_be_written_to(self):
        """The refusal says which command allows it."""
        self.rig.ask("PATCH", "/devices/boiler-1", {"may_write": False})
        answer = self.submit(SET_60)
        self.assertEqual(answer.status, 403)
        self.assertIn("`smok device set boiler-1 --may-write` allows it", answer.detail)

    def test_a_device_that_is_not_there(self):
        """Nothing is queued that nobody asked to queue."""
        self.rig.registry.find("boiler-1").detach(self.session, "gone")
        answer = self.submit(SET_60)
        self.assertEqual(answer.status, 409)
        self.assertIn("is not connected; `expires_in` lets the write wait for it", answer.detail)

    def test_a_command_that_does_not_exist(self):
        """Nor that of another device."""
        self.rig.add_boiler("boiler-2", may_write=True)
        command = self.submit(SET_60).json["id"]
        for path in (f"/devices/boiler-2/commands/{command}", f"{COMMANDS}/nope"):
            self.assertEqual(self.rig.ask("GET", path).status, 404)


class RawRegisters(Writing):
    RAW = {"unit": 1, "table": "holding", "address": 30, "values": [1, 2]}

    def test_are_written_and_read_back(self):
        """Values as they travel."""
        answer = self.submit(self.RAW).json
        self.assertEqual((answer["state"], answer["point"]), ("confirmed", None))
        self.assertEqual((answer["value"], answer["before"], answer["read_back"]), ([1, 2], [0, 0], [1, 2]))
        answer = self.submit({"unit": 1, "table": "coil", "address": 5, "values": [False, 1]}).json
        self.assertEqual((answer["value"], answer["before"], answer["state"]), ([0, 1], [1, 0], "confirmed"))

    def test_need_the_admin_token(self):
        """Whoever is signed in at the page changes points, within their limits, and no raw addresses."""
        cookie = self.rig.auth.sign_in(self.rig.auth.new_link().partition("=")[2], "x").partition(";")[0]
        headers = {"Cookie": cookie, "X_SMOK": "1"}
        self.assertEqual(self.submit(SET_60, token=None, **headers).json["state"], "confirmed")
        answer = self.submit(self.RAW, token=None, **headers)
        self.assertEqual(answer.status, 403)
        self.assertIn("this needs the admin token", answer.detail)

    def test_say_what_is_wrong(self):
        """Each member is named."""
        for changes, status, words in [
            ({"table": None}, 400, 'table = null is not accepted: one of "coil", "holding"'),
            ({"unit": 256}, 422, "unit 256 is not accepted: a number from 0 to 255"),
            ({"unit": "1"}, 400, 'unit = "1" is not accepted: a whole number'),
            ({"unit": True}, 400, "unit = true is not accepted: a whole number"),
            ({"table": "input"}, 422, 'table = "input" is not accepted: one of "coil", "holding"'),
            ({"address": 65535}, 422, "2 from address 65535 leave the address range 0 to 65535"),
            ({"address": -1}, 422, "leave the address range 0 to 65535"),
            ({"address": 1.5}, 400, "address = 1.5 is not accepted: a whole number"),
            ({"values": []}, 422, "0 registers or bits do not fit one request, accepted are 1 to 123"),
            ({"values": [65536]}, 422, "accepted are integers 0 to 65535"),
            ({"values": [True]}, 400, "values = [true] is not accepted: a list of whole numbers from 0 to 65535"),
            ({"values": 5}, 400, "values = 5 is not accepted: a list of whole numbers from 0 to 65535"),
            ({"table": "coil", "values": [2]}, 422, "values are not accepted: a list of 0 and 1"),
            ({"point": "setpoint"}, 400, "member 'unit' is unknown; accepted are point, value, expires_in"),
        ]:
            answer = self.submit(self.RAW | changes)
            self.assertEqual(answer.status, status, (changes, answer.body))
            self.assertIn(words, answer.detail)
        self.assertEqual(self.session.asked, [])
