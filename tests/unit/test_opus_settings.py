"""Settings of a running Opus encoder, packets of several frames, and what newer versions of libopus add."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcrtc._native import ffi, lib
from tests.model.speech import blocks, speech
from tests.unit.test_opuscodec import AUDIO, LOWDELAY, VOIP, decode, decoder, encode, encoder

OK, ARG = lib.ARC_OK, lib.ARC_ERR_ARG
AUTO, NB, MB, WB, SWB, FB = range(6)


def stereo_48k(n: int = 40) -> list[Any]:
    pcm = np.repeat(speech()[16_000:16_000 + 320 * n], 3)
    noise = np.random.default_rng(1).normal(0, 300, len(pcm))
    return blocks(np.stack([pcm + noise, pcm / 2 - noise], axis=1).astype(np.int16), 960)


def table_of(packet: bytes) -> tuple[int, bool]:
    """(bandwidth of enum arc_opus_bandwidth, stereo) of a packet's first byte (RFC 6716 section 3.1)."""
    config = packet[0] >> 3
    if config < 12:
        bandwidth = (NB, MB, WB)[config // 4]
    elif config < 16:
        bandwidth = (SWB, FB)[(config - 12) // 2]
    else:
        bandwidth = (NB, WB, SWB, FB)[(config - 16) // 4]
    return bandwidth, bool(packet[0] & 4)


@pytest.mark.parametrize("setter", ["set_bandwidth", "set_max_bandwidth"])
@pytest.mark.parametrize("bandwidth", [NB, MB, WB, SWB, FB])
def test_encoder_bandwidth_changes_in_place(setter: str, bandwidth: int) -> None:
    e = encoder(sample_rate_hz=48_000, channels=2, bitrate_bps=96_000, application=AUDIO)
    frames = stereo_48k()
    before = [table_of(encode(e, f))[0] for f in frames[:10]]
    assert before[-1] == FB
    assert getattr(lib, f"arc_opus_enc_{setter}")(e, bandwidth) == OK
    after = [table_of(encode(e, f))[0] for f in frames[10:20]]
    expected = WB if bandwidth == MB else bandwidth  # CELT has no medium band
    assert set(after[1:]) <= {bandwidth, expected, NB if bandwidth == MB else expected}
    assert lib.arc_opus_enc_bandwidth(e) == after[-1]
    assert getattr(lib, f"arc_opus_enc_{setter}")(e, AUTO) == OK
    assert [table_of(encode(e, f))[0] for f in frames[20:]][-1] == FB
    assert getattr(lib, f"arc_opus_enc_{setter}")(e, 6) == ARG


def test_encoder_channels_are_forced_in_place() -> None:
    e = encoder(sample_rate_hz=48_000, channels=2, bitrate_bps=96_000, application=AUDIO)
    frames = stereo_48k()
    assert [table_of(encode(e, f))[1] for f in frames[:10]][-1]
    assert lib.arc_opus_enc_set_channels(e, 1) == OK
    assert not any([table_of(encode(e, f))[1] for f in frames[10:20]][3:])
    assert lib.arc_opus_enc_set_channels(e, 2) == OK
    assert all([table_of(encode(e, f))[1] for f in frames[20:30]][3:])
    assert lib.arc_opus_enc_set_channels(encoder(), 2) == ARG


def test_encoder_application_changes_in_place() -> None:
    e, d = encoder(bitrate_bps=24_000), decoder()
    frames = blocks(speech()[16_000:48_000], 320)
    modes = []
    for i, frame in enumerate(frames):
        if i == 30:
            assert lib.arc_opus_enc_set_application(e, LOWDELAY) == OK
        if i == 60:
            assert lib.arc_opus_enc_set_application(e, VOIP) == OK
        packet = encode(e, frame)
        modes.append(packet[0] >> 3 >= 16)
        assert len(decode(d, packet)) == 320
    assert not any(modes[:30])
    assert all(modes[30:60])
    assert not any(modes[60:])
    assert lib.arc_opus_enc_set_application(e, 3) == ARG


def chord(rate: int, seconds: int) -> np.ndarray:
    """Three tones with harmonics over faint noise: music to libopus."""
    t = np.arange(rate * seconds) / rate
    tones = sum(np.sin(2 * np.pi * 220 * m * step * t) / (1 + m % 4) for step in (1, 1.26, 1.5) for m in range(1, 9))
    noise = np.random.default_rng(1).normal(0, 30, len(t))
    return (2000 * tones * (0.6 + 0.4 * np.cos(4 * np.pi * t)) + noise).astype(np.int16)


@pytest.mark.parametrize(("application", "is_taken_for_music"), [(VOIP, False), (AUDIO, True)])
def test_encoder_for_speech_takes_nothing_for_music(application: int, is_taken_for_music: bool) -> None:
    e = encoder(sample_rate_hz=48_000, bitrate_bps=24_000, complexity=10, expected_loss_pct=0)
    assert lib.arc_opus_enc_set_application(e, AUDIO) == OK
    assert lib.arc_opus_enc_set_application(e, application) == OK
    fresh = encoder(sample_rate_hz=48_000, bitrate_bps=24_000, complexity=10, expected_loss_pct=0,
                    application=application)
    for each in (e, fresh):
        celt_only = [encode(each, frame)[0] >> 3 >= 16 for frame in blocks(chord(48_000, 3), 960)]  # RFC 6716 table 2
        assert any(celt_only) == is_taken_for_music


def test_encoder_packets_are_equal_or_not_as_told() -> None:
    e = encoder(bitrate_bps=24_000, vbr=False)
    frames = blocks(speech()[16_000:48_000], 320)
    assert {len(encode(e, f)) for f in frames[:20]} == {60}
    assert lib.arc_opus_enc_set_vbr(e, True, True) == OK
    free = [len(encode(e, f)) for f in frames[20:60]]
    assert len(set(free)) > 10
    assert lib.arc_opus_enc_set_vbr(e, False, False) == OK
    assert {len(encode(e, f)) for f in frames[60:80]} == {60}


# --- packets of several frames ---

def join(packets: list[bytes], cap: int = 8000) -> tuple[int, bytes]:
    views = [ffi.from_buffer("uint8_t[]", p) for p in packets]
    pkts = ffi.new("const uint8_t *[]", views)
    out, n = ffi.new("uint8_t[]", cap), ffi.new("int32_t *")
    status = lib.arc_opus_join(pkts, [len(p) for p in packets], len(packets), out, cap, n)
    return status, bytes(ffi.buffer(out, n[0]))


def split(packet: bytes, first: int, count: int = 1, cap: int = 8000) -> tuple[int, bytes]:
    out, n = ffi.new("uint8_t[]", cap), ffi.new("int32_t *")
    status = lib.arc_opus_split(packet, len(packet), first, count, out, cap, n)
    return status, bytes(ffi.buffer(out, n[0]))


@settings(max_examples=30, deadline=None)
@given(ms=st.sampled_from([2.5, 5, 10, 20]), count=st.integers(1, 12), rate=st.sampled_from([16_000, 48_000]),
       vbr=st.booleans(), application=st.sampled_from([VOIP, LOWDELAY]))
def test_packets_joined_and_split_are_the_same_and_sound_the_same(ms: float, count: int, rate: int, vbr: bool,
                                                                  application: int) -> None:
    n = int(rate * ms / 1000)
    count = min(count, int(120 / ms))
    e = encoder(sample_rate_hz=rate, bitrate_bps=64_000, vbr=vbr, application=application)
    assert lib.arc_opus_enc_set_bandwidth(e, WB) == OK  # frames of one packet are of one kind
    packets = [encode(e, f) for f in blocks(speech()[16_000:], n)[:count + 4]][4:]
    kinds = {p[0] & 0xFC for p in packets}
    status, packet = join(packets)
    if len(kinds) > 1:
        assert status == lib.ARC_ERR_UNSUPPORTED
        return
    assert status == OK
    assert lib.arc_opus_packet_frames(packet, len(packet)) == count
    assert lib.arc_opus_packet_samples(packet, len(packet), rate) == n * count
    # Padding, which fills up packets of equal length, goes.
    assert [split(packet, i)[1] for i in range(count)] == [split(p, 0)[1] for p in packets]
    assert split(packet, 0, count)[1] == packet
    apart, together = decoder(rate), decoder(rate)
    np.testing.assert_array_equal(np.concatenate([decode(apart, p) for p in packets]), decode(together, packet))


def test_join_refuses_what_does_not_fit_together() -> None:
    voice, music = encoder(bitrate_bps=24_000), encoder(application=LOWDELAY)
    frames = blocks(speech()[16_000:], 320)
    a = [encode(voice, f) for f in frames[:7]]
    b = encode(music, frames[7])
    assert join([a[0], b])[0] == lib.ARC_ERR_UNSUPPORTED
    assert join(a)[0] == lib.ARC_ERR_UNSUPPORTED  # 140 ms
    assert join([a[0], b"\x03"])[0] == lib.ARC_ERR_FORMAT
    assert join([])[0] == ARG
    assert join(a[:3], cap=20)[0] == lib.ARC_ERR_SPACE
    packet = join(a[:3])[1]
    assert split(packet, 3)[0] == split(packet, 0, 4)[0] == split(packet, -1)[0] == ARG
    assert split(packet, 0, cap=5)[0] == lib.ARC_ERR_SPACE
    assert split(b"\x03", 0)[0] == lib.ARC_ERR_FORMAT


# --- what newer versions add ---

def features() -> Any:
    out = ffi.new("struct arc_opus_features *")
    assert lib.arc_opus_probe(out) == OK
    return out


def version() -> tuple[int, ...]:
    return tuple(int(n) for n in ffi.string(lib.arc_opus_version()).decode().split()[-1].split("-")[0].split(".")[:2])


def test_probe_agrees_with_what_calls_answer() -> None:
    can = features()
    assert can.dec_complexity == (version() >= (1, 5))
    assert can.dec_complexity or not (can.deep_plc or can.dred)
    supported = OK if can.dec_complexity else lib.ARC_ERR_UNSUPPORTED
    assert lib.arc_opus_dec_set_complexity(decoder(), 5) == supported
    assert lib.arc_opus_dec_set_complexity(decoder(), 11) == ARG
    assert lib.arc_opus_enc_set_dred_ms(encoder(), 500) == (OK if can.dred else lib.ARC_ERR_UNSUPPORTED)
    assert lib.arc_opus_enc_set_dred_ms(encoder(), 1050) == lib.arc_opus_enc_set_dred_ms(encoder(), 15) == ARG


def test_dred_where_there_is_none_says_so_and_leaves_nothing() -> None:
    if features().dred:
        return
    live = lib.arc_mem_live_blocks()
    d, out = decoder(), ffi.new("struct arc_opus_dred **")
    assert lib.arc_opus_dred_new(d, out) == lib.ARC_ERR_UNSUPPORTED
    assert out[0] == ffi.NULL
    del d
    assert lib.arc_mem_live_blocks() <= live


def test_dred_brings_back_what_was_lost_before_a_packet() -> None:
    if not features().dred:
        return  # test_dred_where_there_is_none_says_so_and_leaves_nothing
    e, d = encoder(bitrate_bps=48_000, complexity=9, expected_loss_pct=30), decoder()
    assert lib.arc_opus_enc_set_dred_ms(e, 500) == OK
    pcm = speech()[16_000:64_000]
    packets = [encode(e, f) for f in blocks(pcm, 320)]
    out, before = ffi.new("struct arc_opus_dred **"), ffi.new("int32_t *")
    assert lib.arc_opus_dred_new(d, out) == OK
    dred = ffi.gc(out[0], lib.arc_opus_dred_free)
    for packet in packets[:80]:
        decode(d, packet)
    after = packets[90]
    assert lib.arc_opus_dred_parse(dred, after, len(after), before) == OK
    assert before[0] >= 10 * 320
    got = np.zeros((10, 320), dtype=np.int16)
    for i in range(10):
        assert lib.arc_opus_dred_decode(dred, (10 - i) * 320, ffi.from_buffer("int16_t[]", got[i]), 320) == OK
    truth = pcm[80 * 320:90 * 320].astype(float)
    level = 10 * np.log10(np.mean(got.astype(float) ** 2) / np.mean(truth ** 2))
    assert abs(level) < 6
    assert lib.arc_opus_dred_decode(dred, before[0] + 320, ffi.from_buffer("int16_t[]", got[0]), 320) == lib.ARC_AGAIN
