"""AudioPipeline with every codec, and the format parameters of Opus."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from arcrtc import AudioConfig, AudioFrame, AudioPipeline
from arcrtc.audio import AUDIO_CODECS, OpusParameters, find_codec
from arcrtc.errors import ArgumentError, CodecError, ConfigError, ParseError, UnsupportedError
from arcrtc.sdp import MediaDescription, SessionDescription
from tests.model.speech import blocks, speech

OTHERS = [("pcmu", 8000, 1, 20), ("pcma", 8000, 1, 30), ("g722", 16_000, 1, 20), ("l16", 44_100, 2, 10),
          ("l16", 16_000, 1, 20)]


def at(rate: int) -> NDArray[np.int16]:
    pcm = speech()[16_000:48_000]
    return np.interp(np.arange(2 * rate) * 16_000 / rate, np.arange(len(pcm)), pcm).astype(np.int16)


@pytest.mark.parametrize(("codec", "rate", "channels", "ms"), OTHERS)
def test_pipeline_of_another_codec_there_and_back(codec: str, rate: int, channels: int, ms: float) -> None:
    pipeline = AudioPipeline(AudioConfig(codec=codec, sample_rate=rate, channels=channels, frame_size_ms=ms))
    clock = AUDIO_CODECS[codec].clock_rate(rate)
    n, got = pipeline.config.frame_samples, []
    pcm = blocks(at(rate), n)[:40]
    for i, mono in enumerate(pcm):
        samples = mono if channels == 1 else np.stack([mono, mono], axis=1)
        encoded = pipeline.encode(AudioFrame(samples=samples, sample_rate=rate, channels=channels, timestamp=0))
        packet = pipeline.create_rtp_packet(encoded, i, 1000 + i * n * clock // rate, 1, 96)
        frame = pipeline.extract_audio_frame(packet)
        assert (frame.n_samples, frame.sample_rate, frame.channels) == (n, rate, channels)
        got.append(frame.samples.reshape(n, channels)[:, 0])
    heard, wanted = np.concatenate(got), np.concatenate(pcm) / 32_768
    delay = 22 if codec == "g722" else 0
    assert np.mean((heard[delay:] - wanted[:len(wanted) - delay]) ** 2) < np.mean(wanted ** 2) / 100
    concealed = pipeline.conceal()
    assert concealed.concealed
    assert concealed.timestamp == 1000 + 40 * n * clock // rate
    assert concealed.n_samples == n
    if rate != 44_100:
        assert np.max(np.abs(concealed.samples)) > 0
    assert pipeline.stats().encoded_frames == pipeline.stats().decoded_packets == 40
    assert pipeline.lookahead_samples == 0


def test_pipeline_of_another_codec_refuses_what_is_not_its_own() -> None:
    pipeline = AudioPipeline(AudioConfig(codec="pcmu", sample_rate=8000))
    with pytest.raises(ArgumentError, match="pcmu takes 160"):
        pipeline.encode(AudioFrame(samples=np.zeros(80, np.int16), sample_rate=8000, channels=1, timestamp=0))
    with pytest.raises(CodecError, match="pcmu packet of 1601 bytes"):
        pipeline.decode(bytes(1601))
    for change in (lambda: pipeline.set_bitrate(8000), lambda: pipeline.set_fec(True)):
        with pytest.raises(ConfigError, match="pcmu has no such setting"):
            change()
    fields: dict[str, Any]
    for fields, message in (({"codec": "pcmu", "sample_rate": 16_000}, "8000"),
                            ({"codec": "g722", "sample_rate": 16_000, "channels": 2}, "channels"),
                            ({"codec": "pcma", "sample_rate": 8000, "frame_size_ms": 25}, "10, 20"),
                            ({"codec": "speex"}, "opus, pcmu"), ({"coded_channels": 2}, "coded_channels"),
                            ({"max_bandwidth": "hd"}, "max_bandwidth")):
        with pytest.raises(ConfigError, match=message):
            AudioConfig(**fields)
    with pytest.raises(UnsupportedError, match="opus, pcmu, pcma, g722, l16"):
        find_codec("ilbc")
    assert find_codec("PCMA").payload_type == 8
    assert [find_codec("l16").static_payload_type(44_100, c) for c in (1, 2)] == [11, 10]


def test_pipeline_opus_settings_change_in_place() -> None:
    pipeline = AudioPipeline(AudioConfig(sample_rate=48_000, channels=2, bitrate=96_000, application="audio", dtx=False,
                                         max_bandwidth="wb", coded_channels=1))
    mono = at(48_000)
    frames = [AudioFrame(samples=np.stack([m, m // 2], axis=1), sample_rate=48_000, channels=2, timestamp=0)
              for m in blocks(mono, 960)]

    def kinds(part: list[AudioFrame]) -> set[tuple[bool, bool]]:
        """(is narrower than 12 kHz, is stereo) of the packets, the first few left out."""
        firsts = [pipeline.encode(f)[0] for f in part][4:]
        return {(first >> 3 < 12 or 16 <= first >> 3 < 24, bool(first & 4)) for first in firsts}

    assert kinds(frames[:20]) == {(True, False)}
    pipeline.set_max_bandwidth("auto")
    pipeline.set_coded_channels(2)
    assert kinds(frames[20:40]) == {(False, True)}
    pipeline.set_application("lowdelay")
    pipeline.set_vbr(False)
    assert len({len(pipeline.encode(f)) for f in frames[40:60]}) == 1
    assert (pipeline.config.application, pipeline.config.vbr, pipeline.config.coded_channels) == ("lowdelay", False, 2)


# --- format parameters ---

PARAMETERS = st.builds(
    OpusParameters, max_playback_rate=st.integers(8000, 48_000), max_capture_rate=st.integers(8000, 48_000),
    max_average_bitrate=st.none() | st.integers(6000, 510_000), stereo=st.booleans(), sends_stereo=st.booleans(),
    cbr=st.booleans(), fec=st.booleans(), dtx=st.booleans(), min_ptime_ms=st.integers(1, 120))


@given(PARAMETERS)
def test_opus_parameters_written_are_read_back_through_a_description(parameters: OpusParameters) -> None:
    media = MediaDescription("audio", 5004, 111, "opus", 48_000, 2, fmtp=parameters.to_fmtp())
    read = SessionDescription.parse(SessionDescription((media,)).to_text()).media[0]
    assert OpusParameters.from_fmtp(read.fmtp) == parameters


def test_opus_parameters_of_the_example_in_rfc_7587() -> None:
    """Section 7: a=fmtp:101 maxplaybackrate=16000; sprop-maxcapturerate=16000; maxaveragebitrate=20000; stereo=1 ..."""
    p = OpusParameters.from_fmtp({"maxplaybackrate": "16000", "sprop-maxcapturerate": "16000",
                                  "maxaveragebitrate": "20000", "stereo": "1", "useinbandfec": "1", "usedtx": "0",
                                  "x-other": "?"}, ptime_ms=40, max_ptime_ms=40)
    config = p.limit(AudioConfig(bitrate=64_000, sample_rate=48_000, channels=2, fec=True, dtx=True))
    assert (config.max_bandwidth, config.bitrate, config.frame_size_ms) == ("wb", 20_000, 40)
    assert (config.fec, config.dtx, config.coded_channels, config.sample_rate) == (True, False, 0, 48_000)


@example(OpusParameters(min_ptime_ms=32), 20, 32_000, None, 31)
@given(PARAMETERS, st.sampled_from([2.5, 5, 10, 20, 40, 60, 120]), st.integers(6000, 510_000),
       st.none() | st.integers(1, 200), st.none() | st.integers(1, 200))
def test_opus_parameters_limit_never_gives_more_than_the_receiver_likes(
        parameters: OpusParameters, ms: float, bitrate: int, ptime: int | None, longest: int | None) -> None:
    from dataclasses import replace

    parameters = replace(parameters, ptime_ms=ptime, max_ptime_ms=longest)
    given_config = AudioConfig(bitrate=max(bitrate, 9600), frame_size_ms=ms, sample_rate=48_000, channels=2)
    config = parameters.limit(given_config)
    hz = {"nb": 8000, "mb": 12_000, "wb": 16_000, "swb": 24_000, "fb": 48_000}[config.max_bandwidth]
    assert hz / 2 < parameters.max_playback_rate * 1.01
    assert config.bitrate <= max(parameters.max_average_bitrate or 510_000, 9600)
    assert config.coded_channels == (0 if parameters.stereo else 1)
    assert not (config.vbr and parameters.cbr)
    assert config.fec == parameters.fec
    assert config.dtx == parameters.dtx
    if longest is not None and longest >= 3:
        assert config.frame_size_ms <= longest
    AudioPipeline(config)


@pytest.mark.parametrize("fmtp", [{"stereo": "2"}, {"maxaveragebitrate": "5999"}, {"maxplaybackrate": "fast"},
                                  {"minptime": ""}, {"usedtx": "yes"}, {"maxplaybackrate": "9" * 40}])
def test_opus_parameters_that_are_none_are_refused(fmtp: dict[str, str]) -> None:
    with pytest.raises(ParseError, match=next(iter(fmtp))):
        OpusParameters.from_fmtp(fmtp)


def test_opus_parameters_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="max_playback_rate"):
        OpusParameters(max_playback_rate=4000)
    with pytest.raises(ConfigError, match="stereo"):
        OpusParameters(stereo=1)  # type: ignore[arg-type]
