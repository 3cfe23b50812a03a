"""How even loads are, and what it takes: the policies of LoadBalancer on simulated fleets.

    python bench/bench_balance.py [--nodes 10000] [--only SCENARIO] [--policies a,b] [--json FILE] [--plot FILE]
    python bench/bench_balance.py --speed

Virtual time and seeds: the same figures on every machine. Beside the four policies stand *random*, which draws a node
by its capacity and looks at no load, and *ideal*, which sees every true load without delay and takes the lowest.
Both leave failed nodes as soon as the policies do. ``--speed`` measures how long a placement takes. Progress goes to
standard error.
"""
from __future__ import annotations

import argparse
import heapq
import json
import math
import sys
import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

from arcrtc.errors import NoTargetError
from arcrtc.routing import LoadBalancer, Move, MoveReason, Placement, PlaceReason, Policy, TargetLoad
from arcrtc.sim import Fleet, FleetConfig, FleetResult, Placer

LOAD = 0.6  # mean load of every scenario, before what happens in it
DAY_S = 120  # length of a day, and of what has to go on for some time
SILENCE_US = 10_000_000
PLACERS = ("ideal", *(policy.value for policy in Policy), "random")


class Reference:
    """What random and ideal have in common: books, and failed nodes left after ten seconds of silence."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.capacities: list[int] = []
        self.highest = 0
        self.reported: dict[int, int] = {}
        self.silent: set[int] = set()
        self.home: dict[Hashable, int] = {}
        self.on: dict[int, dict[Hashable, None]] = {}

    def add_target(self, target: Hashable, *, capacity: int | None = None, now_us: int | None = None) -> None:
        assert isinstance(target, int)
        assert capacity is not None
        self.capacities.append(capacity)
        self.highest = max(self.highest, capacity)
        self.on[target] = {}

    def report(self, target: Hashable, load: TargetLoad, now_us: int | None = None) -> None:
        assert isinstance(target, int)
        self.reported[target] = now_us or 0
        self.silent.discard(target)

    def place(self, session: Hashable, room: Hashable | None = None, now_us: int | None = None) -> Placement:
        node = self.choose()
        self.home[session] = node
        self.on[node][session] = None
        return Placement(session, node, PlaceReason.LEAST_LOADED, 0.0)

    def release(self, session: Hashable) -> bool:
        del self.on[self.home.pop(session)][session]
        return True

    def moves(self, now_us: int | None = None) -> Iterator[Move]:
        now = now_us or 0
        for node, last_us in self.reported.items():
            if now - last_us >= SILENCE_US:
                self.silent.add(node)
                for session in list(self.on[node]):
                    del self.on[node][session]
                    yield Move(session, node, self.place(session).target, MoveReason.SILENT)

    def choose(self) -> int:
        raise NotImplementedError


class AtRandom(Reference):
    """By capacity, blind to loads."""

    def choose(self) -> int:
        for _ in range(1000):
            node = self.random.randrange(len(self.capacities))
            if node not in self.silent and self.random.random() * self.highest < self.capacities[node]:
                return node
        raise NoTargetError("none drawn")


class Ideal(Reference):
    """The lowest true load of all; it looks into the fleet."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.fleet: Fleet | None = None
        self.heap: list[tuple[float, float, int]] = []

    def choose(self) -> int:
        fleet = self.fleet
        assert fleet is not None
        if not self.heap:
            self.heap = [(0.0, self.random.random(), node) for node in range(len(self.capacities))]
            heapq.heapify(self.heap)
        while True:  # entries lag behind: push back what has grown, until the first one is true
            noted, _, node = self.heap[0]
            load = fleet.used[node] / fleet.capacity[node]
            if node in self.silent:
                heapq.heapreplace(self.heap, (noted + 0.05, self.random.random(), node))
            elif load > noted + 1e-9:
                heapq.heapreplace(self.heap, (load, self.random.random(), node))
            else:
                return node

    def release(self, session: Hashable) -> bool:
        node = self.home[session]
        done = super().release(session)
        assert self.fleet is not None
        heapq.heappush(self.heap, (self.fleet.used[node] / self.fleet.capacity[node], self.random.random(), node))
        if len(self.heap) > 8 * len(self.capacities):
            self.heap = [(self.fleet.used[n] / self.fleet.capacity[n], self.random.random(), n)
                         for n in range(len(self.capacities))]
            heapq.heapify(self.heap)
        return done


def capacities(nodes: int, seed: int) -> list[int]:
    """Three sizes of machine: 60 % of 60 units, 30 % of 120, 10 % of 480."""
    return Random(seed).choices([60, 120, 480], [0.6, 0.3, 0.1], k=nodes)


Scenario = Callable[[Fleet, float], FleetResult]  # (fleet, sessions a second that keep the load)


def steady(fleet: Fleet, rate: float) -> FleetResult:
    return fleet.run(60, lambda s: rate)


def diurnal(fleet: Fleet, rate: float) -> FleetResult:
    """A day in two minutes: arrivals swing by half."""
    return fleet.run(DAY_S, lambda s: rate * (1 + 0.5 * math.sin(2 * math.pi * s / DAY_S)))


def failures(fleet: Fleet, rate: float) -> FleetResult:
    """5 % of the nodes fail at once, and come back after 30 s."""
    nodes = Random(5).sample(range(len(fleet.capacity)), len(fleet.capacity) // 20)

    def at(second: int) -> None:
        if second == 10:
            fleet.fail(nodes)
        elif second == 40:
            fleet.recover(nodes)

    return fleet.run(60, lambda s: rate, at)


def flapping(fleet: Fleet, rate: float) -> FleetResult:
    """2 % of the nodes are up for 15 s and down for 15 s, all the time."""
    nodes = Random(6).sample(range(len(fleet.capacity)), len(fleet.capacity) // 50)

    def at(second: int) -> None:
        if second % 30 == 0:
            fleet.recover(nodes)
        elif second % 30 == 15:
            fleet.fail(nodes)

    return fleet.run(DAY_S, lambda s: rate, at)


def flash_crowd(fleet: Fleet, rate: float) -> FleetResult:
    """Ten times the arrivals for ten seconds."""
    return fleet.run(60, lambda s: rate * (10 if 10 <= s < 20 else 1))


#: name: (what happens, settings of the fleet, balancers)
SCENARIOS: dict[str, tuple[Scenario, dict[str, Any], int]] = {
    "steady": (steady, {}, 1),
    "diurnal": (diurnal, {}, 1),
    "failures": (failures, {}, 1),
    "flapping": (flapping, {}, 1),
    "flash crowd": (flash_crowd, {}, 1),
    "stale, 8 balancers": (steady, {"report_s": 9.0, "report_delay_s": 6.0, "session_s": 100.0}, 8),
    "every fourth way bad": (steady, {"ways": (*[(0.0, 40.0, 3.0)] * 3, (0.03, 250.0, 20.0))}, 1),
    "rooms of 8": (steady, {"room_size": 8.0}, 1),
}


def make_placer(name: str, seed: int) -> Placer:
    if name == "random":
        return AtRandom(seed)
    return Ideal(seed) if name == "ideal" else LoadBalancer(name, seed=seed)


def run(scenario: str, placer: str, nodes: int, seed: int = 1) -> FleetResult:
    """One fleet, one placer."""
    happening, settings, balancers = SCENARIOS[scenario]
    config = FleetConfig(capacities=capacities(nodes, seed), seed=seed, **settings)
    placers = [make_placer(placer, seed + i) for i in range(1 if placer == "ideal" else balancers)]
    fleet = Fleet(config, placers)
    for one in placers:
        if isinstance(one, Ideal):
            one.fleet = fleet
    fleet.fill(LOAD)
    return happening(fleet, config.sessions_at(LOAD) / config.session_s)


COLUMNS = {"max_to_mean": "max/mean", "worst_max_to_mean": "worst", "p99_to_mean": "p99/mean", "jain": "Jain",
           "quality": "quality", "overloaded": "overloaded", "placed": "placed", "rejected": "rejected",
           "misplaced": "on failed", "moved": "moved", "cut_off": "cut off", "outage_s": "outage s",
           "relayed": "relayed"}


def cell(name: str, value: float) -> str:
    if name in ("overloaded", "relayed"):
        return f"{100 * value:.2f} %"
    if isinstance(value, int):
        return f"{value:,}".replace(",", " ")
    return f"{value:.3f}" if name in ("jain", "quality") else f"{value:.2f}"


def tables(results: dict[str, dict[str, FleetResult]]) -> str:
    """Markdown, without columns in which all are alike."""
    lines = []
    for scenario, by_placer in results.items():
        cells = {name: [cell(name, getattr(result, name)) for result in by_placer.values()] for name in COLUMNS}
        shown = [name for name in COLUMNS if len(set(cells[name])) > 1]
        placed = " to ".join(dict.fromkeys((min(cells["placed"]), max(cells["placed"]))))
        lines += [f"### {scenario}: {placed} sessions placed", ""]
        lines += ["| | " + " | ".join(COLUMNS[name] for name in shown) + " |", "|---" * (len(shown) + 1) + "|"]
        lines += [f"| {placer} | " + " | ".join(cells[name][i] for name in shown) + " |"
                  for i, placer in enumerate(by_placer)]
        lines.append("")
    return "\n".join(lines)


def plot(results: dict[str, dict[str, FleetResult]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = [name for name in results if name not in ("rooms of 8", "every fourth way bad")]
    figure, axes = plt.subplots(1, 2, figsize=(11, 3.6), width_ratios=(4, 1))
    placers = list(next(iter(results.values())))
    for i, placer in enumerate(placers):
        xs = [n + (i - len(placers) / 2 + 0.5) * 0.8 / len(placers) for n in range(len(names))]
        axes[0].bar(xs, [results[n][placer].p99_to_mean for n in names], 0.8 / len(placers), label=placer)
    axes[0].set_xticks(range(len(names)), [n.replace(", ", ",\n") for n in names])
    axes[0].set_ylim(1, None)
    axes[0].set_ylabel("load that 1 % exceed, to mean")
    axes[0].legend(fontsize=8)
    if "flapping" in results:
        axes[1].bar(placers, [results["flapping"][p].cut_off / 1000 for p in placers],
                    color=[f"C{i}" for i in range(len(placers))])
        axes[1].tick_params(axis="x", rotation=60)
        axes[1].set_ylabel("cut off by flapping, thousands")
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="y", alpha=0.3)
        ax.set_axisbelow(True)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def speed(nodes: int, placements: int) -> dict[str, dict[str, float]]:
    """Microseconds of CPU time for each call, on a fleet of the usual sizes."""
    found = {}
    for policy in Policy:
        made = LoadBalancer(policy, seed=1)
        for node, capacity in enumerate(capacities(nodes, 1)):
            made.add_target(node, capacity=capacity * 10, now_us=0)
        times = {}
        for what, calls in (
                ("place", lambda m=made: [m.place(i, now_us=i) for i in range(placements)]),
                ("report", lambda m=made: [m.report(i % nodes, TargetLoad(0.5, sessions=90), now_us=placements + i)
                                           for i in range(nodes)]),
                ("release", lambda m=made: [m.release(i) for i in range(placements)])):
            start = time.process_time_ns()
            n = len(calls())
            times[what] = (time.process_time_ns() - start) / 1000 / n
        start = time.process_time_ns()
        made.moves(now_us=placements + nodes)
        times["moves"] = (time.process_time_ns() - start) / 1000
        found[policy.value] = times
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--only", choices=list(SCENARIOS), action="append")
    parser.add_argument("--policies", default=",".join(PLACERS))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--placements", type=int, default=1_000_000)
    args = parser.parse_args()
    if args.speed:
        print(f"| {args.nodes} targets, {args.placements} placements | place us | report us | release us | moves ms |")
        print("|---|---|---|---|---|")
        for policy, times in speed(args.nodes, args.placements).items():
            print(f"| {policy} | {times['place']:.1f} | {times['report']:.1f} | {times['release']:.1f} | "
                  f"{times['moves'] / 1000:.1f} |")
        return 0
    results: dict[str, dict[str, FleetResult]] = {}
    for scenario in args.only or SCENARIOS:
        for placer in args.policies.split(","):
            start = time.process_time()
            results.setdefault(scenario, {})[placer] = run(scenario, placer, args.nodes)
            print(f"{scenario}, {placer}: {time.process_time() - start:.0f} s", file=sys.stderr)
    print(tables(results))
    if args.json:
        args.json.write_text(json.dumps({s: {p: asdict(r) for p, r in by.items()} for s, by in results.items()}))
    if args.plot:
        plot(results, args.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
