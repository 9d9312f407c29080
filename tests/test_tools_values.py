"""Promise: values and histories are shown with their digits, states, units and ages, and gaps are seen as gaps."""

from __future__ import annotations

import json
from types import SimpleNamespace

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.tools import values as module
from smok_twisted.tools.values import Shown

from .tools_rig import ToolTestCase

VALUES = """\
POINT     TITLE                 VALUE  UNIT  AGE      QUALITY
outside   Outside temperature    -4.1  °C    3 s ago  good
setpoint  setpoint               55.0  °C    3 s ago  good
season    season               winter  -     3 s ago  good
label     label                     -  -     3 s ago  good
pump      pump                      -  -     never    stale
"""
VALUES_CSV = """\
point,title,value,unit,time,age,quality,raw
outside,Outside temperature,-4.1,°C,2026-09-21T14:13:17.000Z,3.0,good,32809
setpoint,setpoint,55.0,°C,2026-09-21T14:13:17.000Z,3.0,good,550
season,season,1,,2026-09-21T14:13:17.000Z,3.0,good,1
label,label,,,2026-09-21T14:13:17.000Z,3.0,good,0 0
pump,pump,,,,,stale,
"""


class Values(ToolTestCase):
    """smok values"""

    def setUp(self):
        super().setUp()
        self.rig.add_boiler()
        self.rig.report(3, 0x8029, batch=1)

    async def test_are_a_table(self):
        self.rig.connect()
        self.assertEqual(await self.accepted("values", "boiler-1"), VALUES)

    async def test_say_when_the_device_is_away(self):
        self.assertEqual(await self.accepted("values", "boiler-1"), VALUES + "(the device is not connected)\n")

    async def test_as_csv_are_numbers(self):
        self.assertEqual(await self.accepted("values", "boiler-1", "--csv"), VALUES_CSV)

    async def test_json_is_the_answer_of_the_api(self):
        answer = json.loads(await self.accepted("values", "boiler-1", "--json"))
        self.assertEqual(answer, self.rig.ask("GET", "/devices/boiler-1/values").json)

    async def test_watch_has_them_read_fast_and_shows_them_again(self):
        """Until Ctrl-C."""
        looks, pauses = [], []
        self.patch(type(self.rig.registry.find("boiler-1")), "look", lambda device: looks.append(device))

        def sleep(seconds):
            pauses.append(seconds)
            if len(pauses) == 3:
                raise KeyboardInterrupt

        self.patch(module, "time", SimpleNamespace(sleep=sleep))
        self.rig.connect()
        ran = await self.smok("values", "boiler-1", "--watch")
        self.assertEqual((ran.code, ran.out, ran.err), (130, 3 * VALUES, ""))
        self.assertEqual((len(looks), pauses), (3, [2.0] * 3))

    async def test_without_watching_nothing_is_read_fast(self):
        self.patch(type(self.rig.registry.find("boiler-1")), "look", lambda device: self.fail("read fast"))
        await self.accepted("values", "boiler-1")


FROM, TO = "2026-09-21T14:00:00Z", "2026-09-21T15:00:00Z"
SERIES = """\
TIME                      VALUE
2026-09-21T14:03:20.000Z    1.0
2026-09-21T14:04:20.000Z      -
2026-09-21T14:12:20.000Z    2.0
2026-09-21T14:13:20.000Z      -
"""
STEPS = """\
time,value,min,max
2026-09-21T14:00:00.000Z,1.5,1.0,2.0
"""


class Series(ToolTestCase):
    """smok series"""

    def setUp(self):
        super().setUp()
        self.rig.add_boiler()
        for batch, (age_seconds, outside) in enumerate(((600, 10), (60, 20), (0, None)), 1):
            self.rig.report(age_seconds, outside, batch)

    async def test_gaps_have_a_line_without_a_value(self):
        self.assertEqual(await self.accepted("series", "boiler-1", "outside", "--from", FROM, "--to", TO), SERIES)

    async def test_steps_come_with_their_extremes(self):
        options = ("--from", FROM, "--to", TO, "--step", "1h", "--agg", "mean", "--csv")
        self.assertEqual(await self.accepted("series", "boiler-1", "outside", *options), STEPS)

    async def test_json_is_the_answer_of_the_api(self):
        out = await self.accepted("series", "boiler-1", "outside", "--from", FROM, "--to", TO, "--json")
        path = f"/devices/boiler-1/series?point=outside&from={FROM}&to={TO}"
        self.assertEqual(json.loads(out), self.rig.ask("GET", path).json)

    async def test_how_long_ago_counts_from_now(self):
        """What the command asks for is what the API is asked for."""
        self.patch(module, "wall_clock_us", lambda: self.rig.now_us)
        out = await self.accepted("series", "boiler-1", "outside", "--from", "2m", "--to", "30s")
        self.assertEqual(out, "TIME                      VALUE\n2026-09-21T14:12:20.000Z    2.0\n")

    async def test_wrong_usage(self):
        more = "; `smok series --help` shows what is accepted"
        for words, code, text in (
            (("boiler-1",), 2, f"the following arguments are required: POINT{more}"),
            (
                ("boiler-1", "outside", "--agg", "sum"), 2,
                f"argument --agg: 'sum' is not accepted: one of mean, min, max, last{more}",
            ),
            (("boiler-1", "outside", "--step", "1ms"), 2, "'1ms' is not accepted: whole seconds, at least 1s"),
            (
                ("boiler-1", "outside", "--from", TO, "--to", FROM), 1,
                "the series ends before it begins: `from` must be before `to`",
            ),
            (
                ("boiler-1", "inside"), 1,
                "there is no point 'inside' in model 'boiler', which has "
                "outside, setpoint, season, label, doorbell, pump",
            ),
        ):  # fmt: skip
            self.assertEqual(await self.refused("series", *words), (code, text))


class Look(SynchronousTestCase):
    """How a value looks."""

    shown = Shown(
        [
            {"point": "t", "unit": "°C", "precision": 2, "states": None},
            {"point": "f", "unit": "bar", "precision": None, "states": None},
            {"point": "s", "unit": None, "precision": 0, "states": {"0": "off", "1": "on"}},
            {"point": "b", "unit": None, "precision": None, "states": None},
        ]
    )

    def test_has_all_its_digits(self):
        self.assertEqual([self.shown.value("t", value) for value in (4, 4.1, -0.05)], ["4.00", "4.10", "-0.05"])
        self.assertEqual(self.shown.value("f", 0.1), "0.1")

    def test_is_the_name_of_its_state(self):
        values = [self.shown.value("s", value) for value in (0, 1, True, 2)]
        self.assertEqual(values, ["off", "on", "on", "2"])

    def test_is_true_or_false(self):
        self.assertEqual([self.shown.value("b", value) for value in (True, False)], ["true", "false"])

    def test_unit_only_with_a_value(self):
        self.assertEqual([self.shown.with_unit("t", value) for value in (4, None)], ["4.00 °C", "-"])

    def test_of_a_point_that_nobody_knows(self):
        self.assertEqual([self.shown.with_unit("x", value) for value in (4, [1, 2], "a")], ["4", "1 2", "a"])
