"""/models: register maps, as the TOML that users write."""

from __future__ import annotations

from typing import Any

from ..errors import NotFound, UserError
from . import shapes
from .replies import Reply, json_reply
from .routing import API, Call, Rights, route
from .services import WebServices


class Models:
    """Handlers."""

    def __init__(self, services: WebServices) -> None:
        self._services = services
        self._registry = services.registry

    @route("GET", "/models")
    def list(self, call: Call) -> Any:
        """The version in force of each."""
        return {"models": [shapes.model(one) for one in self._registry.models()]}

    @route("POST", "/models", rights=Rights.ADMIN)
    async def add(self, call: Call) -> Reply:
        """A register map, or a new version of one; its devices are given new plans."""
        try:
            text = call.body.decode()
        except UnicodeDecodeError as error:
            raise UserError(f"the model is not UTF-8 at octet {error.start}; accepted is TOML in UTF-8") from None
        added = await self._registry.add_model(text)
        self._services.audit(call.principal, "model-add", name=added.name, version=added.version)
        return json_reply(shapes.model(added), 201, Location=f"{API}/models/{added.name}")

    @route("GET", "/models/<model>")
    def show(self, call: Call, model: str) -> Reply:
        """The TOML of the version in force."""
        found = next((one for one in self._registry.models() if one.name == model), None)
        if found is None:
            raise NotFound(f"model {model!r} does not exist; /models lists those that do")
        return Reply(found.text.encode(), "application/toml", headers={"Cache-Control": "no-store"})
