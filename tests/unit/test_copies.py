"""rx/copies: redundant blocks by media time, against a plain model."""
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc import errors
from arcrtc._native import ffi, lib, new_handle
from tests.model.allocation import survives_every_failure
from tests.model.red import CopiesModel

STATUS = {lib.ARC_OK: "kept", lib.ARC_ERR_REPLAY: "worse", lib.ARC_ERR_OLD: "old", lib.ARC_ERR_ARG: "argument"}


class Core:
    """The C store by numbers only."""

    def __init__(self, capacity: int = 8) -> None:
        self.handle = new_handle(lib.arc_copies_new, lib.arc_copies_free, "struct arc_copies", capacity,
                                 what="store of copies")

    def push(self, ts: int, length: int, which: int) -> str:
        return STATUS[lib.arc_copies_push(self.handle, ffi.new("struct arc_rxpkt *", {
            "ts": ts, "payload_len": length, "seq": which}))]

    def look(self, function: Any, ts: int) -> tuple[int, int] | None:
        out = ffi.new("struct arc_rxpkt *")
        return (out.ts, out.seq) if function(self.handle, ts, out) == lib.ARC_OK else None

    def stats(self) -> dict[str, int]:
        s = ffi.new("struct arc_copies_stats *")
        lib.arc_copies_stats(self.handle, s)
        return {name: getattr(s, name) for name in ("kept", "worse", "replaced", "late", "overflow", "depth")}


operations = st.lists(st.one_of(
    st.tuples(st.just("push"), st.integers(-6, 12), st.integers(1, 4)),
    st.tuples(st.just("drop"), st.integers(-8, 4), st.just(0)),
    st.tuples(st.just("reset"), st.just(0), st.just(0)),
    st.tuples(st.just("step"), st.integers(0, 3), st.just(0))), min_size=20, max_size=150)


@given(st.sampled_from([0, 2**32 - 100, -5000]), operations, st.sampled_from([1, 2, 5, 8]))
def test_copies_matches_model_for_any_order(first: int, ops: list[tuple[str, int, int]], capacity: int) -> None:
    core, model, now = Core(capacity), CopiesModel(capacity), first
    for which, (name, step, length) in enumerate(ops):
        ts = now + 960 * step
        if name == "push":
            expected = model.push(ts, length, which)
            assert core.push(ts, length, which) == ("old" if expected in ("late", "full") else expected)
        elif name == "drop":
            lib.arc_copies_drop_before(core.handle, ts)
            model.drop_before(ts)
        elif name == "reset" and which % 5 == 0:
            lib.arc_copies_reset(core.handle)
            model.reset()
        elif name == "step":
            now = ts
        assert core.stats() == {**model.counts, "depth": len(model.blocks)}
        for at in (ts - 1, ts, ts + 960):
            expected_block = model.blocks.get(at)
            assert core.look(lib.arc_copies_find, at) == (expected_block and (at, expected_block[1]))
            assert core.look(lib.arc_copies_next, at) == model.next(at)


def test_copies_longer_block_of_the_same_time_wins() -> None:
    core = Core()
    assert [core.push(960, length, which) for which, length in enumerate((30, 60, 60, 20))] == [
        "kept", "kept", "worse", "worse"]
    assert core.look(lib.arc_copies_find, 960) == (960, 1)


def test_copies_of_empty_or_impossible_blocks_are_refused() -> None:
    core = Core()
    for ts, length in ((0, 0), (0, -1), (2**47, 1)):
        assert core.push(ts, length, 0) == "argument"
    assert core.stats()["depth"] == 0


@pytest.mark.parametrize("capacity", [0, -1, lib.ARC_COPIES_MAX_CAPACITY + 1])
def test_copies_capacity_out_of_range_raises(capacity: int) -> None:
    with pytest.raises(errors.ArgumentError):
        Core(capacity)


def test_copies_new_survives_every_failed_allocation() -> None:
    assert survives_every_failure(Core)[0] == 2
