"""Streams of a node: who sends what under which SSRC, and in which state it is."""
from __future__ import annotations

from arcrtc.streams.manager import StreamEvent, StreamManager, StreamManagerStats
from arcrtc.streams.stream import TRANSITIONS, MediaType, Stream, StreamConfig, StreamState

__all__ = [
    "TRANSITIONS",
    "MediaType",
    "Stream",
    "StreamConfig",
    "StreamEvent",
    "StreamManager",
    "StreamManagerStats",
    "StreamState",
]
