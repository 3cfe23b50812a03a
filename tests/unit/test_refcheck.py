"""video/refcheck: key frames, and references that are missing, against a plain model."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcrtc._native import ffi, lib
from arcrtc.video import VideoCodec
from arcrtc.video.encoders import CODECS
from tests.model.coded_video import coded, h264_sets, h264_slice, recovery_point, superframe, vp9_frame


class Check:
    """The C module as an object."""

    def __init__(self, codec: VideoCodec) -> None:
        self.state = ffi.new("struct arc_refcheck *")
        lib.arc_refcheck_init(self.state, CODECS[codec])

    def look(self, data: bytes) -> Any:
        info = ffi.new("struct arc_refcheck_info *")
        lib.arc_refcheck_look(self.state, data, len(data), info)
        return info


class FrameNumbers:
    """H.264 7.4.3 in words: which numbers may follow."""

    def __init__(self, bits: int, gaps: bool) -> None:
        self.size, self.gaps, self.previous = 1 << bits, gaps, 0

    def step(self, now: int, reference: bool) -> bool:
        """True: a reference picture is missing."""
        jump = (now - self.previous) % self.size
        if reference:
            self.previous = now
        elif jump > 1:
            self.previous = (now - 1) % self.size
        return jump > 1 and not self.gaps


@settings(max_examples=60, deadline=None)
@given(bits=st.integers(4, 16), gaps=st.booleans(), profile=st.sampled_from([66, 100]), order=st.integers(0, 2),
       start=st.integers(0, 3),
       steps=st.lists(st.tuples(st.sampled_from([0, 1, 1, 1, 2, 5]), st.booleans(), st.integers(1, 3)), max_size=40))
def test_refcheck_sees_the_gaps_that_the_model_sees(
        bits: int, gaps: bool, profile: int, order: int, start: int,
        steps: list[tuple[int, bool, int]]) -> None:
    check, model = Check(VideoCodec.H264), FrameNumbers(bits, gaps)
    info = check.look(h264_sets(bits, gaps, profile=profile, order=order) + h264_slice(0, bits, idr=True))
    assert (info.is_key, info.missing_ref, info.disposable) == (True, False, False)
    now = 0
    for jump, reference, slices in steps:
        now = (model.previous + jump) % (1 << bits)
        data = b"".join(h264_slice(now, bits, reference=reference, first=i) for i in range(slices))
        info = check.look(data)
        assert (info.is_key, info.missing_ref, info.disposable) == (False, model.step(now, reference), not reference)


def test_refcheck_follows_an_intra_refresh_to_its_end() -> None:
    check = Check(VideoCodec.H264)
    check.look(h264_sets(4, False) + h264_slice(0, 4, idr=True))
    check.look(recovery_point(3) + h264_slice(1, 4))
    assert [check.look(h264_slice(n, 4)).recovered for n in (2, 3, 4, 5)] == [False, False, True, False]
    check.look(recovery_point(2) + h264_slice(6, 4))
    info = check.look(h264_slice(8, 4))  # 7 is lost: the refresh has mended nothing
    assert (info.missing_ref, info.recovered) == (True, False)
    check.look(recovery_point(1) + h264_slice(9, 4))
    lib.arc_refcheck_on_damage(check.state)
    assert not check.look(h264_slice(10, 4)).recovered


def test_refcheck_does_not_call_slices_of_several_pictures_recovered() -> None:
    check = Check(VideoCodec.H264)
    check.look(h264_sets(4, False) + h264_slice(0, 4, idr=True))
    info = check.look(h264_slice(4, 4) + recovery_point(0) + h264_slice(5, 4))
    assert (info.missing_ref, info.recovered) == (True, False)


def test_refcheck_begins_anew_after_a_flush() -> None:
    check = Check(VideoCodec.H264)
    check.look(h264_sets(4, False) + h264_slice(0, 4, idr=True))
    assert check.look(h264_slice(5, 4)).missing_ref
    lib.arc_refcheck_flush(check.state)
    assert not check.look(h264_slice(9, 4)).missing_ref
    assert check.look(h264_slice(12, 4)).missing_ref  # parameter sets stay


@settings(max_examples=60, deadline=None)
@given(frames=st.lists(st.one_of(
    st.builds(dict, key=st.just(True)),
    st.builds(dict, show_existing=st.integers(0, 7)),
    st.builds(dict, intra_only=st.just(True), refresh=st.integers(0, 255), resilient=st.booleans()),
    st.builds(dict, refresh=st.integers(0, 255), resilient=st.booleans(),
              refs=st.tuples(*[st.integers(0, 7)] * 3))), max_size=30), grouped=st.booleans())
def test_refcheck_knows_the_places_of_vp9_that_were_filled(frames: list[dict[str, Any]], grouped: bool) -> None:
    check, filled = Check(VideoCodec.VP9), set[int]()
    for frame in frames:
        refresh = {i for i in range(8) if frame.get("refresh", 0) >> i & 1}
        used = set() if frame.get("key") or frame.get("intra_only") else set(frame.get("refs", ()))
        if frame.get("show_existing") is not None:
            used = {frame["show_existing"]}
        missing = not used <= filled
        data = vp9_frame(**frame)
        info = check.look(superframe([data, vp9_frame(intra_only=True)]) if grouped else data)
        assert info.missing_ref == missing
        assert info.is_key == bool(frame.get("key"))
        alone = not grouped and not frame.get("key") and not frame.get("intra_only")
        assert info.disposable == (alone and not refresh)
        filled |= set(range(8)) if frame.get("key") else set() if missing else refresh


@pytest.mark.parametrize("codec", list(VideoCodec))
def test_refcheck_finds_the_key_frames_of_real_streams(codec: VideoCodec) -> None:
    check = Check(codec)
    found = [(info.is_key, info.missing_ref) for info in map(check.look, coded(codec))]
    assert found == [(i % 6 == 0, False) for i in range(12)]


def test_refcheck_sees_a_lost_picture_of_a_real_stream() -> None:
    packets = coded(VideoCodec.H264)
    check = Check(VideoCodec.H264)
    found = [check.look(packets[i]).missing_ref for i in (0, 1, 3, 4, 6, 7)]
    assert found == [False, False, True, False, False, False]


@settings(max_examples=100, deadline=None)
@given(codec=st.sampled_from(list(VideoCodec)), data=st.binary(max_size=80))
def test_refcheck_takes_any_bytes(codec: VideoCodec, data: bytes) -> None:
    check = Check(codec)
    check.look(coded(codec)[0])
    info = check.look(data)
    assert not (info.recovered and info.missing_ref)


def test_refcheck_survives_damaged_headers_of_real_streams() -> None:
    rng = np.random.default_rng(20260102)
    for codec in VideoCodec:
        check = Check(codec)
        for i in range(120):
            data = bytearray(coded(codec)[i % 12])
            for _ in range(3):
                data[int(rng.integers(0, min(len(data), 60)))] ^= int(rng.integers(1, 256))
            check.look(bytes(data[:int(rng.integers(1, len(data)))]))
        check.look(coded(codec)[0])
        assert not check.look(coded(codec)[1]).missing_ref
