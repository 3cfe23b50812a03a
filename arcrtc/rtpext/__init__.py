"""Typed RTP header extensions.

    extension_map = ExtensionMap({1: AudioLevel.URI, 3: TransportSequenceNumber.URI})
    extension_map.set(packet.header, AudioLevel(-42, voice=True))
    level = extension_map.get(packet.header, AudioLevel)

Each type knows its ``URI``; values out of range are refused when they are made
(ArgumentError), malformed bytes when they are read (ParseError).
"""
from __future__ import annotations

from arcrtc.rtpext.base import ExtensionValue
from arcrtc.rtpext.depdesc import (
    DEPENDENCY_DESCRIPTOR_URI,
    DependencyDescriptor,
    DependencyReader,
    DependencyStructure,
    Dti,
    FrameDependencies,
)
from arcrtc.rtpext.extmap import ExtensionMap
from arcrtc.rtpext.layers import SpatialLayer, VideoLayersAllocation
from arcrtc.rtpext.values import (
    AbsCaptureTime,
    AbsSendTime,
    AudioLevel,
    FeedbackRequest,
    Mid,
    MixerAudioLevels,
    RepairedRtpStreamId,
    RtpStreamId,
    TransmissionOffset,
    TransportSequenceNumber,
    TransportSequenceNumber02,
)
from arcrtc.rtpext.video import ColorSpace, HdrMetadata, PlayoutDelay, VideoOrientation

__all__ = [
    "DEPENDENCY_DESCRIPTOR_URI",
    "AbsCaptureTime",
    "AbsSendTime",
    "AudioLevel",
    "ColorSpace",
    "DependencyDescriptor",
    "DependencyReader",
    "DependencyStructure",
    "Dti",
    "ExtensionMap",
    "ExtensionValue",
    "FeedbackRequest",
    "FrameDependencies",
    "HdrMetadata",
    "Mid",
    "MixerAudioLevels",
    "PlayoutDelay",
    "RepairedRtpStreamId",
    "RtpStreamId",
    "SpatialLayer",
    "TransmissionOffset",
    "TransportSequenceNumber",
    "TransportSequenceNumber02",
    "VideoLayersAllocation",
    "VideoOrientation",
]
