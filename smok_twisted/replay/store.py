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
from .smok4_messages import Known

if TYPE_CHECKING:
    from ..storage.interface import Store

#: Reports that become durable together.
PAGE = 1000


@dataclass(frozen=True)
class Wish:
    """What the user wants: ``device`` names one (its name or id), ``register_map`` says what its registers mean, and
    ``may_add`` that it may be added with that map."""

    device: str | None = None
    register_map: RegisterMap | None = None
    may_add: bool = False


@dataclass
class Kept:
    """What became of the readings of one device."""

    device: Device
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
        self._before = set(self._registry.devices)
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
        outcome = Outcome({number: why for number, one in enumerate(found, 1) if (why := _useless(one))})
        useful = {number: one for number, one in enumerate(found, 1) if number not in outcome.left_out}
        target = self._target(useful)
        by_device: dict[int, list[Findings]] = {}
        for number, findings in useful.items():
            owner = self._owner(number, findings, target)
            if target in (None, owner):
                by_device.setdefault(owner, []).append(findings)
            else:
                outcome.left_out[number] = f"of device {owner:#018x}"
        for device_id, conversations in by_device.items():
            kept = await self._fill(await self._device(device_id), conversations)
            if kept.filled.new:
                await self._audit(kept, who, source)
            outcome.kept.append(kept)
        return outcome

    # -- whose it is

    def _check_map(self) -> None:
        register_map = self._wish.register_map
        if self._wish.may_add and (register_map is None or self._wish.device is None):
            raise UserError("--add needs --device, the name of the new device, and --map, its register map")
        if register_map is None or (register_map.name, register_map.version) in self._versions:
            return
        if not self._wish.may_add or register_map.name in {name for name, _ in self._versions}:
            raise UserError(
                f"the register map {register_map.name!r} is not in the store in this version; `smok map import FILE`"
                " gives it to the daemon, or leave --map out: the store has the map of each device"
            )

    def _find_named(self) -> Device | None:
        if self._wish.device is None:
            return None
        try:
            return self._registry.find(self._wish.device)
        except NotFound:
            if self._wish.may_add:
                return None
            raise NotFound(
                f"device {self._wish.device!r} is not in the store; `smok device add {self._wish.device} --model MODEL`"
                " adds it while the daemon runs, --add with --map FILE does it here"
            ) from None

    def _target(self, useful: dict[int, Findings]) -> int | None:
        """The only device that is wanted; None: each that the capture names."""
        if self._wish.device is None:
            return None
        if self._named is not None:
            return self._named.record.device_id
        told = [device_id for one in useful.values() if (device_id := _identity(one))]
        unknown = [device_id for device_id in told if device_id not in self._registry.devices]
        return unknown[0] if unknown else self._registry.new_id()

    def _owner(self, number: int, findings: Findings, target: int | None) -> int:
        owner = _identity(findings) or target
        if owner is None:
            raise UserError(
                f"conversation {number} is {findings.protocol}, which does not say whose readings it brings:"
                " name the device by --device"
            )
        if target is None and owner not in self._registry.devices:
            raise NotFound(
                f"device {owner:#018x} of conversation {number} is not in the store;"
                f" `smok device add NAME --model MODEL --id {owner:#x}` adds it while the daemon runs,"
                " --add with --device NAME and --map FILE does it here"
            )
        return owner

    async def _device(self, device_id: int) -> Device:
        if device_id in self._registry.devices:
            return self._registry.devices[device_id]
        register_map, name = self._wish.register_map, self._wish.device
        assert register_map is not None and name is not None  # noqa: S101  # _check_map saw to it
        if register_map.name not in {known for known, _ in self._versions}:
            await self._registry.add_model(register_map.text)
        record = DeviceRecord(device_id, name, register_map.name, self._wall_clock())
        added: Device = await self._registry.add(record)
        return added

    # -- what is missing

    async def _fill(self, device: Device, conversations: list[Findings]) -> Kept:
        register_map = self._wish.register_map or self._registry.map_of(device.record)
        layout = Layout({number: view.plan for number, view in device.views.items()}, register_map)
        filling = Filling(device.record.device_id, layout)
        for findings in conversations:
            filling.hear(findings)
        span_us = filling.span_us()
        filled = filling.against(await self._stored(device, *span_us) if span_us else ())
        used = {report.plan for report in filled.new}
        for plan in layout.new_plans:
            if plan.number in used:
                await self._store.save_plan(device.record.device_id, plan)
        for at in range(0, len(filled.new), PAGE):
            await self._store.backfill(device.record.device_id, filled.new[at : at + PAGE])
        return Kept(device, filled, device.record.device_id not in self._before)

    async def _stored(self, device: Device, from_us: int, to_us: int) -> list[Report]:
        """Packed or not."""
        pages = History(self._store).reports(device.record.device_id, Span(from_us, to_us))
        return [report async for page in pages for report in page]

    async def _audit(self, kept: Kept, who: str, source: str) -> None:
        detail = {"file": source, "reports": len(kept.filled.new)}
        device_id = kept.device.record.device_id
        await self._store.append_audit(self._wall_clock(), who, "smok replay", device_id, "device-replay", detail)


def _identity(findings: Findings) -> int | None:
    """Whose conversation it is, where that can be told."""
    told = findings.identity.get("device")
    return None if told is None else int(told, 16)


def _useless(findings: Findings) -> str | None:
    """Why a conversation brings nothing."""
    if findings.readings or findings.unread_batches:
        return None
    if findings.protocol == "unknown":
        return "no protocol that is understood"
    if any("record" in counts for counts in findings.messages):
        return "sealed: --secret or --secret-file opens it"
    return "no readings in it"
