"""video/encoder and video/decoder through VideoPipeline: delay, rate, key frames, sizes, colour, damage."""
from __future__ import annotations

import gc

import numpy as np
import pytest

from arcrtc import errors
from arcrtc._native import ffi, lib
from arcrtc.video import VideoCodec, VideoConfig, VideoFrame, VideoPipeline, VideoResolution, psnr
from arcrtc.video.encoders import has_parameter_sets, open_encoder
from tests.model.allocation import survives_every_failure
from tests.model.clip import clip, there_and_back

SIZE = (320, 240)


def pipeline(bitrate: int = 400_000, *, size: tuple[int, int] = SIZE, frame_rate: int = 25,
             keyframe_interval: int = 0, threads: int = 1, speed: int | None = None) -> VideoPipeline:
    return VideoPipeline(VideoConfig(
        codec=VideoCodec.H264, bitrate=bitrate, resolution=size, frame_rate=frame_rate,
        keyframe_interval=keyframe_interval, encoder="libx264", threads=threads, speed=speed))


def nal_types(data: bytes) -> list[int]:
    out, at = [], data.find(b"\x00\x00\x01")
    while 0 <= at < len(data) - 3:
        out.append(data[at + 3] & 0x1F)
        at = data.find(b"\x00\x00\x01", at + 3)
    return out


class Bits:
    """Exp-Golomb reader of H.264 9.1 over an RBSP."""

    def __init__(self, data: bytes) -> None:
        self.bits = "".join(f"{byte:08b}" for byte in data.replace(b"\x00\x00\x03", b"\x00\x00"))
        self.at = 0

    def ue(self) -> int:
        zeros = self.bits.index("1", self.at) - self.at
        value = int(self.bits[self.at + zeros:self.at + 2 * zeros + 1], 2) - 1
        self.at += 2 * zeros + 1
        return value


def slice_types(data: bytes) -> list[int]:
    """slice_type modulo 5 of each slice: 0 P, 1 B, 2 I (H.264 table 7-6)."""
    out = []
    for nal in data.split(b"\x00\x00\x01")[1:]:
        if nal[0] & 0x1F in (1, 5):
            reader = Bits(nal[1:20])
            reader.ue()  # first_mb_in_slice
            out.append(reader.ue() % 5)
    return out


@pytest.fixture(scope="module")
def source() -> list[VideoFrame]:
    return clip(*SIZE, frames=30)


@pytest.mark.parametrize("threads", [1, 3])
def test_codec_gives_each_frame_at_once_for_100_frames(source: list[VideoFrame], threads: int) -> None:
    sender, receiver = pipeline(threads=threads), pipeline()
    frames = there_and_back(source, 100)
    for i, frame in enumerate(frames):
        encoded = sender.encode(frame)
        assert encoded.timestamp == frame.timestamp
        assert encoded.is_keyframe == (i == 0)
        assert set(slice_types(encoded.data)) == ({2} if i == 0 else {0})  # no B, no I but the first
        assert nal_types(encoded.data) == (
            [7, 8] + [5] * threads if i == 0 else [1] * threads)
        picture = receiver.decode_frame(encoded.data, encoded.timestamp)
        assert picture is not None
        assert (picture.timestamp, picture.damaged) == (frame.timestamp, False)
        if i > 20:
            assert psnr(picture, frame) > 34
    assert sender.stats.frames_encoded == receiver.stats.frames_decoded == 100
    assert sender.stats.keyframes_encoded == 1
    assert sender.stats.frames_dropped == receiver.stats.frames_failed == 0


def test_encoder_follows_bitrate_steps_within_half_a_second_without_a_key_frame() -> None:
    source = clip(640, 360, frames=25)
    sender = pipeline(2_000_000, size=(640, 360), speed=7)
    per_step, fps = 75, 25
    rates = (2_000_000, 500_000, 3_000_000)
    sizes, keys = [], 0
    frames = iter(there_and_back(source, per_step * len(rates)))
    for rate in rates:
        sender.set_bitrate(rate)
        for _ in range(per_step):
            encoded = sender.encode(next(frames))
            sizes.append(len(encoded.data))
            keys += encoded.is_keyframe
    assert keys == 1
    bps = np.array(sizes) * 8 * fps
    down = bps[per_step:2 * per_step]
    up = bps[2 * per_step:]
    settled = 12  # frames in half a second
    assert 350_000 < down[settled:].mean() < 550_000
    assert down[settled:2 * settled].mean() < 600_000
    assert 1_800_000 < up[settled:2 * settled].mean() < 3_600_000
    assert 2_200_000 < up[settled:].mean() < 3_300_000


def test_encoder_spends_the_bits_of_the_frame_rate_that_comes() -> None:
    """Ten frames a second get two and a half times the bits of twenty-five."""
    source = clip(*SIZE, frames=25)
    means = []
    for fps in (25, 10):
        sender = pipeline(300_000, speed=7)
        sender.set_frame_rate(fps)
        sizes = [len(sender.encode(frame).data) for frame in there_and_back(source, 75)]
        means.append(np.mean(sizes[25:]) * 8 * fps)
        assert sender.stats.keyframes_encoded == 1
    assert all(abs(mean - 300_000) < 60_000 for mean in means)


def test_key_frame_comes_on_request_with_the_next_frame(source: list[VideoFrame]) -> None:
    sender = pipeline()
    keys = []
    for i, frame in enumerate(source):
        if i in (7, 8, 20):
            sender.request_keyframe()
        encoded = sender.encode(frame)
        if encoded.is_keyframe:
            keys.append(i)
            assert has_parameter_sets(encoded.data)
            assert nal_types(encoded.data)[:3] == [7, 8, 5]
            picture = pipeline().decode_frame(encoded.data)  # a receiver may begin here
            assert picture is not None
            assert psnr(picture, frame) > 28
    assert keys == [0, 7, 8, 20]


def test_key_frames_come_at_the_interval_and_never_at_a_cut() -> None:
    sender = pipeline(keyframe_interval=10)
    frames = clip(*SIZE, frames=15, seed=1) + clip(*SIZE, frames=10, seed=2)
    assert [i for i, frame in enumerate(frames) if sender.encode(frame).is_keyframe] == [0, 10, 20]
    sender = pipeline(keyframe_interval=0)
    assert [i for i, frame in enumerate(frames) if sender.encode(frame).is_keyframe] == [0]


@pytest.mark.parametrize("size", [(321, 241), (321, 240), (320, 241), (17, 19)])
def test_odd_sizes_lose_no_pixel(size: tuple[int, int]) -> None:
    width, height = size
    sender, receiver = pipeline(2_000_000, size=size), pipeline()
    for frame in clip(width, height, 10):
        picture = receiver.decode_frame(sender.encode(frame).data)
    assert picture is not None
    assert (picture.width, picture.height) == (width + width % 2, height + height % 2)
    for got, sent in zip(picture.planes(), frame.planes(), strict=True):
        rows, columns = sent.shape
        assert psnr(np.ascontiguousarray(got[:rows, :columns]), np.ascontiguousarray(sent)) > 36
    luma = picture.planes()[0].astype(int)
    if width % 2:  # the column that was added repeats the last one
        assert np.abs(luma[:, width] - luma[:, width - 1]).mean() < 4


@pytest.mark.parametrize("format", ["yuv420p", "nv12", "rgb24", "bgr24"])
def test_every_format_and_size_is_taken(format: str, source: list[VideoFrame]) -> None:
    sender, receiver = pipeline(1_500_000), pipeline()
    for frame in source[:8]:
        picture = receiver.decode_frame(sender.encode(frame.convert(format)).data)
    assert picture is not None
    assert psnr(picture, frame) > 36
    picture = receiver.decode_frame(sender.encode(frame.convert(format, width=640, height=480)).data)
    assert picture is not None
    assert (picture.width, picture.height) == SIZE
    assert psnr(picture, frame) > 30
    assert sender.stats.keyframes_encoded == 1


def test_encoder_reads_rows_that_are_far_apart(source: list[VideoFrame]) -> None:
    """The native frame of a picture in a larger buffer: the stride is not the width."""
    sender, receiver = pipeline(1_500_000), pipeline()
    for frame in source[:5]:
        wide = np.full((300, 500, 3), 255, np.uint8)
        wide[30:270, 60:380] = frame.to_ndarray("rgb24")
        inner = VideoFrame.from_ndarray(wide[30:270, 60:380])
        picture = receiver.decode_frame(sender.encode(inner).data)
    assert picture is not None
    assert psnr(picture, frame) > 34


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
def test_stream_says_range_and_matrix_of_its_frames(full_range: bool, matrix: str) -> None:
    frame = clip(*SIZE, frames=1)[0]
    sent = VideoFrame(frame.data, *SIZE, full_range=full_range, matrix=matrix)
    picture = pipeline().decode_frame(pipeline(2_000_000).encode(sent).data)
    assert picture is not None
    assert (picture.full_range, picture.matrix) == (full_range, matrix)
    np.testing.assert_allclose(picture.to_ndarray("rgb24").mean(axis=(0, 1)),
                               sent.to_ndarray("rgb24").mean(axis=(0, 1)), atol=2)


def test_stream_begins_anew_when_the_colours_change() -> None:
    frame = clip(*SIZE, frames=1)[0]
    sender, receiver = pipeline(), pipeline()
    keys = []
    for full_range in (False, False, True, True, False):
        encoded = sender.encode(VideoFrame(frame.data, *SIZE, full_range=full_range))
        keys.append(encoded.is_keyframe)
        picture = receiver.decode_frame(encoded.data)
        assert picture is not None
        assert picture.full_range == full_range
    assert keys == [True, False, True, False, True]


def test_set_resolution_begins_with_a_key_frame_of_the_new_size(source: list[VideoFrame]) -> None:
    sender, receiver = pipeline(), pipeline()
    sender.encode(source[0])
    sender.set_resolution((160, 120))
    assert sender.resolution == (160, 120)
    encoded = sender.encode(source[1])
    picture = receiver.decode_frame(encoded.data)
    assert encoded.is_keyframe
    assert picture is not None
    assert (picture.width, picture.height) == (160, 120)
    sender.set_resolution((160, 120))  # no change, no key frame
    assert not sender.encode(source[2]).is_keyframe


def test_decoder_tells_when_it_has_nothing_to_begin_with(source: list[VideoFrame]) -> None:
    sender, receiver = pipeline(), pipeline()
    packets = [sender.encode(frame).data for frame in source[:4]]
    with pytest.raises(errors.CodecError):
        receiver.decode_frame(packets[1])
    assert receiver.decode_frame(packets[0]) is not None
    assert receiver.decode_frame(packets[1]) is not None
    receiver.decoder.flush()
    with pytest.raises(errors.CodecError):
        receiver.decode_frame(packets[2])
    assert receiver.stats.frames_failed == 2


def test_damaged_data_never_crashes_and_a_key_frame_mends(source: list[VideoFrame]) -> None:
    sender = pipeline(threads=2)
    packets = []
    for i, frame in enumerate(source):
        if i % 10 == 0:
            sender.request_keyframe()
        packets.append(sender.encode(frame).data)
    rng = np.random.default_rng(20260101)
    receiver, outcomes = pipeline(), {"shown": 0, "damaged": 0, "refused": 0, "nothing": 0}
    for i in range(500):
        data = bytearray(packets[i % len(packets)])
        kind = i % 4
        if kind == 0:
            del data[int(rng.integers(1, len(data))):]
        elif kind == 1:
            for _ in range(int(rng.integers(1, 20))):
                data[int(rng.integers(4, len(data)))] ^= int(rng.integers(1, 256))
        elif kind == 2:
            at = int(rng.integers(0, len(data)))
            data[at:at + int(rng.integers(1, 400))] = b""
        else:
            at = int(rng.integers(4, len(data)))
            data[at:at] = rng.bytes(int(rng.integers(1, 200)))
        try:
            picture = receiver.decode_frame(bytes(data) or b"\x00", i)
        except (errors.CodecError, errors.UnsupportedError):
            outcomes["refused"] += 1
            continue
        if picture is None:
            outcomes["nothing"] += 1
        else:
            outcomes["damaged" if picture.damaged else "shown"] += 1
            assert picture.to_ndarray().size > 0  # every byte can be read
    assert sum(outcomes.values()) == 500
    assert outcomes["damaged"] > 250  # it tells
    sender.request_keyframe()
    picture = receiver.decode_frame(sender.encode(source[0]).data)
    assert picture is not None
    assert not picture.damaged
    assert psnr(picture, source[0]) > 28


def test_a_picture_without_content_is_refused(source: list[VideoFrame]) -> None:
    sender, receiver = pipeline(), pipeline()
    packets = [sender.encode(frame).data for frame in source[:3]]
    assert receiver.decode_frame(packets[0]) is not None
    with pytest.raises(errors.CodecError):
        receiver.decode_frame(packets[1][:5])
    assert receiver.decode_frame(packets[2]) is not None
    assert receiver.decode_frame(b"\x00\x00\x01\x09\xf0") is None  # a delimiter: nothing to show
    assert receiver.decode_frame(packets[0][:packets[0].index(b"\x00\x00\x01\x65")]) is None  # SPS, PPS
    with pytest.raises(errors.CodecError):
        receiver.decode_frame(b"no start code at all")


def test_pictures_outlive_their_decoder(source: list[VideoFrame]) -> None:
    sender, receiver = pipeline(2_000_000), pipeline()
    pictures = [receiver.decode_frame(sender.encode(frame).data) for frame in source[:12]]
    copies = [picture.to_ndarray() for picture in pictures if picture is not None]
    view = pictures[0].planes()[0] if pictures[0] is not None else np.zeros((1, 1), np.uint8)
    assert not view.flags.writeable  # the decoder refers to it
    del receiver
    gc.collect()
    assert len(copies) == 12
    for picture, copy in zip(pictures, copies, strict=True):
        assert picture is not None
        np.testing.assert_array_equal(picture.to_ndarray(), copy)
    assert view[0, 0] == copies[0][0, 0]


def test_codec_leaks_nothing_over_1000_frames() -> None:
    source = clip(64, 48, frames=20)
    sender, receiver = pipeline(100_000, size=(64, 48), speed=7), pipeline()
    frames = there_and_back(source, 1000)
    live = None
    for i, frame in enumerate(frames):
        if i % 100 == 50:
            sender.set_bitrate(80_000 + 100 * i)
        if i % 250 == 0:
            sender.request_keyframe()
        picture = receiver.decode_frame(sender.encode(frame).data)
        assert picture is not None
        if i == 10:
            live = lib.arc_mem_live_blocks()
    assert lib.arc_mem_live_blocks() == live


def test_encoder_new_survives_every_allocation_failure() -> None:
    allowed, _ = survives_every_failure(lambda: open_encoder(
        "libx264", VideoCodec.H264, width=64, height=64, frame_rate=25, bitrate=100_000))
    assert allowed == 3


def test_encode_and_decode_survive_every_allocation_failure(source: list[VideoFrame]) -> None:
    sender, receiver = pipeline(), pipeline()
    frame = source[0].convert("rgb24")  # needs the stage
    sender._encoder = sender._open()
    out = ffi.new("struct arc_encoded *")
    try:
        lib.arc_mem_fail_after(0)
        assert lib.arc_venc_encode(sender._encoder, frame.native(), False, out) == lib.ARC_ERR_NOMEM
        lib.arc_mem_fail_after(-1)
        encoded = sender.encode(frame)
        lib.arc_mem_fail_after(0)
        with pytest.raises(errors.NoMemoryError):
            receiver.decode_frame(encoded.data)
        lib.arc_mem_fail_after(2)  # what a decoder takes
        receiver._decoder = receiver._open_decoder()
        with pytest.raises(errors.NoMemoryError):
            receiver.decode_frame(encoded.data)
    finally:
        lib.arc_mem_fail_after(-1)
    assert receiver.decode_frame(encoded.data) is not None


def test_codec_refuses_bad_arguments(source: list[VideoFrame]) -> None:
    sender, receiver = pipeline(), pipeline()
    sender.encode(source[0])
    out = ffi.new("struct arc_encoded *")
    assert lib.arc_venc_encode(sender._encoder, ffi.NULL, False, out) == lib.ARC_ERR_ARG
    assert lib.arc_venc_set_bitrate(sender._encoder, 9_999) == lib.ARC_ERR_ARG
    assert lib.arc_venc_set_frame_rate(sender._encoder, 0, 1) == lib.ARC_ERR_ARG
    assert lib.arc_venc_set_frame_rate(sender._encoder, 30, 0) == lib.ARC_ERR_ARG
    frame = ffi.new("struct arc_vframe **")
    for call in (lib.arc_vdec_decode, lib.arc_vdec_decode_part):
        assert call(receiver.decoder.handle, b"", 0, 0, frame) == lib.ARC_ERR_ARG
        assert call(receiver.decoder.handle, ffi.NULL, 5, 0, frame) == lib.ARC_ERR_ARG
    decoder = ffi.new("struct arc_vdec **")
    assert lib.arc_vdec_new(9, 1, decoder, ffi.NULL, 0) == lib.ARC_ERR_ARG
    assert lib.arc_vdec_new(0, 17, decoder, ffi.NULL, 0) == lib.ARC_ERR_ARG
    assert receiver.decode_frame(b"") is None


def test_parts_of_a_picture_decode_to_the_same_picture(source: list[VideoFrame]) -> None:
    sender, whole, parts = pipeline(threads=3), pipeline(), pipeline()
    out = ffi.new("struct arc_vframe **")
    for frame in source[:10]:
        data = sender.encode(frame).data
        expected = whole.decode_frame(data)
        pictures = []
        for nal in data.split(b"\x00\x00\x01")[1:]:
            nal = b"\x00\x00\x01" + nal
            if lib.arc_vdec_decode_part(parts.decoder.handle, nal, len(nal), 0, out) == lib.ARC_OK:
                pictures.append(VideoFrame.from_native(ffi.gc(out[0], lib.arc_vframe_unref)))
        assert expected is not None
        assert len(pictures) == 1
        np.testing.assert_array_equal(pictures[0].to_ndarray(), expected.to_ndarray())


def test_speed_and_slices_are_chosen_by_size() -> None:
    def speed(width: int, height: int, fps: int) -> int:
        return int(lib.arc_venc_speed(open_encoder("libx264", VideoCodec.H264, width=width, height=height,
                                                   frame_rate=fps, bitrate=500_000)))
    assert speed(1280, 720, 25) == 6  # superfast: a sixth of a core
    assert speed(1920, 1080, 30) == 6
    assert speed(320, 240, 15) < speed(1280, 720, 25) < speed(7680, 4320, 60) == 7


def test_config_names_field_value_and_range() -> None:
    for field, value in (("bitrate", 9_999), ("bitrate", 1.5e6), ("frame_rate", 0), ("frame_rate", 1001),
                         ("keyframe_interval", -1), ("threads", 17), ("speed", 8), ("resolution", (8, 8)),
                         ("resolution", 720), ("encoder", ""), ("codec", "h264"), ("bitrate", True)):
        with pytest.raises(errors.ConfigError, match=field):
            VideoConfig(**{field: value})  # type: ignore[arg-type]
    config = VideoConfig(resolution=VideoResolution.P720)
    assert (config.width, config.height) == (1280, 720)
    assert VideoResolution.P4320.width == 7680
    with pytest.raises(errors.ConfigError, match="bitrate"):
        VideoPipeline().set_bitrate(1)
