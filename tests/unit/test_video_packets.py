"""VideoPipeline between frames and RTP packets of all four codecs (needs wire/pl_video and arcrtc.rtp)."""
from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from arcrtc import errors
from arcrtc.rtp import RtpPacket
from arcrtc.sdp import h264_fmtp, h264_parameter_sets
from arcrtc.video import EncodedFrame, VideoCodec, VideoConfig, VideoFrame, VideoPipeline, psnr
from tests.model.clip import clip
from tests.model.h264_model import join_annexb, split_annexb

SIZE = (320, 240)


def pipeline(threads: int = 1, bitrate: int = 400_000) -> VideoPipeline:
    return VideoPipeline(VideoConfig(bitrate=bitrate, resolution=SIZE, frame_rate=25, keyframe_interval=0,
                                     encoder="libx264", threads=threads))


@pytest.fixture(scope="module")
def source() -> list[VideoFrame]:
    return clip(*SIZE, frames=30)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("by_packet", [True, False])
def test_frames_go_through_packets_and_back(source: list[VideoFrame], threads: int, by_packet: bool) -> None:
    sender, receiver, direct = pipeline(threads), pipeline(), pipeline()
    seq, shown = 65_530, 0  # the sequence numbers wrap on the way
    for frame in source:
        encoded = sender.encode(frame)
        packets = sender.packetize(encoded, sequence_number=seq, ssrc=12345, payload_type=97, mtu=500)
        assert [p.header.sequence_number for p in packets] == [
            (seq + i) & 0xFFFF for i in range(len(packets))]
        assert {(p.header.timestamp, p.header.ssrc, p.header.payload_type) for p in packets} == {
            (frame.timestamp, 12345, 97)}
        assert [p.header.marker for p in packets] == [False] * (len(packets) - 1) + [True]
        assert max(len(p.serialize()) for p in packets) <= 500
        seq = (seq + len(packets)) & 0xFFFF
        expected = direct.decode_frame(encoded.data)
        for i, packet in enumerate(packets):
            packet = RtpPacket.parse(packet.serialize())
            got = receiver.decode_packet(packet) if by_packet else receiver.decode(
                packet.payload, packet.header.timestamp)
            assert (got is not None) == (i == len(packets) - 1)
        assert got is not None
        assert expected is not None
        assert got.timestamp == frame.timestamp
        np.testing.assert_array_equal(got.to_ndarray(), expected.to_ndarray())
        shown += 1
    assert shown == receiver.stats.frames_decoded == 30
    assert receiver.stats.payloads_dropped == receiver.stats.frames_incomplete == 0


def test_a_small_frame_goes_in_one_packet(source: list[VideoFrame]) -> None:
    config = VideoConfig(resolution=(1920, 1080), encoder="libx264")
    sender, receiver = VideoPipeline(config), VideoPipeline(config)
    grey = VideoFrame(data=bytes([90]) * (1920 * 1080 * 3), width=1920, height=1080, timestamp=1000,
                      format="rgb24")
    for i in range(3):
        encoded = sender.encode(grey)
        packet = sender.create_rtp_packet(encoded, i + 1, 1000 + i, 12345, 97, False)
        header = packet.header
        assert (header.sequence_number, header.timestamp, header.ssrc, header.payload_type,
                header.marker) == (i + 1, 1000 + i, 12345, 97, False)
        picture = receiver.decode(packet.payload, header.timestamp)
        assert picture is not None
        assert (picture.width, picture.height, picture.timestamp) == (1920, 1080, 1000 + i)
        assert psnr(picture, grey) > 40
    with pytest.raises(errors.PacketTooLargeError, match=r"needs \d+ packets"):
        pipeline().create_rtp_packet(pipeline().encode(source[0]), 1, 0, 1, 97)


def test_a_lost_packet_costs_its_frame_and_the_next_key_frame_mends(source: list[VideoFrame]) -> None:
    sender, receiver = pipeline(bitrate=1_000_000), pipeline()
    seq, shown = 0, {}
    for i, frame in enumerate(source):
        if i == 15:
            sender.request_keyframe()
        packets = sender.packetize(sender.encode(frame), seq, 1, 97, mtu=600)
        seq += len(packets)
        if i == 5:
            assert len(packets) > 3
            del packets[1]
        elif i == 8:
            del packets[-1]
        for packet in packets:
            try:
                got = receiver.decode_packet(packet)
            except errors.CodecError:
                continue
            if got is not None:
                shown[i] = psnr(got, frame)
    assert 5 not in shown
    assert 8 not in shown
    assert len(shown) == 28
    assert all(value > 30 for i, value in shown.items() if i < 5 or i >= 15)
    assert receiver.stats.frames_incomplete == 2


def test_payloads_without_their_beginning_are_counted(source: list[VideoFrame]) -> None:
    sender, receiver = pipeline(), pipeline()
    packets = sender.packetize(sender.encode(source[0]), 0, 1, 97, mtu=600)
    later = [p for p in packets if p.payload[0] & 0x1F == 28]
    assert len(later) > 2
    assert receiver.decode(later[1].payload, 0) is None
    assert receiver.stats.payloads_dropped == 1
    with pytest.raises(errors.ParseError):
        receiver.decode(b"\x78\x00", 0)  # STAP-A that is cut


def test_packetize_checks_its_arguments(source: list[VideoFrame]) -> None:
    sender = pipeline()
    encoded = sender.encode(source[0])
    for mtu in (63, 65_508):
        with pytest.raises(errors.ArgumentError, match="mtu"):
            sender.packetize(encoded, 0, 1, 97, mtu=mtu)
    assert sender.packetize(EncodedFrame(b"", False, 0, "libx264"), 0, 1, 97) == []
    with pytest.raises(errors.ArgumentError, match="dropped"):
        sender.create_rtp_packet(EncodedFrame(b"", False, 0, "libx264"), 0, 0, 1, 97)
    wrapped = sender.packetize(EncodedFrame(encoded.data, True, 2**32 + 5, "libx264"), 0, 1, 97)
    assert {p.header.timestamp for p in wrapped} == {5}


ENCODERS = {VideoCodec.VP8: ("libvpx", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
            VideoCodec.VP9: ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
            VideoCodec.AV1: ("libsvtav1", {"preset": "10", "svtav1-params": "rc=2:pred-struct=1:lookahead=0"})}


def coded(codec: VideoCodec, source: list[VideoFrame]) -> list[EncodedFrame]:
    """Frames of an encoder that is not ours."""
    name, options = ENCODERS[codec]
    context = av.CodecContext.create(name, "w")
    context.width, context.height, context.pix_fmt, context.options = *SIZE, "yuv420p", options
    context.framerate, context.time_base, context.bit_rate = 25, Fraction(1, 25), 800_000
    packets: list[Any] = []
    for n, picture in enumerate(source):
        frame = picture.to_pyav()
        frame.pts, frame.time_base = n, Fraction(1, 25)
        packets += context.encode(frame)
    packets += context.encode(None)
    return [EncodedFrame(bytes(p), p.is_keyframe, 3600 * n, name) for n, p in enumerate(packets)]


@pytest.fixture
def without_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arcrtc.video.pipeline.choose", lambda *_args, **_options: ("none", ()))


@pytest.mark.usefixtures("without_encoder")
@pytest.mark.parametrize("codec", ENCODERS)
def test_frames_of_every_codec_go_through_packets_and_back(codec: VideoCodec, source: list[VideoFrame]) -> None:
    config = VideoConfig(codec=codec, resolution=SIZE)
    sender, by_packet, by_payload = VideoPipeline(config), VideoPipeline(config), VideoPipeline(config)
    seq, shown, loose = 65_530, [], []
    for encoded in coded(codec, source[:12]):
        packets = sender.packetize(encoded, seq, 1, 98, mtu=400)
        assert [p.header.marker for p in packets] == [False] * (len(packets) - 1) + [True]
        assert max(len(p.serialize()) for p in packets) <= 400
        seq = (seq + len(packets)) & 0xFFFF
        for packet in packets:
            shown.append(by_packet.decode_packet(packet))
            loose.append(by_payload.decode(packet.payload, packet.header.timestamp))
    pictures = [p for p in shown if p is not None]
    assert [p.timestamp for p in pictures] == [3600 * n for n in range(12)]
    assert all(psnr(p, frame) > 30 for p, frame in zip(pictures, source, strict=False))
    alone = [p for p in loose if p is not None]
    # Without the marker, a picture of VP8 ends where the next one begins.
    assert [p.timestamp for p in alone] == [3600 * n for n in range(12 - (codec is VideoCodec.VP8))]
    for one, other in zip(alone, pictures, strict=False):
        np.testing.assert_array_equal(one.to_ndarray(), other.to_ndarray())


@pytest.mark.usefixtures("without_encoder")
@pytest.mark.parametrize("codec", ENCODERS)
def test_a_lost_packet_of_every_codec_costs_its_frame(codec: VideoCodec, source: list[VideoFrame]) -> None:
    config = VideoConfig(codec=codec, resolution=SIZE)
    sender, receiver, seq = VideoPipeline(config), VideoPipeline(config), 0
    for n, encoded in enumerate(coded(codec, source[:6])):
        packets = sender.packetize(encoded, seq, 1, 98, mtu=100)
        seq += len(packets)
        if n == 3:
            assert len(packets) > 1
            del packets[0]
        got = []
        for packet in packets:
            try:
                got.append(receiver.decode_packet(packet))
            except errors.CodecError:
                continue
        if n == 3:
            assert not any(got)
    assert receiver.stats.frames_incomplete == 1


def test_parameter_sets_out_of_band_go_before_the_key_frame(source: list[VideoFrame]) -> None:
    sender, receiver = pipeline(), pipeline()
    encoded = sender.encode(source[0])
    slices = join_annexb([unit for unit in split_annexb(encoded.data) if unit[0] & 31 not in (6, 7, 8)])
    bare = EncodedFrame(slices, True, 0, "libx264")
    without, (*first, last) = pipeline(), sender.packetize(bare, 0, 1, 97)
    assert not any(without.decode_packet(packet) for packet in first)
    with pytest.raises(errors.CodecError):
        without.decode_packet(last)
    receiver.parameter_sets = h264_parameter_sets(h264_fmtp(encoded.data))
    for packet in sender.packetize(bare, 0, 1, 97):
        picture = receiver.decode_packet(packet)
    assert picture is not None
    assert psnr(picture, source[0]) > 30
