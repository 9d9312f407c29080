"""Batches that were taken and are not durable yet, each device's in order. Pure.

A batch is durable when it was kept and every earlier one of its device is: whoever waits for it is told then, and the
device's cursor moves.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import NamedTuple


class Name(NamedTuple):
    """Of a batch."""

    device_id: int
    boot: int
    batch: int


class Item:
    """One batch on its way. ``waiters`` are called when it is durable, with what went wrong or None."""

    def __init__(self, name: Name, hours: Iterable[int]) -> None:
        self.name = name
        self.hours = frozenset(hours)  #: since 1970 UTC, that have reports in it
        self.waiters: list[Callable[[Exception | None], None]] = []
        self.lsn: int | None = None  #: in the journal, when it is there
        self.is_kept = False
        self.is_orphan = False  #: its device was removed meanwhile: a later one of the same id is another


class Pending:
    """All that is on its way."""

    def __init__(self) -> None:
        self._by_name: dict[Name, Item] = {}
        self._queues: dict[int, deque[Item]] = {}
        self._hours: Counter[tuple[int, int]] = Counter()

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def find(self, name: Name) -> Item | None:
        """The batch of that name, if it is on its way."""
        return self._by_name.get(name)

    def add(self, item: Item) -> None:
        """After all that its device has on its way."""
        self._by_name[item.name] = item
        self._queues.setdefault(item.name.device_id, deque()).append(item)
        self.hold(item.name.device_id, item.hours)

    def hold(self, device_id: int, hours: Iterable[int]) -> None:
        """Reports of these hours are on their way."""
        self._hours.update((device_id, hour) for hour in hours)

    def release(self, device_id: int, hours: Iterable[int]) -> None:
        """The inverse."""
        for key in ((device_id, hour) for hour in hours):
            self._hours[key] -= 1
            if not self._hours[key]:
                del self._hours[key]

    def is_busy(self, device_id: int, hour: int) -> bool:
        """Whether reports of that hour are on their way."""
        return (device_id, hour) in self._hours

    def kept(self, item: Item) -> list[Item]:
        """It is in the database: what became durable by that, oldest first."""
        item.is_kept = True
        queue = self._queues.get(item.name.device_id, deque())
        durable = []
        while queue and queue[0].is_kept:
            durable.append(queue.popleft())
            self._leave(durable[-1])
        return durable

    def dropped(self, item: Item) -> tuple[list[Item], list[Item]]:
        """It will never be kept: it and all behind it that goes with it, then what became durable by that.

        Were a later batch of the device durable, this one would count as durable too. Only one whose device was
        removed stands for nobody: those behind it are of another device.
        """
        queue = self._queues.get(item.name.device_id, deque())
        if item not in queue:
            return [], []
        behind = list(queue)[queue.index(item) :]
        gone = [item] if item.is_orphan else behind
        for one in gone:
            queue.remove(one)
            self._leave(one)
        return gone, self.kept(queue[0]) if queue and queue[0].is_kept else []

    def give_up(self) -> list[Item]:
        """All that was on its way, and none is any more: whatever becomes of it, nothing becomes durable by that."""
        items = self.all()
        self._by_name.clear()
        self._queues.clear()
        self._hours.clear()
        return items

    def disown(self, device_id: int) -> None:
        """The device is removed; what it has on its way goes on, and nobody finds it any more."""
        for item in self._queues.get(device_id, ()):
            item.is_orphan = True
            self._by_name.pop(item.name, None)

    def all(self) -> list[Item]:
        """Everything that is on its way."""
        return [item for queue in self._queues.values() for item in queue]

    def _leave(self, item: Item) -> None:
        if not item.is_orphan:
            self._by_name.pop(item.name, None)
        self.release(item.name.device_id, item.hours)
        if not self._queues.get(item.name.device_id):
            self._queues.pop(item.name.device_id, None)
