"""arcrtc.video.parameters: what browsers write, what they leave out, and what both sides must agree on."""
from __future__ import annotations

import pytest

from arcrtc import errors
from arcrtc.sdp import MediaDescription, SessionDescription, parse
from arcrtc.video import VideoCodec
from arcrtc.video.parameters import (
    Av1Parameters,
    H264Parameters,
    Vp8Parameters,
    Vp9Parameters,
    video_parameters,
)

# The video formats that Chromium 126 offers, without their retransmission formats.
CHROMIUM = {
    VideoCodec.VP8: [{}],
    VideoCodec.VP9: [{"profile-id": "0"}, {"profile-id": "1"}, {"profile-id": "2"}, {"profile-id": "3"}],
    VideoCodec.AV1: [{"level-idx": "5", "profile": "0", "tier": "0"}, {"level-idx": "5", "profile": "1", "tier": "0"}],
    VideoCodec.H264: [{"level-asymmetry-allowed": "1", "packetization-mode": mode, "profile-level-id": profile}
                      for profile in ("42001f", "42e01f", "4d001f", "f4001f", "64001f") for mode in ("1", "0")],
}
SPS, PPS = b"\x67\x64\x00\x1f\xac", b"\x68\xee\x3c\x80"


@pytest.mark.parametrize("codec", VideoCodec)
def test_video_parameters_of_chromium_come_back(codec: VideoCodec) -> None:
    read = [video_parameters(codec, fmtp) for fmtp in CHROMIUM[codec]]
    assert [list(p.fmtp.items()) for p in read] == [list(fmtp.items()) for fmtp in CHROMIUM[codec]]
    for i, one in enumerate(read):
        assert [one.accepts(other) for other in read] == [i == k for k in range(len(read))]  # type: ignore[arg-type]


@pytest.mark.parametrize("codec", VideoCodec)
def test_video_parameters_go_through_a_session_description(codec: VideoCodec) -> None:
    for fmtp in CHROMIUM[codec]:
        media = MediaDescription("video", 5004, 96, codec.value, 90_000, fmtp=fmtp)
        text = SessionDescription([media], address="192.0.2.1").to_text()
        assert f"a=rtpmap:96 {codec.value.upper()}/90000\r\n" in text
        assert parse(text).media[0].fmtp == fmtp


def test_video_parameters_defaults_are_those_of_the_standards() -> None:
    h264 = H264Parameters.from_fmtp({})
    assert (h264.profile, h264.level, h264.packetization_mode, h264.level_asymmetry_allowed) == (
        "baseline", 10, 0, False)
    assert Vp9Parameters.from_fmtp({}) == Vp9Parameters(0)
    assert Av1Parameters.from_fmtp({}) == Av1Parameters(0, 5, 0)
    assert Vp8Parameters.from_fmtp({"MAX-FR": "30", "max-fs": "3600"}) == Vp8Parameters(30, 3600)


@pytest.mark.parametrize(("text", "profile", "level"), [
    ("42e01f", "constrained-baseline", 31), ("42C02A", "constrained-baseline", 42),
    ("4d801f", "constrained-baseline", 31), ("58f01f", "constrained-baseline", 31), ("42001f", "baseline", 31),
    ("4d001f", "main", 31), ("58001f", "extended", 31), ("640034", "high", 52), ("640c1f", "constrained-high", 31),
    ("42f00b", "constrained-baseline", 9), ("42e00b", "constrained-baseline", 11), ("64100b", "unknown", 11),
    ("00001f", "unknown", 31)])
def test_video_parameters_h264_profile_and_level(text: str, profile: str, level: int) -> None:
    parameters = H264Parameters(text)
    assert (parameters.profile, parameters.level) == (profile, level)


def test_video_parameters_h264_carry_parameter_sets() -> None:
    sets = b"\0\0\0\1" + SPS + b"\0\0\0\1" + PPS
    parameters = H264Parameters("64001f", parameter_sets=sets)
    assert parameters.fmtp["sprop-parameter-sets"] == "Z2QAH6w=,aO48gA=="
    assert H264Parameters.from_fmtp(parameters.fmtp) == parameters
    assert H264Parameters.from_fmtp(parameters.fmtp).accepts(H264Parameters("640028"))


@pytest.mark.parametrize(("size", "level"), [
    ((320, 180, 30), 0), ((640, 360, 30), 1), ((854, 480, 30), 4), ((1280, 720, 30), 5), ((1280, 720, 60), 8),
    ((1920, 1080, 30), 8), ((1920, 1080, 60), 9), ((3840, 2160, 30), 12), ((3840, 2160, 60), 13),
    ((7680, 4320, 30), 16), ((7680, 4320, 60), 17), ((8193, 16, 1), 16)])
def test_video_parameters_av1_level_of_a_size(size: tuple[int, int, int], level: int) -> None:
    assert Av1Parameters.for_size(*size).level_idx == level


def test_video_parameters_av1_size_beyond_all_levels() -> None:
    with pytest.raises(errors.ConfigError, match="beyond"):
        Av1Parameters.for_size(20_000, 100, 1)


@pytest.mark.parametrize(("codec", "fmtp"), [
    (VideoCodec.H264, {"profile-level-id": "42e01"}), (VideoCodec.H264, {"profile-level-id": "42e01g"}),
    (VideoCodec.H264, {"packetization-mode": "2"}), (VideoCodec.H264, {"packetization-mode": "x"}),
    (VideoCodec.H264, {"sprop-parameter-sets": "*"}), (VideoCodec.VP8, {"max-fr": "-1"}),
    (VideoCodec.VP9, {"profile-id": "4"}), (VideoCodec.VP9, {"profile-id": ""}),
    (VideoCodec.AV1, {"level-idx": "32"}), (VideoCodec.AV1, {"profile": "3"}), (VideoCodec.AV1, {"tier": "2"})])
def test_video_parameters_that_are_none_are_refused(codec: VideoCodec, fmtp: dict[str, str]) -> None:
    with pytest.raises(errors.ParseError):
        video_parameters(codec, fmtp)


@pytest.mark.parametrize("make", [
    lambda: H264Parameters("42"), lambda: H264Parameters(packetization_mode=2), lambda: Vp8Parameters(0),
    lambda: Vp9Parameters(4), lambda: Vp9Parameters(0, 0), lambda: Av1Parameters(3), lambda: Av1Parameters(tier=2)])
def test_video_parameters_out_of_range_are_refused(make) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(errors.ConfigError):
        make()
