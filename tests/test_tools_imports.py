"""Promise: what another system kept becomes history here, each value once and exactly, or it is said why not."""

from __future__ import annotations

import json
from pathlib import Path

from twisted.internet.task import LoopingCall

from smok_twisted.errors import StorageAway
from smok_twisted.readings import FIRST_UNTOLD_PLAN
from smok_twisted.tools import import_pages as module
from smok_twisted.tools.client import Client

from .test_web_imports import FLAG
from .tools_rig import ToolTestCase
from .web_rig import BOILER


def cells_of(lines):
    """Of a wide export: time, point and value, but those that are left out."""
    names = lines[0].split(",")
    rows = [dict(zip(names, line.split(","), strict=True)) for line in lines[1:]]
    return {(row["time"], name, row[name]) for row in rows for name in names[1:] if row[name] and name != "flag"}


class Tool(ToolTestCase):
    """smok import"""

    def setUp(self):
        super().setUp()
        self.rig.add_boiler()
        self.patch(module, "PAGE", 40)
        turns = LoopingCall(self.rig.clock.advance, 0)
        turns.start(0)
        self.addCleanup(turns.stop)
        self.file = Path(self.mktemp())

    def write(self, *rows, head="time,outside,setpoint,other"):
        self.file.write_text("\n".join([head, *rows]) + "\n")

    async def test_a_file(self):
        self.write(*(f"{1_700_000_000 + 60 * n},{n / 10},50,x" for n in range(100)))
        left_out = "left out, there is no such point that can be imported: other (100 values)\n"
        said = await self.accepted("import", str(self.file), "--device", "boiler-1")
        self.assertEqual(said, f"{left_out}200 values stored, 0 already there, 0 refused\n")
        said = await self.accepted("import", str(self.file), "--device", "boiler-1")
        self.assertEqual(said, f"{left_out}0 values stored, 200 already there, 0 refused\n")

    async def there_and_back(self, *options):
        """What a whole map's export gives on the other side, and what the import said."""
        self.rig.ask("POST", "/models", (BOILER + FLAG).encode())
        for batch in range(1, 50):
            self.rig.report(60 * (50 - batch), batch, batch)
        exported = await self.accepted("export", "boiler-1", *options)
        self.file.write_text(exported)
        self.rig.ask("POST", "/devices", {"name": "boiler-2", "model": "boiler"})
        said = await self.accepted("import", str(self.file), "--device", "boiler-2")
        again = await self.accepted("export", "boiler-2", *options)
        return exported.splitlines(), again.splitlines(), said

    async def test_there_and_back(self):
        """What was exported from one device is the same after the import into another, all of the map."""
        exported, again, said = await self.there_and_back()
        exported = [line for line in exported if not line.endswith(",label,,good")]  # a text of nothing is no value
        self.assertEqual(sorted(again), sorted(exported))
        self.assertEqual(len(exported), 1 + 49 * 4)
        left_out = "left out, there is no such point that can be imported: flag (49 values)"
        self.assertEqual(said.splitlines(), [left_out, "147 values stored, 0 already there, 0 refused"])

    async def test_there_and_back_wide(self):
        exported, again, said = await self.there_and_back("--wide")
        values = [cells_of(lines) for lines in (again, exported)]
        self.assertEqual(values[0], values[1])
        self.assertIn("flag (49 values)", said)

    async def test_into_a_map_that_lacks_a_point(self):
        """The others are taken."""
        less = BOILER.replace('"boiler"', '"less"').replace('"season"', '"time_of_year"')
        self.rig.ask("POST", "/models", less.encode())
        self.rig.ask("POST", "/devices", {"name": "boiler-2", "model": "less"})
        self.rig.report(60, 41, 1)
        self.file.write_text(await self.accepted("export", "boiler-1"))
        said = await self.accepted("import", str(self.file), "--device", "boiler-2")
        left_out = "left out, there is no such point that can be imported: season (1 values)"
        self.assertEqual(said.splitlines(), [left_out, "2 values stored, 0 already there, 0 refused"])

    async def test_nothing_but_what_is_left_out(self):
        """A script learns that nothing was taken."""
        self.write("1700000000,nothing,1", head="time,point,value")
        ran = await self.smok("import", str(self.file), "--device", "boiler-1")
        self.assertEqual((ran.code, ran.err), (1, ""))
        self.assertIn("nothing (1 values)\n0 values stored, 0 already there, 0 refused", ran.out)

    async def test_bad_cells_among_good_ones(self):
        """Each is one refusal with its line, all others are stored."""
        bad = ("1969-01-01T00:00:00Z,1", "2206-01-01T00:00:00Z,1", "1700000001,1e999", f"1700000002,{'1' * 5000}")
        bad += (f"1700000003,{'x' * 200_000}",)
        good = [f"{1_700_000_100 + 60 * n},{n}" for n in range(100)]
        self.write(*good[:50], *bad, *good[50:], head="time,outside")
        ran = await self.smok("import", str(self.file), "--device", "boiler-1")
        lines = ran.out.splitlines()
        self.assertEqual((ran.code, ran.err, lines[0]), (1, "", "100 values stored, 0 already there, 5 refused"))
        self.assertEqual([line.partition(":")[0] for line in lines[1:]], [f"line {n}" for n in range(52, 57)])

    async def test_texts_that_fill_a_body(self):
        """A page is bounded by octets, too."""
        self.patch(module, "PAGE", 1000)
        text = "\N{GRINNING FACE}" * 900
        self.write(*(f"{1_700_000_000 + 60 * n},{text}" for n in range(1000)), head="time,label")
        ran = await self.smok("import", str(self.file), "--device", "boiler-1")
        self.assertEqual((ran.code, ran.err), (1, ""))
        self.assertIn("0 values stored, 0 already there, 1000 refused", ran.out)

    async def test_interrupted_and_repeated(self):
        """Each value is there once, and whatever ended it, it was told how far it came."""
        self.write(*(f"{1_700_000_000 + 60 * n},{n / 10},50,x" for n in range(100)))
        store, count = self.rig.store, []
        append = store.backfill

        def failing(*arguments):
            count.append(1)
            if len(count) == 3:
                raise StorageAway("the database is away")
            return append(*arguments)

        self.patch(store, "backfill", failing)
        ran = await self.smok("import", str(self.file), "--device", "boiler-1")
        self.assertEqual((ran.code, "the database is away" in ran.err), (3, True))
        told = "not finished: what came until then is stored, the same command again does the rest\n"
        self.assertIn(told, ran.out)
        self.assertIn("80 values stored, 0 already there, 0 refused", ran.out)
        said = await self.accepted("import", str(self.file), "--device", "boiler-1")
        self.assertIn("120 values stored, 80 already there, 0 refused", said)
        self.assertEqual(len(store.data.devices[self.rig.registry.find("boiler-1").record.device_id].reports), 200)

    async def test_ended_by_ctrl_c(self):
        """It is told how far it came."""
        self.write(*(f"{1_700_000_000 + 60 * n},{n / 10}" for n in range(100)), head="time,outside")
        post, count = Client.post, []

        def interrupted(*arguments, **keywords):
            count.append(1)
            if len(count) == 3:
                raise KeyboardInterrupt
            return post(*arguments, **keywords)

        self.patch(Client, "post", interrupted)
        ran = await self.smok("import", str(self.file), "--device", "boiler-1")
        self.assertEqual((ran.code, ran.err), (130, ""))
        self.assertIn("not finished: what came until then is stored", ran.out)
        self.assertIn("80 values stored, 0 already there, 0 refused", ran.out)

    async def test_ended_by_what_is_no_utf_8(self):
        octets = "".join(f"{1_700_000_000 + 60 * n},{n}\n" for n in range(5000)).encode()
        self.file.write_bytes(b"time,outside\n" + octets + b"\xff\n")
        ran = await self.smok("import", str(self.file), "--device", "boiler-1")
        self.assertEqual((ran.code, "is not UTF-8" in ran.err), (2, True))
        self.assertRegex(ran.out, "not finished: .*\n[1-9][0-9]* values stored")

    async def test_differences_are_told_with_their_lines(self):
        self.write("1700000000,1", "1700000060,2", "1700000120,3", head="time,outside")
        await self.accepted("import", str(self.file), "--device", "boiler-1")
        self.write("1700000000,1", "1700000060,2.5", "1700000120,3.5", head="time,outside")
        ran = await self.smok("import", str(self.file), "--device", "boiler-1")
        self.assertEqual((ran.code, ran.err), (1, ""))
        lines = ran.out.splitlines()
        self.assertEqual(lines[0], "0 values stored, 1 already there, 0 refused")
        self.assertEqual(lines[1], "2 differ from what is there, which was kept")
        self.assertEqual(lines[2], "line 3: point 'outside' at 2023-11-14T22:14:20.000Z has the value 2.0, not 2.5")
        self.assertEqual([line[:7] for line in lines[2:]], ["line 3:", "line 4:"])

    async def gaps(self, point):
        """Of all that is there."""
        text = await self.accepted("series", "boiler-1", point, "--from", "2023-11-14", "--json")
        return json.loads(text)["value"].count(None)

    async def test_a_file_with_a_rhythm_of_its_own(self):
        """No gap where nothing is missing, one where there was an outage; the same when it is interrupted and repeated,
        under one plan for each point."""
        times = [*range(0, 30_000, 300), *range(60_000, 90_000, 300)]
        self.write(*(f"{1_700_000_000 + time},1,2" for time in times), head="time,outside,setpoint")
        store, append = self.rig.store, self.rig.store.backfill
        for fails_at in (3, 2):
            count = []

            def failing(*arguments, count=count, fails_at=fails_at):
                count.append(1)
                if len(count) == fails_at:
                    raise StorageAway("the database is away")
                return append(*arguments)

            self.patch(store, "backfill", failing)
            ran = await self.smok("import", str(self.file), "--device", "boiler-1")
            self.assertEqual(ran.code, 3)
        self.patch(store, "backfill", append)
        await self.accepted("import", str(self.file), "--device", "boiler-1")
        self.assertEqual((await self.gaps("outside"), await self.gaps("setpoint")), (1, 1))
        views = self.rig.registry.find("boiler-1").views
        self.assertEqual(sum(view.plan.number >= FIRST_UNTOLD_PLAN for view in views.values()), 2)
        said = await self.accepted("import", str(self.file), "--device", "boiler-1", "--interval", "10m")
        self.assertIn("0 values stored, 400 already there", said)

    async def test_an_interval_that_is_given(self):
        """Values that came when they changed."""
        times = [0, 10, 500, 505, 510, 2000, 2005]
        self.write(*(f"{1_700_000_000 + time},1" for time in times), head="time,outside")
        await self.accepted("import", str(self.file), "--device", "boiler-1", "--interval", "10m")
        self.assertEqual(await self.gaps("outside"), 0)
        said = await self.refused("import", str(self.file), "--device", "boiler-1", "--interval", "often")
        self.assertEqual((said[0], "'often' is no duration" in said[1]), (2, True))

    async def test_refusals_are_told_with_their_lines(self):
        self.write("1700000000,4.14", "never,1", "1700000060,warm", "1700000120,1", head="time,outside")
        ran = await self.smok("import", str(self.file), "--device", "boiler-1")
        lines = ran.out.splitlines()
        self.assertEqual((ran.code, ran.err, lines[0]), (1, "", "1 values stored, 0 already there, 3 refused"))
        self.assertEqual(sorted(line.partition(":")[0] for line in lines[1:]), ["line 2", "line 3", "line 4"])

    async def test_what_is_not_accepted(self):
        self.write("1,1")
        for options, text in (
            (("--timezone", "Mars"), "the time zone 'Mars' is not known: a name such as UTC or Europe/Warsaw"),
            (("--map-columns", "outside"), "'outside' is not accepted: COLUMN=POINT"),
        ):
            ran = await self.refused("import", str(self.file), "--device", "boiler-1", *options)
            self.assertEqual(ran, (2, text))
        missing = f"{self.file}.no"
        text = f"{missing}: cannot be read: No such file or directory"
        self.assertEqual(await self.refused("import", missing, "--device", "boiler-1"), (2, text))
