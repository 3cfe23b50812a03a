"""Writes docs/report.md and docs/report.schema.json: ``python -m arcrtc.report.docs docs``."""
from __future__ import annotations

import dataclasses
import json
import sys
import types
import typing
from pathlib import Path
from typing import Any, Literal

from arcrtc.report.jsonio import hints, json_schema
from arcrtc.report.schema import SCHEMA_VERSION, CallReport

_HEAD = f"""# The report of a call

`arcrtc call` writes two files: `report.html` for people (one file, works offline) and `report.json`
for programs. This page explains `report.json`, version {SCHEMA_VERSION}; `report.schema.json` beside it is
its JSON Schema.
Both pages are made from `arcrtc/report/schema.py` by `python -m arcrtc.report.docs docs`.

- Units stand in the names: `_ms _us _s _bps _bytes _pct _db _dbfs`.
- `null`: not measured. A series that was not measured is empty.
- Times count from the start of the call. Latency is capture to play-out, with both ends on one clock.
- Every value is always there: a reader need not ask whether a name exists. A change of meaning or of a
  name raises `version`.

How the verdict of `report.html` and of the terminal comes about stands in `arcrtc/report/verdict.py`.

```python
from arcrtc.report import read_json
report = read_json("report.json")
for stream in report.streams:
    print(stream.name, stream.latency.p95_ms if stream.latency else "not measured")
```
"""


def markdown() -> str:
    """The text of docs/report.md."""
    done: list[type] = []
    sections = [_HEAD]
    waiting: list[type] = [CallReport]
    while waiting:
        kind = waiting.pop(0)
        if kind in done:
            continue
        done.append(kind)
        rows = ["| Name | Type | Meaning |", "|---|---|---|"]
        for f in dataclasses.fields(kind):
            hint = hints(kind)[f.name]
            rows.append(f"| `{f.name}` | {_words(hint)} | {f.metadata['doc']} |")
            waiting += _dataclasses_in(hint)
        sections.append(f"## {kind.__name__}\n\n{(kind.__doc__ or '').strip()}\n\n" + "\n".join(rows) + "\n")
    return "\n".join(sections)


def schema_text() -> str:
    """The text of docs/report.schema.json."""
    return json.dumps(json_schema(), indent=2) + "\n"


def _words(hint: Any) -> str:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_words(arg) for arg in args)
    if origin is Literal:
        return " or ".join(f'"{arg}"' for arg in args)
    if origin is tuple:
        return f"list of {_words(args[0])}"
    if origin is dict:
        return f"object of {_words(args[1])}"
    return {str: "string", int: "integer", float: "number", bool: "boolean", types.NoneType: "null"}[hint]


def _dataclasses_in(hint: Any) -> list[type]:
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return [hint]
    return [kind for arg in typing.get_args(hint) for kind in _dataclasses_in(arg)]


def main(folder: Path) -> None:
    """Write both pages into ``folder``."""
    (folder / "report.md").write_text(markdown(), encoding="utf-8")
    (folder / "report.schema.json").write_text(schema_text(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
