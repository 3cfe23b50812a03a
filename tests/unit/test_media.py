"""media/: files in and out. Every file is made here; only the sample clip is shipped."""
from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import struct
import subprocess
import sys
import threading
import wave
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc.errors import ArgumentError, ConfigError, MediaError
from arcrtc.media import (
    AudioTrack,
    MediaAudio,
    MediaVideo,
    MediaWriter,
    VideoTrack,
    open_media,
    sample_path,
)
from arcrtc.media.blocks import BlockCutter, SampleClock
from arcrtc.media.prefetch import Prefetch

MS = 1000
RATE = 48_000


def picture(i: int, width: int = 64, height: int = 48, pts_us: int | None = None) -> MediaVideo:
    """A grey level that tells the number of the picture, a dark top left quarter that tells its way up."""
    planes = np.full((height * 3 // 2, width), 128, dtype=np.uint8)
    planes[:height] = 60 + i * 3 % 160
    planes[:height // 2, :width // 2] = 20
    return MediaVideo(planes=planes, width=width, height=height,
                      pts_us=i * 40 * MS if pts_us is None else pts_us)


def chirp(seconds: float, rate: int = RATE) -> np.ndarray:
    """One channel whose every part differs, so that a shift shows; (n, 1) int16."""
    t = np.arange(round(seconds * rate)) / rate
    return np.round(12_000 * np.sin(2 * np.pi * (200 * t + 300 * t * t))).astype(np.int16)[:, None]


def sound(samples: np.ndarray, pts_us: int = 0, rate: int = RATE) -> MediaAudio:
    return MediaAudio(samples=samples, sample_rate=rate, pts_us=pts_us)


def blocks(samples: np.ndarray, n: int = 960) -> Iterator[MediaAudio]:
    for i in range(0, len(samples), n):
        yield sound(samples[i:i + n], round(i * 1e6 / RATE))


def shift_samples(a: np.ndarray, b: np.ndarray, most: int = 4000) -> int:
    """Delay of b against a by cross-correlation."""
    size = 1 << int(np.ceil(np.log2(len(a) + len(b))))
    spectrum = np.fft.rfft(b.astype(float), size) * np.conj(np.fft.rfft(a.astype(float), size))
    c = np.fft.irfft(spectrum, size)
    lags = np.concatenate([c[-most:], c[:most]])
    return int(np.argmax(lags)) - most


def heard(path: Path, **options: object) -> np.ndarray:
    return np.concatenate([f.samples for f in open_media(path, video=False, **options)])  # type: ignore[arg-type]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """One second of both, exact sound."""
    path = tmp_path / "clip.mkv"
    with MediaWriter(path, audio=AudioTrack(codec="flac"), video=VideoTrack(width=64, height=48)) as writer:
        for i in range(25):
            writer.write(picture(i))
        for block in blocks(chirp(1.0)):
            writer.write(block)
    return path


def test_sample_clip_is_small_and_has_speech_and_video() -> None:
    assert sample_path().stat().st_size <= 700_000
    source = open_media(sample_path())
    frames = list(source)
    speech = np.concatenate([f.samples for f in frames if isinstance(f, MediaAudio)])
    pictures = [f for f in frames if isinstance(f, MediaVideo)]
    assert (source.has_audio, source.has_video, source.video_size) == (True, True, (640, 360))
    assert source.frame_rate == 25.0
    assert source.duration_s == pytest.approx(5.28, abs=0.02)
    assert len(pictures) == 132
    assert 20 * np.log10(np.sqrt(np.mean(np.square(speech / 32768.0)))) > -35.0
    assert "CC-BY 3.0" in sample_path().with_name("README.md").read_text(encoding="utf-8")


def test_source_gives_frames_in_order_and_sound_in_exact_blocks(clip: Path) -> None:
    frames = list(open_media(clip))
    assert [f.pts_us for f in frames] == sorted(f.pts_us for f in frames)
    audio = [f for f in frames if isinstance(f, MediaAudio)]
    assert [f.pts_us for f in audio] == [i * 20 * MS for i in range(50)]
    assert {f.samples.shape for f in audio} == {(960, 1)}
    assert np.array_equal(np.concatenate([f.samples for f in audio]), chirp(1.0))
    assert [f.pts_us for f in frames if isinstance(f, MediaVideo)] == [i * 40 * MS for i in range(25)]


def test_source_iterates_again_from_the_start(clip: Path) -> None:
    source = open_media(clip)
    first = next(iter(source))
    assert next(iter(source)).pts_us == first.pts_us == 0
    assert len(list(source)) == 75


@pytest.mark.parametrize(("rate", "channels", "block_ms"),
                         [(16_000, 1, 20), (48_000, 2, 10), (24_000, 1, 2.5)])
def test_source_resamples_without_shift(clip: Path, rate: int, channels: int, block_ms: float) -> None:
    source = open_media(clip, video=False, sample_rate=rate, channels=channels, block_ms=block_ms)
    frames = list(source)
    assert (source.sample_rate, source.channels, source.has_video) == (rate, channels, False)
    assert {f.samples.shape for f in frames} == {(round(rate * block_ms / 1000), channels)}
    samples = np.concatenate([f.samples for f in frames])[:, 0]
    assert shift_samples(chirp(1.0, rate)[:, 0], samples) == 0


def test_source_scales_and_keeps_the_shape(clip: Path) -> None:
    source = open_media(clip, audio=False, height=24)
    frames = list(source)
    assert source.video_size == (32, 24)
    assert {(f.width, f.height, f.planes.shape) for f in frames} == {(32, 24, (36, 32))}
    assert frames[3].planes[20, 20] == pytest.approx(69, abs=4)
    assert frames[3].planes[4, 4] == pytest.approx(20, abs=4)


def test_source_keeps_a_sound_that_begins_late_in_its_place(tmp_path: Path) -> None:
    """30 ms are less than what counts as a gap within the sound, but they are lip-sync."""
    path = tmp_path / "late.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=RATE, layout="mono")
        track = out.add_stream("libx264", rate=25)
        track.width, track.height, track.pix_fmt = 64, 48, "yuv420p"
        for i, pts_ms in enumerate((30, 1030)):
            frame = av.AudioFrame.from_ndarray(chirp(2.0)[i * RATE:(i + 1) * RATE].T.copy(), layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, pts_ms * 48, Fraction(1, RATE)
            out.mux(stream.encode(frame))
        still = av.VideoFrame.from_ndarray(picture(0).planes, format="yuv420p")
        still.pts = 0
        out.mux(track.encode(still))
        out.mux(track.encode(None))
    frames = list(open_media(path))
    assert [f.pts_us for f in frames if isinstance(f, MediaVideo)] == [0]
    samples = np.concatenate([f.samples for f in frames if isinstance(f, MediaAudio)])
    assert not samples[:1440].any()
    assert np.array_equal(samples[1440:1440 + 2 * RATE], chirp(2.0))


def test_source_loop_has_no_seam(clip: Path) -> None:
    frames = list(itertools.islice(open_media(clip, loop=True), 75 * 12))
    assert [f.pts_us for f in frames if isinstance(f, MediaVideo)] == [i * 40 * MS for i in range(25 * 12)]
    audio = [f for f in frames if isinstance(f, MediaAudio)]
    assert [f.pts_us for f in audio] == [i * 20 * MS for i in range(50 * 12)]
    assert np.array_equal(np.concatenate([f.samples for f in audio]), np.tile(chirp(1.0), (12, 1)))


def test_source_loop_keeps_both_in_step_when_the_sound_is_shorter(tmp_path: Path) -> None:
    path = tmp_path / "short.mkv"
    with MediaWriter(path, audio=AudioTrack(codec="flac"), video=VideoTrack(width=64, height=48)) as writer:
        for i in range(25):
            writer.write(picture(i))
        writer.write(sound(chirp(0.4)))
    frames = itertools.islice(open_media(path, loop=True), 225)
    samples = np.concatenate([f.samples for f in frames if isinstance(f, MediaAudio)])
    for start in (0, RATE, 2 * RATE):
        assert np.array_equal(samples[start:start + 19_200], chirp(0.4))
        assert not samples[start + 19_200:start + RATE].any()


def test_source_loop_cuts_the_last_frame_of_a_codec_that_outlasts_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "long.mkv"
    with MediaWriter(path, audio=AudioTrack(codec="flac"), video=VideoTrack(width=64, height=48)) as writer:
        for i in range(25):
            writer.write(picture(i))
        writer.write(sound(chirp(1.03)))
    frames = itertools.islice(open_media(path, loop=True), 75 * 12)
    samples = np.concatenate([f.samples for f in frames if isinstance(f, MediaAudio)])
    assert np.array_equal(samples, np.tile(chirp(1.0), (12, 1)))


def test_source_realtime_paces_by_the_clock(clip: Path) -> None:
    """A clock that only sleeping moves: each frame must come exactly at its time."""
    now = [5_000_000]
    seen: list[tuple[int, int]] = []

    async def sleep(seconds: float) -> None:
        now[0] += round(seconds * 1e6)

    async def watch() -> None:
        async for frame in open_media(clip).realtime_media(clock_us=lambda: now[0], sleep=sleep):
            seen.append((now[0] - 5_000_000, frame.pts_us))

    asyncio.run(watch())
    assert len(seen) == 75
    assert all(at == pts for at, pts in seen)


def test_source_realtime_catches_up_after_a_slow_reader(clip: Path) -> None:
    now, late = [0], []

    async def sleep(seconds: float) -> None:
        now[0] += round(seconds * 1e6)

    async def watch() -> None:
        frames = 0
        async for frame in open_media(clip, video=False).realtime_media(clock_us=lambda: now[0], sleep=sleep):
            late.append(now[0] - frame.pts_us)
            frames += 1
            if frames == 5:
                now[0] += 205 * MS

    asyncio.run(watch())
    assert len(late) == 50
    assert max(late) <= 205 * MS
    assert late[-1] == 0


def test_source_realtime_abandoned_leaves_no_thread(clip: Path) -> None:
    async def watch() -> None:
        frames = open_media(clip, loop=True).realtime()
        async for _ in frames:
            break
        await frames.aclose()  # type: ignore[attr-defined]

    asyncio.run(watch())
    assert not [t for t in threading.enumerate() if t.name == "arcrtc-media-reader"]


@pytest.mark.parametrize(("name", "content", "words"), [
    ("none.mp4", None, "no such file"),
    ("notes.txt", b"not a film\n" * 50, "a text, not a media file"),
    ("noise.bin", bytes(range(1, 256)) * 9, "not a media file"),
    ("empty.mkv", b"", "not a media file"),
])
def test_source_says_in_one_line_what_is_wrong(tmp_path: Path, name: str, content: bytes | None,
                                               words: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(MediaError, match=words) as caught:
        open_media(tmp_path / name)
    assert isinstance(caught.value, OSError)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_source_takes_a_title_that_is_not_utf8(tmp_path: Path) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return name + struct.pack("<I", len(data)) + data

    path = tmp_path / "latin1.wav"
    path.write_bytes(chunk(b"RIFF", b"WAVE" + chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16))
                           + chunk(b"LIST", b"INFO" + chunk(b"INAM", "Olé!".encode("latin-1")))
                           + chunk(b"data", bytes(3200))))
    assert sum(frame.samples.shape[0] for frame in open_media(path, video=False, sample_rate=8000)) == 1600


def test_source_refuses_a_folder_and_a_file_without_what_is_wanted(tmp_path: Path, clip: Path) -> None:
    with pytest.raises(MediaError, match="is a folder"):
        open_media(tmp_path)
    with wave.open(str(tmp_path / "a.wav"), "wb") as w:
        w.setparams((1, 2, 8000, 0, "NONE", ""))
        w.writeframes(bytes(1600))
    with pytest.raises(MediaError, match="no video in it"):
        open_media(tmp_path / "a.wav", audio=False)
    with pytest.raises(MediaError, match=r"no audio and no video in it"):
        open_media(_subtitles(tmp_path))


def _subtitles(folder: Path) -> Path:
    path = folder / "words.srt"
    path.write_text("1\n00:00:00,000 --> 00:00:01,000\nhello\n\n", encoding="utf-8")
    return path


def test_source_decode_fault_names_the_time(tmp_path: Path) -> None:
    path = tmp_path / "broken.mov"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb24"
        for i in range(10):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), i, dtype=np.uint8), format="rgb24")
            frame.pts = i
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    data = path.read_bytes()
    at = -1
    for _ in range(6):
        at = data.index(b"\x89PNG", at + 1)
    path.write_bytes(data[:at] + b"\0PNG" + data[at + 4:])
    got = []
    with pytest.raises(MediaError, match=r"broken.mov: cannot decode the picture after 0\.\d\d s: Inv"):
        got.extend(open_media(path))
    assert got


@pytest.mark.parametrize(("options", "words"), [
    ({"sample_rate": 7999}, "sample_rate"), ({"channels": 3}, "channels"), ({"block_ms": 2}, "block_ms"),
    ({"block_ms": 2.51}, "whole"), ({"width": 33}, "width"), ({"height": 0}, "height"),
])
def test_source_refuses_options(clip: Path, options: dict[str, int], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        open_media(clip, **options)  # type: ignore[arg-type]


def test_source_turns_a_picture_that_was_filmed_upright(tmp_path: Path) -> None:
    """The display matrix of the track's head says a quarter turn clockwise (ISO 14496-12 8.3.2)."""
    path = tmp_path / "phone.mp4"
    with MediaWriter(path, video=VideoTrack(width=64, height=48)) as writer:
        for i in range(5):
            writer.write(picture(i))
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    one = 0x10000
    data[at:at + 36] = b"".join(v.to_bytes(4, "big", signed=True) for v in
                                (0, one, 0, -one, 0, 0, 48 * one, 0, 0x40000000))
    path.write_bytes(data)
    source = open_media(path)
    first = next(iter(source))
    assert source.video_size == (48, 64)
    assert isinstance(first, MediaVideo)
    dark = first.planes[:64].astype(int) < 40
    assert dark[5, 43]  # the dark quarter went from the top left to the top right
    assert not dark[5, 5]
    assert not dark[60, 43]


def test_source_takes_cover_art_for_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mkv"
    with MediaWriter(path, audio=AudioTrack(codec="flac")) as writer:
        writer.write(sound(chirp(0.2)))
    with av.open(str(path)) as song, av.open(str(tmp_path / "cover.flac"), "w") as out:
        stream = out.add_stream_from_template(song.streams.audio[0])
        cover = out.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic.value
        still = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), dtype=np.uint8), format="rgb24")
        out.mux(cover.encode(still) + cover.encode(None))
        for packet in song.demux():
            if packet.pts is not None:
                packet.stream = stream
                out.mux(packet)
    with av.open(str(tmp_path / "cover.flac")) as check:
        assert check.streams.video
    assert not open_media(tmp_path / "cover.flac").has_video


def test_picture_to_rgb_agrees_with_the_scaler() -> None:
    rng = np.random.default_rng(1)
    planes = np.repeat(np.repeat(rng.integers(60, 180, (9, 8), dtype=np.uint8), 8, axis=0), 8, axis=1)
    frame = MediaVideo(planes=planes, width=64, height=48, pts_us=0, matrix="bt601")
    peer = av.VideoFrame.from_ndarray(planes, format="yuv420p").to_ndarray(
        format="rgb24", src_colorspace="itu601", src_color_range="MPEG")
    assert np.abs(frame.to_rgb().astype(int) - peer).mean() < 2.0


@pytest.mark.parametrize("bad", [
    {"planes": np.zeros((72, 63), np.uint8)}, {"planes": np.zeros((72, 64), np.int8)},
    {"width": 63}, {"matrix": "x"}])
def test_picture_refuses_what_does_not_fit(bad: dict[str, object]) -> None:
    good: dict[str, object] = {"planes": np.zeros((72, 64), np.uint8), "width": 64, "height": 48, "pts_us": 0}
    with pytest.raises(ArgumentError):
        MediaVideo(**{**good, **bad})  # type: ignore[arg-type]
    with pytest.raises(ArgumentError):
        sound(np.zeros(960, np.int16))


# --- the writer


@pytest.mark.parametrize(("codec", "suffix"),
                         [("opus", "mkv"), ("flac", "mkv"), ("pcm", "mkv"), ("opus", "mp4")])
def test_writer_keeps_sound_and_picture_in_step(tmp_path: Path, codec: str, suffix: str) -> None:
    """A picture changes from dark to bright when the sound begins; both must still do so together."""
    path = tmp_path / f"received.{suffix}"
    video = VideoTrack(width=64, height=48)
    with MediaWriter(path, audio=AudioTrack(codec=codec), video=video) as writer:  # type: ignore[arg-type]
        for i in range(50):
            level = 40 if i < 25 else 200
            planes = np.full((72, 64), 128, np.uint8)
            planes[:48] = level
            writer.write(MediaVideo(planes=planes, width=64, height=48, pts_us=i * 40 * MS))
        for block in blocks(chirp(1.0)):
            writer.write(sound(block.samples, 1_000_000 + block.pts_us))
    frames = list(open_media(path))
    bright_us = next(f.pts_us for f in frames if isinstance(f, MediaVideo) and f.planes[0, 0] > 100)
    samples = np.concatenate([f.samples for f in frames if isinstance(f, MediaAudio)])[:, 0]
    expected = np.concatenate([np.zeros(RATE), chirp(1.0)[:, 0]])
    assert abs(bright_us - 1_000_000) <= 1 * MS
    assert abs(shift_samples(expected, samples)) <= 48  # a millisecond: .mkv has no finer time
    assert writer.silence_us == 1_000_000


def test_writer_keeps_the_times_of_a_variable_frame_rate(tmp_path: Path) -> None:
    times_ms = [0, 33, 66, 100, 400, 410, 900, 1500]
    with MediaWriter(tmp_path / "v.mkv", video=VideoTrack(width=64, height=48, frame_rate=30)) as writer:
        for i, t in enumerate(times_ms):
            writer.write(picture(i, pts_us=t * MS))
    assert [f.pts_us for f in open_media(tmp_path / "v.mkv")] == [t * MS for t in times_ms]


def test_writer_fills_gaps_and_cuts_overlaps(tmp_path: Path) -> None:
    whole = chirp(1.0)
    with MediaWriter(tmp_path / "a.wav", audio=AudioTrack(codec="pcm")) as writer:
        writer.write(sound(whole[:9600], 0))
        writer.write(sound(whole[4800:14_400], 100 * MS))  # 100 ms were there already
        writer.write(sound(whole[24_000:], 500 * MS))      # 200 ms are missing
        assert (writer.silence_us, writer.cut_us) == (200 * MS, 100 * MS)
    expected = whole.copy()
    expected[14_400:24_000] = 0
    assert np.array_equal(heard(tmp_path / "a.wav"), expected)


def test_writer_lets_jitter_of_time_stamps_be(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    with MediaWriter(tmp_path / "a.wav", audio=AudioTrack(codec="pcm")) as writer:
        for block in blocks(chirp(1.0)):
            writer.write(sound(block.samples, max(0, block.pts_us + int(rng.integers(-4000, 4000)))))
    assert np.array_equal(heard(tmp_path / "a.wav"), chirp(1.0))


def test_writer_scales_pictures_of_another_size_and_drops_what_goes_back(tmp_path: Path) -> None:
    with MediaWriter(tmp_path / "v.mkv", video=VideoTrack(width=64, height=48)) as writer:
        writer.write(picture(0))
        writer.write(picture(1, width=128, height=96))
        writer.write(picture(2, pts_us=40 * MS))
        writer.write(picture(3))
        assert writer.dropped_frames == 1
    frames = list(open_media(tmp_path / "v.mkv"))
    assert [f.pts_us for f in frames] == [0, 40 * MS, 120 * MS]
    assert {(f.width, f.height) for f in frames if isinstance(f, MediaVideo)} == {(64, 48)}


def test_writer_converts_range_and_matrix(tmp_path: Path) -> None:
    planes = np.full((72, 64), 128, np.uint8)
    planes[:48] = 255
    white = MediaVideo(planes=planes, width=64, height=48, pts_us=0, full_range=True, matrix="bt601")
    with MediaWriter(tmp_path / "v.mkv", video=VideoTrack(width=64, height=48, crf=5)) as writer:
        writer.write(white)
    back = next(iter(open_media(tmp_path / "v.mkv")))
    assert isinstance(back, MediaVideo)
    assert (back.full_range, back.matrix) == (False, "bt709")
    assert back.planes[0, 0] == pytest.approx(235, abs=2)
    assert back.to_rgb()[0, 0].tolist() == pytest.approx([255, 255, 255], abs=3)


def h264(n: int, width: int = 64, height: int = 48) -> list[tuple[bytes, bool]]:
    """Annex B access units without reordering, as a call carries them."""
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt, context.framerate = width, height, "yuv420p", 25  # type: ignore[attr-defined]
    context.options = {"tune": "zerolatency", "preset": "ultrafast", "x264-params": "keyint=10"}
    out = []
    for i in range(n):
        frame = av.VideoFrame.from_ndarray(picture(i, width, height).planes, format="yuv420p")
        frame.pts = i
        out += [(bytes(p), p.is_keyframe) for p in context.encode(frame)]  # type: ignore[attr-defined]
    return out


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_writer_passthrough_stores_what_was_received(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"received.{suffix}"
    units = h264(30)
    track = VideoTrack(width=64, height=48, codec="passthrough")
    with MediaWriter(path, audio=AudioTrack(codec="opus"), video=track) as writer:
        for i, (data, key) in enumerate(units[5:]):  # joined in the middle: five pictures before a key frame
            writer.write(sound(chirp(0.04), i * 40 * MS))
            writer.write_encoded(data, pts_us=i * 40 * MS, is_keyframe=key)
        assert writer.dropped_frames == 5
    frames = [f for f in open_media(path) if isinstance(f, MediaVideo)]
    assert [f.pts_us for f in frames] == [i * 40 * MS for i in range(5, 25)]
    assert all(abs(int(f.planes[40, 40]) - (60 + (i + 10) * 3)) <= 4 for i, f in enumerate(frames))
    assert len(heard(path)) >= 25 * 1920


def test_writer_passthrough_without_a_key_frame_keeps_the_sound(tmp_path: Path) -> None:
    track = VideoTrack(width=64, height=48, codec="passthrough")
    with MediaWriter(tmp_path / "a.mkv", audio=AudioTrack(codec="pcm"), video=track) as writer:
        writer.write(sound(chirp(0.5)))
    assert np.array_equal(heard(tmp_path / "a.mkv"), chirp(0.5))
    with pytest.raises(MediaError), MediaWriter(tmp_path / "b.mkv", video=track) as writer:
        writer.write_encoded(b"\x00\x00\x01\x65 no parameter sets", pts_us=0, is_keyframe=True)


def test_writer_file_of_a_killed_process_plays(tmp_path: Path) -> None:
    """The process ends without close(): what was written up to the last second must be there."""
    script = (
        "import os, numpy as np\n"
        "from arcrtc.media import *\n"
        "video = VideoTrack(width=64, height=48)\n"
        "w = MediaWriter('killed.mkv', audio=AudioTrack(codec='pcm'), video=video)\n"
        "for i in range(250):\n"
        "    planes = np.full((72, 64), i % 200, np.uint8)\n"
        "    w.write(MediaVideo(planes=planes, width=64, height=48, pts_us=i*40000))\n"
        "    w.write(MediaAudio(samples=np.ones((1920, 1), np.int16), sample_rate=48000, pts_us=i*40000))\n"
        "os._exit(9)\n")
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=False, timeout=60,
                          env={**os.environ, "PYTHONPATH": root})
    assert done.returncode == 9
    frames = list(open_media(tmp_path / "killed.mkv"))
    assert max(f.pts_us for f in frames if isinstance(f, MediaVideo)) > 5_000_000
    assert max(f.pts_us for f in frames if isinstance(f, MediaAudio)) > 5_000_000


def test_writer_refuses_what_cannot_be_written(tmp_path: Path) -> None:
    for name in ("no/such/folder.mkv", "unknown.ending", "."):
        with pytest.raises(MediaError):
            MediaWriter(tmp_path / name, audio=AudioTrack())
    with pytest.raises(MediaError):  # .wav holds no H.264
        MediaWriter(tmp_path / "a.wav", video=VideoTrack(width=64, height=48))
    with pytest.raises(ArgumentError):
        MediaWriter(tmp_path / "a.mkv")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_writer_says_when_the_disk_is_full(tmp_path: Path) -> None:
    (tmp_path / "full.mkv").symlink_to("/dev/full")
    writer = MediaWriter(tmp_path / "full.mkv", audio=AudioTrack(codec="pcm"))
    with pytest.raises(MediaError, match=r"full\.mkv: cannot write: No space"):
        list(map(writer.write, blocks(chirp(60.0))))
    with pytest.raises(MediaError, match="cannot finish"):
        writer.close()
    writer.close()
    with pytest.raises(ArgumentError, match="closed"):
        writer.write(sound(chirp(0.1)))


def test_writer_refuses_frames_that_do_not_belong(tmp_path: Path) -> None:
    with MediaWriter(tmp_path / "a.mkv", audio=AudioTrack()) as writer:
        for frame in (sound(chirp(0.1), -1), sound(chirp(0.1), 4_000_000_000), picture(0),
                      sound(chirp(0.1, 16_000), 0, 16_000), sound(np.zeros((960, 2), np.int16))):
            with pytest.raises(ArgumentError):
                writer.write(frame)
        with pytest.raises(ArgumentError):
            writer.write_encoded(b"", pts_us=0, is_keyframe=True)
        writer.write(sound(chirp(0.1)))
    writer.close()


@pytest.mark.parametrize("bad", [
    {"codec": "mp3"}, {"sample_rate": 44_100}, {"channels": 0}, {"bitrate_bps": 1}])
def test_audio_track_refuses(bad: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        AudioTrack(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [
    {"width": 63}, {"frame_rate": 0}, {"codec": "vp8"}, {"crf": 52}, {"matrix": "x"}])
def test_video_track_refuses(bad: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        VideoTrack(**{"width": 64, "height": 48, **bad})  # type: ignore[arg-type]


# --- the parts without a file


@given(st.lists(st.tuples(st.integers(1, 3000), st.integers(-3000, 6000)), max_size=20))
def test_sample_clock_matches_model(pieces: list[tuple[int, int]]) -> None:
    """Model: an endless silent tape; a piece is laid where its time says, never over what is there."""
    clock = SampleClock(1_000_000, 1, 100)  # a sample is a microsecond
    row, tape, silence, cut = [], [], 0, 0
    for number, (n, step) in enumerate(pieces, 1):
        start = max(0, len(tape) + step)
        samples = np.full((n, 1), number, dtype=np.int16)
        row += [s for piece in clock.fit(samples, start) for s in piece[:, 0].tolist()]
        if start - len(tape) > 100:
            silence += start - len(tape)
            tape += [0] * (start - len(tape))
        skip = min(n, len(tape) - start) if len(tape) - start > 100 else 0
        cut += skip
        tape += [number] * (n - skip)
    assert row == tape
    assert (clock.silence_samples, clock.cut_samples, clock.position_us) == (silence, cut, len(tape))


@given(st.lists(st.integers(0, 50), max_size=30), st.integers(1, 17))
def test_block_cutter_matches_model(sizes: list[int], block: int) -> None:
    cutter = BlockCutter(block, 2)
    whole = np.arange(2 * sum(sizes), dtype=np.int16).reshape(-1, 2)
    out, at = [], 0
    for n in sizes:
        out += list(cutter.push(whole[at:at + n]))
        at += n
    out += list(cutter.flush())
    assert {b.shape for b in out} <= {(block, 2)}
    joined = np.concatenate(out) if out else np.zeros((0, 2), np.int16)
    assert np.array_equal(joined[:len(whole)], whole)
    assert not joined[len(whole):].any()
    assert len(joined) - len(whole) < block
    assert list(cutter.flush()) == []


def test_prefetch_is_bounded_and_hands_on_the_fault() -> None:
    made = []
    reached = threading.Event()

    def numbers() -> Iterator[int]:
        for i in range(6):
            made.append(i)
            if i == 3:
                reached.set()
            yield i
        raise MediaError("broken")

    reader = Prefetch(numbers, 3)
    assert reached.wait(10)
    assert len(made) == 4  # three kept, one waits for room
    assert [reader.get() for _ in range(6)] == list(range(6))
    with pytest.raises(MediaError, match="broken"):
        reader.get()
    reader.close()
    assert reader.poll() == (True, None)


def test_prefetch_close_frees_a_thread_that_waits_for_room() -> None:
    reader = Prefetch(lambda: iter(range(1000)), 2)
    assert reader.get() == 0
    reader.close()
    reader.close()
    assert reader.get() is None


def test_sample_clip_is_the_one_that_the_licence_is_about() -> None:
    digest = hashlib.sha256(sample_path().read_bytes()).hexdigest()
    assert digest == "c157171b34d25c0119008c8281ebad04437b17eeef10e00c82b893647d81fcbd"
