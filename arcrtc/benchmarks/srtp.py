"""SRTP through the Python API: one packet a call, and batches; peer: libsrtp by pylibsrtp.

A sequence number may be used once with a key. So both sides work through the same
list of packets, and take a fresh context whenever the list begins anew; that costs
some ten microseconds in thousands of packets.
"""
from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from arcrtc.benchmarks.registry import Peer, Work, benchmark
from arcrtc.srtp import PacketBatch, SrtpConfig, SrtpPipeline, SrtpProfile

_SSRC: Final = 0x1234
_PACKETS: Final = 4096
_BATCH: Final = 64
_SLOT_BYTES: Final = 1500

#: name: (ours, key bytes, salt bytes, pylibsrtp's constant)
_PROFILES: Final = {
    "gcm128": (SrtpProfile.AEAD_AES_128_GCM, 16, 12, "SRTP_PROFILE_AEAD_AES_128_GCM"),
    "cm128_80": (SrtpProfile.AES128_CM_HMAC_SHA1_80, 16, 14, "SRTP_PROFILE_AES128_CM_SHA1_80"),
}


def _rtp(seq: int, size: int) -> bytes:
    return struct.pack("!BBHII", 0x80, 96, seq, seq * 960, _SSRC) + bytes(size - 12)


def _ours(profile: str) -> SrtpPipeline:
    kind, key_bytes, salt_bytes, _ = _PROFILES[profile]
    return SrtpPipeline(SrtpConfig(profile=kind, master_key=bytes(range(key_bytes)),
                                   master_salt=bytes(range(salt_bytes)), ssrc=_SSRC, roc=0))


def _libsrtp(profile: str, *, inbound: bool) -> Any:
    import pylibsrtp

    _, key_bytes, salt_bytes, constant = _PROFILES[profile]
    policy = pylibsrtp.Policy(
        key=bytes(range(key_bytes)) + bytes(range(salt_bytes)),
        srtp_profile=getattr(pylibsrtp.Policy, constant),
        ssrc_type=pylibsrtp.Policy.SSRC_ANY_INBOUND if inbound else pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
    return pylibsrtp.Session(policy=policy)


def _cycling(packets: list[bytes], new_call: Callable[[], Callable[[bytes], Any]]) -> Callable[[int], None]:
    """A run over ``packets`` again and again, with a fresh context for each round."""
    place = 0
    call = new_call()

    def run(n: int) -> None:
        nonlocal place, call
        while n > 0:
            part = packets[place:place + n]
            for packet in part:
                call(packet)
            place += len(part)
            n -= len(part)
            if place == len(packets):
                place, call = 0, new_call()

    return run


def _peer(profile: str, packets: list[bytes], verb: str) -> Peer | None:
    try:
        import pylibsrtp
    except ImportError:
        return None
    inbound = verb == "unprotect"
    return Peer(f"pylibsrtp {pylibsrtp.__version__}",
                _cycling(packets, lambda: getattr(_libsrtp(profile, inbound=inbound), verb)))


def _protect(profile: str, size: int) -> Work:
    packets = [_rtp(seq, size) for seq in range(_PACKETS)]
    return Work(_cycling(packets, lambda: _ours(profile).encrypt), peer=_peer(profile, packets, "protect"))


def _unprotect(profile: str, size: int) -> Work:
    sender = _ours(profile)
    wires = [sender.encrypt(_rtp(seq, size)) for seq in range(_PACKETS)]
    return Work(_cycling(wires, lambda: _ours(profile).decrypt_bytes),
                peer=_peer(profile, wires, "unprotect"))


def _to_packet(profile: str, size: int) -> Work:
    sender = _ours(profile)
    wires = [sender.encrypt(_rtp(seq, size)) for seq in range(_PACKETS)]
    return Work(_cycling(wires, lambda: _ours(profile).decrypt))


def _batch(profile: str, size: int, *, both_ways: bool) -> Work:
    """A full batch in place; the sequence numbers are moved on by NumPy between two calls."""
    pipeline = _ours(profile)
    batch = PacketBatch(_BATCH, _SLOT_BYTES)
    for slot in range(_BATCH):
        batch.data[slot, :size] = np.frombuffer(_rtp(slot, size), dtype=np.uint8)
    batch.count = _BATCH
    seqs = batch.data[:, 2:4]
    first = 0

    def run(n: int) -> None:
        nonlocal first
        for _ in range(n):
            numbers = np.arange(first, first + _BATCH, dtype=np.uint32).astype(">u2")
            seqs[:] = numbers.view(np.uint8).reshape(_BATCH, 2)
            first = (first + _BATCH) & 0xFFFF
            batch.lengths[:] = size
            pipeline.encrypt_batch(batch)
            if both_ways:
                pipeline.decrypt_batch(batch)

    run(1)
    if batch.status.any():
        raise ValueError(f"a packet of the batch failed: {batch.status.tolist()}")
    return Work(run, items=_BATCH)


def _register(profile: str, size: int) -> None:
    unit = "ns/packet"
    end = f"{profile}.{size}B"
    benchmark(f"srtp.protect.{end}", unit)(lambda: _protect(profile, size))
    benchmark(f"srtp.protect.{end}.batch{_BATCH}", unit)(lambda: _batch(profile, size, both_ways=False))
    benchmark(f"srtp.unprotect.{end}", unit)(lambda: _unprotect(profile, size))
    benchmark(f"srtp.unprotect.{end}.to_packet", unit)(lambda: _to_packet(profile, size))
    benchmark(f"srtp.both_ways.{end}.batch{_BATCH}", unit)(lambda: _batch(profile, size, both_ways=True))


for _profile in _PROFILES:
    for _size in (160, 1200):
        _register(_profile, _size)
