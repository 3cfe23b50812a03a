"""Sources that are no files: test pattern, cameras, screens; and time codes that survive."""
from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcrtc import VideoConfig, VideoFrame, VideoPipeline, errors
from arcrtc.media import (
    DeviceSource,
    FrameSink,
    MediaWriter,
    TestPattern,
    VideoTrack,
    open_media,
    read_time_code,
    sample_path,
)
from arcrtc.media import devices as devices_module
from arcrtc.media.latest import Latest
from arcrtc.media.timecode import draw_time_code


class Clock:
    """A clock that only moves when somebody sleeps or says so."""

    def __init__(self) -> None:
        self.now_us = 5_000_000

    def __call__(self) -> int:
        return self.now_us

    async def sleep(self, seconds: float) -> None:
        self.now_us += round(seconds * 1e6)


@given(number=st.integers(0, 2**32 - 1), width=st.integers(132, 700), height=st.integers(16, 60))
@settings(max_examples=80, deadline=None)
def test_time_code_is_read_back(number: int, width: int, height: int) -> None:
    luma = np.full((height, width), 100, np.uint8)
    draw_time_code(luma, number)
    assert read_time_code(luma) == number


@given(number=st.integers(0, 2**32 - 1), block=st.integers(0, 43))
@settings(max_examples=60, deadline=None)
def test_a_time_code_with_one_wrong_block_is_none(number: int, block: int) -> None:
    luma = np.zeros((32, 440), np.uint8)
    draw_time_code(luma, number)
    luma[:, block * 10:block * 10 + 10] = 251 - luma[:, block * 10:block * 10 + 10]
    assert read_time_code(luma) is None


def test_where_there_is_no_time_code_none_is_read() -> None:
    rng = np.random.default_rng(1)
    for luma in (np.zeros((64, 256), np.uint8), np.full((64, 256), 235, np.uint8), np.zeros((4, 20), np.uint8),
                 *(rng.integers(0, 256, (64, 256), np.uint8) for _ in range(50))):
        assert read_time_code(luma) is None
    with pytest.raises(errors.ArgumentError, match="132x16"):
        draw_time_code(np.zeros((16, 131), np.uint8), 1)
    with pytest.raises(errors.ArgumentError, match="number"):
        draw_time_code(np.zeros((16, 132), np.uint8), 2**32)


def test_time_code_survives_a_starved_encoder_and_scaling() -> None:
    pattern = TestPattern(640, 360, 30)
    sender = VideoPipeline(VideoConfig(resolution=(320, 180), bitrate=60_000, keyframe_interval=0, encoder="libx264"))
    receiver = VideoPipeline(sender.config)
    for number in (7, 8, 9, 1000, 123_456_789):
        encoded = sender.encode(pattern.picture(number).to_frame())
        picture = receiver.decode_frame(encoded.data)
        assert picture is not None
        assert read_time_code(picture) == number
        assert read_time_code(picture.convert("rgb24", 960, 540)) == number
        assert read_time_code(picture.convert("yuv420p10le")) == number


def test_pattern_moves_and_says_what_it_is() -> None:
    pattern = open_media("testsrc:size=320x192,rate=25,duration=2")
    assert isinstance(pattern, TestPattern)
    assert (pattern.video_size, pattern.frame_rate, pattern.duration_s) == ((320, 192), 25.0, 2.0)
    assert (pattern.has_video, pattern.has_audio) == (True, False)
    frames = list(pattern)
    assert [read_time_code(frame) for frame in frames] == list(range(50))
    assert [frame.pts_us for frame in frames] == [40_000 * i for i in range(50)]
    a, b = (frame.planes[96:192].astype(int) for frame in frames[:2])
    np.testing.assert_array_equal(a[:, 4:], b[:, :-4])  # moves by 4 columns
    assert np.abs(a - b).mean() > 3
    assert (frames[0].planes[12:30, :150] != frames[1].planes[12:30, :150]).any()  # the digits


def test_pattern_takes_the_wanted_size() -> None:
    assert open_media("testsrc", height=360).video_size == (640, 360)
    assert open_media("testsrc:size=640x480", width=320).video_size == (320, 240)


def realtime_numbers(pattern: TestPattern, clock: Clock, pauses: dict[int, float]) -> list[tuple[int, int]]:
    """(number, time of the clock since the start) of each picture; the reader pauses behind those named."""
    async def watch() -> list[tuple[int, int]]:
        seen = []
        async for frame in pattern.realtime_media(clock_us=clock, sleep=clock.sleep):
            number = read_time_code(frame)
            assert number is not None
            seen.append((number, clock.now_us - 5_000_000))
            clock.now_us += round(pauses.get(number, 0) * 1e6)
        return seen

    return asyncio.run(watch())


def test_slow_reader_of_a_pattern_skips_and_never_lags() -> None:
    pattern = TestPattern(160, 64, 50, duration_s=1)
    seen = realtime_numbers(pattern, Clock(), {5: 0.105, 20: 0.3})
    assert [n for n, _ in seen] == [*range(6), *range(10, 21), *range(35, 50)]
    assert pattern.skipped == 4 + 14
    assert all(0 <= at - n * 20_000 < 20_000 for n, at in seen)


def test_pattern_that_is_not_latest_gives_all() -> None:
    pattern = TestPattern(160, 64, 50, duration_s=0.5, latest=False)
    seen = realtime_numbers(pattern, Clock(), {5: 0.2})
    assert [n for n, _ in seen] == list(range(25))
    assert pattern.skipped == 0


def test_file_in_latest_mode_leaves_late_pictures_out_but_no_sound() -> None:
    late = open_media(sample_path(), latest=True)
    clock = Clock()

    async def watch() -> list[Any]:
        seen = []
        async for frame in late.realtime_media(clock_us=clock, sleep=clock.sleep):
            seen.append(frame)
            if len(seen) == 40:
                clock.now_us += 500_000
            if frame.pts_us > 2_000_000:
                break
        return seen

    frames = asyncio.run(watch())
    sound = [f.pts_us for f in frames if f.is_audio]
    assert sound == [20_000 * i for i in range(len(sound))]
    assert 8 <= late.skipped <= 16


@pytest.mark.parametrize(("name", "words"), [
    ("testsrc:size=12", "must look like"), ("testsrc:size=131x64", "even"), ("testsrc:size=0x64", "too small"),
    ("testsrc:rate=fast", "is no number"), ("testsrc:rate=nan", "rate=nan is outside"), ("testsrc:rate=0", "outside"),
    ("testsrc:duration=-1", "above 0"), ("testsrc:duration=inf", "above 0"), ("testsrc:speed=1", "is no option"),
    ("testsrc:size=99999x2", "within 2..16384|within 132"), ("v4l2:/dev/video0,duration=3", "no duration"),
    ("x11grab::0,rate=x", "is no number")])
def test_names_of_sources_are_checked(name: str, words: str) -> None:
    with pytest.raises(errors.ArgumentError, match=words):
        open_media(name)


def test_pattern_has_no_sound() -> None:
    with pytest.raises(errors.MediaError, match="no audio"):
        open_media("testsrc", video=False)


def test_missing_devices_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.MediaError, match=r"v4l2:/dev/video977: no such device; cameras here: "):
        open_media("v4l2:/dev/video977")
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(errors.MediaError, match=r"set DISPLAY|no-binary av"):
        open_media("x11grab")
    with pytest.raises(errors.MediaError, match=r"X server|no-binary av"):
        open_media("x11grab::977")
    monkeypatch.setattr(devices_module.av, "formats_available", set())
    with pytest.raises(errors.MediaError, match=r"cannot read cameras; .*no-binary av"):
        open_media("v4l2:/dev/null")


@pytest.mark.parametrize(("error", "words"), [
    (PermissionError(13, "Permission denied"), "group 'video'"), (OSError(16, "Device busy"), "another program"),
    (OSError(22, "Invalid argument"), "list-formats-ext")])
def test_faults_of_a_camera_say_what_to_do(monkeypatch: pytest.MonkeyPatch, error: OSError, words: str) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(devices_module.av, "formats_available", {"v4l2"})
    monkeypatch.setattr(devices_module.av, "open", refuse)
    with pytest.raises(errors.MediaError, match=words):
        open_media("v4l2:/dev/null")


def film(path: Path, frames: int = 12) -> Path:
    pattern = TestPattern(160, 64, 30)
    with MediaWriter(path, video=VideoTrack(width=160, height=64, frame_rate=30, crf=10)) as writer:
        for number in range(frames):
            writer.write(pattern.picture(number))
    return path


def test_device_gives_its_newest_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file stands in for the camera, so all its pictures come at once: the last one is what is seen."""
    path, asked = film(tmp_path / "camera.mkv"), []
    real_open = av.open

    def open_camera(name: str, *, format: str, options: dict[str, str]) -> Any:
        asked.append((name, format, options))
        return real_open(str(path))

    monkeypatch.setattr(devices_module.av, "formats_available", {"v4l2"})
    monkeypatch.setattr(devices_module.av, "open", open_camera)
    camera = open_media("v4l2:/dev/null,size=160x64,rate=30", height=32)
    assert isinstance(camera, DeviceSource)
    assert (camera.video_size, camera.frame_rate, camera.duration_s) == ((80, 32), 30.0, None)
    assert asked == [("/dev/null", "v4l2", {"video_size": "160x64", "framerate": "30"})]
    reader = camera._read_ahead()
    reader._thread.join()
    picture = reader.get()
    assert picture is not None
    assert (picture.pts_us, picture.width) == (pytest.approx(11e6 / 30, abs=1000), 80)
    assert camera.skipped == 11
    assert reader.get() is None
    frames = list(camera)  # again from the start; what was seen plus what was skipped is all
    assert len(frames) + camera.skipped - 11 == 12
    with pytest.raises(errors.ArgumentError, match="cannot wait"):
        open_media("v4l2:/dev/null", latest=False)


def test_latest_hands_on_the_newest_and_the_fault() -> None:
    go, gone, skipped = threading.Semaphore(0), threading.Semaphore(0), []

    def numbers() -> Iterator[int]:
        for i in range(4):
            go.acquire()
            yield i
            gone.release()
        raise errors.MediaError("broken")

    latest = Latest(numbers, lambda: skipped.append(1))
    assert latest.poll() == (False, None)
    go.release()
    assert latest.get() == 0
    for _ in range(3):
        go.release()
    latest._thread.join()
    assert latest.get() == 3
    assert len(skipped) == 2
    with pytest.raises(errors.MediaError, match="broken"):
        latest.get()
    latest.close()


def test_latest_close_wakes_its_reader_and_ends_its_thread() -> None:
    forever = Latest(lambda: iter(int, 1))
    assert forever.get() == 0
    forever.close()
    assert not forever._thread.is_alive()
    assert forever.get() is None


_LIBRARIES = {"h264": ("libx264", {"tune": "zerolatency", "preset": "ultrafast"}),
              "vp8": ("libvpx", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
              "vp9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
              "av1": ("libsvtav1", {"preset": "12"})}


def encoded_pattern(codec: str, frames: int) -> list[tuple[bytes, int, bool]]:
    """(data, time in microseconds, whether a key frame) of a pattern, by FFmpeg's encoders."""
    library, options = _LIBRARIES[codec]
    encoder = av.CodecContext.create(library, "w")
    encoder.width, encoder.height, encoder.pix_fmt = 320, 192, "yuv420p"  # type: ignore[attr-defined]
    encoder.time_base, encoder.bit_rate, encoder.options = Fraction(1, 30), 500_000, options
    packets = []
    for number in range(frames):
        picture = TestPattern(320, 192, 30).picture(number).to_frame().to_pyav()
        picture.pts, picture.time_base = number, Fraction(1, 30)
        packets += encoder.encode(picture)  # type: ignore[attr-defined]
    packets += encoder.encode(None)  # type: ignore[attr-defined]
    return [(bytes(p), round((p.pts + 1) * 1e6 / 30), p.is_keyframe) for p in packets]


@pytest.mark.parametrize(("codec", "suffixes", "refused"), [
    ("h264", (".mkv", ".mp4"), ".ivf"), ("vp8", (".mkv", ".webm", ".ivf"), ".mp4"),
    ("vp9", (".mkv", ".mp4", ".webm", ".ivf"), None), ("av1", (".mkv", ".mp4", ".webm", ".ivf"), None)])
def test_writer_stores_four_codecs_as_they_came(tmp_path: Path, codec: str, suffixes: tuple[str, ...],
                                                refused: str | None) -> None:
    frames = encoded_pattern(codec, 6)
    track = VideoTrack(width=320, height=192, codec="passthrough", passthrough=codec)  # type: ignore[arg-type]
    for suffix in suffixes:
        path = tmp_path / f"out{suffix}"
        with MediaWriter(path, video=track) as writer:
            writer.write_encoded(b"\0" * 20, pts_us=0, is_keyframe=False)  # before the first key frame
            for data, pts_us, is_key in frames:
                writer.write_encoded(data, pts_us=pts_us, is_keyframe=is_key)
            assert writer.dropped_frames == 1
        assert [read_time_code(frame) for frame in open_media(path)] == list(range(6)), suffix
    if refused is not None:
        with pytest.raises(errors.MediaError, match=r"does not support|cannot write"), \
                MediaWriter(tmp_path / f"no{refused}", video=track) as writer:
            writer.write_encoded(frames[0][0], pts_us=0, is_keyframe=True)


@pytest.mark.parametrize("codec", ["vp8", "vp9", "av1"])
def test_writer_refuses_a_key_frame_that_is_none(tmp_path: Path, codec: str) -> None:
    track = VideoTrack(width=320, height=192, codec="passthrough", passthrough=codec)  # type: ignore[arg-type]
    with pytest.raises(errors.MediaError), MediaWriter(tmp_path / "out.mkv", video=track) as writer:
        writer.write_encoded(b"\x00" * 50, pts_us=0, is_keyframe=True)


def test_frames_of_a_pattern_go_to_a_sender() -> None:
    frame = TestPattern(320, 192).picture(3).to_frame()
    assert isinstance(frame, VideoFrame)
    assert (frame.timestamp, frame.matrix) == (9000, "bt601")


def test_frame_sink_keeps_the_newest_and_ends_its_reader() -> None:
    sink: FrameSink[int] = FrameSink(3)
    for number in range(5):
        sink.write(number)
    assert (sink.take(), sink.dropped) == (2, 2)
    seen: list[int] = []
    reader = threading.Thread(target=lambda: seen.extend(sink))
    reader.start()
    sink.write(5)
    sink.close()
    reader.join()
    assert seen == [3, 4, 5]
    assert sink.take() is None
    with pytest.raises(errors.ClosedError):
        sink.write(6)
    with pytest.raises(errors.ArgumentError, match="capacity"):
        FrameSink(0)
