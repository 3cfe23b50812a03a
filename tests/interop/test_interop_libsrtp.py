"""Both directions against libsrtp (pylibsrtp), every profile that it knows."""
from __future__ import annotations

import random
import struct

import pylibsrtp
import pytest

from arcrtc import errors
from arcrtc.srtp import SrtpConfig, SrtpPipeline, SrtpProfile

PEERS = {
    SrtpProfile.AES128_CM_HMAC_SHA1_80: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    SrtpProfile.AES128_CM_HMAC_SHA1_32: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    SrtpProfile.AEAD_AES_128_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    SrtpProfile.AEAD_AES_256_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}
profiles = pytest.mark.parametrize("profile", PEERS, ids=lambda p: p.name)
SSRC = 0xDEADBEEF


def make_config(profile: SrtpProfile) -> SrtpConfig:
    salt = bytes(range(200, 200 + profile.salt_bytes[0]))
    return SrtpConfig(bytes(range(profile.key_bytes)), salt, SSRC, profile=profile, window_pkts=1024)


def make_peer(config: SrtpConfig, ssrc_type: int) -> pylibsrtp.Session:
    policy = pylibsrtp.Policy(key=config.master_key + config.master_salt, ssrc_type=ssrc_type,
                              srtp_profile=PEERS[config.profile])
    policy.window_size = 1024
    return pylibsrtp.Session(policy)


def random_rtp(rng: random.Random, seq: int) -> bytes:
    """CSRCs, extensions and sizes at random; ``seq`` unwrapped."""
    csrcs, extension = rng.choice([0, 0, 0, 1, 15]), rng.random() < 0.5
    packet = struct.pack("!BBHII", 0x80 | extension << 4 | csrcs, rng.randrange(128), seq & 0xFFFF,
                         rng.randrange(2**32), SSRC) + rng.randbytes(4 * csrcs)
    if extension:
        words = rng.randrange(8)
        packet += struct.pack("!HH", 0xBEDE, words) + rng.randbytes(4 * words)
    return packet + rng.randbytes(rng.choice([0, 1, 15, 16, 17, rng.randrange(1200)]))


def random_rtcp(rng: random.Random) -> bytes:
    return struct.pack("!BBHI", 0x80, 200, 6, SSRC) + rng.randbytes(4 * rng.randrange(250))


def network(rng: random.Random, first: int, n: int) -> list[int]:
    """Sequence numbers in order of arrival: 3 % lost, late by up to 20 places."""
    kept = [i for i in range(first, first + n) if rng.random() > 0.03]
    return sorted(kept, key=lambda i: i + rng.choice([0, 0, 0, rng.randrange(20)]))


def numbers() -> list[range]:
    """Dense around three roll-overs, thin between: steps below 2^15 keep the guess right."""
    out = [range(65000, 65536 + 300)]
    for wrap in (2, 3):
        out.append(range((wrap - 1) * 65536 + 1000, wrap * 65536 - 300, 5000))
        out.append(range(wrap * 65536 - 300, wrap * 65536 + 300))
    return out


@profiles
@pytest.mark.parametrize("seed", [1, 2])
def test_interop_libsrtp_receives_our_rtp(profile: SrtpProfile, seed: int) -> None:
    rng, config = random.Random(seed), make_config(profile)
    ours, peer = SrtpPipeline(config), make_peer(config, pylibsrtp.Policy.SSRC_ANY_INBOUND)
    packets = {i: random_rtp(rng, i) for part in numbers() for i in part}
    wires = {i: ours.encrypt(p) for i, p in packets.items()}
    for part in numbers():
        order = network(rng, part.start, len(part)) if part.step == 1 else list(part)
        for i in order:
            assert peer.unprotect(wires[i]) == packets[i]
            with pytest.raises(pylibsrtp.Error, match="replay"):
                peer.unprotect(wires[i])


@profiles
@pytest.mark.parametrize("seed", [3, 4])
def test_interop_we_receive_rtp_of_libsrtp(profile: SrtpProfile, seed: int) -> None:
    rng, config = random.Random(seed), make_config(profile)
    ours, peer = SrtpPipeline(config), make_peer(config, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
    packets = {i: random_rtp(rng, i) for part in numbers() for i in part}
    wires = {i: peer.protect(p) for i, p in packets.items()}
    received = 0
    for part in numbers():
        order = network(rng, part.start, len(part)) if part.step == 1 else list(part)
        for i in order:
            forged = bytearray(wires[i])
            forged[rng.randrange(12, len(forged))] ^= 1 << rng.randrange(8)
            with pytest.raises((errors.AuthenticationError, errors.ParseError)):
                ours.decrypt_bytes(forged)
            assert ours.decrypt_bytes(wires[i]) == packets[i]
            with pytest.raises(errors.ReplayError):
                ours.decrypt_bytes(wires[i])
            received += 1
    assert ours.stats().rtp_received == received > 1500


@profiles
def test_interop_both_make_the_same_rtp_bytes(profile: SrtpProfile) -> None:
    rng, config = random.Random(5), make_config(profile)
    ours, peer = SrtpPipeline(config), make_peer(config, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
    for i in range(65400, 65700):
        packet = random_rtp(rng, i)
        assert ours.encrypt(packet) == peer.protect(packet)


@profiles
def test_interop_libsrtp_receives_our_rtcp(profile: SrtpProfile) -> None:
    rng, config = random.Random(6), make_config(profile)
    ours, peer = SrtpPipeline(config), make_peer(config, pylibsrtp.Policy.SSRC_ANY_INBOUND)
    packets = [random_rtcp(rng) for _ in range(300)]
    wires = [ours.encrypt_rtcp(p) for p in packets]
    for i in network(rng, 0, 300):
        assert peer.unprotect_rtcp(wires[i]) == packets[i]
        with pytest.raises(pylibsrtp.Error, match="replay"):
            peer.unprotect_rtcp(wires[i])


@profiles
def test_interop_we_receive_rtcp_of_libsrtp(profile: SrtpProfile) -> None:
    rng, config = random.Random(7), make_config(profile)
    ours, peer = SrtpPipeline(config), make_peer(config, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
    packets = [random_rtcp(rng) for _ in range(300)]
    wires = [peer.protect_rtcp(p) for p in packets]
    for i in network(rng, 0, 300):
        forged = bytearray(wires[i])
        forged[rng.randrange(8, len(forged))] ^= 1 << rng.randrange(8)
        with pytest.raises((errors.AuthenticationError, errors.ReplayError)):
            ours.decrypt_rtcp(forged)
        assert ours.decrypt_rtcp(wires[i]) == packets[i]
        with pytest.raises(errors.ReplayError):
            ours.decrypt_rtcp(wires[i])
