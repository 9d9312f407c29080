"""All devices and register maps: loaded once at the start, changed together with the store.

Everything that a login, a look at values or a write needs is in memory here. A change is durable before it is
in force.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import DeferredList, DeferredLock, inlineCallbacks
from twisted.logger import Logger

from ..clock import WallClock
from ..errors import Conflict, Impossible, NotFound, UserError
from ..history.imported import block_for
from ..modbus.maps import RegisterMap, parse_map
from ..modbus.plan import plan_blocks
from ..modbus.points import Point
from ..readings import FIRST_UNTOLD_PLAN, LAST_PLAN, Block, Plan, next_untold_plan
from ..storage.records import DeviceRecord, EventRecord, ModelRecord, Snapshot
from .device import Device, Stored
from .ledger import Ledger
from .pressure import Pressure
from .values import PlanView

if TYPE_CHECKING:
    from collections.abc import Generator

    from ..storage.interface import Store

_NAME = re.compile(r"[^\W\d_][\w .-]{0,63}")
_NAME_FORM = "a name begins with a letter and has up to 64 letters, digits, spaces, '.', '_' or '-'"

#: Links over which every register is a request of its own.
LINKS_OF_SINGLE_REGISTERS = ("p24",)


def parse_device_id(text: str) -> int | None:
    """A u64 in decimal or 0x-hex, or None when the text is neither."""
    try:
        number = int(text, 16 if text.lower().startswith("0x") else 10)
    except ValueError:
        return None
    return number if 0 <= number < 1 << 64 else None


class Registry:
    """See the module. ``random(n)`` gives n octets from the system's generator."""

    log = Logger()

    def __init__(
        self,
        store: Store,
        clock: Any,
        wall_clock: WallClock,
        random: Callable[[int], bytes],
        pressure: Pressure | None = None,
        stored: Stored = lambda reports, seconds: None,
    ) -> None:
        self.devices: dict[int, Device] = {}
        self.on_removed: list[Callable[[Device], None]] = []
        self._pressure = pressure or Pressure()
        self._stored = stored
        self._store = store
        self._clock = clock
        self._wall_clock = wall_clock
        self._random = random
        self._importing = DeferredLock()  # or two imports at once would take the same number for two plans
        self._by_name: dict[str, int] = {}
        self._current: dict[str, str] = {}  # model -> version
        self._maps: dict[tuple[str, str], RegisterMap] = {}

    def load(self, snapshot: Snapshot) -> None:
        """Take over what the store kept; plans that a newer program would choose otherwise stay as they are."""
        for model in snapshot.models:
            self._remember(parse_map(model.text, f"model {model.name}"))
        for device_id, record in snapshot.devices.items():
            cursor = snapshot.cursors.get(device_id)
            device = self._make(record, Ledger(*cursor) if cursor else Ledger())
            if device_id in snapshot.on_their_way:
                device.await_durable(snapshot.on_their_way[device_id])
            for plan in snapshot.plans.get(device_id, {}).values():
                device.views[plan.number] = PlanView(plan, self._maps[plan.model, plan.version])
            device.values.load(snapshot.latest.get(device_id, {}))

    @inlineCallbacks
    def start(self) -> Generator[Any, Any, None]:
        """Give every device the plan of its model."""
        yield DeferredList([self._plan(device) for device in self.devices.values()], consumeErrors=False)

    # -- looking up

    def find(self, text: str) -> Device:
        """The device of that name or id. Raises NotFound."""
        device_id = self._by_name.get(text)
        if device_id is None:
            device_id = parse_device_id(text)
        device = None if device_id is None else self.devices.get(device_id)
        if device is None:
            raise NotFound(f"device {text!r} does not exist; `smok device list` shows those that do")
        return device

    def map_of(self, record: DeviceRecord) -> RegisterMap:
        """The register map in force for a device. Raises NotFound."""
        version = record.model_version or self._current.get(record.model)
        if version is None or (record.model, version) not in self._maps:
            raise NotFound(f"model {record.model!r} does not exist; `smok map import FILE` adds one")
        return self._maps[record.model, version]

    def models(self) -> list[RegisterMap]:
        """The current version of each register map, by name."""
        return [self._maps[name, version] for name, version in sorted(self._current.items())]

    def new_id(self) -> int:
        """An id that no device has."""
        while (device_id := int.from_bytes(self._random(8))) in self.devices or not device_id:
            pass
        return device_id

    # -- changing

    @inlineCallbacks
    def add(self, record: DeviceRecord) -> Generator[Any, Any, Device]:
        """A new device. Raises UserError, Conflict or NotFound, and then nothing has changed."""
        self._check(record)
        if record.device_id in self.devices:
            raise Conflict(f"device id 0x{record.device_id:016x} is taken by {self._name_of(record.device_id)!r}")
        device = self._make(record, Ledger())
        try:
            yield self._store.save_device(record)
            yield self._plan(device)
        except Exception:
            self._forget(device)
            yield self._store.remove_device(record.device_id)
            raise
        return device

    @inlineCallbacks
    def change(self, device: Device, **changes: Any) -> Generator[Any, Any, None]:
        """Change fields of a device's record, all or none."""
        record = replace(device.record, **changes)
        self._check(record)
        yield self._store.save_device(record)
        self._by_name.pop(device.record.name, None)
        self._by_name[record.name] = record.device_id
        device.record = record
        yield self._plan(device)

    @inlineCallbacks
    def remove(self, device: Device) -> Generator[Any, Any, None]:
        """Forget a device and end its session."""
        yield self._store.remove_device(device.record.device_id)
        self._forget(device)
        for removed in self.on_removed:
            removed(device)
        device.removed()

    @inlineCallbacks
    def add_model(self, text: str) -> Generator[Any, Any, RegisterMap]:
        """A register map, or a new version of one; its devices are given new plans. Raises UserError."""
        register_map = parse_map(text, "the model")
        users = [one for one in self.devices.values() if one.record.model == register_map.name]
        plan_blocks(register_map)  # what cannot be planned is refused before it is kept
        for device in users:
            _blocks(device.record, register_map)
        yield self._store.save_model(
            ModelRecord(register_map.name, register_map.version, text, self._wall_clock())
        )
        self._remember(register_map)
        for device in users:
            yield self._plan(device)
        return register_map

    @inlineCallbacks
    def plan_for_import(
        self, device: Device, point: Point, interval_seconds: int = 0
    ) -> Generator[Any, Any, int]:
        """The number of the plan under which readings of this point are imported; kept first, if it is new.

        The device never hears of it. ``interval_seconds`` as in ``block_for``. Raises Impossible for a point that
        cannot be imported, and when there are too many such plans.
        """
        register_map = self.map_of(device.record)
        block = block_for(point, interval_seconds)
        plan: Plan = yield self._importing.run(self._keep_untold, device, register_map, block)
        return plan.number

    def tell(self, device: Device | None, kind: str, text: str, severity: str = "low") -> None:
        """Something happened, to a device or to all: an event for the operator, and a line in the log."""
        self.log.info("{device}: {text}", device=device.record.name if device else "all", text=text, kind=kind)
        device_id = device.record.device_id if device else None
        event = EventRecord(self._wall_clock(), kind, severity, text, device_id)
        self._store.append_event(event).addErrback(
            lambda failure: self.log.error("event not kept: {reason}", reason=failure.getErrorMessage())
        )

    # -- inside

    def _make(self, record: DeviceRecord, ledger: Ledger) -> Device:
        device = Device(
            record,
            ledger,
            store=self._store,
            clock=self._clock,
            wall_clock=self._wall_clock,
            tell=self.tell,
            pressure=self._pressure,
            stored=self._stored,
            txid=int.from_bytes(self._random(2)),
        )
        self.devices[record.device_id] = device
        self._by_name[record.name] = record.device_id
        return device

    def _forget(self, device: Device) -> None:
        self.devices.pop(device.record.device_id, None)
        self._by_name.pop(device.record.name, None)

    def _remember(self, register_map: RegisterMap) -> None:
        self._maps[register_map.name, register_map.version] = register_map
        self._current[register_map.name] = register_map.version

    def _check(self, record: DeviceRecord) -> None:
        if not _NAME.fullmatch(record.name) or parse_device_id(record.name) is not None:
            raise UserError(f"device name {record.name!r} is not accepted: {_NAME_FORM}")
        if self._by_name.get(record.name, record.device_id) != record.device_id:
            raise Conflict(f"device name {record.name!r} is taken by {self._by_name[record.name]:#018x}")
        if not 0 < record.device_id < 1 << 64:
            raise Impossible(f"device id {record.device_id} is not accepted: a number from 1 to 2**64 - 1")
        self.map_of(record)

    def _name_of(self, device_id: int) -> str:
        return self.devices[device_id].record.name

    def _new_plan_number(self, device: Device) -> int:
        """A device keeps its plan while it is removed and added again, or while the server comes from a backup.

        So numbers do not count: a number drawn by lot was not given to it before, as far as luck goes.
        """
        number = int.from_bytes(self._random(2)) % FIRST_UNTOLD_PLAN
        while number in device.views or not number:
            number = (number + 1) % FIRST_UNTOLD_PLAN
        return number

    @inlineCallbacks
    def _plan(self, device: Device) -> Generator[Any, Any, None]:
        """Install the plan of the device's map; a number is durable before the device hears of it."""
        register_map = self.map_of(device.record)
        plan = yield self._known(device, register_map, _blocks(device.record, register_map), True)
        if plan != device.wanted:
            device.install(register_map, plan)

    @inlineCallbacks
    def _keep_untold(self, device: Device, register_map: RegisterMap, block: Block) -> Generator[Any, Any, Plan]:
        plan: Plan = yield self._known(device, register_map, (block,), False)
        device.views.setdefault(plan.number, PlanView(plan, register_map))
        return plan

    @inlineCallbacks
    def _known(
        self, device: Device, register_map: RegisterMap, blocks: tuple[Block, ...], is_told: bool
    ) -> Generator[Any, Any, Plan]:
        """The plan of these blocks: one that is there, or a new one, durable under a number of its own."""
        plans = (view.plan for view in device.views.values() if (view.plan.number < FIRST_UNTOLD_PLAN) == is_told)
        for plan in plans:
            if (plan.blocks, plan.model, plan.version) == (blocks, register_map.name, register_map.version):
                return plan
        number = self._new_plan_number(device) if is_told else _new_untold_number(device)
        plan = Plan(number, blocks, register_map.name, register_map.version)
        yield self._store.save_plan(device.record.device_id, plan)
        return plan


def _new_untold_number(device: Device) -> int:
    number = next_untold_plan(device.views)
    if number < FIRST_UNTOLD_PLAN:
        raise Impossible(
            f"device {device.record.name!r} has readings under {LAST_PLAN + 1 - FIRST_UNTOLD_PLAN} plans of imports, "
            "no more are accepted: give all imports of a point the same interval"
        )
    return number


def _blocks(record: DeviceRecord, register_map: RegisterMap) -> tuple[Block, ...]:
    return plan_blocks(register_map, read_gaps=record.link not in LINKS_OF_SINGLE_REGISTERS)
