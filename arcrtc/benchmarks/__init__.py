"""Microbenchmarks of the core and of the Python API: ``arcrtc bench``.

One file a group, named like the first word of its benchmarks. Each benchmark is a
function marked with :func:`~arcrtc.benchmarks.registry.benchmark` that prepares its
work and returns it; :mod:`~arcrtc.benchmarks.runner` measures it beside its peer.
"""
from __future__ import annotations

from arcrtc.benchmarks.registry import Benchmark, Meter, Peer, Unavailable, Work, benchmark, select
from arcrtc.benchmarks.runner import Effort, Result, measure

__all__ = ["Benchmark", "Effort", "Meter", "Peer", "Result", "Unavailable", "Work", "benchmark", "measure", "select"]
