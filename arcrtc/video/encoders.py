"""Which video encoders there are, which of them work on this machine, and which one to take."""
from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from arcrtc._native import check, error_for, ffi, lib
from arcrtc.errors import CodecError, ConfigError, UnsupportedError
from arcrtc.video.config import VideoCodec, VideoContent

ENVIRONMENT: Final = "ARCRTC_VIDEO_ENCODER"
CODECS: Final[dict[VideoCodec, int]] = {
    VideoCodec.H264: lib.ARC_VIDEO_H264,
    VideoCodec.VP8: lib.ARC_VIDEO_VP8,
    VideoCodec.VP9: lib.ARC_VIDEO_VP9,
    VideoCodec.AV1: lib.ARC_VIDEO_AV1,
}
CONTENTS: Final[dict[VideoContent, int]] = {
    VideoContent.CAMERA: lib.ARC_CONTENT_CAMERA,
    VideoContent.SCREEN: lib.ARC_CONTENT_SCREEN,
}
_CODEC_NAMES: Final = {value: codec for codec, value in CODECS.items()}
_HARDWARE_WORDS: Final = ("nvenc", "vaapi", "qsv", "v4l2m2m", "amf", "videotoolbox")
WHY_BYTES: Final = 320
_PROBE_SIZE: Final = (640, 360)
_PROBE_FRAMES: Final = 6
_PROBE_KEY_AT: Final = 3
_NAL_SPS: Final = 7


class EncoderInfo(NamedTuple):
    """One encoder of the table that ``arcrtc encoders`` prints."""

    name: str  #: the library's name, "libx264"
    codec: VideoCodec  #: what it makes
    library: str  #: who makes it, "x264"
    hardware: bool  #: a device does the work
    usable: bool  #: it proved itself on this machine
    reason: str  #: why it is not usable; "" when it is


class _Row(NamedTuple):
    name: str
    codec: VideoCodec
    library: str
    hardware: bool


def _table() -> list[_Row]:
    rows: list[_Row] = []
    while (info := lib.arc_venc_info(len(rows))) != ffi.NULL:
        rows.append(_Row(ffi.string(info.name).decode(), _CODEC_NAMES[info.codec],
                         ffi.string(info.library).decode(), bool(info.hardware)))
    return rows


def _info(name: str) -> Any:
    return lib.arc_venc_info([row.name for row in _table()].index(name))


def resizes_in_place(name: str) -> bool:
    """Whether an encoder takes another size without being opened anew (``arc_venc_set_size``)."""
    return bool(_info(name).in_place_size)


def copies_input(name: str) -> bool:
    """Whether an encoder reads a frame's rows, and nothing else, during ``arc_venc_encode`` only."""
    return bool(_info(name).copies_input)


def encoder_config(name: str, codec: VideoCodec, *, width: int, height: int, frame_rate: int, bitrate: int,
                   keyframe_interval: int = 0, threads: int = 0, speed: int | None = None,
                   content: VideoContent = VideoContent.CAMERA, temporal_layers: int = 1, spatial_layers: int = 1,
                   intra_refresh: bool = False) -> Any:
    """A ``struct arc_venc_config *``; the arguments are those of :class:`arcrtc.VideoConfig`."""
    return ffi.new("struct arc_venc_config *", {
        "name": name.encode()[:lib.ARC_VENC_NAME_BYTES - 1],
        "codec": CODECS[codec],
        "width": width,
        "height": height,
        "frame_rate_num": frame_rate,
        "frame_rate_den": 1,
        "bitrate_bps": bitrate,
        "keyframe_interval_frames": keyframe_interval,
        "threads": threads,
        "speed": -1 if speed is None else speed,
        "content": CONTENTS[content],
        "temporal_layers": temporal_layers,
        "spatial_layers": spatial_layers,
        "intra_refresh": intra_refresh,
    })


def open_encoder(name: str, codec: VideoCodec, *, width: int, height: int, frame_rate: int, bitrate: int,
                 keyframe_interval: int = 0, threads: int = 0, speed: int | None = None,
                 content: VideoContent = VideoContent.CAMERA, temporal_layers: int = 1, spatial_layers: int = 1,
                 intra_refresh: bool = False) -> Any:
    """Open one encoder; the handle of ``struct arc_venc``. The arguments are those of :class:`arcrtc.VideoConfig`.

    :raises UnsupportedError: with the library's reason in words.
    """
    config = encoder_config(
        name, codec, width=width, height=height, frame_rate=frame_rate, bitrate=bitrate,
        keyframe_interval=keyframe_interval, threads=threads, speed=speed, content=content,
        temporal_layers=temporal_layers, spatial_layers=spatial_layers, intra_refresh=intra_refresh)
    out = ffi.new("struct arc_venc **")
    why = ffi.new("char[]", WHY_BYTES)
    status = lib.arc_venc_new(config, out, why, WHY_BYTES)
    if status == lib.ARC_ERR_UNSUPPORTED:
        raise UnsupportedError(ffi.string(why).decode(errors="replace"))
    check(status, f"video encoder {name}")
    # Reference pictures of the library, for the garbage collector to know.
    return ffi.gc(out[0], lib.arc_venc_free, width * height * 6)


def has_parameter_sets(data: bytes) -> bool:
    """Whether an Annex B access unit holds an SPS (H.264 table 7-1)."""
    at = data.find(b"\x00\x00\x01")
    while at >= 0 and at + 3 < len(data):
        if data[at + 3] & 0x1F == _NAL_SPS:
            return True
        at = data.find(b"\x00\x00\x01", at + 3)
    return False


def _try_out(name: str, codec: VideoCodec) -> str:
    """Encode a few frames; what is wrong with them, or ""."""
    from arcrtc.video.planes import native_planes, new_native

    width, height = _PROBE_SIZE
    handle = open_encoder(name, codec, width=width, height=height, frame_rate=25, bitrate=500_000)
    frame = new_native("yuv420p", width, height)
    luma, *chroma = native_planes(frame)
    for plane in chroma:
        plane[:] = 128
    out = ffi.new("struct arc_encoded *")
    for i in range(_PROBE_FRAMES):
        luma[:] = 60 + 10 * i
        luma[8 * i:8 * i + 64, :64] = 200
        frame.ts = i
        status = lib.arc_venc_encode(handle, frame, i == _PROBE_KEY_AT, out)
        if status == lib.ARC_AGAIN:
            return f"{name}: holds frames back (no packet for frame {i})"
        if status != lib.ARC_OK:
            return f"{name}: {error_for(status, f'frame {i}')}"
        if out.ts != i:
            return f"{name}: holds frames back (packet of frame {out.ts} for frame {i})"
        wants_key = i in (0, _PROBE_KEY_AT)
        if bool(out.is_key) != wants_key:
            return f"{name}: frame {i} is {'no' if wants_key else 'a'} key frame"
        if wants_key and codec is VideoCodec.H264 and not has_parameter_sets(bytes(ffi.buffer(out.data, out.len))):
            return f"{name}: key frames come without parameter sets"
    return ""


@cache
def _probe_result(name: str, codec: VideoCodec) -> str:
    try:
        return _try_out(name, codec)
    except (UnsupportedError, CodecError) as error:
        return str(error)


def probe(name: str) -> EncoderInfo:
    """Open an encoder and encode a few frames with it: does it really work here?

    It must give the packet of each frame at once, and key frames with parameter sets exactly when
    they are asked for. The answer is kept for the life of the process.

    :param name: the library's name, "libx264", "h264_nvenc" ...
    :raises ConfigError: no encoder of this name is known.
    """
    for row in _table():
        if row.name == name:
            reason = _probe_result(row.name, row.codec)
            return EncoderInfo(*row, usable=not reason, reason=reason)
    raise ConfigError(f"encoder={name!r} is unknown; known are {', '.join(row.name for row in _table())}")


def list_encoders() -> list[EncoderInfo]:
    """Every encoder that this engine can drive, probed, in order of preference."""
    return [probe(row.name) for row in _table()]


def _wanted_names(codec: VideoCodec, wanted: str) -> list[str]:
    rows = [row for row in _table() if row.codec is codec]
    if not rows:
        raise UnsupportedError(f"{codec.value}: this version of arcrtc has no encoder of this codec; "
                               f"it has {', '.join(sorted({row.codec.value for row in _table()}))}")
    if wanted == "auto":
        return [row.name for row in rows]
    if wanted == "software":
        return [row.name for row in rows if not row.hardware]
    if wanted in _HARDWARE_WORDS:
        return [row.name for row in rows if row.hardware and row.name.endswith("_" + wanted)]
    if wanted in (row.name for row in rows):
        return [wanted]
    raise ConfigError(
        f"encoder={wanted!r} is no {codec.value} encoder; choose 'auto', 'software', "
        f"{', '.join(map(repr, _HARDWARE_WORDS))} or one of {', '.join(row.name for row in rows)}")


def fallbacks(codec: VideoCodec, name: str) -> list[str]:
    """Encoders that take over, in this order, when ``name`` fails: those of the table behind it, then the others."""
    rows = [row.name for row in _table() if row.codec is codec]
    at = rows.index(name) + 1
    return rows[at:] + rows[:at - 1]


def choose(codec: VideoCodec, wanted: str = "auto", *,
           refused: Mapping[str, str] | None = None) -> tuple[str, list[tuple[str, str]]]:
    """Choose the encoder for a stream.

    "auto" takes the first that passes :func:`probe`, hardware before software; the environment
    variable ARCRTC_VIDEO_ENCODER stands in for "auto". Any other wish is taken at its word: when
    it cannot be had, that is an error, not another encoder.

    :param wanted: as :class:`arcrtc.VideoConfig` has it in ``encoder``.
    :param refused: {name: reason} of encoders that failed already, to be passed over.
    :returns: name, and those passed over before it with the reasons.
    :raises UnsupportedError: none is usable; the message has all reasons.
    :raises ConfigError: the wish is no encoder of this codec.
    """
    if wanted == "auto":
        wanted = os.environ.get(ENVIRONMENT, "").strip() or wanted
    passed_over: list[tuple[str, str]] = []
    for name in _wanted_names(codec, wanted):
        reason = (refused or {}).get(name) or probe(name).reason
        if not reason:
            return name, passed_over
        passed_over.append((name, reason))
    raise UnsupportedError(f"no usable {codec.value} encoder for encoder={wanted!r}: "
                           + "; ".join(reason for _, reason in passed_over))
