"""Seeded network emulation: links, plans, virtual time, and a relay for real sockets."""
from __future__ import annotations

from arcrtc.sim.capture import Capture, Captured, read_capture
from arcrtc.sim.config import LinkConfig
from arcrtc.sim.effects import GilbertElliott, RateTrace
from arcrtc.sim.fleet import Fleet, FleetConfig, FleetResult, Placer
from arcrtc.sim.link import NEVER_US, Decision, Link, LinkStats
from arcrtc.sim.plan import PRESETS, NetworkPlan
from arcrtc.sim.relay import Relay, RelayStats
from arcrtc.sim.world import Endpoint, Route, World

__all__ = [
    "NEVER_US",
    "PRESETS",
    "Capture",
    "Captured",
    "Decision",
    "Endpoint",
    "Fleet",
    "FleetConfig",
    "FleetResult",
    "GilbertElliott",
    "Link",
    "LinkConfig",
    "LinkStats",
    "NetworkPlan",
    "Placer",
    "RateTrace",
    "Relay",
    "RelayStats",
    "Route",
    "World",
    "read_capture",
]
