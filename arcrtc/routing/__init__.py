"""Routing policy: who gets what, and where. It decides; the router and the engine carry it out."""
from __future__ import annotations

from arcrtc.routing.config import RouteConfig, SourceConfig, TrackConfig

__all__ = [
    "RouteConfig",
    "SourceConfig",
    "TrackConfig",
]
