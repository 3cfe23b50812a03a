"""srtp/batch, srtp/cipher: batches against single calls, backends against each other."""
from __future__ import annotations

import platform
import random
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcrtc import crypto, errors
from arcrtc._native import ffi, lib
from arcrtc.srtp import PacketBatch, SrtpConfig, SrtpPipeline, SrtpProfile

BACKENDS = [backend.name for backend in crypto.backends() if not backend.unusable]
CM = [profile for profile in SrtpProfile if not profile.is_aead]


def config_of(profile: SrtpProfile, number: int = 0, **options: Any) -> SrtpConfig:
    return SrtpConfig(bytes([number]) * profile.key_bytes, bytes(range(14)), profile=profile, **options)


def rtp(seq: int, ssrc: int, size: int) -> bytes:
    return struct.pack("!BBHII", 0x80, 96, seq & 0xFFFF, seq & 0xFFFF, ssrc) + bytes(i & 0xFF for i in range(size))


# -- backends

def test_crypto_ipsecmb_is_usable_where_it_should_be() -> None:
    """Tests over BACKENDS must not become tests of OpenSSL alone without anybody's notice."""
    cpu = Path("/proc/cpuinfo")
    if platform.machine() == "x86_64" and cpu.exists() and " aes " in cpu.read_text(encoding="utf-8"):
        assert BACKENDS == ["openssl", "ipsecmb"], crypto.backends()
    assert "openssl" in BACKENDS


def native_cipher(backend: str, kind: int, key: bytes, tag_bytes: int) -> Any:
    cfg = ffi.new("struct arc_cipher_config *", {
        "kind": kind, "backend": crypto.backend_number(backend), "key_len": len(key), "tag_bytes": tag_bytes,
        "key": list(key), "auth_key": list(range(20))})
    out = ffi.new("struct arc_cipher **")
    assert lib.arc_cipher_new(cfg, out) == lib.ARC_OK
    return ffi.gc(out[0], lib.arc_cipher_free)


def run_cipher(cipher: Any, call: Any, iv: bytes, data: bytes, head: int, tail: bytes, tag: bytes,
               body: bytes | None = None) -> tuple[int, bytes, bytes]:
    """(status, data, tag) after the call; ``body``: read from there, not out of ``data``."""
    room, tag_room = ffi.new("uint8_t[]", data or b"\0"), ffi.new("uint8_t[]", tag)
    lent = [ffi.from_buffer("uint8_t[]", part) for part in (iv, tail, body or b"")]
    job = ffi.new("struct arc_cipher_job *", {
        "iv": lent[0], "data": room, "head_len": head, "body_len": len(data) - head, "tail": lent[1],
        "tail_len": len(tail), "tag": tag_room, "body": ffi.NULL if body is None else lent[2]})
    status = call(cipher, job)
    return status, bytes(ffi.buffer(room, len(data))), bytes(ffi.buffer(tag_room, len(tag)))


@given(gcm=st.booleans(), key=st.one_of(st.binary(min_size=16, max_size=16), st.binary(min_size=32, max_size=32)),
       iv=st.binary(min_size=16, max_size=16), head=st.binary(max_size=60), body=st.binary(max_size=700),
       with_tail=st.booleans(), flip=st.integers(0))
@settings(max_examples=150, deadline=None)
def test_crypto_backends_are_equal(gcm: bool, key: bytes, iv: bytes, head: bytes, body: bytes, with_tail: bool,
                                   flip: int) -> None:
    kind = lib.ARC_CIPHER_AES_GCM if gcm else lib.ARC_CIPHER_AES_CM_HMAC_SHA1
    tag = bytes(16 if gcm else 10)
    tail = b"tail" if with_tail else b""
    sealed = set()
    for backend in BACKENDS:
        cipher = native_cipher(backend, kind, key, len(tag))
        _, wire, made = run_cipher(cipher, lib.arc_cipher_seal, iv, head + body, len(head), tail, tag)
        sealed.add((wire, made))
        blank = head + bytes(len(body))
        assert run_cipher(cipher, lib.arc_cipher_seal, iv, blank, len(head), tail, tag, body) == (0, wire, made)
        assert run_cipher(cipher, lib.arc_cipher_open, iv, blank, len(head), tail, made, wire[len(head):]) == (
            0, head + body, made)
        assert run_cipher(cipher, lib.arc_cipher_open, iv, wire, len(head), tail, made) == (0, head + body, made)
        forged = bytearray(wire + made)
        forged[flip % len(forged)] ^= 1 << flip % 8
        wrong, wrong_tag = bytes(forged[:len(wire)]), bytes(forged[len(wire):])
        assert run_cipher(cipher, lib.arc_cipher_open, iv, wrong, len(head), tail, wrong_tag) == (
            lib.ARC_ERR_AUTH, wrong, wrong_tag)
    assert len(sealed) == 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_crypto_long_authenticated_only_packets(backend: str) -> None:
    """SRTCP with E = 0: all of it is associated data, with a word behind."""
    cipher = native_cipher(backend, lib.ARC_CIPHER_AES_GCM, bytes(16), 16)
    reference = native_cipher("openssl", lib.ARC_CIPHER_AES_GCM, bytes(16), 16)
    for n in (0, 1, 15, 16, 17, 1000, 65_000):
        args = (bytes(12), bytes(i & 0xFF for i in range(n)), n, b"word", bytes(16))
        assert run_cipher(cipher, lib.arc_cipher_seal, *args) == run_cipher(reference, lib.arc_cipher_seal, *args)
    assert run_cipher(cipher, lib.arc_cipher_seal, bytes(12), bytes(100), 61, b"word", bytes(16))[0] == lib.ARC_ERR_ARG


def test_crypto_is_chosen_by_configuration_and_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = SrtpProfile.AEAD_AES_128_GCM
    monkeypatch.delenv(crypto.ENVIRONMENT, raising=False)
    assert SrtpPipeline(config_of(profile)).crypto == BACKENDS[-1]
    for name in BACKENDS:
        assert SrtpPipeline(config_of(profile, crypto=name)).crypto == name
        monkeypatch.setenv(crypto.ENVIRONMENT, name)
        assert SrtpPipeline(config_of(profile)).crypto == name
    assert SrtpPipeline(config_of(profile, crypto="openssl")).crypto == "openssl"  # before the environment
    monkeypatch.setenv(crypto.ENVIRONMENT, "rot13")
    with pytest.raises(errors.ConfigError, match=r"ARCRTC_CRYPTO='rot13'.*openssl"):
        SrtpPipeline(config_of(profile))
    monkeypatch.setenv(crypto.ENVIRONMENT, "")
    assert SrtpPipeline(config_of(profile)).crypto == BACKENDS[-1]


def test_crypto_that_cannot_be_used_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = crypto.CryptoBackend("ipsecmb", "1.3", "AVX2", "AES-128-GCM gives a wrong answer")
    monkeypatch.setattr(crypto, "_describe", lambda number: broken)
    with pytest.raises(errors.UnsupportedError, match="crypto=ipsecmb: AES-128-GCM gives a wrong answer"):
        SrtpPipeline(config_of(CM[0], crypto="ipsecmb"))


# -- batches

def twins(profile: SrtpProfile, **options: Any) -> tuple[SrtpPipeline, SrtpPipeline]:
    """Two equal pipelines: one is given batches, the other single packets."""
    return (SrtpPipeline(config_of(profile, **options)), SrtpPipeline(config_of(profile, **options)))


def batch_of(packets: list[bytes], room: int) -> PacketBatch:
    batch = PacketBatch(len(packets), room)
    for packet in packets:
        assert batch.append(packet)
    return batch


def status_of(call: Any, packet: bytes) -> tuple[type[Exception] | None, bytes]:
    try:
        return None, call(packet)
    except errors.ArcError as error:
        return type(error), packet


def outcomes(batch: PacketBatch) -> list[tuple[type[Exception] | None, bytes]]:
    return [(type(error) if (error := batch.error(row)) else None, batch.packet(row)) for row in range(len(batch))]


packet_plan = st.tuples(st.integers(-40, 120), st.integers(1, 3), st.sampled_from([0, 1, 30, 160, 500]),
                        st.sampled_from(["good"] * 8 + ["twice", "forged", "cut", "far"]))


@given(profile=st.sampled_from(list(SrtpProfile)), backend=st.sampled_from(BACKENDS),
       plan=st.lists(packet_plan, min_size=1, max_size=150), mki=st.binary(max_size=3),
       start=st.integers(65_400, 65_600), rate=st.sampled_from([0, 0, 0, 16]), rekeyed=st.booleans())
@settings(max_examples=80, deadline=None)
def test_srtp_batch_is_the_single_calls_one_after_the_other(
        profile: SrtpProfile, backend: str, plan: list[tuple[int, int, int, str]], mki: bytes, start: int, rate: int,
        rekeyed: bool) -> None:
    options = {"mki": mki, "crypto": backend, "key_derivation_rate": rate, "max_streams": 2, "window_pkts": 64,
               "limit_pkts": 100}
    (batch_in, single_in), (batch_out, single_out) = twins(profile, **options), twins(profile, **options)
    if rekeyed:
        new = config_of(profile, 7, **{**options, "mki": bytes(b ^ 0xFF for b in mki)})
        for pipeline in (batch_in, single_in, batch_out, single_out):
            pipeline.rekey(new, now_us=0)
    packets = [rtp(start + offset + (40_000 if what == "far" else 0), ssrc, size)
               for offset, ssrc, size, what in plan]
    batch = batch_of(packets, 700)
    batch_out.encrypt_batch(batch)
    singles = [status_of(single_out.encrypt, packet) for packet in packets]
    assert outcomes(batch) == singles
    assert batch_out.stats() == single_out.stats()

    arriving: list[bytes] = []
    for (_, wire), (_, _, _, what) in zip(singles, plan, strict=True):
        arriving.append(wire if what != "cut" else wire[:len(wire) // 2])
        if what == "twice":
            arriving.append(wire)
        if what == "forged":
            arriving.insert(-1, wire[:-1] + bytes([wire[-1] ^ 1]))
    batch = batch_of(arriving, 700)
    batch_in.decrypt_batch(batch)
    assert outcomes(batch) == [status_of(single_in.decrypt_bytes, wire) for wire in arriving]
    assert batch_in.stats() == single_in.stats()
    for seq in range(start - 50, start + 130):  # the windows and counters are the same, too
        for ssrc in (1, 2, 3):
            wire = rtp(seq, ssrc, 30) + bytes(single_in.overhead_bytes)
            assert status_of(batch_in.decrypt_bytes, wire) == status_of(single_in.decrypt_bytes, wire)


def new_batch() -> Any:
    out = ffi.new("struct arc_srtp_batch **")
    status = lib.arc_srtp_batch_new(out)
    assert status == (lib.ARC_OK if "ipsecmb" in BACKENDS else lib.ARC_ERR_UNSUPPORTED)
    return ffi.gc(out[0], lib.arc_srtp_batch_free) if status == lib.ARC_OK else ffi.NULL


def test_srtp_units_of_many_sessions_share_a_batch() -> None:
    """What a router needs: one batch with packets under other keys, key lengths and profiles."""
    rng = random.Random(3)
    configs = [config_of(profile, n, crypto=backend) for n in range(3) for profile in SrtpProfile
               for backend in BACKENDS]
    out, single, back = ([SrtpPipeline(config) for config in configs] for _ in range(3))
    work = new_batch()
    chosen = [rng.randrange(len(configs)) for _ in range(200)]
    packets = [rtp(seq, 9, rng.randrange(300)) for seq in range(200)]
    rooms = [ffi.new("uint8_t[]", packet + bytes(20)) for packet in packets]
    units = ffi.new("struct arc_srtp_unit[]", [
        {"srtp": out[i]._handle, "data": room, "len": len(packet), "cap": len(packet) + 20}
        for i, room, packet in zip(chosen, rooms, packets, strict=True)])
    lib.arc_srtp_protect_units(work, units, len(units))
    for i, unit, packet in zip(chosen, units, packets, strict=True):
        assert unit.status == lib.ARC_OK
        assert bytes(ffi.buffer(unit.data, unit.len)) == single[i].encrypt(packet)
    for i, unit in zip(chosen, units, strict=True):
        unit.srtp = back[i]._handle
    lib.arc_srtp_unprotect_units(work, units, len(units))
    for unit, packet in zip(units, packets, strict=True):
        assert unit.status == lib.ARC_OK
        assert bytes(ffi.buffer(unit.data, unit.len)) == packet


def test_srtp_batch_allocates_only_its_working_memory() -> None:
    live = lib.arc_mem_live_blocks()
    lib.arc_mem_fail_after(1)
    try:
        out = ffi.new("struct arc_srtp_batch **")
        assert lib.arc_srtp_batch_new(out) in (lib.ARC_ERR_NOMEM, lib.ARC_ERR_UNSUPPORTED)
    finally:
        lib.arc_mem_fail_after(-1)
    assert lib.arc_mem_live_blocks() == live
    pipeline, batch = SrtpPipeline(config_of(CM[0])), batch_of([rtp(1, 1, 100)] * 3, 200)
    pipeline.encrypt_batch(batch)
    lib.arc_mem_fail_after(0)
    try:
        batch.clear()
        for seq in range(2, 5):
            batch.append(rtp(seq, 1, 100))
        pipeline.encrypt_batch(batch)
    finally:
        lib.arc_mem_fail_after(-1)
    assert not batch.status.any()
