"""Video: encoder speed and quality, decoder, scaler, PSNR and SSIM. CPU time of this process.

    python bench/bench_video.py [CLIP]      a 720p clip; without one the tests' synthetic clip is used
"""
from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from arcrtc.video import VideoConfig, VideoFrame, VideoPipeline, VideoResolution, psnr, ssim

FRAMES = 125
BITRATE = 1_500_000


def load(path: str | None) -> list[VideoFrame]:
    if path is None:
        from tests.model.clip import clip

        return clip(1280, 720, 60)
    import av

    with av.open(path) as container:
        return [VideoFrame.from_pyav(frame) for frame in container.decode(video=0)][:FRAMES]


def per_call_ms(call: Callable[[], object], repeats: int = 15) -> tuple[float, float]:
    """Median and interquartile range of the CPU time of one call, ms."""
    call()
    times = []
    for _ in range(repeats):
        begin = time.process_time()
        call()
        times.append((time.process_time() - begin) * 1e3)
    quarters = statistics.quantiles(times)
    return statistics.median(times), quarters[2] - quarters[0]


def codec(frames: list[VideoFrame], speed: int | None) -> None:
    config = VideoConfig(bitrate=BITRATE, resolution=VideoResolution.P720, frame_rate=25, keyframe_interval=0,
                         encoder="libx264", speed=speed, threads=1)
    sender, receiver = VideoPipeline(config), VideoPipeline(config)
    encode = decode = 0.0
    values, similar = [], []
    sender.encode(frames[0])
    sender.request_keyframe()
    for frame in frames:
        begin = time.process_time()
        encoded = sender.encode(frame)
        between = time.process_time()
        picture = receiver.decode_frame(encoded.data)
        encode += between - begin
        decode += time.process_time() - between
        assert picture is not None
        values.append(psnr(picture, frame))
        similar.append(ssim(picture, frame))
    n = len(frames)
    name = "default" if speed is None else f"speed {speed}"
    print(f"libx264 720p {name:8} {n / encode:6.0f} fps  {100 * 25 * encode / n:5.1f} % of a core at 25 fps"
          f"  {statistics.mean(values):5.2f} dB  SSIM {statistics.mean(similar):.4f}"
          f"  {sender.stats.bytes_encoded * 8 * 25 / (n + 1) / 1000:5.0f} kb/s  decode {n / decode:5.0f} fps")


def main() -> None:
    frames = load(sys.argv[1] if len(sys.argv) > 1 else None)
    for speed in (None, 7, 6, 5, 4):
        codec(frames, speed)
    a, b = frames[0], frames[min(10, len(frames) - 1)]
    rgb = a.convert("rgb24")
    packed = VideoFrame(a.to_ndarray(), 1280, 720)
    for name, call in (
        ("scale 720p to 360p", lambda: a.convert(width=640, height=360)),
        ("scale 720p to 480p", lambda: a.convert(width=854, height=480)),
        ("yuv420p to rgb24 720p", lambda: a.convert("rgb24")),
        ("rgb24 to yuv420p 720p", lambda: rgb.convert("yuv420p")),
        ("nv12 to yuv420p 720p", lambda: a.convert("nv12").convert("yuv420p")),
        ("array into a native frame 720p", packed.native),
        ("psnr 720p", lambda: psnr(a, b)),
        ("ssim 720p", lambda: ssim(a, b)),
    ):
        median, spread = per_call_ms(call)
        print(f"{name:32} {median:7.2f} ms  (IQR {spread:.2f})")


if __name__ == "__main__":
    main()
