"""The devices of ``smok sim`` as the daemon knows them: made by its API when they are missing.

What only a device may know, its secret, is kept here in a folder of its own, for its owner only. When that is lost,
the daemon is asked for a new one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ..agent.settings import parse_device_id
from ..errors import UserError
from ..modbus.maps import parse_map
from .client import Client

#: The maps that are shipped beside this module. The second one has a unit that is not there.
MODEL, MODEL_WITH_METER = "frisko-rx910", "frisko-rx910-meter"
#: Which device has the meter, counted from 1.
METER_NUMBER = 2
SITES = (
    "Primary school", "Town hall", "Housing block A", "Fire station", "Swimming pool", "Health centre", "Library",
    "Sports hall", "Housing block B", "Market hall",
)  # fmt: skip
#: Networks that a P24 device may come from, when the user names none: this machine.
HERE = ("127.0.0.0/8", "::1/128")
#: A daemon commits many changes at once, so let many be asked for at once.
REQUESTS_AT_ONCE = 16

T = TypeVar("T")


class Identity(NamedTuple):
    """What a device needs to log in, and where it may keep what it likes."""

    device_id: int
    kid: int
    secret: bytes
    folder: Path


class Enrolment:
    """``state`` is the folder of the sim. Methods raise UserError, or what ``Client`` raises."""

    def __init__(self, client: Client, state: Path, suite: int | None) -> None:
        self._client = client
        self._state = state
        self._suite = suite

    def enrol(self, count: int) -> dict[str, Identity]:
        """The first ``count`` devices by name, all of them known to the daemon."""
        self._import_models()
        known = self._known()
        names = [f"boiler-room-{number}" for number in range(1, count + 1)]
        jobs = [(number, name, known.get(name)) for number, name in enumerate(names)]
        return dict(zip(names, _at_once(lambda job: self._enrol(*job), jobs), strict=True))

    def enrol_p24(self, count: int, networks: Sequence[str]) -> dict[str, int]:
        """The ids of so many devices of the first generation; those that are added may come from ``networks``."""
        names = [f"boiler-room-p24-{number}" for number in range(1, count + 1)]
        known = self._known() if names else {}
        jobs = [(number, name, known.get(name)) for number, name in enumerate(names)]
        return dict(zip(names, _at_once(lambda job: self._enrol_p24(networks, *job), jobs), strict=True))

    def _known(self) -> dict[str, Any]:
        return {device["name"]: device for device in self._client.all("devices")["devices"]}

    def _import_models(self) -> None:
        known = {model["name"]: model["version"] for model in self._client.get("models")["models"]}
        for name in (MODEL, MODEL_WITH_METER):
            text = model_text(name)
            if known.get(name) != parse_map(text, name).version:
                self._client.post_text("models", text=text, content_type="application/toml")

    def _enrol(self, index: int, name: str, known: dict[str, Any] | None) -> Identity:
        if known is None:
            return self._keep(self._add(index, name))
        _check_ours(name, known, "smok4")
        return self._kept(known["id"]) or self._keep(self._client.post("devices", known["id"], "secret", body={}))

    def _add(self, index: int, name: str) -> Any:
        body = {
            "name": name,
            "model": MODEL_WITH_METER if index == METER_NUMBER - 1 else MODEL,
            "site": _site(index),
            "may_write": True,
        }
        return self._client.post("devices", body=body | ({"suite": self._suite} if self._suite else {}))

    def _enrol_p24(self, networks: Sequence[str], index: int, name: str, known: dict[str, Any] | None) -> int:
        if known is None:
            body = {"name": name, "model": MODEL, "site": _site(index), "may_write": True, "link": "p24"}
            known = self._client.post("devices", body=body | {"id": str(p24_id(index)), "from": list(networks)})
        _check_ours(name, known, "p24")
        return parse_device_id(known["id"])

    # -- the folder

    def _kept(self, id_text: str) -> Identity | None:
        """None: it was lost, or is damaged."""
        folder = self._state / id_text
        try:
            kept = json.loads((folder / "secret.json").read_text("ascii"))
            return Identity(parse_device_id(id_text), int(kept["kid"]), bytes.fromhex(kept["secret"]), folder)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _keep(self, answer: Any) -> Identity:
        """``answer``: the daemon's, with a new secret in it."""
        folder = self._state / answer["id"]
        kept = {"kid": answer["kid"], "secret": answer["secret"]}
        try:
            self._state.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
            new = folder / "secret.new"
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
                json.dump(kept, file)
            new.replace(folder / "secret.json")
        except OSError as error:
            raise UserError(f"{error.filename}: cannot be written: {error.strerror}; --state names a folder") from None
        return Identity(parse_device_id(answer["id"]), kept["kid"], bytes.fromhex(kept["secret"]), folder)


def p24_id(index: int) -> int:
    """A MAC address of nobody's, and two octets of 0, as those devices have it (design note p24)."""
    return (0x0200_0000_0000 + index + 1) << 16


def _site(index: int) -> str:
    turn, place = divmod(index, len(SITES))
    return f"{SITES[place]} {turn + 1}" if turn else SITES[place]


def _check_ours(name: str, known: dict[str, Any], link: str) -> None:
    if known["model"] not in (MODEL, MODEL_WITH_METER) or known["link"] != link:
        raise UserError(
            f"device {name!r} is there already and is no simulated one: its model is {known['model']!r}, its link"
            f" {known['link']!r}; `smok device set {name} --name OTHER` makes room"
        )


def _at_once(call: Callable[[Any], T], jobs: Iterable[Any]) -> list[T]:
    """The answers in order; after a failure nothing more is begun."""
    pool = ThreadPoolExecutor(REQUESTS_AT_ONCE)
    try:
        return list(pool.map(call, jobs))
    finally:
        pool.shutdown(cancel_futures=True)


def model_text(name: str) -> str:
    """A register map that is shipped."""
    return (resources.files(__package__) / "models" / f"{name}.toml").read_text("utf-8")
