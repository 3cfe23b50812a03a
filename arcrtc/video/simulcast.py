"""One source in several sizes at once (C module ``video/simulcast``)."""
from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from arcrtc._native import check, ffi, lib
from arcrtc.errors import ConfigError, UnsupportedError
from arcrtc.video.config import MAX_BITRATE_BPS, MIN_BITRATE_BPS, VideoConfig, check_range
from arcrtc.video.encoders import WHY_BYTES, choose, encoder_config
from arcrtc.video.frame import VideoFrame
from arcrtc.video.pipeline import EncodedFrame, encoded_frame

MAX_STREAMS: Final = 3


class SimulcastEncoder:
    """Encodes each frame in up to three sizes; each size is scaled from the next larger one.

    Not thread-safe: one thread at a time; encoding leaves the interpreter lock. Reads no clock.

    :param configs: one to three, the largest picture first, all with the same frame rate. "auto"
        takes the encoder that proved itself for each codec.
    :raises ConfigError: none or too many, or a picture larger than the one before it.
    :raises UnsupportedError: an encoder cannot be had; the message says why.
    """

    def __init__(self, configs: Sequence[VideoConfig]) -> None:
        if not 1 <= len(configs) <= MAX_STREAMS:
            raise ConfigError(f"{len(configs)} configs: simulcast has 1..{MAX_STREAMS} streams")
        for larger, smaller in pairwise(configs):
            if smaller.width > larger.width or smaller.height > larger.height:
                raise ConfigError(f"{smaller.width}x{smaller.height} stands behind {larger.width}x{larger.height}: "
                                  "the largest picture comes first")
            if smaller.frame_rate != larger.frame_rate:
                raise ConfigError("the streams of one source have one frame_rate")
        self.configs = tuple(configs)
        self.encoders = tuple(choose(config.codec, config.encoder)[0] for config in configs)
        self._handle = self._open()
        self._out = ffi.new("struct arc_simulcast_out[]", len(configs))
        self._staging: Any = None
        self._keys = 0

    def _open(self) -> Any:
        rows = ffi.new("struct arc_venc_config[]", len(self.configs))
        for i, (name, config) in enumerate(zip(self.encoders, self.configs, strict=True)):
            rows[i] = encoder_config(
                name, config.codec, width=config.width, height=config.height, frame_rate=config.frame_rate,
                bitrate=config.bitrate, keyframe_interval=config.keyframe_interval, threads=config.threads,
                speed=config.speed, content=config.content, temporal_layers=config.temporal_layers,
                spatial_layers=config.spatial_layers, intra_refresh=config.intra_refresh)[0]
        out = ffi.new("struct arc_simulcast **")
        why = ffi.new("char[]", WHY_BYTES)
        status = lib.arc_simulcast_new(rows, len(self.configs), out, why, WHY_BYTES)
        if status == lib.ARC_ERR_UNSUPPORTED:
            raise UnsupportedError(ffi.string(why).decode(errors="replace"))
        check(status, "simulcast")
        size = sum(config.width * config.height * 6 for config in self.configs)
        return ffi.gc(out[0], lib.arc_simulcast_free, size)

    def encode(self, frame: VideoFrame) -> tuple[EncodedFrame | None, ...]:
        """Encode one frame; a packet for each stream, in the order of ``configs``.

        :returns: None: the stream is paused, or its encoder dropped the frame.
        :raises CodecError: an encoder refused; it may be called again.
        """
        lent = frame.lent()
        native = frame.native(self._staging) if lent is None else lent[0]
        if not frame.is_native:
            self._staging = native if lent is None else self._staging
        elif native.ts != frame.timestamp:
            native.ts = frame.timestamp
        check(lib.arc_simulcast_encode(self._handle, native, self._keys, self._out), "simulcast: encode")
        frames: list[EncodedFrame | None] = []
        for i, name in enumerate(self.encoders):
            row = self._out[i]
            if not check(row.status, f"simulcast stream {i}, {name}: encode"):
                frames.append(None)
                continue
            self._keys &= ~(1 << i)
            frames.append(encoded_frame(row.encoded, name))
        return tuple(frames)

    def _check_stream(self, stream: int) -> None:
        check_range("stream", stream, 0, len(self.configs) - 1)

    def set_bitrate(self, stream: int, bitrate: int) -> None:
        """Aim at another rate from the next frame on.

        :param stream: place in ``configs``.
        :param bitrate: bits per second, 10_000..1_000_000_000.
        :raises ConfigError: out of range.
        """
        self._check_stream(stream)
        check_range("bitrate", bitrate, MIN_BITRATE_BPS, MAX_BITRATE_BPS)
        check(lib.arc_simulcast_set_bitrate(self._handle, stream, bitrate), "set_bitrate")

    def set_frame_rate(self, frame_rate: int) -> None:
        """Tell the rate controls how many frames a second come from now on, 1..1000."""
        check_range("frame_rate", frame_rate, 1, 1000)
        check(lib.arc_simulcast_set_frame_rate(self._handle, frame_rate, 1), "set_frame_rate")

    def pause(self, stream: int, paused: bool = True) -> None:
        """Leave a stream out, or go on with it: its next packet is then a key frame.

        :raises ConfigError: no such stream.
        """
        self._check_stream(stream)
        check(lib.arc_simulcast_pause(self._handle, stream, paused), "pause")

    def request_keyframe(self, stream: int | None = None) -> None:
        """Make the next frame of a stream a key frame; None: of all streams.

        :raises ConfigError: no such stream.
        """
        if stream is None:
            self._keys = (1 << len(self.configs)) - 1
            return
        self._check_stream(stream)
        self._keys |= 1 << stream

    def __repr__(self) -> str:
        sizes = ", ".join(f"{config.width}x{config.height} {name}"
                          for config, name in zip(self.configs, self.encoders, strict=True))
        return f"SimulcastEncoder({sizes})"
