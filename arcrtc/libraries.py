"""The third-party libraries of this build: compiled against, and loaded now.

The first is what :file:`build_ffi.py` wrote into the core (C module
``base/buildinfo``), the second what each library says of itself at run time. They
differ when a system update replaced a library after arcrtc was built.
"""
from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arcrtc._native import ffi, lib, loaded_versions


@dataclass(frozen=True, slots=True)
class Package:
    """Names under which a person gets a library."""

    debian: str
    fedora: str
    homebrew: str

    def where(self) -> str:
        """The names with their systems, those that have the library."""
        names = ((self.debian, "Debian, Ubuntu"), (self.fedora, "Fedora"), (self.homebrew, "Homebrew"))
        told = [f"{name} ({system})" for name, system in names if name]
        return " or ".join((", ".join(told[:-1]), told[-1])) if len(told) > 1 else told[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """One library of the core.

    :ivar compiled: version compiled against; None: left out of this build.
    :ivar loaded: version that it reports now; "": it does not say.
    :ivar path: file it was loaded from; "": not known on this system.
    :ivar package: how to get it; None unless it was left out.
    """

    name: str
    compiled: str | None
    loaded: str
    path: str
    package: Package | None

    def to_json(self) -> dict[str, Any]:
        """The same as a dict that JSON can hold."""
        return {"name": self.name, "compiled": self.compiled, "loaded": self.loaded, "path": self.path,
                "package": None if self.package is None else {
                    "debian": self.package.debian, "fedora": self.package.fedora,
                    "homebrew": self.package.homebrew}}


def parse_build_info(text: str) -> dict[str, str | Package]:
    """Split the text of ``arc_build_info()``; its form stands in csrc/base/buildinfo.h.

    :returns: {key: version, or Package where a library was left out}.
    """
    entries: dict[str, str | Package] = {}
    for entry in filter(None, text.split(";")):
        key, _, value = entry.partition("=")
        entries[key] = Package(*value[1:].split(",")) if value.startswith("!") else value
    return entries


def build_info() -> dict[str, str | Package]:
    """What the loaded core was compiled against, and ``compiler``, ``sanitize``."""
    return parse_build_info(ffi.string(lib.arc_build_info()).decode("ascii"))


def core_path() -> str:
    """File of the compiled core."""
    spec = importlib.util.find_spec("arcrtc._core")
    return (spec.origin if spec else None) or ""


def _mapped_files() -> list[str]:
    """Shared libraries of this process, in the order of their addresses; Linux only."""
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return list(dict.fromkeys(re.findall(r"(/\S+\.so\S*)$", maps, re.M)))


def _path_of(name: str, files: list[str]) -> str:
    stem = name.removeprefix("lib")
    # PyAV brings an FFmpeg of its own, under names with a hash: it is not the core's.
    return next((path for path in files if re.search(rf"/lib{stem}\.so", path)), "")


def libraries() -> list[Library]:
    """Every library the core uses or could use, in the order of build_ffi.py."""
    files, loaded = _mapped_files(), loaded_versions()
    out = []
    for name, value in build_info().items():
        if name in ("compiler", "sanitize"):
            continue
        if isinstance(value, Package):
            out.append(Library(name=name, compiled=None, loaded="", path="", package=value))
        else:
            out.append(Library(name=name, compiled=value, loaded=loaded.get(name.removeprefix("lib"), ""),
                               path=_path_of(name, files), package=None))
    return out


def differs(library: Library) -> bool:
    """True if another major or minor version is loaded than was compiled against."""
    if library.compiled is None or not re.match(r"\d", library.loaded):
        return False
    return library.compiled.split(".")[:2] != library.loaded.split(".")[:2]
