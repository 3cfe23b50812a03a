"""A forged packet moves no state of SRTP: a pipeline that sees forgeries goes the way of its twin that sees none.

For each kind of state a test of its own, and one in which all of them meet at random.
State is told by what the two do next: which packets they accept, refuse and forget,
what they send, what they count, when a key is used up.
"""
from __future__ import annotations

import random
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cache
from typing import Any

import pytest

from arcrtc import errors
from arcrtc.srtp import KeyEvent, PacketBatch, SrtpConfig, SrtpPipeline, SrtpProfile

SSRC, OTHER, NEW = 0x1111, 0x2222, 0xFFFFFFFF
MKI = b"\0\1\2\3"
ONE_FAILURE = [{"malformed"}, {"unauthenticated"}, {"unauthenticated", "unknown_mki"}, {"replayed"}, {"too_old"},
               {"over_limit"}]
REFUSALS = (errors.AuthenticationError, errors.ReplayError, errors.ParseError, errors.LimitError)

CONFIGS: dict[str, dict[str, Any]] = {
    "gcm": {}, "gcm256-mki": {"profile": SrtpProfile.AEAD_AES_256_GCM, "mki": MKI},
    "cm80": {"profile": SrtpProfile.AES128_CM_HMAC_SHA1_80},
    "cm80-mki-kdr": {"profile": SrtpProfile.AES128_CM_HMAC_SHA1_80, "mki": MKI, "key_derivation_rate": 16},
    "cm32": {"profile": SrtpProfile.AES256_CM_HMAC_SHA1_32},
    "gcm-kdr-ext": {"key_derivation_rate": 4, "encrypted_extensions": frozenset({1})},
}
configs = pytest.mark.parametrize("options", CONFIGS.values(), ids=CONFIGS)
#: Each of them one packet a call; the other ways into the core where they differ.
configs_and_ways = pytest.mark.parametrize(("options", "way"), [
    *(pytest.param(options, "one", id=f"{name}-one") for name, options in CONFIGS.items()),
    *(pytest.param(CONFIGS[name], way, id=f"{name}-{way}")
      for name, way in (("gcm", "into"), ("gcm", "batch"), ("cm80", "batch"), ("cm80-mki-kdr", "batch")))])


def make_config(options: dict[str, Any], **more: Any) -> SrtpConfig:
    profile = options.get("profile", SrtpProfile.AEAD_AES_128_GCM)
    return SrtpConfig(bytes(range(profile.key_bytes)), bytes(range(profile.salt_bytes[0])),
                      **{**options, **more}, window_pkts=64)


def rtp(index: int, ssrc: int = SSRC) -> bytes:
    return struct.pack("!BBHII", 0x90, 96, index & 0xFFFF, index, ssrc) + b"\xbe\xde\0\1\x12abc" + bytes(range(40))


def rtcp(number: int, ssrc: int = SSRC) -> bytes:
    return struct.pack("!BBHII", 0x80, 201, 2, ssrc, number)


# --- forgeries: each takes a true packet, and a pipeline with another key ---

def _flip(at: int) -> Callable[[bytes, SrtpPipeline], bytes]:
    def forge(wire: bytes, _: SrtpPipeline) -> bytes:
        i = at % len(wire)
        return wire[:i] + bytes([wire[i] ^ 1]) + wire[i + 1:]

    return forge


def _seq(step: int) -> Callable[[bytes, SrtpPipeline], bytes]:
    def forge(wire: bytes, _: SrtpPipeline) -> bytes:
        seq = (int.from_bytes(wire[2:4], "big") + step) & 0xFFFF
        return wire[:2] + seq.to_bytes(2, "big") + wire[4:]

    return forge


def _ssrc(ssrc: int, at: int) -> Callable[[bytes, SrtpPipeline], bytes]:
    """Of this source, or where it is of it, of another that is there."""
    def forge(wire: bytes, _: SrtpPipeline) -> bytes:
        given = ssrc.to_bytes(4, "big")
        return wire[:at] + (given if given != wire[at:at + 4] else SSRC.to_bytes(4, "big")) + wire[at + 4:]

    return forge


def _other_mki(wire: bytes, other: SrtpPipeline) -> bytes:
    """Another MKI where there is one; else bytes where it would be."""
    tag = other.overhead_bytes - len(other.config.mki)
    end = len(wire) if other.config.profile.is_aead else len(wire) - tag
    return wire[:end - 4] + b"\xff\xff\xff\xff" + wire[end:]


RTP_FORGERIES: dict[str, Callable[[bytes, SrtpPipeline], bytes]] = {
    "last byte": _flip(-1), "tag": _flip(-3), "payload": _flip(22), "extension": _flip(17), "timestamp": _flip(5),
    "marker": lambda w, _: w[:1] + bytes([w[1] ^ 0x80]) + w[2:],
    "version": lambda w, _: bytes([w[0] ^ 0x40]) + w[1:],
    "csrcs": lambda w, _: bytes([w[0] | 15]) + w[1:],
    "extension longer than the packet": lambda w, _: w[:14] + b"\xff\xff" + w[16:],
    "next": _seq(1), "ahead": _seq(1000), "far ahead": _seq(30_000), "half a turn": _seq(0x8000),
    "wrapped": _seq(-1), "behind": _seq(-20), "behind the window": _seq(-1000), "far behind": _seq(-30_000),
    "new source": _ssrc(NEW, 8), "other source": _ssrc(OTHER, 8), "source 0": _ssrc(0, 8),
    "MKI": _other_mki,
    "cut by 1": lambda w, _: w[:-1], "cut by 4": lambda w, _: w[:-4], "header only": lambda w, _: w[:12],
    "11 bytes": lambda w, _: w[:11], "empty": lambda w, _: b"", "longer": lambda w, _: w + b"\0",
    "in clear": lambda w, _: rtp(int.from_bytes(w[2:4], "big"), int.from_bytes(w[8:12], "big")),
    "other key": lambda w, other: other.encrypt(rtp(int.from_bytes(w[2:4], "big"), int.from_bytes(w[8:12], "big"))),
    "other key, ahead": lambda w, other: other.encrypt(rtp(int.from_bytes(w[2:4], "big") + 9_000)),
    "other key, new source": lambda w, other: other.encrypt(rtp(1, NEW)),
}
RTCP_FORGERIES: dict[str, Callable[[bytes, SrtpPipeline], bytes]] = {
    "last byte": _flip(-1), "tag": _flip(-3), "body": _flip(9), "type": _flip(1),
    "new source": _ssrc(NEW, 4), "other source": _ssrc(OTHER, 4), "MKI": _other_mki,
    # the index stands before MKI and tag, or behind the tag (RFC 3711 section 3.4, RFC 7714 section 9.2)
    "index": lambda w, other: _rtcp_index(w, other, 0x8000_0001),
    "index far ahead": lambda w, other: _rtcp_index(w, other, 0xFFFF_FFFF),
    "in clear": lambda w, other: _rtcp_index(w, other, 0x0000_0005),
    "cut by 1": lambda w, _: w[:-1], "cut by 4": lambda w, _: w[:-4], "header only": lambda w, _: w[:8],
    "7 bytes": lambda w, _: w[:7], "empty": lambda w, _: b"", "longer": lambda w, _: w + b"\0\0\0\0",
    "other key": lambda w, other: other.encrypt_rtcp(rtcp(1)),
}
rtp_forgeries = pytest.mark.parametrize("forgery", RTP_FORGERIES.values(), ids=RTP_FORGERIES)


def _rtcp_index(wire: bytes, other: SrtpPipeline, flips: int) -> bytes:
    behind = 4 + len(other.config.mki) + (0 if other.config.profile.is_aead else 10)
    at = len(wire) - behind
    return wire[:at] + (int.from_bytes(wire[at:at + 4], "big") ^ flips).to_bytes(4, "big") + wire[at + 4:]


# --- the twins ---

def outcome(call: Callable[[bytes], object], data: bytes) -> object:
    """What came out, or the class of the error."""
    try:
        return call(data)
    except errors.ArcError as error:
        return type(error)


BATCH = PacketBatch(2, 256)


def by_batch(pipeline: SrtpPipeline) -> Callable[[bytes], bytes]:
    def call(data: bytes) -> bytes:
        batch = BATCH
        batch.clear()
        batch.append(data)
        pipeline.decrypt_batch(batch)
        error = batch.error(0)
        if error is not None:
            assert batch.packet(0) == data  # a packet that fails keeps its bytes
            raise error
        return batch.packet(0)

    return call


def into(pipeline: SrtpPipeline) -> Callable[[bytes], bytes]:
    def call(data: bytes) -> bytes:
        out = bytearray(256)
        return bytes(out[:pipeline.decrypt_into(data, out)])

    return call


WAYS: dict[str, Callable[[SrtpPipeline], Callable[[bytes], bytes]]] = {
    "one": lambda p: p.decrypt_bytes, "into": into, "batch": by_batch}


class Twins:
    """Two receivers with the same key; only the first sees forgeries."""

    def __init__(self, config: SrtpConfig, way: str = "one") -> None:
        self.config = config
        self.target, self.twin = SrtpPipeline(config), SrtpPipeline(config)
        self.way = way
        self.other = SrtpPipeline(replace(config.with_new_key(), mki=config.mki, max_streams=64,
                                          limit_pkts=None))  # the forger's
        self.forged: Counter[str] = Counter()

    def true(self, wire: bytes) -> object:
        """The same packet to both; what they made of it, which is the same."""
        results = [outcome(WAYS[self.way](p), wire) for p in (self.target, self.twin)]
        assert results[0] == results[1]
        return results[0]

    def true_rtcp(self, wire: bytes) -> object:
        results = [outcome(p.decrypt_rtcp, wire) for p in (self.target, self.twin)]
        assert results[0] == results[1]
        return results[0]

    def forge(self, data: bytes, *, rtcp: bool = False) -> None:
        """A packet that the first must refuse, with one failure counted and nothing else."""
        before = asdict(self.target.stats())
        call = self.target.decrypt_rtcp if rtcp else WAYS[self.way](self.target)
        assert outcome(call, data) in REFUSALS
        after = asdict(self.target.stats())
        moved = {name for name in before if before[name] != after[name]}
        assert moved in ONE_FAILURE
        assert all(after[name] == before[name] + 1 for name in moved)
        self.forged.update(moved)

    def check(self) -> None:
        """Counts, events, and what they send next."""
        target, twin = asdict(self.target.stats()), asdict(self.twin.stats())
        assert {name: target[name] - self.forged[name] for name in target} == twin
        assert self._events(self.target) == self._events(self.twin)
        for index in (7, 70_000):
            assert self.target.encrypt(rtp(index)) == self.twin.encrypt(rtp(index))
            assert self.target.encrypt_rtcp(rtcp(index)) == self.twin.encrypt_rtcp(rtcp(index))
        assert self.target.key_count == self.twin.key_count

    @staticmethod
    def _events(pipeline: SrtpPipeline) -> list[KeyEvent]:
        return list(iter(pipeline.poll_event, None))


@cache
def sent(config: SrtpConfig, indices: range, ssrc: int = SSRC) -> dict[int, bytes]:
    """Protected packets by index."""
    sender = SrtpPipeline(config)
    return {index: sender.encrypt(rtp(index, ssrc)) for index in indices}


# --- one test for each kind of state ---

@configs_and_ways
@rtp_forgeries
def test_forged_rtp_moves_neither_counter_nor_window(
        options: dict[str, Any], forgery: Callable[[bytes, SrtpPipeline], bytes], way: str) -> None:
    """Around a wrap, with holes in the window: each index before and after is taken or refused as by the twin."""
    config = make_config(options)
    twins = Twins(config, way)
    wires = sent(config, range(65_480, 65_600))
    seen = [i for i in range(65_480, 65_540) if i % 3]
    for index in seen:
        assert twins.true(wires[index]) == rtp(index)
    for index in (65_541, 65_542, 65_535, 65_538):  # ahead, and in holes of the window
        twins.forge(forgery(wires[index], twins.other))
    for index in range(65_550, 65_480, -1):  # down: every bit of the window
        expected = rtp(index) if index not in seen and index > 65_550 - 64 else errors.ReplayError
        assert twins.true(wires[index]) == expected
    twins.check()


@configs
@rtp_forgeries
def test_forged_rtp_fills_holes_of_the_window_for_nobody(
        options: dict[str, Any], forgery: Callable[[bytes, SrtpPipeline], bytes]) -> None:
    """A forgery of each packet right before it, in an order that reaches back."""
    config = make_config(options)
    twins = Twins(config)
    wires = sent(config, range(65_520, 65_560))
    order = [i ^ 1 for i in range(65_520, 65_560)]
    for index in order:
        twins.forge(forgery(wires[index], twins.other))
        assert twins.true(wires[index]) == rtp(index)
        assert twins.true(wires[index]) is errors.ReplayError
    twins.check()


@configs
@rtp_forgeries
def test_forged_first_packet_makes_no_stream(
        options: dict[str, Any], forgery: Callable[[bytes, SrtpPipeline], bytes]) -> None:
    """Before anything was accepted there is no stream after it; a late joiner's first packet sets the index."""
    config = make_config(options)
    twins = Twins(config)
    wires = sent(config, range(40_000, 40_002))
    for _ in range(3):
        twins.forge(forgery(wires[40_000], twins.other))
    assert twins.target.stats().recv_streams == 0
    assert twins.true(wires[40_001]) == rtp(40_001)
    assert twins.true(wires[40_000]) == rtp(40_000)
    assert twins.target.stats().recv_streams == 1
    twins.check()


@configs_and_ways
@rtp_forgeries
def test_forged_rtp_evicts_no_stream_and_makes_none_younger(
        options: dict[str, Any], forgery: Callable[[bytes, SrtpPipeline], bytes], way: str) -> None:
    """A full table of three. What comes next evicts the one silent longest, and it is the same one as without."""
    config = make_config(options, max_streams=3)
    twins = Twins(config, way)
    sources = (SSRC, OTHER, 0x3333)
    wires = {ssrc: sent(config, range(1, 9), ssrc) for ssrc in (*sources, 0x4444, 0x5555)}
    for ssrc in sources:  # SSRC is the oldest
        assert twins.true(wires[ssrc][1]) == rtp(1, ssrc)
    for ssrc in (0x3333, SSRC, 0x4444):
        twins.forge(forgery(wires[ssrc][2], twins.other))
    assert twins.target.stats().recv_streams == 3
    assert twins.true(wires[0x4444][1]) == rtp(1, 0x4444)
    assert twins.target.stats().streams_evicted == 1
    assert twins.true(wires[OTHER][1]) is errors.ReplayError  # still known, and now made no younger by a refusal
    assert twins.true(wires[0x3333][1]) is errors.ReplayError
    twins.forge(forgery(wires[OTHER][2], twins.other))
    assert twins.true(wires[0x5555][1]) == rtp(1, 0x5555)
    assert twins.true(wires[0x3333][1]) is errors.ReplayError
    assert twins.true(wires[OTHER][1]) == rtp(1, OTHER)  # forgotten: it was the oldest
    assert twins.true(wires[SSRC][1]) == rtp(1, SSRC)
    twins.check()


@configs
@rtp_forgeries
def test_forged_rtp_uses_nothing_of_a_key(
        options: dict[str, Any], forgery: Callable[[bytes, SrtpPipeline], bytes]) -> None:
    """Just as many packets as the key may take are accepted; the events come at the same packets."""
    config = make_config(options, limit_pkts=16)
    twins = Twins(config)
    sender = make_config(options)
    wires = sent(sender, range(1, 20))
    for index in range(1, 17):
        twins.forge(forgery(wires[index], twins.other))
        assert twins.true(wires[index]) == rtp(index)
        assert twins._events(twins.target) == twins._events(twins.twin)
    assert twins.true(wires[17]) is errors.LimitError
    assert twins.target.stats().rtp_received == 16


@configs
@pytest.mark.parametrize("forgery", RTCP_FORGERIES.values(), ids=RTCP_FORGERIES)
def test_forged_rtcp_moves_neither_index_nor_window(
        options: dict[str, Any], forgery: Callable[[bytes, SrtpPipeline], bytes]) -> None:
    config = make_config(options, limit_pkts=150)
    twins, sender = Twins(config), SrtpPipeline(make_config(options))
    wires = [sender.encrypt_rtcp(rtcp(i)) for i in range(200)]
    for i in range(40, 100, 2):
        assert twins.true_rtcp(wires[i]) == rtcp(i)
        for at in (i + 1, i + 2, 199):
            twins.forge(forgery(wires[at], twins.other), rtcp=True)
    for i in range(150, 50, -1):
        accepted = i > 150 - 64 and (i > 98 or i % 2)
        assert twins.true_rtcp(wires[i]) == (rtcp(i) if accepted else errors.ReplayError)
    twins.check()


@configs
def test_forged_rtcp_evicts_no_stream(options: dict[str, Any]) -> None:
    config = make_config(options, max_streams=2)
    twins, sender = Twins(config), SrtpPipeline(make_config(options))
    wires = {ssrc: sender.encrypt_rtcp(rtcp(1, ssrc)) for ssrc in (SSRC, OTHER, 0x3333)}
    for ssrc in (SSRC, OTHER):
        assert twins.true_rtcp(wires[ssrc]) == rtcp(1, ssrc)
    for forgery in RTCP_FORGERIES.values():
        twins.forge(forgery(wires[0x3333], twins.other), rtcp=True)
        twins.forge(forgery(wires[SSRC], twins.other), rtcp=True)
    assert twins.true_rtcp(wires[0x3333]) == rtcp(1, 0x3333)
    assert twins.true_rtcp(wires[OTHER]) is errors.ReplayError
    assert twins.true_rtcp(wires[SSRC]) == rtcp(1)  # forgotten: it was the oldest
    twins.check()


def test_forged_packets_do_not_choose_the_key_of_a_stream() -> None:
    """Two keys without MKI: a forgery is tried with both, and the true packets of both are taken as before."""
    config = make_config({})
    second = config.with_new_key()
    twins = Twins(config)
    for pipeline in (twins.target, twins.twin):
        pipeline.add_key(second)
    old, new = sent(config, range(1, 60)), sent(second, range(1, 60))
    for index in range(1, 59):
        wire = (new if index % 5 == 0 else old)[index]
        for forgery in RTP_FORGERIES.values():
            twins.forge(forgery(wire, twins.other))
        assert twins.true(wire) == rtp(index)
    twins.check()


# --- all of it at random ---

@configs_and_ways
@pytest.mark.parametrize("seed", [1])
def test_forged_packets_at_random_leave_no_trace(options: dict[str, Any], way: str, seed: int) -> None:
    """Six sources in a table of four, of which three are rare; wraps, late and repeated packets, RTCP, a limit."""
    rng = random.Random(seed)
    config = make_config(options, max_streams=4, limit_pkts=200)
    twins, sender = Twins(config, way), SrtpPipeline(make_config(options))
    last = {1: 65_400, 2: 65_500, 3: 40_000, OTHER: 0, SSRC: 0, NEW: 0}
    steps = {1: [1, 2], 2: [1, 7, 200, 5000], 3: [5000]}
    kept, results = [b""], Counter[object]()
    for _ in range(400):
        ssrc = rng.choices(list(last), [20, 10, 5, 1, 1, 1])[0]
        last[ssrc] += rng.choice(steps.get(ssrc, [1]))
        kept = [*kept[-80:], sender.encrypt(rtp(last[ssrc], ssrc))]
        report = sender.encrypt_rtcp(rtcp(rng.randrange(9), ssrc))
        for _ in range(rng.randrange(3)):
            twins.forge(rng.choice(list(RTP_FORGERIES.values()))(kept[-1], twins.other))
            twins.forge(rng.choice(list(RTCP_FORGERIES.values()))(report, twins.other), rtcp=True)
        for wire in (rng.choice([kept[-1], *kept[1:]]), kept[-1]):
            result = twins.true(wire)
            results[type(result) if isinstance(result, bytes) else result] += 1
        twins.true_rtcp(report)
    assert results[bytes] == 200
    assert results[errors.ReplayError] > 100
    assert results[errors.LimitError] > 50
    assert twins.target.stats().streams_evicted > 10
    twins.check()


def test_forged_twins_can_differ() -> None:
    """That this file can fail: one true packet that the twin does not see is noticed."""
    config = make_config({})
    twins = Twins(config)
    wires = sent(config, range(1, 4))
    twins.target.decrypt_bytes(wires[1])
    with pytest.raises(AssertionError):
        twins.true(wires[1])
    with pytest.raises(AssertionError):
        twins.check()
    with pytest.raises(AssertionError):
        twins.forge(wires[2])
