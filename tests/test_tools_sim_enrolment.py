"""Promise: the sim's devices are there when it starts, however often, and their secrets stay with their owner."""

from __future__ import annotations

import shutil
import stat
import tempfile
from pathlib import Path

from twisted.internet.threads import deferToThread

from smok_twisted.errors import UserError
from smok_twisted.tools.access import Access
from smok_twisted.tools.client import Client
from smok_twisted.tools.sim_enrolment import Enrolment

from .tools_rig import ToolTestCase
from .web_rig import ADMIN_TOKEN


class OverTheApi(ToolTestCase):
    """A daemon's real web half."""

    def setUp(self):
        super().setUp()
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        self.state = folder / "smok-data" / "sim"

    def enrol(self, count, suite=None):
        enrolment = Enrolment(Client(Access(self.url, ADMIN_TOKEN)), self.state, suite)
        return deferToThread(enrolment.enrol, count)

    def show(self, name):
        return self.rig.ask("GET", f"/devices/{name}").json

    def audited(self):
        """What was changed in the daemon."""
        return [entry["action"] for entry in self.rig.ask("GET", "/audit").json["audit"]]

    async def test_everything_is_made_once(self):
        """Models and devices are added when they are missing; a second start finds them and changes nothing."""
        first = await self.enrol(3)
        self.assertEqual(list(first), ["boiler-room-1", "boiler-room-2", "boiler-room-3"])
        devices = [self.show(name) for name in first]
        self.assertEqual(
            [device["model"] for device in devices], ["frisko-rx910", "frisko-rx910-meter", "frisko-rx910"]
        )
        self.assertEqual(len({device["site"] for device in devices}), 3)
        self.assertEqual([device["may_write"] for device in devices], [True] * 3)
        made = self.audited()
        self.assertEqual(await self.enrol(3), first)
        self.assertEqual(self.audited(), made)

    async def test_more_devices_can_be_added_later(self):
        """Those of before stay as they are; from the eleventh on sites are numbered."""
        first = await self.enrol(1, suite=2)
        more = await self.enrol(11)
        self.assertEqual(more["boiler-room-1"], first["boiler-room-1"])
        self.assertEqual(len(first["boiler-room-1"].secret), 32)
        self.assertEqual(len(more["boiler-room-11"].secret), 20)
        self.assertEqual(self.show("boiler-room-11")["site"], "Primary school 2")

    async def test_a_new_version_of_a_map_is_imported(self):
        """After an upgrade the daemon gets the maps of this version."""
        old = b'name = "frisko-rx910"\n[[point]]\nname = "on"\nregister = "coil"\naddress = 1\n'
        self.rig.ask("POST", "/models", old)
        await self.enrol(1)
        models = {model["name"]: model["points"] for model in self.rig.ask("GET", "/models").json["models"]}
        self.assertEqual(models["frisko-rx910"], 18)

    async def test_secrets_are_for_their_owner_only(self):
        """Nobody else may read the file, nor look into the folder."""
        folder = (await self.enrol(1))["boiler-room-1"].folder
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder / "secret.json", folder, self.state)]
        self.assertEqual(modes, [0o600, 0o700, 0o700])

    async def test_what_was_lost_is_asked_for_anew(self):
        """Lost or damaged: the same device, another secret."""
        before = await self.enrol(2)
        shutil.rmtree(before["boiler-room-1"].folder)
        (before["boiler-room-2"].folder / "secret.json").write_text('{"kid": 0, "sec')
        after = await self.enrol(2)
        for name in before:
            self.assertEqual(after[name].device_id, before[name].device_id)
            self.assertNotEqual((after[name].kid, after[name].secret), (before[name].kid, before[name].secret))
        self.assertEqual(await self.enrol(2), after)

    async def test_a_real_device_is_not_impersonated(self):
        """One that has the name of ours and another model keeps its secrets; the sentence says what to do."""
        self.rig.add_boiler("boiler-room-1")
        error = await self.assertFailure(self.enrol(1), UserError)
        self.assertIn("smok device set boiler-room-1 --name OTHER", str(error))
        self.assertNotIn("device-secret", self.audited())

    async def test_first_generation(self):
        """They are added with an allow entry for where they come from, and found again; they have no secrets."""
        enrolment = Enrolment(Client(Access(self.url, ADMIN_TOKEN)), self.state, None)
        await self.enrol(1)
        first = await deferToThread(enrolment.enrol_p24, 2, ["192.0.2.0/24"])
        self.assertEqual(first, {"boiler-room-p24-1": 0x0200000000010000, "boiler-room-p24-2": 0x0200000000020000})
        shown = self.show("boiler-room-p24-2")
        self.assertEqual((shown["link"], shown["from"], shown["may_write"]), ("p24", ["192.0.2.0/24"], True))
        made = self.audited()
        self.assertEqual(await deferToThread(enrolment.enrol_p24, 2, ["192.0.2.0/24"]), first)
        self.assertEqual(self.audited(), made)

    async def test_many_at_once(self):
        """A hundred are there in the time of a few, each with a secret of its own."""
        identities = await self.enrol(100)
        self.assertEqual(len({identity.secret for identity in identities.values()}), 100)
        self.assertEqual([self.show(name)["name"] for name in identities], list(identities))

    async def test_a_device_of_the_other_link(self):
        """One that has the name of ours over P24, and proves itself over SMOK/4, is not taken for ours."""
        await self.enrol(1)
        self.rig.ask("PATCH", "/devices/boiler-room-1", {"name": "boiler-room-p24-1"})
        enrolment = Enrolment(Client(Access(self.url, ADMIN_TOKEN)), self.state, None)
        error = await self.assertFailure(deferToThread(enrolment.enrol_p24, 1, ["192.0.2.0/24"]), UserError)
        self.assertIn("its link 'smok4'", str(error))

    async def test_a_folder_that_cannot_be_written(self):
        """One sentence that names it, and the option."""
        self.state.parent.write_text("a file")
        error = await self.assertFailure(self.enrol(1), UserError)
        self.assertIn(str(self.state), str(error))
        self.assertIn("--state", str(error))
