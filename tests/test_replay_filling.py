"""What a capture brings to the history: what is missing, once, under plans that keep its meaning."""

from __future__ import annotations

from collections import Counter
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.modbus.maps import parse_map
from smok_twisted.modbus.plan import plan_blocks
from smok_twisted.readings import (
    FIRST_UNTOLD_PLAN,
    REPLAYED,
    UNAUTHENTICATED,
    Block,
    BlockReport,
    Plan,
    Report,
    Round,
    Table,
)
from smok_twisted.replay import filling
from smok_twisted.replay.filling import Filled, Filling, joined
from smok_twisted.replay.findings import UNKNOWN_PLAN, CapturedBatch, Findings, Reading
from smok_twisted.replay.layout import Layout

from .replay_rig import DEVICE_ID, NOW_US, Told

MAP = parse_map("""
name = "boiler"
interval = "10s"
point = [
    { name = "outside", register = "holding", address = 10 },
    { name = "flow", register = "holding", address = 12, type = "FLOAT32" },
    { name = "pump", register = "coil", address = 5 },
]
""")
PLAN = Plan(1, plan_blocks(MAP), MAP.name, MAP.version)
WORDS = (0x8029, 0, 0x4048, 0xF5C3)
SECOND_US = 1_000_000


def heard(protocol: str = "modbus-tcp", **more: Any) -> Findings:
    return Findings(Told(502).conversation, protocol, **more)


def read(at_seconds: float = 0, start: int = 10, words: tuple[int, ...] = WORDS, fault: int = 0) -> Reading:
    time_us = NOW_US + int(at_seconds * SECOND_US)
    return Reading(time_us, 1, Table.HOLDING, start, () if fault else words, fault, size=len(words))


def batch(number: int, *rounds: Round, at_seconds: float = 0, acknowledged: bool = True, **more: Any) -> CapturedBatch:
    rounds = rounds or (Round(0, (BlockReport(1, WORDS),)),)
    values = {"plan": 1, "blocks": PLAN.blocks, "rounds": rounds, "is_acknowledged": acknowledged, **more}
    return CapturedBatch(NOW_US + int(at_seconds * SECOND_US), 9, number, **values)


class Case(SynchronousTestCase):
    def layout(self, *plans: Plan) -> Layout:
        return Layout({plan.number: plan for plan in (PLAN, *plans)}, MAP)

    def filled(self, *found: Findings, stored: Any = (), layout: Layout | None = None) -> Filled:
        one = Filling(DEVICE_ID, layout or self.layout())
        for findings in found:
            one.hear(findings)
        return one.against(stored)

    def starts(self, layout: Layout, report: Report) -> list[tuple[int, tuple[int, ...]]]:
        """(address, words) of each of its blocks."""
        return [(layout.blocks(report.plan)[one.block].start, one.words) for one in report.blocks]


class Named(Case):
    """Batches of SMOK/4."""

    def test_as_the_daemon_would_have_stored_it(self) -> None:
        """Time less age, name, plan; marked as replayed, and proven all the same."""
        rounds = Round(20, (BlockReport(0, (1,)),)), Round(0, (BlockReport(1, WORDS), BlockReport(0, (), 2)))
        filled = self.filled(heard("smok4", batches=[batch(7, *rounds)]))
        self.assertEqual(
            filled.new,
            [
                Report(DEVICE_ID, NOW_US - 2 * SECOND_US, 9, 7, 0, 1, rounds[0].reports, REPLAYED),
                Report(DEVICE_ID, NOW_US, 9, 7, 1, 1, rounds[1].reports, REPLAYED),
            ],
        )
        self.assertEqual((filled.there, filled.left_out), (0, {}))

    def test_once(self) -> None:
        """What is stored already is not stored again, though two clocks differ; nor what was sent twice."""
        found = heard("smok4", batches=[batch(7), batch(8, at_seconds=10), batch(7, at_seconds=40)])
        filled = self.filled(found)
        self.assertEqual([(one.batch, one.time_us) for one in filled.new], [(7, NOW_US), (8, NOW_US + 10 * SECOND_US)])
        self.assertEqual(filled.there, 1)
        again = self.filled(found, stored=[one._replace(time_us=one.time_us + 90, flags=0) for one in filled.new])
        self.assertEqual((again.new, again.there), ([], 3))

    def test_a_number_used_again_after_a_full_turn(self) -> None:
        """Is another batch."""
        day = 20 * 3600
        self.assertEqual(len(self.filled(heard("smok4", batches=[batch(7), batch(7, at_seconds=day)])).new), 2)

    def test_what_was_not_acknowledged_is_left_to_the_device(self) -> None:
        """It keeps such a batch until somebody stores it: here it would be there twice."""
        filled = self.filled(heard("smok4", batches=[batch(7, acknowledged=False)]))
        self.assertEqual((filled.new, filled.left_out), ([], {filling.UNACKNOWLEDGED: 1}))

    def test_a_plan_that_the_store_has_under_another_number(self) -> None:
        """Same blocks, same meaning."""
        later = PLAN._replace(number=5, version="another")
        filled = self.filled(heard("smok4", batches=[batch(7, plan=3)]), layout=self.layout(later))
        self.assertEqual([one.plan for one in filled.new], [1])
        filled = self.filled(heard("smok4", batches=[batch(7, plan=5)]), layout=self.layout(later))
        self.assertEqual([one.plan for one in filled.new], [5])

    def test_a_plan_that_the_store_does_not_have(self) -> None:
        """Its words become those of the map's points, under a plan that no device is told; once as well."""
        blocks = (Block(1, Table.HOLDING, 8, 6, 1, 0, 0), Block(1, Table.COIL, 0, 3, 1, 0, 0))
        good = Round(0, (BlockReport(0, (1, 2, *WORDS)), BlockReport(1, (0, 1, 0))))
        bad = Round(0, (BlockReport(0, (), 4),))
        layout = self.layout()
        found = heard("smok4", batches=[batch(7, good, bad, plan=2, blocks=blocks)])
        filled = self.filled(found, layout=layout)
        (plan,) = layout.new_plans
        self.assertGreaterEqual(plan.number, FIRST_UNTOLD_PLAN)
        where = {block.start: number for number, block in enumerate(plan.blocks)}
        told = [(one.plan, one.round, one.blocks) for one in filled.new]
        values = (BlockReport(where[10], WORDS[:1]), BlockReport(where[12], WORDS[2:]))
        self.assertEqual(told[0], (plan.number, 0, values))
        self.assertEqual({one.fault for one in told[1][2]}, {4})
        self.assertEqual(self.filled(found, stored=filled.new, layout=self.layout(plan)).new, [])


class Nameless(Case):
    """What a MODBUS master or a P24 server reads."""

    def test_points_of_the_map(self) -> None:
        """Whatever was read beside them, in the capture's time, marked as proven by nothing."""
        layout = self.layout()
        filled = self.filled(heard(readings=[read(start=8, words=(1, 2, *WORDS)), read(1, start=40)]), layout=layout)
        (report,) = filled.new
        blocks = layout.blocks(report.plan)
        values = {blocks[one.block].start: one.words for one in report.blocks}
        self.assertEqual(values, {10: WORDS[:1], 12: WORDS[2:]})
        self.assertEqual((report.time_us, report.flags), (NOW_US, UNAUTHENTICATED | REPLAYED))
        self.assertEqual(filled.left_out, {filling.NO_POINT: 1})

    def test_once(self) -> None:
        """Also the second time, and from a capture that begins later; fast readings are kept all the same."""
        readings = [read(number / 10, words=(number, *WORDS[1:])) for number in range(5)]
        filled = self.filled(heard(readings=readings))
        self.assertEqual(len(filled.new), 5)
        again = self.filled(heard(readings=readings[2:]), heard(readings=readings), stored=filled.new)
        self.assertEqual((again.new, again.there), ([], 8))

    def test_what_the_device_reported_itself(self) -> None:
        """Nothing is missing within half an interval of its own report; what it did not report is."""
        own = Report(DEVICE_ID, NOW_US, 9, 7, 0, 1, (BlockReport(1, WORDS),))
        failed = own._replace(time_us=NOW_US + 30 * SECOND_US, blocks=(BlockReport(1, (), 4),))
        readings = [read(-6), read(-4), read(4), read(6), read(30)]
        filled = self.filled(heard(readings=readings), stored=[own, failed])
        self.assertEqual([(one.time_us - NOW_US) // SECOND_US for one in filled.new], [-6, 6, 30])
        self.assertEqual(filled.left_out, {filling.REPORTED: 2})
        coil = Reading(NOW_US, 1, Table.COIL, 5, (1,), size=1)
        self.assertEqual(len(self.filled(heard(readings=[coil]), stored=[own]).new), 1)

    def test_a_fault_that_the_device_reported_itself(self) -> None:
        """It is there once as well, as the daemon stores it of P24 too; a value beside it is another reading, and so is
        a fault beside a value."""
        for flags in (0, UNAUTHENTICATED):
            failed = Report(DEVICE_ID, NOW_US, 9, 7, 0, 1, (BlockReport(1, (), 1),), flags)
            good = failed._replace(time_us=NOW_US + 30 * SECOND_US, blocks=(BlockReport(1, WORDS),))
            readings = [read(-6, fault=1), read(-4, fault=1), read(4), read(26), read(26.1, fault=1)]
            filled = self.filled(heard(readings=readings), stored=[failed, good])
            told = [((one.time_us - NOW_US) / SECOND_US, one.blocks[0].fault) for one in filled.new]
            self.assertEqual(told, [(-6, 1), (4, 0), (26.1, 1)])
            self.assertEqual(filled.left_out, {filling.REPORTED: 2})

    def test_a_capture_of_both(self) -> None:
        """The agent's own reads beside its reports: each value once."""
        both = heard("smok4", batches=[batch(7)]), heard(readings=[read(-0.1), read(-8)])
        filled = self.filled(*both)
        self.assertEqual([bool(one.flags & UNAUTHENTICATED) for one in filled.new], [False, True])
        self.assertEqual(filled.left_out, {filling.REPORTED: 1})

    def test_values_of_several_single_registers(self) -> None:
        """P24 reads them one by one: a point is whole with its last register, at that time."""
        words = [read(0.1 * at, start=10 + at, words=(word,)) for at, word in enumerate(WORDS)]
        layout = self.layout()
        filled = self.filled(heard("p24", readings=words), layout=layout)
        told = [(one.time_us, *self.starts(layout, one)) for one in filled.new]
        self.assertEqual(told, [(NOW_US, (10, WORDS[:1])), (NOW_US + 300_000, (12, WORDS[2:]))])
        self.assertEqual(filled.left_out, {filling.NO_POINT: 1})
        self.assertEqual(len(self.filled(heard("p24", readings=words[3:])).new), 0)

    def test_registers_that_do_not_belong_together(self) -> None:
        """Too far apart in time, a fault between, another unit or table, not the next one."""
        first = read(start=12, words=(1,))
        for second in (
            read(6, start=13, words=(2,)),
            read(1, start=13, words=(2,), fault=4),
            read(1, start=14, words=(2,)),
            read(1, start=13, words=(2,))._replace(unit=2),
            read(1, start=13, words=(2,))._replace(table=Table.INPUT),
        ):
            self.assertEqual([run.size for _, run in joined([first, second])], [1, 1], second)
        self.assertEqual([run.size for _, run in joined([first, read(1, start=13, words=(2,))])], [1, 2])

    def test_more_points_than_a_plan_holds(self) -> None:
        """A hundred points need two plans; each value is there."""
        points = [f'{{ name = "p{at}", register = "holding", address = {at} }}' for at in range(0, 200, 2)]
        wide = parse_map(f'name = "wide"\npoint = [{", ".join(points)}]')
        layout = Layout({}, wide)
        words = tuple(range(125))
        found = heard(readings=[read(start=0, words=words), read(start=125, words=words[:75])])
        filled = self.filled(found, layout=layout)
        self.assertEqual([plan.number for plan in layout.new_plans], [0xFFFF, 0xFFFE])
        told = {start: held[0] for one in filled.new for start, held in self.starts(layout, one)}
        self.assertEqual(told, {at: at % 125 for at in range(0, 200, 2)})
        known = Layout({plan.number: plan for plan in layout.new_plans}, wide)
        again = self.filled(found, stored=filled.new, layout=known)
        self.assertEqual(known.new_plans, [])
        self.assertEqual((again.new, again.there), ([], len(filled.new)))


class Left(Case):
    def test_what_else_is_left_out(self) -> None:
        """Each with its reason: answers to orders, batches by an unknown plan."""
        filled = self.filled(heard("smok4", readings=[read()], unread_batches=Counter({UNKNOWN_PLAN: 3})))
        self.assertEqual(filled.left_out, {filling.ORDERS: 1, UNKNOWN_PLAN: 3})

    def test_nothing_at_all(self) -> None:
        """The store need not be asked."""
        self.assertIsNone(Filling(DEVICE_ID, self.layout()).span_us())
