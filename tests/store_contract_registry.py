"""The contract of the stores, second part: devices and what belongs to them, models, settings."""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.defer import gatherResults

from smok_twisted.readings import Plan, Table
from smok_twisted.storage.records import Cursor

from .store_samples import DEVICE, MODEL, OTHER, PLAN, StoreCase, batch_of, command, credential, device, event, report


class RegistryContract(StoreCase):
    """What the operator entered stays as it was entered."""

    # -- devices

    async def test_a_device_with_all_its_fields(self):
        """Nothing that the operator said is lost over a restart."""
        full = device(
            name="kotłownia nr 1 ☃",
            site="Łódź",
            model_version="aaaa",
            link="p24",
            suite=2,
            may_write=True,
            replay_weak=True,
            read_only=True,
            allow_from=("10.0.0.0/8", "2001:db8::/32"),
            allow_until_us=1 << 60,
            timezone="Europe/Warsaw",
        )
        store, _ = await self.opened()
        await store.save_device(full)
        await store.save_device(device(OTHER, "plain"))
        _, snapshot = await self.restarted(store)
        self.assertEqual(snapshot.devices, {DEVICE: full, OTHER: device(OTHER, "plain")})

    async def test_a_changed_device_keeps_what_it_has(self):
        """A new name costs neither history nor cursor nor key."""
        store = await self.with_device()
        await store.save_credential(credential())
        await store.append(batch_of(report(1)))
        await store.save_device(device(name="renamed", may_write=True))
        store, snapshot = await self.restarted(store)
        self.assertEqual(snapshot.devices[DEVICE], device(name="renamed", may_write=True))
        self.assertEqual(snapshot.credentials, {DEVICE: {0: credential()}})
        self.assertEqual(snapshot.cursors, {DEVICE: Cursor(1, 1)})
        self.assertEqual(await self.history(store), [report(1)])

    async def fill(self, store):
        await store.save_plan(DEVICE, PLAN)
        await store.save_credential(credential())
        await store.save_nonces(DEVICE, b"seen")
        await store.save_command(command(idempotency_key="k"))
        await store.append(batch_of(report(1)))

    async def test_a_removed_device_is_gone(self):
        """With its key, nonces, plans, commands, cursor, latest values and history; others are not touched."""
        store = await self.with_device(device(OTHER, "other"))
        await self.fill(store)
        await store.append(batch_of(report(1, device_id=OTHER)))
        await store.remove_device(DEVICE)
        self.assertEqual(await self.history(store), [])
        self.assertEqual((await store.command("c1"), await store.command_by_key(DEVICE, "k")), (None, None))
        await self.refused(store.append(batch_of(report(2))), "not known")
        _, snapshot = await self.restarted(store)
        self.assertEqual((snapshot.devices.keys(), snapshot.cursors.keys(), snapshot.latest.keys()), ({OTHER},) * 3)
        self.assertEqual((snapshot.plans, snapshot.credentials, snapshot.nonces, snapshot.pending), ({}, {}, {}, []))

    async def test_an_id_used_again_starts_clean(self):
        """A new device does not inherit the readings of the one that had its id before."""
        store = await self.with_device()
        await self.fill(store)
        await store.remove_device(DEVICE)
        await store.save_device(device(name="successor"))
        await store.append(batch_of(report(1, time_us=5, words=(5,))))
        await store.save_plan(DEVICE, PLAN._replace(version="bbbb"))
        self.assertEqual(await self.history(store), [report(1, time_us=5, words=(5,))])
        self.assertEqual(await store.commands(DEVICE), [])
        _, snapshot = await self.restarted(store)
        self.assertEqual((snapshot.credentials, snapshot.nonces, snapshot.pending), ({}, {}, []))

    async def test_removing_what_is_not_there(self):
        """It is gone; that is what was asked for."""
        store = await self.with_device()
        await store.remove_device(OTHER)
        await store.remove_credential(OTHER, 0)
        await store.remove_credential(DEVICE, 3)

    async def test_events_and_audit_outlive_the_device(self):
        """Who did what to it stays on record."""
        store = await self.with_device()
        await store.append_event(event())
        await store.append_audit(1, "ola", "console", DEVICE, "write", {})
        await store.remove_device(DEVICE)
        self.assertEqual([found.text for found in await store.events(device_id=DEVICE)], ["it leaks"])
        self.assertEqual([found.who for found in await store.audit(device_id=DEVICE)], ["ola"])

    async def test_writes_take_effect_in_order(self):
        """A device may be added and used without waiting in between."""
        store, _ = await self.opened()
        steps = [
            store.save_device(device()),
            store.append(batch_of(report(1))),
            store.remove_device(DEVICE),
            store.save_device(device(name="again")),
            store.append(batch_of(report(1, words=(2,)))),
        ]
        await gatherResults(steps)
        self.assertEqual(await self.history(store), [report(1, words=(2,))])

    # -- plans, credentials, nonces

    async def test_plans_are_kept_for_good(self):
        """Every plan that a device ever had explains old readings."""
        newer = Plan(4, (), "boiler", "bbbb")
        store = await self.with_device(device(OTHER, "other"))
        await gatherResults([store.save_plan(DEVICE, PLAN), store.save_plan(DEVICE, newer)])
        await store.save_plan(OTHER, PLAN._replace(model="pump"))
        await store.save_plan(DEVICE, PLAN)
        _, snapshot = await self.restarted(store)
        self.assertEqual(snapshot.plans, {DEVICE: {3: PLAN, 4: newer}, OTHER: {3: PLAN._replace(model="pump")}})
        self.assertIsInstance(snapshot.plans[DEVICE][3].blocks[0].table, Table)

    async def test_a_plan_number_means_one_plan(self):
        """Otherwise old readings would be read with the wrong plan."""
        store = await self.with_device()
        await store.save_plan(DEVICE, PLAN)
        for changed in (PLAN._replace(blocks=PLAN.blocks[:1]), PLAN._replace(version="bbbb")):
            await self.refused(store.save_plan(DEVICE, changed), "plan 3")
        _, snapshot = await self.restarted(store)
        self.assertEqual(snapshot.plans, {DEVICE: {3: PLAN}})

    async def test_two_key_slots(self):
        """A device has at most two; a slot can be replaced and emptied."""
        store = await self.with_device()
        await gatherResults([store.save_credential(credential(kid)) for kid in (0, 255)])
        await self.refused(store.save_credential(credential(7)), "remove one first")
        changed = credential(0, suite=2, wrapped=b"\x00", logins=3, state="retired")
        await store.save_credential(changed)
        store, snapshot = await self.restarted(store)
        self.assertEqual(snapshot.credentials, {DEVICE: {0: changed, 255: credential(255)}})
        await store.remove_credential(DEVICE, 0)
        await store.save_credential(credential(7))
        _, snapshot = await self.restarted(store)
        self.assertEqual(snapshot.credentials[DEVICE].keys(), {7, 255})

    async def test_nonce_memory(self):
        """Opaque octets come back the same; the last ones count."""
        store = await self.with_device()
        await store.save_nonces(DEVICE, b"")
        await store.save_nonces(DEVICE, bytes(range(256)) * 8)
        _, snapshot = await self.restarted(store)
        self.assertEqual(snapshot.nonces, {DEVICE: bytes(range(256)) * 8})

    async def test_everything_of_a_device_needs_the_device(self):
        """Nothing is kept for a device that is not there."""
        store, _ = await self.opened()
        await self.refused(store.save_plan(DEVICE, PLAN), "not known")
        await self.refused(store.save_credential(credential()), "not known")
        await self.refused(store.save_nonces(DEVICE, b""), "not known")
        await self.refused(store.save_command(command()), "not known")

    # -- models and settings

    async def test_models_keep_their_versions(self):
        """The one saved last is current, also when it is an old one that was taken back."""
        newer, pump = replace(MODEL, version="bbbb"), replace(MODEL, name="pump")
        store, _ = await self.opened()
        for record in (MODEL, newer, pump):
            await store.save_model(record)
        self.assertEqual(await store.models(), [MODEL, newer, pump])
        await store.save_model(MODEL)
        self.assertEqual(await store.models(), [newer, pump, MODEL])
        _, snapshot = await self.restarted(store)
        self.assertEqual(snapshot.models, [newer, pump, MODEL])

    async def test_settings(self):
        """Text by name; the last one counts."""
        store, _ = await self.opened()
        for text in ("", "żółw\x00\n"):
            await store.put_setting("ńame", text)
        store, _ = await self.restarted(store)
        self.assertEqual(await store.setting("ńame"), "żółw\x00\n")
        self.assertIsNone(await store.setting("name"))
