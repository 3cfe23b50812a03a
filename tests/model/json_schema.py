"""A small JSON Schema validator: the part of draft 2020-12 that report.schema.json uses.

An unknown keyword is a fault of its own, so that no rule can be passed over in silence.
"""

from __future__ import annotations

from typing import Any

_TYPES: dict[str, Any] = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
_KNOWN = {
    "$schema",
    "$defs",
    "$ref",
    "title",
    "description",
    "type",
    "enum",
    "const",
    "anyOf",
    "properties",
    "required",
    "additionalProperties",
    "items",
}


def faults(
    value: Any, schema: dict[str, Any], root: dict[str, Any] | None = None, where: str = "$"
) -> list[str]:
    """Every place where ``value`` does not follow ``schema``."""
    root = root or schema
    out = [f"{where}: unknown keyword {k}" for k in schema if k not in _KNOWN]
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        out += faults(value, root["$defs"][name], root, where)
    if "type" in schema and not _is(value, schema["type"]):
        return [*out, f"{where}: {value!r} is not of type {schema['type']}"]
    if "enum" in schema and value not in schema["enum"]:
        out.append(f"{where}: {value!r} is not one of {schema['enum']}")
    if "const" in schema and value != schema["const"]:
        out.append(f"{where}: {value!r} is not {schema['const']}")
    if "anyOf" in schema:
        tries = [faults(value, option, root, where) for option in schema["anyOf"]]
        if all(tries):
            out.append(f"{where}: fits nothing: {tries}")
    if isinstance(value, dict):
        out += _object_faults(value, schema, root, where)
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            out += faults(item, schema["items"], root, f"{where}[{i}]")
    return out


def _object_faults(
    value: dict[str, Any], schema: dict[str, Any], root: dict[str, Any], where: str
) -> list[str]:
    out = [f"{where}.{name}: missing" for name in schema.get("required", []) if name not in value]
    rest = schema.get("additionalProperties", True)
    for name, item in value.items():
        if name in schema.get("properties", {}):
            out += faults(item, schema["properties"][name], root, f"{where}.{name}")
        elif rest is False:
            out.append(f"{where}.{name}: unknown")
        elif rest is not True:
            out += faults(item, rest, root, f"{where}.{name}")
    return out


def _is(value: Any, kind: str) -> bool:
    if kind == "integer":
        return type(value) is int
    if kind == "number":
        return type(value) in (int, float)
    return isinstance(value, _TYPES[kind])
