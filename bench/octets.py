"""Octets that one device of ``twenty`` costs a minute, by the real layers of both sides and by its peers' formats."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import deferLater

from smok_twisted.framing.codec import FrameDecoder
from smok_twisted.framing.protocol import FramedProtocol, FramingTimes
from smok_twisted.links.p24.commands import INIT_OCTETS
from smok_twisted.links.p24.entrance import P24Login
from smok_twisted.links.smok4.server import SessionTimes
from smok_twisted.modbus.mbap import Adu
from smok_twisted.modbus.pdu import read_request
from smok_twisted.readings import Table
from smok_twisted.testing import BankLine
from tests import p24_in_memory
from tests.agent_in_memory import AgentEnd
from tests.server_in_memory import Server, result_of

from .segments import DEVICE, SERVER, CountedWire, Traffic, of_exchange
from .twenty import ADDRESSES, COUNT, NAMES, WORDS, Equipment, model

#: Counted for so long, after everything that happens once is over.
MINUTES = 120
_FIRST_MINUTES = 20
#: From a batch's arrival until it is on disk: a server with little to do, and a disk of today.
_COMMIT_SECONDS = 0.005


class _Agent(AgentEnd):
    """The agent of this package, its connection counted."""

    wire: CountedWire

    def connect(self, factory: Any) -> Deferred[Any]:
        decoder, above = self.server.stack()
        server = FramedProtocol(decoder, above, self.server.clock, FramingTimes(), self.server.notes)
        client = factory.buildProtocol(None)
        self.wire = CountedWire(server, client, self.server.clock)
        return succeed(client)


class _P24Server(p24_in_memory.Server):
    """The P24 listener, its connections counted."""

    def connect(self, end: Any, host: str = "198.51.100.7") -> CountedWire:
        login = P24Login(self.doorkeeper)
        ours = FramedProtocol(FrameDecoder(INIT_OCTETS), login, self.clock, FramingTimes(), self.notes)
        return CountedWire(ours, end, self.clock, host)


class Terms(NamedTuple):
    """Of a session of SMOK/4; the defaults are those of the daemon."""

    report: str = ""  #: of the register map: how long rounds wait for each other, such as ``5m``
    keepalive_seconds: int = 240
    ack_seconds: float = 0.0  #: [smok4] ack_delay


def smok4(terms: Terms) -> Traffic:
    """SMOK/4 as served on these terms."""
    server = Server(SessionTimes(keepalive_seconds=terms.keepalive_seconds, ack_seconds=terms.ack_seconds))
    clock: Any = server.clock
    append: Any = server.store.append
    server.store.append = lambda batch: deferLater(clock, _COMMIT_SECONDS, append, batch)  # type: ignore[method-assign]
    result_of(server.registry.add_model(model(f'report = "{terms.report}"' if terms.report else "")))
    with tempfile.TemporaryDirectory() as folder:
        agent = _Agent(server, Path(folder))
        equipment = Equipment()
        agent.line.units[1] = equipment.bank
        agent.start()
        traffic = _a_minute(server.clock, lambda: agent.wire, agent.line, equipment)
        agent.kill()
    return traffic


def p24(window: int) -> Traffic:
    """P24 with so many commands outstanding, without ``p24_keepalives``. The device's serial line answers at once."""
    server = _P24Server(window, model())
    equipment = Equipment()
    line = BankLine({1: equipment.bank})
    wire: Any = server.dial(line).wire
    return _a_minute(server.clock, lambda: wire, line, equipment) - p24_keepalives()


def p24_keepalives() -> Traffic:
    """What keeps its connection open: 25 s of silence twice in each minute."""
    return of_exchange((SERVER, 2), (DEVICE, 2)).each(1 / 2)


def _a_minute(clock: Any, wire: Callable[[], CountedWire], line: BankLine, equipment: Equipment) -> Traffic:
    """Of many, once everything runs."""

    def until_now() -> Traffic:
        return wire().tally.traffic(clock.seconds())._replace(requests=len(line.asked))

    wire().pump()
    _pass_minutes(_FIRST_MINUTES, clock, wire, equipment)
    before = until_now()
    _pass_minutes(MINUTES, clock, wire, equipment)
    return (until_now() - before).each(MINUTES)


def _pass_minutes(minutes: int, clock: Any, wire: Callable[[], CountedWire], equipment: Equipment) -> None:
    for _ in range(minutes):
        equipment.minute()
        until = clock.seconds() + 60
        while (due := min(call.getTime() for call in clock.getDelayedCalls())) <= until:
            clock.advance(max(0.0, due - clock.seconds()))
            wire().pump()
        clock.advance(until - clock.seconds())


def modbus_tcp() -> Traffic:
    """One request of MODBUS/TCP, which dials out to the device."""
    request = Adu(1, 1, read_request(Table.HOLDING, ADDRESSES.start, COUNT).encode()).encode()
    response = Adu(1, 1, bytes((3, 2 * COUNT)) + bytes(2 * COUNT)).encode()
    return of_exchange((SERVER, len(request)), (DEVICE, len(response)))


def mqtt_json() -> Traffic:
    """One PUBLISH of MQTT 3.1.1, QoS 1, with the values as JSON, and its PUBACK; no TLS."""
    values = {name: word / 10 for name, word in zip(NAMES, WORDS.values(), strict=True)}
    payload = json.dumps(values, separators=(",", ":"))
    variable = 2 + len("v1/devices/me/telemetry") + 2 + len(payload)
    return of_exchange((DEVICE, 1 + 2 + variable), (SERVER, 4))
