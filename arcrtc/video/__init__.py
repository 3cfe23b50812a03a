"""Video: frames, encoders, decoders, payload format, and measures of quality."""
from __future__ import annotations

from arcrtc.video.config import VideoCodec, VideoConfig, VideoResolution
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
from arcrtc.video.pipeline import EncodedFrame, VideoPipeline
from arcrtc.video.plc import ConcealMethod, VideoPlc, VideoPlcConfig, VideoPlcStats
from arcrtc.video.quality import psnr, ssim

__all__ = [
    "ConcealMethod",
    "DecodeEvent",
    "DecodeFault",
    "DecoderInfo",
    "DecoderStats",
    "EncodedFrame",
    "EncoderInfo",
    "VideoCodec",
    "VideoConfig",
    "VideoDecoder",
    "VideoFrame",
    "VideoPipeline",
    "VideoPlc",
    "VideoPlcConfig",
    "VideoPlcStats",
    "VideoResolution",
    "choose",
    "list_decoders",
    "list_encoders",
    "probe",
    "psnr",
    "ssim",
]
