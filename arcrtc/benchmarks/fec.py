"""Parity of packets: protecting a packet, a packet that arrives, and a recovery; all in C, bytes in and out."""
from __future__ import annotations

from typing import Final

from arcrtc._native import ffi, lib, new_handle
from arcrtc.benchmarks.registry import Work, benchmark
from arcrtc.fec import FecConfig, FecEncoder, FecFormat
from arcrtc.rtp import RtpHeader, RtpPacket

_BLOCK: Final = 10  # packets of a block: ten of media, two of parity at 20 %
_SIZE: Final = 1200


def _media(size: int) -> list[bytes]:
    return [RtpPacket(RtpHeader(i, 0, 7, 96, i % _BLOCK == _BLOCK - 1), bytes(size - 12)).serialize()
            for i in range(_BLOCK)]


def _protect(config: FecConfig, size: int) -> Work:
    encoder = FecEncoder(config)
    out, length = ffi.new("uint8_t[]", 2000), ffi.new("size_t *")
    blocks = [[ffi.from_buffer("uint8_t[]", p[:2] + (_BLOCK * k + i).to_bytes(2, "big") + p[4:])
               for i, p in enumerate(_media(size))] for k in range(64)]
    handle, on_packet, pop = encoder._handle, lib.arc_fecenc_on_packet, lib.arc_fecenc_pop

    def run(n: int) -> None:
        for k in range(n):
            *first, last = blocks[k % 64]
            for packet in first:
                on_packet(handle, packet, size, False)
            on_packet(handle, last, size, True)
            while pop(handle, out, 2000, length) == lib.ARC_OK:
                pass

    return Work(run, _BLOCK)


@benchmark(f"fec.protect.flexfec.{_SIZE}B", "ns/packet")
def protect_flexfec() -> Work:
    """Ten packets and their two repairs, per packet of media."""
    return _protect(FecConfig(overhead=0.21, burst_packets=2), _SIZE)


@benchmark(f"fec.protect.ulpfec.{_SIZE}B", "ns/packet")
def protect_ulpfec() -> Work:
    """The same as ULPFEC."""
    return _protect(FecConfig(format=FecFormat.ULPFEC, overhead=0.21, burst_packets=2), _SIZE)


@benchmark("fec.protect.flexfec.100B", "ns/packet")
def protect_speech() -> Work:
    """Packets as long as those of speech at 32 kb/s."""
    return _protect(FecConfig(overhead=0.26, burst_packets=2), 100)


def _receive(lost: bool) -> Work:
    """Ten packets and a repair over them; with ``lost`` without one of the ten."""
    config = FecConfig(overhead=0.11, burst_packets=1)
    encoder, media = FecEncoder(config), _media(_SIZE)
    repair = next(r for i, p in enumerate(media) for r in encoder.protect(p, ends_frame=i == _BLOCK - 1))
    pool = new_handle(lib.arc_pkt_pool_new, lib.arc_pkt_pool_unref, "struct arc_pkt_pool", 200, what="pool")
    decoder = new_handle(lib.arc_fecdec_new, lib.arc_fecdec_free, "struct arc_fecdec",
                         ffi.new("struct arc_fecdec_config *", {"format": lib.ARC_FEC_FLEXFEC, "window_pkts": 64}),
                         what="decoder")
    packets = [ffi.from_buffer("uint8_t[]", bytearray(p)) for p in media]
    code, base_at = ffi.from_buffer("uint8_t[]", bytearray(repair)), 12 + 4 + 8  # RTP header, CSRC, XOR of the headers
    out, length = ffi.new("uint8_t[]", 2000), ffi.new("size_t *")
    push, pull, payload_type = lib.arc_fecdec_push, lib.arc_fecdec_pull, config.payload_type

    seq = 0

    def run(n: int) -> None:
        nonlocal seq
        for _ in range(n):
            code[base_at], code[base_at + 1] = seq >> 8, seq & 255
            for i, packet in enumerate(packets):
                packet[2], packet[3] = seq >> 8, seq & 255
                seq = (seq + 1) % 65536
                if not (lost and i == 4):
                    push(decoder, pool, packet, _SIZE, payload_type)
            push(decoder, pool, code, len(repair), payload_type)
            if (pull(decoder, pool, out, 2000, length) == lib.ARC_OK) != lost:
                raise RuntimeError("the lost packet did not come back")

    return Work(run, _BLOCK if not lost else 1)


@benchmark(f"fec.receive.flexfec.{_SIZE}B", "ns/packet")
def receive_flexfec() -> Work:
    """A packet that arrives where nothing is lost, its share of the repairs with it, one copy of its bytes too."""
    return _receive(lost=False)


@benchmark(f"fec.recover.flexfec.10x{_SIZE}B", "ns/block")
def recover_flexfec() -> Work:
    """A block of ten with one lost: nine arrivals, the repair, the recovery."""
    return _receive(lost=True)
