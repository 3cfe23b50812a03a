"""wire/pl_opus: against the plain model, and on what libopus makes."""
from __future__ import annotations

import wave
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc._native import ffi, lib, new_handle
from tests.model.opus_model import FRAME_US, frames_of

SPEECH = Path(__file__).parents[1] / "data" / "speech_en_m_16k.wav"


def _parse(payload: bytes) -> tuple[int, object]:
    out = ffi.new("struct arc_pl_opus *")
    return lib.arc_pl_opus_parse(payload, len(payload), out), out


def _length(n: int) -> bytes:
    return bytes([n]) if n < 252 else bytes([252 + n % 4, (n - 252 - n % 4) // 4])


@st.composite
def opus_packets(draw: st.DrawFn) -> bytes:
    """Packets of every code, most of them valid, some cut or longer."""
    code, toc = draw(st.integers(0, 3)), draw(st.integers(0, 63)) << 2
    sizes = draw(st.lists(st.integers(0, 20) | st.integers(240, 270) | st.integers(1270, 1280), min_size=1,
                          max_size=6))
    if code < 2:
        body = bytes(sizes[0]) * (1 if code == 0 else 2)
    elif code == 2:
        body = _length(min(sizes[0], 1275)) + bytes(sizes[0]) + bytes(sizes[-1])
    else:
        vbr, padding = draw(st.booleans()), draw(st.none() | st.integers(0, 600))
        head = vbr << 7 | (padding is not None) << 6 | len(sizes)
        body = bytes([head])
        if padding is not None:
            body += b"\xff" * (padding // 254) + bytes([padding % 254])
        if vbr:
            body += b"".join(_length(min(n, 1275)) for n in sizes[:-1]) + bytes(sum(sizes))
        else:
            body += bytes(sizes[0]) * len(sizes)
        body += bytes(padding or 0)
    packet = bytes([toc | code]) + body
    cut = draw(st.integers(0, 8))
    if cut == 0:
        return packet[:draw(st.integers(0, len(packet)))]
    return packet + bytes(1) if cut == 1 else packet


@given(opus_packets() | st.binary(max_size=12))
def test_pl_opus_matches_model_for_any_bytes(packet: bytes) -> None:
    status, o = _parse(packet)
    frames = frames_of(packet)
    assert (status == lib.ARC_OK) == (frames is not None)
    if frames is None:
        return
    assert o.n_frames == len(frames)  # type: ignore[attr-defined]
    assert o.frame_us == FRAME_US[packet[0] >> 3]  # type: ignore[attr-defined]
    assert o.duration_us == o.n_frames * o.frame_us <= 120000  # type: ignore[attr-defined]
    assert o.stereo == bool(packet[0] & 4)  # type: ignore[attr-defined]
    places = [(o.frame_off[i], o.frame_len[i]) for i in range(len(frames))]  # type: ignore[attr-defined]
    assert [packet[off:off + n] for off, n in places] == frames
    assert places[-1][0] + places[-1][1] + o.padding_len == len(packet)  # type: ignore[attr-defined]


def test_pl_opus_mode_and_bandwidth_of_every_config() -> None:
    """RFC 6716 section 3.1, table 2."""
    silk, hybrid, celt = lib.ARC_PL_OPUS_SILK, lib.ARC_PL_OPUS_HYBRID, lib.ARC_PL_OPUS_CELT
    nb, mb, wb = lib.ARC_PL_OPUS_NB, lib.ARC_PL_OPUS_MB, lib.ARC_PL_OPUS_WB
    swb, fb = lib.ARC_PL_OPUS_SWB, lib.ARC_PL_OPUS_FB
    table = [(silk, nb)] * 4 + [(silk, mb)] * 4 + [(silk, wb)] * 4 + [(hybrid, swb)] * 2 \
        + [(hybrid, fb)] * 2 + [(celt, nb)] * 4 + [(celt, wb)] * 4 + [(celt, swb)] * 4 + [(celt, fb)] * 4
    for config, expected in enumerate(table):
        status, o = _parse(bytes([config << 3, 0]))
        assert status == lib.ARC_OK
        assert (o.config, o.mode, o.bandwidth) == (config, *expected)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("rule", "packet"), [
    ("R1", b""),
    ("R2", bytes(1 + 1276)), ("R2", b"\x01" + bytes(2 * 1276)), ("R2", b"\x02\x00" + bytes(1276)),
    ("R2", b"\x03\x01" + bytes(1276)), ("R2", b"\x03\x81" + bytes(1276)),
    ("R3", b"\x01\x00"),
    ("R4", b"\x02"), ("R4", b"\x02\xfc"), ("R4", b"\x02\x02\x00"),
    ("R5", b"\x03\x00"), ("R5", b"\x1b\x03" + bytes(3)), ("R5", b"\x83\x31" + bytes(49)),
    ("R6", b"\x03"), ("R6", b"\x03\x02\x00"), ("R6", b"\x03\x41"), ("R6", b"\x03\x41\x02\x00"),
    ("R6", b"\x03\x41\xff\x00" + bytes(253)),
    ("R7", b"\x03\x82"), ("R7", b"\x03\x82\x05" + bytes(4)), ("R7", b"\x03\xc2\x02\x01\x00\x00"),
])
def test_pl_opus_refuses_what_breaks_a_rule(rule: str, packet: bytes) -> None:
    out = ffi.new("struct arc_pl_opus *", {"config": 7})
    assert lib.arc_pl_opus_parse(packet, len(packet), out) == lib.ARC_ERR_FORMAT, rule
    assert (out.config, out.n_frames) == (7, 0)


def test_pl_opus_takes_the_largest_of_each_rule() -> None:
    for packet, n_frames in ((bytes(1 + 1275), 1), (b"\x83\x30" + bytes(48 * 1275), 48),
                             (b"\x1b\x02" + bytes(2), 2), (b"\x02\xff\xff" + bytes(2550), 2),
                             (b"\x03\x41\xff\x00" + bytes(254), 1)):
        status, o = _parse(packet)
        assert status == lib.ARC_OK
        assert o.n_frames == n_frames  # type: ignore[attr-defined]
    assert lib.arc_pl_opus_parse(ffi.NULL, 1, ffi.new("struct arc_pl_opus *")) == lib.ARC_ERR_ARG


@pytest.mark.parametrize("frame_ms", [2.5, 5, 10, 20, 40, 60, 100, 120])
@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_pl_opus_agrees_with_what_libopus_makes(frame_ms: float, layout: str) -> None:
    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format, codec.bit_rate = 48000, layout, "s16", 128000
    codec.options = {"frame_duration": str(frame_ms), "application": "voip"}
    n, channels = int(48 * frame_ms), 1 if layout == "mono" else 2
    rng = np.random.default_rng(1)
    payloads = []
    for i in range(4):
        noise = rng.integers(-9000, 9000, (1, n * channels), dtype=np.int16)
        frame = av.AudioFrame.from_ndarray(noise, format="s16", layout=layout)
        frame.sample_rate, frame.pts = 48000, i * n
        payloads += [bytes(packet) for packet in codec.encode(frame)]
    assert payloads  # at this rate the encoder does not fold stereo into mono
    for payload in payloads:
        status, o = _parse(payload)
        assert status == lib.ARC_OK
        assert o.duration_us == frame_ms * 1000  # type: ignore[attr-defined]
        assert o.stereo == (channels == 2)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("config", "stereo", "head", "speech"), [
    (9, False, 0x80, True), (9, False, 0x7f, False),    # 20 ms: one flag, the next is of LBRR
    (8, False, 0x7f, False),                            # 10 ms: one too
    (10, False, 0x40, True), (10, False, 0x3f, False),  # 40 ms: two
    (11, False, 0x20, True), (11, False, 0x1f, False),  # 60 ms: three
    (9, True, 0x20, True), (9, True, 0x5f, False),      # the side channel behind the LBRR flag of the other
    (11, True, 0x02, True), (11, True, 0x11, False),
    (13, False, 0x00, False), (13, False, 0x80, True),  # hybrid
    (17, False, 0x00, True),                            # CELT says nothing
])
def test_pl_opus_speech_is_told_by_the_flags_of_silk(config: int, stereo: bool, head: int, speech: bool) -> None:
    packet = bytes([config << 3 | stereo << 2, head, 1, 2])
    assert lib.arc_pl_opus_may_be_speech(packet, len(packet)) == speech
    second = bytes([config << 3 | stereo << 2 | 1, 0, 1, head, 1])
    assert lib.arc_pl_opus_may_be_speech(second, len(second)) == speech


def test_pl_opus_frames_that_were_not_sent_are_no_speech() -> None:
    assert not lib.arc_pl_opus_may_be_speech(b"\x48", 1)
    assert not lib.arc_pl_opus_may_be_speech(b"\x48\xff", 2)  # one byte: DTX (RFC 7587 3.1.3)
    assert lib.arc_pl_opus_may_be_speech(b"\x49\xff\xff\xff", 4)  # breaks rule R3: sent as any other


def test_pl_opus_speech_and_silence_of_libopus_are_told_apart() -> None:
    config = ffi.new("struct arc_opus_enc_config *", {
        "sample_rate_hz": 16_000, "channels": 1, "bitrate_bps": 16_000, "complexity": 5,
        "application": lib.ARC_OPUS_APPLICATION_VOIP, "vbr": True})
    encoder = new_handle(lib.arc_opus_enc_new, lib.arc_opus_enc_free, "struct arc_opus_enc", config, what="encoder")
    with wave.open(str(SPEECH)) as file:
        talk = np.frombuffer(file.readframes(48_000), dtype="<i2")
    pcm = np.concatenate([talk, np.zeros(32_000, dtype=np.int16)]).astype(np.int16)
    out, n, told = ffi.new("uint8_t[]", 1500), ffi.new("int32_t *"), []
    for at in range(0, len(pcm) - 319, 320):
        lib.arc_opus_enc_encode(encoder, ffi.from_buffer("int16_t[]", pcm[at:at + 320]), 320, out, 1500, n)
        told.append(lib.arc_pl_opus_may_be_speech(out, n[0]))
    half = len(talk) // 320
    assert sum(told[:half]) > 0.5 * half
    assert sum(told[half + 25:]) == 0  # half a second of hang-over at most
