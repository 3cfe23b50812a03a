"""Audio: frames, the Opus pipeline, and what measures both."""
from __future__ import annotations

from arcrtc.audio.align import Alignment, align, overlap, rms_dbfs, segmental_snr
from arcrtc.audio.config import AudioConfig
from arcrtc.audio.frame import AudioFrame, audio_level
from arcrtc.audio.pipeline import AudioPipeline, AudioStats

__all__ = [
    "Alignment",
    "AudioConfig",
    "AudioFrame",
    "AudioPipeline",
    "AudioStats",
    "align",
    "audio_level",
    "overlap",
    "rms_dbfs",
    "segmental_snr",
]
