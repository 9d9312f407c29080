"""``report`` and ``deadband`` say how long a reading may wait."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.agent.reporting import Reporting
from smok_twisted.readings import Block, BlockReport, Fault, Table


def reporting(report_seconds: int, deadband: int, blocks: int = 1) -> Reporting:
    return Reporting([Block(1, Table.HOLDING, 0, 1, 10, report_seconds, deadband)] * blocks)


def value(word: int, block: int = 0) -> BlockReport:
    return BlockReport(block, (word,))


class WhatGoesAtOnce(SynchronousTestCase):
    def urgent(self, report_seconds: int, deadband: int, reports: list[BlockReport]) -> list[bool]:
        """Which of these go at once, one every 10 s, the server being told each time."""
        rule, answers = reporting(report_seconds, deadband), []
        for turn, report in enumerate(reports):
            answers.append(rule.note(report, 10.0 * turn))
            if answers[-1]:
                rule.told()
        return answers

    def test_the_first_reading(self) -> None:
        """The server learns at once what a new plan gives, even of a block that is never urgent."""
        self.assertEqual(self.urgent(600, 255, [value(1)]), [True])

    def test_report_0_is_with_each_sample(self) -> None:
        """Nothing waits."""
        self.assertEqual(self.urgent(0, 255, [value(1)] * 3), [True] * 3)

    def test_report_30_is_every_third_of_10(self) -> None:
        """Two samples wait for the third, for ever in this rhythm."""
        self.assertEqual(self.urgent(30, 0, [value(1)] * 7), [True, False, False, True, False, False, True])

    def test_a_change_beyond_the_deadband(self) -> None:
        """5 of 5 may wait, 6 of 5 may not."""
        self.assertEqual(
            self.urgent(600, 5, [value(100), value(105), value(95), value(106)]), [True, False, False, True]
        )

    def test_a_slow_drift_is_noticed(self) -> None:
        """What counts is the value that the server knows, not the one before."""
        self.assertEqual(self.urgent(600, 2, [value(n) for n in range(7)]), [True, False, False] * 2 + [True])

    def test_deadband_255_is_never_at_once(self) -> None:
        """Not even when everything changes, or the unit is gone."""
        changes = [value(0), value(0xFFFF), BlockReport(0, (), Fault.TIMEOUT)]
        self.assertEqual(self.urgent(600, 255, changes), [True, False, False])

    def test_a_fault_that_comes_or_goes_is_news(self) -> None:
        """A dead unit is told at once, once, and its return too; another fault is news as well."""
        dead, refused = BlockReport(0, (), Fault.TIMEOUT), BlockReport(0, (), 2)
        self.assertEqual(
            self.urgent(600, 254, [value(1), dead, dead, refused, value(1)]), [True, True, False, True, True]
        )

    def test_each_block_has_its_own_rhythm_and_all_go_together(self) -> None:
        """Whatever waits goes along when one must go, and its time begins anew."""
        rule = Reporting([Block(1, Table.HOLDING, 0, 1, 10, 0, 0), Block(1, Table.HOLDING, 9, 1, 10, 20, 0)])
        rule.note(value(1, 0), 0.0), rule.note(value(1, 1), 0.0), rule.told()
        self.assertFalse(rule.note(value(1, 1), 10.0))
        self.assertTrue(rule.note(value(1, 0), 10.0))
        rule.told()
        self.assertFalse(rule.note(value(1, 1), 20.0))
        self.assertTrue(rule.note(value(1, 1), 30.0))

    def test_one_bit_of_many(self) -> None:
        """Coils have no size: with deadband 0 any flip goes at once."""
        rule = Reporting([Block(1, Table.COIL, 0, 3, 10, 600, 0)])
        rule.note(BlockReport(0, (0, 1, 0)), 0.0), rule.told()
        self.assertFalse(rule.note(BlockReport(0, (0, 1, 0)), 10.0))
        self.assertTrue(rule.note(BlockReport(0, (0, 1, 1)), 20.0))
