"""An encoder and a decoder of any codec but Opus (C modules ``audio/aenc``, ``audio/adec``, ``audio/conceal``)."""
from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from arcrtc._native import check, ffi, lib, new_handle
from arcrtc.audio.codecs import AUDIO_CODECS
from arcrtc.audio.config import AudioConfig

_SIZE: Final = 16_000  # of each, told to the garbage collector


class TelephonyCodec:
    """Frames of one length to payloads, and payloads to samples; lost ones are made up.

    :param config: settings; its codec is not Opus.
    :raises UnsupportedError: FFmpeg has no such codec here.
    """

    def __init__(self, config: AudioConfig) -> None:
        self._config, codec = config, AUDIO_CODECS[config.codec]
        opus = {"sample_rate_hz": config.sample_rate, "channels": config.channels}
        encoder = ffi.new("struct arc_aenc_config *", {
            "codec": codec.ident, "frame_us": round(1000 * config.frame_size_ms), "opus": opus})
        decoder = ffi.new("struct arc_adec_config *", {"codec": codec.ident, **opus})
        self._encoder = new_handle(lib.arc_aenc_new, lib.arc_aenc_free, "struct arc_aenc", encoder,
                                   what="AudioPipeline", size=_SIZE)
        self._decoder = new_handle(lib.arc_adec_new, lib.arc_adec_free, "struct arc_adec", decoder,
                                   what="AudioPipeline", size=_SIZE)
        self._conceal: Any = None
        if config.plc and config.sample_rate % 1000 == 0:  # 44100 Hz and the like are not concealed
            conceal = ffi.new("struct arc_conceal_config *", opus)
            self._conceal = new_handle(lib.arc_conceal_new, lib.arc_conceal_free, "struct arc_conceal", conceal,
                                       what="AudioPipeline", size=_SIZE)
        self._count, self._noise = ffi.new("int32_t *"), ffi.new("bool *")
        self._room = ffi.new("uint8_t[]", max(int(lib.arc_aenc_max_bytes(self._encoder)), lib.ARC_OPUS_MIN_CAP_BYTES))

    def encode(self, pcm: NDArray[np.int16]) -> bytes:
        """One frame, int16, contiguous."""
        check(lib.arc_aenc_encode(self._encoder, ffi.from_buffer("int16_t[]", pcm), self._room, len(self._room),
                                  self._count, self._noise), "encode")
        return bytes(ffi.buffer(self._room, self._count[0]))

    def samples_in(self, view: Any) -> int:
        """Samples per channel of a payload; 0: malformed."""
        return int(lib.arc_adec_packet_samples(self._decoder, view, len(view)))

    def decode(self, view: Any, n_samples: int) -> NDArray[np.float32] | None:
        """The samples of a payload, shape (n,) or (n, 2); None: it is damaged."""
        out = self._samples(n_samples)
        room = ffi.from_buffer("int16_t[]", out, require_writable=True)
        status = lib.arc_adec_decode(self._decoder, view, len(view), room, n_samples, self._count)
        if status == lib.ARC_ERR_CODEC:
            return None
        check(status, "decode")
        if self._conceal is not None:
            lib.arc_conceal_on_audio(self._conceal, room, n_samples)
        return _to_float(out)

    def conceal(self, n_samples: int) -> NDArray[np.float32]:
        """So much in place of lost; silence without concealment."""
        out = self._samples(n_samples)
        if self._conceal is not None:
            room, channels = ffi.from_buffer("int16_t[]", out, require_writable=True), self._config.channels
            most = self._config.sample_rate * lib.ARC_CONCEAL_MAX_MS // 1000
            for start in range(0, n_samples, most):
                lib.arc_conceal_fill(self._conceal, ffi.NULL, ffi.NULL, 0, room + start * channels,
                                     min(most, n_samples - start))
        return _to_float(out)

    def _samples(self, n: int) -> NDArray[np.int16]:
        return np.zeros((n,) if self._config.channels == 1 else (n, self._config.channels), dtype=np.int16)


def _to_float(pcm: NDArray[np.int16]) -> NDArray[np.float32]:
    out = pcm.astype(np.float32)
    out /= 32_768
    return out
