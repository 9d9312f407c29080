"""How long the history of each device is kept, and what its packer needs to know of it (``history.packer.Fleet``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from .registry import Registry
from .values import PlanView


class Retention:
    """``default_seconds`` for all devices but those of the models named; None: for ever."""

    def __init__(self, registry: Registry, default_seconds: int | None, by_model: Mapping[str, int | None]) -> None:
        self._devices = registry.devices
        self._default_seconds = default_seconds
        self._by_model = by_model

    def device_ids(self) -> Collection[int]:
        """Of all devices; it changes with them."""
        return self._devices.keys()

    def views(self, device_id: int) -> Mapping[int, PlanView]:
        """By plan number; empty for a device that was removed."""
        device = self._devices.get(device_id)
        return {} if device is None else device.views

    def keep_seconds(self, device_id: int) -> int | None:
        """Of a device, or of one that was removed."""
        device = self._devices.get(device_id)
        return self._by_model.get(device.record.model, self._default_seconds) if device else self._default_seconds
