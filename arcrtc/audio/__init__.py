"""Audio: frames, the Opus pipeline, and what measures both."""
from __future__ import annotations

from arcrtc.audio.activity import VoiceActivityDetector
from arcrtc.audio.align import Alignment, align, overlap, rms_dbfs, segmental_snr
from arcrtc.audio.config import AudioConfig
from arcrtc.audio.emodel import Rating, VoicePath, mos_of_r, r_of_mos, rate, rate_wideband
from arcrtc.audio.equipment import Equipment, equipment
from arcrtc.audio.figures import AudioFigures, QualityMeter
from arcrtc.audio.frame import AudioFrame, audio_level
from arcrtc.audio.mixer import AudioMixer
from arcrtc.audio.pipeline import AudioPipeline, AudioStats
from arcrtc.audio.resampler import Resampler
from arcrtc.audio.voice import VoiceBlock, VoiceConfig, VoiceKind, VoiceProfile, VoiceReceiver, VoiceStats

__all__ = [
    "Alignment",
    "AudioConfig",
    "AudioFigures",
    "AudioFrame",
    "AudioMixer",
    "AudioPipeline",
    "AudioStats",
    "Equipment",
    "QualityMeter",
    "Rating",
    "Resampler",
    "VoiceActivityDetector",
    "VoiceBlock",
    "VoiceConfig",
    "VoiceKind",
    "VoicePath",
    "VoiceProfile",
    "VoiceReceiver",
    "VoiceStats",
    "align",
    "audio_level",
    "equipment",
    "mos_of_r",
    "overlap",
    "r_of_mos",
    "rate",
    "rate_wideband",
    "rms_dbfs",
    "segmental_snr",
]
