"""Routing policy: who gets what, and where. It decides; the router and the engine carry it out (docs/routing.md)."""
from __future__ import annotations

from arcrtc.errors import NoTargetError, RouteLoopError
from arcrtc.routing.actions import (
    Action,
    Layers,
    Pause,
    Publish,
    Relay,
    Resume,
    SetLayers,
    Subscribe,
    TrackKey,
    Unpublish,
    Unrelay,
    Unsubscribe,
)
from arcrtc.routing.allocation import (
    Allocation,
    LayerChoice,
    LayerPoint,
    LayerReason,
    LayerWish,
    choose_layers,
    layer_points,
)
from arcrtc.routing.applier import Applied, Failure, RoomApplier, RouteHandle, RouterLike
from arcrtc.routing.balancer import LoadBalancer
from arcrtc.routing.config import RouteConfig, SourceConfig, TrackConfig
from arcrtc.routing.handles import Leg, Route, RouterEvent, RouterEventType, Track
from arcrtc.routing.legs import LegConfig, RouterConfig
from arcrtc.routing.loads import BalancerConfig, Refusal, TargetInfo, TargetLoad, TargetState, call_quality
from arcrtc.routing.pickers import Policy
from arcrtc.routing.placing import BalancerStats, Move, MoveReason, Placement, PlaceReason
from arcrtc.routing.relays import RelayNetwork, RelayTable
from arcrtc.routing.room import Room, RoomStats
from arcrtc.routing.router import PacketRouter
from arcrtc.routing.rules import SubscriptionRule
from arcrtc.routing.topology import End, Flow, Topology, TopologyPlan, plan_topology
from arcrtc.streamtables import W3C_NAMES

__all__ = [
    "W3C_NAMES",
    "Action",
    "Allocation",
    "Applied",
    "BalancerConfig",
    "BalancerStats",
    "End",
    "Failure",
    "Flow",
    "LayerChoice",
    "LayerPoint",
    "LayerReason",
    "LayerWish",
    "Layers",
    "Leg",
    "LegConfig",
    "LoadBalancer",
    "Move",
    "MoveReason",
    "NoTargetError",
    "PacketRouter",
    "Pause",
    "PlaceReason",
    "Placement",
    "Policy",
    "Publish",
    "Refusal",
    "Relay",
    "RelayNetwork",
    "RelayTable",
    "Resume",
    "Room",
    "RoomApplier",
    "RoomStats",
    "Route",
    "RouteConfig",
    "RouteHandle",
    "RouteLoopError",
    "RouterConfig",
    "RouterEvent",
    "RouterEventType",
    "RouterLike",
    "SetLayers",
    "SourceConfig",
    "Subscribe",
    "SubscriptionRule",
    "TargetInfo",
    "TargetLoad",
    "TargetState",
    "Topology",
    "TopologyPlan",
    "Track",
    "TrackConfig",
    "TrackKey",
    "Unpublish",
    "Unrelay",
    "Unsubscribe",
    "call_quality",
    "choose_layers",
    "layer_points",
    "plan_topology",
]
