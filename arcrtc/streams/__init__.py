"""Streams of a node: who sends what under which SSRC, and in which state it is."""
from __future__ import annotations

from arcrtc.streams.manager import StreamEvent, StreamManager, StreamManagerStats
from arcrtc.streams.stream import TRANSITIONS, MediaType, Stream, StreamConfig, StreamState
from arcrtc.streams.table import MEDIA_TYPES, STATES, TABLE_DTYPE
from arcrtc.streamtables import W3C_NAMES

__all__ = [
    "MEDIA_TYPES",
    "STATES",
    "TABLE_DTYPE",
    "TRANSITIONS",
    "W3C_NAMES",
    "MediaType",
    "Stream",
    "StreamConfig",
    "StreamEvent",
    "StreamManager",
    "StreamManagerStats",
    "StreamState",
]
