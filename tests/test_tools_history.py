"""Promise: who did what and what happened can be read, and the page opened, without knowing an id or a token."""

from __future__ import annotations

import json

from .tools_rig import ToolTestCase

AUDIT = """\
TIME                      WHO    FROM       DEVICE    ACTION      DETAIL
2026-09-21T14:13:20.000Z  admin  127.0.0.1  boiler-1  device-add  model=boiler name=boiler-1
2026-09-21T14:13:20.000Z  admin  127.0.0.1  -         model-add   name=boiler version=VERSION
"""


class Trails(ToolTestCase):
    """smok audit, smok events"""

    def setUp(self):
        super().setUp()
        self.rig.add_boiler()

    async def test_audit(self):
        version = self.rig.registry.models()[0].version
        self.assertEqual(await self.accepted("audit"), AUDIT.replace("VERSION", version))
        self.assertEqual(len((await self.accepted("audit", "--limit", "1")).splitlines()), 2)
        self.assertEqual(len((await self.accepted("audit", "boiler-1")).splitlines()), 2)

    async def test_events(self):
        """Newest first; a device that is gone has its id."""
        self.rig.add_boiler("attic")
        for name, text, severity in (("attic", "it rang", "low"), ("boiler-1", "it\x1b[2J rang", "high")):
            self.rig.registry.tell(self.rig.registry.find(name), "doorbell", text, severity)
        attic = self.rig.ask("GET", "/devices/attic").json["id"]
        await self.accepted("device", "remove", "attic", "--yes")
        lines = (await self.accepted("events")).splitlines()
        self.assertEqual(
            [line[26:] for line in lines],
            [
                "SEVERITY  DEVICE              KIND      TEXT         SEEN BY",
                "high      boiler-1            doorbell  it [2J rang  -",
                f"low       {attic}  doorbell  it rang      -",
            ],
        )
        self.assertEqual(len((await self.accepted("events", "boiler-1")).splitlines()), 2)

    async def test_json_is_the_answer_of_the_api(self):
        for name in ("audit", "events"):
            answer = json.loads(await self.accepted(name, "--json", "--limit", "7"))
            self.assertEqual(answer, self.rig.ask("GET", f"/{name}?limit=7").json)

    async def test_wrong_usage(self):
        text = "argument --limit: '0' is not accepted: a whole number from 1 to 1000"
        more = "; `smok audit --help` shows what is accepted"
        self.assertEqual(await self.refused("audit", "--limit", "0"), (2, text + more))
        text = "device 'nobody' does not exist; `smok device list` shows those that do"
        for name in ("audit", "events"):
            self.assertEqual(await self.refused(name, "nobody"), (1, text))


class Login(ToolTestCase):
    """smok login"""

    async def test_prints_a_link_that_opens_the_page(self):
        out = await self.accepted("login")
        self.assertRegex(out, rf"\A{self.url}/signin\?token=[0-9a-f]+\n\Z")
        answer = self.rig.ask("GET", "/" + out.strip().removeprefix(self.url), token=None)
        self.assertEqual((answer.status, answer.headers["Location"]), (303, "/"))

    async def test_json(self):
        self.assertEqual(list(json.loads(await self.accepted("login", "--json"))), ["url"])
