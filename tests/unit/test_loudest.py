"""router/loudest: who is forwarded, against a plain model and in seeded rooms of a hundred talkers."""
from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc._native import NEVER_US, check, ffi, lib
from tests.model.allocation import survives_every_failure
from tests.model.loudest_model import Loudest, Person

MS = 1000
PACKET_US = 20 * MS


class Group:
    """struct arc_loudest with its members made."""

    def __init__(self, members: int, places: int, *, room: int | None = None) -> None:
        out = ffi.new("struct arc_loudest **")
        check(lib.arc_loudest_new(room or members, places, out), "arc_loudest_new")
        self.c = ffi.gc(out[0], lib.arc_loudest_free)
        assert [lib.arc_loudest_add(self.c) for _ in range(members)] == list(range(members))

    def packet(self, member: int, level: int, now_us: int, voice: bool = True) -> bool:
        return bool(lib.arc_loudest_on_packet(self.c, member, level, voice, now_us))

    @property
    def active(self) -> set[int]:
        out = ffi.new("int32_t[32]")
        return set(out[0:lib.arc_loudest_active(self.c, out, 32)])

    @property
    def stats(self) -> Any:
        out = ffi.new("struct arc_loudest_stats *")
        lib.arc_loudest_stats(self.c, out)
        return out

    @property
    def events(self) -> int:
        return int(lib.arc_loudest_take_events(self.c))


def speak(group: Group, levels: dict[int, int], start_us: int, seconds: float) -> tuple[int, list[bool]]:
    """Everybody in ``levels`` speaks; the time after, and whether the last of them was forwarded each time."""
    heard = []
    for now in range(start_us, start_us + round(seconds * 1e6), PACKET_US):
        for member, level in levels.items():
            forwards = group.packet(member, level, now)
        heard.append(forwards)
    return start_us + len(heard) * PACKET_US, heard


def test_loudest_free_place_is_taken_by_the_first_packet_with_speech() -> None:
    group = Group(4, 2)
    assert lib.arc_loudest_next_us(group.c) == NEVER_US
    assert not group.packet(0, 30, 0, voice=False)
    assert not group.packet(0, 127, 0)
    assert group.events == 0
    assert group.packet(0, 60, PACKET_US)
    assert group.packet(1, 90, PACKET_US)
    assert group.events == lib.ARC_LOUDEST_ACTIVE_CHANGED | lib.ARC_LOUDEST_DOMINANT_CHANGED
    assert (group.events, group.active, group.stats.dominant) == (0, {0, 1}, 0)
    assert not group.packet(2, 90, PACKET_US)
    assert (group.stats.n_taken, group.stats.n_forwarded, group.stats.n_dropped) == (2, 2, 3)


def test_loudest_place_is_kept_for_a_pause_and_then_given_up() -> None:
    group = Group(2, 1)
    now, _ = speak(group, {0: 40}, 0, 1)
    last = now - PACKET_US
    assert group.packet(0, 80, last + 1_999_999, voice=False)
    assert lib.arc_loudest_next_us(group.c) == last + 2_000_000
    assert not group.packet(0, 80, last + 2_000_000, voice=False)
    assert (group.active, group.stats.n_expired) == (set(), 1)
    assert group.packet(1, 80, last + 2_000_000)


def test_loudest_silent_sender_that_is_gone_leaves_its_place() -> None:
    group = Group(2, 1)
    group.packet(0, 10, 0)
    assert not group.packet(1, 60, 1_990_000)
    assert group.packet(1, 60, 2_000_000)
    lib.arc_loudest_poll(group.c, 3_999_999)
    assert group.active == {1}
    lib.arc_loudest_poll(group.c, 4_000_000)
    assert (group.active, group.stats.dominant) == (set(), 1)


@pytest.mark.parametrize(("louder_db", "cut_in_ms"), [(0, None), (3, None), (5, 400), (8, 400), (9, 100), (20, 100)])
def test_loudest_newcomer_must_be_louder(louder_db: int, cut_in_ms: int | None) -> None:
    group = Group(3, 2)
    now, _ = speak(group, {0: 50, 1: 40}, 0, 1)
    _, heard = speak(group, {0: 50, 1: 40, 2: 50 - louder_db}, now, 3)
    if cut_in_ms is None:
        assert not any(heard)
        return
    assert heard.index(True) == cut_in_ms // 20
    assert all(heard[cut_in_ms // 20:])
    assert group.active == {1, 2}


def test_loudest_noise_without_speech_never_takes_a_place() -> None:
    group = Group(2, 1)
    group.packet(0, 70, 0)
    assert not any(group.packet(1, 0, now, voice=False) for now in range(0, 1_900_000, PACKET_US))


def test_loudest_dominant_speaker() -> None:
    group = Group(4, 4)
    now, _ = speak(group, {0: 40}, 0, 1)
    now, _ = speak(group, {0: 40, 2: 60, 3: 37}, now, 2)
    assert group.stats.dominant == 0
    now, _ = speak(group, {0: 40, 1: 30, 2: 60}, now, 0.58)
    assert group.stats.dominant == 0
    now, _ = speak(group, {0: 40, 1: 30, 2: 60}, now, 0.2)
    assert group.stats.dominant == 1
    now, _ = speak(group, {2: 60}, now, 0.5)
    assert group.stats.dominant == 1
    speak(group, {2: 60}, now, 0.3)
    assert (group.stats.dominant, group.stats.n_dominant_changes) == (2, 3)


def test_loudest_members_come_and_go() -> None:
    group = Group(3, 2, room=3)
    assert lib.arc_loudest_add(group.c) == lib.ARC_ERR_LIMIT
    group.packet(0, 40, 0)
    group.packet(1, 40, 0)
    group.packet(1, 40, 0)
    assert group.events == 3
    lib.arc_loudest_remove(group.c, 0)
    assert (group.events, group.active, group.stats.dominant) == (3, {1}, -1)
    for member in (-1, 0, 3, 2**31 - 1):
        lib.arc_loudest_remove(group.c, member)
        assert not group.packet(member, 0, 0)
    assert (group.stats.n_members, group.stats.n_active) == (2, 1)
    assert lib.arc_loudest_add(group.c) == 0
    assert group.packet(0, 90, 1000)
    out = ffi.new("int32_t[1]")
    assert lib.arc_loudest_active(group.c, out, 1) == 1
    assert lib.arc_loudest_active(group.c, out, 0) == 0


def test_loudest_new_checks_and_cleans_up() -> None:
    out = ffi.new("struct arc_loudest **")
    for members, places in ((0, 1), (1025, 1), (1, 0), (1, 33)):
        assert lib.arc_loudest_new(members, places, out) == lib.ARC_ERR_ARG
    assert lib.arc_loudest_new(1, 1, ffi.NULL) == lib.ARC_ERR_ARG
    lib.arc_loudest_free(ffi.NULL)
    assert survives_every_failure(lambda: Group(1, 1))[0] == 2
    Group(1024, 32)


members = st.integers(0, 5)
steps = st.lists(st.tuples(
    st.sampled_from("ppppppppppar"), members, st.integers(20, 70) | st.just(127), st.booleans() | st.just(True),
    st.sampled_from([0, 5, 20, 20, 20, 60, 150, 700, 2500])), max_size=120)


@given(steps, st.integers(1, 4))
def test_loudest_matches_model(said: list[tuple[str, int, int, bool, int]], places: int) -> None:
    group, model, now = Group(6, places, room=6), Loudest(places), 0
    model.people = {who: Person() for who in range(6)}
    for step, who, level, voice, gap in said:
        now += gap * MS
        if step == "p":
            for _ in range(3):
                now += PACKET_US
                assert group.packet(who, level, now, voice) is model.packet(who, level, voice, now)
        elif step == "a":
            lib.arc_loudest_poll(group.c, now)
            model.expire(now)
        else:
            lib.arc_loudest_remove(group.c, who)
            model.remove(who)
        assert group.active == set(model.active)
        assert group.stats.dominant == (-1 if model.dominant is None else model.dominant)


def room(group: Group, talking: Callable[[int, int], bool], base_db: list[float], seed: int,
         seconds: int) -> dict[int, list[tuple[int, bool]]]:
    """People talk at their level, which moves from syllable to syllable (6 dB, over 100 ms); everybody sends.

    :returns: for each talk packet of each person: (time, forwarded).
    """
    rng, n = np.random.default_rng(seed), len(base_db)
    sway, out = np.zeros(n), {who: list[tuple[int, bool]]() for who in range(n)}
    for now in range(0, seconds * 1_000_000, PACKET_US):
        sway = 0.8 * sway + 6 * np.sqrt(1 - 0.64) * rng.standard_normal(n)
        for who in range(n):
            if talking(who, now):
                level = int(np.clip(round(base_db[who] - sway[who]), 0, 126))
                out[who].append((now, group.packet(who, level, now)))
            else:
                group.packet(who, 80, now, voice=False)
    return out


@pytest.mark.parametrize("seed", [1, 2])
def test_loudest_room_where_all_talk_equally_loud_is_calm(seed: int) -> None:
    """100 people talk without a pause, 3 places: those who came first are heard."""
    group = Group(100, 3)
    room(group, lambda who, now: True, [40.0] * 100, seed, 30)
    assert group.stats.n_swapped <= 10
    assert group.stats.n_dominant_changes <= 6


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_loudest_louder_talkers_cut_in(seed: int) -> None:
    """Every 2 s one of 100 raises the voice over 3 who talk on: heard within 0.2 s mostly, at 10 dB more."""
    group = Group(100, 3)
    rng = random.Random(seed)
    order = rng.sample(range(3, 100), 25)
    base = [45.0] * 3 + [35.0] * 97

    def talks(who: int, now: int) -> bool:
        turn = now // 2_000_000
        return who < 3 or (turn < len(order) and order[turn] == who and now % 2_000_000 >= 500_000)

    heard = room(group, talks, base, seed, 50)
    cut_in = [next((t - heard[who][0][0] for t, forwarded in heard[who] if forwarded), None) for who in order]
    assert None not in cut_in
    waits = sorted(t for t in cut_in if t is not None)
    assert waits[len(waits) // 2] <= 250 * MS
    assert waits[-1] <= 800 * MS


@pytest.mark.parametrize("seed", [1, 2])
def test_loudest_conversation_is_heard_from_its_first_word(seed: int) -> None:
    """3 of 100 talk in turns of 1 to 5 s with pauses; the others are silent but for coughs of 60 ms."""
    group, rng = Group(100, 3), random.Random(seed)
    spurts: dict[int, list[tuple[int, int]]] = {who: [] for who in range(100)}
    now = 0
    while now < 60_000_000:
        who, long_us = rng.randrange(3), rng.randrange(1_000_000, 5_000_000)
        spurts[who].append((now, now + long_us))
        cough = rng.randrange(now, now + long_us)
        spurts[rng.randrange(3, 100)].append((cough, cough + 60 * MS))
        now += long_us + rng.randrange(800_000)
    heard = room(group, lambda who, t: any(a <= t < b for a, b in spurts[who]), [40.0] * 100, seed, 60)
    talk = [forwarded for who in range(3) for _, forwarded in heard[who]]
    assert talk.count(False) / len(talk) < 0.02
