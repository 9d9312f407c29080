"""The part of JSON Schema and OpenAPI 3.1 that openapi.json uses: is a response what the document says?"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import smok_twisted.web

DOCUMENT = json.loads((Path(smok_twisted.web.__file__).parent / "openapi.json").read_text("utf-8"))

_KINDS = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}
_CHECKED = {"type", "properties", "required", "additionalProperties", "items", "enum", "pattern", "minimum", "maximum"}
_TOLD = {"description", "format", "default"}


def resolve(item: Any) -> Any:
    """What a ``$ref`` points to."""
    while "$ref" in item:
        name = item["$ref"]
        item = DOCUMENT
        for part in name.removeprefix("#/").split("/"):
            item = item[part]
    return item


def faults(value: Any, schema: Any, where: str = "$") -> list[str]:
    """What is wrong with ``value``, in words."""
    schema = resolve(schema)
    unknown = schema.keys() - _CHECKED - _TOLD
    assert not unknown, f"{where}: this checker does not know {unknown}"
    found = [] if _is_of_kind(value, schema) else [f"{where}: {value!r} is no {schema['type']}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where}: {value!r} is none of {schema['enum']}")
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        found.append(f"{where}: {value!r} does not match {schema['pattern']}")
    if isinstance(value, int | float) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        found.append(f"{where}: {value!r} is out of range")
    if isinstance(value, dict):
        found += _faults_of_object(value, schema, where)
    if isinstance(value, list):
        found += [fault for one in value for fault in faults(one, schema.get("items", {}), f"{where}[]")]
    return found


def _is_of_kind(value: Any, schema: Any) -> bool:
    kinds = schema.get("type", list(_KINDS))
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if isinstance(value, bool):
        return "boolean" in kinds
    return any(isinstance(value, _KINDS[kind]) for kind in kinds)


def _faults_of_object(value: dict[str, Any], schema: Any, where: str) -> list[str]:
    properties = schema.get("properties", {})
    rest = schema.get("additionalProperties", {})
    found = [f"{where}: {name} is missing" for name in schema.get("required", ()) if name not in value]
    for name, one in value.items():
        if name not in properties and rest is False:
            found.append(f"{where}: {name} is not in the schema")
        else:
            found += faults(one, properties.get(name, rest or {}), f"{where}.{name}")
    return found


def operation(method: str, path: str) -> Any:
    """What the document says of a request; None when it does not know it."""
    for template, item in DOCUMENT["paths"].items():
        base = item.get("servers", DOCUMENT["servers"])[0]["url"].rstrip("/")
        pattern = re.escape(base) + re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path.partition("?")[0]) and method.lower() in item:
            return item[method.lower()]
    return None


def faults_of_response(method: str, path: str, status: int, content_type: str, body: bytes) -> list[str]:
    """What is wrong with a response to a request that the document knows."""
    known = operation("GET" if method == "HEAD" else method, path)
    if known is None:
        return []
    response = known["responses"].get(str(status))
    if response is None:
        return [f"{method} {path}: the document knows no {status}"]
    content = resolve(response).get("content", {})
    kind = content_type.partition(";")[0]
    if method == "HEAD" or (not content and not body):
        return []
    if kind not in content:
        return [f"{method} {path}: the document knows no {kind} for {status}"]
    return faults(json.loads(body), content[kind]["schema"]) if kind.endswith("json") else []
