"""Parity packets that bring lost ones back (C modules ``tx/fecenc``, ``rx/fecdec``).

``FecConfig`` is what streams of a session take; ``FecEncoder`` and ``FecDecoder`` do the
same to packets of any origin, and read no clock.

Source: RFC 5109 (ULPFEC), RFC 8627 (FlexFEC).
"""
from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from arcrtc._native import check, ffi, lib, new_handle, read_view
from arcrtc._ranges import check_float, check_int
from arcrtc.errors import ConfigError

__all__ = ["FecConfig", "FecDecoder", "FecDecoderStats", "FecEncoder", "FecEncoderStats", "FecFormat"]

_PACKET_BYTES: Final = 1984  # csrc/base/pkt.h: longest packet


class FecFormat(IntEnum):
    """How parity travels."""

    ULPFEC = lib.ARC_FEC_ULPFEC  #: RFC 5109: masks of 16 or 48 packets
    FLEXFEC = lib.ARC_FEC_FLEXFEC  #: RFC 8627: rows and columns, or masks of 15, 46 or 110 packets


def max_block(fmt: FecFormat, masks: bool) -> int:
    """Packets of the longest block that the format can describe."""
    if fmt is FecFormat.ULPFEC:
        return int(lib.ARC_ULPFEC_LONG_MASK_BITS)
    return int(lib.ARC_FECSET_MASK_BITS if masks else lib.ARC_FECENC_MAX_BLOCK_PKTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class FecConfig:
    """Parity for one stream.

    A receiver looks at ``format`` and ``payload_type`` only: each repair packet says
    itself what it covers.

    :ivar format: FLEXFEC or ULPFEC; both sides must mean the same.
    :ivar payload_type: of repair packets, 0..127; no other stream's.
    :ivar overhead: bytes of repairs over bytes of media, RTP headers counted in both, 0..1.
        0: none for now, see :meth:`set_fec` of the sender.
    :ivar burst_packets: so many losses in a row shall be recovered, 1..32. More need a longer
        block at the same overhead, so they bring more delay.
    :ivar two_dimensional: rows and columns over a square block; where the overhead allows
        for no square within ``max_block_packets``, as if it were False.
    :ivar max_block_packets: a repair comes at most so many packets after the first one it
        covers. 2..48 (ULPFEC), 2..110 (masks), 2..128.
    :ivar masks: FlexFEC: describe sets by masks, for receivers that read no rows and columns.
    :ivar ssrc: of the repair packets, 1..2**32-1; None: a random one.
    :ivar in_stream: ULPFEC only: repair packets go in the stream itself and take sequence
        numbers of it, as GStreamer sends them. One that is lost looks like lost media.
    :raises ConfigError: a value is out of range; names the field.
    """

    format: FecFormat = FecFormat.FLEXFEC
    payload_type: int = 118
    overhead: float = 0.2
    burst_packets: int = 1
    two_dimensional: bool = False
    max_block_packets: int = 48
    masks: bool = False
    ssrc: int | None = None
    in_stream: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.format, FecFormat):
            raise ConfigError(f"format={self.format!r} is no FecFormat")
        check_int("payload_type", self.payload_type, 0, 127)
        check_float("overhead", self.overhead, 0, 1)
        check_int("burst_packets", self.burst_packets, 1, lib.ARC_FECENC_MAX_BURST_PKTS)
        check_int("max_block_packets", self.max_block_packets, 2, max_block(self.format, self.masks))
        if self.ssrc is not None:
            check_int("ssrc", self.ssrc, 1, 2**32 - 1)
        if self.in_stream and self.format is not FecFormat.ULPFEC:
            raise ConfigError("in_stream is for ULPFEC only: FlexFEC has an SSRC of its own (RFC 8627 section 4.2.1)")
        if self.in_stream and self.ssrc is not None:
            raise ConfigError(f"ssrc={self.ssrc} with in_stream: the stream has one")


def fill_policy(policy: Any, overhead: float, burst_packets: int, two_dimensional: bool) -> None:
    """Write ``struct arc_fecenc_policy``.

    :raises ConfigError: out of range, as in FecConfig.
    """
    check_float("overhead", overhead, 0, 1)
    check_int("burst_packets", burst_packets, 1, lib.ARC_FECENC_MAX_BURST_PKTS)
    policy.overhead_permille = round(1000 * overhead)
    policy.burst_pkts = burst_packets
    policy.grid = two_dimensional


def fill_send_config(out: Any, config: FecConfig, ssrc: int) -> None:
    """Write ``struct arc_send_fec_config``; ``ssrc`` 0: in the stream."""
    out.format = config.format
    out.payload_type = config.payload_type
    out.ssrc = ssrc
    out.masks = config.masks
    out.max_block_pkts = config.max_block_packets
    fill_policy(out.policy, config.overhead, config.burst_packets, config.two_dimensional)


@dataclass(frozen=True, slots=True, kw_only=True)
class FecEncoderStats:
    """Counters since the start.

    :ivar media_packets: given while there was any protection; ``media_bytes`` of those.
    :ivar repair_packets: made; ``repair_bytes`` of those, with their RTP headers.
    :ivar unprotected_packets: left their block without a repair: too little overhead for the
        block, a gap in the sequence numbers, or too long.
    """

    media_packets: int
    media_bytes: int
    repair_packets: int
    repair_bytes: int
    unprotected_packets: int


class FecEncoder:
    """Makes repair packets for one stream of RTP packets.

    Not thread-safe: one thread at a time.

    :param config: what to make. ``in_stream`` and ``ssrc`` do not matter here.
    :param max_packet_bytes: longest packet that is protected, 64..1500.
    :raises ConfigError: out of range.
    :raises NoMemoryError: the core could not allocate.
    """

    def __init__(self, config: FecConfig | None = None, *, max_packet_bytes: int = 1500) -> None:
        config = config or FecConfig()
        check_int("max_packet_bytes", max_packet_bytes, 64, 1500)
        cfg = ffi.new("struct arc_fecenc_config *", {
            "format": config.format, "masks": config.masks, "payload_type": config.payload_type,
            "max_block_pkts": config.max_block_packets, "max_packet_bytes": max_packet_bytes})
        self._handle = new_handle(lib.arc_fecenc_new, lib.arc_fecenc_free, "struct arc_fecenc", cfg,
                                  what="FecEncoder", size=config.max_block_packets * max_packet_bytes)
        self.set_policy(config.overhead, config.burst_packets, config.two_dimensional)
        self._out = ffi.new("uint8_t[]", _PACKET_BYTES)
        self._len = ffi.new("size_t *")

    def set_policy(self, overhead: float, burst_packets: int = 1, two_dimensional: bool = False) -> None:
        """Change how much parity there is and of what shape, from the next packet on.

        :raises ConfigError: out of range, see :class:`FecConfig`.
        """
        policy = ffi.new("struct arc_fecenc_policy *")
        fill_policy(policy, overhead, burst_packets, two_dimensional)
        check(lib.arc_fecenc_set_policy(self._handle, policy), "FecEncoder.set_policy")

    def protect(self, packet: bytes, *, ends_frame: bool = True) -> list[bytes]:
        """Take a packet as it leaves; return the repair packets that are due now.

        :param packet: whole RTP packet, plain.
        :param ends_frame: last packet of its frame; of samples every one is.
        :returns: RTP packets whose sequence number, timestamp and SSRC are 0, for the caller to set.
        """
        view = read_view(packet)
        lib.arc_fecenc_on_packet(self._handle, view, len(view), ends_frame)
        repairs = []
        while check(lib.arc_fecenc_pop(self._handle, self._out, _PACKET_BYTES, self._len), "FecEncoder.protect"):
            repairs.append(bytes(ffi.buffer(self._out, self._len[0])))
        return repairs

    def stats(self) -> FecEncoderStats:
        """Counters since the start."""
        s = ffi.new("struct arc_fecenc_stats *")
        lib.arc_fecenc_stats(self._handle, s)
        return FecEncoderStats(media_packets=s.media_pkts, media_bytes=s.media_bytes, repair_packets=s.repair_pkts,
                               repair_bytes=s.repair_bytes, unprotected_packets=s.unprotected_pkts)


@dataclass(frozen=True, slots=True, kw_only=True)
class FecDecoderStats:
    """Counters since the start. Each repair packet is one of the kinds below, or ``waiting``.

    :ivar repair_packets: came.
    :ivar recovered: brought a packet.
    :ivar unneeded: all of its packets had come.
    :ivar unrecoverable: let go while two or more of its packets were missing.
    :ivar malformed: not of the format, or what it brought was no packet.
    :ivar unsupported: of a reserved form, or over packets of several sources.
    :ivar unseen: over packets of another source, or far ahead of those seen.
    :ivar too_old: over packets that have left the window.
    :ivar too_wide: over packets that lie further apart than half the window.
    :ivar partial: protects less than the whole packet that it would bring (ULPFEC).
    :ivar no_packet: there was no memory for the packet.
    :ivar waiting: held now.
    :ivar restarts: the stream began anew, and all was forgotten.
    """

    repair_packets: int
    recovered: int
    unneeded: int
    unrecoverable: int
    malformed: int
    unsupported: int
    unseen: int
    too_old: int
    too_wide: int
    partial: int
    no_packet: int
    waiting: int
    restarts: int


class FecDecoder:
    """Recovers lost packets of one stream from repair packets.

    Give it authenticated packets only. Not thread-safe: one thread at a time.

    :param config: ``format`` and ``payload_type`` count.
    :param window_packets: packets that are kept, a power of two, 16..8192.
    :raises ConfigError: out of range.
    :raises NoMemoryError: the core could not allocate.
    """

    def __init__(self, config: FecConfig | None = None, *, window_packets: int = 256) -> None:
        config = config or FecConfig()
        check_int("window_packets", window_packets, 16, 8192)
        if window_packets & (window_packets - 1):
            raise ConfigError(f"window_packets={window_packets} is no power of two")
        n_packets = window_packets + lib.ARC_FECDEC_MAX_REPAIRS + 2
        self._pool = new_handle(lib.arc_pkt_pool_new, lib.arc_pkt_pool_unref, "struct arc_pkt_pool", n_packets,
                                what="FecDecoder", size=2048 * n_packets)
        cfg = ffi.new("struct arc_fecdec_config *", {"format": config.format, "window_pkts": window_packets})
        self._handle = new_handle(lib.arc_fecdec_new, lib.arc_fecdec_free, "struct arc_fecdec", cfg, what="FecDecoder")
        self._payload_type = config.payload_type
        self._out = ffi.new("uint8_t[]", _PACKET_BYTES)
        self._len = ffi.new("size_t *")

    def push(self, packet: bytes) -> list[bytes]:
        """Take a packet of the stream or a repair packet, in any order; return what can be recovered now.

        :param packet: whole RTP packet, plain; what it is, its payload type says.
        :returns: whole RTP packets, as they were sent.
        :raises ParseError: not RTP. :raises BufferSpaceError: longer than 1984 bytes.
        """
        view = read_view(packet)
        check(lib.arc_fecdec_push(self._handle, self._pool, view, len(view), self._payload_type), "FecDecoder.push")
        recovered = []
        while check(lib.arc_fecdec_pull(self._handle, self._pool, self._out, _PACKET_BYTES, self._len),
                    "FecDecoder.push"):
            recovered.append(bytes(ffi.buffer(self._out, self._len[0])))
        return recovered

    def reset(self) -> None:
        """Forget all packets and repairs: another source goes on with the stream."""
        lib.arc_fecdec_reset(self._handle)

    def stats(self) -> FecDecoderStats:
        """Counters since the start."""
        s = ffi.new("struct arc_fecdec_stats *")
        lib.arc_fecdec_stats(self._handle, s)
        return FecDecoderStats(
            repair_packets=s.repair_pkts, recovered=s.recovered, unneeded=s.unneeded, unrecoverable=s.unrecoverable,
            malformed=s.malformed, unsupported=s.unsupported, unseen=s.unseen, too_old=s.too_old, too_wide=s.too_wide,
            partial=s.partial, no_packet=s.no_packet, waiting=s.waiting, restarts=s.restarts)
