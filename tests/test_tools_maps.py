"""Promise: a register map is checked without a daemon, with the one sentence that says what is wrong, and its cost."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import UserError
from smok_twisted.modbus.estimate import ASSUMPTIONS, estimate
from smok_twisted.modbus.maps import parse_map
from smok_twisted.tools import maps

from .tools_rig import ToolTestCase, run_here, sentence
from .web_rig import BOILER

CHECKED = """\
boiler (A boiler), version VERSION: good
6 points in 2 requests a cycle: 12 registers and 1 bits

UNIT  TABLE    FROM  TO  COUNT  EVERY  SENT AT LEAST EVERY  DEADBAND
   1  coil        5   5      1   60 s                 60 s         -
   1  holding    10  21     12   60 s                 60 s         -

            OCTETS A ROUND  OCTETS A MONTH
SMOK/4      {smok4_cycle_octets:>14}  {smok4_month_octets:>14,}
MODBUS/TCP  {modbus_tcp_cycle_octets:>14}  {modbus_tcp_month_octets:>14,}
({ASSUMPTIONS})
"""


class Check(SynchronousTestCase):
    """smok map check"""

    def setUp(self):
        self.file = Path(self.mktemp())
        self.file.write_text(BOILER)
        self.map = parse_map(BOILER)

    def test_tells_requests_and_octets(self):
        """The figures are those of the estimate."""
        ran = run_here("map", "check", str(self.file))
        wanted = CHECKED.format(**vars(estimate(self.map)), ASSUMPTIONS=ASSUMPTIONS)
        self.assertEqual(ran, (0, wanted.replace("VERSION", self.map.version), ""))

    def test_json_has_the_same_figures(self):
        answer = json.loads(run_here("map", "check", str(self.file), "--json").out)
        cost = estimate(self.map)
        figures = (
            ("SMOK/4", cost.smok4_cycle_octets, cost.smok4_month_octets),
            ("MODBUS/TCP", cost.modbus_tcp_cycle_octets, cost.modbus_tcp_month_octets),
        )
        names = ("protocol", "round_octets", "month_octets")
        self.assertEqual(answer["traffic"], [dict(zip(names, row, strict=True)) for row in figures])
        self.assertEqual((answer["name"], answer["version"], answer["requests"]), ("boiler", self.map.version, 2))
        self.assertEqual([block["from"] for block in answer["blocks"]], [5, 10])

    def test_a_report_has_its_deadband(self):
        """Between reports a change beyond it is sent at once."""
        self.file.write_text(BOILER.replace('interval = "60s"', 'interval = "60s"\nreport = "1h"'))
        lines = run_here("map", "check", str(self.file)).out.splitlines()
        self.assertEqual(lines[4].split(), ["1", "coil", "5", "5", "1", "60", "s", "3600", "s", "0"])

    def test_from_the_standard_input(self):
        self.patch(maps, "sys", SimpleNamespace(stdin=SimpleNamespace(buffer=io.BytesIO(BOILER.encode()))))
        self.assertEqual(run_here("map", "check", "-").code, 0)

    def test_what_is_wrong_is_told_verbatim(self):
        """The sentence of the parser, with the name of the file."""
        for text in ("name = 1", "name", BOILER.replace("SM16", "SM17"), BOILER + BOILER.partition("[[point]]")[2]):
            self.file.write_text(text)
            error = self.assertRaises(UserError, parse_map, text, str(self.file))
            ran = run_here("map", "check", str(self.file))
            self.assertEqual((ran.code, ran.out, sentence(self, ran.err)), (1, "", str(error)))

    def test_what_cannot_be_planned(self):
        self.file.write_text(BOILER.replace('interval = "60s"', 'interval = "500ms"'))
        ran = run_here("map", "check", str(self.file))
        text = "point 'outside': interval = 500ms cannot be planned, accepted are whole seconds from 1s to 65535s"
        self.assertEqual((ran.code, sentence(self, ran.err)), (1, f"{self.file}: {text}"))

    def test_what_is_no_file(self):
        for file, reason in (("nowhere.toml", "No such file or directory"), (".", "Is a directory")):
            ran = run_here("map", "check", file)
            self.assertEqual((ran.code, sentence(self, ran.err)), (2, f"{file}: cannot be read: {reason}"))

    def test_what_is_no_text(self):
        self.file.write_bytes(b'name = "\xff"')
        ran = run_here("map", "check", str(self.file))
        text = f"{self.file}: is not UTF-8 at octet 8; accepted is TOML in UTF-8"
        self.assertEqual((ran.code, sentence(self, ran.err)), (1, text))


SHOWN = """\
POINT     TITLE                UNIT ID  TABLE    ADDRESS  TYPE    UNIT  ACCESS  MIN  MAX
outside   Outside temperature        1  holding       10  SM16    °C    r         -    -
setpoint  setpoint                   1  holding       11  INT16   °C    rw       30   80
season    season                     1  holding       12  UINT16  -     rw        -    -
label     label                      1  holding       20  STRING  -     r         -    -
doorbell  doorbell                   1  holding       30  UINT16  -     w         0    1
pump      pump                       1  coil           5  BOOL    -     rw        -    -
"""


class WithDaemon(ToolTestCase):
    """smok map import, show, export"""

    def setUp(self):
        super().setUp()
        self.file = Path(self.mktemp())
        self.file.write_text(BOILER)
        self.version = parse_map(BOILER).version

    async def test_import_show_export(self):
        """What comes out is what went in, to the last octet."""
        out = await self.accepted("map", "import", str(self.file))
        self.assertEqual(out, f"imported boiler with 6 points, version {self.version}\n")
        out = await self.accepted("map", "show")
        self.assertEqual(out, f"MODEL   VERSION           POINTS\nboiler  {self.version}       6\n")
        self.assertEqual(await self.accepted("map", "show", "boiler"), SHOWN)
        self.assertEqual(await self.accepted("map", "export", "boiler"), BOILER)
        copy = Path(self.mktemp())
        self.assertEqual(await self.accepted("map", "export", "boiler", "-o", str(copy)), "")
        self.assertEqual(copy.read_text(), BOILER)  # noqa: ASYNC240

    async def test_json(self):
        answers = json.loads(await self.accepted("map", "import", str(self.file), "--json"))
        self.assertEqual(answers, [{"name": "boiler", "version": self.version, "points": 6}])
        self.assertEqual(json.loads(await self.accepted("map", "show", "--json")), self.rig.ask("GET", "/models").json)
        answer = json.loads(await self.accepted("map", "show", "boiler", "--json"))
        self.assertEqual((answer["version"], len(answer["points"])), (self.version, 6))

    async def test_all_files_are_checked_before_the_first_is_sent(self):
        bad = Path(self.mktemp())
        bad.write_text("name = 1")  # noqa: ASYNC240
        code, text = await self.refused("map", "import", str(self.file), str(bad))
        self.assertEqual(code, 1)
        self.assertTrue(text.startswith(f"{bad}: name = 1 is not accepted"), text)
        self.assertEqual(self.rig.registry.models(), [])

    async def test_an_unknown_model(self):
        for word in ("show", "export"):
            code, text = await self.refused("map", word, "boat")
            self.assertEqual(code, 1)
            self.assertIn("model 'boat' does not exist", text)

    async def test_a_file_that_cannot_be_written(self):
        self.add_model()
        answer = await self.refused("map", "export", "boiler", "-o", "/nowhere/x.toml")
        self.assertEqual(answer, (2, "/nowhere/x.toml: cannot be written: No such file or directory"))
