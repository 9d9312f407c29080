"""Promise: a write ends in "confirmed by read-back", or in plain words that say what is not known."""

from __future__ import annotations

import json

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.tcp import Server
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.devices.orders import OutcomeUnknown
from smok_twisted.readings import Table
from smok_twisted.tools.write import protected, value_of

from .tools_rig import ToolTestCase, run_here


class WriteTestCase(ToolTestCase):
    def setUp(self):
        super().setUp()
        self.rig.add_boiler(may_write=True)
        self.session = self.rig.connect()

    def holding(self, address: int) -> int:
        return self.session.bank.registers[Table.HOLDING][address]


class Points(WriteTestCase):
    """smok write DEVICE POINT VALUE"""

    async def test_is_confirmed_by_read_back(self):
        out = await self.accepted("write", "boiler-1", "setpoint", "60")
        self.assertEqual(out, "confirmed by read-back: 60.0 °C\n")
        self.assertEqual(self.holding(11), 600)

    async def test_a_state_by_its_name_or_number(self):
        for text in ("summer", "0"):
            self.session.bank.registers[Table.HOLDING][12] = 1
            out = await self.accepted("write", "boiler-1", "season", text)
            self.assertEqual(out, "confirmed by read-back: summer\n")
            self.assertEqual(self.holding(12), 0)

    async def test_on_and_off(self):
        for text, bit in (("off", 0), ("on", 1), ("False", 0), ("1", 1)):
            out = await self.accepted("write", "boiler-1", "pump", text)
            self.assertEqual(out, f"confirmed by read-back: {'true' if bit else 'false'}\n")
            self.assertEqual(self.session.bank.registers[Table.COIL][5], bit)

    async def test_what_cannot_be_read_back_is_said_so(self):
        out = await self.accepted("write", "boiler-1", "doorbell", "1")
        self.assertEqual(out, "confirmed by the equipment, not read back: 1\n")

    async def test_json_is_the_answer_of_the_api(self):
        answer = json.loads(await self.accepted("write", "boiler-1", "setpoint", "60", "--json"))
        command = self.rig.ask("GET", f"/devices/boiler-1/commands/{answer['id']}").json
        self.assertEqual(answer, command)
        self.assertEqual((answer["state"], answer["before"], answer["read_back"]), ("confirmed", 55.0, 60.0))

    async def test_equipment_that_says_no(self):
        self.session.bank.registers[Table.HOLDING].pop(11)
        text = "refused: MODBUS exception 2: illegal data address"
        self.assertEqual(await self.refused("write", "boiler-1", "setpoint", "60"), (1, text))

    async def test_equipment_that_keeps_another_value(self):
        """It was written, and what is read back is something else: not confirmed."""
        answer = self.session.bank.answer
        self.session.bank.answer = lambda pdu: pdu if pdu[0] == 6 else answer(pdu)
        text = "refused: the equipment holds 55.0"
        self.assertEqual(await self.refused("write", "boiler-1", "setpoint", "60"), (1, text))

    async def test_an_outcome_that_nobody_knows(self):
        """The link was lost between the write and its answer."""
        self.session.failing = lambda pdu: OutcomeUnknown("the link was lost") if pdu[0] == 6 else None
        text = "outcome unknown: the link was lost; it was sent once and is not sent again, look at the equipment"
        self.assertEqual(await self.refused("write", "boiler-1", "setpoint", "60"), (3, text))
        self.assertEqual([pdu for _, pdu in self.session.asked if pdu.startswith("06")], ["06000b0258"])
        ran = await self.smok("write", "boiler-1", "setpoint", "61", "--json")
        self.assertEqual((ran.code, json.loads(ran.out)["state"]), (3, "unknown"))

    async def test_what_is_not_allowed_is_told_in_the_words_of_the_api(self):
        for words, text in (
            (("outside", "1"), "point 'outside' is read-only: its register map would have to say access = \"rw\""),
            (("setpoint", "99"), "point 'setpoint' must not be 99, accepted is a number from 30 to 80"),
            (("setpoint", "-5"), "point 'setpoint' must not be -5, accepted is a number from 30 to 80"),
            (
                ("setpoint", "60.05"),
                "point 'setpoint': 60.05 has no raw value, the two nearest that have one are 60.0 and 60.1",
            ),
            (("setpoint", "60,5"), "point 'setpoint' does not take '60,5', accepted is a number from 30 to 80"),
            (("setpoint", "nan"), "point 'setpoint' does not take 'nan', accepted is a number from 30 to 80"),
            (("season", "spring"), "point 'season' does not take 'spring', accepted is one of 0 (summer), 1 (winter)"),
            (("pump", "2"), "point 'pump' does not take '2', accepted is true or false"),
        ):
            self.assertEqual(await self.refused("write", "boiler-1", *words), (1, text))
        self.assertEqual(self.session.asked, [])

    async def test_a_new_device_may_not_be_written_to(self):
        """And it is said which command allows it."""
        self.rig.add_boiler("new")
        text = "device 'new' may not be written to; `smok device set new --may-write` allows it"
        self.assertEqual(await self.refused("write", "new", "setpoint", "60"), (1, text))
        await self.accepted("device", "set", "new", "--may-write")
        self.rig.connect("new")
        await self.accepted("write", "new", "setpoint", "60")

    async def test_wrong_usage(self):
        more = "; `smok write --help` shows what is accepted"
        form = "POINT VALUE, or -r START VALUE ... for raw registers"
        for words, text in (
            ((), f"the following arguments are required: POINT VALUE{more}"),
            (("setpoint",), f"'setpoint' is not accepted: {form}"),
            (("setpoint", "6", "0"), f"'setpoint 6 0' is not accepted: {form}"),
            (
                ("setpoint", "60", "--expires", "soon"),
                "'soon' is no duration, accepted is a whole number and a unit, such as 500ms, 5s, 5m, 2h or 7d",
            ),
            (
                ("setpoint", "60", "--wait", "121"),
                f"argument --wait: '121' is not accepted: a whole number from 0 to 120{more}",
            ),
        ):
            self.assertEqual(await self.refused("write", "boiler-1", *words), (2, text))


class Waiting(WriteTestCase):
    """A device that is away, or slow."""

    async def test_a_device_that_is_away_is_out_of_reach(self):
        self.rig.add_boiler("away", may_write=True)
        text = "device 'away' is not connected; `expires_in` lets the write wait for it"
        self.assertEqual(await self.refused("write", "away", "setpoint", "60"), (3, text))

    async def test_a_write_may_wait_for_its_device(self):
        """With --expires it is written when the device comes, and only until then."""
        self.rig.add_boiler("away", may_write=True)
        out = await self.accepted("write", "away", "setpoint", "60", "--expires", "5m", "--wait", "0")
        self.assertEqual(out, "queued: written when the device comes; `smok audit` tells how it went\n")
        session = self.rig.connect("away")
        self.assertEqual(session.bank.registers[Table.HOLDING][11], 600)

    async def test_an_expired_write_was_not_written(self):
        self.rig.add_boiler("away", may_write=True)
        ran = self.smok("write", "away", "setpoint", "60", "--expires", "5s")
        await self.until(lambda: self.rig.clock.getDelayedCalls() and self.commands("away"))
        self.rig.clock.advance(5)
        text = "smok: expired, nothing was written: the device did not come in time\n"
        self.assertEqual(await ran, (3, "", text))

    async def test_a_slow_device_is_waited_for(self):
        self.session.hold()
        ran = self.smok("write", "boiler-1", "setpoint", "60")
        await self.until(lambda: self.session.held)
        self.session.release()
        self.assertEqual((await ran).out, "confirmed by read-back: 60.0 °C\n")

    async def test_but_not_for_ever(self):
        """After --wait it says what is known so far."""
        self.session.hold()
        ran = self.smok("write", "boiler-1", "setpoint", "60", "--wait", "7")
        await self.until(lambda: self.session.held and self.rig.clock.getDelayedCalls())
        self.rig.clock.advance(7)
        text = "smok: no outcome after 7 seconds (queued); `smok audit` tells how it went\n"
        self.assertEqual(await ran, (3, "", text))
        self.session.release()

    async def test_every_write_has_a_key_of_its_own(self):
        """Two like ones are two writes."""
        for _ in range(2):
            await self.accepted("write", "boiler-1", "setpoint", "60")
        self.assertEqual(len({command["id"] for command in self.commands("boiler-1")}), 2)

    def commands(self, device: str):
        return self.rig.ask("GET", f"/devices/{device}/commands").json["commands"]


class Registers(WriteTestCase):
    """smok write DEVICE -a UNIT -t TABLE -r START VALUE..."""

    async def test_are_counted_from_one_or_zero(self):
        for words in (("-r", "11", "600"), ("-r", "10", "-0", "600"), ("-0", "-r", "10", "600")):
            self.session.asked.clear()
            out = await self.accepted("write", "boiler-1", "-a", "7", "-t", "4", *words)
            self.assertEqual(out, "confirmed by read-back: 600\n")
            self.assertIn((7, "06000a0258"), self.session.asked)

    async def test_several_at_once(self):
        out = await self.accepted("write", "boiler-1", "-r", "11", "1", "-2", "65535")
        self.assertEqual(out, "confirmed by read-back: 1 65534 65535\n")

    async def test_coils(self):
        out = await self.accepted("write", "boiler-1", "-t", "0", "-r", "6", "0")
        self.assertEqual(out, "confirmed by read-back: 0\n")
        self.assertEqual(self.session.bank.registers[Table.COIL][5], 0)

    async def test_wrong_usage(self):
        more = "; `smok write --help` shows what is accepted"
        word, bit = "a whole number from -32768 to 65535", "a whole number from 0 to 1"
        for words, text in (
            (("-r", "1", "65536"), f"the raw value '65536' is not accepted: {word}"),
            (("-r", "1", "1.5"), f"the raw value '1.5' is not accepted: {word}"),
            (("-t", "0", "-r", "1", "2"), f"the raw value '2' is not accepted: {bit}"),
            (("-t", "3", "-r", "1", "2"), f"argument -t: '3' is not accepted: one of 0, 4{more}"),
            (("-a", "1", "2"), "-r is missing: raw addresses need the first one, -r START"),
            (("-0", "1", "2"), "-r is missing: raw addresses need the first one, -r START"),
            (("-r", "0", "2"), "-r 0 is not accepted: the first is counted as 1, or as 0 with -0"),
        ):
            self.assertEqual(await self.refused("write", "boiler-1", *words), (2, text))
        self.assertEqual(self.session.asked, [])


class NoAnswer(ToolTestCase):
    async def test_the_daemon_falls_silent_after_the_write(self):
        """Nobody knows whether it was written, and that is what is said."""
        self.rig.add_boiler(may_write=True)
        self.rig.connect()
        self.patch(self.rig.commands, "submit", lambda *_, **__: self.drop())
        code, text = await self.refused("write", "boiler-1", "setpoint", "60")
        self.assertEqual(code, 3)
        self.assertRegex(text, r"broke off \(\w+\); whether it was written is not known, `smok audit` may tell\Z")

    async def drop(self):
        for one in reactor.getReaders():
            if isinstance(one, Server):
                one.abortConnection()
        await Deferred()


class Values(SynchronousTestCase):
    """What a user typed, for a point of that type."""

    def test_of_a_number(self):
        for text, value in (("60", 60), ("-5", -5), ("+5", 5), ("60.5", 60.5), (".5", 0.5), ("1e2", 100.0), ("007", 7)):
            self.assertEqual(repr(value_of(text, "INT16")), repr(value))

    def test_of_something_else(self):
        """The API decides whether it is the name of a state."""
        for text in ("winter", "nan", "inf", "1_000", "0x10", "60,5", "", "１"):
            self.assertEqual(value_of(text, "INT16"), text)

    def test_of_a_text(self):
        self.assertEqual(value_of("60", "STRING"), "60")

    def test_of_a_bit(self):
        self.assertEqual([value_of(text, "BOOL") for text in ("ON", "0", "maybe")], [True, False, "maybe"])


class Negative(SynchronousTestCase):
    def test_zero_as_a_letter_is_written_out(self):
        self.assertEqual(protected(["write", "-0", "-0.5", "0"]), ["write", "--zero-based", "-0.5", "0"])

    def test_negative_values_are_values(self):
        """They come as far as the search for the daemon."""
        for value in ("-5", "-0.5", "-.5"):
            ran = run_here("--url", "http://127.0.0.1:1", "--token", "t", "write", "x", "point", value)
            self.assertEqual(ran.code, 3)
