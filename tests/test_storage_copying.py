"""Promise: everything in one store is in the other after copying, as it was, whatever interrupted it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from smok_twisted.errors import StorageError
from smok_twisted.storage.audit import verify
from smok_twisted.storage.copying import Copy, digest, rested
from smok_twisted.storage.memory import MemoryData, MemoryStore
from smok_twisted.storage.records import HOUR_US, Adopted, PackedHour
from smok_twisted.storage.sqlite import SqliteStore
from smok_twisted.tools.copy_ends import FORM

from .store_samples import (
    DEVICE,
    MODEL,
    OTHER,
    PLAN,
    batch_of,
    command,
    credential,
    device,
    event,
    report,
)

PROJECT = Path(__file__).resolve().parent.parent


async def fill(store, reports=2499, entries=1205):
    """Some of everything, an older order of some of it, and what is special about each; a report a minute."""
    await store.save_model(MODEL)
    await store.save_device(device(OTHER, "other"))
    await store.save_device(device())
    await store.save_plan(DEVICE, PLAN)
    await store.save_credential(credential())
    await store.save_credential(credential(7, state="next"))
    await store.save_nonces(DEVICE, b"nonces")
    for number in range(1, reports + 1):
        await store.append(batch_of(report(number))) if number % 100 == 0 else store.append(batch_of(report(number)))
    for hour in (0, 1, reports // 80):
        [mark] = await store.unpacked(hour, hour + 1, device_id=DEVICE)
        await store.save_packed(PackedHour(DEVICE, hour, b"chunk %d" % hour, b"day of %d" % hour), mark.mark)
    await store.forget(DEVICE, 2 * HOUR_US, 0)
    await store.save_command(command())
    await store.save_command(command("c0", state="confirmed", idempotency_key="k", body={"value": 1.5}))
    await store.save_command(command("other", OTHER, requested_us=11))
    await store.save_command(command("c2", state="sent", requested_us=12))
    for number in range(1, entries + 1):
        store.append_audit(number, "ola", "192.0.2.1", DEVICE if number % 2 else None, "look", {"n": number})
    first = await store.append_event(event("one"))
    await store.append_event(event("two"))
    await store.acknowledge_event(first.event_id, "ola")
    await store.put_setting("x", "1")


def run(*words):
    """smok db copy, in a process of its own: it needs the reactor."""
    argv = [sys.executable, "-m", "smok_twisted.tools.main", "db", "copy", *words]
    return subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True)


class CopyingCase(TestCase):
    """A store with some of everything, and how to see that another one is the same."""

    def setUp(self):
        self.place = Path(self.mktemp())
        self.place.mkdir()

    async def opened(self, store):
        snapshot = await store.open()
        self.addCleanup(store.close)
        return store, snapshot

    def sqlite(self, name):
        return SqliteStore(self.place / name, reactor, window_seconds=0.001)

    async def source(self):
        store, _ = await self.opened(self.sqlite("source"))
        await fill(store)
        await store.close()
        return await self.opened(self.sqlite("source"))

    async def assert_same(self, source, snapshot, target):
        target, again = await self.opened(target)
        again = await rested(target, again)
        self.assertEqual(again, snapshot)
        ours, theirs = await digest(source, snapshot), await digest(target, again)
        self.assertEqual(ours, theirs)
        counts = {kind: text.split()[0] for kind, text in ours.items()}
        wanted = {"reports": "2380", "chunks": "3", "summaries": "2", "audit": "1205", "events": "2", "settings": "1"}
        self.assertEqual({kind: counts[kind] for kind in wanted}, wanted)
        for name in ("audit", "events"):
            self.assertEqual(await getattr(source, name)(2000), await getattr(target, name)(2000))
        verify((await target.audit(2000))[::-1])
        await target.close()


class Copying(CopyingCase):
    """SQLite to SQLite; to memory and back."""

    async def test_all_is_as_it_was(self):
        """Between stores of any kind: order, cursors, latest values, marks, ids and the audit's hashes too."""
        source, snapshot = await self.source()
        self.assertEqual((len(snapshot.latest[DEVICE]), snapshot.cursors[DEVICE].batch), (1, 2499))
        data = MemoryData()
        for make in (lambda: MemoryStore(data), lambda: self.sqlite("target")):
            target, there = await self.opened(make())
            await Copy(source, snapshot, target, there).run()
            await target.close()
            await self.assert_same(source, snapshot, make())

    async def test_interrupted_anywhere_and_run_again(self):
        source, snapshot = await self.source()
        for stop_after in (1, 3, 5, 8, 12, 900, 1210):
            target = MemoryStore()
            there = await target.open()
            with self.assertRaises(StorageError):
                await Copy(source, snapshot, Failing(target, stop_after), there).run()
            await Copy(source, snapshot, target, await target.open()).run()
            await self.assert_same(source, snapshot, target)

    async def test_again_changes_nothing(self):
        source, snapshot = await self.source()
        target, there = await self.opened(MemoryStore())
        for _ in range(2):
            await Copy(source, snapshot, target, there).run()
            there = await target.open()
        await self.assert_same(source, snapshot, target)

    async def test_a_target_with_something_else_is_left_alone(self):
        source, snapshot = await self.source()
        for spoil, word in (
            (lambda store: store.save_device(device(99, "stranger")), "has devices that the source has not"),
            (lambda store: store.append_audit(1, "x", "", None, "y", {}), "has other audit than the source"),
            (lambda store: store.append_event(event("other")), "has other events than the source"),
        ):
            target = MemoryStore()
            await target.open()
            await spoil(target)
            there = await target.open()
            with self.assertRaises(StorageError) as raised:
                await Copy(source, snapshot, target, there).run()
            self.assertIn(word, str(raised.exception))
            self.assertEqual(await target.open(), there)

    async def test_everything_is_counted_one_by_one(self):
        """Each register map, secret, plan, latest value and mark; not each device that has any."""
        source, snapshot = await self.source()
        counts = {kind: text.split()[0] for kind, text in (await digest(source, snapshot)).items()}
        wanted = {"models": "1", "devices": "2", "plans": "1", "credentials": "2", "nonces": "1", "cursors": "1"}
        wanted |= {"latest": "1", "marks": "39", "commands": "4"}
        self.assertEqual({kind: counts[kind] for kind in wanted}, wanted)
        empty, nothing = await self.opened(MemoryStore())
        self.assertEqual(await digest(empty, nothing), {})
        for number in range(4):
            await empty.save_model(replace(MODEL, version=f"v{number}"))
        self.assertEqual((await digest(empty, await empty.open()))["models"].split()[0], "4")

    async def test_a_difference_is_seen(self):
        """In each kind of history."""
        source, snapshot = await self.source()
        right = await digest(source, snapshot)
        for part, kind in (
            (Adopted(reports=(report(9, time_us=5),)), "reports"),
            (Adopted(chunks=((30, b"x"),)), "chunks"),
            (Adopted(summaries=((1, b"x"),)), "summaries"),
            (Adopted(unpacked=(99,)), "marks"),
        ):
            target, there = await self.opened(MemoryStore())
            await Copy(source, snapshot, target, there).run()
            await target.adopt(DEVICE, part)
            found = await digest(target, await target.open())
            self.assertEqual([one for one in right if right[one] != found[one]], [kind])

    async def test_the_command(self):
        source, _ = await self.source()
        await source.close()
        paths = [str((self.place / name).resolve()) for name in ("source", "target")]
        ran = await deferToThread(run, f"sqlite:{paths[0]}", paths[1])
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        self.assertIn(f"{paths[1]} holds all that {paths[0]} holds", ran.stdout)
        self.assertIn("reports      2380 (", ran.stdout)
        for words, text in (
            ((paths[0], paths[0]), f"{paths[0]} is both source and target: name another target"),
            ((f"{paths[0]}x", paths[1]), f"{paths[0]}x does not exist; accepted is {FORM}"),
        ):
            ran = await deferToThread(run, *words)
            self.assertEqual((ran.returncode, ran.stderr), (2, f"smok: {text}\n"))


class Failing:
    """A store that breaks off after some writes."""

    def __init__(self, store, writes):
        self._store = store
        self._left = writes

    def __getattr__(self, name):
        if name.startswith(("save_", "append_", "adopt", "put_")):
            self._left -= 1
            if self._left < 0:
                raise StorageError("interrupted")
        return getattr(self._store, name)
