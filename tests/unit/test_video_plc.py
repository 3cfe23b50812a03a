"""VideoPlc: what is shown while pictures are missing, and when a key frame is asked for."""
from __future__ import annotations

import numpy as np
import pytest

from arcrtc import RtpHeader, RtpPacket, errors
from arcrtc.video import ConcealMethod, VideoCodec, VideoFrame, VideoPlc, VideoPlcConfig, psnr
from tests.unit.test_vconceal import inner, picture

TICKS = 3600
IDR, SLICE = b"\x65\x88\x80\x10", b"\x41\x9a\x00\x10"


def packet(seq: int, ts: int = 0, payload: bytes = SLICE) -> RtpPacket:
    return RtpPacket(header=RtpHeader(sequence_number=seq & 0xFFFF, timestamp=ts, ssrc=1, payload_type=96,
                                      marker=True), payload=payload)


def moving(i: int) -> VideoFrame:
    return picture(4 * i, -2 * i, ts=TICKS * i)


def test_plc_freezes_by_default_and_asks_for_a_key_frame_when_it_is_at_its_end() -> None:
    plc = VideoPlc()
    assert plc.conceal(0) is None  # no picture so far
    plc = VideoPlc()
    for i in range(3):
        plc.process_packet(packet(i, TICKS * i))
        assert plc.process_frame(moving(i)) is not None
    assert not plc.needs_keyframe()
    for n in range(1, 8):
        shown = plc.conceal(3)
        assert shown is not None
        assert (shown.damaged, shown.timestamp) == (True, TICKS * (2 + n))
        assert plc.last_method is ConcealMethod.FREEZE
        np.testing.assert_array_equal(shown.to_ndarray(), moving(2).to_ndarray())
        assert plc.needs_keyframe() == (n >= 5)
    stats = plc.stats()
    assert (stats.frozen, stats.frozen_ticks, stats.shown_ticks) == (7, 7 * TICKS, 9 * TICKS)
    assert stats.frozen_ratio == pytest.approx(7 / 9)


def test_plc_moves_the_picture_on_and_then_freezes() -> None:
    plc = VideoPlc(VideoPlcConfig(enable_motion_compensation=True, max_conceal_packets=3, fade=1.0))
    for i in range(3):
        plc.process_frame(moving(i))
    shown = [plc.conceal(7) for _ in range(5)]
    assert all(shown)
    for k, frame in enumerate(shown[:3]):
        assert frame is not None
        assert psnr(inner(frame), inner(moving(3 + k))) > 38
        assert frame.timestamp == TICKS * (3 + k)
    for frame in shown[3:]:
        assert frame is not None
        np.testing.assert_array_equal(frame.to_ndarray(), shown[2].to_ndarray())  # type: ignore[union-attr]
    stats = plc.stats()
    assert (stats.extrapolated, stats.frozen, stats.frozen_ticks) == (3, 2, 2 * TICKS)


def test_plc_fades_the_motion() -> None:
    def way(fade: float) -> VideoFrame:
        plc = VideoPlc(VideoPlcConfig(enable_motion_compensation=True, fade=fade))
        for i in range(2):
            plc.process_frame(moving(i))
        last = [plc.conceal(1) for _ in range(3)][-1]
        assert last is not None
        return last
    assert psnr(inner(way(0.0)), inner(moving(2))) > 38  # one step, then nothing
    assert psnr(inner(way(0.5)), inner(picture(4 + 7, -2 - 3))) > 34  # 4 * (1 + 1/2 + 1/4)


def test_plc_takes_pictures_apart_in_time_for_what_they_are() -> None:
    """Pictures 0 and 2 were shown, 1 was lost: the motion between them is that of two intervals."""
    plc = VideoPlc(VideoPlcConfig(enable_motion_compensation=True, enable_interpolation=False, fade=1.0))
    for i in (0, 1, 2, 4):
        plc.process_frame(moving(i))
    shown = plc.conceal(9)
    assert shown is not None
    assert plc.interval == TICKS
    assert psnr(inner(shown), inner(moving(5))) > 38


def test_plc_interpolates_when_the_next_picture_is_there() -> None:
    plc = VideoPlc()
    for i in range(2):
        plc.process_frame(moving(i))
    shown = plc.conceal(2, next_frame=moving(3))
    assert shown is not None
    assert plc.last_method is ConcealMethod.INTERPOLATION
    assert shown.timestamp == 2 * TICKS
    assert psnr(inner(shown), inner(moving(2))) > 38
    assert plc.stats().interpolated == 1
    assert plc.conceal(3, next_frame=moving(1)) is not None  # it is behind: of no use
    assert plc.last_method is ConcealMethod.FREEZE


def test_plc_crossfades_to_the_first_true_picture_only() -> None:
    plc = VideoPlc()
    plc.process_frame(moving(0))
    plc.process_frame(moving(1))
    plc.conceal(2)
    mixed = plc.process_frame(moving(3))
    expected = (moving(1).to_ndarray().astype(int) + moving(3).to_ndarray() + 1) >> 1
    np.testing.assert_array_equal(mixed.to_ndarray(), expected.astype(np.uint8))
    assert mixed.timestamp == 3 * TICKS
    true = moving(4)
    assert plc.process_frame(true) is true
    plain = VideoPlc(VideoPlcConfig(enable_interpolation=False))
    plain.process_frame(moving(0))
    plain.conceal(1)
    assert plain.process_frame(true) is true
    assert (plc.stats().crossfaded, plain.stats().crossfaded) == (1, 0)


def test_plc_does_nothing_when_it_is_off() -> None:
    plc = VideoPlc(VideoPlcConfig(enabled=False))
    frame = moving(0)
    assert plc.process_frame(frame) is frame
    assert plc.conceal(1) is None
    assert plc.stats().not_concealed == 1


def test_plc_conceals_no_packet_that_came() -> None:
    plc = VideoPlc()
    plc.process_frame(moving(0))
    plc.process_packet(packet(65535))
    plc.process_packet(packet(1))
    assert plc.stats().packets_missing == 1
    assert plc.conceal(1) is None
    assert plc.conceal(65535) is None
    assert plc.conceal(0) is not None
    plc.process_packet(packet(0))  # repaired
    plc.process_packet(packet(0))  # a duplicate
    stats = plc.stats()
    assert (stats.packets, stats.packets_missing) == (3, 0)
    assert plc.conceal(0) is None


def test_plc_remembers_a_bounded_number_of_packets() -> None:
    plc = VideoPlc()
    for seq in range(65530, 65530 + 3000):
        if seq % 10:
            plc.process_packet(packet(seq))
    assert len(plc._seen) == len(plc._seen_set) == 1024
    assert 90 <= plc.stats().packets_missing <= 103


def test_plc_needs_a_key_frame_until_one_comes() -> None:
    plc = VideoPlc(VideoPlcConfig(codec=VideoCodec.H264))
    plc.process_packet(packet(0, 0, IDR))
    plc.process_frame(moving(0))
    plc.conceal(1)
    assert not plc.needs_keyframe()  # it may still be repaired
    plc.process_packet(packet(2, 2 * TICKS))
    plc.process_frame(moving(2))
    assert plc.needs_keyframe()  # a picture went by that this one may refer to
    plc.process_packet(packet(3, 3 * TICKS))
    plc.process_frame(moving(3))
    assert plc.needs_keyframe()
    plc.process_packet(packet(4, 4 * TICKS, IDR))
    plc.process_frame(moving(4))
    assert not plc.needs_keyframe()


def test_plc_believes_the_decoder_and_the_caller() -> None:
    plc = VideoPlc()
    plc.process_frame(moving(0))
    plc.conceal(1)
    plc.process_frame(moving(1))  # it came after all, whole: the decoder says so
    assert not plc.needs_keyframe()
    hurt = moving(2)
    hurt.damaged = True
    plc.process_frame(hurt)
    assert plc.needs_keyframe()
    plc.process_frame(moving(3), is_keyframe=False)
    assert plc.needs_keyframe()
    plc.process_frame(moving(4), is_keyframe=True)
    assert not plc.needs_keyframe()
    assert plc.stats().damaged == 1


def test_plc_conceals_what_it_can_of_other_formats_and_sizes() -> None:
    plc = VideoPlc(VideoPlcConfig(enable_motion_compensation=True, fade=1.0))
    for i in range(2):
        plc.process_frame(moving(i).convert("nv12"))
    shown = plc.conceal(2)
    assert shown is not None
    assert plc.last_method is ConcealMethod.EXTRAPOLATION
    assert psnr(inner(shown), inner(moving(2))) > 38
    small = picture(0, 0, 48, 32, ts=3 * TICKS)
    assert plc.process_frame(small) is small  # no mix of two sizes
    assert plc.conceal(4) is not None
    assert plc.last_method is ConcealMethod.FREEZE


def test_plc_time_stamps_wrap() -> None:
    plc = VideoPlc()
    for i in range(4):
        plc.process_frame(picture(i, 0, ts=(2**32 - 2 * TICKS + TICKS * i) % 2**32))
    assert plc.interval == TICKS
    assert plc.stats().shown_ticks == 3 * TICKS


def test_plc_config_names_field_value_and_range() -> None:
    for field, value in (("max_conceal_packets", -1), ("max_conceal_packets", 65), ("fade", 1.5),
                         ("fade", float("nan")), ("max_conceal_packets", True)):
        with pytest.raises(errors.ConfigError, match=field):
            VideoPlcConfig(**{field: value})  # type: ignore[arg-type]
    assert "0 frames" in repr(VideoPlc())
