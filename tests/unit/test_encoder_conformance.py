"""What every encoder must do: a packet for each frame at once, rates in place, key frames on request, any size.

What comes out is decoded by PyAV's own FFmpeg (dav1d for AV1), not by ours.
"""
from __future__ import annotations

from collections.abc import Iterable

import av
import numpy as np
import pytest

from arcrtc import errors
from arcrtc._native import lib
from arcrtc.video import (
    EncodedFrame,
    VideoCodec,
    VideoConfig,
    VideoContent,
    VideoFrame,
    VideoPipeline,
    encoders,
    probe,
    psnr,
)
from tests.model.clip import clip, there_and_back

FPS = 25
SMALL = (320, 180)
DECODERS = {VideoCodec.H264: "h264", VideoCodec.VP8: "vp8", VideoCodec.VP9: "vp9", VideoCodec.AV1: "libdav1d"}
#: These must run everywhere; devices where there are some.
SOFTWARE = {"libx264": VideoCodec.H264, "libvpx": VideoCodec.VP8, "libvpx-vp9": VideoCodec.VP9,
            "libaom-av1": VideoCodec.AV1}
DEVICES = {row.name: row.codec for row in encoders._table() if row.hardware and probe(row.name).usable}
CODEC = SOFTWARE | DEVICES
every_encoder = pytest.mark.parametrize("name", CODEC)


def pipeline(name: str, size: tuple[int, int] = SMALL, bitrate: int = 400_000, *, speed: int = 6, threads: int = 1,
             keyframe_interval: int = 0, content: VideoContent = VideoContent.CAMERA, temporal_layers: int = 1,
             spatial_layers: int = 1, intra_refresh: bool = False) -> VideoPipeline:
    return VideoPipeline(VideoConfig(
        codec=CODEC[name], encoder=name, resolution=size, bitrate=bitrate, frame_rate=FPS,
        keyframe_interval=keyframe_interval, threads=threads, speed=speed, content=content,
        temporal_layers=temporal_layers, spatial_layers=spatial_layers, intra_refresh=intra_refresh))


def pictures(name: str, packets: Iterable[bytes]) -> list[av.VideoFrame]:
    decoder = av.CodecContext.create(DECODERS[CODEC[name]], "r")
    out: list[av.VideoFrame] = []
    for packet in packets:
        out += decoder.decode(av.Packet(packet))
    return out + decoder.decode(None)


def qualities(decoded: list[av.VideoFrame], frames: list[VideoFrame]) -> list[float]:
    """PSNR of each picture, dB; the frames are scaled to the size of the pictures."""
    assert len(decoded) == len(frames)
    found = []
    for picture, frame in zip(map(VideoFrame.from_pyav, decoded), frames, strict=True):
        if (picture.width, picture.height) != (frame.width, frame.height):
            frame = frame.convert(width=picture.width, height=picture.height)
        found.append(psnr(picture, frame))
    return found


@pytest.fixture(scope="module")
def small() -> list[VideoFrame]:
    return clip(*SMALL, frames=30)


@every_encoder
def test_conformance_delay_is_nothing_and_order_is_kept_over_300_frames(name: str, small: list[VideoFrame]) -> None:
    sender = pipeline(name, speed=7)
    frames = there_and_back(small, 300)
    packets = []
    for i, frame in enumerate(frames):
        encoded = sender.encode(frame)
        assert encoded.data
        assert encoded.timestamp == frame.timestamp
        assert encoded.is_keyframe == (i == 0)
        layer, = encoded.layers
        assert (layer.offset, layer.length) == (0, len(encoded.data))
        assert (layer.is_keyframe, layer.is_reference) == (i == 0, True)
        assert layer.references == (() if i == 0 else (1,))
        packets.append(encoded.data)
    found = qualities(pictures(name, packets), frames)  # nothing was left in the encoder
    assert min(found[FPS:]) > 33


def steps(name: str, rates: tuple[int, ...], per_step: int) -> tuple[list[list[int]], list[int]]:
    """Bytes of each frame at each rate, and where key frames came."""
    sender = pipeline(name, (640, 360), rates[0], speed=7)
    frames = iter(there_and_back(clip(640, 360, frames=25), per_step * len(rates)))
    sizes, keys = [], []
    for rate in rates:
        sender.set_bitrate(rate)
        sizes.append([])
        for _ in range(per_step):
            encoded = sender.encode(next(frames))
            sizes[-1].append(len(encoded.data))
            if encoded.is_keyframe:
                keys.append(sender.stats.frames_encoded - 1)
    return sizes, keys


@every_encoder
def test_conformance_rate_steps_are_followed_within_half_a_second(name: str) -> None:
    rates = (2_000_000, 500_000, 2_000_000)
    sizes, keys = steps(name, rates, per_step=50)
    assert keys == [0]
    for rate, found in zip(rates[1:], sizes[1:], strict=True):
        share = rate / 8 / FPS
        assert max(found) <= 2 * share
        settled = found[FPS // 2:]
        assert abs(sum(settled) / len(settled) / share - 1) < 0.1


@every_encoder
def test_conformance_frame_rate_is_followed_in_place(name: str, small: list[VideoFrame]) -> None:
    """Ten frames a second get two and a half times the bits of twenty-five each."""
    sender = pipeline(name, bitrate=250_000)
    frames = there_and_back(small, 75)
    sizes = [len(sender.encode(frame).data) for frame in frames[:35]]
    sender.set_frame_rate(10)
    sizes += [len(sender.encode(frame).data) for frame in frames[35:]]
    assert sender.stats.keyframes_encoded == 1
    assert np.mean(sizes[45:]) * 8 * 10 == pytest.approx(250_000, rel=0.25)


@every_encoder
def test_conformance_key_frames_come_when_asked_for_and_by_interval(name: str, small: list[VideoFrame]) -> None:
    asked, sender = {7, 8, 20}, pipeline(name)
    keys = []
    for i, frame in enumerate(small):
        if i in asked:
            sender.request_keyframe()
        if sender.encode(frame).is_keyframe:
            keys.append(i)
    assert keys == [0, 7, 8, 20]
    sender = pipeline(name, keyframe_interval=10)
    found = [sender.encode(frame) for frame in small]
    assert [i for i, encoded in enumerate(found) if encoded.is_keyframe] == [0, 10, 20]
    later = pictures(name, [encoded.data for encoded in found[20:]])  # who comes late needs nothing from before
    assert min(qualities(later, small[20:])) > 28


@every_encoder
def test_conformance_size_changes_on_the_way(name: str, small: list[VideoFrame]) -> None:
    sender = pipeline(name)
    sizes = [SMALL, (160, 90), (240, 136), SMALL, (480, 270)]
    packets, keys = [], 0
    for size in sizes:
        sender.set_resolution(size)
        packets += [sender.encode(frame) for frame in small[:6]]
        keys += packets[-6].is_keyframe
        assert not any(encoded.is_keyframe for encoded in packets[-5:])
        assert packets[-6].layers[0].width == size[0]
    assert keys <= len(sizes)
    decoded = pictures(name, [encoded.data for encoded in packets])
    assert [(picture.width, picture.height) for picture in decoded] == [size for size in sizes for _ in range(6)]
    assert min(qualities(decoded, small[:6] * len(sizes))) > 26


@pytest.mark.parametrize("name", ["libvpx-vp9", "libaom-av1"])
def test_conformance_smaller_sizes_need_no_key_frame(name: str, small: list[VideoFrame]) -> None:
    sender = pipeline(name)
    for size in (SMALL, (160, 90), (240, 136), SMALL):
        sender.set_resolution(size)
        for frame in small[:3]:
            sender.encode(frame)
    assert sender.stats.keyframes_encoded == 1


@every_encoder
@pytest.mark.parametrize("size", [(161, 91), (98, 65), (33, 48)])
def test_conformance_odd_sizes_and_strides_are_right(name: str, size: tuple[int, int]) -> None:
    width, height = size
    whole = clip(width + 8, height, frames=4)
    sender = pipeline(name, size, 300_000)
    packets, sources = [], []
    for frame in whole:
        rgb = frame.convert("rgb24").to_ndarray()[:, :width]  # rows that are apart
        sources.append(VideoFrame(rgb, width, height, frame.timestamp, "rgb24"))
        packets.append(sender.encode(sources[-1]).data)
    decoded = pictures(name, packets)
    even = (width + width % 2, height + height % 2)
    assert {(picture.width, picture.height) for picture in decoded} == {
        even if CODEC[name] is VideoCodec.H264 else size}
    for picture, source in zip(decoded, sources, strict=True):
        shown = VideoFrame.from_pyav(picture).convert("rgb24").to_ndarray()[:height, :width].astype(float)
        assert abs(shown - source.to_ndarray()).mean() < 9
        assert abs(shown[-1] - source.to_ndarray()[-1]).mean() < 16  # no grey seam
        assert abs(shown[:, -1] - source.to_ndarray()[:, -1]).mean() < 16


@every_encoder
@pytest.mark.parametrize("threads", [1, 2])
def test_conformance_closing_gives_everything_back(name: str, threads: int, small: list[VideoFrame]) -> None:
    live = lib.arc_mem_live_blocks()
    sender = pipeline(name, (640, 360), threads=threads)
    sender.encode(small[0])
    sender.encode(small[1])
    del sender
    assert lib.arc_mem_live_blocks() == live


@pytest.mark.parametrize("name", [name for name in CODEC if CODEC[name] is not VideoCodec.VP8])
@pytest.mark.parametrize(("matrix", "full"), [("bt709", False), ("bt601", True)])
def test_conformance_range_and_matrix_are_told(name: str, matrix: str, full: bool, small: list[VideoFrame]) -> None:
    sender = pipeline(name)
    packets = [sender.encode(VideoFrame(frame.data, *SMALL, frame.timestamp, full_range=full, matrix=matrix)).data
               for frame in small[:2]]
    for picture in map(VideoFrame.from_pyav, pictures(name, packets)):
        assert (picture.matrix, picture.full_range) == (matrix, full)


@every_encoder
def test_conformance_screens_and_refresh_can_be_asked_for(name: str, small: list[VideoFrame]) -> None:
    for more in ({"content": VideoContent.SCREEN}, {"intra_refresh": True}):
        sender = pipeline(name, **more)  # type: ignore[arg-type]
        found = [sender.encode(frame).data for frame in small]
        assert sender.stats.keyframes_encoded == 1
        assert min(qualities(pictures(name, found), small)[10:]) > 30


def test_conformance_intra_refresh_heals_a_loss_without_a_key_frame(small: list[VideoFrame]) -> None:
    frames = there_and_back(small, 60)
    ends = {}
    for refresh in (False, True):
        sender = pipeline("libx264", keyframe_interval=15 if refresh else 0, intra_refresh=refresh)
        encoded = [sender.encode(frame) for frame in frames]
        assert sender.stats.keyframes_encoded == 1
        lost = {5, 6}
        decoded = pictures("libx264", [e.data for i, e in enumerate(encoded) if i not in lost])
        ends[refresh] = np.mean(qualities(decoded[-10:], frames[-10:]))
    assert ends[True] > ends[False] + 5
    assert ends[True] > 34


LAYERED = [("libvpx", 1), ("libvpx-vp9", 1), ("libvpx-vp9", 2), ("libvpx-vp9", 3), ("libaom-av1", 1),
           ("libaom-av1", 2), ("libaom-av1", 3)]
TIDS = {1: [0], 2: [0, 1], 3: [0, 2, 1, 2]}


def needed(encoded: list[EncodedFrame], tid: int) -> list[int]:
    """Pictures of temporal layers 0..tid; each has what it refers to among those before it."""
    kept = [i for i, e in enumerate(encoded) if e.temporal_id <= tid]
    for i in kept:
        for layer in encoded[i].layers:
            assert {i - back for back in layer.references} <= set(kept)
            assert layer.is_keyframe == (not layer.references)
    return kept


def shown(name: str, encoded: list[EncodedFrame], sid: int) -> list[av.VideoFrame]:
    """What a receiver of spatial layers 0..sid sees. FFmpeg takes the frames of VP9 one by one."""
    cut = [[e.data[row.offset:row.offset + row.length] for row in e.layers if row.spatial_id <= sid]
           for e in encoded]
    if CODEC[name] is VideoCodec.VP9:
        return pictures(name, [data for rows in cut for data in rows])[sid::sid + 1]
    return pictures(name, [b"".join(rows) for rows in cut])


@pytest.mark.parametrize(("name", "spatial"), LAYERED)
@pytest.mark.parametrize("temporal", [1, 2, 3])
def test_conformance_every_layer_can_be_left_out(name: str, spatial: int, temporal: int,
                                                 small: list[VideoFrame]) -> None:
    sender = pipeline(name, speed=7, bitrate=600_000, temporal_layers=temporal, spatial_layers=spatial)
    encoded = []
    for i, frame in enumerate(small[:22]):
        if i == 9:
            sender.request_keyframe()
        encoded.append(sender.encode(frame))
    assert [i for i, e in enumerate(encoded) if e.is_keyframe] == [0, 9]
    period = len(TIDS[temporal])
    tids = [TIDS[temporal][(i if i < 9 else i - 9) % period] for i in range(len(encoded))]
    assert [e.temporal_id for e in encoded] == tids
    for e in encoded:
        if spatial * temporal > 1:
            assert [row.spatial_id for row in e.layers] == list(range(spatial))
            assert [row.is_inter_layer for row in e.layers] == [sid > 0 for sid in range(spatial)]
        assert sum(row.length for row in e.layers) == len(e.data)
    for tid in range(temporal):
        kept = needed(encoded, tid)
        for sid in range(spatial):
            decoded = shown(name, [encoded[i] for i in kept], sid)
            assert {(p.width, p.height) for p in decoded} == {
                (encoded[0].layers[sid].width, encoded[0].layers[sid].height)}
            assert min(qualities(decoded, [small[i] for i in kept])) > 27


def test_conformance_layers_get_their_shares_of_the_rate() -> None:
    sender = pipeline("libvpx-vp9", (640, 360), 600_000, speed=7, temporal_layers=2, spatial_layers=2)
    bits = np.zeros((2, 2))
    for frame in there_and_back(clip(640, 360, frames=20), 75):
        for row in sender.encode(frame).layers:
            bits[row.spatial_id, row.temporal_id] += row.length * 8 * FPS / 75
    assert bits.sum() == pytest.approx(600_000, rel=0.15)
    assert bits[0].sum() == pytest.approx(156_000, rel=0.25)  # 26 %
    assert bits[:, 0].sum() == pytest.approx(360_000, rel=0.25)  # 60 %


def test_conformance_layers_that_a_library_has_not_are_refused_with_the_reason(small: list[VideoFrame]) -> None:
    with pytest.raises(errors.UnsupportedError, match="libx264: has up to 1 temporal and 1 spatial layers"):
        pipeline("libx264", temporal_layers=2).encode(small[0])
    with pytest.raises(errors.UnsupportedError, match="libvpx: has up to 3 temporal and 1 spatial layers"):
        encoders.open_encoder("libvpx", VideoCodec.VP8, width=64, height=64, frame_rate=25, bitrate=100_000,
                              spatial_layers=2)
    with pytest.raises(errors.ConfigError, match="vp8 has none"):
        pipeline("libvpx", spatial_layers=2)


@pytest.mark.parametrize("more", [{"content": "screen"}, {"temporal_layers": 0}, {"temporal_layers": 4},
                                  {"spatial_layers": 4}])
def test_conformance_settings_out_of_range_are_refused(more: dict[str, object]) -> None:
    with pytest.raises(errors.ConfigError, match=next(iter(more))):
        VideoConfig(codec=VideoCodec.VP9, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "spatial"), [("libvpx", 1), ("libvpx-vp9", 2), ("libaom-av1", 2)])
def test_conformance_layers_pass_through_packets(name: str, spatial: int, small: list[VideoFrame]) -> None:
    sender = pipeline(name, speed=7, temporal_layers=2, spatial_layers=spatial)
    receiver = pipeline(name)
    sequence, seen = 0, 0
    for frame in small[:8]:
        encoded = sender.encode(frame)
        packets = sender.packetize(encoded, sequence, ssrc=1, payload_type=96, mtu=300)
        sequence += len(packets)
        for packet in packets:
            picture = receiver.decode_packet(packet)
            if picture is not None:
                seen += 1
                assert (picture.width, picture.height) == SMALL
                assert psnr(picture, frame) > 28
    assert seen == 8
