"""Files in and out through PyAV: what a call sends, and the recording of what it received.

The only package that imports PyAV. Clocks and threads are allowed here; nothing
here runs on the packet path.
"""
from __future__ import annotations

from arcrtc.media.frames import ColorMatrix, MediaAudio, MediaFrame, MediaVideo
from arcrtc.media.sample import sample_path
from arcrtc.media.source import MediaSource, open_media
from arcrtc.media.writer import AudioTrack, MediaWriter, VideoTrack

__all__ = [
    "AudioTrack",
    "ColorMatrix",
    "MediaAudio",
    "MediaFrame",
    "MediaSource",
    "MediaVideo",
    "MediaWriter",
    "VideoTrack",
    "open_media",
    "sample_path",
]
