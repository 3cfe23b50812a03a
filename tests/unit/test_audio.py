"""arcrtc.audio: frames, settings, the pipeline without RTP."""
from __future__ import annotations

import contextlib
import dataclasses
import gc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc import errors
from arcrtc._native import lib
from arcrtc.audio import AudioConfig, AudioFrame, AudioPipeline, align, overlap, segmental_snr
from arcrtc.errors import ArgumentError, CodecError, ConfigError
from tests.model.speech import SPEECH_RATE, blocks, noise, sine, speech


def frames(samples: Any = None, n: int = 320) -> list[AudioFrame]:
    samples = speech() if samples is None else samples
    return [AudioFrame(samples=block, sample_rate=SPEECH_RATE, timestamp=i * n * 3)
            for i, block in enumerate(blocks(samples, n))]


# Settings


def test_config_defaults_are_those_of_voip() -> None:
    config = AudioPipeline.voip_optimized().config
    assert config == AudioConfig()
    assert (config.codec, config.bitrate, config.sample_rate, config.channels, config.frame_size_ms,
            config.dtx, config.fec, config.plc) == ("opus", 32000, 16000, 1, 20, True, True, True)
    assert AudioPipeline().config == config


@pytest.mark.parametrize(("field", "value", "allowed"), [
    ("codec", "g711", "opus"), ("codec", "", "opus"), ("bitrate", 5999, "6000..510000"),
    ("bitrate", 510_001, "6000..510000"), ("bitrate", 32e3, "6000..510000"),
    ("bitrate", True, "6000..510000"), ("bitrate", "32k", "6000..510000"),
    ("sample_rate", 44100, "8000, 12000, 16000, 24000, 48000"),
    ("channels", 0, "1, 2"), ("channels", 3, "1, 2"), ("channels", True, "1, 2"),
    ("frame_size_ms", 30, "2.5, 5, 10, 20, 40, 60, 80, 100, 120"), ("frame_size_ms", 0, "20"),
    ("frame_size_ms", float("nan"), "20"), ("complexity", 11, "0..10"), ("application", "music", "audio"),
    ("expected_loss_pct", 101, "0..100"), ("expected_loss_pct", -1, "0..100"), ("dtx", 1, "True or False"),
    ("fec", None, "True or False"), ("plc", "yes", "True or False"), ("vbr", 0, "True or False"),
])
def test_config_error_names_field_value_and_range(field: str, value: object, allowed: str) -> None:
    with pytest.raises(ConfigError) as caught:
        AudioConfig(**{field: value})  # type: ignore[arg-type]
    assert isinstance(caught.value, ValueError)
    for part in (field, repr(value), allowed):
        assert part in str(caught.value)


def test_config_of_2_5_ms_needs_9600() -> None:
    with pytest.raises(ConfigError, match=r"9600\.\.510000"):
        AudioConfig(frame_size_ms=2.5, bitrate=9599)
    assert AudioConfig(frame_size_ms=2.5, bitrate=9600).frame_samples == 40
    with pytest.raises(dataclasses.FrozenInstanceError):
        AudioConfig().bitrate = 1  # type: ignore[misc]


# Frames


@pytest.mark.parametrize("samples", [
    np.zeros(320), np.zeros(320, np.int32), np.zeros(320, np.uint8), np.zeros(320, ">i2"),
    np.zeros(320, ">f4"), np.zeros(320, np.float16), np.zeros(320, complex), [0] * 320, bytes(640), None])
def test_frame_refuses_other_types(samples: Any) -> None:
    with pytest.raises(ArgumentError, match=r"int16 .*or float32"):
        AudioFrame(samples=samples, sample_rate=16000)


def test_frame_refuses_shapes_that_do_not_fit() -> None:
    for shape, channels in (((320,), 2), ((320, 1), 2), ((320, 2), 1), ((2, 320), 2), ((1, 320, 2), 2),
                            ((), 1)):
        with pytest.raises(ArgumentError, match="shape"):
            AudioFrame(samples=np.zeros(shape, np.int16), sample_rate=16000, channels=channels)
    for field, value in (("sample_rate", 0), ("sample_rate", -1), ("channels", 0), ("timestamp", -1),
                         ("timestamp", 2**32)):
        fields: Any = {"samples": np.zeros(320, np.int16), "sample_rate": 16000, field: value}
        with pytest.raises(ArgumentError, match=field):
            AudioFrame(**fields)


def test_frame_tells_what_it_holds() -> None:
    silence = np.zeros((480, 2), np.float32)
    frame = AudioFrame(samples=silence, sample_rate=48000, channels=2, timestamp=2**32 - 1)
    assert (frame.n_samples, frame.duration_ms, frame.is_audio, frame.level) == (480, 10.0, True, 127)
    assert repr(frame) == "AudioFrame(480 samples x 2, 48000 Hz, float32, timestamp=4294967295)"
    one = AudioFrame(samples=np.zeros((320, 1), np.int16), sample_rate=16000)
    assert one.n_samples == 320
    assert one.concealed is False


def test_frame_converts_both_ways() -> None:
    every = np.arange(-32768, 32768).astype(np.int16)
    frame = AudioFrame(samples=every, sample_rate=16000)
    floats = frame.to_float32()
    assert floats.dtype == np.float32
    assert (floats.min(), floats.max()) == (-1.0, 32767 / 32768)
    assert np.array_equal(AudioFrame(samples=floats, sample_rate=16000).to_int16(), every)
    assert frame.to_int16() is every
    odd = AudioFrame(samples=np.array([np.nan, np.inf, -np.inf, 2, -2, 1], np.float32), sample_rate=16000)
    assert odd.to_int16().tolist() == [0, 32767, -32768, 32767, -32768, 32767]


# Sending


def test_encode_names_the_allowed_lengths() -> None:
    pipeline = AudioPipeline()
    for n in (0, 1, 319, 321, 480, 2880):
        with pytest.raises(ArgumentError, match="40, 80, 160, 320, 640, 960, 1280, 1600, 1920"):
            pipeline.encode(AudioFrame(samples=np.zeros(n, np.int16), sample_rate=16000))
    assert pipeline.stats().encoded_frames == 0


def test_encode_refuses_other_rates_and_channels() -> None:
    pipeline = AudioPipeline()
    with pytest.raises(ArgumentError, match="48000 Hz and 1 channels, the pipeline takes 16000 Hz and 1"):
        pipeline.encode(AudioFrame(samples=np.zeros(960, np.int16), sample_rate=48000))
    with pytest.raises(ArgumentError, match="2 channels"):
        pipeline.encode(AudioFrame(samples=np.zeros((320, 2), np.int16), sample_rate=16000, channels=2))
    slow = AudioPipeline(AudioConfig(bitrate=8000))
    with pytest.raises(ArgumentError, match="9600"):
        slow.encode(AudioFrame(samples=np.zeros(40, np.int16), sample_rate=16000))


@pytest.mark.parametrize("ms", [2.5, 5, 10, 20, 40, 60, 80, 100, 120])
def test_encode_takes_every_length_and_decode_gives_it_back(ms: float) -> None:
    pipeline = AudioPipeline(AudioConfig(dtx=False))
    n = int(16 * ms)
    for frame in frames(n=n)[:30]:
        out = pipeline.decode(pipeline.encode(frame), frame.timestamp)
        assert (out.samples.shape, out.samples.dtype) == ((n,), np.float32)
        assert (out.sample_rate, out.channels, out.timestamp) == (16000, 1, frame.timestamp)
        assert not out.concealed


def test_int16_float32_column_and_strided_input_agree() -> None:
    pipelines = [AudioPipeline() for _ in range(4)]
    for frame in frames()[:100]:
        ints: Any = frame.samples
        wide = np.zeros((320, 2), np.int16)
        wide[:, 0] = ints
        forms = [ints, ints.astype(np.float32) / np.float32(32768), ints.reshape(-1, 1), wide[:, 0]]
        packets = {p.encode(AudioFrame(samples=x, sample_rate=16000))
                   for p, x in zip(pipelines, forms, strict=True)}
        assert len(packets) == 1


def test_read_only_samples_are_taken() -> None:
    samples = speech()[:320]
    samples.flags.writeable = False
    assert AudioPipeline().encode(AudioFrame(samples=samples, sample_rate=16000))


def test_round_trip_of_speech_stays_close() -> None:
    pipeline = AudioPipeline(AudioConfig(dtx=False, fec=False))
    out = np.concatenate([pipeline.decode(pipeline.encode(f)).samples for f in frames()])
    found = align(speech(), out, SPEECH_RATE)
    assert found.offset_ms == pytest.approx(pipeline.lookahead_samples / 16, abs=0.2)
    assert found.correlation > 0.86  # "voip" filters the lowest tones out, which turns phases
    fidelity = AudioPipeline(AudioConfig(bitrate=96000, application="audio", dtx=False, fec=False))
    out = np.concatenate([fidelity.decode(fidelity.encode(f)).samples for f in frames()])
    found = align(speech(), out, SPEECH_RATE)
    assert found.correlation > 0.99
    assert abs(found.gain_db) < 0.2
    assert segmental_snr(*overlap(speech(), out, SPEECH_RATE, found.offset_ms), SPEECH_RATE) > 15


def test_stereo_keeps_its_sides() -> None:
    config = AudioConfig(sample_rate=48000, channels=2, bitrate=192000, application="audio", dtx=False)
    pipeline, tones = AudioPipeline(config), np.stack([sine(48000, 440, 1), sine(48000, 1000, 1)], axis=1)
    out = np.concatenate([
        pipeline.decode(pipeline.encode(AudioFrame(samples=block, sample_rate=48000, channels=2))).samples
        for block in np.split(tones, 50)])
    assert out.shape == (48000, 2)
    for side, own, other in ((0, 440, 1000), (1, 1000, 440)):
        spectrum = np.abs(np.fft.rfft(out[9600:, side] * np.hanning(38400)))
        level = {hz: spectrum[round(hz * 38400 / 48000)] for hz in (own, other)}
        assert level[own] > 20 * level[other]


def test_dtx_gives_empty_packets_in_silence_and_none_in_speech() -> None:
    pipeline = AudioPipeline.voip_optimized()
    assert all(pipeline.encode(frame) for frame in frames()[10:110])
    quiet = AudioFrame(samples=np.zeros(320, np.float32), sample_rate=16000)
    packets = [pipeline.encode(quiet) for _ in range(250)]
    assert sum(map(bool, packets[50:])) <= 12
    assert pipeline.stats().encoded_frames == 350
    assert pipeline.stats().dtx_frames == packets.count(b"")
    always = AudioPipeline(AudioConfig(dtx=False))
    assert all(always.encode(quiet) for _ in range(250))


def test_settings_change_in_place() -> None:
    pipeline = AudioPipeline(AudioConfig(fec=False, dtx=False, expected_loss_pct=0))
    first = [pipeline.encode(f) for f in frames()[:100]]
    pipeline.set_bitrate(16000)
    second = [pipeline.encode(f) for f in frames()[100:200]]
    assert sum(map(len, first)) * 4 == pytest.approx(32000, rel=0.05)
    assert sum(map(len, second)) * 4 == pytest.approx(16000, rel=0.05)
    pipeline.set_bitrate(32000)
    pipeline.set_fec(True)
    pipeline.set_expected_loss(15)
    pipeline.set_complexity(3)
    third = [pipeline.encode(f) for f in frames()[200:]]
    assert sum(lib.arc_opus_packet_has_fec(p, len(p)) for p in third) > 60
    pipeline.set_dtx(True)
    assert pipeline.config == AudioConfig(bitrate=32000, expected_loss_pct=15, complexity=3)
    for setter, value, text in ((pipeline.set_bitrate, 100, "6000"),
                                (pipeline.set_expected_loss, 101, "0..100"),
                                (pipeline.set_complexity, -1, "0..10"), (pipeline.set_fec, 1, "True"),
                                (pipeline.set_dtx, None, "True")):
        with pytest.raises(ConfigError, match=text):
            setter(value)  # type: ignore[arg-type]
    assert pipeline.config == AudioConfig(bitrate=32000, expected_loss_pct=15, complexity=3)


# Receiving


@pytest.mark.parametrize("data", [b"", b"\xff", b"\x4b\x00", b"\x49abc", bytes([9 << 3]) + bytes(1276)])
def test_decode_of_damaged_packets_raises_and_the_next_one_works(data: bytes) -> None:
    pipeline, twin = AudioPipeline(), AudioPipeline()
    packets = [pipeline.encode(f) for f in frames()[:12]]
    for packet in packets[:-1]:
        pipeline.decode(packet)
        twin.decode(packet)
    with pytest.raises(CodecError, match=f"{len(data)} bytes"):
        pipeline.decode(data)
    assert pipeline.stats().damaged_packets == 1
    assert np.array_equal(pipeline.decode(packets[-1]).samples, twin.decode(packets[-1]).samples)


def test_decode_takes_any_bytes_like() -> None:
    pipeline = AudioPipeline(AudioConfig(dtx=False))
    packet = pipeline.encode(frames()[0])
    outputs = [AudioPipeline().decode(kind(packet)).samples for kind in (bytes, bytearray, memoryview)]
    assert all(np.array_equal(outputs[0], out) for out in outputs)


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_decode_survives_any_bytes(packets: list[bytes]) -> None:
    pipeline = AudioPipeline(AudioConfig(channels=2, sample_rate=48000))
    for packet in packets:
        try:
            assert pipeline.decode(packet).samples.shape[1] == 2
        except CodecError:
            assert lib.arc_opus_packet_samples(packet, len(packet), 48000) == 0
        assert np.all(np.isfinite(pipeline.conceal().samples))


def test_conceal_is_as_long_as_the_packet_before_and_goes_on_in_time() -> None:
    pipeline = AudioPipeline(AudioConfig(dtx=False))
    assert pipeline.conceal().n_samples == 320
    pipeline.decode(pipeline.encode(frames(n=640)[0]), 2**32 - 2000)
    lost = [pipeline.conceal() for _ in range(2)]
    assert [f.timestamp for f in lost] == [2**32 - 80, 1840]
    assert all(f.n_samples == 640 and f.concealed and f.samples.dtype == np.float32 for f in lost)
    comfort = pipeline.comfort_noise()
    assert (comfort.timestamp, comfort.concealed) == (3760, True)
    assert (pipeline.stats().concealed_frames, pipeline.stats().comfort_frames) == (3, 1)


def test_conceal_of_one_second_fades_to_silence() -> None:
    pipeline = AudioPipeline()
    for frame in frames()[:205]:  # ends within a vowel
        pipeline.decode(pipeline.encode(frame))
    levels = [pipeline.conceal().level for _ in range(50)]
    assert levels[0] < 30
    assert all(level > 60 for level in levels[9:])
    assert all(level == 127 for level in levels[10:])
    back = pipeline.decode(pipeline.encode(frames()[255]))
    assert abs(float(back.samples[0])) < 0.001


def test_without_plc_a_lost_frame_is_silence() -> None:
    pipeline = AudioPipeline(AudioConfig(plc=False))
    for frame in frames()[:50]:
        pipeline.decode(pipeline.encode(frame))
    frame = pipeline.conceal()
    assert frame.concealed
    assert frame.level == 127


def test_concealed_frames_are_not_overwritten_later() -> None:
    pipeline = AudioPipeline()
    first = pipeline.decode(pipeline.encode(frames()[50]))
    kept = first.samples.copy()
    for frame in frames()[51:60]:
        pipeline.decode(pipeline.encode(frame))
        pipeline.conceal()
    assert np.array_equal(first.samples, kept)


def test_pipeline_survives_every_allocation_failure() -> None:
    gc.collect()
    live = lib.arc_mem_live_blocks()
    try:
        for allowed in range(20):
            lib.arc_mem_fail_after(allowed)
            with contextlib.suppress(errors.NoMemoryError):
                pipeline = AudioPipeline()
                break
            gc.collect()
            assert lib.arc_mem_live_blocks() == live
        else:
            pytest.fail("still failing with 20 allocations allowed")
    finally:
        lib.arc_mem_fail_after(-1)
    assert allowed == 5
    assert pipeline.encode(frames()[0])
    del pipeline
    gc.collect()
    assert lib.arc_mem_live_blocks() == live


def test_repr_says_what_it_is() -> None:
    assert repr(AudioPipeline()) == "AudioPipeline(opus, 32000 bit/s, 16000 Hz, 1 channels)"


def test_noise_is_coded_as_loud_as_it_is() -> None:
    pipeline = AudioPipeline(AudioConfig(dtx=False))
    out = [pipeline.decode(pipeline.encode(AudioFrame(samples=block, sample_rate=16000)))
           for block in np.split(noise(16000, -30), 50)]
    assert all(26 <= frame.level <= 36 for frame in out[5:])
