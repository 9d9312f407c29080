"""Promise: raw requests go through as they are; a write among them is checked, read back and audited."""

from __future__ import annotations

from smok_twisted.modbus.protocol import LineFault
from smok_twisted.readings import Fault, Table

from .test_web_commands import COMMANDS, SET_60, WRITE_60, Writing


class RawRequests(Writing):
    def ask(self, pdu, unit=1, **headers):
        return self.rig.ask("POST", "/devices/boiler-1/modbus", {"unit": unit, "pdu": pdu}, **headers)

    def test_a_read(self):
        """The answer is the response PDU, exceptions too."""
        self.assertEqual(self.ask("03000a0002").json, {"pdu": "030480290226"})
        self.assertEqual(self.ask("03 00 C8 00 01").json, {"pdu": "8302"})
        self.assertEqual(self.rig.ask("GET", "/audit").json["audit"][0]["action"], "device-add")

    def test_a_write_is_audited(self):
        """With what was there before and what is there now."""
        self.assertEqual(self.ask(WRITE_60).json, {"pdu": WRITE_60})
        [entry] = self.rig.ask("GET", "/audit?limit=1").json["audit"]
        self.assertEqual(entry["action"], "modbus-write")
        detail = {"unit": 1, "pdu": WRITE_60, "answer": WRITE_60, "before": [550], "read_back": [600]}
        self.assertEqual(entry["detail"], detail)

    def test_wait_for_a_command_and_it_for_them(self):
        """One write at a time: no read-back sees what another one has written."""
        self.session.hold()
        first = self.rig.begin("POST", COMMANDS, SET_60, Prefer="wait=60")
        raw = self.rig.begin("POST", "/devices/boiler-1/modbus", {"unit": 1, "pdu": "06000b01f4"})
        last = self.rig.begin("POST", COMMANDS, {"point": "setpoint", "value": 70}, Prefer="wait=60")
        self.session.answer_in_order()
        self.assertEqual([(one().json["before"], one().json["read_back"]) for one in (first, last)],
                         [(55.0, 60.0), (50.0, 70.0)])
        self.assertEqual(raw().json, {"pdu": "06000b01f4"})
        audit = {one["action"]: one["detail"] for one in self.rig.ask("GET", "/audit?limit=3").json["audit"]}
        self.assertEqual([audit["modbus-write"][name] for name in ("before", "read_back")], [[600], [500]])

    def test_are_not_sent_when_it_is_forbidden_meanwhile(self):
        """It waited behind another write, and then the device could not be written to any more."""
        self.session.hold()
        self.rig.begin("POST", COMMANDS, SET_60)
        raw = self.rig.begin("POST", "/devices/boiler-1/modbus", {"unit": 1, "pdu": "06000b01f4"})
        self.rig.ask("PATCH", "/devices/boiler-1", {"may_write": False})
        self.session.answer_in_order()
        self.assertEqual((raw().status, self.written()), (403, []))

    def test_may_be_as_long_as_modbus_allows(self):
        """123 registers in one go are 252 octets."""
        self.session.bank.registers[Table.HOLDING].update(dict.fromkeys(range(200), 0))
        self.assertEqual(self.ask("10" "0000" "007b" "f6" + "abcd" * 123).json, {"pdu": "100000007b"})
        self.assertEqual(self.session.bank.registers[Table.HOLDING][122], 0xABCD)

    def test_every_function_that_writes_is_one(self):
        """None of them passes as a read."""
        self.rig.ask("PATCH", "/devices/boiler-1", {"may_write": False})
        more = ("0f000500020103", "10000b0001020258", "16000bfffe0001", "17000a0001000b0001020258")
        for pdu in ("050005ff00", WRITE_60, *more):
            self.assertEqual(self.ask(pdu).status, 403, pdu)
        self.assertEqual(self.session.asked, [])

    def test_no_answer_is_an_exception(self):
        """0x0B when the unit is silent, 0x0A when the line is down, as everywhere in MODBUS."""
        for fault, pdu in [(Fault.TIMEOUT, "830b"), (Fault.CRC, "830b"), (Fault.BUS_DOWN, "830a")]:
            self.session.failing = lambda _, fault=fault: LineFault(fault)
            self.assertEqual(self.ask("03000a0001").json, {"pdu": pdu})

    def test_a_write_without_an_answer_is_audited_too(self):
        """Whether it was done is unknown; that it was sent is not."""
        self.session.failing = lambda pdu: LineFault(Fault.TIMEOUT)
        self.assertEqual(self.ask(WRITE_60).json, {"pdu": "860b"})
        [entry] = self.rig.ask("GET", "/audit?limit=1").json["audit"]
        self.assertEqual((entry["detail"]["answer"], entry["detail"]["before"]), ("860b", None))
        self.assertEqual(self.written(), [WRITE_60])

    def test_a_link_that_is_lost(self):
        """What was sent has no answer; what was not sent may be asked again."""
        self.session.hold()
        sent = self.rig.begin("POST", "/devices/boiler-1/modbus", {"unit": 1, "pdu": "03000a0001"})
        waits = self.rig.begin("POST", "/devices/boiler-1/modbus", {"unit": 1, "pdu": "03000a0001"})
        self.rig.registry.find("boiler-1").detach(self.session, "gone")
        self.assertEqual((sent().status, sent().json), (200, {"pdu": "830b"}))
        self.assertEqual((waits().status, waits().headers["Retry-After"]), (503, "5"))
        self.assertEqual(self.ask("03000a0001").status, 409)

    def test_says_what_is_wrong(self):
        """With an example of what is right."""
        for pdu, unit, status, words in [
            ("xyz", 1, 400, 'pdu = "xyz" is not accepted: a MODBUS request PDU in hex such as "0300000001"'),
            ("", 1, 422, "pdu '' is not accepted (illegal-function"),
            ("08000000", 1, 422, "of one of the functions 1, 2, 3, 4, 5, 6, 15, 16, 22, 23, 43"),
            ("0300000000", 1, 422, "pdu '0300000000' is not accepted (illegal-value"),
            ("03ffff0002", 1, 422, "(illegal-address"),
            ("0300", 1, 422, "(illegal-value"),
            ("83", 1, 422, "(illegal-function"),
            ("0300000001", 256, 422, "unit 256 is not accepted: a number from 0 to 255"),
            (5, 1, 400, "pdu = 5 is not accepted: a MODBUS request PDU in hex"),
        ]:
            answer = self.ask(pdu, unit)
            self.assertEqual(answer.status, status, (pdu, answer.body))
            self.assertIn(words, answer.detail)
        self.assertEqual(self.session.asked, [])
