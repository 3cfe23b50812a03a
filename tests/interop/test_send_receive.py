"""arcrtc send and arcrtc receive: with FFmpeg at the other end, and with each other.

What comes out is compared with what went in: the number of pictures, their PSNR, the
correlation of the sound, and whether the two are in step.
"""
from __future__ import annotations

import base64
import json
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.model.interop import (
    CLIP,
    FFMPEG,
    FRAME_RATE,
    Media,
    arcrtc,
    decode,
    enter,
    finish,
    match_pictures,
    probe,
    program,
    sound_matches,
    video_delay_ms,
    wait_for_file,
    wait_for_text,
    wait_until_recording,
)
from tests.model.ports import free_pairs, wait_until_bound

SECONDS = 3
PICTURES = SECONDS * FRAME_RATE
KEY = "000102030405060708090a0b0c0d0e0f" "a0a1a2a3a4a5a6a7a8a9aaab"


HEIGHT = 180  # small: the tests share their machine
SMALL = ("--height", str(HEIGHT), "--encoder", "libx264")


@pytest.fixture(scope="module")
def source() -> Media:
    return decode(CLIP, height=HEIGHT, seconds=SECONDS)


def require_same_media(source: Media, path: Path, *, pictures: int, psnr_db: float) -> None:
    """Every picture that was sent is there, in order and alike; the sound is alike; both are in step."""
    received = decode(path)
    assert len(received.luma) == pictures
    assert pictures > 0.6 * PICTURES, "this machine is too busy to encode in real time"
    which, quality = match_pictures(source, received)
    assert np.mean(quality) > psnr_db, quality
    assert min(quality) > psnr_db - 6, quality
    matches = sound_matches(source, received)
    assert len(matches) >= 3
    delays, correlations = np.array(matches).T
    assert np.median(correlations) > 0.75, correlations
    assert abs(np.median(delays) - video_delay_ms(source, received, which)) < 100, delays


@pytest.mark.parametrize("profile", ["none", "AES_CM_128_HMAC_SHA1_80"])
def test_interop_ffmpeg_records_what_we_send(profile: str, source: Media, tmp_path: Path) -> None:
    (port, video_port), sdp, out = free_pairs(2), tmp_path / "ours.sdp", tmp_path / "ffmpeg.mkv"
    with arcrtc("send", str(CLIP), "--to", f"127.0.0.1:{port}", "--sdp", str(sdp), "--profile", profile, "--wait",
                "--duration", str(SECONDS), *SMALL, "--json", log=tmp_path / "send") as sender:
        wait_for_file(sdp, sender)
        assert sdp.stat().st_mode & 0o777 == 0o600
        with program(*FFMPEG, "-protocol_whitelist", "file,udp,rtp,srtp", "-i", str(sdp), "-c", "copy", str(out),
                     log=tmp_path / "ffmpeg") as ffmpeg:
            wait_until_bound(port, port + 1, video_port, video_port + 1)
            enter(sender)
            # Our good-bye is what ends FFmpeg.
            finish(ffmpeg, tmp_path / "ffmpeg")
        report = json.loads(finish(sender, tmp_path / "send"))
    audio, video = report["streams"]
    assert (audio["kind"], video["kind"]) == ("audio", "video")
    # It may say that the first packet has no time: that is the one before the first sender report.
    complaints = (tmp_path / "ffmpeg.err").read_text()
    assert not any(word in complaints for word in ("missed", "RTP:", "decrypt", "HMAC", "error", "concealing"))
    found = probe(out)
    assert (found["audio"]["codec_name"], found["video"]["codec_name"]) == ("opus", "h264")
    assert int(found["audio"]["nb_read_frames"]) == audio["network"]["pkts"] == SECONDS * 50
    require_same_media(source, out, pictures=video["media"]["frames_encoded"], psnr_db=36)


def ffmpeg_outputs(ports: list[int], srtp: bool) -> list[str]:
    scheme, keys = "rtp", []
    if srtp:
        scheme = "srtp"
        keys = ["-srtp_out_suite", "AES_CM_128_HMAC_SHA1_80",
                "-srtp_out_params", base64.b64encode(bytes(range(30))).decode()]
    codecs = (["-map", "0:a", "-c:a", "libopus", "-b:a", "48k", "-payload_type", "111"],
              ["-map", "0:v", "-c:v", "libx264", "-tune", "zerolatency", "-preset", "ultrafast", "-g", "25",
               "-vf", f"scale=-2:{HEIGHT}:flags=bicubic",
               "-b:v", "1M", "-threads", "1", "-payload_type", "96"])
    return [word for port, codec in zip(ports, codecs, strict=True)
            for word in (*codec, *keys, "-rtpflags", "send_bye", "-f", "rtp",
                         f"{scheme}://127.0.0.1:{port}?pkt_size=1200")]


@pytest.mark.parametrize("srtp", [False, True], ids=["plain", "srtp"])
def test_interop_we_record_what_ffmpeg_sends(srtp: bool, source: Media, tmp_path: Path) -> None:
    ports, sdp, out = free_pairs(2), tmp_path / "theirs.sdp", tmp_path / "received.mkv"
    outputs = ffmpeg_outputs(ports, srtp)
    subprocess.run([*FFMPEG, "-t", "0.04", "-i", str(CLIP), "-sdp_file", str(sdp), *outputs], check=True,
                   timeout=60, capture_output=True)
    with arcrtc("receive", "--sdp", str(sdp), "--out", str(out), "--json", log=tmp_path / "receive") as receiver:
        wait_until_bound(*ports, *(port + 1 for port in ports))
        wait_until_recording(out)
        with program(*FFMPEG, "-re", "-t", str(SECONDS), "-i", str(CLIP), *outputs,
                     log=tmp_path / "ffmpeg") as ffmpeg:
            finish(ffmpeg, tmp_path / "ffmpeg")
        report = json.loads(finish(receiver, tmp_path / "receive"))
    assert report["end"] == "bye"
    for stream in report["streams"]:
        assert stream["network"]["lost_pkts"] == 0
        assert not any(stream["drops"].values()), stream["drops"]
        assert stream["rtcp_received"] >= 1
    require_same_media(source, out, pictures=PICTURES, psnr_db=31)


def test_interop_send_to_receive_with_gcm(source: Media, tmp_path: Path) -> None:
    (port,), out = free_pairs(1), tmp_path / "received.mkv"
    with arcrtc("receive", "--listen", f"127.0.0.1:{port}", "--out", str(out), "--key", KEY, "--json",
                log=tmp_path / "receive") as receiver:
        wait_until_recording(out)
        with arcrtc("send", str(CLIP), "--to", f"127.0.0.1:{port}", "--key", KEY, "--duration", str(SECONDS),
                    *SMALL, "--json", log=tmp_path / "send") as sender:
            sent = json.loads(finish(sender, tmp_path / "send"))
        received = json.loads(finish(receiver, tmp_path / "receive"))
    assert sent["srtp"] == "AEAD_AES_128_GCM"
    assert received["end"] == "bye"
    assert [s["network"]["lost_pkts"] for s in received["streams"]] == [0, 0]
    assert [s["network"]["pkts"] for s in received["streams"]] == [s["network"]["pkts"] for s in sent["streams"]]
    assert sent["streams"][0]["rtt_us"] >= 0
    found = probe(out)
    assert (found["audio"]["codec_name"], found["video"]["codec_name"]) == ("opus", "h264")
    pictures = sent["streams"][1]["media"]["frames_encoded"]
    assert int(found["video"]["nb_read_frames"]) == pictures
    assert abs(received["recorded_s"] - SECONDS) < 0.6
    require_same_media(source, out, pictures=pictures, psnr_db=35)


def test_interop_receive_says_that_the_key_is_another(tmp_path: Path) -> None:
    (port,), out = free_pairs(1), tmp_path / "received.mkv"
    with arcrtc("receive", "--listen", f"127.0.0.1:{port}", "--out", str(out), "--key", "ff" * 28, "--timeout", "4",
                log=tmp_path / "receive") as receiver:
        wait_until_recording(out)
        with arcrtc("send", str(CLIP), "--to", f"127.0.0.1:{port}", "--key", KEY, "--duration", "0.5", *SMALL,
                    log=tmp_path / "send") as sender:
            finish(sender, tmp_path / "send")
        finish(receiver, tmp_path / "receive", expect=1)
    assert "not with this key" in (tmp_path / "receive.err").read_text()
    assert not out.exists()


def test_interop_receive_key_on_standard_input_and_ctrl_c_leaves_a_whole_file(tmp_path: Path) -> None:
    (port,), out = free_pairs(1), tmp_path / "received.mp4"
    with arcrtc("receive", "--listen", f"127.0.0.1:{port}", "--out", str(out), "--key", "-", "--json",
                log=tmp_path / "receive") as receiver:
        assert receiver.stdin is not None
        receiver.stdin.write(f"{KEY}\n")
        receiver.stdin.flush()
        wait_until_recording(out)
        empty = out.stat().st_size
        with arcrtc("send", str(CLIP), "--to", f"127.0.0.1:{port}", "--key", KEY, "--duration", "30", *SMALL,
                    log=tmp_path / "send") as sender:
            while out.stat().st_size <= empty:  # the head of the true recording
                assert sender.poll() is None
                wait_for_text(tmp_path / "send.err", "at the other end")
            receiver.send_signal(signal.SIGINT)
            report = json.loads(finish(receiver, tmp_path / "receive", expect=130))
            sender.send_signal(signal.SIGINT)
            finish(sender, tmp_path / "send", expect=130)
    assert report["end"] == "interrupted"
    found = probe(out)
    assert int(found["video"]["nb_read_frames"]) >= 1
    assert int(found["audio"]["nb_read_frames"]) >= 1


def test_interop_receive_ends_with_the_duration(tmp_path: Path) -> None:
    (port,), out = free_pairs(1), tmp_path / "received.mkv"
    with arcrtc("receive", "--listen", f"127.0.0.1:{port}", "--out", str(out), "--profile", "none", "--duration", "1",
                "--json", log=tmp_path / "receive") as receiver:
        wait_until_recording(out)
        with arcrtc("send", str(CLIP), "--to", f"127.0.0.1:{port}", "--profile", "none", "--duration", "30", *SMALL,
                    log=tmp_path / "send"):
            report = json.loads(finish(receiver, tmp_path / "receive"))
    assert report["end"] == "duration"
    assert 0.7 <= report["recorded_s"] <= 1.3
    assert abs(float(decode(out).sound.size) / 48_000 - 1) < 0.3
