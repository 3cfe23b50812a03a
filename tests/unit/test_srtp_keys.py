"""srtp/keys, srtp/hdrext: MKI, change of keys, derivation rate, limits, encrypted header extensions."""
from __future__ import annotations

import itertools
import random
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcrtc import errors
from arcrtc._native import lib
from arcrtc.srtp import KeyEvent, KeyEventType, SrtpConfig, SrtpPipeline, SrtpProfile
from tests.model.srtp_plain import PlainSrtp

GCM = SrtpProfile.AEAD_AES_128_GCM
CM = SrtpProfile.AES128_CM_HMAC_SHA1_80
all_profiles = pytest.mark.parametrize("profile", list(SrtpProfile), ids=lambda p: p.name)
MS = 1000


def config_of(profile: SrtpProfile = GCM, **options: Any) -> SrtpConfig:
    return SrtpConfig(bytes(range(1, profile.key_bytes + 1)), bytes(range(101, 115)), profile=profile, **options)


def model_of(config: SrtpConfig) -> PlainSrtp:
    tag = 16 if config.profile.is_aead else 10 if config.profile.name.endswith("80") else 4
    return PlainSrtp(config.profile.is_aead, config.profile.key_bytes, tag, 16 if config.profile.is_aead else 10,
                     config.master_key, config.master_salt, config.mki, config.key_derivation_rate,
                     config.encrypted_extensions)


def rtp(seq: int, ssrc: int = 12345, payload: bytes = b"payload", *, profile: int = 0xBEDE,
        extension: bytes = b"") -> bytes:
    head = struct.pack("!BBHII", 0x90 if extension else 0x80, 96, seq & 0xFFFF, 160 * seq & 0xFFFFFFFF, ssrc)
    if extension:
        extension += bytes(-len(extension) % 4)
        head += struct.pack("!HH", profile, len(extension) // 4) + extension
    return head + payload


def rtcp(ssrc: int = 12345, body: bytes = b"") -> bytes:
    return struct.pack("!BBHI", 0x80, 201, (4 + len(body)) // 4, ssrc) + body


def events_of(pipeline: SrtpPipeline) -> list[KeyEvent]:
    return list(iter(pipeline.poll_event, None))


# -- options against the plain model

elements = st.lists(st.tuples(st.integers(1, 14), st.binary(min_size=1, max_size=16)), max_size=4)


@st.composite
def options(draw: st.DrawFn) -> dict[str, Any]:
    return {"mki": draw(st.binary(max_size=6)), "key_derivation_rate": draw(st.sampled_from([0, 1, 2, 16, 2**24])),
            "encrypted_extensions": draw(st.frozensets(st.integers(1, 255), max_size=8))}


@given(profile=st.sampled_from(list(SrtpProfile)), options=options(), seqs=st.lists(st.integers(0, 40), max_size=4),
       elements=elements, two_byte=st.booleans(), payload=st.binary(max_size=50))
@settings(max_examples=60, deadline=None)
def test_srtp_matches_model_for_every_option(profile: SrtpProfile, options: dict[str, Any], seqs: list[int],
                                             elements: list[tuple[int, bytes]], two_byte: bool,
                                             payload: bytes) -> None:
    config = config_of(profile, **options)
    sender, receiver, model = SrtpPipeline(config), SrtpPipeline(config), model_of(config)
    if two_byte:
        extension = b"".join(bytes((i * 16 + 1, len(v))) + v for i, v in elements)
    else:
        extension = b"".join(bytes((i << 4 | len(v) - 1,)) + v for i, v in elements)
    for n, seq in enumerate(dict.fromkeys(seqs)):
        packet = rtp(seq, payload=payload, extension=extension, profile=0x1000 if two_byte else 0xBEDE)
        wire = sender.encrypt(packet)
        assert wire == model.rtp(packet, 0)
        assert len(wire) == len(packet) + sender.overhead_bytes
        assert receiver.decrypt_bytes(wire) == packet
        compound = rtcp(body=payload[:len(payload) // 4 * 4])
        protected = sender.encrypt_rtcp(compound)
        assert protected == model.rtcp(compound, n)
        assert len(protected) == len(compound) + sender.rtcp_overhead_bytes
        assert receiver.decrypt_rtcp(protected) == compound


@all_profiles
def test_srtp_opens_rtcp_that_is_not_encrypted(profile: SrtpProfile) -> None:
    config = config_of(profile, mki=b"\1\2")
    compound = rtcp(body=bytes(300))
    assert SrtpPipeline(config).decrypt_rtcp(model_of(config).rtcp(compound, 5, encrypted=False)) == compound


# -- header extensions

def test_srtp_encrypts_only_the_chosen_elements() -> None:
    config = config_of(encrypted_extensions=frozenset({2}))
    packet = rtp(1, extension=b"\x13open" + b"\x27secret!!")
    wire = SrtpPipeline(config).encrypt(packet)
    assert b"open" in wire
    assert b"secret" not in wire
    assert SrtpPipeline(config).decrypt_bytes(wire) == packet


def test_srtp_sends_no_malformed_extension_in_clear() -> None:
    """The element that runs past the end may hide the one that had to be encrypted."""
    sender = SrtpPipeline(config_of(encrypted_extensions=frozenset({2})))
    with pytest.raises(errors.ParseError):
        sender.encrypt(rtp(1, extension=b"\x1f\0\0\0"))
    assert sender.stats().rtp_sent == 0


def test_srtp_extension_longer_than_a_piece_of_key_stream() -> None:
    config = config_of(encrypted_extensions=frozenset(range(1, 200)))
    extension = b"".join(bytes((i, 255)) + bytes([i]) * 255 for i in range(1, 30))
    packet = rtp(9, extension=extension, profile=0x1000)
    wire = SrtpPipeline(config).encrypt(packet)
    assert wire == model_of(config).rtp(packet, 0)
    assert SrtpPipeline(config).decrypt_bytes(wire) == packet


def test_srtp_leaves_foreign_extensions_as_they_are() -> None:
    config = config_of(encrypted_extensions=frozenset({1}))
    packet = rtp(1, extension=b"\x10own!xxx", profile=0x4242)
    wire = SrtpPipeline(config).encrypt(packet)
    assert b"\x10own!xxx" in wire
    assert SrtpPipeline(config).decrypt_bytes(wire) == packet


# -- derivation rate

@all_profiles
def test_srtp_derivation_rate_survives_reordering_around_the_change(profile: SrtpProfile) -> None:
    config = config_of(profile, key_derivation_rate=16)
    sender, receiver = SrtpPipeline(config), SrtpPipeline(config)
    rng = random.Random(4)
    packets = [rtp(65_500 + i, ssrc) for i in range(200) for ssrc in (1, 2, 3)]
    wires = [(i + rng.uniform(0, 60), sender.encrypt(packet), packet) for i, packet in enumerate(packets)]
    for _, wire, packet in sorted(wires):
        assert receiver.decrypt_bytes(wire) == packet


def test_srtp_derivation_rate_allocates_nothing_later() -> None:
    config = config_of(key_derivation_rate=1)
    sender, receiver = SrtpPipeline(config), SrtpPipeline(config)
    receiver.decrypt_bytes(sender.encrypt(rtp(0)))
    lib.arc_mem_fail_after(0)
    try:
        opened = [receiver.decrypt_bytes(sender.encrypt(rtp(seq))) for seq in range(1, 50)]
    finally:
        lib.arc_mem_fail_after(-1)
    assert opened == [rtp(seq) for seq in range(1, 50)]


# -- change of keys

@all_profiles
@pytest.mark.parametrize("mki", [b"", b"\0\0\0\1"])
def test_srtp_rekey_loses_no_packet(profile: SrtpProfile, mki: bytes) -> None:
    """Packets of both keys mixed by the network, over the wrap of the sequence number."""
    config = config_of(profile, mki=mki)
    sender, receiver = SrtpPipeline(config), SrtpPipeline(config)
    rng = random.Random(5)
    on_the_way: list[tuple[float, bytes, bytes]] = []
    reordered = 0
    for i in range(600):
        now_us = i * MS
        if i % 150 == 149:
            config = config.with_new_key()
            for pipeline in (receiver, sender):  # it accepts before the peer sends
                pipeline.rekey(config, overlap_ms=30, now_us=now_us)
        packet = rtp(65_300 + i, 1 + i % 3)
        on_the_way.append((i + rng.uniform(0, 20), sender.encrypt(packet), packet))
        due = sorted(entry for entry in on_the_way if entry[0] <= i)
        on_the_way = [entry for entry in on_the_way if entry[0] > i]
        reordered += sum(one[2][2:4] > two[2][2:4] for one, two in itertools.pairwise(due))
        for pipeline in (receiver, sender):
            pipeline.expire(now_us)
        for _, wire, packet in due:
            assert receiver.decrypt_bytes(wire) == packet
    assert reordered > 50
    assert receiver.stats().unauthenticated == 0
    assert sum(event.type == KeyEventType.RETIRED for event in events_of(receiver)) == 3


def test_srtp_rekey_ends_the_old_key_when_its_time_is_over() -> None:
    config = config_of()
    old, receiver = SrtpPipeline(config), SrtpPipeline(config)
    assert receiver.decrypt_bytes(old.encrypt(rtp(1))) == rtp(1)
    receiver.rekey(config.with_new_key(), overlap_ms=100, now_us=50 * MS)
    receiver.expire(149 * MS)
    assert receiver.key_count == 2
    assert receiver.decrypt_bytes(old.encrypt(rtp(2))) == rtp(2)
    receiver.expire(150 * MS)
    assert receiver.key_count == 1
    with pytest.raises(errors.AuthenticationError):
        receiver.decrypt_bytes(old.encrypt(rtp(3)))
    assert events_of(receiver) == [KeyEvent(KeyEventType.RETIRED, 1, False, False, 0)]


def test_srtp_rekey_by_the_clock_expires_by_itself() -> None:
    config = config_of()
    old, receiver = SrtpPipeline(config), SrtpPipeline(config)
    receiver.rekey(config.with_new_key(), overlap_ms=0)
    with pytest.raises(errors.AuthenticationError):
        receiver.decrypt_bytes(old.encrypt(rtp(1)))
    assert receiver.key_count == 1


def test_srtp_rekey_goes_on_with_indices_and_windows() -> None:
    """RFC 3711 section 3.3.1: the roll-over counter is not reset; a replay stays a replay."""
    config = config_of(CM)
    sender, receiver = SrtpPipeline(config), SrtpPipeline(config)
    for seq in range(65_530, 65_550):
        last = sender.encrypt(rtp(seq))
        receiver.decrypt_bytes(last)
    new = config.with_new_key()
    for pipeline in (sender, receiver):
        pipeline.rekey(new, now_us=0)
    with pytest.raises(errors.ReplayError):
        receiver.decrypt_bytes(last)
    wire = sender.encrypt(rtp(65_550))
    assert wire == model_of(new).rtp(rtp(65_550), 1)
    assert receiver.decrypt_bytes(wire) == rtp(65_550)


def test_srtp_keys_step_by_step() -> None:
    config = config_of(mki=b"a")
    new = config.with_new_key(b"b")
    sender, receiver = SrtpPipeline(config), SrtpPipeline(config)
    new_id = receiver.add_key(new)
    assert (new_id, receiver.key_count) == (2, 2)
    assert receiver.encrypt(rtp(1)) == SrtpPipeline(config).encrypt(rtp(1))  # still sends with the first
    sender.rekey(new, now_us=0)
    assert receiver.decrypt_bytes(sender.encrypt(rtp(1))) == rtp(1)
    with pytest.raises(errors.ArgumentError):
        receiver.retire_key(1)  # it sends
    receiver.send_with(2)
    receiver.retire_key(1)
    assert receiver.key_count == 1
    for call in (receiver.send_with, receiver.retire_key):
        with pytest.raises(errors.ArgumentError):
            call(1)
    assert "b'b'" in repr(sender)


def test_srtp_refuses_keys_that_do_not_fit() -> None:
    config = config_of(mki=b"a")
    pipeline = SrtpPipeline(config)
    with pytest.raises(errors.ConfigError, match="MKI"):
        pipeline.rekey(config_of(mki=b"ab"))
    with pytest.raises(errors.ConfigError, match="AEAD_AES_256_GCM"):
        pipeline.rekey(config_of(SrtpProfile.AEAD_AES_256_GCM, mki=b"b"))
    with pytest.raises(errors.ArgumentError):
        pipeline.rekey(config)  # its MKI is in use
    with pytest.raises(errors.ConfigError, match="overlap_ms"):
        pipeline.rekey(config.with_new_key(), overlap_ms=-1)
    for n in range(3):
        pipeline.add_key(config.with_new_key(bytes([n])))
    with pytest.raises(errors.LimitError):
        pipeline.add_key(config.with_new_key(b"z"))
    assert pipeline.key_count == 4


def test_srtp_counts_packets_with_an_unknown_mki() -> None:
    config = config_of(mki=b"\1\2")
    receiver = SrtpPipeline(config)
    wire = bytearray(SrtpPipeline(config).encrypt(rtp(1)))
    wire[-1] ^= 1  # with AES-GCM the MKI stands at the end
    with pytest.raises(errors.AuthenticationError):
        receiver.decrypt_bytes(wire)
    compound = bytearray(SrtpPipeline(config).encrypt_rtcp(rtcp()))
    compound[-1] ^= 1
    with pytest.raises(errors.AuthenticationError):
        receiver.decrypt_rtcp(compound)
    stats = receiver.stats()
    assert (stats.unknown_mki, stats.unauthenticated, stats.recv_streams) == (2, 2, 0)
    wire[-1] ^= 1
    assert receiver.decrypt_bytes(wire) == rtp(1)


@pytest.mark.parametrize("n", [0, 1, 3, 5, 128])
def test_srtp_mki_of_another_length_is_refused(n: int) -> None:
    """The receiver looks for it, or for the tag, at another place."""
    wire = SrtpPipeline(config_of(CM, mki=bytes(n))).encrypt(rtp(1, payload=bytes(300)))
    receiver = SrtpPipeline(config_of(CM, mki=b"\0\0"))
    with pytest.raises(errors.AuthenticationError):
        receiver.decrypt_bytes(wire)
    assert receiver.stats().recv_streams == 0


def test_srtp_tries_every_key_for_a_forged_packet_and_moves_none() -> None:
    config = config_of()
    sender, receiver = SrtpPipeline(config), SrtpPipeline(config)
    for _ in range(3):
        receiver.add_key(config.with_new_key())
    wire = sender.encrypt(rtp(1))
    forged = bytes((*wire[:-1], wire[-1] ^ 1))
    for _ in range(100):
        with pytest.raises(errors.AuthenticationError):
            receiver.decrypt_bytes(forged)
    assert receiver.stats().unauthenticated == 100
    assert receiver.decrypt_bytes(wire) == rtp(1)


# -- limits and their events

def test_srtp_says_when_a_key_is_nearly_used_up_and_when_it_is() -> None:
    config = config_of(limit_pkts=16)
    sender, receiver = SrtpPipeline(config), SrtpPipeline(config)
    seen: list[tuple[int, KeyEvent]] = []
    for n in range(1, 17):
        receiver.decrypt_bytes(sender.encrypt(rtp(n)))
        seen += [(n, event) for pipeline in (sender, receiver) for event in events_of(pipeline)]
    near, over = KeyEventType.NEAR_LIMIT, KeyEventType.USED_UP
    assert seen == [(14, KeyEvent(near, 1, True, False, 2)), (14, KeyEvent(near, 1, False, False, 2)),
                    (16, KeyEvent(over, 1, True, False, 0)), (16, KeyEvent(over, 1, False, False, 0))]
    with pytest.raises(errors.LimitError):
        sender.encrypt(rtp(17))
    new = config.with_new_key()
    sender.rekey(new, now_us=0)
    receiver.add_key(new)
    assert receiver.decrypt_bytes(sender.encrypt(rtp(17))) == rtp(17)


def test_srtp_counts_rtcp_apart() -> None:
    sender = SrtpPipeline(config_of(limit_pkts=8))
    for _ in range(8):
        sender.encrypt_rtcp(rtcp())
    assert [(e.type, e.rtcp, e.left_pkts) for e in events_of(sender)] == [
        (KeyEventType.NEAR_LIMIT, True, 1), (KeyEventType.USED_UP, True, 0)]
    with pytest.raises(errors.LimitError):
        sender.encrypt_rtcp(rtcp())
    sender.encrypt(rtp(1))


def test_srtp_used_up_key_gives_way_to_the_others() -> None:
    """A received packet is not refused for the limit of a key that it is not under."""
    config = config_of(limit_pkts=4)
    old, receiver = SrtpPipeline(config), SrtpPipeline(config)
    for n in range(4):
        receiver.decrypt_bytes(old.encrypt(rtp(n)))
    new = config.with_new_key()
    receiver.add_key(new)
    fresh = SrtpPipeline(new)
    assert receiver.decrypt_bytes(fresh.encrypt(rtp(4))) == rtp(4)
    with pytest.raises(errors.LimitError):
        receiver.decrypt_bytes(model_of(config).rtp(rtp(5), 0))


def test_srtp_keeps_sixteen_events() -> None:
    config = config_of()
    pipeline = SrtpPipeline(config)
    for _ in range(20):
        config = config.with_new_key()
        pipeline.rekey(config, overlap_ms=0, now_us=0)
        pipeline.expire(0)
    assert [event.key_id for event in events_of(pipeline)] == list(range(5, 21))
    assert pipeline.stats().events_lost == 4


# -- configuration

@pytest.mark.parametrize(("field", "value"), [
    ("mki", bytes(129)), ("mki", 5), ("key_derivation_rate", 3), ("key_derivation_rate", 2**25),
    ("key_derivation_rate", -1), ("encrypted_extensions", {0}), ("encrypted_extensions", {256}),
    ("crypto", "none")])
def test_srtp_config_names_the_option_that_is_wrong(field: str, value: Any) -> None:
    with pytest.raises(errors.ConfigError, match=field):
        config_of(**{field: value})


def test_srtp_with_new_key_counts_the_mki_up() -> None:
    config = config_of(mki=b"\0\xff")
    new = config.with_new_key()
    assert new.mki == b"\1\0"
    assert new.master_key != config.master_key
    assert config_of(mki=b"\xff").with_new_key().mki == b"\0"
    assert config_of().with_new_key().mki == b""


# -- into the caller's memory

@pytest.mark.parametrize("kind", [bytearray, lambda n: memoryview(bytearray(n))])
def test_srtp_into_writes_into_the_callers_memory(kind: Any) -> None:
    sender, receiver, same = (SrtpPipeline(config_of()) for _ in range(3))
    out, plain = kind(100), kind(100)
    for seq in range(3):
        n = sender.encrypt_into(rtp(seq), out)
        assert bytes(out[:n]) == same.encrypt(rtp(seq))
        m = receiver.decrypt_into(bytes(out[:n]), plain)
        assert bytes(plain[:m]) == rtp(seq)
    other = kind(60)
    assert bytes(other[:sender.encrypt_into(rtp(9), other)]) == same.encrypt(rtp(9))


def test_srtp_into_refuses_memory_that_does_not_fit() -> None:
    sender = SrtpPipeline(config_of())
    with pytest.raises(errors.BufferSpaceError):
        sender.encrypt_into(rtp(1), bytearray(len(rtp(1)) + 15))
    with pytest.raises(errors.BufferSpaceError):
        sender.encrypt_into(rtp(1), bytearray(3))
    with pytest.raises((TypeError, BufferError)):
        sender.encrypt_into(rtp(1), bytes(100))
    assert sender.stats().rtp_sent == 0
    room = bytearray(100)
    n = sender.encrypt_into(rtp(1), room)
    room.extend(b"a bytearray may still grow")
    with pytest.raises(errors.BufferSpaceError):
        SrtpPipeline(config_of()).decrypt_into(bytes(room[:n]), bytearray(n - 1))
    with pytest.raises(errors.ArgumentError, match="65535"):
        sender.encrypt_into(bytes(65_536), bytearray(70_000))
