"""Under which plan of a device a captured reading is stored, so that its words keep their meaning. Pure.

A batch whose blocks are those of a plan that the store has goes under that plan, as the daemon would have stored it.
Anything else is taken apart into the points of a register map: they have plans of their own, a block for each point,
which no device is ever told (``readings.FIRST_UNTOLD_PLAN``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ..modbus.maps import RegisterMap
from ..modbus.plan import MAX_BLOCKS, point_blocks
from ..readings import FIRST_UNTOLD_PLAN, Block, BlockReport, Plan, Table, next_untold_plan


class Run(NamedTuple):
    """Neighbouring registers or bits that were read, and what they held; ``fault``: why they have no ``words``."""

    unit: int
    table: Table
    start: int
    size: int
    words: tuple[int, ...]
    fault: int = 0
    fresh: int | None = None  #: so many at its end are new, the others were told before; None: all

    @property
    def fresh_start(self) -> int:
        """The first address that is new."""
        return self.start if self.fresh is None else self.start + self.size - self.fresh

    def holds(self, block: Block) -> bool:
        """Whether it has all of ``block``, and something new of it."""
        block_end = block.start + block.count
        is_within = self.start <= block.start and block_end <= self.start + self.size
        return (self.unit, self.table) == block[:2] and is_within and block_end > self.fresh_start

    def report(self, number: int, block: Block) -> BlockReport:
        """What it says of a block that it holds."""
        if self.fault:
            return BlockReport(number, (), self.fault)
        at = block.start - self.start
        return BlockReport(number, self.words[at : at + block.count])


class Layout:
    """``plans`` are those that the store has of the device, by number. ``new_plans`` must be saved before anything
    that is stored under them."""

    def __init__(self, plans: Mapping[int, Plan], register_map: RegisterMap) -> None:
        self.new_plans: list[Plan] = []
        self._plans = plans
        self._model = register_map.name, register_map.version
        self._of_points = list(self._point_plans(point_blocks(register_map)))
        self._blocks = {plan.number: plan.blocks for plan in (*plans.values(), *self.new_plans)}
        self._held: dict[tuple[int, ...], list[tuple[int, int, Block]]] = {}  # plan, number and block, by shape of run

    def plan_of(self, blocks: Sequence[Block], number: int) -> int | None:
        """The plan that has exactly these blocks; the one of that ``number``, or of the register map, rather than
        another."""
        found = [plan for plan in self._plans.values() if plan.blocks == blocks and plan.number < FIRST_UNTOLD_PLAN]
        found.sort(key=lambda plan: (plan.number == number, (plan.model, plan.version) == self._model, plan.number))
        return found[-1].number if found else None

    def points_of(self, runs: Iterable[Run]) -> Iterator[tuple[int, tuple[BlockReport, ...]]]:
        """(plan number, block reports) of all points that ``runs`` hold whole; nothing where they hold none."""
        found: dict[int, list[BlockReport]] = {}
        for run in runs:
            for plan, number, block in self._held_by(run):
                found.setdefault(plan, []).append(run.report(number, block))
        for plan, reports in found.items():
            yield plan, tuple(sorted(reports))

    def touches(self, run: Run) -> bool:
        """Whether the first new register of ``run`` belongs to a point."""
        return any(
            run[:2] == block[:2] and block.start <= run.fresh_start < block.start + block.count
            for plan in self._of_points
            for block in plan.blocks
        )

    def blocks(self, plan_number: int) -> tuple[Block, ...]:
        """Of any plan that is known here; none of another."""
        return self._blocks.get(plan_number, ())

    def _held_by(self, run: Run) -> list[tuple[int, int, Block]]:
        shape = (*run[:4], run.fresh_start)
        if shape not in self._held:
            self._held[shape] = [
                (plan.number, number, block)
                for plan in self._of_points
                for number, block in enumerate(plan.blocks)
                if run.holds(block)
            ]
        return self._held[shape]

    def _point_plans(self, blocks: tuple[Block, ...]) -> Iterator[Plan]:
        """Those that are there already, or new ones."""
        number = next_untold_plan(self._plans) + 1
        for at in range(0, len(blocks), MAX_BLOCKS):
            part = blocks[at : at + MAX_BLOCKS]
            known = [one for one in self._plans.values() if one[1:] == (part, *self._model)]
            if not known:
                number -= 1
                known = [Plan(number, part, *self._model)]
                self.new_plans += known
            yield known[-1]
