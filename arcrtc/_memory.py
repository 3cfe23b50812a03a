"""When memory that the core has freed goes back to the system.

The C library keeps what is freed by the thread of an engine, for whatever comes next:
after thousands of peers have left, a process would stay as large as it ever was.
"""
from __future__ import annotations

from typing import Final

from arcrtc._native import lib

_AT_LEAST: Final = 32 << 20
_given_back_at = 0  # bytes that had been freed


def give_memory_back(at_least: int = _AT_LEAST) -> None:
    """Have the C library return what is free, if ``at_least`` bytes were freed since it did last.

    It takes about 10 ms for 100 MB, on the caller's thread; packets do not wait for it.
    """
    global _given_back_at  # one heap in a process; at worst two threads do it both
    freed = lib.arc_mem_freed_bytes()
    if freed - _given_back_at >= at_least:
        _given_back_at = freed
        lib.arc_mem_trim()


__all__ = ["give_memory_back"]
