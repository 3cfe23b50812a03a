"""Video: decoding through VideoPipeline against the bare library, and the quality of concealed pictures.

    python bench/bench_video_decode.py [CLIP]      a clip; without one the tests' synthetic clip is used

CPU time of one thread; rounds of both sides alternate. The bare library is bench/bench_vdec.c, which is
compiled first. Streams are made by PyAV's encoders at 1.5 Mb/s.
"""
from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from arcrtc.video import VideoCodec, VideoConfig, VideoFrame, VideoPipeline, VideoPlc, VideoPlcConfig
from tests.model.coded_video import ENCODERS

ROOT = Path(__file__).resolve().parent.parent
FRAMES = 120
ROUNDS = 7
BITRATE = 1_500_000
RUNNER = ROOT / "build" / "core-bench" / "bench_vdec"


def load(path: str | None) -> list[VideoFrame]:
    if path is None:
        from tests.model.clip import clip

        return clip(1280, 720, 60)
    with av.open(path) as container:
        return [VideoFrame.from_pyav(frame.reformat(format="yuv420p"))
                for frame in container.decode(video=0)][:FRAMES]


def encode(codec: VideoCodec, frames: list[VideoFrame]) -> list[bytes]:
    name, options, _ = ENCODERS[codec]
    encoder = av.CodecContext.create(name, "w")
    encoder.width, encoder.height, encoder.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
    encoder.time_base, encoder.framerate, encoder.bit_rate = Fraction(1, 25), Fraction(25), BITRATE
    encoder.gop_size, encoder.options = 1000, {**options, "x264-params": "slices=1"} \
        if codec is VideoCodec.H264 else options
    packets = []
    for i, frame in enumerate(frames):
        picture = frame.to_pyav()
        picture.pts, picture.time_base = i, Fraction(1, 25)
        packets += [bytes(packet) for packet in encoder.encode(picture)]
    return packets + [bytes(packet) for packet in encoder.encode(None)]


def ours(codec: VideoCodec, packets: list[bytes], decoder: str) -> float:
    """Frames per second of CPU time."""
    pipeline = VideoPipeline(VideoConfig(codec=VideoCodec.H264, encoder="libx264"))
    pipeline.config = VideoConfig(codec=codec, decoder=decoder)
    begin = time.process_time()
    shown = sum(pipeline.decode_frame(data, i) is not None for i, data in enumerate(packets))
    spent = time.process_time() - begin
    assert shown == len(packets)
    return shown / spent


def speed(codec: VideoCodec, packets: list[bytes]) -> None:
    others = {VideoCodec.VP8: ["libvpx-vp8"], VideoCodec.VP9: ["libvpx-vp9"]}.get(codec, [])
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"".join(len(data).to_bytes(4, "big") + data for data in packets))
        file.flush()
        sides: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            bare = subprocess.run([RUNNER, codec.value, file.name, "1"], capture_output=True, text=True, check=True)
            sides.setdefault("bare", []).append(float(bare.stdout))
            for name in ["auto", *others]:
                sides.setdefault(name, []).append(ours(codec, packets, name))
    bare_fps = statistics.median(sides.pop("bare"))
    for name, rates in sides.items():
        fps = statistics.median(rates)
        print(f"{codec.value:5} {name:11} {fps:6.0f} fps   bare library {bare_fps:6.0f} fps   {fps / bare_fps:.3f}"
              f"   (rounds {min(rates):.0f}-{max(rates):.0f})")


def error(a: VideoFrame, b: VideoFrame) -> float:
    difference = a.planes()[0].astype(np.int32) - b.planes()[0]
    return float((difference * difference).mean())


def decibels(errors: list[float]) -> float:
    """Mean of the PSNRs, each at most 60 dB: repeated pictures of a clip are otherwise infinite."""
    return statistics.mean(10 * np.log10(65025 / max(value, 0.065025)) for value in errors)


def concealment(frames: list[VideoFrame]) -> None:
    for i, frame in enumerate(frames):
        frame.timestamp = 3600 * i
    for lost in (1, 2, 3, 5):
        found: dict[str, list[float]] = {"freeze": [], "extrapolation": []}
        for i in range(3, len(frames) - lost, 4):
            for name, errors in found.items():
                plc = VideoPlc(VideoPlcConfig(enable_motion_compensation=name == "extrapolation", fade=0.95))
                for frame in frames[i - 2:i]:
                    plc.process_frame(frame)
                shown = [plc.conceal(0) for _ in range(lost)]
                errors += [error(made, true) for made, true in zip(shown, frames[i:i + lost], strict=True)
                           if made is not None]
        print(f"{lost} lost: " + "   ".join(f"{name} {decibels(errors):.2f} dB" for name, errors in found.items()))
    between: dict[str, list[float]] = {"freeze": [], "interpolation": []}
    for i in range(3, len(frames) - 1, 4):
        plc = VideoPlc()
        plc.process_frame(frames[i - 2])
        plc.process_frame(frames[i - 1])
        made = plc.conceal(0, next_frame=frames[i + 1])
        assert made is not None
        between["interpolation"].append(error(made, frames[i]))
        between["freeze"].append(error(frames[i - 1], frames[i]))
    print("1 lost, the next is there: " + "   ".join(
        f"{name} {decibels(errors):.2f} dB" for name, errors in between.items()))


def conceal_time(frames: list[VideoFrame]) -> None:
    large = [frame.convert(width=1920, height=1080) for frame in frames[-6:]]
    spent = []
    for i in range(2, len(large)):
        plc = VideoPlc(VideoPlcConfig(enable_motion_compensation=True))
        plc.process_frame(large[i - 2])
        plc.process_frame(large[i - 1])
        for _ in range(2):
            begin = time.process_time()
            plc.conceal(0)
            spent.append(1e3 * (time.process_time() - begin))
    print(f"extrapolation at 1080p: {statistics.median(spent[::2]):.1f} ms with the estimate of motion, "
          f"{statistics.median(spent[1::2]):.1f} ms each further picture")


def main() -> None:
    frames = load(sys.argv[1] if len(sys.argv) > 1 else None)
    subprocess.run(["make", "-s", "-f", "ci/core.mk", "SAN=bench", str(RUNNER.relative_to(ROOT))], cwd=ROOT,
                   check=True)
    if frames[0].height >= 720:
        for codec in VideoCodec:
            speed(codec, encode(codec, frames))
    concealment(frames)
    conceal_time(frames)


if __name__ == "__main__":
    main()
