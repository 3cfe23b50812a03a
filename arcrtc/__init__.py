"""arcrtc: real-time media engine. C moves packets and samples; Python decides.

Names are loaded when they are first used, so that ``import arcrtc`` and the command
line start quickly and a program pays only for what it needs.
"""
from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from arcrtc.adaptation import AdaptiveBitrateConfig, AdaptiveBitrateController
    from arcrtc.audio import AudioConfig, AudioFrame, AudioPipeline
    from arcrtc.config import SessionConfig
    from arcrtc.engine import Engine
    from arcrtc.errors import (
        ArcError,
        ArgumentError,
        AuthenticationError,
        BackpressureError,
        BufferSpaceError,
        ClosedError,
        CodecError,
        ConfigError,
        InvalidTransitionError,
        KeyExistsError,
        KeyNotFoundError,
        KeyStoreError,
        KeyStoreFault,
        KeyStorePermissionError,
        LibraryError,
        LimitError,
        MediaError,
        NegotiationError,
        NoMemoryError,
        NoTargetError,
        PacketTooLargeError,
        ParseError,
        ReplayError,
        RouteLoopError,
        SimulationError,
        SsrcCollisionError,
        StreamNotFoundError,
        TransportError,
        UnsupportedError,
    )
    from arcrtc.events import Concealment, EngineEvent, Event, EventType, ReceivedFrame, SentFrame, SessionStats
    from arcrtc.fec import FecConfig, FecDecoder, FecEncoder, FecFormat
    from arcrtc.handles import AudioSender, Receiver, VideoSender
    from arcrtc.jitter import JitterBuffer, JitterBufferConfig, JitterBufferStats
    from arcrtc.metrics import NetworkMetrics
    from arcrtc.nack import NackConfig, NackGenerator
    from arcrtc.peer import Peer
    from arcrtc.routing import LoadBalancer, PacketRouter
    from arcrtc.rtcp import (
        App,
        CongestionControlFeedback,
        DelaySinceLastReceiverReport,
        ExtendedReport,
        FullIntraRequest,
        GenericNack,
        Goodbye,
        LossRle,
        PictureLossIndication,
        ReceiverReferenceTime,
        ReceiverReport,
        ReferencePictureSelection,
        Remb,
        ReportBlock,
        RtcpPacket,
        SdesChunk,
        SenderReport,
        SliceLossIndication,
        SourceDescription,
        StatisticsSummary,
        TemporaryMaxBitrateNotification,
        TemporaryMaxBitrateRequest,
        TransportFeedback,
        UnknownRtcp,
        VoipMetrics,
    )
    from arcrtc.rtp import RtpHeader, RtpPacket
    from arcrtc.rtpbatch import RtpBatch
    from arcrtc.rtpext import ExtensionMap
    from arcrtc.session import Session
    from arcrtc.srtp import KeyEvent, KeyEventType, PacketBatch, SrtpConfig, SrtpPipeline, SrtpProfile, SrtpStats
    from arcrtc.streams import MediaType, StreamConfig, StreamManager, StreamState
    from arcrtc.video import EncodedFrame, VideoCodec, VideoConfig, VideoFrame, VideoPipeline, VideoResolution

__version__ = "0.1.0"

_MODULES: Final = {
    "adaptation": ("AdaptiveBitrateConfig", "AdaptiveBitrateController"),
    "audio": ("AudioConfig", "AudioFrame", "AudioPipeline"),
    "config": ("SessionConfig",),
    "engine": ("Engine",),
    "errors": (
        "ArcError", "ArgumentError", "AuthenticationError", "BackpressureError", "BufferSpaceError", "ClosedError",
        "CodecError", "ConfigError", "InvalidTransitionError", "KeyExistsError", "KeyNotFoundError", "KeyStoreError",
        "KeyStoreFault", "KeyStorePermissionError", "LibraryError", "LimitError", "MediaError", "NegotiationError",
        "NoMemoryError", "NoTargetError", "PacketTooLargeError", "ParseError", "ReplayError", "RouteLoopError",
        "SimulationError", "SsrcCollisionError", "StreamNotFoundError", "TransportError", "UnsupportedError"),
    "events": ("Concealment", "EngineEvent", "Event", "EventType", "ReceivedFrame", "SentFrame", "SessionStats"),
    "fec": ("FecConfig", "FecDecoder", "FecEncoder", "FecFormat"),
    "handles": ("AudioSender", "Receiver", "VideoSender"),
    "jitter": ("JitterBuffer", "JitterBufferConfig", "JitterBufferStats"),
    "metrics": ("NetworkMetrics",),
    "nack": ("NackConfig", "NackGenerator"),
    "peer": ("Peer",),
    "routing": ("LoadBalancer", "PacketRouter"),
    "rtcp": (
        "App", "CongestionControlFeedback", "DelaySinceLastReceiverReport", "ExtendedReport",
        "FullIntraRequest", "GenericNack", "Goodbye", "LossRle", "PictureLossIndication",
        "ReceiverReferenceTime", "ReceiverReport", "ReferencePictureSelection", "Remb", "ReportBlock",
        "RtcpPacket", "SdesChunk", "SenderReport", "SliceLossIndication", "SourceDescription",
        "StatisticsSummary", "TemporaryMaxBitrateNotification", "TemporaryMaxBitrateRequest",
        "TransportFeedback", "UnknownRtcp", "VoipMetrics"),
    "rtp": ("RtpHeader", "RtpPacket"),
    "rtpbatch": ("RtpBatch",),
    "rtpext": ("ExtensionMap",),
    "session": ("Session",),
    "srtp": ("KeyEvent", "KeyEventType", "PacketBatch", "SrtpConfig", "SrtpPipeline", "SrtpProfile", "SrtpStats"),
    "streams": ("MediaType", "StreamConfig", "StreamManager", "StreamState"),
    "video": ("EncodedFrame", "VideoCodec", "VideoConfig", "VideoFrame", "VideoPipeline", "VideoResolution"),
}
_HOME: Final = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "AdaptiveBitrateConfig",
    "AdaptiveBitrateController",
    "App",
    "ArcError",
    "ArgumentError",
    "AudioConfig",
    "AudioFrame",
    "AudioPipeline",
    "AudioSender",
    "AuthenticationError",
    "BackpressureError",
    "BufferSpaceError",
    "ClosedError",
    "CodecError",
    "Concealment",
    "ConfigError",
    "CongestionControlFeedback",
    "DelaySinceLastReceiverReport",
    "EncodedFrame",
    "Engine",
    "EngineEvent",
    "Event",
    "EventType",
    "ExtendedReport",
    "ExtensionMap",
    "FecConfig",
    "FecDecoder",
    "FecEncoder",
    "FecFormat",
    "FullIntraRequest",
    "GenericNack",
    "Goodbye",
    "InvalidTransitionError",
    "JitterBuffer",
    "JitterBufferConfig",
    "JitterBufferStats",
    "KeyEvent",
    "KeyEventType",
    "KeyExistsError",
    "KeyNotFoundError",
    "KeyStoreError",
    "KeyStoreFault",
    "KeyStorePermissionError",
    "LibraryError",
    "LimitError",
    "LoadBalancer",
    "LossRle",
    "MediaError",
    "MediaType",
    "NackConfig",
    "NackGenerator",
    "NegotiationError",
    "NetworkMetrics",
    "NoMemoryError",
    "NoTargetError",
    "PacketBatch",
    "PacketRouter",
    "PacketTooLargeError",
    "ParseError",
    "Peer",
    "PictureLossIndication",
    "ReceivedFrame",
    "Receiver",
    "ReceiverReferenceTime",
    "ReceiverReport",
    "ReferencePictureSelection",
    "Remb",
    "ReplayError",
    "ReportBlock",
    "RouteLoopError",
    "RtcpPacket",
    "RtpBatch",
    "RtpHeader",
    "RtpPacket",
    "SdesChunk",
    "SenderReport",
    "SentFrame",
    "Session",
    "SessionConfig",
    "SessionStats",
    "SimulationError",
    "SliceLossIndication",
    "SourceDescription",
    "SrtpConfig",
    "SrtpPipeline",
    "SrtpProfile",
    "SrtpStats",
    "SsrcCollisionError",
    "StatisticsSummary",
    "StreamConfig",
    "StreamManager",
    "StreamNotFoundError",
    "StreamState",
    "TemporaryMaxBitrateNotification",
    "TemporaryMaxBitrateRequest",
    "TransportError",
    "TransportFeedback",
    "UnknownRtcp",
    "UnsupportedError",
    "VideoCodec",
    "VideoConfig",
    "VideoFrame",
    "VideoPipeline",
    "VideoResolution",
    "VideoSender",
    "VoipMetrics",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'arcrtc' has no attribute {name!r}")
    value = getattr(import_module(f"arcrtc.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
