"""Reads through every session that is connected, each again as soon as it is answered."""

from __future__ import annotations

import time
from collections.abc import Iterable

from twisted.internet.defer import Deferred, gatherResults

from smok_twisted.devices.device import Device
from smok_twisted.devices.orders import Priority
from smok_twisted.modbus.pdu import read_request
from smok_twisted.readings import Table

from .twenty import ADDRESSES, COUNT

REQUEST = read_request(Table.HOLDING, ADDRESSES.start, COUNT).encode()
RESPONSE = bytes((3, 2 * COUNT)) + bytes(2 * COUNT)


async def _poll(device: Device, times: int) -> int:
    for _ in range(times):
        answer = await device.orders.ask(1, REQUEST, Priority.POLLER)
        if len(answer) != len(RESPONSE):
            raise ValueError(f"an answer of {len(answer)} octets")
    return times


def poll_sessions(devices: Iterable[Device], times: int) -> Deferred[float]:
    """Fires with CPU seconds a poll."""
    begun = time.process_time()
    polls = [Deferred.fromCoroutine(_poll(device, times)) for device in devices if device.session is not None]
    done: Deferred[list[int]] = gatherResults(polls)
    return done.addCallback(lambda counts: (time.process_time() - begun) / sum(counts))
