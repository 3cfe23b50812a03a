"""libopus itself, by ctypes: what the core's decoders are compared with."""
from __future__ import annotations

import ctypes
import ctypes.util

import numpy as np
from numpy.typing import NDArray

from arcrtc.libraries import libraries

_MAX_SAMPLES = 5760
_SET_COMPLEXITY = 4010


def load() -> ctypes.CDLL:
    """The library that the core has loaded; where the system does not tell, the one that the loader finds."""
    path = next((library.path for library in libraries() if library.name == "opus"), "")
    library = ctypes.CDLL(path or ctypes.util.find_library("opus") or "libopus.so.0")
    library.opus_get_version_string.restype = ctypes.c_char_p
    library.opus_decoder_create.restype = ctypes.c_void_p
    library.opus_encoder_create.restype = ctypes.c_void_p
    return library


class Decoder:
    """A decoder of libopus; 16-bit samples of shape (n, channels)."""

    def __init__(self, rate: int, channels: int) -> None:
        self._lib, self._channels = load(), channels
        error = ctypes.c_int()
        self._state = ctypes.c_void_p(self._lib.opus_decoder_create(rate, channels, ctypes.byref(error)))
        assert error.value == 0
        self._lib.opus_decoder_ctl(self._state, _SET_COMPLEXITY, ctypes.c_int(5))  # deep PLC, with libopus 1.5

    def decode(self, packet: bytes | None, n: int = _MAX_SAMPLES, *, fec: bool = False) -> NDArray[np.int16]:
        """The packet's audio; None: n samples made up; ``fec``: the n samples before the packet."""
        out = np.zeros((n, self._channels), dtype=np.int16)
        done = self._lib.opus_decode(self._state, packet, len(packet or b""), out.ctypes.data_as(ctypes.c_void_p), n,
                                     int(fec))
        assert done > 0, done
        return out[:done]

    def __del__(self) -> None:
        self._lib.opus_decoder_destroy(self._state)
