"""/devices/{id}/commands: writes to equipment, each confirmed by a read-back or said not to be."""

from __future__ import annotations

import re
from typing import Any

from twisted.internet.defer import TimeoutError as NotYet

from ..devices.commands import SETTLED, Asker, Command
from ..devices.device import Device
from ..devices.writes import Write, to_point, to_registers
from ..errors import Impossible, UserError
from ..readings import Table
from ..storage.records import CommandRecord
from . import shapes
from .members import REQUIRED, Members, refuse, seconds
from .replies import Reply, json_reply
from .routing import API, Call, require_admin, route
from .services import WebServices

LONGEST_WAIT_SECONDS = 120

_TABLES = {"coil": Table.COIL, "holding": Table.HOLDING}
_POINT_MEMBERS = ("point", "value", "expires_in")
_RAW_MEMBERS = ("unit", "table", "address", "values", "expires_in")
_VALUE_FORM = "a number, a text, true or false"
_BEYOND_EVERY_REGISTER = 1.7e308  # JSON knows larger numbers than a float does
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class CommandHandlers:
    """Handlers."""

    def __init__(self, services: WebServices) -> None:
        self._services = services

    @route("POST", "/devices/<device>/commands")
    async def submit(self, call: Call, device: str) -> Reply:
        """Begin a write; with ``Prefer: wait=SECONDS`` the answer comes when it is settled, or the time is over."""
        found = self._services.registry.find(device)
        write, expires_in = self._wanted(call, found)
        wait_seconds = _wait_seconds(call.header("Prefer"))
        asker = Asker(call.principal.who, call.principal.source)
        key = _key(call.header("Idempotency-Key"))
        begun = await self._services.commands.submit(found, write, asker, key=key, expires_in=expires_in)
        if isinstance(begun, Command) and wait_seconds:
            await self._settled(begun, wait_seconds)
        return _command_reply(begun.record if isinstance(begun, Command) else begun)

    @route("GET", "/devices/<device>/commands", "limit")
    async def list(self, call: Call, device: str) -> Any:
        """The last commands, newest first."""
        found = self._services.registry.find(device)
        limit = call.query.integer("limit", 100, 1, 1000)
        records = await self._services.store.commands(found.record.device_id, limit)
        return {"commands": [shapes.command(record) for record in records]}

    @route("GET", "/devices/<device>/commands/<command>")
    async def show(self, call: Call, device: str, command: str) -> Any:
        """How a command is now."""
        found = self._services.registry.find(device)
        return shapes.command(await self._services.commands.find(found, command))

    def _wanted(self, call: Call, device: Device) -> tuple[Write, float | None]:
        """What is to be written, checked; and for how long it may wait for the device."""
        members = call.members(*_POINT_MEMBERS, *_RAW_MEMBERS)
        if members.has("point"):
            members = call.members(*_POINT_MEMBERS)
            value = _value(members)
            write = to_point(device.record, self._services.registry.map_of(device.record), members.text("point"), value)
        else:
            members = call.members(*_RAW_MEMBERS)
            unit, table, address, values = _raw(members)
            require_admin(call.principal)
            write = to_registers(device.record, unit, table, address, values)
        expires_in = members.any("expires_in", None, (int, float), "a number of seconds")
        return write, seconds("expires_in", expires_in)

    async def _settled(self, command: Command, wait_seconds: int) -> None:
        try:
            await command.when_settled().addTimeout(wait_seconds, self._services.clock)
        except NotYet:
            return


def _command_reply(record: CommandRecord) -> Reply:
    place = f"{API}/devices/{shapes.id_text(record.device_id)}/commands/{record.command_id}"
    status = 200 if record.state in SETTLED else 202
    return json_reply(shapes.command(record), status, Location=place)


def _value(members: Members) -> Any:
    """What a point is to be set to; whether it may be is not decided here."""
    value = members.any("value", None, (bool, int, float, str), _VALUE_FORM)
    if value is None:
        raise UserError(f"value is missing; accepted is {_VALUE_FORM}")
    if not isinstance(value, str) and not -_BEYOND_EVERY_REGISTER < value < _BEYOND_EVERY_REGISTER:
        raise Impossible("value is not accepted: no register can hold so large a number")
    return value


def _raw(members: Members) -> tuple[int, Table, int, tuple[int, ...]]:
    unit, address = members.integer("unit"), members.integer("address")
    table = _TABLES[members.one_of("table", REQUIRED, tuple(_TABLES))]
    kinds: tuple[type, ...] = (bool, int) if table is Table.COIL else (int,)
    form = "a list of 0 and 1" if table is Table.COIL else "a list of whole numbers from 0 to 65535"
    values = members.list_of("values", (), kinds, form)
    if table is Table.COIL and any(value not in (0, 1) for value in values):
        raise Impossible(f"values are not accepted: {form}")
    return unit, table, address, tuple(int(value) for value in values)


def _wait_seconds(prefer: str | None) -> int:
    """RFC 7240; other preferences may be ignored, and are."""
    for preference in (prefer or "").split(","):
        name, _, text = preference.partition("=")
        if name.strip().lower() == "wait":
            if not re.fullmatch(r"\s*[0-9]{1,9}\s*", text):
                refuse("Prefer: wait", text.strip(), f"whole seconds, up to {LONGEST_WAIT_SECONDS}")
            return min(int(text), LONGEST_WAIT_SECONDS)
    return 0


def _key(text: str | None) -> str | None:
    if text is not None and not _KEY.fullmatch(text):
        refuse("Idempotency-Key", text, "1 to 255 visible ASCII characters")
    return text
