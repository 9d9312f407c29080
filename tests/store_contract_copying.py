"""The contract of stores that can be copied from and to (``smok_twisted.storage.copying``)."""

from __future__ import annotations

from smok_twisted.readings import BlockReport
from smok_twisted.storage.records import HOUR_US, Adopted, Cursor, Latest

from .store_samples import ALL_TIME, DEVICE, OTHER, StoreCase, batch_of, report

ALL = (0, 1 << 40)


class CopyingContract(StoreCase):
    """For a ``TestCase`` beside ``StoreContract``."""

    async def test_all_settings(self):
        """Each under its name, with its last text."""
        store, _ = await self.opened()
        self.assertEqual(await store.settings(), {})
        for name, text in (("a", "1"), ("b", "2"), ("a", "3")):
            await store.put_setting(name, text)
        store, _ = await self.restarted(store)
        self.assertEqual(await store.settings(), {"a": "3", "b": "2"})

    async def test_what_another_store_has_is_taken_over_as_it_is(self):
        """All of it, with the marks that are named and no others; what is there once stays there once."""
        store = await self.with_device()
        await store.append(batch_of(report(1, time_us=49 * HOUR_US + 1)))
        latest = {(3, 0): Latest(5, BlockReport(0, (), 0xE0), 1), (3, 1): Latest(6, BlockReport(1, (1, 0)), 0)}
        part = Adopted(
            reports=(report(1, time_us=7 * HOUR_US), report(1, time_us=49 * HOUR_US + 1)),
            chunks=((7, b"seven"), (8, b"eight")),
            summaries=((0, b"day"),),
            unpacked=(8,),
            cursor=Cursor(9, 17),
            latest=latest,
        )
        for _ in range(2):
            await store.adopt(DEVICE, part)
        await store.adopt(DEVICE, Adopted())
        store, snapshot = await self.restarted(store)
        self.assertEqual((snapshot.cursors, snapshot.latest), ({DEVICE: Cursor(9, 17)}, {DEVICE: latest}))
        self.assertEqual(await store.reports(DEVICE, *ALL_TIME), list(part.reports))
        self.assertEqual(await store.chunks(DEVICE, *ALL), list(part.chunks))
        self.assertEqual(await store.summaries(DEVICE, *ALL), list(part.summaries))
        self.assertEqual([one.hour for one in await store.unpacked(*ALL)], [8, 49])
        await self.refused(store.adopt(OTHER, part), "not known")
