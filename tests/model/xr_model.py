"""Blocks of extended reports the plain way, straight from RFC 3611 and RFC 7509."""
from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from arcrtc import rtcp


def reported(begin: int, end: int, thinning: int) -> list[int]:
    """The sequence numbers that a block speaks of."""
    return [seq & 0xFFFF for seq in range(begin, begin + ((end - begin) & 0xFFFF)) if seq % 2**thinning == 0]


def read_chunks(chunks: Sequence[int], n: int) -> list[bool] | None:
    """The bits of ``n`` packets; None if the chunks do not describe just them."""
    bits = ""
    for i, chunk in enumerate(chunks):
        word = f"{chunk:016b}"
        if chunk == 0:
            if i != len(chunks) - 1 or len(chunks) % 2 or len(bits) < n:
                return None
        elif len(bits) >= n:
            return None
        elif word[0] == "1":
            bits += word[1:]
        else:
            bits += word[1] * int(word[2:], 2)
            if word[2:] == "0" * 14 or len(bits) > n:
                return None
    return [bit == "1" for bit in bits[:n]] if len(bits) >= n else None


def _run(bits: Sequence[bool]) -> int:
    return min(len(list(takewhile(lambda bit: bit == bits[0], bits))), 16383)


def write_chunks(bits: Sequence[bool]) -> list[int]:
    """Chunks that take most each time, runs before vectors."""
    chunks, rest = [], list(bits)
    while rest:
        run = _run(rest)
        if run >= min(15, len(rest)):
            chunks.append(0x4000 * rest[0] + run)
            rest = rest[run:]
        else:
            chunks.append(int("1" + "".join(str(int(b)) for b in rest[:15]).ljust(15, "0"), 2))
            rest = rest[15:]
    return chunks + [0] * (len(chunks) % 2)


def fewest_chunks(bits: Sequence[bool]) -> int:
    """Of all ways to describe the bits, the shortest one, without the null chunk."""
    best = [0] * (len(bits) + 1)
    for i in range(len(bits) - 1, -1, -1):
        run = _run(bits[i:])
        best[i] = 1 + min([best[min(i + 15, len(bits))], *(best[i + r] for r in range(1, run + 1))])
    return best[0]


def _range(kind: int, b: Any, content: bytes) -> tuple[int, int, bytes]:
    return kind, b.thinning, struct.pack("!IHH", b.ssrc, b.begin_sequence, b.end_sequence) + content


def _chunks(bits: Sequence[bool]) -> bytes:
    chunks = write_chunks(bits)
    return struct.pack(f"!{len(chunks)}H", *chunks)


def _summary(b: rtcp.StatisticsSummary) -> tuple[int, int, bytes]:
    none = (0, 0, 0, 0)
    flags = (b.lost_packets is not None) << 7 | (b.duplicate_packets is not None) << 6
    flags |= (b.jitter_ticks is not None) << 5 | (b.ttl is not None) << 3 | (b.hop_limit is not None) << 4
    return 6, flags, struct.pack(
        "!IHH6I4B", b.ssrc, b.begin_sequence, b.end_sequence, b.lost_packets or 0, b.duplicate_packets or 0,
        *(b.jitter_ticks or none), *(b.ttl or b.hop_limit or none))


def _or127(value: int | None) -> int:
    return 127 if value is None else value


def _voip(b: rtcp.VoipMetrics) -> tuple[int, int, bytes]:
    config = b.loss_concealment << 6 | b.jitter_buffer << 4 | b.jitter_buffer_rate
    return 7, 0, struct.pack(
        "!I4B4H2b2B4BBxHHH", b.ssrc, b.loss_rate, b.discard_rate, b.burst_density, b.gap_density,
        b.burst_duration_ms, b.gap_duration_ms, b.round_trip_delay_ms, b.end_system_delay_ms,
        _or127(b.signal_level_db), _or127(b.noise_level_db), _or127(b.residual_echo_return_loss_db),
        b.gmin_packets, _or127(b.r_factor), _or127(b.external_r_factor), _or127(b.mos_lq_tenths),
        _or127(b.mos_cq_tenths), config, b.jitter_buffer_nominal_ms, b.jitter_buffer_maximum_ms,
        b.jitter_buffer_absolute_maximum_ms)


def _parts(b: Any) -> tuple[int, int, bytes]:
    if isinstance(b, rtcp.LossRle):
        return _range(1, b, _chunks(b.received))
    if isinstance(b, rtcp.DuplicateRle):
        return _range(2, b, _chunks(b.unique))
    if isinstance(b, rtcp.ReceiptTimes):
        return _range(3, b, struct.pack(f"!{len(b.times)}I", *b.times))
    if isinstance(b, rtcp.ReceiverReferenceTime):
        return 4, 0, struct.pack("!Q", b.ntp_time)
    if isinstance(b, rtcp.DelaySinceLastReceiverReport):
        return 5, 0, b"".join(struct.pack("!III", *entry) for entry in b.entries)
    if isinstance(b, rtcp.StatisticsSummary):
        return _summary(b)
    if isinstance(b, rtcp.VoipMetrics):
        return _voip(b)
    if isinstance(b, rtcp.PostRepairLoss):
        return 33, 0, struct.pack("!IHHHH", b.ssrc, b.begin_sequence, b.end_sequence, b.lost_packets,
                                  b.repaired_packets)
    return b.block_type, b.type_specific, b.body


def write_block(block: Any) -> bytes:
    """The bytes of one block."""
    kind, specific, body = _parts(block)
    return struct.pack("!BBH", kind, specific, len(body) // 4) + body
