"""video/vframe, video/scale and VideoFrame: what a picture is, and what converting keeps."""
from __future__ import annotations

import gc
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcrtc import errors
from arcrtc._native import check, ffi, lib, new_handle
from arcrtc.video import VideoConfig, VideoFrame, VideoPipeline, psnr
from arcrtc.video.planes import FORMATS, native_planes, new_native
from tests.model.clip import clip

YUV = ("yuv420p", "nv12", "yuv420p10le")


@pytest.fixture
def no_leak() -> Iterator[None]:
    gc.collect()
    live = lib.arc_mem_live_blocks()
    yield
    gc.collect()
    assert lib.arc_mem_live_blocks() == live


def picture_bytes(format: str, width: int, height: int) -> int:
    if format in YUV:
        samples = width * height + 2 * ((width + 1) // 2) * ((height + 1) // 2)
        return samples * (2 if format == "yuv420p10le" else 1)
    return 3 * width * height


@given(format=st.sampled_from(sorted(FORMATS)), width=st.integers(1, 70), height=st.integers(1, 70),
       seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_frame_gives_back_the_bytes_it_was_made_of(format: str, width: int, height: int, seed: int) -> None:
    data = np.random.default_rng(seed).bytes(picture_bytes(format, width, height))
    frame = VideoFrame(data=data, width=width, height=height, timestamp=7, format=format)
    assert frame.data == data
    native = VideoFrame.from_native(frame.native())
    assert (native.width, native.height, native.format, native.timestamp) == (width, height, format, 7)
    assert native.to_ndarray().tobytes() == data
    assert np.asarray(native.data).tobytes() == data


def test_native_rows_are_aligned_apart_and_inside_the_block() -> None:
    handle = new_native("yuv420p", 321, 241)
    planes = native_planes(handle)
    assert [plane.shape for plane in planes] == [(241, 321), (121, 161), (121, 161)]
    for i, plane in enumerate(planes):
        assert handle.stride[i] % 64 == 0
        assert handle.stride[i] > plane.shape[1]
        assert plane.strides == (handle.stride[i], 1)
        assert int(ffi.cast("uintptr_t", handle.data[i])) % 64 == 0
    planes[0][:] = 1
    planes[1][:] = 2
    planes[2][:] = 3
    assert [int(plane.min()) for plane in planes] == [int(plane.max()) for plane in planes] == [1, 2, 3]


def test_planes_are_views_that_keep_the_frame_alive(no_leak: None) -> None:
    handle = new_native("rgb24", 64, 48)
    plane = native_planes(handle)[0]
    plane[:] = 9
    before = lib.arc_mem_live_blocks()
    frame = VideoFrame.from_native(handle)
    again = frame.planes()[0]
    again[0, 0] = 77
    assert plane[0, 0] == 77  # the same memory
    del handle, frame, plane
    gc.collect()
    assert lib.arc_mem_live_blocks() == before
    assert again[0, 0] == 77
    assert again[47, 191] == 9
    del again


@pytest.mark.parametrize("format", ["rgb24", "bgr24"])
def test_padded_rows_are_never_taken_for_the_width(format: str) -> None:
    rng = np.random.default_rng(3)
    wide = rng.integers(0, 256, (60, 100, 3), dtype=np.uint8)
    inner = wide[5:45, 11:75]  # rows 300 bytes apart, 192 of them ours
    frame = VideoFrame.from_ndarray(inner, format=format, timestamp=1)
    assert (frame.width, frame.height) == (64, 40)
    np.testing.assert_array_equal(frame.to_ndarray(), inner)
    np.testing.assert_array_equal(VideoFrame.from_native(frame.native()).to_ndarray(), inner)
    np.testing.assert_array_equal(frame.convert(width=64, height=40).to_ndarray(), inner)
    mirrored = inner[:, ::-1]  # columns backwards: must be copied, not reinterpreted
    np.testing.assert_array_equal(VideoFrame.from_ndarray(mirrored, format=format).to_ndarray(), mirrored)


def test_frame_refuses_what_does_not_fit() -> None:
    with pytest.raises(errors.ArgumentError, match="needs 96"):
        VideoFrame(b"x" * 95, 8, 8, 0, "yuv420p")
    with pytest.raises(errors.ArgumentError, match="'i444' must be one of"):
        VideoFrame(b"", 8, 8, 0, "i444")
    with pytest.raises(errors.ArgumentError, match=r"outside 1\.\.16384"):
        VideoFrame(b"", 0, 8, 0, "rgb24")
    with pytest.raises(errors.ArgumentError, match="uint8"):
        VideoFrame(np.zeros((8, 8, 3), np.float32), 8, 8, 0, "rgb24")
    with pytest.raises(errors.ArgumentError, match="float32"):
        VideoFrame.from_ndarray(np.zeros((8, 8, 3), np.float32))  # type: ignore[arg-type]
    with pytest.raises(errors.ArgumentError, match="shape"):
        VideoFrame.from_ndarray(np.zeros((9, 7), np.uint8), format="yuv420p")
    with pytest.raises(errors.ArgumentError, match="or bytes-like"):
        VideoFrame(None, 8, 8, 0, "rgb24")  # type: ignore[arg-type]
    with pytest.raises(errors.ArgumentError, match="bt2020"):
        VideoFrame(bytes(192), 8, 8, 0, "rgb24", matrix="bt2020")


def test_matrix_is_guessed_by_size() -> None:
    assert VideoFrame(bytes(picture_bytes("nv12", 640, 480)), 640, 480, format="nv12").matrix == "bt601"
    assert VideoFrame(bytes(picture_bytes("nv12", 1280, 720)), 1280, 720, format="nv12").matrix == "bt709"


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_vframe_new_survives_every_allocation_failure(format: str, no_leak: None) -> None:
    live = lib.arc_mem_live_blocks()
    try:
        lib.arc_mem_fail_after(0)
        with pytest.raises(errors.NoMemoryError):
            new_native(format, 64, 64)
        assert lib.arc_mem_live_blocks() == live
        lib.arc_mem_fail_after(1)
        new_native(format, 64, 64)
    finally:
        lib.arc_mem_fail_after(-1)


def test_vframe_new_refuses_bad_arguments() -> None:
    out = ffi.new("struct arc_vframe **")
    for format, width, height in ((-1, 8, 8), (5, 8, 8), (0, 0, 8), (0, 8, 0), (0, 16385, 8), (0, 8, 16385)):
        assert lib.arc_vframe_new(format, width, height, out) == lib.ARC_ERR_ARG
    assert lib.arc_vframe_new(0, 8, 8, ffi.NULL) == lib.ARC_ERR_ARG


@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
@pytest.mark.parametrize("full_range", [False, True])
def test_rgb_to_yuv_and_back_stays_near(matrix: str, full_range: bool) -> None:
    """Uniform colours: no chroma detail, so only the arithmetic's rounding is left."""
    worst = 0
    for colour in ([0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255], [17, 130, 240],
                   [200, 190, 30], [128, 128, 128]):
        array = np.full((32, 48, 3), colour, np.uint8)
        yuv = VideoFrame.from_ndarray(array).convert("yuv420p", full_range=full_range, matrix=matrix)
        assert (yuv.full_range, yuv.matrix) == (full_range, matrix)
        back = yuv.convert("rgb24").to_ndarray().astype(int)
        worst = max(worst, int(np.abs(back - array).max()))
    assert worst <= 4


@pytest.mark.parametrize(("full_range", "black", "white"), [(False, 16, 235), (True, 0, 255)])
def test_range_of_luma(full_range: bool, black: int, white: int) -> None:
    for value, luma in ((0, black), (255, white)):
        frame = VideoFrame.from_ndarray(np.full((16, 16, 3), value, np.uint8))
        plane = frame.convert("yuv420p", full_range=full_range).planes()[0]
        assert np.abs(plane.astype(int) - luma).max() <= 1


def test_matrix_of_luma() -> None:
    """Green weighs 0.587 in BT.601 and 0.715 in BT.709: 16 + 219 * weight."""
    green = VideoFrame.from_ndarray(np.full((16, 16, 3), (0, 255, 0), np.uint8))
    for matrix, luma in (("bt601", 144.6), ("bt709", 172.6)):
        plane = green.convert("nv12", matrix=matrix).planes()[0]
        assert abs(float(plane.mean()) - luma) <= 1.5


def test_yuv_conversions_carry_samples_range_and_matrix() -> None:
    source = clip(96, 64, 1)[0]
    frame = VideoFrame(source.data, 96, 64, 5, full_range=True, matrix="bt709")
    there = frame.convert("nv12")
    assert (there.timestamp, there.full_range, there.matrix) == (5, True, "bt709")
    np.testing.assert_array_equal(there.convert("yuv420p").to_ndarray(), frame.to_ndarray())
    half = frame.convert(width=48, height=32)
    assert (half.full_range, half.matrix, half.timestamp) == (True, "bt709", 5)


def test_bgr_is_rgb_backwards() -> None:
    array = np.random.default_rng(1).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    np.testing.assert_array_equal(VideoFrame.from_ndarray(array).to_ndarray("bgr24"), array[:, :, ::-1])


@pytest.mark.parametrize(("width", "height"), [(321, 241), (33, 17), (320, 241), (321, 240)])
def test_odd_sizes_convert_and_scale(width: int, height: int) -> None:
    frame = clip(width, height, 1)[0]
    again = frame.convert("nv12").convert("yuv420p")
    np.testing.assert_array_equal(again.to_ndarray(), frame.to_ndarray())
    back = frame.convert(width=2 * width, height=2 * height).convert(width=width, height=height)
    assert psnr(back, frame) > 33


def test_scaling_does_not_alias() -> None:
    """A checkerboard of single pixels is grey from afar; taking every second pixel would be not."""
    board = ((np.indices((128, 128)).sum(axis=0) % 2) * 219 + 16).astype(np.uint8)
    data = np.concatenate([board.reshape(-1), np.full(2 * 64 * 64, 128, np.uint8)])
    small = VideoFrame(data, 128, 128).convert(width=32, height=32).planes()[0]
    inner = small[2:-2, 2:-2].astype(int)
    assert np.abs(inner - 125).max() <= 6


def test_scaler_refuses_bad_frames() -> None:
    handle = new_handle(lib.arc_scaler_new, lib.arc_scaler_free, "struct arc_scaler", what="scaler")
    a, b = new_native("yuv420p", 16, 16), new_native("rgb24", 16, 16)
    assert lib.arc_scaler_run(handle, ffi.NULL, a) == lib.ARC_ERR_ARG
    thin = ffi.new("struct arc_vframe *", a[0])
    thin.stride[0] = 15
    assert lib.arc_scaler_run(handle, thin, b) == lib.ARC_ERR_ARG
    check(lib.arc_scaler_run(handle, a, b), "run")


def test_scaler_new_survives_every_allocation_failure(no_leak: None) -> None:
    try:
        lib.arc_mem_fail_after(0)
        with pytest.raises(errors.NoMemoryError):
            new_handle(lib.arc_scaler_new, lib.arc_scaler_free, "struct arc_scaler", what="scaler")
    finally:
        lib.arc_mem_fail_after(-1)


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_pyav_round_trip(format: str) -> None:
    frame = clip(322, 242, 1)[0].convert(format)
    frame.timestamp = 12345
    there = frame.to_pyav()
    assert (there.width, there.height, there.format.name, there.pts) == (322, 242, format, 12345)
    back = VideoFrame.from_pyav(there)
    assert (back.timestamp, back.format) == (12345, format)
    np.testing.assert_array_equal(back.to_ndarray(), frame.to_ndarray())
    if format in YUV:
        full = VideoFrame(frame.to_ndarray(), 322, 242, format=format, full_range=True, matrix="bt709")
        back = VideoFrame.from_pyav(full.to_pyav())
        assert (back.full_range, back.matrix) == (True, "bt709")


def test_pyav_frame_of_another_format_becomes_yuv420p() -> None:
    source = clip(64, 64, 1)[0].to_pyav().reformat(format="yuv444p")
    frame = VideoFrame.from_pyav(source, timestamp=9)
    assert (frame.format, frame.timestamp) == ("yuv420p", 9)


def test_repr_says_what_it_is() -> None:
    assert repr(clip(32, 16, 1)[0]) == "VideoFrame(32x16 yuv420p, timestamp=0)"


def test_ten_bits_are_uint16_and_keep_what_eight_bits_cannot() -> None:
    ramp = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) % 1024
    packed = np.concatenate([ramp.reshape(-1), np.full(2 * 32 * 32, 512, np.uint16)]).reshape(96, 64)
    frame = VideoFrame.from_ndarray(packed, "yuv420p10le", full_range=True)
    assert (frame.width, frame.height) == (64, 64)
    native = VideoFrame.from_native(frame.native())
    assert [plane.dtype for plane in native.planes()] == [np.uint16] * 3
    np.testing.assert_array_equal(native.planes()[0], ramp)
    np.testing.assert_array_equal(native.to_ndarray(), packed)
    eight = frame.convert("yuv420p").planes()[0].astype(int)
    assert np.abs(eight - ramp / 4).max() < 1.5  # dithered
    assert np.abs(frame.convert("yuv420p").convert("yuv420p10le").planes()[0].astype(int) - ramp).max() < 6


def test_ten_bits_refuse_eight() -> None:
    with pytest.raises(errors.ArgumentError, match="uint8, must be uint16"):
        VideoFrame.from_ndarray(np.zeros((96, 64), np.uint8), "yuv420p10le")
    with pytest.raises(errors.ArgumentError, match="uint16, must be uint8"):
        VideoFrame.from_ndarray(np.zeros((96, 64), np.uint16), "yuv420p")


class OnGpu:
    """What a PyAV frame of a hardware decoder shows of itself; its device answers, or says why not."""

    width, height, is_corrupt, pts, time_base = 64, 48, False, None, None

    def __init__(self, inside: object) -> None:
        self.format = SimpleNamespace(name="cuda")
        self.sw_format = SimpleNamespace(name="nv12")
        self.planes = (SimpleNamespace(__dlpack_device__=lambda: (2, 1)),)
        self._inside = inside

    def reformat(self, format: str) -> object:
        assert format == "nv12"
        if isinstance(self._inside, Exception):
            raise self._inside
        return self._inside


def test_frame_on_a_gpu_stays_there_until_it_is_asked_for() -> None:
    inside = clip(64, 48, 1)[0].convert("nv12")
    frame = VideoFrame.from_pyav(OnGpu(inside.to_pyav()), timestamp=5)  # type: ignore[arg-type]
    assert (frame.format, frame.is_on_gpu, frame.timestamp) == ("cuda", True, 5)
    assert frame.__dlpack_device__() == (2, 1)
    with pytest.raises(errors.ArgumentError, match="download"):
        frame.planes()
    with pytest.raises(BufferError, match="gpu_planes"):
        frame.__dlpack__()
    down = frame.download()
    assert (down.format, down.is_on_gpu, down.timestamp) == ("nv12", False, 5)
    np.testing.assert_array_equal(down.to_ndarray(), inside.to_ndarray())
    np.testing.assert_array_equal(frame.to_ndarray(), inside.to_ndarray())
    np.testing.assert_array_equal(frame.convert("yuv420p").to_ndarray(), inside.convert("yuv420p").to_ndarray())
    np.testing.assert_array_equal(VideoFrame.from_native(frame.native()).to_ndarray(), inside.to_ndarray())


def test_frame_on_a_gpu_that_cannot_be_downloaded_says_why() -> None:
    frame = VideoFrame.from_pyav(OnGpu(OSError(5, "Input/output error")))  # type: ignore[arg-type]
    with pytest.raises(errors.UnsupportedError, match=r"cuda frame of 64x48 .*Input/output error"):
        frame.download()
    with pytest.raises(errors.ArgumentError, match="in memory"):
        clip(64, 48, 1)[0].gpu_planes()


def test_pyav_frame_is_referred_to_not_copied() -> None:
    source = clip(322, 242, 1)[0].convert("nv12").to_pyav()
    frame = VideoFrame.from_pyav(source, timestamp=0)
    ours, theirs = frame.planes()[0], np.asarray(memoryview(source.planes[0]))
    assert np.shares_memory(ours, theirs)
    assert not ours.flags.writeable
    assert frame.to_pyav() is source
    del source, theirs, frame
    gc.collect()
    assert ours.shape == (242, 322)  # the view keeps what it shows
    assert int(ours.max()) > 16


@pytest.mark.parametrize("format", ["rgb24", "bgr24", "yuv420p", "nv12"])
def test_to_pyav_refers_to_packed_arrays(format: str) -> None:
    array = clip(64, 48, 1)[0].to_ndarray(format)
    there = VideoFrame.from_ndarray(array, format).to_pyav()
    assert np.shares_memory(np.asarray(memoryview(there.planes[0])), array)
    np.testing.assert_array_equal(there.to_ndarray(), array)
    upside_down = clip(64, 48, 1)[0].to_ndarray("rgb24")[::-1]
    np.testing.assert_array_equal(VideoFrame.from_ndarray(upside_down).to_pyav().to_ndarray(), upside_down)


def test_dlpack_shares_memory() -> None:
    array = np.random.default_rng(2).integers(0, 256, (40, 64, 3), np.uint8)
    frame = VideoFrame.from_ndarray(array)
    assert frame.__dlpack_device__() == (1, 0)
    assert np.shares_memory(np.from_dlpack(frame), array)
    native = VideoFrame.from_native(frame.native())  # rows apart
    there = np.from_dlpack(native)
    assert there.shape == (40, 64, 3)
    assert np.shares_memory(there, native.planes()[0])
    np.testing.assert_array_equal(there, array)
    packed = frame.to_ndarray("yuv420p")
    assert np.shares_memory(np.from_dlpack(VideoFrame.from_ndarray(packed, "yuv420p")), packed)
    apart = frame.convert("nv12")
    with pytest.raises(BufferError, match=r"planes\(\)"):
        np.from_dlpack(apart)
    assert np.shares_memory(np.from_dlpack(apart.planes()[1]), apart.planes()[1])


def test_dlpack_view_keeps_the_native_frame_alive(no_leak: None) -> None:
    view = np.from_dlpack(VideoFrame.from_native(VideoFrame.from_ndarray(np.full((48, 64, 3), 7, np.uint8)).native()))
    gc.collect()
    assert int(view.min()) == int(view.max()) == 7
    del view


@pytest.mark.parametrize("format", ["rgb24", "bgr24"])
def test_rgb_is_converted_where_it_lies(format: str) -> None:
    """Upside down and as a part of a larger picture: strides are negative, and wider than the row."""
    wide = np.random.default_rng(6).integers(0, 256, (50, 90, 3), np.uint8)
    for view in (wide[::-1], wide[3:40, 5:72], wide[40:3:-1, 5:72], wide[:, ::-1]):
        frame, copied = (VideoFrame.from_ndarray(a, format) for a in (view, np.ascontiguousarray(view)))
        for target in ("yuv420p", "nv12", "yuv420p10le"):
            np.testing.assert_array_equal(frame.convert(target).to_ndarray(), copied.convert(target).to_ndarray())
        lent = frame.lent()
        assert lent is not None
        assert np.shares_memory(lent[1], wide) == (view.strides[1] == 3)
    assert VideoFrame.from_ndarray(wide[:, :, 0].copy().reshape(-1), "yuv420p", width=30, height=100).lent() is None


def test_rgb_is_encoded_where_it_lies_and_may_change_afterwards() -> None:
    rng = np.random.default_rng(8)
    array = np.ascontiguousarray(rng.integers(0, 256, (9, 16, 3), np.uint8).repeat(16, 0).repeat(16, 1))
    config = VideoConfig(resolution=(256, 144), encoder="libx264", bitrate=2_000_000)
    pipeline, again, receiver = VideoPipeline(config), VideoPipeline(config), VideoPipeline(config)
    frame = VideoFrame.from_ndarray(array, timestamp=3)
    shown = frame.convert("yuv420p")
    first = pipeline.encode(frame)
    assert first.data == again.encode(VideoFrame.from_native(frame.native())).data
    array[:] = 0
    picture = receiver.decode_frame(first.data, first.timestamp)
    assert picture is not None
    assert picture.timestamp == 3
    assert psnr(picture, shown) > 30


def test_frame_refuses_what_is_no_number() -> None:
    for size in (float("nan"), 8.0, "8", None):
        with pytest.raises(errors.ArgumentError, match="whole number"):
            VideoFrame(bytes(192), size, 8, 0, "rgb24")  # type: ignore[arg-type]
    with pytest.raises(errors.ArgumentError, match="timestamp"):
        VideoFrame(bytes(192), 8, 8, float("nan"), "rgb24")  # type: ignore[arg-type]
    with pytest.raises(errors.ArgumentError, match=r"outside \+-2\*\*63"):
        VideoFrame(bytes(192), 8, 8, 2**63, "rgb24")
    with pytest.raises(errors.ArgumentError, match="list, must be uint8"):
        VideoFrame.from_ndarray([[1]], "rgb24")  # type: ignore[arg-type]
    with pytest.raises(errors.ArgumentError, match="must be one of"):
        VideoFrame.from_ndarray(np.zeros((8, 8, 4), np.uint8), "rgba")
    with pytest.raises(errors.ArgumentError):
        VideoFrame.from_ndarray(np.zeros((0, 0, 3), np.uint8))
    with pytest.raises(errors.ArgumentError):
        clip(64, 48, 1)[0].convert(width=0)
    with pytest.raises(errors.ArgumentError, match="whole number"):
        clip(64, 48, 1)[0].convert(width=float("nan"))  # type: ignore[arg-type]
    with pytest.raises(errors.ArgumentError, match="uint16"):
        VideoFrame(bytes(3), 1, 1, 0, "yuv420p10le")
