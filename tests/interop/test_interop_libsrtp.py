"""Both directions against libsrtp: the copy in the pylibsrtp wheel, and Debian's.

Packets of any size and shape from several sources cross a network that loses,
repeats and reorders them, over several turns of the sequence number. A forged copy
goes before each true packet and must change nothing.
"""
from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from arcrtc import errors
from arcrtc.srtp import PacketBatch, SrtpConfig, SrtpPipeline, SrtpProfile
from tests.model import libsrtp2

COPIES = ("wheel", "debian")
SSRCS = (0xDEADBEEF, 1, 0xFFFFFFFF)
REORDER_PKTS = 64  # of all sources together
REFUSED = (errors.AuthenticationError, errors.ReplayError, errors.ParseError)

copies = pytest.mark.parametrize("copy", COPIES)
profiles = pytest.mark.parametrize("profile", SrtpProfile, ids=lambda p: p.name)


def make_config(profile: SrtpProfile, **options: Any) -> SrtpConfig:
    salt = bytes(range(200, 200 + profile.salt_bytes[0]))
    return SrtpConfig(bytes(range(profile.key_bytes)), salt, profile=profile, window_pkts=1024, **options)


def random_rtp(rng: random.Random, ssrc: int, index: int) -> bytes:
    """CSRCs, extensions, and payloads of 0..1400 bytes at random; ``index`` unwrapped."""
    csrcs, extension = rng.choice([0, 0, 0, 1, 15]), rng.random() < 0.5
    packet = struct.pack("!BBHII", 0x80 | extension << 4 | csrcs, rng.randrange(128) | rng.randrange(2) << 7,
                         index & 0xFFFF, rng.randrange(2**32), ssrc) + rng.randbytes(4 * csrcs)
    if extension:
        words = rng.randrange(8)
        packet += struct.pack("!HH", rng.choice([0xBEDE, 0x1000, 7]), words) + rng.randbytes(4 * words)
    return packet + rng.randbytes(rng.choice([0, 1, 15, 16, 17, rng.randrange(1401), rng.randrange(1401)]))


def random_rtcp(rng: random.Random, ssrc: int) -> bytes:
    """A sender report, or another first packet, with anything behind it."""
    return struct.pack("!BBHI", 0x80, rng.choice([200, 201, 205, 206]), 6, ssrc) + rng.randbytes(
        4 * rng.randrange(350))


def runs(first: int, wraps: int, dense: int) -> list[range]:
    """Indices: each one for ``dense`` places before and after each wrap, between them every 5000th.

    Steps below 2^15 are what a receiver can follow (RFC 3711 section 3.3.1).
    """
    out = [range(first, first + 1)]
    for wrap in range(first // 65536 + 1, first // 65536 + 1 + wraps):
        at = wrap * 65536
        out += [range(out[-1].stop, at - dense, 5000), range(at - dense, at + dense)]
    return out


@dataclass
class Sent:
    """Packets in the order in which they leave, and runs of places that may be reordered."""

    packets: list[bytes]
    parts: list[range]


def traffic(seed: int, *, first: int = 65000, wraps: int = 3, dense: int = 60) -> Sent:
    """All sources send one packet for each index."""
    rng, sent = random.Random(seed), Sent([], [])
    for run in runs(first, wraps, dense):
        start = len(sent.packets)
        for index in run:
            sent.packets += [random_rtp(rng, ssrc, index) for ssrc in rng.sample(SSRCS, len(SSRCS))]
        stop = len(sent.packets)
        sent.parts += [range(start, stop)] if run.step == 1 else [range(i, i + 1) for i in range(start, stop)]
    return sent


def network(seed: int, parts: list[range]) -> Iterator[tuple[int, bool]]:
    """Places in order of arrival, and whether it came before: 3 % lost, 3 % twice, late by up to 64 places."""
    rng, seen = random.Random(seed), set()
    for part in parts:
        lossy = len(part) > 1
        arrivals = [i for i in part for _ in range(rng.choices([0, 1, 2], [3, 94, 3])[0] if lossy else 1)]
        arrivals.sort(key=lambda i: i + rng.choice([0, 0, 0, rng.randrange(REORDER_PKTS + 1)]))
        for i in arrivals:
            yield i, i in seen
            seen.add(i)


def forge(rng: random.Random, wire: bytes, keep: int) -> bytes:
    """The packet with one bit changed, not in its first ``keep`` bytes; or one bit of those of the sequence number."""
    at = rng.choice([2, 3]) if keep == 12 and rng.random() < 0.2 else rng.randrange(keep, len(wire))
    return wire[:at] + bytes([wire[at] ^ 1 << rng.randrange(8)]) + wire[at + 1:]


def protect_in_batches(pipeline: SrtpPipeline, packets: list[bytes]) -> list[bytes]:
    out: list[bytes] = []
    batch = PacketBatch(61, 1600)
    for packet in packets:
        batch.append(packet)
        if batch.count == batch.capacity or packet is packets[-1]:
            pipeline.encrypt_batch(batch)
            assert not batch.status[:batch.count].any()
            out += [batch.packet(row) for row in range(batch.count)]
            batch.clear()
    return out


def exchange(copy: str, profile: SrtpProfile, seed: int, **size: int) -> None:
    """All the traffic of a seed through both, each way, one packet a call and in batches."""
    config = make_config(profile)
    sent = traffic(seed, **size)
    sender = libsrtp2.Session(config, sending=True, copy=copy)
    wires = [sender.protect(packet) for packet in sent.packets]
    assert list(map(SrtpPipeline(config).encrypt, sent.packets)) == wires
    assert protect_in_batches(SrtpPipeline(config), sent.packets) == wires
    libsrtp_receives(libsrtp2.Session(config, sending=False, copy=copy), sent, wires, seed)
    we_receive(SrtpPipeline(config), sent, wires, seed)
    we_receive_batches(SrtpPipeline(config), sent, wires, seed)


def start_like_libsrtp(ours: SrtpPipeline) -> None:
    """Use up the first SRTCP index of each source: it is 0 (RFC 3711 section 3.4), and libsrtp begins with 1."""
    for ssrc in SSRCS:
        ours.encrypt_rtcp(struct.pack("!BBHI", 0x80, 200, 1, ssrc))


def libsrtp_receives(peer: libsrtp2.Session, sent: Sent, wires: list[bytes], seed: int) -> None:
    for i, again in network(seed, sent.parts):
        if again:
            with pytest.raises(libsrtp2.Libsrtp2Error):
                peer.unprotect(wires[i])
        else:
            assert peer.unprotect(wires[i]) == sent.packets[i]


def we_receive(ours: SrtpPipeline, sent: Sent, wires: list[bytes], seed: int) -> None:
    rng, accepted, repeated, forged = random.Random(seed), 0, 0, 0
    for i, again in network(seed, sent.parts):
        with pytest.raises(REFUSED):
            ours.decrypt_bytes(forge(rng, wires[i], 12))
        forged += 1
        if again:
            with pytest.raises(errors.ReplayError):
                ours.decrypt_bytes(wires[i])
            repeated += 1
        else:
            assert ours.decrypt_bytes(wires[i]) == sent.packets[i]
            accepted += 1
    stats = ours.stats()
    assert stats.rtp_received == accepted > 0.9 * len(sent.packets)
    assert stats.recv_streams == len(SSRCS)
    assert stats.streams_evicted == 0
    assert stats.replayed + stats.too_old + stats.unauthenticated + stats.malformed == repeated + forged
    assert repeated > 5


def we_receive_batches(ours: SrtpPipeline, sent: Sent, wires: list[bytes], seed: int) -> None:
    rng, batch, rows = random.Random(seed), PacketBatch(64, 1600), []

    def receive() -> None:
        ours.decrypt_batch(batch)
        for row, (expected, error) in enumerate(rows):
            if expected is None:
                assert isinstance(batch.error(row), error)
            else:
                assert batch.error(row) is None
                assert batch.packet(row) == expected
        batch.clear()
        rows.clear()

    for i, again in network(seed, sent.parts):
        batch.append(forge(rng, wires[i], 12))
        rows.append((None, REFUSED))
        batch.append(wires[i])
        rows.append((None, errors.ReplayError) if again else (sent.packets[i], None))
        if batch.count == batch.capacity:
            receive()
    receive()


@copies
@profiles
@pytest.mark.parametrize("seed", [1])
def test_interop_rtp_both_ways(copy: str, profile: SrtpProfile, seed: int) -> None:
    exchange(copy, profile, seed)


@pytest.mark.slow
@copies
@profiles
@pytest.mark.parametrize("seed", [11])
def test_interop_rtp_both_ways_over_six_wraps(copy: str, profile: SrtpProfile, seed: int) -> None:
    exchange(copy, profile, seed, first=0, wraps=6, dense=300)


@pytest.mark.slow
@pytest.mark.parametrize("profile", [SrtpProfile.AEAD_AES_128_GCM, SrtpProfile.AES128_CM_HMAC_SHA1_80])
def test_interop_rtp_each_of_300_000_packets(profile: SrtpProfile) -> None:
    """One source, no jump: the roll-over counter goes up five times."""
    rng, config = random.Random(3), make_config(profile)
    sender = libsrtp2.Session(config, sending=True, copy="wheel")
    peer = libsrtp2.Session(config, sending=False, copy="wheel")
    ours = SrtpPipeline(config)
    for index in range(60_000, 360_000):
        packet = struct.pack("!BBHII", 0x80, 96, index & 0xFFFF, index, 7) + rng.randbytes(20)
        wire = sender.protect(packet)
        assert ours.encrypt(packet) == wire
        assert ours.decrypt_bytes(wire) == peer.unprotect(wire) == packet


@copies
@profiles
@pytest.mark.parametrize("seed", [6])
def test_interop_rtcp_both_ways(copy: str, profile: SrtpProfile, seed: int) -> None:
    rng, config = random.Random(seed), make_config(profile)
    sender, receiver = (libsrtp2.Session(config, sending=s, copy=copy) for s in (True, False))
    packets = [random_rtcp(rng, rng.choice(SSRCS)) for _ in range(300)]
    wires = [sender.protect_rtcp(p) for p in packets]
    ours = SrtpPipeline(config)
    start_like_libsrtp(ours)
    assert list(map(ours.encrypt_rtcp, packets)) == wires
    for i, again in network(seed, [range(300)]):
        with pytest.raises((errors.AuthenticationError, errors.ReplayError)):
            ours.decrypt_rtcp(forge(rng, wires[i], 8))
        if again:
            with pytest.raises(errors.ReplayError):
                ours.decrypt_rtcp(wires[i])
            with pytest.raises(libsrtp2.Libsrtp2Error):
                receiver.unprotect_rtcp(wires[i])
        else:
            assert ours.decrypt_rtcp(wires[i]) == receiver.unprotect_rtcp(wires[i]) == packets[i]
    assert ours.stats().rtcp_received > 280


@copies
@profiles
@pytest.mark.parametrize("mki", [b"\1", b"\0\0\0\7", bytes(range(1, 129))], ids=len)
def test_interop_mki_both_ways(copy: str, profile: SrtpProfile, mki: bytes) -> None:
    """Two keys: each packet is opened with the one that its MKI names."""
    rng = random.Random(len(mki))
    first = make_config(profile, mki=mki)
    second = first.with_new_key()
    sender, receiver = (libsrtp2.Session([first, second], sending=s, copy=copy) for s in (True, False))
    # libsrtp before 2.7 looks for the MKI of RTCP before a tag of the length that RTP has (its pull request 733).
    rtcp_too = copy == "wheel" or not profile.name.endswith("_32")
    receiving = SrtpPipeline(first)
    receiving.add_key(second)
    sending = SrtpPipeline(first)
    numbers = [1, sending.add_key(second)]
    for index in range(60):
        key = rng.randrange(2)
        sending.send_with(numbers[key])
        packet, report = random_rtp(rng, 5, index), random_rtcp(rng, 5)
        wire, protected = sender.protect(packet, key), sender.protect_rtcp(report, key)
        assert sending.encrypt(packet) == wire
        behind = 0 if profile.is_aead else sending.overhead_bytes - len(mki)  # the tag, unless it is before the MKI
        at = len(wire) - behind - len(mki)
        assert wire[at:at + len(mki)] == (first, second)[key].mki
        with pytest.raises(errors.AuthenticationError):
            receiving.decrypt_bytes(wire[:at] + bytes(len(mki)) + wire[at + len(mki):])
        assert receiving.decrypt_bytes(wire) == receiver.unprotect(wire) == packet
        assert receiving.decrypt_rtcp(protected) == report
        if rtcp_too:
            assert receiver.unprotect_rtcp(sending.encrypt_rtcp(report)) == report
    assert receiving.stats().unknown_mki == 60


def test_interop_rtcp_with_an_mki_is_the_same_bytes() -> None:
    for profile in SrtpProfile:
        config = make_config(profile, mki=b"\1\2")
        report = random_rtcp(random.Random(1), SSRCS[0])
        ours = SrtpPipeline(config)
        start_like_libsrtp(ours)
        assert ours.encrypt_rtcp(report) == libsrtp2.Session(config, sending=True).protect_rtcp(report)


@copies
@pytest.mark.parametrize("profile", list(SrtpProfile), ids=lambda p: p.name)
@pytest.mark.parametrize("two_byte", [False, True], ids=["one-byte", "two-byte"])
def test_interop_encrypted_header_extensions_both_ways(copy: str, profile: SrtpProfile, two_byte: bool) -> None:
    rng = random.Random(two_byte)
    config = make_config(profile, encrypted_extensions=frozenset({1, 3, 14}))
    sender, receiver = (libsrtp2.Session(config, sending=s, copy=copy) for s in (True, False))
    ours = SrtpPipeline(config)
    for index in range(65_480, 65_600):
        elements = [(ident, rng.randbytes(rng.randrange(1, 17)))
                    for ident in rng.sample(range(1, 15), rng.randrange(1, 6))]
        extension = libsrtp2.header_extension(elements, two_byte=two_byte)
        packet = struct.pack("!BBHII", 0x90, 96, index & 0xFFFF, index, 5) + extension + rng.randbytes(50)
        wire = sender.protect(packet)
        assert ours.encrypt(packet) == wire
        for ident, value in elements:
            if len(value) > 4:
                assert (value in wire) == (ident not in config.encrypted_extensions)
        assert ours.decrypt_bytes(wire) == receiver.unprotect(wire) == packet


def test_interop_encrypted_extensions_with_an_mki_and_several_sources() -> None:
    rng = random.Random(9)
    config = make_config(SrtpProfile.AES256_CM_HMAC_SHA1_32, mki=b"key 1", encrypted_extensions=frozenset({2}))
    sender, ours = libsrtp2.Session(config, sending=True), SrtpPipeline(config)
    for index in range(100):
        for ssrc in SSRCS:
            packet = struct.pack("!BBHII", 0x90, 96, index, index, ssrc) + libsrtp2.header_extension(
                [(1, b"plain"), (2, b"secret")]) + rng.randbytes(20)
            assert ours.encrypt(packet) == sender.protect(packet)


def test_interop_another_key_is_refused_by_both() -> None:
    """That these tests can fail: a bit of the key, the salt or the tag matters."""
    config = make_config(SrtpProfile.AES256_CM_HMAC_SHA1_80)
    packet = random_rtp(random.Random(1), 5, 1)
    wire = SrtpPipeline(config).encrypt(packet)
    for other in (replace(config, master_key=bytes(32)), replace(config, master_salt=bytes(14))):
        with libsrtp2.Session(other, sending=False) as peer, pytest.raises(libsrtp2.Libsrtp2Error) as caught:
            peer.unprotect(wire)
        assert caught.value.status == libsrtp2.Libsrtp2Error.AUTH
