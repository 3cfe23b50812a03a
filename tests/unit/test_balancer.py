"""arcrtc.routing.balancer: each rule of placement, health, rooms, drain and moves; and all of them against a model."""
from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from arcrtc import LoadBalancer, errors
from arcrtc.routing import (
    BalancerConfig,
    MoveReason,
    PlaceReason,
    Policy,
    Refusal,
    TargetLoad,
    TargetState,
    call_quality,
)
from arcrtc.routing.members import Target
from arcrtc.routing.pickers import _Heap
from arcrtc.routing.weighttree import WeightTree
from tests.model.balancer_model import PlainBalancer, PlainTarget

S = 1_000_000
AT_ONCE = BalancerConfig(slow_start_s=0)
POLICIES = [policy.value for policy in Policy]


def balancer(policy: str = "least_loaded", targets: int = 2, *, config: BalancerConfig = AT_ONCE,
             capacity: int | None = 100, seed: int = 1) -> LoadBalancer:
    made = LoadBalancer(policy, config=config, seed=seed)
    for i in range(targets):
        made.add_target(f"t{i}", capacity=capacity, now_us=0)
    return made


def spread(made: LoadBalancer) -> dict[Hashable, int]:
    return {info.target: info.sessions for info in made.targets()}


# Policies

@pytest.mark.parametrize("policy", POLICIES)
def test_balancer_every_policy_is_even_on_equal_targets(policy: str) -> None:
    made = balancer(policy, 20)
    for i in range(1000):
        made.place(i, now_us=0)
    counts = spread(made).values()
    assert sum(counts) == 1000
    assert max(counts) <= 50 + (0 if policy in ("round_robin", "least_loaded") else 6)


@pytest.mark.parametrize("policy", POLICIES)
def test_balancer_every_policy_follows_capacities(policy: str) -> None:
    made = LoadBalancer(policy, config=AT_ONCE, seed=3)
    for name, capacity in (("small", 100), ("middle", 200), ("large", 700)):
        made.add_target(name, capacity=capacity, now_us=0)
    for i in range(500):
        made.place(i, now_us=0)
    for info in made.targets():
        assert 0.4 <= info.sessions / info.capacity <= 0.6, info


@pytest.mark.parametrize("policy", POLICIES)
def test_balancer_same_seed_same_choices(policy: str) -> None:
    def choices(seed: int) -> list[Hashable]:
        made = balancer(policy, 50, seed=seed)
        return [made.place(i, now_us=0).target for i in range(300)]

    assert choices(5) == choices(5)
    if policy != "round_robin":
        assert choices(5) != choices(6)


def test_balancer_round_robin_turns_are_as_the_weights() -> None:
    made = LoadBalancer("round_robin", config=AT_ONCE)
    made.add_target("a", weight=3, now_us=0)
    made.add_target("b", weight=1, now_us=0)
    order = "".join(str(made.place(i, now_us=0).target) for i in range(400))
    assert order.count("a") == 300
    assert all(0 < order[i:i + 6].count("b") < 3 for i in range(390))  # spread out, not in a row


def test_balancer_least_loaded_counts_what_it_placed_since_the_report() -> None:
    """No herd: a report of an idle target draws as many sessions as level it, not all until the next report."""
    made = balancer(targets=3)
    for name, load, sessions in (("t0", 0.5, 50), ("t1", 0.5, 50), ("t2", 0.4, 40)):
        made.report(name, TargetLoad(load, sessions=sessions), now_us=0)
    chosen = Counter(made.place(i, now_us=1).target for i in range(40))
    assert 18 <= chosen["t2"] <= 22


def test_balancer_report_without_new_sessions_keeps_them_counted() -> None:
    made = balancer(targets=1)
    for i in range(30):
        made.place(i, now_us=0)
    made.report("t0", TargetLoad(0.1, sessions=10), now_us=1)  # 20 were still on their way when it was written
    assert made.target("t0").load == pytest.approx(0.1 + 20 * 0.01)


def test_balancer_report_counts_sessions_of_other_balancers_in_the_capacity() -> None:
    made = balancer(targets=1, capacity=100)
    made.place("mine", now_us=0)
    made.report("t0", TargetLoad(0.5, sessions=100), now_us=1)
    with pytest.raises(errors.NoTargetError, match="of 1 targets 1 full"):
        made.place("more", now_us=2)


def test_balancer_sessions_younger_than_the_report_count_on_top() -> None:
    made = balancer(targets=1)
    for i in range(20):
        made.place(i, now_us=i * S)
    made.report("t0", TargetLoad(0.1, sessions=15, age_s=4.5), now_us=20 * S)  # 15 were there at 15.5 s: 0 to 15
    assert made.target("t0").load == pytest.approx(0.1 + 5 * made._roster.find("t0").cost)


def test_balancer_takes_it_that_others_place_as_it_does() -> None:
    """A quarter of the sessions are ours: each one placed counts as four until the next report."""
    loads = []
    for alike in (True, False):
        made = balancer(targets=2, capacity=1000, config=BalancerConfig(slow_start_s=0, others_alike=alike))
        for i in range(200):
            made.place(i, now_us=0)
        for name in ("t0", "t1"):
            made.report(name, TargetLoad(0.4, sessions=400), now_us=S)
        cost = made._roster.find("t0").cost
        for i in range(200, 210):
            made.place(i, now_us=S)
        loads.append((made.target("t0").load - 0.4) / cost)
    assert loads == pytest.approx([20, 5])


def test_balancer_round_robin_serves_light_targets_from_the_first_round_on() -> None:
    """With a slow start all intervals are long at first; they shorten as it goes on."""
    made = LoadBalancer("round_robin", config=BalancerConfig(slow_start_s=10), seed=1)
    for i in range(30):
        made.add_target(i, weight=200 if i < 3 else 20, now_us=0)
    counts = Counter(made.place(i, now_us=i * S // 10).target for i in range(600))
    heavy, light = sum(counts[i] for i in range(3)), sum(counts[i] for i in range(3, 30))
    assert 290 <= heavy <= 340  # 600 of 1140 by weight
    assert light == 600 - heavy


def test_balancer_two_choices_takes_the_lower_and_says_so() -> None:
    made = balancer("two_choices", 2)
    made.report("t0", TargetLoad(0.6), now_us=0)
    made.report("t1", TargetLoad(0.2), now_us=0)
    places = [made.place(i, now_us=1) for i in range(20)]
    rivals = [place for place in places if place.rival is not None]
    assert rivals
    assert all(place.load <= place.rival_load for place in rivals if place.rival_load is not None)
    assert "before 't0' at 0.60" in rivals[0].explain()
    assert rivals[0].reason is PlaceReason.TWO_CHOICES


def test_balancer_quality_prefers_the_better_way() -> None:
    made = balancer("quality", 3, capacity=10_000)
    made.report("t0", TargetLoad(0.1, rtt_ms=20), now_us=0)
    made.report("t1", TargetLoad(0.1, rtt_ms=20, loss=0.05), now_us=0)
    made.report("t2", TargetLoad(0.1, rtt_ms=900, jitter_ms=80), now_us=0)
    counts = Counter(made.place(i, now_us=1).target for i in range(900))
    assert counts["t0"] > 2 * counts["t1"] > 4 * counts["t2"]


def test_quality_is_the_rating_of_the_e_model() -> None:
    assert call_quality(0, 0, 0) == 1
    assert call_quality(0, 200, 0) == pytest.approx((93.2 - 2.4) / 93.2)
    assert call_quality(0, 400, 50) == pytest.approx((93.2 - 0.024 * 300 - 0.11 * 122.7) / 93.2)
    assert call_quality(0.05, 0, 0) == pytest.approx((93.2 - 95 * 5 / 30.1) / 93.2)
    assert call_quality(1, 10_000, 0) == 0


@given(st.floats(0, 1), st.floats(0, 5000), st.floats(0, 1000), st.floats(0, 0.5), st.floats(0, 500), st.floats(0, 100))
def test_quality_never_grows_with_loss_delay_or_jitter(loss: float, rtt: float, jitter: float, more_loss: float,
                                                       more_rtt: float, more_jitter: float) -> None:
    here = call_quality(loss, rtt, jitter)
    assert 0 <= call_quality(min(1, loss + more_loss), rtt + more_rtt, jitter + more_jitter) <= here + 1e-12 <= 1 + 1e-9


# Limits

@pytest.mark.parametrize("policy", POLICIES)
def test_balancer_full_targets_take_nothing_and_the_error_says_why(policy: str) -> None:
    made = balancer(policy, 4, capacity=10, config=BalancerConfig(slow_start_s=0, max_load=2))
    made.drain("t3")
    made.fail("t2", now_us=0)
    for i in range(20):
        made.place(i, now_us=0)
    with pytest.raises(errors.NoTargetError, match="session 'x': of 4 targets"):
        made.place("x", now_us=0)
    with pytest.raises(RuntimeError, match="2 full"):
        made.place("x", now_us=0)
    assert made.stats().refusals == {Refusal.FAILED: 1, Refusal.DRAINING: 1, Refusal.FULL: 2}
    assert made.stats().rejected_total == 2
    made.release(0)
    assert "x" not in made
    made.place("x", now_us=0)


def test_balancer_overloaded_target_takes_nothing_until_it_is_not() -> None:
    made = balancer(targets=1)
    made.report("t0", TargetLoad(0.97), now_us=0)
    with pytest.raises(errors.NoTargetError, match="1 overloaded"):
        made.place(1, now_us=0)
    made.report("t0", TargetLoad(0.5), now_us=1)
    assert made.place(1, now_us=1).target == "t0"


def test_balancer_without_targets_says_so() -> None:
    with pytest.raises(errors.NoTargetError, match="of 0 targets none is there"):
        LoadBalancer().place(1)


def test_balancer_bounds_and_wrong_calls() -> None:
    made = LoadBalancer(config=BalancerConfig(max_targets=1, max_sessions=1))
    made.add_target("a", now_us=0)
    with pytest.raises(errors.LimitError, match="1 targets"):
        made.add_target("b", now_us=0)
    with pytest.raises(errors.ArgumentError, match="already"):
        made.add_target("a", now_us=0)
    made.place(1, now_us=0)
    with pytest.raises(errors.ArgumentError, match="placed already, on 'a'"):
        made.place(1, now_us=0)
    with pytest.raises(errors.LimitError, match="1 sessions"):
        made.place(2, now_us=0)
    for call in (made.remove_target, made.drain, made.undrain, made.fail, made.target):
        with pytest.raises(errors.ArgumentError, match="no target 'b'"):
            call("b")
    assert made.release(2) is False
    assert (made.target_of(1), made.target_of(2), len(made)) == ("a", None, 1)
    assert repr(made) == "LoadBalancer(policy='two_choices', targets=1, sessions=1)"
    with pytest.raises(errors.ConfigError, match="none of round_robin, quality"):
        LoadBalancer("best")


@pytest.mark.parametrize("values", [
    {"silence_s": 0}, {"slow_start_floor": 0}, {"hold_max_s": 1}, {"max_load": math.nan}, {"room_limit": 0},
    {"replace_per_s": 0}, {"rebalance_gap": 0}, {"max_targets": 0}, {"max_sessions": True}, {"slow_start_s": "1"}])
def test_balancer_config_out_of_range_names_the_field(values: dict[str, object]) -> None:
    with pytest.raises(errors.ConfigError, match=next(iter(values))):
        BalancerConfig(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [{"load": -0.1}, {"load": 0.1, "loss": 1.1}, {"load": 0.1, "sessions": -1},
                                    {"load": 0.1, "rtt_ms": math.inf}])
def test_balancer_load_out_of_range_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(errors.ConfigError):
        TargetLoad(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(("weight", "capacity"), [(0, None), (-1, None), (math.inf, None), (1, 0), (None, 1.5)])
def test_balancer_weight_or_capacity_out_of_range_leaves_no_target(weight: float, capacity: int) -> None:
    made = LoadBalancer()
    with pytest.raises(errors.ConfigError):
        made.add_target("a", weight=weight, capacity=capacity)
    assert made.targets() == []


# Health

@pytest.mark.parametrize("policy", POLICIES)
def test_balancer_silent_target_is_left_and_its_sessions_move(policy: str) -> None:
    made = balancer(policy, 3)
    for i in range(90):
        made.place(i, now_us=0)
    before = {i: made.target_of(i) for i in range(90)}
    for s in range(0, 20, 2):
        for name in ("t0", "t1") if s else ("t0", "t1", "t2"):
            made.report(name, TargetLoad(0.3, sessions=30), now_us=s * S)
    assert made.target("t2").refusal is Refusal.SILENT
    moves = made.moves(now_us=20 * S)
    assert {move.session for move in moves} == {i for i in before if before[i] == "t2"}
    assert {move.reason for move in moves} == {MoveReason.SILENT}
    assert all(made.target_of(move.session) == move.target != "t2" for move in moves)
    assert made.moves(now_us=20 * S) == []
    assert all(made.target_of(i) == before[i] for i in before if before[i] != "t2")


def test_balancer_target_that_never_reported_is_not_silent() -> None:
    made = balancer(targets=1)
    assert made.place(1, now_us=10**12).target == "t0"


def test_balancer_sessions_nobody_can_take_wait_and_are_counted() -> None:
    made = balancer(targets=2, capacity=10, config=BalancerConfig(slow_start_s=0, max_load=2))
    for i in range(16):
        made.place(i, now_us=0)
    made.fail("t0", now_us=1)
    assert len(made.moves(now_us=2)) == 2
    assert made.stats().stranded == 6
    made.report("t0", TargetLoad(0), now_us=1 + 5 * S)  # back: its own lost sessions are made anew there
    again = made.moves(now_us=2 + 5 * S)
    assert len(again) == 6
    assert {(move.source, move.target) for move in again} == {("t0", "t0")}
    assert made.stats().stranded == 0
    assert made.moves(now_us=3 + 5 * S) == []


def test_balancer_replacing_is_bounded_in_rate() -> None:
    made = balancer(targets=2, capacity=1000, config=BalancerConfig(slow_start_s=0, replace_per_s=10))
    for i in range(100):
        made.place(i, now_us=0)
    made.fail("t0", now_us=0)
    counts = [len(made.moves(now_us=s * S)) for s in range(6)]
    assert counts == [10, 10, 10, 10, 10, 0]


def test_balancer_moves_keep_to_the_limit_of_the_call() -> None:
    made = balancer(targets=2, capacity=1000)
    for i in range(100):
        made.place(i, now_us=0)
    made.fail("t0", now_us=0)
    assert len(made.moves(now_us=0, limit=7)) == 7
    assert made.moves(now_us=0, limit=0) == []
    assert len(made.moves(now_us=0)) == 43


@pytest.mark.parametrize("policy", POLICIES)
def test_balancer_target_comes_back_by_degrees(policy: str) -> None:
    made = LoadBalancer(policy, config=BalancerConfig(slow_start_s=20, hold_s=5, silence_s=600), seed=2)
    for i in range(10):
        made.add_target(i, capacity=10_000, now_us=0)
    now_us = 100 * S
    made.fail(0, now_us=now_us)
    made.report(0, TargetLoad(0.0), now_us=now_us + 6 * S)
    assert made.target(0).state is TargetState.WARMING
    shares = []
    for window in range(5):
        start_us = now_us + (6 + 5 * window) * S
        made.report(0, TargetLoad(made.target(0).load, sessions=made.target(0).sessions), now_us=start_us)
        counts = Counter(made.place((window, i), now_us=start_us + i * 5000).target for i in range(1000))
        shares.append(counts[0])
    if policy == "least_loaded":
        assert shares[0] < 300  # not all 1000, which would be the least loaded to the end
    else:
        assert shares[0] < 40  # a fair share is 100 of 1000
        assert shares[0] < shares[1]
        assert sum(shares) >= 240
    assert made.target(0).state is TargetState.UP


def test_balancer_warming_target_grows_with_its_reports_only() -> None:
    made = LoadBalancer(config=BalancerConfig(slow_start_s=10, slow_start_floor=0.1, silence_s=60))
    for name in ("silent", "alive", "mute"):
        made.add_target(name, now_us=0)
    made.report("silent", TargetLoad(0.1), now_us=S)
    for s in range(1, 12):
        made.report("alive", TargetLoad(0.1), now_us=s * S)
    made.moves(now_us=12 * S)
    assert made.target("alive").ramp == made.target("mute").ramp == 1  # one that never reports grows with time
    assert made.target("silent").ramp == pytest.approx(0.1 + 0.9 * 0.1)


def test_balancer_flapping_target_is_held_longer_each_time() -> None:
    made = balancer(targets=2, config=BalancerConfig(slow_start_s=0, hold_s=5, hold_max_s=60))
    now_us, held = 1000 * S, []
    for _ in range(6):
        made.report("t0", TargetLoad(0.1, healthy=False), now_us=now_us)
        down_us = now_us
        while made.target("t0").state is not TargetState.UP:
            now_us += S
            made.report("t0", TargetLoad(0.1), now_us=now_us)
        held.append((now_us - down_us) // S)
        now_us += S
    assert held == [5, 10, 20, 40, 60, 60]
    assert made.stats().held_total == sum(held) - 6
    made.report("t0", TargetLoad(0.1, healthy=False), now_us=now_us + 61 * S)  # it was up for hold_max_s
    assert made.target("t0").failures == 1


def test_balancer_removed_target_is_forgotten_with_its_last_session() -> None:
    made = balancer(targets=2)
    for i in range(10):
        made.place(i, now_us=0)
    made.remove_target("t0")
    assert [info.target for info in made.targets()] == ["t1"]
    assert made.stats().stranded == 5
    moves = made.moves(now_us=1)
    assert [move.reason for move in moves] == [MoveReason.REMOVED] * 5
    assert made.stats().refusals == {}
    made.add_target("t0", capacity=100, now_us=2)
    assert made.target("t0").sessions == 0
    assert made.place("x", now_us=2).target == "t0"


# Drain

def test_balancer_drained_target_empties_at_its_rate_or_by_itself() -> None:
    made = balancer(targets=3)
    for i in range(90):
        made.place(i, now_us=0)
    made.drain("t0")
    made.drain("t1", moves_per_s=5)
    assert made.place("x", now_us=0).target == "t2"
    moves = [made.moves(now_us=s * S) for s in range(8)]
    assert [len(batch) for batch in moves] == [5, 5, 5, 5, 5, 5, 0, 0]
    assert {(m.source, m.target, m.reason) for batch in moves for m in batch} == {("t1", "t2", MoveReason.DRAINED)}
    assert spread(made) == {"t0": 30, "t1": 0, "t2": 61}
    made.undrain("t1")
    assert made.place("y", now_us=9 * S).target == "t1"


# Rooms

@pytest.mark.parametrize("policy", POLICIES)
def test_balancer_rooms_stay_together(policy: str) -> None:
    made = balancer(policy, 10)
    for i in range(300):
        made.place(i, room=i % 30, now_us=0)
    for room in range(30):
        assert list(made.room_targets(room).values()) == [10]
    assert made.stats().rooms == 30
    assert made.stats().placed_total[PlaceReason.ROOM] == 270
    for i in range(300):
        made.release(i)
    assert made.stats().rooms == 0
    assert made.room_targets(3) == {}


@pytest.mark.parametrize("policy", POLICIES)
def test_balancer_large_room_spills_over_and_says_whence_to_relay(policy: str) -> None:
    made = balancer(policy, 10, capacity=20)
    places = [made.place(i, room="hall", now_us=0) for i in range(100)]
    home = places[0].target
    assert places[0].relay_from is None
    assert {place.relay_from for place in places if place.target != home} == {home}
    counts = made.room_targets("hall")
    assert next(iter(counts)) == home
    assert len(counts) <= 7  # 17 each (spill_load 0.85 of 20), and no more targets than it needs
    assert made.stats().placed_total[PlaceReason.SPILLED] >= len(counts) - 1


@pytest.mark.parametrize("policy", POLICIES)
def test_balancer_room_limit_holds_while_there_are_other_targets(policy: str) -> None:
    made = balancer(policy, 5, config=BalancerConfig(slow_start_s=0, room_limit=8), capacity=1000)
    for i in range(40):
        made.place(i, room="hall", now_us=0)
    assert sorted(made.room_targets("hall").values()) == [8] * 5
    made.place("one more", room="hall", now_us=0)
    assert sum(made.room_targets("hall").values()) == 41


@pytest.mark.parametrize("policy", POLICIES)
def test_balancer_room_of_a_failed_target_finds_one_new_home(policy: str) -> None:
    made = balancer(policy, 10)
    for i in range(200):
        made.place(i, room=i % 20, now_us=0)
    gone = made.target_of(0)
    made.fail(gone, now_us=S)
    moves = made.moves(now_us=S)
    assert moves
    assert all(move.relay_from is None for move in moves)
    for room in range(20):
        assert len(made.room_targets(room)) == 1
        assert gone not in made.room_targets(room)


def test_balancer_home_of_a_room_moves_on_when_its_last_session_ends() -> None:
    made = balancer(targets=3, capacity=20)
    for i in range(25):
        made.place(i, room="hall", now_us=0)
    home, other = made.room_targets("hall")
    for i in range(25):
        if made.target_of(i) == home:
            made.release(i)
    assert list(made.room_targets("hall")) == [other]
    place = made.place("new", room="hall", now_us=0)
    assert (place.target, place.reason, place.relay_from) == (other, PlaceReason.ROOM, None)


# Evening

def test_balancer_evening_does_not_hand_one_large_session_round() -> None:
    """Half of a target of two: wherever it goes, it is far above the mean."""
    made = balancer(targets=5, capacity=2, config=BalancerConfig(slow_start_s=0, cooldown_s=0))
    made.place("large", now_us=0)
    assert made.moves(now_us=100 * S) == []


def test_balancer_evens_out_within_rate_and_stops_before_it_is_even() -> None:
    config = BalancerConfig(slow_start_s=0, rebalance_per_s=5, rebalance_gap=0.2, cooldown_s=10)
    made = balancer(targets=3, config=config)
    made.drain("t1")
    made.drain("t2")
    for i in range(60):
        made.place(i, now_us=0)
    made.undrain("t1")
    made.undrain("t2")
    assert made.moves(now_us=9 * S) == []  # all were placed less than cooldown_s ago
    counts = [len(made.moves(now_us=(10 + s) * S)) for s in range(30)]
    assert max(counts) == 5
    assert 25 <= sum(counts) <= 35  # from 0.6 down to the mean 0.2 and half of the gap
    assert counts[-10:] == [0] * 10
    assert max(spread(made).values()) - min(spread(made).values()) <= 20


@given(st.lists(st.floats(0.0, 0.94), min_size=2, max_size=12), st.integers(0, 2**32))
@settings(max_examples=60)
def test_balancer_evening_never_turns_a_session_back(loads: list[float], seed: int) -> None:
    """Each move leaves its source above its destination, and all of them come to an end."""
    config = BalancerConfig(slow_start_s=0, rebalance_per_s=1000, cooldown_s=0, silence_s=86_400)
    made = balancer(targets=len(loads), config=config, capacity=50, seed=seed)
    for i in range(len(loads)):
        others = [f"t{j}" for j in range(len(loads)) if j != i]
        for name in others:
            made.drain(name)
        for k in range(int(loads[i] * 50)):
            made.place((i, k), now_us=0)
        for name in others:
            made.undrain(name)
    moved = [made.moves(now_us=s * S) for s in range(1, 12)]
    assert moved[-1] == []
    seen = [move.session for batch in moved for move in batch]
    assert len(seen) == len(set(seen))
    mean = sum(spread(made).values()) / 50 / len(loads)
    gap = max(info.load for info in made.targets()) - mean
    assert gap <= 0.2 + 0.03


def test_balancer_evening_by_quality_does_not_move_to_worse_ways() -> None:
    config = BalancerConfig(slow_start_s=0, cooldown_s=0, rebalance_per_s=100, silence_s=600)
    targets = {}
    for policy in ("quality", "least_loaded"):
        made = balancer(policy, 3, config=config)
        made.drain("t1")
        made.drain("t2")
        for i in range(60):
            made.place(i, now_us=0)
        made.undrain("t1")
        made.undrain("t2")
        for name, loss in (("t0", 0.0), ("t1", 0.1), ("t2", 0.0)):
            made.report(name, TargetLoad(made.target(name).load, loss=loss), now_us=S)
        targets[policy] = {move.target for move in made.moves(now_us=100 * S)}
    assert targets == {"quality": {"t2"}, "least_loaded": {"t1", "t2"}}


def test_balancer_evening_fills_a_warming_target_by_degrees() -> None:
    config = BalancerConfig(slow_start_s=100, slow_start_floor=0.1, cooldown_s=0, rebalance_per_s=1000)
    made = balancer(targets=2, config=config)
    made.drain("t1")
    for i in range(80):
        made.place(i, now_us=0)
    made.undrain("t1")
    assert len(made.moves(now_us=S)) <= 5
    assert 5 < len(made.moves(now_us=60 * S)) <= 40


def test_balancer_evening_says_whence_to_relay() -> None:
    """A room of two, one of them alone on a full target: it may go on, and its home stays where it is."""
    made = balancer(targets=3, capacity=20, config=BalancerConfig(slow_start_s=0, cooldown_s=0, room_limit=1))
    made.drain("t2")
    made.place("first", room="hall", now_us=0)
    made.place("second", room="hall", now_us=0)
    home, full = made.room_targets("hall")
    made.drain(home)
    for i in range(12):
        made.place(i, now_us=0)
    made.undrain("t2")
    moves = made.moves(now_us=100 * S)
    assert moves[0][:3] == ("second", full, "t2")
    assert moves[0].relay_from == home
    assert {move.relay_from for move in moves[1:]} == {None}


def test_balancer_evening_leaves_rooms_together() -> None:
    made = balancer(targets=2, config=BalancerConfig(slow_start_s=0, cooldown_s=0))
    for i in range(60):
        made.place(i, room="hall", now_us=0)
    assert made.moves(now_us=100 * S) == []


# Structures

@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 50)), max_size=60))
def test_weight_tree_is_a_list_of_weights(changes: list[tuple[int, int]]) -> None:
    tree, plain = WeightTree(), [0] * 64
    for slot, weight in changes:
        tree.set(slot, weight)
        plain[slot] = weight
    assert tree.total == sum(plain)
    assert [tree[slot] for slot in range(64)] == plain
    assert Counter(tree.find(number) for number in range(tree.total)) == Counter(
        {slot: weight for slot, weight in enumerate(plain) if weight})


@pytest.mark.parametrize("seed", range(5))
def test_heap_gives_targets_in_order_after_it_was_cleared(seed: int) -> None:
    random, heap, keys = Random(seed), _Heap(), {}
    targets = [Target(i, i, 1.0, None, AT_ONCE, 0) for i in range(300)]
    for target in random.choices(targets, k=3000):
        heap.targets.add(target)
        keys[target] = random.random()
        heap.push(keys[target], 0, target)
    assert len(heap.entries) <= 2 * 300 + 65
    for target, key in sorted(keys.items(), key=lambda item: item[1]):
        assert heap.first() == (key, target)
        heap.remove(target)
    assert heap.first() is None


@pytest.mark.parametrize("policy", POLICIES)
def test_balancer_choice_does_not_grow_with_what_came_and_went(policy: str) -> None:
    """Heaps are cleared of what is out of date: 20 000 changes of 10 targets leave nothing behind."""
    made = balancer(policy, 10)
    for i in range(10_000):
        made.place(i, now_us=i)
        made.release(i)
    heap = getattr(made._roster.picker, "_heap", None)
    assert heap is None or len(heap.entries) <= 2 * 10 + 65


def test_balancer_least_loaded_is_the_least_after_many_changes() -> None:
    random, made = Random(4), balancer("least_loaded", 60, capacity=1000)
    for i in range(1500):
        name = f"t{random.randrange(60)}"
        made.report(name, TargetLoad(random.random() * 0.9), now_us=i)
        least = min(info.load for info in made.targets())
        assert made.place(i, now_us=i).load == least


class AgainstModel(RuleBasedStateMachine):
    """Any order of calls: who may be chosen is as the plain model says, and books agree."""

    @initialize(policy=st.sampled_from(POLICIES), seed=st.integers(0, 99))
    def begin(self, policy: str, seed: int) -> None:
        self.random = Random(seed)
        self.config = BalancerConfig(slow_start_s=0, silence_s=10, hold_s=3, hold_max_s=20, max_load=0.9,
                                     rebalance_per_s=0, replace_per_s=1e6, others_alike=False)
        self.made = LoadBalancer(policy, config=self.config, seed=seed)
        self.model = PlainBalancer(10 * S, 3 * S, 20 * S, 0.9)
        self.policy, self.now_us, self.names, self.placed = policy, 0, 0, 0

    def some_target(self) -> str:
        return self.random.choice(sorted(self.model.targets))

    @rule(capacity=st.sampled_from([None, 3, 10, 40]))
    def add(self, capacity: int | None) -> None:
        self.names += 1
        name = f"t{self.names:03}"
        self.made.add_target(name, capacity=capacity, now_us=self.now_us)
        self.model.targets[name] = PlainTarget(capacity, 1 / capacity if capacity else 0.001, up_since_us=self.now_us)

    @rule(us=st.integers(0, 6 * S))
    def wait(self, us: int) -> None:
        self.now_us += us

    @precondition(lambda self: self.model.targets)
    @rule(load=st.floats(0, 1.2), sessions=st.integers(0, 40), healthy=st.sampled_from([True, True, True, False]))
    def report(self, load: float, sessions: int, healthy: bool) -> None:
        name = self.some_target()
        self.made.report(name, TargetLoad(load, sessions=sessions, healthy=healthy), now_us=self.now_us)
        self.model.report(self.model.targets[name], load, sessions, healthy, self.now_us)

    @precondition(lambda self: self.model.targets)
    @rule(on=st.booleans())
    def drain(self, on: bool) -> None:
        name = self.some_target()
        self.made.drain(name) if on else self.made.undrain(name)
        self.model.targets[name].draining = on

    @rule(n=st.integers(1, 5))
    def place(self, n: int) -> None:
        for _ in range(n):
            allowed = self.model.open(self.now_us)
            self.placed += 1
            if not allowed:
                with pytest.raises(errors.NoTargetError):
                    self.made.place(self.placed, now_us=self.now_us)
                continue
            place = self.made.place(self.placed, now_us=self.now_us)
            assert place.target in allowed
            chosen = self.model.targets[place.target]
            assert place.load == pytest.approx(chosen.projected())
            if self.policy == "least_loaded":
                least = min(self.model.targets[name].projected() for name in allowed)
                assert chosen.projected() == pytest.approx(least)
            chosen.sessions.append(self.placed)
            chosen.count(1)

    @rule()
    def release(self) -> None:
        held = sorted(s for t in self.model.targets.values() for s in t.sessions)  # type: ignore[type-var]
        if not held:
            assert self.made.release("nobody") is False
            return
        session = self.random.choice(held)
        assert self.made.release(session)
        for t in self.model.targets.values():
            if session in t.sessions:
                t.sessions.remove(session)
                t.count(-1)

    @rule()
    def moves(self) -> None:
        allowed = self.model.open(self.now_us)
        for move in self.made.moves(now_us=self.now_us):
            source, target = self.model.targets[move.source], self.model.targets[move.target]
            source.sessions.remove(move.session)
            source.count(-1)
            target.sessions.append(move.session)
            target.count(1)
            assert move.target in allowed
            allowed = self.model.open(self.now_us)

    @invariant()
    def books_agree(self) -> None:
        if not hasattr(self, "made"):
            return
        counts = {name: len(t.sessions) for name, t in self.model.targets.items()}
        assert {info.target: info.sessions for info in self.made.targets()} == counts
        stats = self.made.stats()
        assert stats.sessions == len(self.made) == sum(counts.values())
        assert stats.open == sum(info.refusal is None for info in self.made.targets())
        assert sum(stats.placed_total.values()) - stats.released_total == stats.sessions


AgainstModel.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestAgainstModel = AgainstModel.TestCase
