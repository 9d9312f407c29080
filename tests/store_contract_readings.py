"""The contract of the stores, first part: readings, the cursor and latest values."""

from __future__ import annotations

from twisted.internet.defer import gatherResults

from smok_twisted.readings import TIME_DOUBTFUL, BlockReport, Fault, Report
from smok_twisted.storage.records import HOUR_US, Batch, Cursor, Latest, place_of

from .store_samples import ALL_TIME, DEVICE, MINUTE_US, OTHER, StoreCase, batch_of, device, report


class ReadingsContract(StoreCase):
    """What is acknowledged is there, once, in order."""

    # -- readings

    async def test_a_report_comes_back_the_same(self):
        """Registers, bits, faults and flags, to the last bit."""
        blocks = (
            BlockReport(0, (0, 1, 0x8029, 65535)),
            BlockReport(1, (1, 0, 1, 1, 0, 0, 0, 0, 1)),
            BlockReport(2, (), Fault.TIMEOUT),
            BlockReport(63, (), 2),
            BlockReport(4, ()),
        )
        original = Report(DEVICE, 1_700_000_000_123_456, 65535, 65535, 7, 65535, blocks, TIME_DOUBTFUL)
        store = await self.with_device()
        await store.append(batch_of(original))
        self.assertEqual(await self.history(store), [original])

    async def test_all_rounds_of_a_batch(self):
        """A batch of several rounds is there whole, in order, also when it was not handed over in order."""
        rounds = [report(1, n, time_us=1000 - n) for n in range(5)]
        store = await self.with_device()
        await store.append(batch_of(*rounds))
        self.assertEqual(await self.history(store), rounds[::-1])

    async def test_the_same_batch_twice_is_stored_once(self):
        """A device whose ACK was lost sends again, and the times differ by milliseconds: one copy, the first."""
        store = await self.with_device()
        await store.append(batch_of(report(1), report(1, 1)))
        await store.append(batch_of(report(1, time_us=MINUTE_US + 7000), report(1, 1, time_us=MINUTE_US + 7000)))
        self.assertEqual(await self.history(store), [report(1), report(1, 1)])

    async def test_the_same_batch_twice_at_once_is_stored_once(self):
        """The old and the new session of a device may hand it over in the same moment."""
        store = await self.with_device()
        await gatherResults([store.append(batch_of(report(1))), store.append(batch_of(report(1, time_us=3)))])
        self.assertEqual(await self.history(store), [report(1)])

    async def test_a_batch_below_the_cursor_is_stored_already(self):
        """Nothing changes: no second copy, no older cursor, no older latest value."""
        store = await self.with_device()
        for number in (1, 2, 3):
            await store.append(batch_of(report(number)))
        await store.append(batch_of(report(2, time_us=9 * MINUTE_US, words=(9,))))
        self.assertEqual(await self.history(store), [report(1), report(2), report(3)])
        _, snapshot = await self.restarted(store)
        self.assertEqual(snapshot.cursors, {DEVICE: Cursor(1, 3)})
        self.assertEqual(snapshot.latest[DEVICE][3, 0].time_us, 3 * MINUTE_US)

    async def test_a_jump_of_batches(self):
        """A device that had to drop some goes on with a higher number."""
        store = await self.with_device()
        await store.append(batch_of(report(1)))
        await store.append(batch_of(report(30_000)))
        self.assertEqual(await self.history(store), [report(1), report(30_000)])

    async def test_batch_numbers_wrap(self):
        """After 65535 comes 0, and it is newer."""
        numbers = [65534, 65535, 0, 1]
        reports = [report(number, time_us=time_us) for time_us, number in enumerate(numbers)]
        store = await self.with_device()
        for each in reports:
            await store.append(batch_of(each))
        self.assertEqual(await self.history(store), reports)
        _, snapshot = await self.restarted(store)
        self.assertEqual(snapshot.cursors, {DEVICE: Cursor(1, 1)})

    async def test_a_number_used_again_after_a_full_turn_is_new(self):
        """A device that counts for months within one boot loses nothing when it comes round."""
        numbers = [1, 30_000, 60_000, 1, 30_000]
        reports = [report(number, time_us=time_us) for time_us, number in enumerate(numbers)]
        store = await self.with_device()
        for each in reports:
            await store.append(batch_of(each))
        self.assertEqual(await self.history(store), reports)

    async def test_another_boot_counts_anew(self):
        """Its first batch is new whatever its number is, and replaces the cursor."""
        reports = [report(9, boot=5, time_us=1), report(1, boot=6, time_us=2), report(1, boot=2, time_us=3)]
        store = await self.with_device()
        for each in reports:
            await store.append(batch_of(each))
        self.assertEqual(await self.history(store), reports)
        _, snapshot = await self.restarted(store)
        self.assertEqual(snapshot.cursors, {DEVICE: Cursor(2, 1)})

    async def test_an_empty_batch_moves_the_cursor(self):
        """A batch without rounds is acknowledged like any other."""
        store = await self.with_device()
        await store.append(Batch(DEVICE, 1, 4))
        self.assertEqual(await self.history(store), [])
        _, snapshot = await self.restarted(store)
        self.assertEqual(snapshot.cursors, {DEVICE: Cursor(1, 4)})

    async def test_an_unknown_device_cannot_report(self):
        """The error names it; nothing is kept for it."""
        store = await self.with_device()
        await self.refused(store.append(batch_of(report(1, device_id=OTHER))), "0x0000000000000007")
        _, snapshot = await self.restarted(store)
        self.assertEqual(snapshot.cursors, {})

    async def test_a_report_that_cannot_be_stored_is_refused_alone(self):
        """Its batch leaves no trace; those beside it are stored."""
        store = await self.with_device()
        before = store.append(batch_of(report(1)))
        poison = store.append(batch_of(report(2), report(2, 1, words=(65536,))))
        after = store.append(batch_of(report(3)))
        await self.refused(poison, "cannot be stored")
        await gatherResults([before, after])
        self.assertEqual(await self.history(store), [report(1), report(3)])

    async def test_many_devices_at_once(self):
        """Nobody waits for anybody: each has its own history, cursor and latest value."""
        ids = [0, 1, OTHER, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, *range(100, 140)]
        store, _ = await self.opened()
        saved = [store.save_device(device(id_, f"d{id_}")) for id_ in ids]
        reports = {id_: [report(n, device_id=id_, words=(n, id_ % 65536)) for n in range(1, 11)] for id_ in ids}
        appended = [store.append(batch_of(reports[id_][n])) for n in range(10) for id_ in ids]
        await gatherResults(saved + appended)
        for id_ in ids:
            self.assertEqual(await self.history(store, id_), reports[id_])
        _, snapshot = await self.restarted(store)
        self.assertEqual(snapshot.devices.keys(), set(ids))
        self.assertEqual(snapshot.cursors, dict.fromkeys(ids, Cursor(1, 10)))
        self.assertEqual({id_: snapshot.latest[id_][3, 0].report for id_ in ids},
                         {id_: reports[id_][-1].blocks[0] for id_ in ids})  # fmt: skip

    # -- readings that came by another way

    async def test_what_is_filled_in_leaves_the_cursor_where_it_is(self):
        """What a device brings later is stored, whatever was filled in before: above it, at it and below it."""
        store = await self.with_device()
        await store.append(batch_of(report(4)))
        await store.backfill(DEVICE, [report(9, time_us=1), report(2, boot=7, time_us=2), report(3, time_us=3)])
        await store.append(batch_of(report(5)))
        await store.append(batch_of(report(4, time_us=99)))
        _, snapshot = await self.restarted(store)
        self.assertEqual(snapshot.cursors, {DEVICE: Cursor(1, 5)})

    async def test_what_is_filled_in_is_there_once(self):
        """In its place among the others, also when it is filled in twice, or is there already."""
        old = [report(1, time_us=1, words=(7,)), report(1, 1, time_us=2), report(8, boot=3, time_us=4)]
        store = await self.with_device()
        await store.append(batch_of(report(2, time_us=3)))
        for _ in range(2):
            await store.backfill(DEVICE, old)
        await store.backfill(DEVICE, [report(2, time_us=3, words=(9,))])
        self.assertEqual(await self.history(store), [*old[:2], report(2, time_us=3), old[2]])

    async def test_a_device_that_never_reported_has_no_cursor_from_it(self):
        """Its first batch is new."""
        store = await self.with_device()
        await store.backfill(DEVICE, [report(1, time_us=1)])
        _, snapshot = await self.restarted(store)
        self.assertEqual(snapshot.cursors, {})

    async def test_what_is_filled_in_may_be_the_latest(self):
        """It is, unless something newer of its block is known."""
        store = await self.with_device()
        await store.append(batch_of(report(1, time_us=500)))
        await store.backfill(DEVICE, [report(1, boot=2, time_us=400, words=(4,)), report(2, block=1, time_us=7)])
        await store.backfill(DEVICE, [report(3, boot=2, time_us=600, words=(6,))])
        _, snapshot = await self.restarted(store)
        times = {block: latest.time_us for (_, block), latest in snapshot.latest[DEVICE].items()}
        self.assertEqual(times, {0: 600, 1: 7})

    async def test_what_is_filled_in_is_packed_later(self):
        """Its hours are marked, however old they are."""
        store = await self.with_device()
        await store.backfill(DEVICE, [report(1, time_us=7 * HOUR_US), report(2, time_us=9 * HOUR_US + 1)])
        self.assertEqual([one.hour for one in await store.unpacked(0, 100)], [7, 9])

    async def test_filling_in_is_all_or_nothing(self):
        """One report that cannot be stored, or a device that is not there, and nothing has changed."""
        store = await self.with_device()
        await self.refused(store.backfill(DEVICE, [report(1), report(2, words=(65536,))]), "cannot be stored")
        await self.refused(store.backfill(OTHER, [report(1, device_id=OTHER)]), "0x0000000000000007")
        self.assertEqual(await self.history(store), [])

    # -- reading the history

    async def test_a_range_is_half_open(self):
        """The first microsecond is in, the last is not: neighbouring ranges share nothing and miss nothing."""
        store = await self.with_device()
        for number, time_us in enumerate((99, 100, 150, 199, 200), start=1):
            await store.append(batch_of(report(number, time_us=time_us)))
        times = [found.time_us for found in await store.reports(DEVICE, 100, 200)]
        self.assertEqual(times, [100, 150, 199])
        self.assertEqual(await store.reports(DEVICE, 100, 100), [])
        self.assertEqual(await store.reports(DEVICE, 200, 100), [])

    async def test_late_data_is_in_order_of_time(self):
        """A batch of last year that comes today stands where it belongs."""
        store = await self.with_device()
        for number, time_us in enumerate((500, 100, 300), start=1):
            await store.append(batch_of(report(number, time_us=time_us)))
        self.assertEqual([found.time_us for found in await self.history(store)], [100, 300, 500])

    async def test_pages(self):
        """Pages put together are the whole, each once, also with many reports of the same microsecond."""
        store = await self.with_device()
        for number in range(1, 8):
            await store.append(batch_of(*(report(number, n, time_us=100 + number // 4) for n in range(3))))
        whole = await self.history(store)
        self.assertEqual(len(whole), 21)
        self.assertEqual(whole, sorted(whole, key=place_of))
        for size in (1, 4, 21, 100):
            pages, after = [], None
            while page := await store.reports(DEVICE, *ALL_TIME, limit=size, after=after):
                self.assertTrue(len(page) <= size)
                pages += page
                after = place_of(page[-1])
            self.assertEqual(pages, whole)

    async def test_a_page_does_not_leave_its_range(self):
        """``after`` cannot reach back before the range begins."""
        store = await self.with_device()
        for number in (1, 2, 3):
            await store.append(batch_of(report(number, time_us=number)))
        found = await store.reports(DEVICE, 3, 4, after=place_of(report(1, time_us=1)))
        self.assertEqual(found, [report(3, time_us=3)])

    async def test_an_unknown_device_has_no_history(self):
        """Asking for it is no error."""
        store = await self.with_device()
        self.assertEqual(await self.history(store, OTHER), [])

    async def test_histories_do_not_mix(self):
        """Two devices may use the same numbers at the same time."""
        store = await self.with_device(device(OTHER, "other"))
        await store.append(batch_of(report(1)))
        await store.append(batch_of(report(1, device_id=OTHER, words=(5,))))
        self.assertEqual(await self.history(store), [report(1)])
        self.assertEqual(await self.history(store, OTHER), [report(1, device_id=OTHER, words=(5,))])

    # -- latest values

    async def test_latest_values_are_there_after_a_restart(self):
        """The newest of each block of each plan, faults and flags too."""
        fault = BlockReport(1, (), Fault.CRC)
        store = await self.with_device()
        await store.append(batch_of(report(1), report(1, 1, plan=2, time_us=50)))
        await store.append(Batch(DEVICE, 1, 2, (Report(DEVICE, 2 * MINUTE_US, 1, 2, 0, 3, (fault,), TIME_DOUBTFUL),)))
        _, snapshot = await self.restarted(store)
        expected = {
            (2, 0): Latest(50, BlockReport(0, (1, 2, 65535)), 0),
            (3, 0): Latest(MINUTE_US, BlockReport(0, (1, 2, 65535)), 0),
            (3, 1): Latest(2 * MINUTE_US, fault, TIME_DOUBTFUL),
        }
        self.assertEqual(snapshot.latest, {DEVICE: expected})

    async def test_late_data_does_not_replace_a_newer_value(self):
        """Neither from an earlier hour nor from an earlier round of the same batch."""
        store = await self.with_device()
        await store.append(batch_of(report(1, 0, time_us=900, words=(9,)), report(1, 1, time_us=800, words=(8,))))
        await store.append(batch_of(report(2, time_us=700, words=(7,))))
        _, snapshot = await self.restarted(store)
        self.assertEqual(snapshot.latest[DEVICE][3, 0], Latest(900, BlockReport(0, (9,)), 0))

    async def test_of_two_at_the_same_time_the_later_batch_counts(self):
        """A device with a coarse clock still shows its last word."""
        store = await self.with_device()
        for number in (1, 2):
            await store.append(batch_of(report(number, time_us=500, words=(number + 100,))))
        _, snapshot = await self.restarted(store)
        self.assertEqual(snapshot.latest[DEVICE][3, 0].report.words, (102,))
