"""audio/opuscodec and audio/fade through the C functions."""
from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from arcrtc._native import check, ffi, lib, new_handle
from tests.model.allocation import survives_every_failure
from tests.model.speech import blocks, noise, speech

OK, AGAIN = lib.ARC_OK, lib.ARC_AGAIN
ARG, SPACE, CODEC, NOMEM = lib.ARC_ERR_ARG, lib.ARC_ERR_SPACE, lib.ARC_ERR_CODEC, lib.ARC_ERR_NOMEM
VOIP, AUDIO, LOWDELAY = (lib.ARC_OPUS_APPLICATION_VOIP, lib.ARC_OPUS_APPLICATION_AUDIO,
                         lib.ARC_OPUS_APPLICATION_LOWDELAY)
RATES = (8000, 12000, 16000, 24000, 48000)
TENTH_MS = (25, 50, 100, 200, 400, 600, 800, 1000, 1200)
DEFAULTS = {"sample_rate_hz": 16000, "channels": 1, "bitrate_bps": 32000, "complexity": 5,
            "application": VOIP, "expected_loss_pct": 10, "dtx": False, "fec": False, "vbr": True}


def config(**fields: Any) -> Any:
    return ffi.new("struct arc_opus_enc_config *", {**DEFAULTS, **fields})


def encoder(**fields: Any) -> Any:
    return new_handle(lib.arc_opus_enc_new, lib.arc_opus_enc_free, "struct arc_opus_enc",
                      config(**fields), what="encoder")


def decoder(rate: int = 16000, channels: int = 1) -> Any:
    return new_handle(lib.arc_opus_dec_new, lib.arc_opus_dec_free, "struct arc_opus_dec",
                      rate, channels, what="decoder")


def view(pcm: NDArray[Any]) -> Any:
    return ffi.from_buffer("int16_t[]" if pcm.dtype == np.int16 else "float[]", pcm)


def encode(e: Any, pcm: NDArray[Any], cap: int = lib.ARC_OPUS_MAX_PACKET_BYTES) -> bytes:
    out, length = ffi.new("uint8_t[]", cap), ffi.new("int32_t *")
    pcm = np.ascontiguousarray(pcm)
    call = lib.arc_opus_enc_encode if pcm.dtype == np.int16 else lib.arc_opus_enc_encode_float
    check(call(e, view(pcm), len(pcm), out, cap, length), "encode")
    return bytes(ffi.buffer(out, length[0]))


def decode(d: Any, packet: bytes, channels: int = 1, dtype: Any = np.int16) -> NDArray[Any]:
    out, n = np.zeros((5760, channels), dtype=dtype), ffi.new("int32_t *")
    call = lib.arc_opus_dec_decode if dtype == np.int16 else lib.arc_opus_dec_decode_float
    check(call(d, packet, len(packet), view(out), 5760, n), "decode")
    return out[:n[0]]


def decode_fec(d: Any, packet: bytes, n: int, channels: int = 1,
               dtype: Any = np.int16) -> tuple[int, NDArray[Any]]:
    out = np.zeros((n, channels), dtype=dtype)
    call = lib.arc_opus_dec_decode_fec if dtype == np.int16 else lib.arc_opus_dec_decode_fec_float
    return call(d, packet, len(packet), view(out), n), out


def fill(d: Any, n: int, channels: int = 1, dtype: Any = np.int16, comfort: bool = False) -> NDArray[Any]:
    out = np.zeros((n, channels), dtype=dtype)
    name = ("comfort" if comfort else "conceal") + ("" if dtype == np.int16 else "_float")
    check(getattr(lib, f"arc_opus_dec_{name}")(d, view(out), n), "fill")
    return out


def dbfs(pcm: NDArray[Any]) -> float:
    scale = 32768 if pcm.dtype == np.int16 else 1
    power = float(np.mean((pcm.astype(np.float64) / scale) ** 2))
    return 10 * float(np.log10(power)) if power else -200.0


def resampled(rate: int, channels: int) -> NDArray[np.int16]:
    """Two seconds of speech at another rate, crudely, right channel half as loud."""
    source = speech()[:32000].astype(np.float64)
    times = np.arange(2 * rate) * 16000 / rate
    mono = np.interp(times, np.arange(len(source)), source)
    return np.stack([mono / (1 + c) for c in range(channels)], axis=1).astype(np.int16)


def primed(packets: list[bytes], rate: int = 16000, channels: int = 1) -> Any:
    d = decoder(rate, channels)
    for packet in packets:
        decode(d, packet, channels)
    return d


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2])
def test_opus_round_trip_at_every_rate_and_length(rate: int, channels: int) -> None:
    source = resampled(rate, channels)
    for tenth in TENTH_MS:
        n = rate * tenth // 10000
        e = encoder(sample_rate_hz=rate, channels=channels, bitrate_bps=96000 * channels, application=AUDIO)
        d = decoder(rate, channels)
        lag = lib.arc_opus_enc_lookahead_samples(e)
        packets = [encode(e, block) for block in blocks(source[:rate], n)]
        assert all(lib.arc_opus_packet_samples(p, len(p), rate) == n for p in packets)
        output = np.concatenate([decode(d, p, channels) for p in packets])
        for c in range(channels):
            likeness = np.corrcoef(source[:len(output) - lag, c], output[lag:, c])[0, 1]
            assert likeness > 0.93, (tenth, c, likeness)


def test_opus_int16_and_float_agree() -> None:
    source = speech()[:32000]
    for application in (VOIP, AUDIO, LOWDELAY):
        a, b = encoder(application=application), encoder(application=application)
        packets = [encode(a, x) for x in blocks(source, 320)]
        assert packets == [encode(b, x.astype(np.float32) / np.float32(32768)) for x in blocks(source, 320)]
        d, f = decoder(), decoder()
        ints = np.concatenate([decode(d, p) for p in packets])
        floats = np.concatenate([decode(f, p, dtype=np.float32) for p in packets])
        assert np.max(np.abs(ints / 32768.0 - floats)) < 1.01 / 32768


def test_opus_encoder_refuses_bad_config() -> None:
    out = ffi.new("struct arc_opus_enc **")
    bad = [("sample_rate_hz", (0, 44100, 96000, -8000)), ("channels", (0, 3)),
           ("bitrate_bps", (0, 5999, 510001, -1)), ("complexity", (-1, 11)),
           ("application", (-1, 3)), ("expected_loss_pct", (-1, 101))]
    for name, values in bad:
        for value in values:
            assert lib.arc_opus_enc_new(config(**{name: value}), out) == ARG, (name, value)
    assert lib.arc_opus_enc_new(ffi.NULL, out) == ARG
    assert lib.arc_opus_enc_new(config(), ffi.NULL) == ARG
    assert out[0] == ffi.NULL
    dec = ffi.new("struct arc_opus_dec **")
    for rate, channels in ((44100, 1), (0, 1), (16000, 0), (16000, 3)):
        assert lib.arc_opus_dec_new(rate, channels, dec) == ARG
    assert lib.arc_opus_dec_new(16000, 1, ffi.NULL) == ARG
    lib.arc_opus_enc_free(ffi.NULL)
    lib.arc_opus_dec_free(ffi.NULL)


def test_opus_encode_refuses_bad_arguments_and_changes_nothing() -> None:
    e, pcm, out, n = encoder(), np.zeros(5760, np.int16), ffi.new("uint8_t[]", 4000), ffi.new("int32_t *", 77)
    for size in (0, -320, 1, 39, 41, 319, 321, 2880, 5760):
        assert lib.arc_opus_enc_encode(e, view(pcm), size, out, 4000, n) == ARG, size
    for cap in (-1, 0, 1, lib.ARC_OPUS_MIN_CAP_BYTES - 1):
        assert lib.arc_opus_enc_encode(e, view(pcm), 320, out, cap, n) == SPACE
    assert lib.arc_opus_enc_encode(e, ffi.NULL, 320, out, 4000, n) == ARG
    assert lib.arc_opus_enc_encode(e, view(pcm), 320, ffi.NULL, 4000, n) == ARG
    assert lib.arc_opus_enc_encode(e, view(pcm), 320, out, 4000, ffi.NULL) == ARG
    assert lib.arc_opus_enc_encode_float(e, ffi.NULL, 320, out, 4000, n) == ARG
    assert n[0] == 77
    for setter, values in ((lib.arc_opus_enc_set_bitrate, (0, 5999, 510001)),
                           (lib.arc_opus_enc_set_loss_pct, (-1, 101)),
                           (lib.arc_opus_enc_set_complexity, (-1, 11))):
        assert all(setter(e, value) == ARG for value in values)
    assert encode(e, speech()[:320]) == encode(encoder(), speech()[:320])


def test_opus_short_frames_need_a_rate_that_libopus_codes() -> None:
    e, source, n = encoder(bitrate_bps=9599), speech()[3200:3240], ffi.new("int32_t *")
    out = ffi.new("uint8_t[]", 4000)
    assert lib.arc_opus_enc_encode(e, view(np.ascontiguousarray(source)), 40, out, 4000, n) == ARG
    assert lib.arc_opus_enc_set_bitrate(e, 9600) == OK
    assert len(encode(e, source)) > 2


@pytest.mark.parametrize("tenth", TENTH_MS)
def test_opus_smallest_room_still_carries_the_signal(tenth: int) -> None:
    n, cap = 16 * tenth // 10, lib.ARC_OPUS_MIN_CAP_BYTES
    e, d = encoder(bitrate_bps=64000), decoder()
    packets = [encode(e, block, cap) for block in blocks(speech()[:32000], n)]
    assert max(map(len, packets)) <= cap
    output = np.concatenate([decode(d, p) for p in packets])
    assert dbfs(output) > dbfs(speech()[:32000]) - 6


def test_opus_largest_packet_fits_the_documented_room() -> None:
    rng = np.random.default_rng(3)
    e = encoder(sample_rate_hz=48000, channels=2, bitrate_bps=510000, application=AUDIO)
    longest = max(len(encode(e, rng.integers(-20000, 20000, (5760, 2)).astype(np.int16))) for _ in range(5))
    assert 7000 < longest <= lib.ARC_OPUS_MAX_PACKET_BYTES


def test_opus_floats_that_are_no_numbers_have_a_defined_meaning() -> None:
    source = (speech()[8000:8320] / 32768).astype(np.float32)
    dirty, clean = source.copy(), source.copy()
    dirty[[3, 100, 200, 300]] = [np.nan, np.inf, -np.inf, 7.5]
    clean[[3, 100, 200, 300]] = [0, 1, -1, 1]
    kept = dirty.copy()
    a, b = encoder(), encoder()
    assert encode(a, dirty) == encode(b, clean)
    assert np.array_equal(dirty, kept, equal_nan=True)  # the caller's array is left alone
    d = decoder()
    for samples in (np.full(320, np.nan, np.float32), np.full(320, np.inf, np.float32), source):
        output = decode(d, encode(a, samples), dtype=np.float32)
        assert np.all(np.isfinite(output))
        assert np.max(np.abs(output)) <= 2


def test_opus_cbr_makes_equal_packets() -> None:
    e = encoder(vbr=False)
    assert {len(encode(e, block)) for block in blocks(speech(), 320)} == {80}


@pytest.mark.parametrize("bitrate", [12000, 24000, 48000, 96000])
def test_opus_bitrate_changes_in_place(bitrate: int) -> None:
    e, d = encoder(), decoder()
    pieces = blocks(speech(), 320)
    before = [encode(e, block) for block in pieces[:100]]
    assert lib.arc_opus_enc_set_bitrate(e, bitrate) == OK
    after = [encode(e, block) for block in pieces[100:]]
    assert sum(map(len, before)) * 8 / 2.0 == pytest.approx(32000, rel=0.05)
    assert sum(map(len, after)) * 8 / 4.0 == pytest.approx(bitrate, rel=0.05)
    # No break where it changed: the whole decodes as one.
    output = np.concatenate([decode(d, p) for p in before + after])
    lag = lib.arc_opus_enc_lookahead_samples(e)
    around = slice(100 * 320 - 640, 100 * 320 + 640)
    assert np.corrcoef(speech()[around], output[around.start + lag:around.stop + lag, 0])[0, 1] > 0.8


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16000, 1), (48000, 1), (48000, 2)])
def test_opus_dtx_sends_almost_nothing_in_silence(rate: int, channels: int) -> None:
    for complexity in (5, 10):
        e = encoder(sample_rate_hz=rate, channels=channels, dtx=True, complexity=complexity)
        quiet = np.zeros((rate // 50, channels), np.int16)
        lengths = [len(encode(e, quiet)) for _ in range(500)]
        assert all(n == 0 or n > 2 for n in lengths)
        assert sum(n > 0 for n in lengths[50:]) <= 450 / 20 + 1  # a refresh each 400 ms
        assert lib.arc_opus_enc_set_dtx(e, False) == OK
        assert all(encode(e, quiet) for _ in range(50))
        assert lib.arc_opus_enc_set_dtx(e, True) == OK
        assert not all(encode(e, quiet) for _ in range(50))


def test_opus_dtx_ends_with_the_first_frame_of_speech() -> None:
    e = encoder(dtx=True)
    for _ in range(50):
        encode(e, np.zeros(320, np.int16))
    assert all(len(encode(e, block)) > 20 for block in blocks(speech()[8000:16000], 320))


def test_opus_fec_bit_is_told_from_libopus_packets() -> None:
    for rate, channels, ms in ((16000, 1, 20), (16000, 2, 20), (48000, 1, 20), (16000, 1, 10), (16000, 1, 40),
                               (16000, 1, 60), (16000, 2, 60), (16000, 1, 120)):
        with_fec, n = {}, rate * ms // 1000
        for fec, loss in ((True, 20), (False, 20), (True, 0)):
            e = encoder(sample_rate_hz=rate, channels=channels, bitrate_bps=48000, fec=fec,
                        expected_loss_pct=loss)
            packets = [encode(e, block) for block in blocks(resampled(rate, channels), n)]
            with_fec[fec, loss] = sum(lib.arc_opus_packet_has_fec(p, len(p)) for p in packets) / len(packets)
        assert with_fec[True, 20] > 0.7, (rate, channels, ms)
        assert with_fec[False, 20] == 0
        assert with_fec[True, 0] == 0


def test_opus_fec_can_be_turned_on_and_off_in_place() -> None:
    e, pieces = encoder(fec=False, expected_loss_pct=0), blocks(speech(), 320)

    def share(part: list[NDArray[np.int16]]) -> float:
        packets = [encode(e, block) for block in part]
        return sum(lib.arc_opus_packet_has_fec(p, len(p)) for p in packets) / len(packets)

    assert share(pieces[:50]) == 0
    assert lib.arc_opus_enc_set_fec(e, True) == OK
    assert share(pieces[50:100]) == 0
    assert lib.arc_opus_enc_set_loss_pct(e, 15) == OK
    assert share(pieces[100:150]) > 0.7
    assert lib.arc_opus_enc_set_fec(e, False) == OK
    assert share(pieces[151:200]) <= 0.05


def test_opus_packets_without_silk_have_no_fec() -> None:
    for toc in range(0x80, 0x100, 4):
        assert not lib.arc_opus_packet_has_fec(bytes([toc, 0xff, 0xff]), 3)
    assert lib.arc_opus_packet_has_fec(bytes([9 << 3, 0x40, 0]), 3)  # WB, 20 ms: one VAD bit, then LBRR
    assert not lib.arc_opus_packet_has_fec(bytes([9 << 3, 0x80, 0]), 3)
    assert lib.arc_opus_packet_has_fec(bytes([9 << 3 | 4, 0x10, 0]), 3)  # stereo, side channel only
    assert not lib.arc_opus_packet_has_fec(bytes([9 << 3, 0x10, 0]), 3)
    assert lib.arc_opus_packet_has_fec(bytes([11 << 3, 0x10, 0]), 3)  # 60 ms: three VAD bits
    assert lib.arc_opus_packet_has_fec(bytes([11 << 3 | 4, 0x01, 0]), 3)
    assert not lib.arc_opus_packet_has_fec(bytes([9 << 3, 0x40]), 2)  # a frame of one byte is DTX
    assert not lib.arc_opus_packet_has_fec(bytes([9 << 3 | 3, 0]), 2)  # code 3 without frames
    assert not lib.arc_opus_packet_has_fec(ffi.NULL, 5)


def test_opus_fec_rebuilds_the_frame_before() -> None:
    source, dtypes = speech(), (np.int16, np.float32)
    e = encoder(bitrate_bps=32000, fec=True, expected_loss_pct=15, complexity=10)
    packets = [encode(e, block) for block in blocks(source, 320)]
    whole = np.concatenate([decode(d, p) for d in [decoder()] for p in packets])[:, 0]
    for dtype in dtypes:
        recovered, concealed = [], []
        for lost in range(20, 290, 9):
            if not lib.arc_opus_packet_has_fec(packets[lost + 1], len(packets[lost + 1])):
                continue
            good = whole[lost * 320:lost * 320 + 320].astype(np.float64)
            d = primed(packets[:lost])
            status, frame = decode_fec(d, packets[lost + 1], 320, dtype=dtype)
            assert status == OK
            recovered.append(np.corrcoef(good, frame[:, 0])[0, 1])
            concealed.append(np.corrcoef(good, fill(primed(packets[:lost]), 320)[:, 0])[0, 1])
        assert len(recovered) > 20
        assert np.median(recovered) > 0.9
        assert np.median(concealed) < np.median(recovered) - 0.1


@pytest.mark.parametrize("frames", [2, 3, 6])
def test_opus_fec_of_a_longer_loss_conceals_the_first_part(frames: int) -> None:
    e = encoder(fec=True, expected_loss_pct=15)
    packets = [encode(e, block) for block in blocks(speech(), 320)]
    following = packets[60 + frames]
    assert lib.arc_opus_packet_has_fec(following, len(following))
    a, b = primed(packets[:60]), primed(packets[:60])
    status, long = decode_fec(a, following, 320 * frames)
    assert status == OK
    parts = [*(fill(b, 320) for _ in range(frames - 1)), decode_fec(b, following, 320)[1]]
    assert np.array_equal(long, np.concatenate(parts))
    assert np.array_equal(decode(a, following), decode(b, following))


def test_opus_fec_says_again_and_does_nothing_where_there_is_none() -> None:
    e = encoder(fec=False)
    packets = [encode(e, block) for block in blocks(speech()[:16000], 320)]
    a, b = primed(packets[:30]), primed(packets[:30])
    status, out = decode_fec(a, packets[31], 320)
    assert status == AGAIN
    assert not np.any(out)
    assert np.array_equal(decode(a, packets[31]), decode(b, packets[31]))


def test_opus_fec_of_a_longer_frame_than_the_loss_says_again() -> None:
    e = encoder(fec=True, expected_loss_pct=20)
    packets = [encode(e, block) for block in blocks(speech()[:32000], 960)]
    with_fec = [i for i in range(5, 30) if lib.arc_opus_packet_has_fec(packets[i], len(packets[i]))]
    assert with_fec
    d = primed(packets[:with_fec[0] - 1])
    assert decode_fec(d, packets[with_fec[0]], 320)[0] == AGAIN
    assert decode_fec(d, packets[with_fec[0]], 960)[0] == OK


def test_opus_fec_after_celt_says_again() -> None:
    celt = encoder(application=LOWDELAY)
    silk = encoder(fec=True, expected_loss_pct=15)
    packets = [encode(silk, block) for block in blocks(speech()[:32000], 320)]
    assert lib.arc_opus_packet_has_fec(packets[60], len(packets[60]))
    d = primed([encode(celt, block) for block in blocks(speech()[:3200], 320)])
    assert decode_fec(d, packets[60], 320)[0] == AGAIN
    decode(d, packets[59])
    assert decode_fec(d, packets[60], 320)[0] == OK


@pytest.mark.parametrize(("rate", "application"), [
    (16000, VOIP), (48000, VOIP), (48000, AUDIO), (48000, LOWDELAY)])
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_opus_concealment_fades_and_never_rings_on(rate: int, application: int, dtype: Any) -> None:
    e, n = encoder(sample_rate_hz=rate, application=application, bitrate_bps=48000), rate // 50
    packets = [encode(e, block) for block in blocks(resampled(rate, 1), n)]
    for at in range(30, 100, 7):
        d = primed(packets[:at], rate)
        frames = [fill(d, n, dtype=dtype) for _ in range(50)]
        assert all(dbfs(frame) < -60 for frame in frames[9:])
        assert not any(np.any(frame) for frame in frames[10:])  # silent from 200 ms on
        assert dbfs(np.concatenate(frames)) < 0


def test_opus_concealment_keeps_its_level_for_60_ms() -> None:
    e = encoder()
    packets = [encode(e, block) for block in blocks(speech(), 320)]
    a, b = primed(packets[:50]), primed(packets[:50])
    assert np.array_equal(fill(a, 960), fill(b, 960, comfort=True))
    faded, plain = fill(a, 320), fill(b, 320, comfort=True)
    assert -12 < dbfs(faded) - dbfs(plain) < -2


def test_opus_concealment_before_the_first_packet_is_silence() -> None:
    assert not np.any(fill(decoder(), 1920))
    assert not np.any(fill(decoder(48000, 2), 5760, channels=2, dtype=np.float32))


@pytest.mark.parametrize("tenth", [25, 50, 200])
def test_opus_first_frame_after_a_long_loss_comes_up_without_a_click(tenth: int) -> None:
    n, source = 16 * tenth // 10, speech()
    e = encoder(bitrate_bps=64000, application=AUDIO)
    packets = [encode(e, block) for block in blocks(source, n)]
    at, back = 16000 // n, 24000 // n
    faded, plain = primed(packets[:at]), primed(packets[:at])
    for _ in range(320 * 15 // n):
        fill(faded, n)
        fill(plain, n, comfort=True)
    later = packets[back:back + 320 * 3 // n]
    heard, full = (np.concatenate([decode(d, p) for p in later])[:, 0].astype(np.float64)
                   for d in (faded, plain))
    assert dbfs(full[:80].astype(np.int16)) > -40
    assert abs(heard[0]) <= abs(full[0]) * 0.01 + 1
    assert np.all(np.abs(heard[:80]) <= np.abs(full[:80]) + 1)
    assert np.array_equal(heard[80:], full[80:])  # 5 ms, then exactly the decoder's own
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.where(np.abs(full[:80]) > 200, heard[:80] / full[:80], np.nan)
    gain = gain[~np.isnan(gain)]
    assert len(gain) > 20
    assert np.all(np.diff(gain) > -0.02)  # rises throughout


def test_opus_short_loss_leaves_the_next_frame_alone() -> None:
    e = encoder()
    packets = [encode(e, block) for block in blocks(speech(), 320)]
    a, b = primed(packets[:50]), primed(packets[:50])
    fill(a, 960)
    fill(b, 960, comfort=True)
    assert np.array_equal(decode(a, packets[53]), decode(b, packets[53]))


def test_opus_loss_that_cuts_the_way_up_goes_down_from_there() -> None:
    e = encoder(bitrate_bps=96000, application=LOWDELAY)
    packets = [encode(e, block) for block in blocks(speech(), 40)]
    d = primed(packets[:400])
    for _ in range(120):
        fill(d, 40)
    up = decode(d, packets[520])[:, 0].astype(np.float64)  # 2.5 of the 5 ms
    down = fill(d, 40)[:, 0].astype(np.float64)
    steps = np.abs(np.diff(np.concatenate([up, down])))
    assert np.any(down)
    assert steps[len(up) - 1] <= 3 * np.max(np.delete(steps, len(up) - 1)) + 1


@pytest.mark.parametrize(("rate", "application"), [(16000, VOIP), (48000, VOIP)])
def test_opus_comfort_noise_keeps_the_level_of_the_background(rate: int, application: int) -> None:
    n = rate // 50
    e = encoder(sample_rate_hz=rate, application=application, dtx=True, complexity=5)
    background = noise(rate * 4, -60)
    d, levels, gaps = decoder(rate), [], 0
    for block in blocks((background * 32767).astype(np.int16), n):
        packet = encode(e, block)
        gaps += not packet
        frame = decode(d, packet) if packet else fill(d, n, comfort=True)
        levels.append(dbfs(frame))
    assert gaps > 100
    assert np.max(np.abs(np.array(levels[25:]) + 60)) < 9  # never falls to silence, never grows


def test_opus_decode_refuses_damaged_packets_and_goes_on() -> None:
    e = encoder()
    packets = [encode(e, block) for block in blocks(speech()[:16000], 320)]
    a, b = primed(packets[:20]), primed(packets[:20])
    out, n = np.zeros(5760, np.int16), ffi.new("int32_t *", 77)
    damaged = [b"\xff", bytes([3]), bytes([9 << 3 | 3, 0]), bytes([9 << 3 | 1, 1, 2, 3, 4, 5])[:4],
               bytes([9 << 3 | 2, 200, 1]), bytes([11 << 3 | 3, 3, *([0] * 9)]),
               bytes([9 << 3]) + bytes(1276)]
    for packet in damaged:
        assert lib.arc_opus_packet_samples(packet, len(packet), 16000) == 0
        assert lib.arc_opus_dec_decode(a, packet, len(packet), view(out), 5760, n) == CODEC, packet
        assert decode_fec(a, packet, 320)[0] == CODEC
    assert lib.arc_opus_dec_decode(a, b"", 0, view(out), 5760, n) == CODEC
    assert n[0] == 77
    assert np.array_equal(decode(a, packets[20]), decode(b, packets[20]))


def test_opus_decode_refuses_bad_arguments_and_changes_nothing() -> None:
    e = encoder()
    packets = [encode(e, block) for block in blocks(speech()[:16000], 320)]
    a, b = primed(packets[:20]), primed(packets[:20])
    out, n, p = np.zeros(5760, np.int16), ffi.new("int32_t *", 77), packets[20]
    assert lib.arc_opus_dec_decode(a, p, len(p), view(out), 319, n) == SPACE
    assert lib.arc_opus_dec_decode(a, p, len(p), view(out), -1, n) == ARG
    assert lib.arc_opus_dec_decode(a, ffi.NULL, 3, view(out), 5760, n) == ARG
    assert lib.arc_opus_dec_decode(a, p, -1, view(out), 5760, n) == ARG
    assert lib.arc_opus_dec_decode(a, p, len(p), ffi.NULL, 5760, n) == ARG
    assert lib.arc_opus_dec_decode(a, p, len(p), view(out), 5760, ffi.NULL) == ARG
    for size in (0, -320, 39, 41, 1921, 1960, 5760):
        assert lib.arc_opus_dec_conceal(a, view(out), size) == ARG
        assert lib.arc_opus_dec_comfort(a, view(out), size) == ARG
        assert lib.arc_opus_dec_decode_fec(a, p, len(p), view(out), size) == ARG
    assert lib.arc_opus_dec_conceal(a, ffi.NULL, 320) == ARG
    assert lib.arc_opus_dec_decode_fec(a, ffi.NULL, 0, view(out), 320) == ARG
    assert lib.arc_opus_dec_decode_fec(a, p, len(p), ffi.NULL, 320) == ARG
    assert n[0] == 77
    assert not np.any(out)
    assert np.array_equal(decode(a, p), decode(b, p))


def test_opus_packet_samples() -> None:
    def samples(*data: int, rate: int = 48000) -> int:
        return int(lib.arc_opus_packet_samples(bytes(data), len(data), rate))

    assert samples(0 << 3, 1) == 480
    assert samples(3 << 3, 1) == 2880
    assert samples(3 << 3, 1, rate=8000) == 480
    assert samples(16 << 3, 1) == 120
    assert samples(31 << 3) == 960  # only a TOC: legal, a frame of no bytes
    assert samples(9 << 3 | 1, 1, 2) == 1920
    assert samples(16 << 3 | 3, 48, *([0] * 48)) == 5760
    assert samples(16 << 3 | 3, 49, *([0] * 49)) == 0  # above 120 ms
    assert samples(9 << 3 | 1, 1, 2, 3) == 0  # two frames of 1.5 bytes
    assert samples(9 << 3, 1, rate=44100) == 0
    assert lib.arc_opus_packet_samples(b"", 0, 48000) == 0
    assert lib.arc_opus_packet_samples(b"\x48", -1, 48000) == 0
    assert lib.arc_opus_packet_samples(ffi.NULL, 1, 48000) == 0


@given(st.lists(st.binary(max_size=40), max_size=8), st.sampled_from(RATES), st.sampled_from([1, 2]))
def test_opus_decoder_survives_any_bytes(packets: list[bytes], rate: int, channels: int) -> None:
    d, n = decoder(rate, channels), ffi.new("int32_t *")
    guard = np.full((5761, channels), 1234, np.int16)
    for packet in packets:
        need = lib.arc_opus_packet_samples(packet, len(packet), rate)
        guard[:] = 1234
        status = lib.arc_opus_dec_decode(d, packet, len(packet), view(guard), need, n)
        assert status == (OK if need else CODEC)
        assert np.all(guard[need:] == 1234)
        decode_fec(d, packet, rate // 50, channels)
        fill(d, rate // 100, channels)


@pytest.mark.parametrize("make", [encoder, decoder])
def test_opus_new_survives_every_allocation_failure(make: Any) -> None:
    gc.collect()  # what other tests left behind
    live = lib.arc_mem_live_blocks()
    allowed, handle = survives_every_failure(lambda: make())
    assert allowed == {encoder: 3, decoder: 2}[make]
    assert lib.arc_mem_live_blocks() == live + allowed
    ffi.release(handle)
    assert lib.arc_mem_live_blocks() == live


def test_opus_data_path_allocates_nothing() -> None:
    e, d = encoder(fec=True), decoder()
    pieces = blocks(speech()[:9600], 320)
    lib.arc_mem_fail_after(0)
    try:
        for block in pieces:
            packet = encode(e, block)
            decode_fec(d, packet, 320)
            decode(d, packet)
            fill(d, 320)
    finally:
        lib.arc_mem_fail_after(-1)


def test_opus_version_names_the_library() -> None:
    assert ffi.string(lib.arc_opus_version()).decode().startswith("libopus 1.")
