"""The contract of the stores: packed history, and which hours still need packing."""

from __future__ import annotations

from smok_twisted.storage.records import HOUR_US, PackedHour, Unpacked

from .store_samples import ALL_TIME, DEVICE, OTHER, StoreCase, batch_of, device, report

ALL = (0, 1 << 40)


def packed(hour, chunk=b"chunk", summary=b"day", device_id=DEVICE):
    return PackedHour(device_id, hour, chunk, summary)


class PackedContract(StoreCase):
    """What is marked is packed, what is packed is there, and nothing goes before its time."""

    async def with_report(self, hour, *others):
        store = await self.with_device()
        for number, each in enumerate((hour, *others), start=1):
            await store.append(batch_of(report(number, time_us=each * HOUR_US + number)))
        return store

    async def test_each_report_marks_its_hour(self):
        """The mark is durable with the report, also when that is years late."""
        store = await self.with_report(400_000, 5, 400_000)
        store, _ = await self.restarted(store)
        self.assertEqual([one[:2] for one in await store.unpacked(*ALL)], [(DEVICE, 5), (DEVICE, 400_000)])

    async def test_marks_of_one_device_and_of_some_hours(self):
        """Half-open, oldest first, no more than asked for."""
        store = await self.with_report(3, 1, 2)
        await store.save_device(device(OTHER, "other"))
        await store.append(batch_of(report(1, device_id=OTHER, time_us=2 * HOUR_US)))
        self.assertEqual([one.hour for one in await store.unpacked(0, 3, device_id=DEVICE)], [1, 2])
        self.assertEqual([one.hour for one in await store.unpacked(2, 4)], [2, 2, 3])
        self.assertEqual([one.hour for one in await store.unpacked(0, 9, limit=1)], [1])
        self.assertEqual([one[:2] for one in await store.unpacked(0, 9, device_id=OTHER)], [(OTHER, 2)])

    async def test_a_packed_hour_is_there_and_needs_no_packing(self):
        """Chunk, summary of its day, also after a restart; and no mark any more."""
        store = await self.with_report(49)
        [mark] = await store.unpacked(*ALL)
        await store.save_packed(packed(49, bytes(range(256))), mark.mark)
        self.assertEqual(await store.unpacked(*ALL), [])
        store, _ = await self.restarted(store)
        self.assertEqual(await store.chunks(DEVICE, *ALL), [(49, bytes(range(256)))])
        self.assertEqual(await store.summaries(DEVICE, *ALL), [(2, b"day")])

    async def test_packing_again_replaces(self):
        """Also by something shorter or smaller; the newest counts."""
        store = await self.with_report(49)
        for octets in (b"bb", b"a", b"cccc"):
            [mark] = await store.unpacked(*ALL) or [Unpacked(DEVICE, 49, 0)]
            await store.save_packed(packed(49, octets, octets), mark.mark)
        self.assertEqual(await store.chunks(DEVICE, *ALL), [(49, b"cccc")])
        self.assertEqual(await store.summaries(DEVICE, *ALL), [(2, b"cccc")])

    async def test_what_came_meanwhile_needs_packing(self):
        """A mark that was read before the last report does not end the need."""
        store = await self.with_report(49)
        [mark] = await store.unpacked(*ALL)
        await store.append(batch_of(report(9, time_us=49 * HOUR_US + 9)))
        await store.save_packed(packed(49), mark.mark)
        [still] = await store.unpacked(*ALL)
        self.assertEqual((still[:2], still.mark != mark.mark), ((DEVICE, 49), True))

    async def test_what_comes_after_packing_needs_it_again(self):
        """Late data mark an hour that was packed."""
        store = await self.with_report(49)
        [mark] = await store.unpacked(*ALL)
        await store.save_packed(packed(49), mark.mark)
        await store.append(batch_of(report(9, time_us=49 * HOUR_US + 9)))
        self.assertEqual([one.hour for one in await store.unpacked(*ALL)], [49])

    async def test_an_hour_with_nothing_to_pack(self):
        """It loses its mark, unless something has come meanwhile; of a device that is gone there is none."""
        store = await self.with_report(49)
        [mark] = await store.unpacked(*ALL)
        await store.append(batch_of(report(9, time_us=49 * HOUR_US + 9)))
        await store.unmark(mark)
        [mark] = await store.unpacked(*ALL)
        await store.unmark(mark._replace(device_id=OTHER))
        self.assertEqual(await store.unpacked(*ALL), [mark])
        await store.unmark(mark)
        await store.unmark(mark)
        self.assertEqual(await store.unpacked(*ALL), [])

    async def test_an_unknown_device_has_nothing_to_forget(self):
        """It may have been removed a moment ago."""
        store = await self.with_device()
        await store.forget(OTHER, ALL_TIME[1], 9)

    async def test_chunks_and_summaries_of_a_range(self):
        """In order, half-open, no more than asked for, of one device only."""
        store = await self.with_device(device(OTHER, "other"))
        for hour in (72, 5, 30, 6):
            await store.save_packed(packed(hour, b"%d" % hour, b"day %d" % (hour // 24)), 0)
        await store.save_packed(packed(6, b"other", device_id=OTHER), 0)
        self.assertEqual(await store.chunks(DEVICE, 5, 72), [(5, b"5"), (6, b"6"), (30, b"30")])
        self.assertEqual(await store.chunks(DEVICE, 6, 1000, limit=2), [(6, b"6"), (30, b"30")])
        self.assertEqual(await store.summaries(DEVICE, 0, 3), [(0, b"day 0"), (1, b"day 1")])
        self.assertEqual(await store.chunks(7777, *ALL), [])

    async def test_an_unknown_device_has_no_packed_history(self):
        """It cannot be written either."""
        store = await self.with_device()
        await self.refused(store.save_packed(packed(1, device_id=OTHER), 0), "0x0000000000000007")

    async def test_a_device_that_was_removed_has_none(self):
        """A later device of the same id starts clean, and nothing of the old one needs packing."""
        store = await self.with_report(49, 50)
        [mark, _] = await store.unpacked(*ALL)
        await store.save_packed(packed(49), mark.mark)
        await store.remove_device(DEVICE)
        await store.save_device(device())
        self.assertEqual(await store.unpacked(*ALL), [])
        self.assertEqual((await store.chunks(DEVICE, *ALL), await store.summaries(DEVICE, *ALL)), ([], []))

    async def test_what_a_removed_device_has_left_goes(self):
        """In steps, and there is an end; what others have stays, also those that have its id or are added later."""
        store = await self.with_report(49, 50, 50, 51)
        for mark in (await store.unpacked(*ALL))[:2]:
            await store.save_packed(packed(mark.hour), mark.mark)
        await store.remove_device(DEVICE)
        for device_id, name in ((OTHER, "other"), (DEVICE, "again")):
            await store.save_device(device(device_id, name))
            await store.append(batch_of(report(1, device_id=device_id, time_us=49 * HOUR_US)))
            await store.save_packed(packed(49, device_id=device_id), 0)
        steps = 0
        while await store.forget_removed(2):
            steps += 1
            self.assertLess(steps, 9)
        for device_id in (OTHER, DEVICE):
            self.assertEqual([one.time_us for one in await self.history(store, device_id)], [49 * HOUR_US])
            self.assertEqual(await store.chunks(device_id, *ALL), [(49, b"chunk")])
            self.assertEqual(await store.summaries(device_id, *ALL), [(2, b"day")])

    async def test_nothing_is_forgotten_before_it_is_packed(self):
        """Whatever the time that is named: an hour with a mark keeps its log."""
        store = await self.with_report(49, 50)
        mark = (await store.unpacked(*ALL))[0]
        await store.save_packed(packed(49), mark.mark)
        await store.forget(DEVICE, ALL_TIME[1], 0)
        kept = [one.time_us // HOUR_US for one in await self.history(store)]
        self.assertIn(50, kept)
        self.assertEqual(await store.chunks(DEVICE, *ALL), [(49, b"chunk")])
