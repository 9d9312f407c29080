"""The contract of the stores, third part: commands, the audit trail, events."""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.defer import gatherResults

from smok_twisted.errors import Conflict
from smok_twisted.storage.audit import GENESIS, verify

from .store_samples import DEVICE, OTHER, StoreCase, command, device, event


class LogContract(StoreCase):
    """What was asked for, what happened, and who did it."""

    # -- commands

    async def test_a_command_with_all_its_fields(self):
        """What was asked for, by whom, and what came of it."""
        full = command(
            state="confirmed",
            expires_us=99,
            idempotency_key="k1",
            body={"value": 4.1, "before": None, "read_back": True, "unit": "°C", "values": [1, 2]},
        )
        raw = command("c2", state="sent", point=None)
        store = await self.with_device()
        await gatherResults([store.save_command(full), store.save_command(raw)])
        store, _ = await self.restarted(store)
        self.assertEqual(await store.command("c1"), full)
        self.assertEqual(await store.command("c2"), raw)
        self.assertIsNone(await store.command("c3"))

    async def test_a_command_changes_its_state(self):
        """It stays one command."""
        store = await self.with_device()
        await store.save_command(command())
        done = command(state="unknown", body={"error": "no answer"})
        await store.save_command(done)
        self.assertEqual(await store.commands(DEVICE), [done])

    async def test_last_commands(self):
        """Newest first, of this device only, whatever their times say."""
        store = await self.with_device(device(OTHER, "other"))
        for number in range(5):
            await store.save_command(command(f"c{number}", requested_us=9 - number))
        await store.save_command(command("x", OTHER))
        await store.save_command(command("c0", state="sent"))
        found = await store.commands(DEVICE, limit=3)
        self.assertEqual([one.command_id for one in found], ["c4", "c3", "c2"])
        self.assertEqual(len(await store.commands(DEVICE)), 5)
        self.assertEqual(await store.commands(99), [])

    async def test_pending_commands_are_in_the_snapshot(self):
        """After a restart the daemon knows what it had not settled, oldest first."""
        store = await self.with_device()
        states = ["queued", "sent", "confirmed", "refused", "expired", "unknown", "queued"]
        for number, state in enumerate(states):
            await store.save_command(command(f"c{number}", state=state))
        await store.save_command(command("c6", state="expired"))
        _, snapshot = await self.restarted(store)
        self.assertEqual([one.command_id for one in snapshot.pending], ["c0", "c1"])

    async def test_an_idempotency_key_names_one_command(self):
        """A client that sends again finds its command; another command cannot take the key."""
        store = await self.with_device(device(OTHER, "other"))
        await store.save_command(command(idempotency_key="k"))
        await store.save_command(command(state="sent", idempotency_key="k"))
        taken = store.save_command(command("c2", idempotency_key="k"))
        await self.refused(taken, "'k'", Conflict)
        await store.save_command(command("c3", OTHER, idempotency_key="k"))
        await gatherResults([store.save_command(command(id_)) for id_ in ("c4", "c5")])
        self.assertEqual((await store.command_by_key(DEVICE, "k")).state, "sent")
        self.assertEqual((await store.command_by_key(OTHER, "k")).command_id, "c3")
        self.assertEqual((await store.command_by_key(DEVICE, "j"), await store.command_by_key(99, "k")), (None, None))

    # -- audit trail and events

    async def test_the_audit_trail_is_a_chain(self):
        """Each entry carries the hash of the one before, also over a restart."""
        store, _ = await self.opened()
        first = await store.append_audit(5, "ola", "127.0.0.1", DEVICE, "write", {"pdu": "06 0000 0029", "before": 0.1})
        self.assertEqual((first.seq, first.previous_hash, first.detail["before"]), (1, GENESIS, 0.1))
        store, _ = await self.restarted(store)
        second = await store.append_audit(4, "żaneta", "console", None, "login", {})
        self.assertEqual(await store.audit(), [second, first])
        verify([first, second])

    async def test_audit_entries_at_once(self):
        """Many at the same time still make one chain without gaps."""
        store, _ = await self.opened()
        await gatherResults([store.append_audit(n, "ola", "api", None, "x", {"n": n}) for n in range(50)])
        entries = (await store.audit())[::-1]
        self.assertEqual([entry.detail["n"] for entry in entries], list(range(50)))
        verify(entries)

    async def test_audit_pages(self):
        """Newest first; pages put together are the whole."""
        store, _ = await self.opened()
        for number in range(7):
            await store.append_audit(number, "ola", "api", DEVICE if number % 2 else None, "x", {})
        self.assertEqual([entry.seq for entry in await store.audit(limit=3)], [7, 6, 5])
        self.assertEqual([entry.seq for entry in await store.audit(limit=3, before=5)], [4, 3, 2])
        self.assertEqual([entry.seq for entry in await store.audit(before=1)], [])
        self.assertEqual([entry.seq for entry in await store.audit(device_id=DEVICE)], [6, 4, 2])
        self.assertEqual([entry.seq for entry in await store.audit(device_id=DEVICE, before=6, limit=1)], [4])

    async def test_events(self):
        """They get ids in order and come back whole, newest first."""
        store, _ = await self.opened()
        first = await store.append_event(event())
        second = await store.append_event(event("daemon started", device_id=None, detail={}))
        self.assertTrue(0 < first.event_id < second.event_id)
        self.assertEqual(replace(first, event_id=0), event())
        store, _ = await self.restarted(store)
        self.assertEqual(await store.events(), [second, first])
        self.assertEqual(await store.events(limit=1), [second])
        self.assertEqual(await store.events(before=second.event_id), [first])
        self.assertEqual(await store.events(device_id=DEVICE), [first])

    async def test_who_acknowledged_an_event(self):
        """The first who saw it stays on record."""
        store, _ = await self.opened()
        kept = await store.append_event(event())
        await store.acknowledge_event(kept.event_id, "ola")
        await store.acknowledge_event(kept.event_id, "jan")
        store, _ = await self.restarted(store)
        self.assertEqual(await store.events(), [replace(kept, acknowledged_by="ola")])
        for unknown in (0, kept.event_id + 1):
            await self.refused(store.acknowledge_event(unknown, "jan"), f"event {unknown}")

    async def test_what_is_not_json_is_refused(self):
        """Nothing half-written is left of it."""
        store = await self.with_device()
        await self.refused(store.append_audit(1, "ola", "api", None, "x", {"a": b"octets"}), "JSON")
        await self.refused(store.append_event(event(detail={"a": float("nan")})), "JSON")
        await self.refused(store.save_command(command(body={"a": {1}})), "JSON")
        self.assertEqual((await store.audit(), await store.events(), await store.commands(DEVICE)), ([], [], []))
