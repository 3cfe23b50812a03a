"""Which encoder is taken, and what a person is told about the others."""
from __future__ import annotations

import pytest

from arcrtc import errors
from arcrtc._native import ffi, lib
from arcrtc.video import VideoCodec, VideoConfig, VideoPipeline, choose, encoders, list_encoders, probe
from tests.model.clip import clip

HARDWARE = {"h264_nvenc", "h264_qsv", "h264_vaapi", "h264_amf", "h264_videotoolbox", "h264_v4l2m2m"}
OTHER_HARDWARE = {"vp8_vaapi", "vp8_v4l2m2m", "vp9_qsv", "vp9_vaapi", "av1_nvenc", "av1_qsv", "av1_vaapi", "av1_amf"}
SOFTWARE = {"libx264": VideoCodec.H264, "libopenh264": VideoCodec.H264, "libvpx": VideoCodec.VP8,
            "libvpx-vp9": VideoCodec.VP9, "libaom-av1": VideoCodec.AV1, "libsvtav1": VideoCodec.AV1}


def only(monkeypatch: pytest.MonkeyPatch, **reasons: str) -> None:
    """Let the probe say these reasons, and "usable" for every other encoder."""
    monkeypatch.setattr(encoders, "_probe_result", lambda name, codec: reasons.get(name, ""))


def test_every_encoder_is_listed_with_a_reason_or_usable() -> None:
    rows = {row.name: row for row in list_encoders()}
    assert set(rows) == HARDWARE | OTHER_HARDWARE | set(SOFTWARE)
    assert {name for name, row in rows.items() if row.hardware} == HARDWARE | OTHER_HARDWARE
    assert all(rows[name].usable for name in ("libx264", "libvpx", "libvpx-vp9", "libaom-av1"))
    for row in rows.values():
        named = row.name.split("_")[0]
        assert row.codec is (VideoCodec(named) if row.hardware else SOFTWARE[row.name])
        assert row.usable == (row.reason == "")
        if not row.usable:
            assert row.reason.startswith(row.name + ": ")
            assert len(row.reason) > len(row.name) + 10


def test_libx264_proves_itself() -> None:
    assert probe("libx264") == ("libx264", VideoCodec.H264, "x264", False, True, "")


def test_auto_prefers_hardware_that_proved_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARCRTC_VIDEO_ENCODER", raising=False)
    only(monkeypatch, h264_nvenc="h264_nvenc: Cannot load libcuda.so.1")
    assert choose(VideoCodec.H264) == ("h264_qsv", [("h264_nvenc", "h264_nvenc: Cannot load libcuda.so.1")])
    only(monkeypatch, **{name: f"{name}: no device" for name in HARDWARE})
    name, passed_over = choose(VideoCodec.H264)
    assert name == "libx264"
    assert {passed for passed, _ in passed_over} == HARDWARE
    refused = {"libx264": "libx264: refused"}
    assert choose(VideoCodec.H264, refused=refused)[0] == "libopenh264"


@pytest.mark.parametrize(("wanted", "name"), [
    ("software", "libx264"), ("nvenc", "h264_nvenc"), ("vaapi", "h264_vaapi"), ("qsv", "h264_qsv"),
    ("v4l2m2m", "h264_v4l2m2m"), ("amf", "h264_amf"), ("videotoolbox", "h264_videotoolbox"),
    ("libopenh264", "libopenh264")])
def test_a_wish_is_taken_at_its_word(monkeypatch: pytest.MonkeyPatch, wanted: str, name: str) -> None:
    only(monkeypatch)
    assert choose(VideoCodec.H264, wanted) == (name, [])
    only(monkeypatch, **{name: f"{name}: no device"})
    if wanted != "software":
        with pytest.raises(errors.UnsupportedError, match=f"{name}: no device"):
            choose(VideoCodec.H264, wanted)


def test_environment_stands_in_for_auto_only(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch)
    monkeypatch.setenv("ARCRTC_VIDEO_ENCODER", "libx264")
    assert choose(VideoCodec.H264, "auto") == ("libx264", [])
    assert choose(VideoCodec.H264, "nvenc") == ("h264_nvenc", [])
    monkeypatch.setenv("ARCRTC_VIDEO_ENCODER", "nonsense")
    with pytest.raises(errors.ConfigError, match="'nonsense' is no h264 encoder"):
        choose(VideoCodec.H264, "auto")


@pytest.mark.parametrize(("codec", "name", "next_one"), [
    (VideoCodec.VP8, "libvpx", None), (VideoCodec.VP9, "libvpx-vp9", None),
    (VideoCodec.AV1, "libaom-av1", "libsvtav1")])
def test_auto_takes_software_when_no_hardware_proved_itself(
        monkeypatch: pytest.MonkeyPatch, codec: VideoCodec, name: str, next_one: str | None) -> None:
    """libaom before SVT-AV1, which follows a new rate with a key frame only."""
    monkeypatch.delenv("ARCRTC_VIDEO_ENCODER", raising=False)
    only(monkeypatch, **{row: f"{row}: no device" for row in OTHER_HARDWARE})
    chosen, passed_over = choose(codec)
    assert chosen == name
    assert {row for row, _ in passed_over} == {row for row in OTHER_HARDWARE if row.startswith(codec.value)}
    if next_one:
        assert choose(codec, refused={name: f"{name}: refused"})[0] == next_one


def test_unknown_names_are_refused() -> None:
    with pytest.raises(errors.ConfigError, match="known are"):
        probe("libx265")
    with pytest.raises(errors.UnsupportedError, match="libx265"):
        encoders.open_encoder("libx265", VideoCodec.H264, width=64, height=64, frame_rate=25, bitrate=100_000)
    with pytest.raises(errors.UnsupportedError, match="codec"):
        encoders.open_encoder("libx264", VideoCodec.VP8, width=64, height=64, frame_rate=25, bitrate=100_000)


def test_pipeline_goes_on_to_the_next_when_an_encoder_refuses_the_size(
        monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that passes the probe and cannot do the stream: "auto" must not fail for it."""
    monkeypatch.delenv("ARCRTC_VIDEO_ENCODER", raising=False)
    only(monkeypatch, **dict.fromkeys(HARDWARE - {"h264_amf"}, "no"))
    pipeline = VideoPipeline(VideoConfig(resolution=(64, 48), bitrate=100_000))
    assert pipeline.encoder == "h264_amf"
    encoded = pipeline.encode(clip(64, 48, 1)[0])
    assert pipeline.encoder == encoded.encoder == "libx264"
    assert dict(pipeline.passed_over)["h264_amf"].startswith("h264_amf: ")


def test_linked_libraries_are_told_with_their_versions() -> None:
    rows = {}
    lib_out = ffi.new("struct arc_vlib *")
    for i in range(lib.arc_vlibs_count()):
        assert lib.arc_vlibs_get(i, lib_out) == lib.ARC_OK
        rows[ffi.string(lib_out.name).decode()] = ffi.string(lib_out.loaded).decode()
    assert {"libavcodec", "libavutil", "libswscale"} <= set(rows)
    assert all(version[0].isdigit() or version[0] == "v" for version in rows.values())
    assert lib.arc_vlibs_get(lib.arc_vlibs_count(), lib_out) == lib.ARC_ERR_ARG
    assert lib.arc_vlibs_get(-1, lib_out) == lib.ARC_ERR_ARG
