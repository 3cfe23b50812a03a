"""RTCP packets (C modules ``wire/rtcp`` and ``wire/rtcpfb``).

Each kind of packet is a frozen dataclass; :class:`RtcpPacket` reads and writes
compounds of them.
"""
from __future__ import annotations

from arcrtc.rtcp.base import RtcpPacket, UnknownRtcp
from arcrtc.rtcp.feedback import FullIntraRequest, GenericNack, PictureLossIndication, Remb
from arcrtc.rtcp.reports import ReceiverReport, ReportBlock, SenderReport
from arcrtc.rtcp.sources import App, Goodbye, SdesChunk, SourceDescription

__all__ = [
    "App",
    "FullIntraRequest",
    "GenericNack",
    "Goodbye",
    "PictureLossIndication",
    "ReceiverReport",
    "Remb",
    "ReportBlock",
    "RtcpPacket",
    "SdesChunk",
    "SenderReport",
    "SourceDescription",
    "UnknownRtcp",
]
