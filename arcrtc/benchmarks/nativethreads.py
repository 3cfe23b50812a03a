"""Native threads of this process, seen from outside: their CPU time, and the CPU they are bound to.

Linux only; elsewhere there are no such threads to be found.
"""
from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

_TASKS: Final = Path("/proc/self/task")
_THREAD_CPU_CLOCK: Final = 6  # CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED of Linux' posix-timers.h: as pthreads has it


def named(name: str) -> list[int]:
    """Ids of the threads with a name, as ``top`` shows it; the oldest first."""
    found = []
    try:
        tasks = sorted(int(task.name) for task in _TASKS.iterdir())
    except OSError:
        return []
    for task in tasks:
        try:
            if (_TASKS / str(task) / "comm").read_text(encoding="utf-8").rstrip("\n") == name:
                found.append(task)
        except OSError:
            continue  # it has just ended
    return found


def cpu_ns(thread: int) -> int:
    """CPU time of a thread so far, nanoseconds, what the kernel does in its name included.

    :raises OSError: there is no such thread, or the system does not tell.
    """
    return time.clock_gettime_ns((~thread << 3) | _THREAD_CPU_CLOCK)


def bind(thread: int, core: int | None) -> None:
    """Let a thread run on one CPU only; None: leave it.

    :raises OSError: there is no such thread or CPU.
    """
    if core is not None:
        os.sched_setaffinity(thread, {core})
