"""RTCP packets (the C modules of ``wire/`` named in each file).

Each kind of packet is a frozen dataclass; :class:`RtcpPacket` reads and writes
compounds of them.
"""
from __future__ import annotations

from arcrtc.rtcp.arrivals import CongestionControlFeedback, ReceivedPacket, StreamArrivals, TransportFeedback
from arcrtc.rtcp.base import RtcpPacket, UnknownRtcp
from arcrtc.rtcp.control import (
    RateLimit,
    SenderReportRequest,
    TemporaryMaxBitrateNotification,
    TemporaryMaxBitrateRequest,
    TradeOff,
    TradeOffNotification,
    TradeOffRequest,
)
from arcrtc.rtcp.feedback import (
    FullIntraRequest,
    GenericNack,
    LostSlice,
    PictureLossIndication,
    ReferencePictureSelection,
    Remb,
    SliceLossIndication,
)
from arcrtc.rtcp.reports import ReceiverReport, ReportBlock, SenderReport
from arcrtc.rtcp.sources import App, Goodbye, SdesChunk, SourceDescription
from arcrtc.rtcp.xr import (
    DelaySinceLastReceiverReport,
    ExtendedReport,
    ReceiverReferenceTime,
    UnknownXrBlock,
    XrBlock,
)
from arcrtc.rtcp.xrpackets import DuplicateRle, LossRle, PacketRange, ReceiptTimes
from arcrtc.rtcp.xrstats import (
    JitterBufferKind,
    PacketLossConcealment,
    PostRepairLoss,
    Spread,
    StatisticsSummary,
    VoipMetrics,
)

__all__ = [
    "App",
    "CongestionControlFeedback",
    "DelaySinceLastReceiverReport",
    "DuplicateRle",
    "ExtendedReport",
    "FullIntraRequest",
    "GenericNack",
    "Goodbye",
    "JitterBufferKind",
    "LossRle",
    "LostSlice",
    "PacketLossConcealment",
    "PacketRange",
    "PictureLossIndication",
    "PostRepairLoss",
    "RateLimit",
    "ReceiptTimes",
    "ReceivedPacket",
    "ReceiverReferenceTime",
    "ReceiverReport",
    "ReferencePictureSelection",
    "Remb",
    "ReportBlock",
    "RtcpPacket",
    "SdesChunk",
    "SenderReport",
    "SenderReportRequest",
    "SliceLossIndication",
    "SourceDescription",
    "Spread",
    "StatisticsSummary",
    "StreamArrivals",
    "TemporaryMaxBitrateNotification",
    "TemporaryMaxBitrateRequest",
    "TradeOff",
    "TradeOffNotification",
    "TradeOffRequest",
    "TransportFeedback",
    "UnknownRtcp",
    "UnknownXrBlock",
    "VoipMetrics",
    "XrBlock",
]
