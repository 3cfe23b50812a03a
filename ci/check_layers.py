"""Check that each #include of the core points to the same folder or to a lower layer.

    base < wire < srtp, cc, audio, video < rx, tx < session < router < io

Exit status 1 and one line a fault. Also: every header is guarded by its path and
every C file includes its own header.
"""
from __future__ import annotations

import re
import sys
from pathlib import Path

RANK = {"base": 0, "wire": 1, "srtp": 2, "cc": 2, "audio": 2, "video": 2, "rx": 3, "tx": 3,
        "session": 4, "router": 5, "io": 6}
INCLUDE = re.compile(r'^#include "([a-z0-9_]+)/([a-z0-9_]+\.h)"', re.M)
ANY_LOCAL = re.compile(r'^#include "([^"]+)"', re.M)


def faults(csrc: Path) -> list[str]:
    """Return one line for each rule that a file breaks."""
    out = []
    for path in sorted([*csrc.glob("*/*.c"), *csrc.glob("*/*.h")]):
        folder, text = path.parent.name, path.read_text(encoding="utf-8")
        where = f"{csrc.name}/{folder}/{path.name}"
        if folder not in RANK:
            out.append(f"{where}: folder '{folder}' is not a layer")
            continue
        for target in ANY_LOCAL.findall(text):
            if not re.fullmatch(r"[a-z0-9_]+/[a-z0-9_]+\.h", target):
                out.append(f'{where}: "{target}" must be written as "layer/file.h"')
        for other, name in INCLUDE.findall(text):
            if other not in RANK:
                out.append(f"{where}: includes unknown layer {other}/{name}")
            elif other != folder and RANK[other] >= RANK[folder]:
                out.append(f"{where}: includes {other}/{name}, which is not below {folder}")
        if path.suffix == ".h":
            guard = f"ARC_{folder}_{path.stem}_H".upper()
            if f"#ifndef {guard}" not in text:
                out.append(f"{where}: include guard must be {guard}")
    return out


def main() -> int:
    """Print the faults; exit status."""
    found = faults(Path(__file__).resolve().parent.parent / "csrc")
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
