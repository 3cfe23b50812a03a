"""Routing policy: who gets what, and where. It decides; the router and the engine carry it out (docs/routing.md)."""
from __future__ import annotations

from arcrtc.errors import NoTargetError, RouteLoopError
from arcrtc.routing.balancer import LoadBalancer
from arcrtc.routing.config import RouteConfig, SourceConfig, TrackConfig
from arcrtc.routing.loads import BalancerConfig, Refusal, TargetInfo, TargetLoad, TargetState, call_quality
from arcrtc.routing.pickers import Policy
from arcrtc.routing.placing import BalancerStats, Move, MoveReason, Placement, PlaceReason

__all__ = [
    "BalancerConfig",
    "BalancerStats",
    "LoadBalancer",
    "Move",
    "MoveReason",
    "NoTargetError",
    "PlaceReason",
    "Placement",
    "Policy",
    "Refusal",
    "RouteConfig",
    "RouteLoopError",
    "SourceConfig",
    "TargetInfo",
    "TargetLoad",
    "TargetState",
    "TrackConfig",
    "call_quality",
]
