"""Which batches of a device are taken and which are durable, so that each is stored exactly once.

Pure. Batches of one ``boot`` count 1, 2, 3 ... modulo 2**16 and are compared as RFC 1982 serial numbers. The ledger
belongs to the device, not to its connection: a batch that an old session handed to the store is not taken again
from the new one.
"""

from __future__ import annotations

_MODULUS = 1 << 16


def is_newer(one: int, other: int) -> bool:
    """RFC 1982 with 16 bits: ``one`` comes after ``other``."""
    return 0 < (one - other) % _MODULUS < _MODULUS // 2


class Ledger:
    """``boot`` and ``durable`` as loaded from the store; neither for a device that never reported."""

    def __init__(self, boot: int | None = None, durable: int = 0) -> None:
        self.boot = boot or 0
        self.is_new = boot is None  #: nothing of this boot is durable yet
        self.durable = durable  #: newest batch of which it and all before are durable; 0 also when none is
        self.taken = durable  #: newest batch handed to the store
        self._on_its_way: dict[int, bool] = {}  # batch -> the store has it; in the order of batches

    @property
    def settled(self) -> bool:
        """Nothing is on its way to the store."""
        return not self._on_its_way

    def begin(self, boot: int) -> None:
        """A login says which epoch its batch numbers belong to.

        What is on its way to the store from the same epoch stays noted: sent again, it is a repeat.
        """
        if boot != self.boot:
            self.boot, self.durable, self.taken = boot, 0, 0
            self.is_new = True
            self._on_its_way = {}

    def take(self, batch: int) -> int | None:
        """Note a batch on its way to the store; how many before it the device had to drop, or None: a repeat.

        The first one of a boot is taken whatever its number: another server may have what came before.
        """
        comparable = is_newer(batch, self.taken)
        if not comparable and not (self.is_new and self.settled):
            return None
        lost = (batch - self.taken - 1) % _MODULUS if comparable else 0
        self.taken = batch
        self._on_its_way[batch] = False
        return lost

    def expect(self, boot: int, batch: int) -> None:
        """All up to this batch were taken before the start; ``committed`` will tell when they are durable."""
        self.begin(boot)
        self.taken = batch
        self._on_its_way[batch] = False

    def committed(self, boot: int, batch: int) -> None:
        """The store has it; ``durable`` moves over every batch whose predecessors are all there."""
        if boot != self.boot or batch not in self._on_its_way:
            return
        self._on_its_way[batch] = True
        while self._on_its_way:
            oldest = next(iter(self._on_its_way))
            if not self._on_its_way[oldest]:
                return
            self.durable, self.is_new = oldest, False
            del self._on_its_way[oldest]

    def failed(self, boot: int) -> None:
        """The store refused one: forget what is on its way, the device sends it again."""
        if boot == self.boot:
            self._on_its_way = {}
            self.taken = self.durable
