"""Promise: the API exports any range of history as lines, a damaged hour is named, and memory stays bounded."""

from __future__ import annotations

import tracemalloc

from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase, TestCase

from smok_twisted.clock import rfc3339
from smok_twisted.errors import StorageError
from smok_twisted.history import chunk
from smok_twisted.history.reader import History
from smok_twisted.history.rows import Format, Rows
from smok_twisted.history.slices import Span
from smok_twisted.history.traces import traces_of
from smok_twisted.readings import BlockReport, Report
from smok_twisted.storage.memory import MemoryStore
from smok_twisted.storage.records import HOUR_US
from smok_twisted.web import export as web_export

from .export_rig import damage, failing, rows_of
from .history_samples import DEVICE, HOUR, START_US, view
from .web_rig import ADMIN_TOKEN, NOW_US, Rig

MINUTE_US = 60_000_000


class YearStore(MemoryStore):
    """A year of packed hours that are made when they are asked for."""

    def __init__(self, one, hours):
        super().__init__()
        self.block, _ = one.place("mode")
        self.words = range(one.plan.blocks[self.block].count)
        self.hours = hours

    def chunks(self, device_id, from_hour, to_hour, limit=1000):
        found = range(max(from_hour, HOUR), min(to_hour, HOUR + self.hours))[:limit]
        return succeed([(hour, self.chunk(device_id, hour)) for hour in found])

    def chunk(self, device_id, hour):
        blocks = (BlockReport(self.block, tuple(hour % 1000 + number for number in self.words)),)
        return chunk.encode(
            Report(device_id, hour * HOUR_US + number * 5 * MINUTE_US, 1, number, 0, 1, blocks)
            for number in range(12)
        )


class AYear(TestCase):
    async def test_takes_no_more_memory_than_a_week(self):
        """105,120 reports go by; a few hours of them are in memory at a time."""
        weeks = [await self.peak(7 * 24), await self.peak(365 * 24)]
        self.assertEqual([count for _, count in weeks], [7 * 24 * 12, 365 * 24 * 12])
        self.assertTrue(weeks[1][0] < 1.5 * weeks[0][0] + 500_000, weeks)

    async def peak(self, hours):
        """Octets at most, and lines."""
        one = view()
        store = YearStore(one, hours)
        await store.open()
        rows = Rows({"mode": traces_of(one.points["mode"], [one], one.points)}, Format())
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        count = 0
        async for reports in History(store).reports(DEVICE, Span(0, START_US + 400 * 24 * HOUR_US)):
            count += rows.lines(reports).count("\n")
        count += rows.end().count("\n")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak, count


class OverHttp(SynchronousTestCase):
    """The endpoint, and a client that is slow, or goes."""

    def setUp(self):
        self.rig = Rig()
        self.rig.add_boiler()
        for batch in range(1, 1001):
            self.rig.report(1001 - batch, batch, batch)

    def begin(self, query=""):
        return self.rig.begin("GET", f"/devices/boiler-1/export{query}")

    def turn(self, times=200):
        for _ in range(times):
            self.rig.clock.advance(0)

    def whole(self, query=""):
        answer = self.begin(query)
        self.turn()
        found = answer()
        self.assertEqual((found.status, found.headers["Content-Type"]), (200, "text/csv; charset=utf-8"))
        return rows_of(found.body.decode())

    def test_all_of_it(self):
        found = self.whole("?point=outside")
        self.assertEqual(found[0], ["time", "point", "value", "quality"])
        self.assertEqual([row[2] for row in found[1:]], [f"{batch / 10}" for batch in range(1, 1001)])
        self.assertEqual(found[1][0], rfc3339(NOW_US - 1_000_000_000))

    def test_some_of_it(self):
        """From is in it, to is not."""
        first, end = (rfc3339(NOW_US - ago * 1_000_000) for ago in (10, 7))
        found = self.whole(f"?point=outside&from={first}&to={end}&layout=wide")
        self.assertEqual([row[1] for row in found], ["outside", "99.1", "99.2", "99.3"])

    def test_without_history_there_is_the_head(self):
        self.rig.ask("POST", "/devices", {"name": "new", "model": "boiler"})
        answer = self.rig.begin("GET", "/devices/new/export")
        self.turn()
        self.assertEqual(answer().body, b"time,point,value,quality\n")

    def test_a_client_that_does_not_keep_up_stops_the_reading(self):
        """And is left when it takes nothing for a minute."""
        answer = self.begin()
        producer = answer.transport.producer
        producer.pauseProducing()
        self.turn()
        before = len(answer.transport.value())
        self.turn()
        self.assertEqual(len(answer.transport.value()), before)
        producer.resumeProducing()
        self.turn(1)
        self.assertTrue(len(answer.transport.value()) > before)
        producer.pauseProducing()
        self.turn()
        self.rig.clock.advance(61)
        self.assertTrue(answer.transport.disconnecting or answer.transport.disconnected)

    def test_a_client_that_goes_ends_it(self):
        """The next ones find room."""
        for _ in range(2 * web_export.EXPORTS_AT_MOST):
            answer = self.begin()
            self.turn(1)
            answer.gone()
        self.assertEqual(len(self.whole("?point=outside")), 1001)

    def test_so_many_at_a_time(self):
        running = [self.begin() for _ in range(web_export.EXPORTS_AT_MOST)]
        refused = self.rig.ask("GET", "/devices/boiler-1/export")
        self.assertEqual((refused.status, refused.headers["Retry-After"]), (503, "30"))
        self.assertIn("8 exports are running, no more are accepted", refused.detail)
        self.turn()
        self.assertEqual({answer().status for answer in running}, {200})
        self.assertEqual(len(self.whole("?point=outside")), 1001)

    def test_what_is_not_accepted(self):
        for query, status, word in (
            ("?point=nothing", 404, "there is no point 'nothing'"),
            ("?layout=wide&raw=1", 422, "raw = 1 is not accepted with layout = wide"),
            ("?from=yesterday", 400, "an RFC 3339 time"),
            ("?from=2027-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", 422, "the export ends before it begins: `from`"),
            ("?from=2040-01-01T00:00:00Z", 422, "the export ends before it begins"),
            ("?to=1960-01-01T00:00:00Z", 422, "the export ends before it begins"),
        ):
            refused = self.rig.ask("GET", f"/devices/boiler-1/export{query}")
            self.assertEqual((refused.status, word in refused.detail), (status, True), refused)

    def test_a_store_that_cannot_be_read_is_told(self):
        self.rig.store.reports = lambda *_: Deferred.fromCoroutine(failing())
        self.assertEqual(self.rig.ask("GET", "/devices/boiler-1/export").status, 503)

    def test_a_store_that_fails_on_the_way_breaks_it_off(self):
        """The body has no end, so that nobody takes it for the whole; its last line says why."""
        answer = self.begin()
        self.rig.store.reports = lambda *_: Deferred.fromCoroutine(failing())
        self.turn()
        self.assertTrue(answer.transport.disconnecting)
        self.assertTrue(answer.transport.value().endswith(b"\r\n# broke off: the disk is gone\n\r\n"))
        self.assertEqual(len(self.flushLoggedErrors(StorageError)), 1)

    def test_a_fault_of_ours_breaks_it_off_too(self):
        """What it is stands in the log."""
        answer = self.begin()
        self.patch(Rows, "lines", lambda *_: 1 / 0)
        self.turn()
        self.assertIn(b"# broke off: an internal error; the log of the daemon says more\n", answer.transport.value())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_a_client_that_does_not_take_the_reason(self):
        """It is left after a minute; one of HTTP/1.0, to which the connection's end is that of the body, at once."""
        new = self.begin()
        old = self.rig.raw(
            b"GET /api/v1/devices/boiler-1/export HTTP/1.0\r\nAuthorization: Bearer %s\r\n\r\n" % ADMIN_TOKEN.encode()
        )
        aborted = []
        for name, one in (("new", new), ("old", old)):
            one.transport.abortConnection = lambda name=name: aborted.append(name)
        self.rig.store.reports = lambda *_: Deferred.fromCoroutine(failing())
        self.turn()
        self.assertEqual(aborted, ["old"])
        self.rig.clock.advance(61)
        self.assertIn("new", aborted)
        for one in (new, old):
            one.gone()
        self.assertEqual(len(self.flushLoggedErrors(StorageError)), 2)

    def test_a_damaged_hour_is_named(self):
        """By a refusal when nothing was sent before it, else by the last line."""
        damage(self.rig)
        reason = "2026-09-21T14:00:00.000Z: a packed hour is damaged: unknown format 7; `smok db repack` may"
        refused = self.rig.ask("GET", "/devices/boiler-1/export?from=2026-09-21T14:00:00Z")
        self.assertEqual((refused.status, refused.detail.startswith(reason)), (503, True), refused)
        answer = self.begin()
        self.turn()
        self.assertIn(f"# broke off: {reason}".encode(), answer.transport.value())
        self.assertEqual(len(self.flushLoggedErrors(StorageError)), 1)

    def test_a_damaged_hour_is_left_out(self):
        """If that is wanted; a line says so in its place, in both layouts."""
        damage(self.rig)
        wanted = ["# left out: 2026-09-21T14:00:00.000Z: a packed hour is damaged: unknown format 7"]
        for layout in ("long", "wide"):
            found = self.whole(f"?point=outside&damaged=skip&layout={layout}")
            at = found.index(wanted)
            self.assertEqual([row[0][:13] for row in found[at - 1 :: 2]], ["2026-09-21T13", "2026-09-21T15"])
            self.assertEqual(len(found), at + 2)
