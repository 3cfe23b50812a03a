"""Video: frames, encoders, decoders, payload format, and measures of quality."""
from __future__ import annotations

from arcrtc.video.config import VideoCodec, VideoConfig, VideoContent, VideoResolution
from arcrtc.video.decoders import (
    DecodeEvent,
    DecodeFault,
    DecoderInfo,
    DecoderStats,
    VideoDecoder,
    list_decoders,
)
from arcrtc.video.encoders import EncoderInfo, choose, list_encoders, probe
from arcrtc.video.frame import VideoFrame
from arcrtc.video.parameters import (
    Av1Parameters,
    H264Parameters,
    Vp8Parameters,
    Vp9Parameters,
    video_parameters,
)
from arcrtc.video.payload import VideoDepacketizer, VideoPacketizer, VideoPayload
from arcrtc.video.pipeline import EncodedFrame, EncodedLayer, VideoPipeline
from arcrtc.video.plc import ConcealMethod, VideoPlc, VideoPlcConfig, VideoPlcStats
from arcrtc.video.quality import psnr, ssim
from arcrtc.video.simulcast import SimulcastEncoder

__all__ = [
    "Av1Parameters",
    "ConcealMethod",
    "DecodeEvent",
    "DecodeFault",
    "DecoderInfo",
    "DecoderStats",
    "EncodedFrame",
    "EncodedLayer",
    "EncoderInfo",
    "H264Parameters",
    "SimulcastEncoder",
    "VideoCodec",
    "VideoConfig",
    "VideoContent",
    "VideoDecoder",
    "VideoDepacketizer",
    "VideoFrame",
    "VideoPacketizer",
    "VideoPayload",
    "VideoPipeline",
    "VideoPlc",
    "VideoPlcConfig",
    "VideoPlcStats",
    "VideoResolution",
    "Vp8Parameters",
    "Vp9Parameters",
    "choose",
    "list_decoders",
    "list_encoders",
    "probe",
    "psnr",
    "ssim",
    "video_parameters",
]
