"""/devices: the register of devices, their allow entries and their secrets."""

from __future__ import annotations

import ipaddress
from typing import Any

from ..devices.device import Device
from ..devices.enrolment import LINKS_WITH_SECRETS
from ..devices.registry import parse_device_id
from ..errors import Impossible
from ..storage.records import DeviceRecord
from . import shapes
from .members import Members, refuse
from .replies import Reply, json_reply
from .routing import API, Call, Rights, route
from .services import WebServices

PAGE_AT_MOST = 1000
PAGE = 500

_ID_FORM = 'a text with a number from 1 to 2**64 - 1, such as "0x00000000000a11ce" or "659918"'
_NETWORKS_FORM = 'a list of networks such as ["10.0.0.0/8", "192.0.2.7"]'


class Devices:
    """Handlers."""

    def __init__(self, services: WebServices) -> None:
        self._services = services
        self._registry = services.registry

    @route("GET", "/devices", "limit", "cursor")
    def list(self, call: Call) -> Any:
        """A page of the devices, in order of their ids."""
        limit = call.query.integer("limit", PAGE, 1, PAGE_AT_MOST)
        after = self._cursor(call)
        found = sorted(device_id for device_id in self._registry.devices if device_id > after)
        now_us = self._services.wall_clock()
        page = [shapes.device(self._registry.devices[device_id], now_us) for device_id in found[:limit]]
        return {"devices": page, "next": page[-1]["id"] if len(found) > len(page) else None}

    @route("POST", "/devices", rights=Rights.ADMIN)
    async def add(self, call: Call) -> Reply:
        """A new device; its secret is shown this once."""
        record = self._new_record(call)
        _, kid, secret = await self._services.enrolment.enrol(record)
        self._services.audit(call.principal, "device-add", record.device_id, name=record.name, model=record.model)
        shape = {name: getattr(record, name) for name in ("name", "model", "link", "suite")}
        shape |= {"kid": kid, "secret": secret and secret.hex()}
        id_text = shapes.id_text(record.device_id)
        return json_reply({"id": id_text} | shape, 201, Location=f"{API}/devices/{id_text}")

    @route("GET", "/devices/<device>")
    def show(self, call: Call, device: str) -> Any:
        """One device, whole."""
        return self._whole(self._registry.find(device))

    @route("PATCH", "/devices/<device>", rights=Rights.ADMIN)
    async def change(self, call: Call, device: str) -> Any:
        """Change what was set about a device; allowing writes also ends a security event's read-only."""
        found = self._registry.find(device)
        members = call.members("name", "site", "model", "from", "until", "may_write")
        changes = _settings(members)
        if members.has("name"):
            changes["name"] = members.text("name")
        if members.has("model"):
            changes |= {"model": members.text("model"), "model_version": None}
        if changes.get("may_write"):
            changes["read_only"] = False
        _check_allow_entry(found.record.link, changes.get("allow_from", found.record.allow_from))
        await self._registry.change(found, **changes)
        self._services.audit(call.principal, "device-change", found.record.device_id, **changes)
        return self._whole(found)

    @route("DELETE", "/devices/<device>", rights=Rights.ADMIN)
    async def remove(self, call: Call, device: str) -> Reply:
        """Forget a device, its secrets and its history."""
        found = self._registry.find(device)
        await self._services.enrolment.remove(found)
        self._services.audit(call.principal, "device-remove", found.record.device_id, name=found.record.name)
        return Reply(b"", status=204)

    @route("POST", "/devices/<device>/secret", rights=Rights.ADMIN)
    async def secret(self, call: Call, device: str) -> Reply:
        """A new secret beside the one in use: shown once, or handed over in the session and shown to nobody."""
        found = self._registry.find(device)
        in_session = call.members("in_session").flag("in_session", False)
        shape: dict[str, Any] = {"id": shapes.id_text(found.record.device_id)}
        if in_session:
            shape |= {"kid": await self._services.enrolment.rotate_in_session(found), "suite": found.record.suite}
        else:
            kid, secret = await self._services.enrolment.new_secret(found)
            shape |= {"kid": kid, "suite": found.record.suite, "secret": secret.hex()}
        detail = {"kid": shape["kid"], "in_session": in_session}
        self._services.audit(call.principal, "device-secret", found.record.device_id, **detail)
        return json_reply(shape, 202 if in_session else 201)

    def _whole(self, device: Device) -> Any:
        return shapes.device_whole(device, self._services.enrolment.slots(device), self._services.wall_clock())

    def _cursor(self, call: Call) -> int:
        text = call.query.text("cursor")
        device_id = 0 if text is None else parse_device_id(text)
        if device_id is None:
            refuse("cursor", text, "what `next` of the page before said")
        return device_id

    def _new_record(self, call: Call) -> DeviceRecord:
        members = call.members("name", "model", "site", "id", "link", "suite", "from", "until", "may_write")
        name, model = members.text("name"), members.text("model")
        link = members.one_of("link", "smok4", (*LINKS_WITH_SECRETS, "p24"))
        if link not in LINKS_WITH_SECRETS and members.has("suite"):
            raise Impossible(f"suite is not accepted: a device with link {link!r} has neither cipher nor secret")
        suites = self._services.settings.smok4.suites
        settings = {"allow_from": (), "site": ""} | _settings(members)
        _check_allow_entry(link, settings["allow_from"])
        return DeviceRecord(
            device_id=self._id(members, link),
            name=name,
            model=model,
            created_us=self._services.wall_clock(),
            link=link,
            suite=members.one_of("suite", min(suites), suites),
            **settings,
        )

    def _id(self, members: Members, link: str) -> int:
        text = members.any("id", None, (str,), _ID_FORM)
        if text is None and link not in LINKS_WITH_SECRETS:
            raise Impossible(f"id is missing; a device with link {link!r} says its own: {_ID_FORM}")
        if text is None:
            return self._registry.new_id()
        device_id = parse_device_id(text)
        if device_id is None:
            refuse("id", text, _ID_FORM)
        return device_id


def _settings(members: Members) -> dict[str, Any]:
    """Those fields of a DeviceRecord that the request names."""
    changes: dict[str, Any] = {}
    if members.has("site"):
        changes["site"] = members.text("site", None, "a text of one line, or null") or ""
    if members.has("may_write"):
        changes["may_write"] = members.flag("may_write", False)
    if members.has("from"):
        changes["allow_from"] = _networks(members)
    if members.has("until"):
        changes["allow_until_us"] = members.time_us("until", None)
    return changes


def _networks(members: Members) -> tuple[str, ...]:
    texts = members.list_of("from", (), (str,), _NETWORKS_FORM)
    try:
        return tuple(str(ipaddress.ip_network(text)) for text in texts)
    except ValueError as error:
        refuse("from", texts, f"{error}; accepted is {_NETWORKS_FORM}")


def _check_allow_entry(link: str, allow_from: Any) -> None:
    if link not in LINKS_WITH_SECRETS and not allow_from:
        raise Impossible(f"from is missing; a device with link {link!r} proves nothing, so it needs {_NETWORKS_FORM}")
