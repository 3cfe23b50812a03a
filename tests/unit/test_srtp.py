"""srtp/: pipeline, states, limits, batches, against the plain model where one exists."""
from __future__ import annotations

import dataclasses
import gc
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcrtc import errors
from arcrtc._native import ffi, lib
from arcrtc.srtp import PacketBatch, SrtpConfig, SrtpPipeline, SrtpProfile
from tests.model.allocation import survives_every_failure
from tests.model.srtp_plain import IndexModel, PlainSrtp, ReplayModel

GCM = SrtpProfile.AEAD_AES_128_GCM
PROFILES = list(SrtpProfile)
TAGS = {
    SrtpProfile.AES128_CM_HMAC_SHA1_80: (10, 10), SrtpProfile.AES128_CM_HMAC_SHA1_32: (4, 10),
    SrtpProfile.AES256_CM_HMAC_SHA1_80: (10, 10), SrtpProfile.AES256_CM_HMAC_SHA1_32: (4, 10),
    SrtpProfile.AEAD_AES_128_GCM: (16, 16), SrtpProfile.AEAD_AES_256_GCM: (16, 16),
}
all_profiles = pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.name)


def make_config(profile: SrtpProfile = GCM, **kwargs: Any) -> SrtpConfig:
    key, salt = bytes(range(1, profile.key_bytes + 1)), bytes(range(101, 115))
    return SrtpConfig(key, salt, profile=profile, **kwargs)


def make_pair(profile: SrtpProfile = GCM, **kwargs: Any) -> tuple[SrtpPipeline, SrtpPipeline]:
    config = make_config(profile, **kwargs)
    return SrtpPipeline(config), SrtpPipeline(config)


def rtp(seq: int, ssrc: int = 12345, payload: bytes = b"payload", *, csrcs: int = 0,
        extension: bytes | None = None) -> bytes:
    """``seq`` may be unwrapped."""
    first = 0x80 | csrcs | (0x10 if extension is not None else 0)
    packet = struct.pack("!BBHII", first, 96, seq & 0xFFFF, 160 * seq & 0xFFFFFFFF, ssrc)
    packet += b"".join(struct.pack("!I", 1000 + i) for i in range(csrcs))
    if extension is not None:
        packet += struct.pack("!HH", 0xBEDE, len(extension) // 4) + extension
    return packet + payload


def rtcp(ssrc: int = 12345, body: bytes = b"") -> bytes:
    return struct.pack("!BBHI", 0x80, 201, (4 + len(body)) // 4, ssrc) + body


# -- configuration

def test_srtp_config_repr_shows_no_key() -> None:
    config = SrtpConfig(b"\x5a" * 16, b"secretsaltxx", ssrc=7)
    for text in (repr(config), str(config), repr(SrtpPipeline(config)), f"{config}"):
        assert "Z" * 4 not in text
        assert "5a" not in text
        assert "secret" not in text
        assert "<16 bytes>" in text


@all_profiles
def test_srtp_config_refuses_other_key_and_salt_lengths_and_names_both(profile: SrtpProfile) -> None:
    good_key, good_salt = profile.key_bytes, profile.salt_bytes
    for n in (0, 1, good_key - 1, good_key + 1, 24, 48 - good_key, 64):
        with pytest.raises(errors.ConfigError, match=rf"master_key has {n} bytes.*{good_key}"):
            SrtpConfig(b"k" * n, bytes(14), profile=profile)
    for n in set(range(20)) - set(good_salt):
        with pytest.raises(ValueError, match=rf"master_salt has {n} bytes.*14") as caught:
            SrtpConfig(bytes(good_key), b"s" * n, profile=profile)
        assert profile.is_aead == ("12" in str(caught.value).split("takes")[1])


@pytest.mark.parametrize(("field", "value"), [
    ("ssrc", -1), ("ssrc", 2**32), ("roc", -1), ("roc", 2**32), ("window_pkts", 63), ("window_pkts", 32769),
    ("max_streams", 0), ("max_streams", 4097), ("limit_pkts", 0), ("limit_pkts", 2**48 + 1), ("roc", True),
    ("profile", 99), ("master_key", "text"), ("ssrc", 1.5)])
def test_srtp_config_names_the_field_that_is_wrong(field: str, value: Any) -> None:
    good: dict[str, Any] = {"master_key": bytes(16), "master_salt": bytes(12), "ssrc": 1}
    with pytest.raises(errors.ConfigError, match=field):
        SrtpConfig(**{**good, field: value})


def test_srtp_config_roc_needs_ssrc() -> None:
    with pytest.raises(errors.ConfigError, match="ssrc"):
        SrtpConfig(bytes(16), bytes(12), roc=1)


@all_profiles
def test_srtp_config_generate_is_random_and_works(profile: SrtpProfile) -> None:
    one, two = SrtpConfig.generate(profile, ssrc=5), SrtpConfig.generate(profile)
    assert one.profile == profile
    assert one.ssrc == 5
    assert one.master_key != two.master_key
    assert one.master_salt != two.master_salt
    assert SrtpPipeline(one).decrypt_bytes(SrtpPipeline(one).encrypt(rtp(1))) == rtp(1)
    with pytest.raises(errors.AuthenticationError):
        SrtpPipeline(two).decrypt_bytes(SrtpPipeline(one).encrypt(rtp(1)))


def test_srtp_config_is_frozen_and_takes_any_bytes() -> None:
    config = SrtpConfig(bytearray(16), memoryview(bytes(14)))  # type: ignore[arg-type]
    assert isinstance(config.master_key, bytes)
    assert config == SrtpConfig(bytes(16), bytes(14))
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.roc = 1  # type: ignore[misc]


def test_srtp_gcm_salt_of_12_is_14_with_two_zeros() -> None:
    salt = bytes(range(12))
    short = SrtpPipeline(SrtpConfig(bytes(16), salt))
    padded = SrtpPipeline(SrtpConfig(bytes(16), salt + b"\0\0"))
    other = SrtpPipeline(SrtpConfig(bytes(16), salt + b"\0\1"))
    wire = short.encrypt(rtp(9))
    assert padded.encrypt(rtp(9)) == wire
    assert other.encrypt(rtp(9)) != wire


def test_core_refuses_bad_configurations() -> None:
    out = ffi.new("struct arc_srtp **")
    good = {"profile": lib.ARC_SRTP_AEAD_AES_128_GCM, "key_len": 16, "salt_len": 12}
    for change in ({"profile": 3}, {"key_len": 32}, {"key_len": 0}, {"salt_len": 13}, {"window_pkts": 63},
                   {"window_pkts": -1}, {"window_pkts": 32769}, {"max_streams": -1}, {"max_streams": 4097},
                   {"profile": lib.ARC_SRTP_AES128_CM_HMAC_SHA1_80}):  # 12 bytes of salt
        cfg = ffi.new("struct arc_srtp_config *", {**good, **change})
        assert lib.arc_srtp_new(cfg, out) == lib.ARC_ERR_ARG, change
    assert lib.arc_srtp_new(ffi.NULL, out) == lib.ARC_ERR_ARG
    assert lib.arc_srtp_new(ffi.new("struct arc_srtp_config *", good), ffi.NULL) == lib.ARC_ERR_ARG
    assert out[0] == ffi.NULL
    lib.arc_srtp_free(ffi.NULL)


def test_cipher_and_kdf_refuse_bad_arguments() -> None:
    out, key = ffi.new("struct arc_cipher **"), bytes(32)
    good = {"kind": lib.ARC_CIPHER_AES_GCM, "key_len": 16, "tag_bytes": 16}
    hmac = {"kind": lib.ARC_CIPHER_AES_CM_HMAC_SHA1}
    for change in ({"kind": 3}, {"key_len": 24}, {"tag_bytes": 8}, {**hmac, "tag_bytes": 3},
                   {**hmac, "tag_bytes": 21}):
        cfg = ffi.new("struct arc_cipher_config *", {**good, **change})
        assert lib.arc_cipher_new(cfg, out) == lib.ARC_ERR_ARG, change
    buf, lent = ffi.new("uint8_t[]", 64), ffi.from_buffer("uint8_t[]", key)
    for change, label in (({"key_len": 24}, 0), ({}, 8), ({}, -1), ({"salt": ffi.NULL}, 0), ({"r": 2**48}, 0)):
        given = ffi.new("struct arc_kdf_input *", {"key": lent, "key_len": 16, "salt": lent, "r": 0, **change})
        assert lib.arc_kdf_derive(given, label, buf, 16) == lib.ARC_ERR_ARG, change
    assert lib.arc_cipher_keystream(key, 16, key, buf, 2**20 + 1) == lib.ARC_ERR_ARG
    assert lib.arc_cipher_random(ffi.NULL, 1) == lib.ARC_ERR_ARG
    assert ffi.string(lib.arc_cipher_version(lib.ARC_CIPHER_OPENSSL)).startswith(b"OpenSSL 3")


# -- bytes on the wire, against the plain model

def make_plain(config: SrtpConfig) -> PlainSrtp:
    profile = config.profile
    return PlainSrtp(profile.is_aead, profile.key_bytes, *TAGS[profile],
                     config.master_key, config.master_salt)


@all_profiles
@settings(max_examples=12, deadline=None)
@given(seq=st.integers(0, 0xFFFF), ssrc=st.integers(0, 2**32 - 1), roc=st.integers(0, 2**32 - 1),
       payload=st.binary(max_size=100), csrcs=st.integers(0, 15),
       extension=st.none() | st.integers(0, 5).map(lambda n: bytes(range(4 * n))))
def test_srtp_matches_model_for_any_packet(
        profile: SrtpProfile, seq: int, ssrc: int, roc: int, payload: bytes, csrcs: int,
        extension: bytes | None) -> None:
    config = make_config(profile, ssrc=ssrc, roc=roc)
    packet = rtp(seq, ssrc, payload, csrcs=csrcs, extension=extension)
    wire = SrtpPipeline(config).encrypt(packet)
    assert wire == make_plain(config).rtp(packet, roc)
    assert SrtpPipeline(config).decrypt_bytes(wire) == packet


@all_profiles
@settings(max_examples=12, deadline=None)
@given(ssrc=st.integers(0, 2**32 - 1), body=st.binary(max_size=100), index=st.integers(0, 2**31 - 1))
def test_srtcp_matches_model_for_any_packet(
        profile: SrtpProfile, ssrc: int, body: bytes, index: int) -> None:
    config = make_config(profile)
    sender, receiver = make_pair(profile)
    packet, plain = rtcp(ssrc, body), make_plain(config)
    assert sender.encrypt_rtcp(packet) == plain.rtcp(packet, 0)
    assert lib.arc_srtp_set_rtcp_index(sender._handle, ssrc, max(index, 1)) == lib.ARC_OK
    wire = sender.encrypt_rtcp(packet)
    assert wire == plain.rtcp(packet, max(index, 1))
    assert receiver.decrypt_rtcp(wire) == packet
    unencrypted = plain.rtcp(packet, index ^ 64, encrypted=False)
    assert SrtpPipeline(config).decrypt_rtcp(unencrypted) == packet


@all_profiles
def test_srtp_overhead_is_what_the_packet_grows_by(profile: SrtpProfile) -> None:
    sender, _ = make_pair(profile)
    assert sender.overhead_bytes == TAGS[profile][0] == len(sender.encrypt(rtp(1))) - len(rtp(1))
    assert sender.rtcp_overhead_bytes == TAGS[profile][1] + 4
    assert len(sender.encrypt_rtcp(rtcp())) == len(rtcp()) + sender.rtcp_overhead_bytes


def test_srtp_takes_any_bytes_like_and_the_largest_packet() -> None:
    sender, receiver = make_pair()
    packet = rtp(1)
    wire = sender.encrypt(packet)
    assert sender.encrypt(bytearray(packet)) == wire
    assert sender.encrypt(memoryview(packet)) == wire
    assert receiver.decrypt_bytes(memoryview(bytearray(wire))) == packet
    largest = rtp(2, payload=bytes(65535 - 12))
    with pytest.raises(errors.ParseError):
        receiver.decrypt_bytes(sender.encrypt(largest))  # fits no UDP datagram any more
    largest = largest[:-16]
    assert receiver.decrypt_bytes(sender.encrypt(largest)) == largest
    with pytest.raises(errors.ArgumentError, match="65536"):
        sender.encrypt(bytes(65536))


@all_profiles
def test_srtp_resent_packet_has_the_same_bytes(profile: SrtpProfile) -> None:
    sender, _ = make_pair(profile)
    wires = [sender.encrypt(rtp(i)) for i in range(65500, 65600)]
    assert [sender.encrypt(rtp(i)) for i in range(65500, 65600)] == wires


# -- malformed

@all_profiles
def test_srtp_truncated_headers_are_parse_errors(profile: SrtpProfile) -> None:
    sender, receiver = make_pair(profile)
    full = rtp(1, payload=b"", csrcs=3, extension=bytes(8))
    for n in range(len(full)):
        with pytest.raises(errors.ParseError):
            sender.encrypt(full[:n])
        with pytest.raises(errors.ParseError):
            receiver.decrypt_bytes(full[:n] + bytes(sender.overhead_bytes))
    for n in range(8):
        with pytest.raises(errors.ParseError):
            sender.encrypt_rtcp(rtcp()[:n])
        with pytest.raises(errors.ParseError):
            receiver.decrypt_rtcp(rtcp()[:n] + bytes(sender.rtcp_overhead_bytes))
    for version in (0, 1, 3):
        first = bytes([version << 6])
        with pytest.raises(errors.ParseError):
            sender.encrypt(first + rtp(1)[1:])
        with pytest.raises(errors.ParseError):
            receiver.decrypt_bytes(first + rtp(1)[1:] + bytes(16))
        with pytest.raises(errors.ParseError):
            receiver.decrypt_rtcp(first + rtcp()[1:] + bytes(20))
    assert receiver.stats().recv_streams == 0


def test_core_checks_buffers_and_room() -> None:
    sender, _ = make_pair()
    handle, n = sender._handle, ffi.new("size_t *", 77)
    packet = rtp(1)
    data = ffi.new("uint8_t[]", list(packet) + [0] * 20)
    room = len(packet) + 16
    assert lib.arc_srtp_protect(handle, ffi.NULL, 20, 40, n) == lib.ARC_ERR_ARG
    assert lib.arc_srtp_protect(handle, data, len(packet), room, ffi.NULL) == lib.ARC_ERR_ARG
    assert lib.arc_srtp_protect(handle, data, len(packet), len(packet) - 1, n) == lib.ARC_ERR_ARG
    assert lib.arc_srtp_protect(handle, data, len(packet), room - 1, n) == lib.ARC_ERR_SPACE
    assert lib.arc_srtp_protect_rtcp(handle, data, 16, 35, n) == lib.ARC_ERR_SPACE
    assert lib.arc_srtp_unprotect(handle, ffi.NULL, 40, n) == lib.ARC_ERR_ARG
    assert lib.arc_srtp_unprotect(handle, data, 40, ffi.NULL) == lib.ARC_ERR_ARG
    assert lib.arc_srtp_unprotect_rtcp(handle, ffi.NULL, 40, n) == lib.ARC_ERR_ARG
    assert lib.arc_srtp_protect_slots(ffi.NULL, handle, ffi.NULL, 0, ffi.NULL, ffi.NULL, 1) == lib.ARC_ERR_ARG
    assert lib.arc_srtp_unprotect_slots(ffi.NULL, handle, ffi.NULL, 0, ffi.NULL, ffi.NULL, 0) == lib.ARC_OK
    assert n[0] == 77
    assert bytes(ffi.buffer(data, len(packet))) == packet
    assert lib.arc_srtp_protect(handle, data, len(packet), room, n) == lib.ARC_OK
    assert sender.stats().rtp_sent == 1


# -- index and replay window

@settings(deadline=None)
@given(st.integers(0, 3), st.integers(0, 0xFFFF),
       st.lists(st.integers(-70000, 70000) | st.sampled_from([-32769, -32768, -32767, 32767, 32768, 32769])
                | st.integers(-50, 50), max_size=100), st.booleans())
def test_index_matches_model_for_any_steps(roc: int, first: int, steps: list[int], near_end: bool) -> None:
    if near_end:
        roc += 2**32 - 4
    x, model, out = ffi.new("struct arc_index *"), IndexModel(roc), ffi.new("uint64_t *")
    lib.arc_index_init(x)
    assert lib.arc_index_set_roc(x, roc) == lib.ARC_OK
    position = first
    for step in [0, *steps]:
        position += step
        expected = model.estimate(position & 0xFFFF)
        before = bytes(ffi.buffer(x))
        status = lib.arc_index_estimate(x, position & 0xFFFF, out)
        assert bytes(ffi.buffer(x)) == before
        if expected is None:
            assert status == lib.ARC_ERR_LIMIT
            continue
        assert status == lib.ARC_OK
        assert out[0] == expected
        model.commit(expected)
        lib.arc_index_commit(x, out[0])
        assert x.head == model.roc << 16 | (model.s_l or 0)


def make_window(window: int) -> tuple[Any, Any]:
    words = ffi.new("struct arc_replay_word[]", lib.arc_replay_words(window))
    ffi.buffer(words)[:] = b"\xff" * ffi.sizeof(words)  # init must not rely on zeros
    w = ffi.new("struct arc_replay *")
    lib.arc_replay_init(w, words, window)
    return w, words


@settings(deadline=None)
@given(st.sampled_from([64, 65, 100, 127, 128, 129, 192, 1024]),
       st.sampled_from([0, 60, 65530, 2**32 - 100, 2**48 - 5000]),
       st.lists(st.tuples(st.sampled_from([1, 64, 128, 1000]), st.integers(-3, 3)), max_size=200))
def test_replay_matches_model_for_any_indices(
        window: int, start: int, steps: list[tuple[int, int]]) -> None:
    w, words = make_window(window)
    ring = 64 * len(words)
    model = ReplayModel(window)
    names = {lib.ARC_OK: "ok", lib.ARC_ERR_OLD: "old", lib.ARC_ERR_REPLAY: "replay"}
    index = start
    for scale, factor in [(1, 0), *steps]:
        index = max(index + scale * factor, 0)
        # The edges of the window, and what shares a slot of the ring with an index seen before.
        probes = {index - window, index - window + 1, index - 1, index, index + 1}
        for probe in {p for p in probes | {s + ring for s in model.seen} if p >= 0}:
            assert names[lib.arc_replay_check(w, probe)] == model.check(probe)
        if model.check(index) == "ok":
            lib.arc_replay_commit(w, index)
            model.seen.add(index)


def test_replay_word_of_an_earlier_round_says_nothing() -> None:
    w, _words = make_window(128)  # 4 words: indices 256 apart share a bit
    for index in (5, 256 + 70):  # the second leaves the word of the first alone
        lib.arc_replay_commit(w, index)
    assert lib.arc_replay_check(w, 256 + 5) == lib.ARC_OK
    lib.arc_replay_commit(w, 256 + 5)
    assert lib.arc_replay_check(w, 256 + 5) == lib.ARC_ERR_REPLAY
    assert lib.arc_replay_check(w, 5) == lib.ARC_ERR_OLD


def test_replay_sizes() -> None:
    assert [lib.arc_replay_words(n) for n in (-1, 0, 63, 32769)] == [0, 0, 0, 0]
    for n in range(64, 32769, 61):
        words = lib.arc_replay_words(n)
        assert words & (words - 1) == 0
        assert words >= -(-n // 64) + 1
    assert lib.arc_replay_words(128) == 4


@pytest.mark.parametrize("window", [64, 128, 1000, 32768])
def test_srtp_window_has_the_size_asked_for(window: int) -> None:
    sender, receiver = make_pair(window_pkts=window)
    wires = [sender.encrypt(rtp(i)) for i in range(window + 1)]
    receiver.decrypt_bytes(wires[window])
    assert receiver.decrypt_bytes(wires[1]) == rtp(1)
    with pytest.raises(errors.ReplayError, match="behind"):
        receiver.decrypt_bytes(wires[0])
    for again in (1, window):
        with pytest.raises(errors.ReplayError, match="before"):
            receiver.decrypt_bytes(wires[again])


@all_profiles
def test_srtp_across_seq_wrap(profile: SrtpProfile) -> None:
    """Over 65535 three times, with every pair swapped and every seventh lost."""
    sender, receiver = make_pair(profile)
    model_seq = [i ^ 1 for i in range(65530, 3 * 65536 + 2000, 16) for i in (i, i + 1)]
    accepted = 0
    for i in model_seq:
        wire = sender.encrypt(rtp(i))
        if i % 7 == 0:
            continue
        assert receiver.decrypt_bytes(wire) == rtp(i)
        accepted += 1
    assert receiver.stats().rtp_received == accepted
    assert max(model_seq) >> 16 == 3


@all_profiles
def test_srtp_roc_of_config_holds_both_ways(profile: SrtpProfile) -> None:
    config = make_config(profile, ssrc=12345, roc=7)
    sender, receiver = SrtpPipeline(config), SrtpPipeline(config)
    packets = [rtp(i) for i in range(65530, 65545)]
    assert [receiver.decrypt_bytes(sender.encrypt(p)) for p in packets] == packets
    with pytest.raises(errors.AuthenticationError):
        SrtpPipeline(make_config(profile)).decrypt_bytes(sender.encrypt(packets[0]))


def test_srtp_set_roc_lets_a_receiver_join_and_never_goes_back() -> None:
    sender, _ = make_pair(ssrc=12345, roc=5)
    receiver = SrtpPipeline(make_config())
    wire = sender.encrypt(rtp(40000))
    with pytest.raises(errors.AuthenticationError):
        receiver.decrypt_bytes(wire)
    receiver.set_roc(12345, 5, sending=False)
    assert receiver.decrypt_bytes(wire) == rtp(40000)
    receiver.set_roc(12345, 5, sending=False)
    with pytest.raises(errors.ReplayError):
        receiver.decrypt_bytes(wire)
    for sending, pipeline in ((False, receiver), (True, sender)):
        with pytest.raises(errors.ArgumentError):
            pipeline.set_roc(12345, 4, sending=sending)
    with pytest.raises(errors.ArgumentError, match="ssrc"):
        receiver.set_roc(2**32, 0, sending=True)


def test_srtp_set_roc_of_the_counter_in_use_changes_nothing() -> None:
    sender, receiver = make_pair()
    receiver.decrypt_bytes(sender.encrypt(rtp(65535)))
    sender.set_roc(12345, 0, sending=True)
    receiver.set_roc(12345, 0, sending=False)
    wire = sender.encrypt(rtp(65536))  # roll-over, not a second index 0
    assert wire == make_plain(make_config()).rtp(rtp(65536), 1)
    assert receiver.decrypt_bytes(wire) == rtp(65536)


def test_srtp_each_ssrc_has_its_own_index() -> None:
    sender, receiver = make_pair()
    for i in range(65000, 67000, 100):
        for ssrc, seq in ((1, i), (2, 100), (3, 2 * i)):
            packet = rtp(seq + (i - 65000) // 100 if ssrc == 2 else seq, ssrc)
            assert receiver.decrypt_bytes(sender.encrypt(packet)) == packet
    stats = receiver.stats()
    assert (stats.recv_streams, stats.send_streams, stats.rtp_received) == (3, 0, 60)


def test_srtp_one_pipeline_sends_and_receives_apart() -> None:
    pipeline, peer = make_pair()
    for i in range(100):
        assert pipeline.decrypt_bytes(peer.encrypt(rtp(i, ssrc=2))) == rtp(i, ssrc=2)
        assert peer.decrypt_bytes(pipeline.encrypt(rtp(i, ssrc=1))) == rtp(i, ssrc=1)
        assert pipeline.decrypt_rtcp(peer.encrypt_rtcp(rtcp(2))) == rtcp(2)
        assert peer.decrypt_rtcp(pipeline.encrypt_rtcp(rtcp(1))) == rtcp(1)
    assert pipeline.decrypt_bytes(pipeline.encrypt(rtp(500, ssrc=1))) == rtp(500, ssrc=1)


@all_profiles
def test_srtcp_replay_and_window(profile: SrtpProfile) -> None:
    sender, receiver = make_pair(profile, window_pkts=64)
    wires = [sender.encrypt_rtcp(rtcp(body=bytes(16))) for _ in range(66)]
    assert len(set(wires)) == 66
    for i in (65, 2, 64):
        assert receiver.decrypt_rtcp(wires[i]) == rtcp(body=bytes(16))
        with pytest.raises(errors.ReplayError):
            receiver.decrypt_rtcp(wires[i])
    with pytest.raises(errors.ReplayError):
        receiver.decrypt_rtcp(wires[1])
    assert receiver.stats().too_old == 1
    assert receiver.stats().replayed == 3


# -- forged packets

def forgeries(wire: bytes) -> list[bytes]:
    """One bit in every byte behind the version, and other sequence numbers and SSRCs."""
    flipped = [wire[:i] + bytes([wire[i] ^ 0x20]) + wire[i + 1:] for i in range(1, len(wire))]
    seqs = [wire[:2] + struct.pack("!H", s) + wire[4:] for s in (0, 1, 32767, 32768, 33000, 65535)]
    return [f for f in flipped + seqs if f != wire]


@all_profiles
def test_srtp_forged_packets_leave_no_trace(profile: SrtpProfile) -> None:
    sender, receiver = make_pair(profile, max_streams=2)
    for i in range(65500, 65530, 2):
        receiver.decrypt_bytes(sender.encrypt(rtp(i)))
    before = receiver.stats()
    for i in [65501, *range(65530, 65545)]:
        wire = sender.encrypt(rtp(i))
        for forged in forgeries(wire):
            with pytest.raises((errors.AuthenticationError, errors.ParseError, errors.ReplayError)):
                receiver.decrypt_bytes(forged)
        assert receiver.decrypt_bytes(wire) == rtp(i)
    after = receiver.stats()
    assert (after.recv_streams, after.streams_evicted) == (before.recv_streams, 0)
    assert after.rtp_received == before.rtp_received + 16
    assert after.unauthenticated > 16 * 20


@all_profiles
def test_srtcp_forged_packets_leave_no_trace(profile: SrtpProfile) -> None:
    sender, receiver = make_pair(profile, max_streams=2)
    for _ in range(200):
        wire = sender.encrypt_rtcp(rtcp(body=bytes(20)))
    receiver.decrypt_rtcp(wire)
    wire = sender.encrypt_rtcp(rtcp(body=bytes(20)))
    for forged in forgeries(wire):
        with pytest.raises((errors.AuthenticationError, errors.ParseError, errors.ReplayError)):
            receiver.decrypt_rtcp(forged)
    assert receiver.decrypt_rtcp(wire) == rtcp(body=bytes(20))
    assert receiver.stats().recv_streams == 1


@all_profiles
def test_srtp_forged_packet_does_not_use_up_a_set_roc(profile: SrtpProfile) -> None:
    sender, receiver = make_pair(profile, ssrc=12345, roc=9)
    wire = sender.encrypt(rtp(100))
    for forged in forgeries(wire):
        with pytest.raises((errors.AuthenticationError, errors.ParseError)):
            receiver.decrypt_bytes(forged)
    assert receiver.decrypt_bytes(wire) == rtp(100)


def test_srtp_forged_ssrcs_neither_enter_nor_evict() -> None:
    sender, receiver = make_pair(max_streams=2)
    for ssrc in (1, 2):
        receiver.decrypt_bytes(sender.encrypt(rtp(65535, ssrc)))
        receiver.decrypt_bytes(sender.encrypt(rtp(65536, ssrc)))
    wire = sender.encrypt(rtp(65537, 1))
    for ssrc in range(3, 1000):
        with pytest.raises(errors.AuthenticationError):
            receiver.decrypt_bytes(wire[:8] + struct.pack("!I", ssrc) + wire[12:])
        with pytest.raises(errors.AuthenticationError):
            receiver.decrypt_rtcp(rtcp(ssrc) + bytes(20))
    assert receiver.stats().recv_streams == 2
    assert receiver.decrypt_bytes(wire) == rtp(65537, 1)  # with roll-over counter 1
    assert receiver.stats().streams_evicted == 0


@all_profiles
def test_srtp_failed_packet_keeps_its_bytes(profile: SrtpProfile) -> None:
    """In place, as the core sees it: no scrambled bytes are left behind."""
    sender, receiver = make_pair(profile)
    batch = PacketBatch(4, 256)
    wire = sender.encrypt(rtp(1, payload=bytes(range(100))))
    batch.append(wire[:-1] + bytes([wire[-1] ^ 1]))
    batch.append(wire[:20] + bytes([wire[20] ^ 1]) + wire[21:])
    batch.append(wire)
    before = batch.data.copy()
    receiver.decrypt_batch(batch)
    assert batch.status[:3].tolist() == [lib.ARC_ERR_AUTH, lib.ARC_ERR_AUTH, lib.ARC_OK]
    assert (batch.data[:2] == before[:2]).all()
    assert batch.lengths[:3].tolist() == [len(wire), len(wire), len(wire) - sender.overhead_bytes]
    assert batch.packet(2) == rtp(1, payload=bytes(range(100)))


# -- limits and tables

@all_profiles
def test_srtp_key_limit_is_enforced_each_way(profile: SrtpProfile) -> None:
    limited, free = SrtpPipeline(make_config(profile, limit_pkts=3)), SrtpPipeline(make_config(profile))
    for i in range(3):
        limited.encrypt(rtp(i))
        limited.encrypt_rtcp(rtcp())
        limited.decrypt_bytes(free.encrypt(rtp(i)))
        limited.decrypt_rtcp(free.encrypt_rtcp(rtcp()))
    for call in (lambda: limited.encrypt(rtp(3)), lambda: limited.encrypt_rtcp(rtcp()),
                 lambda: limited.decrypt_bytes(free.encrypt(rtp(3))),
                 lambda: limited.decrypt_rtcp(free.encrypt_rtcp(rtcp())),
                 lambda: limited.encrypt(rtp(3, ssrc=9))):
        with pytest.raises(errors.LimitError):
            call()
    assert limited.stats().over_limit == 5
    assert limited.stats().send_streams == 1


def test_srtp_index_ends_at_48_bits_and_srtcp_at_31() -> None:
    sender, receiver = make_pair(ssrc=12345, roc=2**32 - 1)
    assert receiver.decrypt_bytes(sender.encrypt(rtp(65535))) == rtp(65535)
    with pytest.raises(errors.LimitError):
        sender.encrypt(rtp(0))
    with pytest.raises(errors.LimitError):
        receiver.decrypt_bytes(rtp(0) + bytes(16))
    assert lib.arc_srtp_set_rtcp_index(sender._handle, 1, 2**31) == lib.ARC_ERR_ARG
    assert lib.arc_srtp_set_rtcp_index(sender._handle, 1, 2**31 - 1) == lib.ARC_OK
    assert receiver.decrypt_rtcp(sender.encrypt_rtcp(rtcp(1))) == rtcp(1)
    with pytest.raises(errors.LimitError):
        sender.encrypt_rtcp(rtcp(1))
    assert lib.arc_srtp_set_rtcp_index(sender._handle, 1, 5) == lib.ARC_ERR_ARG


def test_srtp_sending_table_is_bounded_and_keeps_every_stream() -> None:
    sender, _ = make_pair(max_streams=3)
    for ssrc in range(3):
        sender.encrypt(rtp(65535, ssrc))
    for call in (lambda: sender.encrypt(rtp(1, 3)), lambda: sender.encrypt_rtcp(rtcp(3)),
                 lambda: sender.set_roc(3, 1, sending=True)):
        with pytest.raises(errors.LimitError):
            call()
    assert lib.arc_srtp_set_rtcp_index(sender._handle, 3, 5) == lib.ARC_ERR_LIMIT
    assert sender.encrypt(rtp(65536, 0)) == make_plain(make_config()).rtp(rtp(65536, 0), 1)


def test_srtp_receiving_table_forgets_the_stream_silent_longest() -> None:
    sender, receiver = make_pair(max_streams=3)
    first = {ssrc: sender.encrypt(rtp(10, ssrc)) for ssrc in (1, 2, 3)}
    for ssrc in (1, 2, 3):
        receiver.decrypt_bytes(first[ssrc])
    receiver.decrypt_bytes(sender.encrypt(rtp(11, 1)))
    other = SrtpPipeline(make_config())
    receiver.decrypt_rtcp(other.encrypt_rtcp(rtcp(4)))  # takes the place of 2
    assert receiver.stats().streams_evicted == 1
    assert receiver.stats().recv_streams == 3
    for ssrc in (1, 3):
        with pytest.raises(errors.ReplayError):
            receiver.decrypt_bytes(first[ssrc])
    assert receiver.decrypt_bytes(first[2]) == rtp(10, 2)  # forgotten, as stated


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.lists(st.tuples(st.integers(0, 15), st.integers(0, 3)), max_size=150))
def test_srtp_receiving_table_matches_model_for_any_sources(
        max_streams: int, steps: list[tuple[int, int]]) -> None:
    """Model: an ordered dict of what each live SSRC has seen."""
    sender, receiver = make_pair(max_streams=max_streams, window_pkts=64)
    everyone = SrtpPipeline(make_config(max_streams=16))
    live: dict[int, set[int]] = {}
    for ssrc, seq in steps:
        wire = everyone.encrypt(rtp(seq, ssrc * 0x9E3779B1 & 0xFFFFFFFF))
        if seq in live.get(ssrc, ()):
            with pytest.raises(errors.ReplayError):
                receiver.decrypt_bytes(wire)
            continue
        receiver.decrypt_bytes(wire)
        seen = live.pop(ssrc, None)
        if seen is None:
            seen = set()
            if len(live) == max_streams:
                del live[next(iter(live))]
        live[ssrc] = seen | {seq}
        assert receiver.stats().recv_streams == len(live)
    assert sender.stats().recv_streams == 0


# -- batches

@all_profiles
def test_srtp_batch_equals_single_calls(profile: SrtpProfile) -> None:
    sender, receiver = make_pair(profile)
    single = SrtpPipeline(make_config(profile))
    batch = PacketBatch(64, 1500)
    packets = [rtp(65500 + i, payload=bytes([i]) * (i * 20)) for i in range(64)]
    assert all(batch.append(p) for p in packets)
    assert not batch.append(packets[0])
    sender.encrypt_batch(batch)
    assert [batch.packet(i) for i in range(64)] == [single.encrypt(p) for p in packets]
    assert (batch.status == 0).all()
    receiver.decrypt_batch(batch)
    assert [batch.packet(i) for i in range(64)] == packets
    batch.clear()
    assert len(batch) == batch.count == 0
    sender.encrypt_batch(batch)
    assert sender.stats().rtp_sent == 64


def test_srtp_batch_marks_bad_packets_and_goes_on() -> None:
    sender, receiver = make_pair()
    batch = PacketBatch(6, 64)
    good = rtp(1, payload=bytes(20))
    for packet in (good, b"short", rtp(2, payload=bytes(64 - 12 - 15)), good, good, good):
        batch.append(packet)
    batch.lengths[3] = -1
    batch.lengths[4] = 65
    sender.encrypt_batch(batch)
    assert batch.status.tolist() == [lib.ARC_OK, lib.ARC_ERR_FORMAT, lib.ARC_ERR_SPACE, lib.ARC_ERR_ARG,
                                     lib.ARC_ERR_ARG, lib.ARC_OK]
    assert batch.lengths.tolist() == [48, 5, 49, -1, 65, 48]
    assert batch.error(0) is None
    assert isinstance(batch.error(1), errors.ParseError)
    assert isinstance(batch.error(2), errors.BufferSpaceError)
    receiver.decrypt_batch(batch)
    assert batch.status.tolist() == [lib.ARC_OK, lib.ARC_ERR_FORMAT, lib.ARC_ERR_AUTH, lib.ARC_ERR_ARG,
                                     lib.ARC_ERR_ARG, lib.ARC_ERR_REPLAY]
    assert batch.packet(0) == good


def test_packet_batch_is_one_block_and_checked() -> None:
    batch = PacketBatch(3, 101)
    assert batch.data.shape == (3, 101)
    assert batch.data.dtype == np.uint8
    assert batch.lengths.dtype == batch.status.dtype == np.int32
    assert batch.lengths.shape == batch.status.shape == (3,)
    assert batch.lengths.ctypes.data % 4 == 0
    assert 0 <= batch.lengths.ctypes.data - batch.data.ctypes.data - 303 < 4
    batch.count = 3
    for bad in (-1, 4):
        with pytest.raises(errors.ArgumentError, match="count"):
            batch.count = bad
    with pytest.raises(errors.ArgumentError):
        batch.packet(3)
    with pytest.raises(errors.ArgumentError):
        batch.error(-1)
    with pytest.raises(errors.ArgumentError, match="102"):
        batch.append(bytes(102))
    assert "count=3" in repr(batch)
    for capacity, slot in ((0, 100), (65537, 100), (1, 63), (1, 65601)):
        with pytest.raises(errors.ConfigError):
            PacketBatch(capacity, slot)
    data = batch.data
    del batch
    gc.collect()
    data[:] = 7  # the views keep the block alive
    assert int(data.sum()) == 7 * 303


# -- memory and life

def test_srtp_new_survives_every_allocation_failure() -> None:
    gc.collect()
    live = lib.arc_mem_live_blocks()
    allowed, pipeline = survives_every_failure(lambda: SrtpPipeline(make_config()))
    assert allowed == 8
    assert lib.arc_mem_live_blocks() >= live + 8
    pipeline.close()
    assert lib.arc_mem_live_blocks() == live


def test_srtp_data_path_allocates_nothing() -> None:
    sender, receiver = make_pair(max_streams=4)
    lib.arc_mem_fail_after(0)
    try:
        for i in range(2000):
            packet = rtp(i, ssrc=i % 4)
            assert receiver.decrypt_bytes(sender.encrypt(packet)) == packet
        receiver.decrypt_bytes(SrtpPipeline.encrypt(sender, rtp(2000, 3)))
    finally:
        lib.arc_mem_fail_after(-1)


def test_srtp_closed_pipeline_is_unusable() -> None:
    pipeline = SrtpPipeline(make_config())
    assert not pipeline.closed
    pipeline.close()
    pipeline.close()
    assert pipeline.closed
    for call in (lambda: pipeline.encrypt(rtp(1)), lambda: pipeline.decrypt_bytes(bytes(40)), pipeline.stats,
                 lambda: pipeline.encrypt_batch(PacketBatch(1, 100)), lambda: pipeline.rtcp_overhead_bytes):
        with pytest.raises(errors.ArgumentError, match="closed"):
            call()
    with pytest.raises(AttributeError):
        _ = pipeline.nothing
