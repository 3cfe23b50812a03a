"""base/deadline: against the plainest model there is, a dictionary and min()."""
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc._native import NEVER_US, ffi, lib, new_handle
from arcrtc.errors import ArgumentError
from tests.model.allocation import survives_every_failure

CAPACITY = 12
STEPS = st.lists(st.tuples(st.integers(-1, CAPACITY), st.one_of(st.integers(0, 30), st.integers(-(2**63), NEVER_US))),
                 max_size=200)


def new(capacity: int = CAPACITY) -> Any:
    return new_handle(lib.arc_deadline_new, lib.arc_deadline_free, "struct arc_deadline", capacity, what="deadline")


@given(STEPS)
def test_deadline_first_is_that_of_the_model(steps: list[tuple[int, int]]) -> None:
    heap, model = new(), dict[int, int]()
    place = ffi.new("int32_t *", -7)
    for where, at_us in steps:
        lib.arc_deadline_set(heap, where, at_us)
        if 0 <= where < CAPACITY:
            model[where] = at_us
            if at_us == NEVER_US:
                del model[where]
        first = lib.arc_deadline_first(heap, place)
        assert first == min(model.values(), default=NEVER_US)
        assert not model or model[place[0]] == first


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=CAPACITY))
def test_deadline_taken_one_by_one_come_in_order(times: list[int]) -> None:
    heap, place = new(), ffi.new("int32_t *")
    for i, at_us in enumerate(times):
        lib.arc_deadline_set(heap, i, at_us)
    taken = []
    while (at_us := lib.arc_deadline_first(heap, place)) != NEVER_US:
        assert times[place[0]] == at_us
        taken.append(at_us)
        lib.arc_deadline_set(heap, place[0], NEVER_US)
    assert taken == sorted(times)


def test_deadline_of_nothing_leaves_the_place_alone() -> None:
    place = ffi.new("int32_t *", -7)
    assert lib.arc_deadline_first(new(), place) == NEVER_US
    assert place[0] == -7


@pytest.mark.parametrize("capacity", [0, -1, 2**24 + 1])
def test_deadline_capacity_outside_of_its_range(capacity: int) -> None:
    with pytest.raises(ArgumentError):
        new(capacity)


def test_deadline_new_survives_every_allocation_failure() -> None:
    survives_every_failure(new)
