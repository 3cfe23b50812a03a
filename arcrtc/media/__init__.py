"""Files and devices in and out through PyAV: what a call sends, and the recording of what it received.

The only package that imports PyAV. Clocks and threads are allowed here; nothing
here runs on the packet path.
"""
from __future__ import annotations

from arcrtc.media.devices import DeviceSource
from arcrtc.media.frames import ColorMatrix, MediaAudio, MediaFrame, MediaVideo
from arcrtc.media.pattern import TestPattern
from arcrtc.media.sample import sample_path
from arcrtc.media.sink import FrameSink
from arcrtc.media.source import MediaSource, open_media
from arcrtc.media.timecode import read_time_code
from arcrtc.media.writer import AudioTrack, MediaWriter, VideoTrack

__all__ = [
    "AudioTrack",
    "ColorMatrix",
    "DeviceSource",
    "FrameSink",
    "MediaAudio",
    "MediaFrame",
    "MediaSource",
    "MediaVideo",
    "MediaWriter",
    "TestPattern",
    "VideoTrack",
    "open_media",
    "read_time_code",
    "sample_path",
]
