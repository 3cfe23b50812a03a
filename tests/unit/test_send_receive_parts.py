"""The parts of arcrtc send and receive: keys, descriptions, the recording, and faults in one line."""
from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from arcrtc.audio.frame import AudioFrame
from arcrtc.call.description import describe_audio, describe_video, read_sdp, srtp_of, write_sdp
from arcrtc.call.receiving import ReceiveSettings, _ours
from arcrtc.call.recorder import Recorder
from arcrtc.call.sending import SendSettings
from arcrtc.cli import main
from arcrtc.cli.keys import key_text, parse_key
from arcrtc.errors import ConfigError, MediaError, ParseError, UnsupportedError
from arcrtc.extmap import ExtensionLine
from arcrtc.media import sample_path
from arcrtc.redundancy import RedConfig
from arcrtc.sdes import SUITE_PROFILES, CryptoAttribute, CryptoKey
from arcrtc.sdp import MediaDescription, SessionDescription, parse
from arcrtc.session import Concealment, ReceivedFrame
from arcrtc.srtp import SrtpConfig, SrtpProfile
from arcrtc.video import VideoCodec
from arcrtc.video.frame import VideoFrame

CLIP = str(sample_path())
GCM = SrtpProfile.AEAD_AES_128_GCM


# --- keys ---

@pytest.mark.parametrize("profile", list(SrtpProfile))
def test_key_text_is_read_back(profile: SrtpProfile) -> None:
    config = SrtpConfig.generate(profile)
    assert parse_key(key_text(config), profile) == config


@pytest.mark.parametrize(("text", "message"), [
    ("ab" * 27, "54 hexadecimal digits, AEAD_AES_128_GCM takes 56 digits .16 . 12 bytes. or 60 digits"),
    ("ab" * 29, "58 hexadecimal"), ("", "0 hexadecimal"), ("secret", "not hexadecimal")])
def test_key_of_another_form_is_refused_and_not_shown(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_key(text, GCM)
    assert not text or text not in str(caught.value)


def test_key_of_14_bytes_of_salt_is_taken_by_gcm() -> None:
    assert parse_key("ab" * 30, GCM).master_salt == bytes.fromhex("ab" * 14)


# --- descriptions ---

@pytest.mark.parametrize("suite", SUITE_PROFILES)
def test_description_carries_the_key_of_every_suite(suite: str) -> None:
    config = SrtpConfig.generate(SUITE_PROFILES[suite])
    media = describe_audio(5004, 111, channels=2, srtp=config)
    text = SessionDescription((media, describe_video(5006, 97, srtp=config))).to_text()
    audio, video = parse(text).media
    assert srtp_of(audio) == srtp_of(video) == config
    assert audio.profile == "RTP/SAVP"
    assert audio.fmtp["sprop-stereo"] == "1"


def test_description_without_a_key_is_plain() -> None:
    media = describe_video(5006, 97, srtp=None)
    assert media.profile == "RTP/AVP"
    assert srtp_of(media) is None


@pytest.mark.parametrize(("codec", "fmtp"), [
    (VideoCodec.H264, {"packetization-mode": "1"}), (VideoCodec.VP8, {}), (VideoCodec.VP9, {"profile-id": "0"}),
    (VideoCodec.AV1, {"profile": "0", "level-idx": "0", "tier": "0"})])
def test_describe_video_of_each_codec_is_read_back(codec: VideoCodec, fmtp: dict[str, str]) -> None:
    media = describe_video(5006, 97, srtp=None, codec=codec, size=(320, 180), frame_rate=30)
    found, = SessionDescription.parse(SessionDescription((media,)).to_text()).media
    assert (found.codec, found.clock_rate, found.fmtp) == (codec.value, 90_000, fmtp)



def test_description_refuses_a_salt_that_sdp_has_no_room_for() -> None:
    with pytest.raises(ConfigError, match="salt of 14 bytes; in a session description AEAD_AES_128_GCM has 12"):
        describe_audio(5004, 111, channels=1, srtp=SrtpConfig(bytes(16), bytes([1] * 14)))
    media = describe_audio(5004, 111, channels=1, srtp=SrtpConfig(bytes(16), bytes(14)))
    assert media.crypto == (CryptoAttribute(1, "AEAD_AES_128_GCM", (CryptoKey(bytes(28)),)),)


@pytest.mark.parametrize("lines", [
    "", "a=crypto:1 F8_128_HMAC_SHA1_80 inline:x\n",
    f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{'A' * 40} UNENCRYPTED_SRTP\n",
    f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{'A' * 40} UNENCRYPTED_SRTCP\n",
    f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{'A' * 40} UNAUTHENTICATED_SRTP\n",
    f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{'A' * 40} SOMETHING_NEW\n",
    f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{'A' * 40}|1:1;inline:{'B' * 40}|2:1\n",
], ids=["none", "suite", "srtp in clear", "srtcp in clear", "no tag", "unknown", "two keys"])
def test_description_that_is_encrypted_without_a_key_for_us_is_refused(lines: str) -> None:
    media, = parse("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n"
                   f"m=audio 5004 RTP/SAVP 111\na=rtpmap:111 opus/48000/2\n{lines}").media
    with pytest.raises(ConfigError, match="no key that can be used"):
        srtp_of(media)


def test_description_gives_all_that_the_line_and_the_extensions_say() -> None:
    key = SrtpConfig.generate(SrtpProfile.AES128_CM_HMAC_SHA1_80, mki=b"\0\7", limit_pkts=2**20,
                              key_derivation_rate=2**16, window_pkts=512)
    media = MediaDescription("audio", 5004, 111, "opus", 48_000, 2, crypto=(CryptoAttribute.from_config(key),),
                             extmap=(ExtensionLine(3, "urn:x:y", encrypted=True), ExtensionLine(4, "urn:x:z")))
    found = srtp_of(parse(SessionDescription((media,)).to_text()).media[0])
    assert found == replace(key, encrypted_extensions=frozenset({3}))


def test_description_file_is_whole_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "out.sdp"
    path.write_text("old")
    path.chmod(0o644)
    description = SessionDescription((describe_video(5006, 97, srtp=SrtpConfig.generate()),))
    write_sdp(path, description)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_sdp(path) == description
    assert [p.name for p in tmp_path.iterdir()] == ["out.sdp"]


def test_description_file_faults_name_the_file(tmp_path: Path) -> None:
    description = SessionDescription((describe_video(5006, 97, srtp=None),))
    with pytest.raises(MediaError, match=r"no/x\.sdp: cannot be written: No such file"):
        write_sdp(tmp_path / "no/x.sdp", description)
    with pytest.raises(MediaError, match=r"x\.sdp: cannot be read: No such file"):
        read_sdp(tmp_path / "x.sdp")
    for content, reason in ((b"\xff\xfe", "not text"), (b"hello\n", "line 1"), (b"v=0\n" * 20_000, "characters")):
        (tmp_path / "bad.sdp").write_bytes(content)
        with pytest.raises(ParseError, match=rf"bad\.sdp: .*{reason}"):
            read_sdp(tmp_path / "bad.sdp")


def test_receive_takes_the_first_section_of_each_kind_that_it_knows() -> None:
    audio = describe_audio(5004, 111, channels=1, srtp=None, red=RedConfig(distances=(3,)))
    assert "a=rtpmap:63 red/48000/2" in SessionDescription((audio,)).to_text()
    assert SessionDescription.parse(SessionDescription((audio,)).to_text()).media[0].red_payload_type == 63
    audio, video = describe_audio(5004, 111, channels=1, srtp=None), describe_video(5006, 97, srtp=None)
    g729 = MediaDescription("audio", 5000, 18, "g729", 8000)
    assert _ours(SessionDescription((g729, video, replace(audio, port=0), audio, replace(audio, port=9)))) == [
        video, audio]
    with pytest.raises(UnsupportedError, match="the description has audio g729; received are"):
        _ours(SessionDescription((g729,)))
    with pytest.raises(UnsupportedError, match="same port"):
        _ours(SessionDescription((audio, replace(video, port=5004))))


# --- settings ---

def test_settings_refuse_what_cannot_be() -> None:
    for values, message in (({"duration_s": 0.1}, "duration_s=0.1"), ({"to": "h:0"}, "port 0"), ({"to": "h"}, "h"),
                            ({"srtp": (SrtpConfig.generate(),) * 2}, "2 keys"), ({"red": (17,)}, "distances=17"),
                            ({"red": (1,), "audio_codec": "pcma"}, "of Opus only")):
        with pytest.raises(ValueError, match=message):
            SendSettings(**{"file": Path("x"), "to": "h:1", **values})
    for values, message in (({"timeout_s": 0}, "timeout_s=0"), ({"max_latency_ms": 1}, "max_latency_ms=1"),
                            ({"listen": None}, "listen")):
        with pytest.raises(ConfigError, match=message):
            ReceiveSettings(**{"out": Path("x"), "listen": ":1", **values})


# --- the recording ---

def sound(at_ms: float, *, concealment: Concealment = Concealment.DECODED, ntp_ms: float | None = None,
          level: int = 1000) -> ReceivedFrame:
    frame = AudioFrame(samples=np.full(960, level, np.int16), sample_rate=48_000)
    return received(frame, at_ms, concealment, ntp_ms)


def picture(at_ms: float, *, ntp_ms: float | None = None, width: int = 64, height: int = 48) -> ReceivedFrame:
    frame = VideoFrame(np.full(width * height * 3 // 2, 100, np.uint8), width, height, 0, "yuv420p")
    return received(frame, at_ms, Concealment.DECODED, ntp_ms)


def received(frame: AudioFrame | VideoFrame, at_ms: float, concealment: Concealment,
             ntp_ms: float | None) -> ReceivedFrame:
    at_us = round(at_ms * 1000)
    return ReceivedFrame(frame=frame, stream=0, rtp_timestamp=0, arrival_us=at_us, complete_us=at_us, decoded_us=at_us,
                         playout_us=at_us, capture_ntp_us=None if ntp_ms is None else round(ntp_ms * 1000),
                         concealment=concealment)


def streams(path: Path) -> dict[str, dict[str, str]]:
    done = subprocess.run(["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-of", "json", str(path)],
                          capture_output=True, text=True, check=True, timeout=60)
    return {s["codec_type"]: s for s in json.loads(done.stdout)["streams"]}


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path / "out.mkv", frame_rate=25)


def test_recorder_with_nothing_to_write_leaves_no_file(recorder: Recorder) -> None:
    assert recorder.path.exists()
    recorder.close()
    assert not recorder.path.exists()


def test_recorder_of_sound_alone_has_one_track(recorder: Recorder) -> None:
    recorder.arriving = frozenset({"audio"})
    for i in range(100):
        recorder.put(sound(5000 + 20 * i))
    recorder.close()
    assert set(streams(recorder.path)) == {"audio"}
    assert recorder.seconds == pytest.approx(2.0)
    assert recorder.left_out_frames == 0


def test_recorder_waits_for_a_medium_whose_packets_come(recorder: Recorder) -> None:
    recorder.arriving = frozenset({"audio", "video"})
    for i in range(200):
        recorder.put(sound(20 * i))
    for i in range(10):
        recorder.put(picture(4000 + 40 * i))
    recorder.close()
    found = streams(recorder.path)
    assert int(found["video"]["nb_read_frames"]) == 10
    assert float(found["video"]["start_time"]) == pytest.approx(4.0, abs=0.01)


def test_recorder_counts_what_begins_after_the_file(recorder: Recorder) -> None:
    recorder.arriving = frozenset({"audio"})
    for i in range(200):
        recorder.put(sound(20 * i))
    for i in range(10):
        recorder.put(picture(4000 + 40 * i))
    recorder.close()
    assert set(streams(recorder.path)) == {"audio"}
    assert recorder.left_out_frames == 10


def test_recorder_does_not_write_sound_made_up_after_the_last_packet(recorder: Recorder) -> None:
    for i in range(10):
        recorder.put(sound(20 * i))
    for i in range(10, 15):
        recorder.put(sound(20 * i, concealment=Concealment.CONCEALED))
    recorder.put(sound(300))
    for i in range(16, 60):
        recorder.put(sound(20 * i, concealment=Concealment.CONCEALED))
    recorder.close()
    assert recorder.seconds == pytest.approx(0.32)


def test_recorder_puts_into_step_what_was_captured_together(recorder: Recorder) -> None:
    for i in range(10):  # the pictures were played 300 ms after their capture, the sound 50 ms
        recorder.put(picture(40 * i + 300, ntp_ms=10**7 + 40 * i))
        recorder.put(sound(20 * i + 50, ntp_ms=10**7 + 20 * i))
    recorder.close()
    found = streams(recorder.path)
    assert float(found["video"]["start_time"]) - float(found["audio"]["start_time"]) == pytest.approx(0, abs=0.02)


def test_recorder_tells_of_a_fault_at_the_end(recorder: Recorder) -> None:
    recorder.put(sound(0))
    recorder.put(received(AudioFrame(samples=np.zeros((960, 2), np.int16), sample_rate=48_000, channels=2), 20,
                          Concealment.DECODED, None))
    with pytest.raises(ValueError, match="48000 Hz x 2"):
        recorder.close()


# --- faults ---

@pytest.mark.parametrize(("args", "message"), [
    (["send", "no.mp4", "--to", "127.0.0.1:5"], "no.mp4: no such file"),
    (["send", CLIP, "--to", "127.0.0.1:5", "--key", "00"], "--key has 2 hexadecimal digits"),
    (["send", CLIP, "--to", "127.0.0.1:5", "--key", "00", "--profile", "none"], "nothing would be encrypted"),
    (["send", CLIP, "--to", "127.0.0.1:5", "--profile", "rot13"], "profile 'rot13' is not one of AES128_CM"),
    (["send", CLIP, "--to", "127.0.0.1:5", "--json"], "--show-key"),
    (["send", CLIP, "--to", "127.0.0.1"], "must be host:port"),
    (["send", CLIP, "--to", "127.0.0.1:65535", "--sdp", "x.sdp"], "the ports above it end"),
    (["send", CLIP, "--to", "127.0.0.1:5", "--encoder", "none-such"], "encoder='none-such'"),
    (["receive", "--out", "x.mkv"], "--listen is needed, or --sdp"),
    (["receive", "--listen", "127.0.0.1:0", "--out", "no/x.mkv", "--profile", "none"], "no/x.mkv: cannot write"),
    (["receive", "--listen", "127.0.0.1:0", "--out", "x.none", "--profile", "none"], "x.none: cannot write"),
    (["receive", "--listen", "127.0.0.1:0", "--out", "x.mkv", "--json"], "--show-key"),
    (["receive", "--sdp", "no.sdp", "--out", "x.mkv"], "no.sdp: cannot be read"),
    (["receive", "--listen", "127.0.0.1:0", "--out", "x.mkv", "--profile", "none", "--timeout", "0.5"],
     "not written: nothing came to 127.0.0.1:"),
])
def test_send_and_receive_say_a_fault_in_one_line(args: list[str], message: str, tmp_path: Path,
                                                  monkeypatch: pytest.MonkeyPatch,
                                                  capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ARCRTC_TRACEBACK", raising=False)
    assert main(args) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1].startswith("arcrtc: ")
    assert message in captured.err.splitlines()[-1]


def test_receive_says_that_the_port_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert main(["receive", "--listen", address, "--out", str(tmp_path / "x.mkv"), "--profile", "none"]) == 1
    assert "Address already in use" in capsys.readouterr().err
    assert not (tmp_path / "x.mkv").exists()
