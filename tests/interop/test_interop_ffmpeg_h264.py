"""Our H.264 read by the ffmpeg programs, and theirs read by us."""
from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from arcrtc.video import VideoConfig, VideoFrame, VideoPipeline, psnr, ssim
from tests.model.clip import clip

SIZE = (352, 288)


def run(*args: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([str(a) for a in args], capture_output=True, check=True)


def encode(path: Path, frames: list[VideoFrame], **config: object) -> None:
    pipeline = VideoPipeline(VideoConfig(**{  # type: ignore[arg-type]
        "bitrate": 600_000, "resolution": SIZE, "frame_rate": 25, "keyframe_interval": 0,
        "encoder": "libx264", **config}))
    path.write_bytes(b"".join(pipeline.encode(frame).data for frame in frames))


def probe(path: Path) -> dict[str, object]:
    out = run("ffprobe", "-v", "error", "-show_streams", "-of", "json", path).stdout
    return dict(json.loads(out)["streams"][0])


@pytest.mark.parametrize(("matrix", "space"), [("bt601", "smpte170m"), ("bt709", "bt709")])
@pytest.mark.parametrize(("full_range", "range_name"), [(False, "tv"), (True, "pc")])
def test_interop_ffprobe_reads_what_we_say(tmp_path: Path, matrix: str, space: str, full_range: bool,
                                           range_name: str) -> None:
    frames = [VideoFrame(f.data, *SIZE, f.timestamp, full_range=full_range, matrix=matrix)
              for f in clip(*SIZE, frames=5)]
    path = tmp_path / "a.h264"
    encode(path, frames)
    stream = probe(path)
    assert stream["has_b_frames"] == 0
    assert stream["profile"] == "High"
    assert (stream["width"], stream["height"], stream["pix_fmt"].removeprefix("yuvj420p")) in (  # type: ignore[attr-defined]
        (*SIZE, "yuv420p"), (*SIZE, ""))
    assert stream["color_range"] == range_name
    assert {stream[key] for key in ("color_space", "color_transfer", "color_primaries")} == {space}


def test_interop_ffmpeg_decodes_our_stream_to_our_pictures(tmp_path: Path) -> None:
    frames = clip(*SIZE, frames=12)
    path, raw = tmp_path / "a.h264", tmp_path / "a.yuv"
    encode(path, frames, threads=2)
    done = run("ffmpeg", "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "yuv420p", raw)
    assert done.stderr == b""
    pictures = np.fromfile(raw, np.uint8).reshape(len(frames), -1)
    receiver = VideoPipeline()
    again = VideoPipeline(VideoConfig(bitrate=600_000, resolution=SIZE, frame_rate=25, keyframe_interval=0,
                                      encoder="libx264", threads=2))
    for frame, theirs in zip(frames, pictures, strict=True):
        ours = receiver.decode_frame(again.encode(frame).data)
        assert ours is not None
        np.testing.assert_array_equal(ours.to_ndarray().reshape(-1), theirs)


def test_interop_we_decode_what_ffmpeg_encodes(tmp_path: Path) -> None:
    frames = clip(*SIZE, frames=20)
    raw, path = tmp_path / "a.yuv", tmp_path / "a.h264"
    raw.write_bytes(b"".join(frame.to_ndarray().tobytes() for frame in frames))
    run("ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{SIZE[0]}x{SIZE[1]}",
        "-r", "25", "-i", raw, "-c:v", "libx264", "-preset", "fast", "-bf", "0", "-crf", "20", path)
    units = re.split(rb"(?=\x00\x00\x00\x01[\x67\x41\x61])", path.read_bytes())[1:]
    receiver = VideoPipeline()
    shown = [receiver.decode_frame(unit) for unit in units]
    assert len(shown) == len(frames)
    for got, sent in zip(shown, frames, strict=True):
        assert got is not None
        assert psnr(got, sent) > 33


def test_interop_quality_is_what_ffmpeg_measures(tmp_path: Path) -> None:
    """Its psnr and ssim filters print 6 decimals of the same definitions."""
    frames = clip(*SIZE, frames=4)
    path, raw, log = tmp_path / "a.h264", tmp_path / "a.yuv", tmp_path / "log"
    encode(path, frames, bitrate=200_000)
    raw.write_bytes(b"".join(frame.to_ndarray().tobytes() for frame in frames))
    size = f"{SIZE[0]}x{SIZE[1]}"
    receiver = VideoPipeline()
    units = re.split(rb"(?=\x00\x00\x00\x01[\x67\x41])", path.read_bytes())[1:]
    ours = [receiver.decode_frame(unit) for unit in units]
    for name, measure, tolerance in (("psnr", psnr, 0.006), ("ssim", ssim, 2e-5)):
        run("ffmpeg", "-v", "error", "-r", "25", "-i", path, "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s",
            size, "-r", "25", "-i", raw, "-lavfi", f"[0:v][1:v]{name}=stats_file={log}", "-f", "null", "-")
        theirs = re.findall(r"(?:psnr_y|Y):([0-9.]+)", log.read_text())
        assert len(theirs) == len(frames)
        for value, got, sent in zip(theirs, ours, frames, strict=True):
            assert got is not None
            assert measure(got, sent) == pytest.approx(float(value), abs=tolerance)
