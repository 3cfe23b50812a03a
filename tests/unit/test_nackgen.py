"""rx/nackgen through arcrtc.nack."""
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc import errors
from arcrtc.nack import NEVER_US, NackConfig, NackGenerator
from tests.model.allocation import survives_every_failure
from tests.model.nackgen import NackModel

MS = 1000


def ask(gen: NackGenerator, now_us: int, rtt_us: int = 50 * MS, cap: int = 64) -> list[int]:
    out = np.zeros(cap, dtype=np.uint64)
    return out[: gen.poll(out, rtt_us=rtt_us, now_us=now_us)].tolist()


def test_nackgen_asks_after_reorder_wait_and_again_after_rtt() -> None:
    gen = NackGenerator(NackConfig(reorder_wait_us=10 * MS))
    out = np.zeros(8, dtype=np.uint64)
    gen.on_packet(100, now_us=0)
    gen.on_packet(103, now_us=0)

    assert gen.next_us == 10 * MS
    assert gen.poll(out, rtt_us=50 * MS, now_us=9 * MS) == 0
    assert gen.poll(out, rtt_us=50 * MS, now_us=10 * MS) == 2
    assert out[:2].tolist() == [101, 102]
    overdue = 10 * MS + 50 * MS + 50 * MS // 8 + 5 * MS  # a round trip, an eighth of it, 5 ms
    assert gen.poll(out, rtt_us=50 * MS, now_us=overdue - 1) == 0
    gen.on_packet(101, now_us=overdue - 1)
    assert gen.poll(out, rtt_us=50 * MS, now_us=overdue) == 1
    assert out[0] == 102


steps = st.lists(st.one_of(
    st.tuples(st.sampled_from(["packet", "media", "repaired", "asked"]),
              st.one_of(st.integers(-30, 12), st.sampled_from([1, 1, 1, 2, 40]))),
    st.tuples(st.just("poll"), st.sampled_from([0, 5 * MS, 30 * MS, 200 * MS])),
    st.tuples(st.just("playout"), st.sampled_from([0, 30 * MS, 150 * MS, 1000 * MS, None])),
    st.tuples(st.just("hold"), st.sampled_from([0, 15 * MS, 60 * MS])),
    st.tuples(st.just("wait"), st.integers(0, 40 * MS))), min_size=60, max_size=200)


@given(st.sampled_from([1, 65_530, 2**32 - 100]), steps, st.sampled_from([1, 4, 16]),
       st.sampled_from([0, 10 * MS]), st.integers(1, 5))
def test_nackgen_matches_model_for_any_order(first: int, ops: list[tuple[str, int | None]], max_missing: int,
                                             wait: int, max_tries: int) -> None:
    gen = NackGenerator(NackConfig(max_missing_pkts=max_missing, max_tries=max_tries,
                                   reorder_wait_us=wait, give_up_us=300 * MS))
    model = NackModel(max_missing, max_tries, wait, 300 * MS)
    now, highest = 0, first + 50
    for kind, value in [("packet", 0), *ops]:
        if kind == "playout":
            # As of a stream that plays `value` behind the newest packet at 20 ms a packet.
            zero = None if value is None else now + value - 20 * MS * (highest - first)
            gen.set_playout(zero)
            model.zero = zero
        elif kind == "hold":
            gen.set_hold(value or 0)
            model.hold = value or 0
        elif kind == "poll":
            assert ask(gen, now, value or 0, cap=8) == model.poll(8, value or 0, now)
        elif kind == "wait":
            now += value or 0
        else:
            seq = highest + (value or 0)
            if kind == "asked":
                gen.on_asked(seq, now_us=now)
                model.on_asked(seq, now)
            else:
                highest = max(highest, seq)
                media = 20 * MS * (seq - first) if kind == "media" else None
                gen.on_packet(seq, now_us=now, media_us=media, repaired=kind == "repaired")
                model.on_packet(seq, now, media, kind == "repaired")
        assert gen.next_us == model.next_us()
        stats = gen.stats()
        assert (stats.recovered, stats.reordered, stats.given_up, stats.overflow, stats.requested,
                stats.missing_pkts, stats.reorder_wait_us, stats.restored, stats.not_in_time) == (
            model.recovered, model.reordered, model.given_up, model.overflow, model.requested,
            len(model.missing), model.wait, model.restored, model.not_in_time)


def test_nackgen_asks_only_for_what_is_back_before_its_play_out() -> None:
    """A packet each 20 ms, played 80 ms after it was sent; one is lost, and noticed 20 ms later."""
    for rtt_ms in (20, 40, 49, 50, 51, 100):
        gen = NackGenerator(NackConfig(reorder_wait_us=10 * MS))
        gen.set_playout(80 * MS)
        gen.on_packet(1, now_us=0, media_us=0)
        gen.on_packet(3, now_us=40 * MS, media_us=40 * MS)  # number 2 is to be heard at 100 ms
        assert ask(gen, 50 * MS, rtt_us=rtt_ms * MS) == ([2] if rtt_ms <= 50 else [])
        assert gen.stats().not_in_time == (rtt_ms > 50)


def test_nackgen_follows_a_play_out_time_that_moves() -> None:
    gen = NackGenerator(NackConfig(reorder_wait_us=10 * MS))
    gen.set_playout(20 * MS)
    gen.on_packet(1, now_us=0, media_us=0)
    gen.on_packet(3, now_us=40 * MS, media_us=40 * MS)
    gen.set_playout(200 * MS)  # the buffer has grown meanwhile
    assert ask(gen, 50 * MS, rtt_us=100 * MS) == [2]


def test_nackgen_waits_for_fec_as_long_as_an_answer_can_be_in_time() -> None:
    # Number 2 is played 20 ms after what is given; an answer takes 64 ms, an eighth of that, and 5 ms.
    for playout_ms, due_ms in ((1000, 100), (140, 160 - 64 - 8 - 5), (60, 50)):
        gen = NackGenerator(NackConfig(reorder_wait_us=10 * MS))
        ask(gen, 0, rtt_us=64 * MS)
        gen.set_hold(60 * MS)
        gen.set_playout(playout_ms * MS)
        gen.on_packet(1, now_us=0, media_us=0)
        gen.on_packet(3, now_us=40 * MS, media_us=40 * MS)
        assert gen.next_us == due_ms * MS


def test_nackgen_what_fec_brought_is_not_taken_for_reordering() -> None:
    gen = NackGenerator(NackConfig(reorder_wait_us=10 * MS))
    gen.on_packet(1, now_us=0)
    gen.on_packet(3, now_us=0)
    gen.on_packet(2, now_us=35 * MS, repaired=True)
    assert gen.stats().restored == 1
    assert gen.stats().reorder_wait_us == 10 * MS
    assert gen.next_us == NEVER_US


def test_nackgen_is_silent_about_what_another_has_asked_for() -> None:
    gen = NackGenerator(NackConfig(reorder_wait_us=10 * MS))
    assert ask(gen, 0, rtt_us=40 * MS) == []
    gen.on_packet(1, now_us=0)
    gen.on_packet(3, now_us=0)
    gen.on_asked(2, now_us=5 * MS)
    assert ask(gen, 49 * MS, rtt_us=40 * MS) == []
    assert ask(gen, 55 * MS, rtt_us=40 * MS) == [2]


def test_nackgen_does_not_ask_for_what_cannot_arrive_in_time() -> None:
    gen = NackGenerator(NackConfig(reorder_wait_us=10 * MS, give_up_us=100 * MS))
    gen.on_packet(1, now_us=0)
    gen.on_packet(3, now_us=0)
    assert ask(gen, 10 * MS, rtt_us=91 * MS) == []
    assert gen.next_us == NEVER_US
    gen.on_packet(5, now_us=10 * MS)
    assert ask(gen, 20 * MS, rtt_us=90 * MS) == [4]
    assert ask(gen, 200 * MS) == []
    assert (gen.stats().given_up, gen.stats().missing_pkts) == (2, 0)


def test_nackgen_stops_after_max_tries() -> None:
    gen = NackGenerator(NackConfig(max_tries=3, reorder_wait_us=0))
    gen.on_packet(1, now_us=0)
    gen.on_packet(3, now_us=0)
    asked = [t for t in range(0, 900 * MS, MS) if ask(gen, t, rtt_us=20 * MS)]
    assert asked == [0, 28 * MS, 56 * MS]  # each a round trip, an eighth of it, 5 ms after the one before
    assert gen.next_us == NEVER_US


def test_nackgen_wait_grows_with_reordering_and_falls_with_loss() -> None:
    gen = NackGenerator(NackConfig(reorder_wait_us=10 * MS))
    seq = 0
    gen.on_packet(seq, now_us=0)
    for i in range(3):  # each second packet 16 ms late, and asked for meanwhile
        now = i * 100 * MS
        gen.on_packet(seq + 2, now_us=now)
        ask(gen, now + 15 * MS)
        gen.on_packet(seq + 1, now_us=now + 16 * MS)
        seq += 2
    assert gen.stats().reorder_wait_us == 20 * MS
    assert gen.stats().reordered == 3
    assert gen.stats().requested == 1  # only the first time
    for i in range(200):
        now = (10 + i) * 100 * MS
        gen.on_packet(seq + 2, now_us=now)
        assert ask(gen, now + 20 * MS) == [seq + 1]
        gen.on_packet(seq + 1, now_us=now + 80 * MS)
        seq += 2
    assert 1250 <= gen.stats().reorder_wait_us <= 1250 * 17 // 16
    assert gen.stats().recovered == 200


def test_nackgen_arrival_within_half_a_round_trip_was_no_answer() -> None:
    gen = NackGenerator(NackConfig(reorder_wait_us=10 * MS))
    gen.on_packet(1, now_us=0)
    gen.on_packet(4, now_us=0)
    assert ask(gen, 10 * MS, rtt_us=100 * MS) == [2, 3]
    gen.on_packet(2, now_us=60 * MS - 1)
    gen.on_packet(3, now_us=60 * MS)
    assert (gen.stats().reordered, gen.stats().recovered) == (1, 1)


def test_nackgen_arrivals_out_of_the_middle_leave_the_others() -> None:
    for arrived in range(1, 8):
        gen = NackGenerator(NackConfig(reorder_wait_us=0, max_missing_pkts=8))
        gen.on_packet(65_530, now_us=0)
        gen.on_packet(65_533, now_us=0)  # so that the ring has turned
        ask(gen, 2_000 * MS)
        gen.on_packet(65_541, now_us=3_000 * MS)
        gen.on_packet(65_533 + arrived, now_us=3_000 * MS)
        assert ask(gen, 3_000 * MS) == [65_533 + i for i in range(1, 8) if i != arrived]


def test_nackgen_jump_ahead_clears_and_counts() -> None:
    gen = NackGenerator(NackConfig(max_missing_pkts=16, reorder_wait_us=0))
    gen.on_packet(10, now_us=0)
    gen.on_packet(12, now_us=0)
    gen.on_packet(12 + 18, now_us=0)
    assert ask(gen, 0) == []
    assert gen.stats().overflow == 1 + 17
    gen.on_packet(12 + 18 + 17, now_us=0)
    assert len(ask(gen, 0)) == 16


def test_nackgen_follows_a_sender_that_restarts_lower() -> None:
    gen = NackGenerator(NackConfig(reorder_wait_us=0))
    gen.on_packet(90_000, now_us=0)
    gen.on_packet(70_000, now_us=0)  # a stray one
    gen.on_packet(90_002, now_us=0)
    assert ask(gen, 0) == [90_001]
    for seq in (70_000, 70_001, 70_003):
        gen.on_packet(seq, now_us=0)
    assert ask(gen, 0) == [70_002]


def test_nackgen_poll_refuses_wrong_arguments() -> None:
    gen = NackGenerator()
    out = np.zeros(4, dtype=np.uint64)
    with pytest.raises(errors.ArgumentError):
        gen.poll(out[:0], rtt_us=0, now_us=0)
    with pytest.raises(errors.ArgumentError):
        gen.poll(out, rtt_us=-1, now_us=0)
    with pytest.raises(errors.ArgumentError):
        gen.poll(np.zeros(4, dtype=np.int32), rtt_us=0, now_us=0)  # type: ignore[arg-type]
    with pytest.raises(errors.ArgumentError):
        gen.poll(out[::2], rtt_us=0, now_us=0)


@pytest.mark.parametrize(("field", "value"), [
    ("max_missing_pkts", 0), ("max_missing_pkts", 4097), ("max_tries", 0), ("max_tries", 21),
    ("reorder_wait_us", -1), ("reorder_wait_us", 1_000_001), ("give_up_us", 0), ("max_tries", True),
    ("max_tries", 1.5)])
def test_nackgen_config_names_the_field_that_is_wrong(field: str, value: int) -> None:
    with pytest.raises(errors.ConfigError, match=field):
        NackConfig(**{field: value})


def test_nackgen_new_survives_every_allocation_failure() -> None:
    allowed, _ = survives_every_failure(lambda: NackGenerator())
    assert allowed == 2
