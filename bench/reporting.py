"""Devices of ``fleet`` that report: they take the plan and send batches."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator, Sequence

from smok_twisted.links.smok4 import messages
from smok_twisted.links.smok4.messages import Type
from smok_twisted.links.smok4.plans import PlanAssembler
from smok_twisted.links.smok4.rounds import RoundEncoder
from smok_twisted.readings import BlockReport, Round

from .fleet import Device
from .twenty import ADDRESSES, Equipment


def words() -> Iterator[tuple[int, ...]]:
    """What the registers hold, minute after minute."""
    equipment = Equipment()
    [registers] = [table for table in equipment.bank.registers.values() if ADDRESSES.start in table]
    while True:
        equipment.minute()
        yield tuple(registers[address] for address in ADDRESSES)


class Reporter:
    """One device after its login."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._batches = itertools.count(1)
        self._words = words()
        self._newest = 0

    @property
    def connection(self) -> socket.socket:
        """To the server."""
        return self._device.connection

    def ask_for_plan(self) -> None:
        """It holds none."""
        self._device.connection.sendall(self._device.sealed(messages.plan_ok(0)))

    def take_plan(self) -> None:
        """And hold it."""
        whole = PlanAssembler().add(self._device.receive()[1:])
        if whole is None:
            raise ValueError("the plan comes in parts")
        number, blocks = whole
        self._encoder = RoundEncoder(blocks)
        self._device.connection.sendall(self._device.sealed(messages.plan_ok(number)))

    def batch(self, rounds: int) -> bytes:
        """The next record of DATA: so many rounds, a minute apart."""
        self._newest = next(self._batches)
        ages = range(600 * (rounds - 1), -1, -600)
        reports = [Round(age, (BlockReport(0, words),)) for age, words in zip(ages, self._words, strict=False)]
        body = bytes((Type.DATA,)) + self._newest.to_bytes(2) + self._encoder.encode(reports)
        return self._device.sealed(body)

    def send(self, *records: bytes) -> None:
        """To the server."""
        self._device.connection.sendall(b"".join(records))

    def ask(self) -> None:
        """For a sign of life."""
        self._device.connection.sendall(self._device.sealed(messages.ping()))

    def await_ack(self) -> None:
        """Until everything is on disk."""
        while not self.heard_all():
            pass

    def heard_all(self) -> bool:
        """Take one message; whether it says that everything is on disk."""
        body = self._device.receive()
        return body[0] == Type.ACK and messages.decode_ack(body[1:]) == self._newest


def reporters(devices: Sequence[Device]) -> list[Reporter]:
    """All of them with the plan, and a first report on disk."""
    found = [Reporter(device) for device in devices]
    for step in (Reporter.ask_for_plan, Reporter.take_plan, lambda one: one.send(one.batch(1)), Reporter.await_ack):
        for one in found:
            step(one)
    return found
