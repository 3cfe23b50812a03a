"""audio/aenc, audio/ffaudio, audio/audiocodec and audio/silence: codecs of telephony, and Opus behind the same face."""
from __future__ import annotations

import subprocess
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from arcrtc._native import check, ffi, lib, new_handle
from tests.model.allocation import survives_every_failure
from tests.model.g711 import ALAW, ULAW
from tests.model.speech import noise, speech
from tests.unit.test_adec import decode, decoder, fill

OPUS, PCMU, PCMA, G722, L16, CN = (lib.ARC_AUDIO_OPUS, lib.ARC_AUDIO_PCMU, lib.ARC_AUDIO_PCMA, lib.ARC_AUDIO_G722,
                                   lib.ARC_AUDIO_L16, lib.ARC_AUDIO_CN)
FFMPEG = {PCMU: "pcm_mulaw", PCMA: "pcm_alaw", G722: "g722", L16: "pcm_s16be"}
FORMATS = {PCMU: "mulaw", PCMA: "alaw", G722: "g722", L16: "s16be"}


def encoder(codec: int, rate: int = 8000, channels: int = 1, ms: float = 20, *, dtx: bool = False) -> Any:
    opus = {"sample_rate_hz": rate, "channels": channels, "bitrate_bps": 32_000, "complexity": 5,
            "application": lib.ARC_OPUS_APPLICATION_VOIP, "expected_loss_pct": 0, "dtx": dtx, "fec": False, "vbr": True}
    config = ffi.new("struct arc_aenc_config *", {"codec": codec, "frame_us": round(ms * 1000), "opus": opus})
    return new_handle(lib.arc_aenc_new, lib.arc_aenc_free, "struct arc_aenc", config, what="aenc")


def encode(e: Any, pcm: NDArray[np.int16]) -> tuple[bytes, bool]:
    out, length, told = ffi.new("uint8_t[]", 8000), ffi.new("int32_t *"), ffi.new("bool *")
    pcm = np.ascontiguousarray(pcm)
    assert len(pcm) == lib.arc_aenc_frame_samples(e)
    check(lib.arc_aenc_encode(e, ffi.from_buffer("int16_t[]", pcm), out, 8000, length, told), "encode")
    return bytes(ffi.buffer(out, length[0])), told[0]


def at(rate: int, channels: int = 1) -> NDArray[np.int16]:
    """Two seconds of speech at another rate; the second channel is half as loud."""
    pcm = speech()[16_000:48_000]
    pcm = np.interp(np.arange(2 * rate) * 16_000 / rate, np.arange(len(pcm)), pcm).astype(np.int16)
    return pcm if channels == 1 else np.stack([pcm, pcm // 2], axis=1)


def ffmpeg(arguments: list[str], data: bytes) -> bytes:
    done = subprocess.run(["ffmpeg", "-v", "error", *arguments, "-"], input=data, stdout=subprocess.PIPE, check=True,
                          timeout=60)
    return done.stdout


def encode_all(e: Any, pcm: NDArray[np.int16]) -> list[bytes]:
    n = lib.arc_aenc_frame_samples(e)
    return [encode(e, pcm[i:i + n])[0] for i in range(0, len(pcm) - n + 1, n)]


@pytest.mark.parametrize(("codec", "table"), [(PCMU, ULAW), (PCMA, ALAW)])
def test_adec_g711_decodes_all_256_codes_as_the_standard_says(codec: int, table: NDArray[np.int16]) -> None:
    np.testing.assert_array_equal(decode(decoder(codec), bytes(range(256))).ravel(), table)


@pytest.mark.parametrize(("codec", "table"), [(PCMU, ULAW), (PCMA, ALAW)])
def test_aenc_g711_takes_the_nearest_code_and_keeps_codes(codec: int, table: NDArray[np.int16]) -> None:
    e = encoder(codec)
    same = np.resize(table, 160 * 2)
    for pcm in (same[:160], same[160:]):
        np.testing.assert_array_equal(table[list(encode(e, pcm)[0])], pcm)
    values = np.arange(-32_768, 32_768).astype(np.int16)
    codes = b"".join(encode_all(e, values))
    got = table[list(codes)].astype(int)
    wanted = values[:len(got)].astype(int)
    ordered = np.sort(np.unique(table.astype(int)))
    nearest = np.abs(wanted[:, None] - ordered[np.clip(np.searchsorted(ordered, wanted)[:, None] + [-1, 0], 0,
                                                        len(ordered) - 1)]).min(axis=1)
    # Decision values lie within the step, which is 1/16 of the value and 8 at least; none is further off than a step.
    assert np.all(np.abs(got - wanted) <= nearest + np.maximum(np.abs(wanted) / 16, 16))
    assert np.mean(np.abs(got - wanted) - nearest) < 4


@pytest.mark.parametrize(("codec", "rate", "channels", "ms"), [
    (PCMU, 8000, 1, 20), (PCMU, 8000, 1, 10), (PCMA, 8000, 1, 60), (PCMA, 8000, 1, 30), (G722, 16_000, 1, 20),
    (G722, 16_000, 1, 10), (G722, 16_000, 1, 60), (L16, 44_100, 2, 10), (L16, 16_000, 1, 20), (L16, 48_000, 2, 5)])
def test_telephony_codecs_are_those_of_ffmpeg_both_ways(codec: int, rate: int, channels: int, ms: float) -> None:
    pcm = at(rate, channels)
    e, d = encoder(codec, rate, channels, ms), decoder(codec, rate, channels)
    packets = encode_all(e, pcm)
    n = lib.arc_aenc_frame_samples(e)
    assert n == rate * ms / 1000
    assert {len(p) for p in packets} == {lib.arc_aenc_max_bytes(e)}
    assert all(lib.arc_adec_packet_samples(d, p, len(p)) == n for p in packets)
    raw = ["-f", "s16le", "-ar", str(rate), "-ac", str(channels), "-i", "-"]
    theirs = ffmpeg([*raw, "-c:a", FFMPEG[codec], "-f", FORMATS[codec]], pcm[:n * len(packets)].tobytes())
    if codec != G722:  # FFmpeg's frames of G.722 are as long as its program likes
        assert b"".join(packets) == theirs
    source = ["-f", FORMATS[codec]] + ([] if codec == G722 else ["-ar", str(rate), "-ac", str(channels)])
    back = np.frombuffer(ffmpeg([*source, "-i", "-", "-f", "s16le"], b"".join(packets)), dtype="<i2")
    ours = np.concatenate([decode(d, p, channels) for p in packets]).ravel()
    np.testing.assert_array_equal(ours, back)
    other = np.concatenate([decode(decoder(codec, rate, channels), theirs[i:i + 160], channels)
                            for i in range(0, 160 * (len(theirs) // 160), 160)][:1])
    assert len(other) > 0
    if codec == L16:
        np.testing.assert_array_equal(ours, pcm[:n * len(packets)].ravel())
    else:
        delay = 22 if codec == G722 else 0
        error = ours[delay:].astype(float) - pcm.ravel()[:len(ours) - delay]
        assert np.mean(error ** 2) < np.mean(pcm.astype(float) ** 2) / 100  # 20 dB


@pytest.mark.parametrize(("codec", "payload"), [(PCMU, b"\xff" * 80), (PCMA, b"\xd5" * 80), (G722, b"\xfa" * 80)])
def test_adec_mono_comes_out_in_both_channels(codec: int, payload: bytes) -> None:
    mono, both = decode(decoder(codec), payload), decode(decoder(codec, channels=2), payload, 2)
    np.testing.assert_array_equal(both, np.repeat(mono, 2, axis=1))


@pytest.mark.parametrize(("codec", "channels", "length", "samples"), [
    (PCMU, 1, 0, 0), (PCMU, 1, 1, 1), (PCMU, 1, 1600, 1600), (PCMU, 1, 1601, 0), (G722, 1, 1600, 3200),
    (G722, 1, 1601, 0),
    (L16, 1, 3, 0), (L16, 2, 6, 0), (L16, 2, 8, 2), (L16, 1, 6400, 3200), (L16, 1, 6402, 0)])
def test_adec_length_of_a_payload_is_that_of_its_samples(codec: int, channels: int, length: int, samples: int) -> None:
    """200 ms at most (RFC 3551 section 4.2); half samples are none."""
    d = decoder(codec, 16_000, channels)
    payload = bytes(length)
    assert lib.arc_adec_packet_samples(d, payload, length) == samples
    out, n = ffi.new("int16_t[]", max(1, samples * channels)), ffi.new("int32_t *")
    status = lib.arc_adec_decode(d, payload, length, out, samples, n)
    assert status == (lib.ARC_OK if samples else lib.ARC_ERR_CODEC)
    if samples:
        assert lib.arc_adec_decode(d, payload, length, out, samples - 1, n) == lib.ARC_ERR_SPACE


def test_adec_telephony_codecs_have_neither_fec_nor_concealment() -> None:
    d, out = decoder(PCMU), ffi.new("int16_t[]", 160)
    assert lib.arc_adec_decode_fec(d, b"\0" * 160, 160, out, 160) == lib.ARC_AGAIN
    assert lib.arc_adec_conceal(d, out, 160) == lib.ARC_AGAIN
    assert lib.arc_adec_comfort(d, out, 160) == lib.ARC_AGAIN
    assert lib.arc_adec_set_noise(decoder(OPUS), b"\x40", 1) == lib.ARC_AGAIN


def dbov(pcm: NDArray[Any]) -> float:
    return 10 * float(np.log10(max(np.mean(pcm.astype(float) ** 2), 1e-9) / 32_768 ** 2))


@pytest.mark.parametrize("level", [40, 60])
@pytest.mark.parametrize("extra", [b"", bytes([127] * 10), bytes([127] * 40)])
def test_adec_noise_has_the_level_that_was_told(level: int, extra: bytes) -> None:
    d = decoder(PCMA)
    assert lib.arc_adec_set_noise(d, bytes([level]) + extra, 1 + len(extra)) == lib.ARC_OK
    pcm = np.concatenate([fill(d, n, "comfort") for n in (20, 160, 960) * 8])
    assert dbov(pcm) == pytest.approx(-level, abs=3)
    assert lib.arc_adec_comfort(d, ffi.new("int16_t[]", 161), 161) == lib.ARC_ERR_ARG
    assert lib.arc_adec_set_noise(d, b"", 0) == lib.ARC_ERR_CODEC


def test_noise_of_a_silent_room_arrives_at_its_level_in_few_bytes() -> None:
    """RFC 3389 both ways: speech, then a noisy room. Nothing of the speech is left out."""
    room = (noise(8000 * 4, -50) * 32_768).astype(np.int16)
    pcm = np.concatenate([at(8000), room])
    pcm[:len(at(8000))] += room[:len(at(8000))]
    e, d = encoder(PCMU, dtx=True), decoder(PCMU)
    packets = [encode(e, pcm[i:i + 160]) for i in range(0, len(pcm), 160)]
    speech_end = len(at(8000)) // 160
    assert sum(1 for p, told in packets[:50] if told or not p) == 0  # it begins with a sentence
    silent = packets[speech_end + 15:]
    kinds = [told for p, told in silent if p]
    assert kinds
    assert all(kinds)
    assert len(kinds) <= len(silent) / 8
    told = next(p for p, is_noise in silent if is_noise)
    assert len(told) == 11  # a level and ten coefficients
    assert lib.arc_adec_set_noise(d, told, len(told)) == lib.ARC_OK
    assert dbov(np.concatenate([fill(d, 160, "comfort") for _ in range(100)])) == pytest.approx(-50, abs=2)


@given(levels=st.lists(st.integers(0, 127), min_size=1, max_size=400), ms=st.sampled_from([10, 20, 60]))
def test_silence_never_begins_before_its_hangover_and_is_always_told(levels: list[int], ms: int) -> None:
    s = ffi.new("struct arc_silence *")
    lib.arc_silence_init(s)
    quiet_us = since_told_us = 0
    was_silent = False
    for level in levels:
        say = lib.arc_silence_on_frame(s, level, 1000 * ms)
        if -level > -65 and -level > s.floor_dbov + 9:  # loud
            assert say == lib.ARC_SILENCE_SPEECH
            quiet_us = 0
        else:
            quiet_us += 1000 * ms
        assert (say == lib.ARC_SILENCE_SPEECH) == (quiet_us <= 200_000)
        since_told_us += 1000 * ms
        if say != lib.ARC_SILENCE_SPEECH and not was_silent:
            assert say == lib.ARC_SILENCE_NOISE
        if say == lib.ARC_SILENCE_NOISE:
            since_told_us = 0
        was_silent = say != lib.ARC_SILENCE_SPEECH
        assert not was_silent or since_told_us < 500_000
        assert -127 <= s.floor_dbov <= -35


def test_silence_noise_that_grows_is_silence_again_after_a_while() -> None:
    s = ffi.new("struct arc_silence *")
    lib.arc_silence_init(s)
    said = [lib.arc_silence_on_frame(s, level, 20_000) for level in [60] * 100 + [45] * 200]
    assert lib.ARC_SILENCE_SPEECH not in said[20:100]
    assert said[110] == lib.ARC_SILENCE_SPEECH
    assert lib.ARC_SILENCE_SPEECH not in said[-20:]


@pytest.mark.parametrize(("codec", "allocations"), [(OPUS, 4), (PCMU, 2), (G722, 2)])
def test_aenc_out_of_memory_leaves_nothing(codec: int, allocations: int) -> None:
    rate = {OPUS: 48_000, PCMU: 8000, G722: 16_000}[codec]
    assert survives_every_failure(lambda: encoder(codec, rate))[0] == allocations


def test_adec_g711_out_of_memory_leaves_nothing() -> None:
    assert survives_every_failure(lambda: decoder(PCMU))[0] == 4


@pytest.mark.parametrize(("codec", "rate", "channels", "ms"), [
    (CN, 8000, 1, 20), (PCMU, 16_000, 1, 20), (PCMA, 8000, 2, 20), (G722, 8000, 1, 20), (PCMU, 8000, 1, 25),
    (PCMU, 8000, 1, 70), (L16, 44_100, 1, 2.5), (L16, 96_000, 1, 10), (OPUS, 44_100, 1, 20), (OPUS, 48_000, 1, 30),
    (6, 8000, 1, 20), (-1, 8000, 1, 20)])
def test_aenc_new_refuses_what_there_is_not(codec: int, rate: int, channels: int, ms: float) -> None:
    config = ffi.new("struct arc_aenc_config *", {"codec": codec, "frame_us": round(ms * 1000),
                                                  "opus": {"sample_rate_hz": rate, "channels": channels}})
    assert lib.arc_aenc_new(config, ffi.new("struct arc_aenc **")) == lib.ARC_ERR_ARG


def test_aenc_opus_is_the_encoder_of_opus() -> None:
    e = encoder(OPUS, 16_000)
    opus = lib.arc_aenc_opus(e)
    assert lib.arc_opus_enc_set_bitrate(opus, 12_000) == lib.ARC_OK
    packet, told = encode(e, at(16_000)[:320])
    assert not told
    assert len(decode(decoder(OPUS), packet)) == 320
    assert lib.arc_aenc_opus(encoder(PCMU)) == ffi.NULL


def test_audiocodec_names_and_clocks() -> None:
    assert [ffi.string(lib.arc_audiocodec_name(c)).decode() for c in (*range(6), 6)] == [
        "opus", "pcmu", "pcma", "g722", "l16", "cn", ""]
    assert [lib.arc_audiocodec_rate_hz(c, 44_100) for c in range(6)] == [44_100, 8000, 8000, 16_000, 44_100, 8000]
    assert [lib.arc_audiocodec_clock_hz(c, lib.arc_audiocodec_rate_hz(c, 16_000)) for c in range(6)] == [
        48_000, 8000, 8000, 8000, 16_000, 8000]
