"""Soak a forwarder for a while: peers come, go, change keys, die and misbehave.

    python bench/soak.py --seconds 600                # the router on an engine
    python bench/soak.py --seconds 600 --seed 7 --publishers 40 --subscribers 200

Prints what was done and found as JSON; the exit status is 1 if anything is at fault. What is
asked for stands in docs/forwarding.md.
"""
from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from arcrtc.benchmarks.routed import RouterForwarder
from arcrtc.benchmarks.soak import Forwarder, Soak, SoakConfig
from tests.model.drivenrouter import DrivenRouter
from tests.model.forwarder import PlainForwarder

#: router: on an engine; core: without one, its sockets read by Python; plain: a router in Python.
TARGETS: dict[str, Callable[[], Forwarder]] = {"router": RouterForwarder, "core": DrivenRouter,
                                               "plain": PlainForwarder}


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Soak a forwarder.")
    parser.add_argument("--target", choices=sorted(TARGETS), default="router")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--publishers", type=int, default=12)
    parser.add_argument("--subscribers", type=int, default=40)
    parser.add_argument("--operations", type=float, default=20.0, help="a second")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = arguments(argv)
    report = Soak(TARGETS[args.target], SoakConfig(
        seconds=args.seconds, seed=args.seed, publishers=args.publishers, subscribers=args.subscribers,
        operations_per_s=args.operations)).run()
    print(json.dumps(asdict(report), indent=2))
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
