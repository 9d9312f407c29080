"""Promise: what is read is asked of the equipment now, and no answer is never a number."""

from __future__ import annotations

import json
from types import SimpleNamespace

from smok_twisted.modbus.protocol import LineFault
from smok_twisted.readings import Fault
from smok_twisted.tools import read as module

from .tools_rig import ToolTestCase

POINTS = """\
POINT    TITLE                 VALUE  UNIT  AGE  QUALITY
outside  Outside temperature    -4.1  °C    now  good
season   season               winter  -     now  good
label    label                   abc  -     now  good
pump     pump                   true  -     now  good
"""


class ReadTestCase(ToolTestCase):
    def setUp(self):
        super().setUp()
        self.rig.add_boiler()
        self.session = self.rig.connect()


class Points(ReadTestCase):
    """smok read DEVICE POINT..."""

    async def test_are_read_now(self):
        """Whatever the daemon knew before."""
        self.rig.report(3, 41, batch=1)
        self.assertEqual(await self.accepted("read", "boiler-1", "outside", "season", "label", "pump"), POINTS)
        self.assertEqual(
            self.session.asked, [(1, "03000a0001"), (1, "03000c0001"), (1, "0300140002"), (1, "0100050001")]
        )

    async def test_options_may_stand_between(self):
        out = await self.accepted("read", "boiler-1", "--csv", "outside")
        header, line = out.splitlines()
        self.assertEqual(header, "point,title,value,unit,time,age,quality,raw")
        self.assertRegex(line, r"\Aoutside,Outside temperature,-4.1,°C,20[-0-9T:.]+Z,0,good,32809\Z")

    async def test_json_has_the_shape_of_values(self):
        answer = json.loads(await self.accepted("read", "boiler-1", "outside", "--json"))
        known = self.rig.ask("GET", "/devices/boiler-1/values").json
        self.assertEqual(set(answer["values"][0]), set(known["values"][0]))
        value = {name: answer["values"][0][name] for name in ("point", "value", "unit", "quality", "raw")}
        self.assertEqual(value, {"point": "outside", "value": -4.1, "unit": "°C", "quality": "good", "raw": [0x8029]})
        self.assertEqual(answer["device"], known["device"])

    async def test_one_fault_hides_no_other_value(self):
        """The exit code is that of the worst."""
        self.session.bank.registers[self.table("outside")].pop(10)
        ran = await self.smok("read", "boiler-1", "outside", "season")
        self.assertEqual((ran.code, ran.err), (1, ""))
        self.assertEqual(
            ran.out,
            "POINT    TITLE                 VALUE  UNIT  AGE  QUALITY\n"
            "outside  Outside temperature       -  °C    now  exception-2\n"
            "season   season               winter  -     now  good\n",
        )
        self.session.failing = lambda pdu: LineFault(Fault.TIMEOUT) if pdu[2] == 12 else None
        ran = await self.smok("read", "boiler-1", "outside", "season")
        self.assertEqual(ran.code, 3)
        self.assertEqual([line.split()[-1] for line in ran.out.splitlines()[1:]], ["exception-2", "timeout"])

    def table(self, name: str):
        return self.rig.registry.find("boiler-1").register_map.point(name).table

    async def test_what_cannot_be_read(self):
        for words, code, text in (
            (("doorbell",), 1, "point 'doorbell' cannot be read: its register map says access = \"w\""),
            (
                ("inside",), 1,
                "there is no point 'inside' in model 'boiler', which has "
                "outside, setpoint, season, label, doorbell, pump",
            ),
            ((), 2, "what to read is missing: name points, or give a raw address by -r START"),
            (("-c", "5"), 2, "what to read is missing: name points, or give a raw address by -r START"),
            (("outside", "-r", "1"), 2, "'outside' and -r are not accepted together: name points, or a raw address"),
            (("-a", "1", "outside"), 2, "-r is missing: raw addresses need the first one, -r START"),
            (("outside", "--no"), 2, "--no is not accepted here; `smok read --help` shows what is accepted"),
        ):  # fmt: skip
            self.assertEqual(await self.refused("read", "boiler-1", *words), (code, text))
        self.assertEqual(self.session.asked, [])


WORDS = """\
REGISTER  VALUE  SIGNED     HEX
      11  32809  -32727  0x8029
      12    550     550  0x0226
      13      1       1  0x0001
"""


class Registers(ReadTestCase):
    """smok read DEVICE -a UNIT -t TABLE -r START -c COUNT"""

    async def test_are_counted_from_one(self):
        self.assertEqual(await self.accepted("read", "boiler-1", "-a", "7", "-t", "4", "-r", "11", "-c", "3"), WORDS)
        self.assertEqual(self.session.asked, [(7, "03000a0003")])

    async def test_or_from_zero(self):
        out = await self.accepted("read", "boiler-1", "-r", "10", "-0", "-c", "3")
        self.assertEqual([line.split()[0] for line in out.splitlines()], ["REGISTER", "10", "11", "12"])
        self.assertEqual(self.session.asked, [(1, "03000a0003")])

    async def test_of_every_table(self):
        for letter, function in (("0", "01"), ("1", "02"), ("3", "04"), ("4", "03")):
            await self.smok("read", "boiler-1", "-t", letter, "-r", "1")
            self.assertEqual(self.session.asked.pop(), (1, f"{function}00000001"))

    async def test_bits_are_zero_or_one(self):
        out = await self.accepted("read", "boiler-1", "-t", "0", "-r", "5", "-c", "2")
        self.assertEqual(out, "REGISTER  VALUE\n       5      0\n       6      1\n")

    async def test_as_json_and_csv(self):
        out = await self.accepted("read", "boiler-1", "-r", "11", "-c", "2", "--json")
        answer = {"unit": 1, "table": "holding", "address": 10, "values": [32809, 550]}
        self.assertEqual(json.loads(out), answer)
        out = await self.accepted("read", "boiler-1", "-r", "11", "-c", "2", "--csv")
        self.assertEqual(out, "register,value,signed,hex\n11,32809,-32727,0x8029\n12,550,550,0x0226\n")

    async def test_an_exception_is_a_refusal(self):
        text = "MODBUS exception 2: illegal data address"
        self.assertEqual(await self.refused("read", "boiler-1", "-r", "5000"), (1, text))

    async def test_silence_is_told_from_a_refusal(self):
        for fault, text in (
            (Fault.TIMEOUT, "MODBUS exception 11: gateway target device failed to respond"),
            (Fault.BUS_DOWN, "MODBUS exception 10: gateway path unavailable"),
        ):
            self.session.failing = lambda pdu, fault=fault: LineFault(fault)
            answer = await self.refused("read", "boiler-1", "-r", "1")
            self.assertEqual(answer, (3, f"the equipment did not answer ({text})"))

    async def test_a_device_that_is_away_is_out_of_reach(self):
        self.rig.add_boiler("away")
        text = "device 'away' is not connected; a raw request cannot wait for it"
        for what in (("-r", "1"), ("outside",)):
            self.assertEqual(await self.refused("read", "away", *what), (3, text))

    async def test_an_answer_to_something_else_is_none(self):
        self.session.bank = SimpleNamespace(answer=lambda pdu: b"\x04\x02\x00\x01")
        code, text = await self.refused("read", "boiler-1", "-r", "1")
        self.assertEqual(code, 1)
        self.assertTrue(text.startswith("what the equipment sent does not answer the request (wrong-reply: "), text)

    async def test_time_is_limited(self):
        """-o: how long to wait for the answer."""
        self.session.hold()
        code, text = await self.refused("read", "boiler-1", "-r", "1", "-o", "0.1")
        self.assertEqual((code, text), (3, f"no answer from {self.url} within 0.1 seconds"))
        self.session.release()

    async def test_again_and_again(self):
        """-l: until Ctrl-C, whatever the answers are; -1: once all the same."""
        pauses = []

        def sleep(seconds):
            pauses.append(seconds)
            self.session.bank.registers[self.rig.registry.find("boiler-1").register_map.points[0].table].pop(10, None)
            if len(pauses) == 2:
                raise KeyboardInterrupt

        self.patch(module, "time", SimpleNamespace(sleep=sleep))
        ran = await self.smok("read", "boiler-1", "-r", "11", "-l", "200", "--csv")
        again = "(MODBUS exception 2: illegal data address)\n"
        self.assertEqual((ran.code, ran.err), (130, ""))
        self.assertEqual(ran.out, f"register,value,signed,hex\n11,32809,-32727,0x8029\n{again}")
        self.assertEqual(pauses, [0.2, 0.2])
        await self.accepted("read", "boiler-1", "-r", "12", "-l", "200", "-1")

    async def test_wrong_usage(self):
        more = "; `smok read --help` shows what is accepted"
        for words, text in (
            (("-a", "1"), "-r is missing: raw addresses need the first one, -r START"),
            (("-r", "0"), "-r 0 is not accepted: the first is counted as 1, or as 0 with -0"),
            (("-a", "256", "-r", "1"), f"argument -a: '256' is not accepted: a whole number from 0 to 255{more}"),
            (("-t", "2", "-r", "1"), f"argument -t: '2' is not accepted: one of 0, 1, 3, 4{more}"),
            (("-r", "x"), f"argument -r: 'x' is not accepted: a whole number from 0 to 65536{more}"),
            (("-r", "1", "-c", "0"), f"argument -c: '0' is not accepted: a whole number from 1 to 2000{more}"),
            (("-r", "1", "-c", "126"), "126 registers or bits do not fit one request, accepted are 1 to 125"),
            (("-r", "65536", "-c", "2"), "2 from address 65535 leave the address range 0 to 65535"),
            (("-r", "1", "-l", "5"), f"argument -l: '5' is not accepted: a whole number from 100 to 3600000{more}"),
            (("-r", "1", "-o", "nan"), f"argument -o: 'nan' is not accepted: seconds, from 0.1 to 600{more}"),
        ):
            self.assertEqual(await self.refused("read", "boiler-1", *words), (2, text))
        self.assertEqual(self.session.asked, [])
