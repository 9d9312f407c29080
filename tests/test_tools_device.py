"""Promise: a device is registered by one command, and what it prints can be pasted at the device."""

from __future__ import annotations

import json
import os
import re

from twisted.internet.threads import deferToThread

from smok_twisted.agent.command import parse
from smok_twisted.readings import Fault

from .tools_rig import ToolTestCase
from .web_rig import BOILER

ADDED = """\
device   cellar
id       0x0000000000000001
secret   0000000000000000000000000000000000000004   (shown this once)

A Linux machine beside the equipment becomes the device by these two lines; put the addresses of this
server and of the equipment in place of the words in capitals:

  (umask 077; echo 0000000000000000000000000000000000000004 > 0x0000000000000001.secret)
  smok agent --server SERVER:2406 --device 0x0000000000000001 --secret-file 0x0000000000000001.secret \
--modbus tcp:EQUIPMENT:502
"""

SHOWN = """\
name            cellar
id              0x0000000000000001
site            12 Main Street
model           boiler
version         VERSION
link            smok4
connected       yes
from address    192.0.2.9
last contact    now
may write       yes
locked          no
may come from   10.0.0.0/8 192.0.2.7/32
may come until  2028-01-01T00:00:00.000Z
line faults     -
secrets         kid 0, suite 2, 0 logins
added           2026-09-21T14:13:20.000Z
"""


class Add(ToolTestCase):
    """smok device add"""

    def setUp(self):
        super().setUp()
        self.add_model()

    async def test_prints_id_secret_and_what_to_type_at_the_device(self):
        self.assertEqual(await self.accepted("device", "add", "cellar", "--model", "boiler"), ADDED)

    async def test_what_it_prints_makes_an_agent(self):
        """The first line gives a file that only its owner can read, and the agent takes the second one as it is."""
        lines = (await self.accepted("device", "add", "cellar", "--model", "boiler")).splitlines()
        self.addCleanup(os.chdir, os.getcwd())
        os.mkdir(folder := self.mktemp())
        os.chdir(folder)
        self.assertEqual(await deferToThread(os.system, lines[-2]), 0)
        self.assertEqual(os.stat("0x0000000000000001.secret").st_mode & 0o777, 0o600)
        words = lines[-1].split()
        self.assertEqual(words[:2], ["smok", "agent"])
        settings = parse(words[2:])
        self.assertEqual((settings.device_id, settings.secret[-1], settings.kid), (1, 4, 0))

    async def test_every_option_arrives(self):
        """Until a date means: the whole of that day."""
        await self.accepted(
            "device", "add", "cellar", "--model", "boiler", "--site", "12 Main Street", "--suite", "2", "--may-write",
            "--from", "10.0.0.0/8", "192.0.2.7", "--until", "2027-12-31", "--id", "0x1",
        )  # fmt: skip
        self.rig.connect("cellar")
        shown = await self.accepted("device", "show", "cellar")
        self.assertEqual(re.sub("(?<=version         ).*", "VERSION", shown), SHOWN)

    async def test_a_link_without_secrets_has_none_to_print(self):
        """A P24 device needs its id and where it comes from, and gets no secret."""
        options = ("--model", "boiler", "--link", "p24", "--id", "4660", "--from", "10.0.0.0/8")
        out = await self.accepted("device", "add", "pump", *options)
        self.assertEqual(out, "device   pump\nid       0x0000000000001234\n")

    async def test_what_p24_needs_and_does_not_take(self):
        """In words of the command line; nothing is added."""
        needs = "a device with link p24 proves nothing, so it needs networks it comes from: --from 10.0.0.0/8"
        for options, text in (
            ((), "--id is missing: a device with link p24 says its own, such as --id 0x30001, or in decimal"),
            (("--id", "5"), f"--from is missing: {needs} 192.0.2.7"),
            (("--id", "5", "--from", "any"), f"--from any is not accepted: {needs} 192.0.2.7"),
            (
                ("--id", "5", "--from", "10.0.0.0/8", "--suite", "2"),
                "--suite is not accepted with --link p24, which has neither ciphers nor secrets",
            ),
        ):
            ran = await self.refused("device", "add", "pump", "--model", "boiler", "--link", "p24", *options)
            self.assertEqual(ran, (2, text))
        self.assertEqual(self.rig.registry.devices, {})

    async def test_what_failed_on_its_serial_line(self):
        """A P24 device's units, each with its counts; none is none."""
        options = ("--model", "boiler", "--link", "p24", "--id", "4660", "--from", "10.0.0.0/8")
        await self.accepted("device", "add", "pump", *options)
        self.assertIn("line faults     none\n", await self.accepted("device", "show", "pump"))
        self.rig.registry.find("pump").line_faults.update({(2, Fault.CRC): 1, (1, Fault.TIMEOUT): 3})
        shown = await self.accepted("device", "show", "pump")
        self.assertIn("line faults     unit 1: 3 timeout, 0 crc; unit 2: 0 timeout, 1 crc\n", shown)

    async def test_json_is_what_the_api_answers(self):
        out = await self.accepted("device", "add", "cellar", "--model", "boiler", "--json")
        answer = {"id": "0x0000000000000001", "name": "cellar", "model": "boiler", "link": "smok4", "suite": 1}
        self.assertEqual(json.loads(out), answer | {"kid": 0, "secret": "04".rjust(40, "0")})

    async def test_what_the_api_refuses_is_printed_as_it_says_it(self):
        await self.accepted("device", "add", "cellar", "--model", "boiler")
        for options, text in (
            (("cellar", "--model", "boiler"), "device name 'cellar' is taken by 0x0000000000000001"),
            (("other", "--model", "boat"), "model 'boat' does not exist; `smok map import FILE` adds one"),
        ):
            self.assertEqual(await self.refused("device", "add", *options), (1, text))

    async def test_wrong_usage(self):
        """One sentence that names the thing, the reason and the accepted form; nothing is added."""
        more = "; `smok device add --help` shows what is accepted"
        for options, text in (
            ((), f"the following arguments are required: NAME, --model{more}"),
            (("x",), f"the following arguments are required: --model{more}"),
            ((" ", "--model", "boiler"), f"argument NAME: ' ' is not accepted: a name, or the id of a device{more}"),
            (("x", "--model", "boiler", "--suite", "3"), f"argument --suite: '3' is not accepted: one of 1, 2{more}"),
            (
                ("x", "--model", "boiler", "--link", "tcp"),
                f"argument --link: 'tcp' is not accepted: one of smok4, p24{more}",
            ),
            (
                ("x", "--model", "boiler", "--until", "soon"),
                "the time 'soon' is not accepted: 2026-12-31T12:00:00Z, or 2026-12-31 for the whole of that day (UTC)",
            ),
            (
                ("x", "--model", "boiler", "--from", "10.0.0.1/8"),
                "argument --from: '10.0.0.1/8' is not accepted: 10.0.0.1/8 has host bits set;"
                f" a network such as 10.0.0.0/8{more}",
            ),
            (("x", "--model", "boiler", "--csv"), f"--csv is not accepted here{more}"),
            (("x", "--mod", "boiler"), f"the following arguments are required: --model{more}"),
        ):
            self.assertEqual(await self.refused("device", "add", *options), (2, text))
        self.assertEqual(self.rig.registry.devices, {})


LISTED = """\
NAME      SITE  MODEL   LINK   CONNECTED  LAST CONTACT  ID
attic     -     boiler  smok4  no         never         0x0000000000000006
cellar 1  east  boiler  smok4  yes        now           0x0000000000000001
"""
LISTED_CSV = """\
name,site,model,link,connected,age,id
attic,,boiler,smok4,false,,0x0000000000000006
cellar 1,east,boiler,smok4,true,0.0,0x0000000000000001
"""


class List(ToolTestCase):
    """smok device list"""

    def setUp(self):
        super().setUp()
        self.rig.add_boiler("cellar 1", site="east")
        self.rig.connect("cellar 1")

    async def test_is_a_table_by_name(self):
        self.rig.add_boiler("attic")
        self.assertEqual(await self.accepted("device", "list"), LISTED)

    async def test_as_csv(self):
        self.rig.add_boiler("attic")
        self.assertEqual(await self.accepted("device", "list", "--csv"), LISTED_CSV)

    async def test_json_is_the_answer_of_the_api(self):
        answer = json.loads(await self.accepted("device", "list", "--json"))
        self.assertEqual(answer, self.rig.ask("GET", "/devices").json)

    async def test_has_every_page(self):
        """Six hundred devices are more than the API gives at once."""
        record = self.rig.registry.find("cellar 1").record
        for number in range(2, 602):
            fields = {**{name: getattr(record, name) for name in record.__slots__}, "device_id": number}
            self.rig.registry.add(type(record)(**fields | {"name": f"d{number}"}))
        answer = json.loads(await self.accepted("device", "list", "--json"))
        self.assertEqual(len({device["id"] for device in answer["devices"]}), 601)
        self.assertEqual((len(answer["devices"]), answer["next"]), (601, None))


class Change(ToolTestCase):
    """smok device set, secret, remove"""

    def setUp(self):
        super().setUp()
        self.rig.add_boiler("cellar")
        self.device = self.rig.registry.find("cellar")

    async def test_what_is_named_is_set_and_the_rest_stays(self):
        await self.accepted("device", "set", "cellar", "--may-write", "--site", "east", "--from", "10.0.0.0/8")
        await self.accepted("device", "set", "0x1", "--name", "kotłownia 2", "--until", "2027-01-01T00:00:00Z")
        record = self.device.record
        self.assertEqual((record.name, record.site, record.may_write), ("kotłownia 2", "east", True))
        self.assertEqual((record.allow_from, record.allow_until_us), (("10.0.0.0/8",), 1_798_761_600_000_000))

    async def test_any_and_never_take_back(self):
        options = ("--may-write", "--from", "10.0.0.0/8", "--until", "2027-01-01")
        await self.accepted("device", "set", "cellar", *options)
        await self.accepted("device", "set", "cellar", "--no-may-write", "--from", "any", "--until", "never")
        record = self.device.record
        self.assertEqual((record.may_write, record.allow_from, record.allow_until_us), (False, (), None))

    async def test_any_is_not_for_what_proves_nothing(self):
        """A P24 device keeps its networks; the refusal is in words of the command line."""
        self.rig.add_boiler("old", id="9", link="p24", **{"from": ["10.0.0.0/8"]})
        code, text = await self.refused("device", "set", "old", "--from", "any", "--may-write")
        self.assertEqual((code, text.split(":")[0]), (2, "--from any is not accepted"))
        self.assertEqual(self.rig.registry.find("old").record.allow_from, ("10.0.0.0/8",))

    async def test_another_model(self):
        self.rig.ask("POST", "/models", BOILER.replace('"boiler"', '"furnace"', 1).encode())
        await self.accepted("device", "set", "cellar", "--model", "furnace")
        self.assertEqual(self.device.record.model, "furnace")

    async def test_nothing_to_set(self):
        text = "nothing to set: give --name, --site, --model, --from, --until, --may-write or --no-may-write"
        self.assertEqual(await self.refused("device", "set", "cellar"), (2, text))

    async def test_nobody_of_that_name(self):
        text = "device 'nobody' does not exist; `smok device list` shows those that do"
        for words in (("set", "nobody", "--may-write"), ("show", "nobody"), ("secret", "nobody"), ("remove", "nobody")):
            self.assertEqual(await self.refused("device", *words), (1, text))

    async def test_a_name_may_hold_anything(self):
        """What looks like an address to the API is a name all the same."""
        for name in ("..", "a?b#c", "a%2Fb", "ż ó"):
            text = f"device {name!r} does not exist; `smok device list` shows those that do"
            self.assertEqual(await self.refused("device", "show", name), (1, text))
        code, text = await self.refused("device", "show", "a/b")
        self.assertEqual(code, 2)
        self.assertIn("argument DEVICE: 'a/b' is not accepted: a name, or the id of a device", text)

    async def test_a_new_secret_comes_with_its_kid(self):
        out = await self.accepted("device", "secret", "cellar")
        (slot, new) = self.rig.keyring.slots(1)
        kid = "(the one in use stays good until the device uses this one)"
        self.assertIn(f"device   cellar\nkid      1   {kid}\nsecret   {new.secret.hex()}   (shown this once)\n", out)
        self.assertIn("--secret-file 0x0000000000000001.secret --kid 1 --modbus", out)
        self.assertNotEqual(slot.secret, new.secret)

    async def test_a_secret_handed_over_in_session_is_shown_to_nobody(self):
        session = self.rig.connect("cellar")
        out = await self.accepted("device", "secret", "cellar", "--in-session")
        self.assertEqual(out, "secret 1 is on its way; the device uses it from its next login\n")
        ((kid, secret),) = session.keys
        self.assertEqual((kid, secret), (1, self.rig.keyring.slots(1)[1].secret))

    async def test_json_is_the_answer_of_the_api(self):
        out = await self.accepted("device", "secret", "cellar", "--json")
        secret = self.rig.keyring.slots(1)[1].secret.hex()
        self.assertEqual(json.loads(out), {"id": "0x0000000000000001", "kid": 1, "suite": 1, "secret": secret})
        shown = json.loads(await self.accepted("device", "show", "cellar", "--json"))
        self.assertEqual(shown, self.rig.ask("GET", "/devices/cellar").json)

    async def test_in_session_needs_a_session(self):
        code, text = await self.refused("device", "secret", "cellar", "--in-session")
        self.assertEqual(code, 1)
        self.assertIn("device 'cellar' is not connected", text)

    async def test_remove_asks_before(self):
        """Without a terminal to ask at it wants a yes."""
        text = "removing a device needs a yes: answer at a terminal, or give --yes"
        self.assertEqual(await self.refused("device", "remove", "cellar"), (2, text))
        self.assertIn(1, self.rig.registry.devices)
        self.assertEqual(await self.accepted("device", "remove", "cellar", "--yes"), "removed cellar\n")
        self.assertEqual(self.rig.registry.devices, {})
