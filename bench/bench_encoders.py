"""Every software encoder through VideoPipeline against its library called from C, on the same pictures.

    python bench/bench_encoders.py CLIP [--frames N] [--rounds N]     a 720p clip at 25 frames a second

Three tables: pictures a second (CPU time, one thread, 1.5 Mb/s, from NumPy I420; both take turns in
every round, median) and PSNR; what VideoPipeline adds to the encoder's own time for one 1080p
picture (CPU time of the thread); and how the encoders follow 2 Mb/s > 500 kb/s > 2 Mb/s. Needs a C compiler and the headers
of FFmpeg, libvpx and libaom.
"""
from __future__ import annotations

import argparse
import ctypes
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import av
import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from arcrtc.video import VideoCodec, VideoConfig, VideoFrame, VideoPipeline, pipeline, psnr  # noqa: E402

FPS = 25
BITRATE = 1_500_000
#: Name: codec, speed of ours, and the library's own (cpu-used; x264: superfast), as in csrc/video.
ENCODERS = {"libx264": (VideoCodec.H264, 6, 0), "libvpx": (VideoCodec.VP8, 5, -8), "libvpx-vp9": (VideoCodec.VP9, 6, 8),
            "libaom-av1": (VideoCodec.AV1, 7, 10)}
DECODERS = {VideoCodec.H264: "h264", VideoCodec.VP8: "vp8", VideoCodec.VP9: "vp9", VideoCodec.AV1: "libdav1d"}


def load(path: str, frames: int, size: tuple[int, int] | None = None) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Pictures of a clip, uint8 of shape (frames, height * 3 / 2, width)."""
    with av.open(path) as container:
        found = []
        for frame in container.decode(video=0):
            picture = VideoFrame.from_pyav(frame)
            found.append((picture.convert(width=size[0], height=size[1]) if size else picture).to_ndarray())
            if len(found) == frames:
                break
    return np.stack(found)


def compile_runner(folder: Path) -> ctypes.CDLL:
    """encoders_runner.c, compiled and loaded."""
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libavcodec", "libavutil", "vpx", "aom"], check=True,
                           capture_output=True, text=True).stdout
    path = folder / "encoders_runner.so"
    subprocess.run(["cc", "-std=c99", "-O2", "-shared", "-fPIC", str(HERE / "encoders_runner.c"), "-o", str(path),
                    *shlex.split(flags)], check=True)
    runner = ctypes.CDLL(str(path))
    runner.run.restype = ctypes.c_double
    return runner


def bare(runner: ctypes.CDLL, name: str, pictures: np.ndarray[Any, np.dtype[np.uint8]]) -> tuple[float, list[bytes]]:
    """CPU seconds and packets of the library alone."""
    n, rows, width = pictures.shape
    out = np.empty(pictures.size, np.uint8)
    lens = (ctypes.c_int32 * n)()
    seconds = runner.run(name.encode(), pictures.ctypes.data_as(ctypes.c_void_p), width, rows * 2 // 3, n, FPS, BITRATE,
                         ENCODERS[name][2], out.ctypes.data_as(ctypes.c_void_p), lens)
    ends = np.cumsum(lens)
    return seconds, [out[end - size:end].tobytes() for end, size in zip(ends, lens, strict=True)]


def make(name: str, size: tuple[int, int], bitrate: int = BITRATE) -> VideoPipeline:
    codec, speed, _ = ENCODERS[name]
    return VideoPipeline(VideoConfig(codec=codec, encoder=name, resolution=size, bitrate=bitrate, frame_rate=FPS,
                                     keyframe_interval=0, threads=1, speed=speed))


def ours(name: str, pictures: np.ndarray[Any, np.dtype[np.uint8]]) -> tuple[float, list[bytes]]:
    """The same through VideoPipeline."""
    n, rows, width = pictures.shape
    sender = make(name, (width, rows * 2 // 3))
    sender._encoder = sender._open()
    packets = []
    begin = time.process_time()
    for i in range(n):
        packets.append(sender.encode(VideoFrame(pictures[i], width, rows * 2 // 3, i * 3600)).data)
    return time.process_time() - begin, packets


def quality(name: str, packets: list[bytes], pictures: np.ndarray[Any, np.dtype[np.uint8]]) -> float:
    """Mean PSNR, dB."""
    decoder = av.CodecContext.create(DECODERS[ENCODERS[name][0]], "r")
    found = [frame for packet in packets for frame in decoder.decode(av.Packet(packet))] + decoder.decode(None)
    _, rows, width = pictures.shape
    return statistics.mean(psnr(VideoFrame.from_pyav(frame), VideoFrame(picture, width, rows * 2 // 3))
                           for frame, picture in zip(found, pictures, strict=True))


def compare(runner: ctypes.CDLL, name: str, pictures: np.ndarray[Any, np.dtype[np.uint8]], rounds: int) -> None:
    alone, through = [], []
    for _ in range(rounds):
        seconds, packets_alone = bare(runner, name, pictures)
        alone.append(seconds)
        seconds, packets = ours(name, pictures)
        through.append(seconds)
    n = len(pictures)
    kbps = [sum(map(len, p)) * 8 * FPS / n / 1000 for p in (packets_alone, packets)]
    print(f"{name:11} alone {n / statistics.median(alone):6.1f} fps {quality(name, packets_alone, pictures):5.2f} dB "
          f"{kbps[0]:5.0f} kb/s   VideoPipeline {n / statistics.median(through):6.1f} fps "
          f"{quality(name, packets, pictures):5.2f} dB {kbps[1]:5.0f} kb/s   "
          f"ratio {statistics.median(a / b for a, b in zip(alone, through, strict=True)):.3f}", flush=True)


class Timed:
    """The core, with the time that arc_venc_encode() takes."""

    def __init__(self, core: Any) -> None:
        self._core = core
        self.spent = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._core, name)

    def arc_venc_encode(self, *arguments: Any) -> int:
        """Timed."""
        begin = time.thread_time()
        status = self._core.arc_venc_encode(*arguments)
        self.spent += time.thread_time() - begin
        return int(status)


def added(name: str, pictures: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    """What a picture waits beside the encoder's own time."""
    core = pipeline.lib
    timed = Timed(core)
    sender = make(name, (pictures.shape[2], pictures.shape[1] * 2 // 3))
    sender.encode(VideoFrame(pictures[0], pictures.shape[2], pictures.shape[1] * 2 // 3))
    waits = []
    try:
        pipeline.lib = timed  # type: ignore[assignment]
        for i, picture in enumerate(pictures):
            timed.spent = 0.0
            begin = time.thread_time()
            sender.encode(VideoFrame(picture, pictures.shape[2], pictures.shape[1] * 2 // 3, i))
            waits.append((time.thread_time() - begin - timed.spent) * 1e3)
    finally:
        pipeline.lib = core
    print(f"{name:11} 1080p: frame in to packet out takes {statistics.median(waits):.3f} ms more than encoding "
          f"(quartiles {statistics.quantiles(waits)[0]:.3f} .. {statistics.quantiles(waits)[2]:.3f})", flush=True)


def steps(name: str, pictures: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    """2 Mb/s > 500 kb/s > 2 Mb/s, three seconds each, the pictures to and fro."""
    _, rows, width = pictures.shape
    sender = make(name, (width, rows * 2 // 3), 2_000_000)
    order = list(range(len(pictures))) + list(range(len(pictures) - 2, 0, -1))
    at = 0
    for rate in (2_000_000, 500_000, 2_000_000):
        sender.set_bitrate(rate)
        shares = []
        for _ in range(3 * FPS):
            picture = pictures[order[at % len(order)]]
            shares.append(len(sender.encode(VideoFrame(picture, width, rows * 2 // 3, at)).data) * 8 * FPS / rate)
            at += 1
        print(f"{name:11} {rate // 1000:5} kb/s: {statistics.mean(shares[FPS // 2:FPS]):.2f} of it from 0.5 to 1 s, "
              f"{statistics.mean(shares[FPS // 2:]):.2f} from 0.5 s on; largest frame "
              f"{max(shares[at == 3 * FPS:]):.2f} shares; {sender.stats.keyframes_encoded} key frame so far", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    pictures = load(options.clip, options.frames)
    with tempfile.TemporaryDirectory() as folder:
        runner = compile_runner(Path(folder))
        for name in ENCODERS:
            compare(runner, name, pictures, options.rounds)
    large = load(options.clip, 30, (1920, 1080))
    for name in ("libx264", "libvpx"):
        added(name, large)
    for name in ENCODERS:
        steps(name, pictures[:75])


if __name__ == "__main__":
    main()
