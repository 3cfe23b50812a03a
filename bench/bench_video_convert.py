"""Conversion and scaling of pictures: ours beside PyAV's reformat (libswscale) and, where it is there, libyuv.

    python bench/bench_video_convert.py [--rounds 15] [--json]

Times are CPU milliseconds of this thread for one picture, the least of all rounds; the contenders take turns within
each round. PyAV may use threads of its own for scaling: it is told to use one.
"""
from __future__ import annotations

import argparse
import ctypes
import ctypes.util
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from arcrtc.media import TestPattern
from arcrtc.video import VideoFrame

SIZES = {"1080p": (1920, 1080), "720p": (1280, 720), "360p": (640, 360)}
CASES = [("rgb24", "1080p", "yuv420p", "1080p"), ("rgb24", "1080p", "nv12", "1080p"),
         ("rgb24", "1080p", "yuv420p", "720p"),
         ("yuv420p", "1080p", "rgb24", "1080p"), ("yuv420p", "1080p", "rgb24", "720p"),
         ("nv12", "1080p", "yuv420p", "1080p"), ("yuv420p", "1080p", "nv12", "1080p"),
         ("yuv420p", "1080p", "yuv420p", "720p"), ("yuv420p", "720p", "yuv420p", "360p"),
         ("nv12", "720p", "nv12", "360p"), ("yuv420p10le", "720p", "yuv420p", "720p")]


@dataclass
class Contender:
    name: str
    run: Callable[[], Any]
    best_ms: float = float("inf")

    def round(self) -> None:
        begin = time.thread_time_ns()
        self.run()
        self.best_ms = min(self.best_ms, (time.thread_time_ns() - begin) / 1e6)


def ours(frame: VideoFrame, format: str, size: tuple[int, int]) -> Callable[[], Any]:
    """As convert() does it, into a picture that is there already, as an encoder has it."""
    from arcrtc._native import check, lib
    from arcrtc.video.frame import scaler
    from arcrtc.video.planes import MATRICES, new_native

    target = new_native(format, *size)
    target.matrix = MATRICES["bt709"]
    native = None if frame.lent() is not None else frame.native()

    def run() -> None:
        lent = frame.lent()
        check(lib.arc_scaler_run(scaler(), native if lent is None else lent[0], target), "convert")

    return run


def pyav(frame: VideoFrame, format: str, size: tuple[int, int]) -> Callable[[], Any]:
    source, reformatter = frame.to_pyav(), VideoReformatter()
    options: dict[str, Any] = {"threads": 1} if int(av.__version__.split(".")[0]) >= 17 else {}

    def run() -> Any:
        return reformatter.reformat(source, *size, format, interpolation="BILINEAR", **options)

    return run


def libyuv(frame: VideoFrame, format: str, size: tuple[int, int]) -> Callable[[], Any] | None:
    """BT.601 from RGB: libyuv has no other matrix in that direction."""
    name = ctypes.util.find_library("yuv")
    if name is None:
        return None
    library = ctypes.CDLL(name)
    target = VideoFrame(bytearray(size[0] * size[1] * 3), *size, format="rgb24") if format == "rgb24" else \
        VideoFrame(bytearray(size[0] * size[1] * 3 // 2), *size, format=format)

    def arguments(picture: VideoFrame) -> list[Any]:
        return [x for p in picture.planes() for x in (ctypes.c_void_p(p.__array_interface__["data"][0]), p.strides[0])]

    same = size == (frame.width, frame.height)
    calls = {("rgb24", "yuv420p"): "RAWToI420", ("yuv420p", "rgb24"): "I420ToRAW", ("nv12", "yuv420p"): "NV12ToI420",
             ("yuv420p", "nv12"): "I420ToNV12"}
    if same and (frame.format, format) in calls:
        function = getattr(library, calls[frame.format, format])
        return lambda: function(*arguments(frame), *arguments(target), *size)
    if not same and frame.format == format == "yuv420p":
        box = 3
        return lambda: library.I420Scale(*arguments(frame), frame.width, frame.height, *arguments(target), *size, box)
    return None


def measure(rounds: int) -> list[dict[str, Any]]:
    results = []
    for source, source_size, format, size in CASES:
        picture = TestPattern(*SIZES[source_size]).picture(5).to_frame()
        frame = VideoFrame.from_ndarray(picture.to_ndarray(source), source, matrix="bt709")
        contenders = [Contender("arcrtc", ours(frame, format, SIZES[size])),
                      Contender("pyav", pyav(frame, format, SIZES[size]))]
        if (other := libyuv(frame, format, SIZES[size])) is not None:
            contenders.append(Contender("libyuv", other))
        for _ in range(rounds):
            for contender in contenders:
                contender.round()
        results.append({"case": f"{source} {source_size} -> {format} {size}",
                        **{c.name: round(c.best_ms, 3) for c in contenders}})
    return results


def zero_copies(rounds: int) -> list[dict[str, Any]]:
    """What handing a 1080p picture on costs, microseconds."""
    array = np.zeros((1080, 1920, 3), np.uint8)
    frame = VideoFrame.from_ndarray(array)
    theirs = TestPattern(1920, 1080).picture(1).to_frame().to_pyav()
    jobs: dict[str, Callable[[], Any]] = {
        "VideoFrame.from_ndarray": lambda: VideoFrame.from_ndarray(array),
        "VideoFrame.from_pyav": lambda: VideoFrame.from_pyav(theirs), "VideoFrame.to_pyav": frame.to_pyav,
        "numpy.from_dlpack": lambda: np.from_dlpack(frame), "copy of it (numpy)": array.copy}
    results = []
    for name, job in jobs.items():
        contender = Contender(name, job)
        for _ in range(max(rounds, 5) * 4):
            contender.round()
        results.append({"case": name, "us": round(contender.best_ms * 1000, 1)})
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    conversions, copies = measure(given.rounds), zero_copies(given.rounds)
    if given.json:
        print(json.dumps({"conversions_ms": conversions, "handing_on_us": copies}, indent=1))
        return
    print(f"{'ms a picture, one core':40} {'arcrtc':>8} {'PyAV':>8} {'ratio':>6} {'libyuv':>8} {'ratio':>6}")
    for row in conversions:
        yuv = row.get("libyuv")
        words = f"{yuv:8.3f} {yuv / row['arcrtc']:6.1f}" if yuv else ""
        print(f"{row['case']:40} {row['arcrtc']:8.3f} {row['pyav']:8.3f} {row['pyav'] / row['arcrtc']:6.1f} {words}")
    for row in copies:
        print(f"{row['case']:40} {row['us']:8.1f} us")


if __name__ == "__main__":
    main()
