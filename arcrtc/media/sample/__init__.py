"""The clip that is shipped with the package; README.md says where it comes from."""
from __future__ import annotations

from pathlib import Path


def sample_path() -> Path:
    """Path of the sample clip: 5.28 s of H.264 640x360 at 25 frames/s with speech."""
    return Path(__file__).with_name("clip.mp4")
