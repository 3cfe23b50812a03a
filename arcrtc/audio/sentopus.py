"""How a sent stream is coded with Opus: what was asked for, as far as its peer likes it, as the core takes it."""
from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

from arcrtc._native import error_for, ffi, lib
from arcrtc._ranges import check_int
from arcrtc.audio.config import APPLICATIONS, BANDWIDTHS, AudioConfig, min_bitrate
from arcrtc.audio.opusparameters import OpusParameters
from arcrtc.errors import ConfigError, UnsupportedError

MAX_DRED_MS: Final = 1040  #: deep redundancy that a packet can hold, milliseconds


def check_dred(dred_ms: int) -> int:
    """Refuse what is no length of deep redundancy.

    :raises ConfigError: outside 0..1040, or no multiple of 10.
    """
    check_int("dred_ms", dred_ms, 0, MAX_DRED_MS, "ms")
    if dred_ms % 10:
        raise ConfigError(f"dred_ms={dred_ms} is no multiple of 10 ms")
    return dred_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class SentOpus:
    """Settings of a sent stream of Opus.

    :ivar wished: what was asked for.
    :ivar parameters: what the peer says that it likes.
    :ivar dred_ms: deep redundancy in each packet, 0..1040 ms in steps of 10; 0: none.
    :ivar used: ``wished`` as far as ``parameters`` like it.
    """

    wished: AudioConfig
    parameters: OpusParameters | None = None
    dred_ms: int = 0
    used: AudioConfig = field(init=False)

    def __post_init__(self) -> None:
        check_dred(self.dred_ms)
        limited = self.wished if self.parameters is None else self.parameters.limit(self.wished)
        object.__setattr__(self, "used", limited)

    def changed(self, parameters: OpusParameters | None, dred_ms: int | None, **changes: Any) -> SentOpus:
        """The same with other values; those that are None stay.

        :raises ConfigError: a value is not allowed.
        """
        given = {name: value for name, value in changes.items() if value is not None}
        n_samples = int(self.wished.sample_rate * given.get("frame_size_ms", self.wished.frame_size_ms) / 1000)
        if "bitrate" not in given and n_samples > 0:  # a rate that is now too low for so short packets
            given["bitrate"] = max(self.wished.bitrate, min_bitrate(n_samples, self.wished.sample_rate))
        return SentOpus(wished=replace(self.wished, **given), parameters=parameters or self.parameters,
                        dred_ms=self.dred_ms if dred_ms is None else dred_ms)

    def at_bitrate(self, bps: int) -> SentOpus:
        """The same at another bitrate, 6000..510000, raised to what packets of this length need."""
        least = min_bitrate(self.wished.frame_samples, self.wished.sample_rate)
        return replace(self, wished=replace(self.wished, bitrate=max(bps, least)))

    def tell(self, handle: Any, what: str) -> None:
        """Let the core code the stream so, from the next packet on; the bitrate it is told apart.

        :raises UnsupportedError: ``dred_ms``, and libopus has none; says which libopus it is.
        """
        used = self.used
        native = ffi.new("struct arc_send_opus *")
        native.complexity, native.application = used.complexity, APPLICATIONS.index(used.application)
        native.max_bandwidth, native.coded_channels = BANDWIDTHS.index(used.max_bandwidth), used.coded_channels
        native.frame_us, native.dred_ms = round(used.frame_size_ms * 1000), self.dred_ms
        native.dtx, native.fec, native.vbr, native.vbr_free = used.dtx, used.fec, used.vbr, used.vbr_free
        status = lib.arc_send_set_opus(handle, native)
        if status == lib.ARC_ERR_UNSUPPORTED:
            version = ffi.string(lib.arc_opus_version()).decode(errors="replace")
            raise UnsupportedError(f"{what}: dred_ms={self.dred_ms}: {version} codes no DRED; "
                                   "libopus 1.5 and later do, where they were built with it")
        if status != lib.ARC_OK:
            raise error_for(status, what)


__all__ = ["MAX_DRED_MS", "SentOpus", "check_dred"]
