"""Row 7: the server asks: 100 sessions, each read again as soon as it has answered, beside pymodbus."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Thread

from smok_twisted.links.smok4 import messages
from smok_twisted.modbus.mbap import HEADER, Adu

from .cpu import Subject, subject
from .fleet import Device, dialled, exactly, logged_in
from .polling import REQUEST, RESPONSE
from .table import Row, at_least
from .timing import microseconds, of_pairs

_CONNECTIONS = 100
_POLLS = 200  # on each connection, in each round
_ROUNDS = 5

#: Takes one request from its connection and answers it.
Answer = Callable[[], None]


def measure() -> list[Row]:
    """20 registers each; the equipment answers at once, from this process."""
    with (
        subject("smok4", "memory", _CONNECTIONS) as ours,
        dialled(ours.port, _CONNECTIONS) as connections,
        _answering({device.connection: _of_device(device) for device in logged_in(connections)}),
        _pymodbus() as theirs,
    ):
        pairs = [(_seconds_a_poll(ours), _seconds_a_poll(theirs)) for _ in range(_ROUNDS + 1)][1:]
    beside = of_pairs(pairs)
    speed = 1 / beside.ratio
    what, reference = f"a poll of 20 registers, {_CONNECTIONS} connections", microseconds(beside.reference)
    verdict = at_least(speed, 2.5, "half of ours is the kernel's: send, receive, wait")
    return [Row(7, what, ">= 2.5x pymodbus", microseconds(beside.ours), f"pymodbus {reference}", speed, verdict)]


def _seconds_a_poll(poller: Subject) -> float:
    return float(poller.ask(str(_POLLS)))


@contextmanager
def _pymodbus() -> Iterator[Subject]:
    """Its clients, connected to equipment of ours."""
    with socket.create_server(("127.0.0.1", 0), backlog=_CONNECTIONS) as listener:
        port = listener.getsockname()[1]
        with subject(str(port), _CONNECTIONS, module="bench.pymodbus_poller") as theirs:
            slaves = [listener.accept()[0] for _ in range(_CONNECTIONS)]
            for slave in slaves:
                slave.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with _answering({slave: _of_slave(slave) for slave in slaves}):
                yield theirs
            for slave in slaves:
                slave.close()


def _of_slave(connection: socket.socket) -> Answer:
    def answer() -> None:
        request = exactly(connection, HEADER.size + len(REQUEST))
        connection.sendall(Adu(int.from_bytes(request[:2]), 1, RESPONSE).encode())

    return answer


def _of_device(device: Device) -> Answer:
    def answer() -> None:
        request = messages.decode_modbus_request(device.receive()[1:])
        response = messages.ModbusResponse(request.txid, RESPONSE)
        device.connection.sendall(device.sealed(messages.modbus_response(response)))

    return answer


@contextmanager
def _answering(answers: Mapping[socket.socket, Answer]) -> Iterator[None]:
    """A thread that answers whatever comes on any of these connections."""
    running = True

    def serve() -> None:
        with selectors.DefaultSelector() as selector:
            for connection, answer in answers.items():
                selector.register(connection, selectors.EVENT_READ, answer)
            while running:
                for key, _ in selector.select(0.1):
                    key.data()

    thread = Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        running = False
        thread.join()
