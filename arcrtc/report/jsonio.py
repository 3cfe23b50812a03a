"""CallReport to JSON and back, and its JSON Schema; all three from the types of schema.py."""
from __future__ import annotations

import dataclasses
import functools
import json
import math
import types
import typing
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal

from arcrtc.errors import ArgumentError, MediaError, ParseError
from arcrtc.report.schema import SCHEMA_VERSION, CallReport

_JSON_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean", types.NoneType: "null"}


def to_json(report: CallReport) -> str:
    """The report as JSON text, UTF-8, one line for each entry but the series.

    :raises ArgumentError: a value is infinite or not a number: leave it None.
    """
    try:
        return json.dumps(_plain(report, "report"), ensure_ascii=False, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"report: {error}") from error


def from_json(text: str | bytes) -> CallReport:
    """Read what to_json() wrote.

    :raises ParseError: not JSON, of another version, or a value is missing, unknown or of a wrong
        type; the message names where.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ParseError(f"report: not JSON: {error}") from error
    if not isinstance(value, dict) or value.get("version") != SCHEMA_VERSION:
        version = value.get("version") if isinstance(value, dict) else None
        raise ParseError(f"report: version {version!r}, this arcrtc reads {SCHEMA_VERSION}")
    report: CallReport = _load(value, CallReport, "report")
    return report


def write_json(report: CallReport, path: str | PathLike[str]) -> None:
    """Write ``report.json``.

    :raises MediaError: the file cannot be written.
    """
    write_text(to_json(report), path)


def read_json(path: str | PathLike[str]) -> CallReport:
    """Read a ``report.json``.

    :raises MediaError: the file cannot be read.
    :raises ParseError: as from_json().
    """
    try:
        text = Path(fspath(path)).read_bytes()
    except OSError as error:
        raise MediaError(f"{fspath(path)}: cannot read the report: {error.strerror}") from error
    return from_json(text)


def write_text(text: str, path: str | PathLike[str]) -> None:
    """Write a file of this package, UTF-8; replaced if it exists.

    :raises MediaError: the file cannot be written.
    """
    try:
        Path(fspath(path)).write_text(text, encoding="utf-8")
    except OSError as error:
        raise MediaError(f"{fspath(path)}: cannot write the report: {error.strerror}") from error


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of what to_json() writes."""
    definitions: dict[str, Any] = {}
    top = _schema_of(CallReport, definitions)
    definitions["CallReport"]["properties"]["version"]["const"] = SCHEMA_VERSION
    return {"$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "arcrtc call report", **top, "$defs": dict(sorted(definitions.items()))}


@functools.cache
def hints(cls: type) -> dict[str, Any]:
    """Types of a dataclass's fields, by name."""
    return typing.get_type_hints(cls)


def _plain(value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(value):
        names = [f.name for f in dataclasses.fields(value)]
        return {name: _plain(getattr(value, name), f"{where}.{name}") for name in names}
    if isinstance(value, dict):
        return {str(key): _plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise ArgumentError(f"{where}: {value}, must be finite; None stands for not measured")
    return value


def _load(value: Any, kind: Any, where: str) -> Any:
    """Make a ``kind`` of a JSON value, or say where it does not fit."""
    origin = typing.get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return _load_dataclass(value, kind, where)
    if origin in (typing.Union, types.UnionType):
        return _load_union(value, typing.get_args(kind), where)
    if origin is Literal:
        allowed = typing.get_args(kind)
        if value not in allowed:
            raise ParseError(f"{where}: {value!r}, must be one of {', '.join(allowed)}")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise ParseError(f"{where}: must be a list")
        return tuple(_load(item, typing.get_args(kind)[0], f"{where}[{i}]") for i, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise ParseError(f"{where}: must be an object")
        return {key: _load(item, typing.get_args(kind)[1], f"{where}.{key}") for key, item in value.items()}
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ParseError(f"{where}: {value!r} is not of type {_JSON_TYPES[kind]}")
    return value


def _load_union(value: Any, kinds: tuple[Any, ...], where: str) -> Any:
    """Take the kind that is exactly this type, else the first that fits."""
    if type(value) in kinds:
        return value
    faults = []
    for kind in kinds:
        try:
            return _load(value, kind, where)
        except ParseError as fault:
            faults.append(fault)
    raise faults[0]


def _load_dataclass(value: Any, kind: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise ParseError(f"{where}: must be an object")
    known = {f.name: f for f in dataclasses.fields(kind)}
    for name in value:
        if name not in known:
            raise ParseError(f"{where}.{name}: unknown")
    for name in known:
        if name not in value:
            raise ParseError(f"{where}.{name}: missing")
    loaded = {name: _load(item, hints(kind)[name], f"{where}.{name}") for name, item in value.items()}
    try:
        return kind(**loaded)
    except ArgumentError as error:
        raise ParseError(f"{where}: {error}") from error


def _schema_of(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _schema_of_dataclass(kind, definitions)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_schema_of(arg, definitions) for arg in args]}
    if origin is Literal:
        return {"enum": list(args)}
    if origin is tuple:
        return {"type": "array", "items": _schema_of(args[0], definitions)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema_of(args[1], definitions)}
    return {"type": _JSON_TYPES[kind]}


def _schema_of_dataclass(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    name = kind.__name__
    if name not in definitions:
        definitions[name] = {}
        fields = dataclasses.fields(kind)
        properties = {f.name: {"description": f.metadata["doc"],
                               **_schema_of(hints(kind)[f.name], definitions)} for f in fields}
        definitions[name] = {
            "description": (kind.__doc__ or "").strip(), "type": "object", "properties": properties,
            "required": [f.name for f in fields], "additionalProperties": False}
    return {"$ref": f"#/$defs/{name}"}
