"""What a constructor does when any one of its allocations fails."""
from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TypeVar

import pytest

from arcrtc import errors
from arcrtc._native import lib

_Made = TypeVar("_Made")
_MOST = 40


def survives_every_failure(make: Callable[[], _Made]) -> tuple[int, _Made]:
    """Let 0, 1, 2 ... allocations of ``make`` pass until it works; a failure must leave no block behind.

    :returns: how many allocations it takes, and what it made.
    """
    gc.collect()
    live = lib.arc_mem_live_blocks()
    try:
        for allowed in range(_MOST):
            lib.arc_mem_fail_after(allowed)
            try:
                return allowed, make()
            except errors.NoMemoryError:
                lib.arc_mem_fail_after(-1)
            gc.collect()
            assert lib.arc_mem_live_blocks() == live, f"something is left after failure {allowed}"
        pytest.fail(f"still failing with {_MOST} allocations allowed")
    finally:
        lib.arc_mem_fail_after(-1)
