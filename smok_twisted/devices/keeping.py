"""Readings that the server took itself, over a link that proves nothing: durable, or counted as lost.

There is nobody to send them again. So a batch is one report, numbered here: the epoch follows the one that the store
knows of the device, and each report counts on (``storage.interface``, "append").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

from twisted.python.failure import Failure

from ..readings import UNAUTHENTICATED, BlockReport, Report
from ..storage.records import Batch
from .device import Device, Stored, Tell
from .pressure import Pressure

if TYPE_CHECKING:
    from ..storage.interface import Store

_MODULUS = 1 << 16


class Keeping:
    """Of all devices. ``stored`` hears of reports that became durable, ``lost`` of each that did not."""

    def __init__(
        self,
        store: Store,
        clock: Any,
        tell: Tell,
        pressure: Pressure,
        stored: Stored = lambda reports, seconds: None,
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._tell = tell
        self._pressure = pressure
        self._stored = stored
        self._lost = lost
        self._batches: WeakKeyDictionary[Device, int] = WeakKeyDictionary()  # the newest of each device
        self._losing: WeakSet[Device] = WeakSet()

    def keep(self, device: Device, plan_number: int, time_us: int, reports: tuple[BlockReport, ...]) -> None:
        """Blocks were read at this wall clock; they are the device's values now, and on their way to the store."""
        if device.session is not None:
            self._pressure.brought(device.session)
        device_id = device.record.device_id
        boot = (device.ledger.boot + 1) % _MODULUS
        batch = self._batches[device] = (self._batches.get(device, 0) + 1) % _MODULUS
        report = Report(device_id, time_us, boot, batch, 0, plan_number, reports, UNAUTHENTICATED)
        device.in_contact()
        device.values.update(report, time_us)
        begun = self._clock.seconds()
        stored = self._store.append(Batch(device_id, boot, batch, (report,)))
        stored.addCallbacks(
            self._durable, self._not_stored, callbackArgs=(device, report, begun), errbackArgs=(device,)
        )

    def _durable(self, _: None, device: Device, report: Report, begun: float) -> None:
        self._losing.discard(device)
        self._stored((report,), self._clock.seconds() - begun)

    def _not_stored(self, failure: Failure, device: Device) -> None:
        """Counted each time, told once until something is stored again."""
        self._lost()
        if device not in self._losing:
            self._losing.add(device)
            self._tell(device, "readings-lost", f"readings are lost: {failure.getErrorMessage()}")
