"""Facts about the machine this process runs on: what measurements are labelled with.

Reads ``/proc`` and ``/sys`` on Linux and ``sysctl`` on macOS; what cannot be found
out is an empty string, an empty tuple or 0, never an error.
"""
from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

#: CPU features that the engine's libraries use, by the names of Linux' /proc/cpuinfo.
#: x86: OpenSSL and ipsec-mb pick AES and hash code by them, x264 and dav1d their SIMD.
#: ARM: the same, with asimd for NEON.
FEATURES: Final = ("aes", "pclmulqdq", "vaes", "vpclmulqdq", "sha_ni", "sse4_2", "avx2", "avx512f",
                   "avx512bw", "asimd", "pmull", "sha1", "sha2", "sve")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One machine, as far as it matters for speed.

    :ivar cpu: model name.
    :ivar cores: CPUs this process may run on.
    :ivar features: those of :data:`FEATURES` that the CPU has.
    :ivar memory_mib: physical memory, MiB; 0: not known.
    :ivar system: operating system, e.g. ``"Debian GNU/Linux 12 (bookworm)"``.
    :ivar virtual: the CPU says that a hypervisor shares it.
    """

    cpu: str
    cores: int
    features: tuple[str, ...]
    memory_mib: int
    arch: str
    kernel: str
    system: str
    python: str
    virtual: bool

    def to_json(self) -> dict[str, Any]:
        """The same as a dict that JSON can hold."""
        return {**asdict(self), "features": list(self.features)}


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _sysctl(name: str) -> str:
    try:
        done = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, check=False, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def parse_cpuinfo(text: str) -> tuple[str, frozenset[str]]:
    """Return (model name, flags) out of the text of Linux' ``/proc/cpuinfo``.

    :returns: ("", empty) where the text says nothing of it.
    """
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip().lower(), value.strip())
    model = fields.get("model name") or fields.get("hardware") or fields.get("cpu part", "")
    flags = fields.get("flags") or fields.get("features", "")
    return model, frozenset(flags.split())


def _cpu() -> tuple[str, frozenset[str]]:
    if sys.platform == "darwin":
        # Every 64-bit ARM Mac has these; sysctl names them one by one, by release.
        flags = frozenset({"asimd", "aes", "pmull", "sha1", "sha2"} if platform.machine() == "arm64"
                          else _sysctl("machdep.cpu.features").lower().split())
        return _sysctl("machdep.cpu.brand_string"), flags
    model, flags = parse_cpuinfo(_read("/proc/cpuinfo"))
    return model or platform.processor(), flags


def _memory_mib() -> int:
    if sys.platform == "darwin":
        return int(_sysctl("hw.memsize") or 0) // 2**20
    total = re.search(r"^MemTotal:\s+(\d+) kB", _read("/proc/meminfo"), re.M)
    return int(total.group(1)) // 1024 if total else 0


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _system() -> str:
    name = re.search(r'^PRETTY_NAME="?([^"\n]+)', _read("/etc/os-release"), re.M)
    return name.group(1) if name else f"{platform.system()} {platform.release()}"


def this_machine() -> Machine:
    """Look at the machine this process runs on."""
    model, flags = _cpu()
    return Machine(
        cpu=model, cores=_cores(), features=tuple(name for name in FEATURES if name in flags),
        memory_mib=_memory_mib(), arch=platform.machine(), kernel=platform.release(), system=_system(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        virtual="hypervisor" in flags)
