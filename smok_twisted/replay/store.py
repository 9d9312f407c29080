"""Captured conversations into a store: whose each is, what of it is missing there, and that alone is kept.

No daemon runs on the store meanwhile. The device's cursor stays where it is (``Store.backfill``), so nothing that the
device brings later is taken for a repeat, nor the other way round; ``filling`` decides what is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..clock import WallClock
from ..devices.device import Device
from ..devices.registry import Registry
from ..errors import NotFound, UserError
from ..history.reader import History
from ..history.slices import Span
from ..modbus.maps import RegisterMap
from ..readings import Report
from ..storage.records import DeviceRecord, Snapshot
from .filling import Filled, Filling
from .findings import Findings
from .layout import Layout
from .owners import Owners, Sorted, Wish
from .smok4_messages import Known

if TYPE_CHECKING:
    from ..storage.interface import Store

#: Reports that become durable together.
PAGE = 1000


@dataclass
class Kept:
    """What became of the readings of one device."""

    device_id: int
    name: str
    filled: Filled
    is_added: bool


@dataclass
class Outcome:
    """What became of all."""

    left_out: dict[int, str]  #: number of the conversation -> why
    kept: list[Kept] = field(default_factory=list)


class Filler:
    """``snapshot`` is what ``store`` gave when it was opened. Nothing is written before ``keep``."""

    def __init__(
        self,
        store: Store,
        snapshot: Snapshot,
        wish: Wish,
        clock: Any,
        wall_clock: WallClock,
        random: Callable[[int], bytes],
    ) -> None:
        """Raises UserError when the wish cannot come true, whatever was captured."""
        self._store = store
        self._wish = wish
        self._wall_clock = wall_clock
        self._registry = Registry(store, clock, wall_clock, random)
        self._registry.load(snapshot)
        self._versions = {(model.name, model.version) for model in snapshot.models}
        self._check_map()
        self._named = self._find_named()

    def known(self, known: Known) -> Known:
        """``known``, and the plans that the store has."""
        for device_id, device in self._registry.devices.items():
            known.plans |= {(device_id, number): view.plan.blocks for number, view in device.views.items()}
        return known

    async def keep(self, found: list[Findings], who: str, source: str) -> Outcome:
        """Store what is missing. ``who`` had it read from ``source``: that goes into the audit trail.

        Raises UserError, naming the conversation, when it cannot be told whose readings they are; nothing is written
        then.
        """
        whose = self._sort_out(found)
        outcome = Outcome(whose.left_out)
        for device_id, conversations in whose.by_device.items():
            kept = await self._keep(device_id, conversations)
            if kept.filled.new:
                await self._audit(kept, who, source)
            outcome.kept.append(kept)
        return outcome

    def brings(self, found: list[Findings]) -> bool:
        """Whether devices that are added have anything to keep. Raises UserError as ``keep`` does."""
        return any(self._heard_of_new(*one).span_us() for one in self._sort_out(found).by_device.items())

    # -- the wish

    def _sort_out(self, found: list[Findings]) -> Sorted:
        return Owners(self._wish, self._registry.devices, self._named, self._registry.new_id).sort_out(found)

    def _check_map(self) -> None:
        register_map = self._wish.register_map
        self._wish.check()
        if register_map is None or (register_map.name, register_map.version) in self._versions:
            return
        if not self._wish.may_add or register_map.name in {name for name, _ in self._versions}:
            raise UserError(
                f"the register map {register_map.name!r} is not in the store in this version; `smok map import FILE`"
                " gives it to the daemon, or leave --map out: the store has the map of each device"
            )

    def _find_named(self) -> int | None:
        if self._wish.device is None:
            return None
        try:
            return self._registry.find(self._wish.device).record.device_id
        except NotFound:
            if self._wish.may_add:
                return None
            raise NotFound(
                f"device {self._wish.device!r} is not in the store; `smok device add {self._wish.device} --model MODEL`"
                " adds it while the daemon runs, --add with --map FILE does it here"
            ) from None

    # -- what is missing

    async def _keep(self, device_id: int, conversations: list[Findings]) -> Kept:
        """A device is added only when there is something to keep of it."""
        device = self._registry.devices.get(device_id)
        if device is not None:
            return Kept(device_id, device.record.name, await self._fill(device, conversations), is_added=False)
        heard = self._heard_of_new(device_id, conversations)
        name = str(self._wish.device)
        if heard.span_us() is None:
            return Kept(device_id, name, heard.against(()), is_added=False)
        device = await self._add(device_id, name, self._map)
        return Kept(device_id, name, await self._fill(device, conversations), is_added=True)

    @property
    def _map(self) -> RegisterMap:
        """Of a device that is added."""
        assert self._wish.register_map is not None  # noqa: S101  # Wish.check saw to it
        return self._wish.register_map

    def _heard_of_new(self, device_id: int, conversations: list[Findings]) -> Filling:
        return _heard(device_id, Layout({}, self._map), conversations)

    async def _add(self, device_id: int, name: str, register_map: RegisterMap) -> Device:
        if register_map.name not in {known for known, _ in self._versions}:
            await self._registry.add_model(register_map.text)
        record = DeviceRecord(device_id, name, register_map.name, self._wall_clock())
        added: Device = await self._registry.add(record)
        return added

    async def _fill(self, device: Device, conversations: list[Findings]) -> Filled:
        register_map = self._wish.register_map or self._registry.map_of(device.record)
        layout = Layout({number: view.plan for number, view in device.views.items()}, register_map)
        filling = _heard(device.record.device_id, layout, conversations)
        span_us = filling.span_us()
        filled = filling.against(await self._stored(device, *span_us) if span_us else ())
        used = {report.plan for report in filled.new}
        for plan in layout.new_plans:
            if plan.number in used:
                await self._store.save_plan(device.record.device_id, plan)
        for at in range(0, len(filled.new), PAGE):
            await self._store.backfill(device.record.device_id, filled.new[at : at + PAGE])
        return filled

    async def _stored(self, device: Device, from_us: int, to_us: int) -> list[Report]:
        """Packed or not."""
        pages = History(self._store).reports(device.record.device_id, Span(from_us, to_us))
        return [report async for page in pages for report in page]

    async def _audit(self, kept: Kept, who: str, source: str) -> None:
        detail = {"file": source, "reports": len(kept.filled.new)}
        await self._store.append_audit(self._wall_clock(), who, "smok replay", kept.device_id, "device-replay", detail)


def _heard(device_id: int, layout: Layout, conversations: list[Findings]) -> Filling:
    filling = Filling(device_id, layout)
    for findings in conversations:
        filling.hear(findings)
    return filling
