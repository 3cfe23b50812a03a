"""SRTP through the Python API, by each cipher backend; peer: libsrtp by pylibsrtp.

One packet a call, from bytes to bytes or into memory of the caller, and batches.

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
from arcrtc.crypto import CRYPTO_NAMES
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


def _ours(profile: str, crypto: str) -> SrtpPipeline:
    kind, key_bytes, salt_bytes, _ = _PROFILES[profile]
    return SrtpPipeline(SrtpConfig(profile=kind, master_key=bytes(range(key_bytes)),
                                   master_salt=bytes(range(salt_bytes)), ssrc=_SSRC, roc=0, crypto=crypto))


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


def _protect(profile: str, size: int, crypto: str) -> Work:
    packets = [_rtp(seq, size) for seq in range(_PACKETS)]
    return Work(_cycling(packets, lambda: _ours(profile, crypto).encrypt), peer=_peer(profile, packets, "protect"))


def _protect_into(profile: str, size: int, crypto: str) -> Work:
    packets = [_rtp(seq, size) for seq in range(_PACKETS)]
    out = np.zeros(_SLOT_BYTES, np.uint8)

    def new_call() -> Callable[[bytes], Any]:
        encrypt_into = _ours(profile, crypto).encrypt_into
        return lambda packet: encrypt_into(packet, out)

    return Work(_cycling(packets, new_call), peer=_peer(profile, packets, "protect"))


def _unprotect(profile: str, size: int, crypto: str) -> Work:
    sender = _ours(profile, crypto)
    wires = [sender.encrypt(_rtp(seq, size)) for seq in range(_PACKETS)]
    return Work(_cycling(wires, lambda: _ours(profile, crypto).decrypt_bytes),
                peer=_peer(profile, wires, "unprotect"))


def _to_packet(profile: str, size: int, crypto: str) -> Work:
    sender = _ours(profile, crypto)
    wires = [sender.encrypt(_rtp(seq, size)) for seq in range(_PACKETS)]
    return Work(_cycling(wires, lambda: _ours(profile, crypto).decrypt))


def _batch(profile: str, size: int, crypto: str) -> Work:
    """Full batches in place. What is encrypted again and again is not looked at; the numbers are fresh."""
    batches = []
    for first in range(0, _PACKETS, _BATCH):
        batch = PacketBatch(_BATCH, _SLOT_BYTES)
        for seq in range(first, first + _BATCH):
            batch.append(_rtp(seq, size))
        batches.append(batch)
    pipeline, place = _ours(profile, crypto), 0

    def run(n: int) -> None:
        nonlocal pipeline, place
        for _ in range(n):
            batch = batches[place]
            pipeline.encrypt_batch(batch)
            batch.lengths[:] = size
            place += 1
            if place == len(batches):
                place, pipeline = 0, _ours(profile, crypto)

    run(1)
    if batches[0].status.any():
        raise ValueError(f"a packet of the batch failed: {batches[0].status.tolist()}")
    return Work(run, items=_BATCH, peer=_peer(profile, [_rtp(seq, size) for seq in range(_PACKETS)], "protect"))


def _register(profile: str, size: int, crypto: str) -> None:
    unit = "ns/packet"
    end = f"{profile}.{size}B.{crypto}"
    benchmark(f"srtp.protect.{end}", unit)(lambda: _protect(profile, size, crypto))
    benchmark(f"srtp.protect.{end}.into", unit)(lambda: _protect_into(profile, size, crypto))
    benchmark(f"srtp.protect.{end}.batch{_BATCH}", unit)(lambda: _batch(profile, size, crypto))
    benchmark(f"srtp.unprotect.{end}", unit)(lambda: _unprotect(profile, size, crypto))
    benchmark(f"srtp.unprotect.{end}.to_packet", unit)(lambda: _to_packet(profile, size, crypto))


for _crypto in CRYPTO_NAMES[1:]:
    for _profile in _PROFILES:
        for _size in (160, 1200):
            _register(_profile, _size, _crypto)
