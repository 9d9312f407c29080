"""The devices of ``smok sim`` as the daemon knows them: made by its API when they are missing.

What only a device may know, its secret, is kept here in a folder of its own, for its owner only. When that is lost,
the daemon is asked for a new one.
"""

from __future__ import annotations

import json
import os
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

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
        known = {device["name"]: device for device in self._client.all("devices")["devices"]}
        names = [f"boiler-room-{number}" for number in range(1, count + 1)]
        return {name: self._enrol(number, name, known.get(name)) for number, name in enumerate(names)}

    def _import_models(self) -> None:
        known = {model["name"]: model["version"] for model in self._client.get("models")["models"]}
        for name in (MODEL, MODEL_WITH_METER):
            text = model_text(name)
            if known.get(name) != parse_map(text, name).version:
                self._client.post_text("models", text=text, content_type="application/toml")

    def _enrol(self, index: int, name: str, known: dict[str, Any] | None) -> Identity:
        if known is None:
            return self._keep(self._add(index, name))
        if known["model"] not in (MODEL, MODEL_WITH_METER):
            raise UserError(
                f"device {name!r} is there already and is no simulated one: its model is {known['model']!r};"
                f" `smok device set {name} --name OTHER` makes room"
            )
        return self._kept(known["id"]) or self._keep(self._client.post("devices", known["id"], "secret", body={}))

    def _add(self, index: int, name: str) -> Any:
        turn, place = divmod(index, len(SITES))
        body = {
            "name": name,
            "model": MODEL_WITH_METER if index == METER_NUMBER - 1 else MODEL,
            "site": f"{SITES[place]} {turn + 1}" if turn else SITES[place],
            "may_write": True,
        }
        return self._client.post("devices", body=body | ({"suite": self._suite} if self._suite else {}))

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


def model_text(name: str) -> str:
    """A register map that is shipped."""
    return (resources.files(__package__) / "models" / f"{name}.toml").read_text("utf-8")
