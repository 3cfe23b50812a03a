"""Seeded fleets: how even each policy keeps loads, and what failures, crowds and late reports cost. In figures."""
from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from arcrtc import LoadBalancer, errors
from arcrtc.routing import BalancerConfig, Placement, PlaceReason, Policy
from arcrtc.sim import Fleet, FleetConfig, FleetResult

POLICIES = [policy.value for policy in Policy]
SEEDS = [1, 2]
ONE_SEED = [3]
LOAD = 0.6


class AtRandom(LoadBalancer):
    """What is to be beaten: by capacity, whatever the load."""

    def add_target(self, target: Any, **values: Any) -> None:
        super().add_target(target, **values)
        self.ways = [*getattr(self, "ways", []), *[target] * (values["capacity"] // 20)]
        self.random = Random(1)

    def place(self, session: Any, room: Any = None, now_us: int | None = None) -> Placement:
        return Placement(session, self.random.choice(self.ways), PlaceReason.ROUND_ROBIN, 0.0)


def run(policy: str, seed: int, rate: Callable[[float], float] = lambda s: 1.0, *, seconds: int = 50, nodes: int = 100,
        balancers: int = 1, every_second: Callable[[Fleet, int], None] = lambda fleet, s: None,
        config: BalancerConfig | None = None, **settings: Any) -> FleetResult:
    """A fleet of three sizes of node at 60 % load; ``rate`` 1 keeps it there."""
    capacities = Random(seed).choices([60, 120, 480], [0.6, 0.3, 0.1], k=nodes)
    made = FleetConfig(capacities=capacities, seed=seed, session_s=100, **settings)
    placers = [AtRandom("round_robin", seed=seed) if policy == "random" else
               LoadBalancer(policy, config=config, seed=seed + i) for i in range(balancers)]
    fleet = Fleet(made, placers)
    fleet.fill(LOAD, 40)
    usual = made.sessions_at(LOAD) / made.session_s
    return fleet.run(seconds, lambda s: usual * rate(s), lambda s: every_second(fleet, s))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("policy", "p99_to_mean", "jain"), [
    ("least_loaded", 1.35, 0.985), ("two_choices", 1.40, 0.97), ("quality", 1.40, 0.97), ("round_robin", 1.60, 0.94)])
def test_sim_fleet_of_unequal_nodes_is_even(policy: str, p99_to_mean: float, jain: float, seed: int) -> None:
    r = run(policy, seed)
    assert r.p99_to_mean <= p99_to_mean, r
    assert r.jain >= jain, r
    assert (r.rejected, r.misplaced) == (0, 0)
    assert r.overloaded <= 0.01
    assert r.placed == pytest.approx(LOAD * 100 * 120 / 2.2 * 50 / 100, rel=0.25)


@pytest.mark.parametrize("seed", SEEDS)
def test_sim_fleet_at_random_is_not(seed: int) -> None:
    """The figures above can be missed: the same fleet without regard to load."""
    r = run("random", seed)
    assert r.p99_to_mean >= 1.6, r
    assert r.jain <= 0.94


@pytest.mark.parametrize("seed", ONE_SEED)
@pytest.mark.parametrize("policy", POLICIES)
def test_sim_fleet_loses_5_percent_of_its_nodes(policy: str, seed: int) -> None:
    gone = list(range(0, 100, 20))

    def at(fleet: Fleet, second: int) -> None:
        if second == 10:
            fleet.fail(gone)
        elif second == 40:
            fleet.recover(gone)

    r = run(policy, seed, every_second=at)
    assert r.rejected == 0
    assert 0.5 <= r.outage_s <= 11  # silence_s is 10; reports come every 5
    assert 0 < r.misplaced <= 60
    assert r.overloaded <= 0.01
    assert r.p99_to_mean <= (1.7 if policy == "round_robin" else 1.5), r


@pytest.mark.parametrize("seed", ONE_SEED)
@pytest.mark.parametrize("policy", POLICIES)
def test_sim_fleet_flapping_nodes_are_held_off(policy: str, seed: int) -> None:
    """Up for 15 s and down for 15 s: held longer each time, they have fewer sessions to lose."""
    bad = list(range(0, 100, 25))

    def at(fleet: Fleet, second: int) -> None:
        if second % 30 == 0:
            fleet.recover(bad)
        elif second % 30 == 15:
            fleet.fail(bad)

    held = run(policy, seed, seconds=120, every_second=at)
    free = run(policy, seed, seconds=120, every_second=at, config=BalancerConfig(hold_s=0, slow_start_s=0))
    assert held.cut_off <= 0.85 * free.cut_off, (held, free)


@pytest.mark.parametrize("seed", ONE_SEED)
@pytest.mark.parametrize("policy", POLICIES)
def test_sim_fleet_flash_crowd_is_spread_between_reports(policy: str, seed: int) -> None:
    """Ten times the arrivals for five seconds, as long as a node takes to report once."""
    r = run(policy, seed, lambda s: 10 if 20 <= s < 25 else 1)
    assert r.rejected == 0
    assert r.worst_max_to_mean <= (2.0 if policy == "round_robin" else 1.75), r
    assert r.overloaded <= 0.05


@pytest.mark.parametrize("seed", ONE_SEED)
@pytest.mark.parametrize("policy", ["least_loaded", "two_choices"])
def test_sim_fleet_of_balancers_that_count_each_other_does_not_run_in_herds(policy: str, seed: int) -> None:
    """Four balancers, reports 6 s late: each takes it that the others place as it does."""
    settings: dict[str, Any] = {"balancers": 4, "report_delay_s": 6.0, "report_s": 9.0}
    alike = run(policy, seed, config=BalancerConfig(rebalance_per_s=0), **settings)
    alone = run(policy, seed, config=BalancerConfig(rebalance_per_s=0, others_alike=False), **settings)
    assert alike.p99_to_mean <= 1.6, (alike, alone)
    assert policy == "two_choices" or alike.p99_to_mean < 0.9 * alone.p99_to_mean, (alike, alone)


@pytest.mark.parametrize("seed", SEEDS)
def test_sim_fleet_quality_avoids_bad_ways(seed: int) -> None:
    ways = ((0.0, 40.0, 3.0), (0.0, 40.0, 3.0), (0.0, 40.0, 3.0), (0.05, 300.0, 30.0))
    by = {policy: run(policy, seed, ways=ways) for policy in ("quality", "two_choices")}
    assert 1 - by["quality"].quality <= 0.75 * (1 - by["two_choices"].quality), by
    assert by["quality"].overloaded <= 0.01


@pytest.mark.parametrize("seed", ONE_SEED)
@pytest.mark.parametrize("policy", POLICIES)
def test_sim_fleet_rooms_stay_together_as_far_as_they_fit(policy: str, seed: int) -> None:
    r = run(policy, seed, room_size=6.0)
    assert r.relayed <= 0.25, r
    assert r.overloaded <= 0.03


def test_sim_fleet_same_seed_same_run() -> None:
    assert run("two_choices", 3, seconds=10) == run("two_choices", 3, seconds=10)
    assert run("two_choices", 3, seconds=10) != run("two_choices", 4, seconds=10)


@pytest.mark.parametrize("values", [{"capacities": []}, {"capacities": [0]}, {"report_s": 0}, {"room_size": 0.5},
                                    {"weights": {}}, {"ways": ()}])
def test_sim_fleet_config_out_of_range_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(errors.ConfigError):
        FleetConfig(**{"capacities": [10], **values})


def test_bench_balance_compares_policies_with_random_and_ideal() -> None:
    path = Path(__file__).resolve().parents[2] / "bench/bench_balance.py"
    spec = importlib.util.spec_from_file_location("bench_balance", path)
    assert spec is not None
    assert spec.loader is not None
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    results = {"failures": {placer: bench.run("failures", placer, 20) for placer in bench.PLACERS}}
    found = results["failures"]
    assert set(found) == {"ideal", *POLICIES, "random"}
    assert found["ideal"].p99_to_mean < found["two_choices"].p99_to_mean < found["random"].p99_to_mean
    assert all(result.cut_off > 0 for result in found.values())
    lines = bench.tables(results).splitlines()
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1
    assert bench.speed(20, 200).keys() == set(POLICIES)
