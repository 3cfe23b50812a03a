"""``arcrtc call`` from the outside: its files, its JSON, how it is stopped, and its faults in one line."""
from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from arcrtc.call import CallSettings, run_call, runner
from arcrtc.media import MediaVideo, MediaWriter, VideoTrack
from arcrtc.sim import NetworkPlan, Relay
from tests.model.json_schema import faults

ROOT = Path(__file__).resolve().parents[2]
SPEECH = ROOT / "tests/data/speech_en_m_16k.wav"
FILES = {"received.mkv", "report.json", "report.html"}


def command(out: Path, *args: str) -> list[str]:
    return [sys.executable, "-m", "arcrtc", "call", "--out", str(out), *args]


def call(out: Path, *args: str, duration: str = "1") -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(out, "--duration", duration, *args), capture_output=True, text=True, cwd=ROOT,
                          timeout=90, check=False)


def report_of(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "report.json").read_text())
    return found


def streams_in(recording: Path) -> list[str]:
    with av.open(str(recording)) as container:
        return sorted(s.type for s in container.streams)


@pytest.fixture(scope="module")
def silent_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures without sound."""
    path = tmp_path_factory.mktemp("media") / "silent.mkv"
    with MediaWriter(path, video=VideoTrack(width=64, height=48, frame_rate=25)) as writer:
        for i in range(30):
            planes = np.full((72, 64), 128, np.uint8)
            planes[:48] = (np.arange(64)[None, :] * 3 + 5 * i) % 255
            writer.write(MediaVideo(planes=planes, width=64, height=48, pts_us=40_000 * i))
    return path


def test_call_ctrl_c_ends_it_and_writes_everything(tmp_path: Path) -> None:
    process = subprocess.Popen(command(tmp_path, "--duration", "60", "--height", "180"), cwd=ROOT,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        end = time.monotonic() + 30
        while not (tmp_path / "received.mkv").exists() and time.monotonic() < end:
            time.sleep(0.05)  # it is still getting ready
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert {p.name for p in tmp_path.iterdir()} == FILES
    report = report_of(tmp_path)
    assert 0.5 < report["meta"]["duration_s"] < 20
    assert any(event["kind"] == "interrupted" for event in report["events"])
    assert streams_in(tmp_path / "received.mkv") == ["audio", "video"]


def test_call_json_is_one_document_and_the_report(tmp_path: Path) -> None:
    done = call(tmp_path, "--height", "180", "--network", "wifi", "--json")
    assert done.returncode == 0, done.stderr[-1000:]
    document = json.loads(done.stdout)  # one document, nothing around it
    assert document == report_of(tmp_path)
    schema = json.loads((ROOT / "docs/report.schema.json").read_text())
    assert faults(document, schema) == []
    assert [s["kind"] for s in document["streams"]] == ["audio", "video"]
    assert done.stderr == ""


def test_call_sound_alone(tmp_path: Path) -> None:
    done = call(tmp_path, "--audio", str(SPEECH))
    assert done.returncode == 0, done.stderr[-1000:]
    assert [s["kind"] for s in report_of(tmp_path)["streams"]] == ["audio"]
    assert streams_in(tmp_path / "received.mkv") == ["audio"]


def test_call_pictures_alone_through_a_plan(tmp_path: Path, silent_clip: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text('name = "far away"\ndelay_ms = 30\n[b_to_a]\ndelay_ms = 50\n')
    done = call(tmp_path / "out", "--video", str(silent_clip), "--network", str(plan), "--profile", "none",
                duration="3")  # the first reports that tell the round trip come after a second or two
    assert done.returncode == 0, done.stderr[-1000:]
    report = report_of(tmp_path / "out")
    assert [s["kind"] for s in report["streams"]] == ["video"]
    assert report["meta"]["network"] == "far away"
    assert report["meta"]["settings"]["srtp"] == "none"
    assert report["streams"][0]["latency"]["p50_ms"] > 30
    rtts = [rtt for rtt in report["path"]["rtt_ms"] if rtt is not None]
    assert rtts
    assert 75 < rtts[-1] < 160
    assert streams_in(tmp_path / "out/received.mkv") == ["video"]


def test_call_waits_for_what_is_in_flight(tmp_path: Path) -> None:
    """A network of 400 ms loses nothing, so nothing may be missing at the end."""
    plan = tmp_path / "plan.toml"
    plan.write_text("delay_ms = 400\n")
    done = call(tmp_path / "out", "--height", "90", "--video-bitrate", "200000", "--network", str(plan))
    assert done.returncode == 0, done.stderr[-1000:]
    speech, camera = report_of(tmp_path / "out")["streams"]
    assert speech["packets"]["received"] == speech["packets"]["sent"]
    assert camera["video"]["frozen"] == 0


@pytest.mark.parametrize(("codec", "band"), [("pcmu", "narrowband"), ("g722", "wideband"), ("l16", "wideband")])
def test_call_of_a_telephone_codec_is_recorded_and_judged(tmp_path: Path, codec: str, band: str) -> None:
    run = call(tmp_path, "--audio", str(SPEECH), "--audio-codec", codec, "--no-score", duration="2")
    assert run.returncode == 0, run.stderr[-1000:]
    stream, = report_of(tmp_path)["streams"]
    assert stream["codec"] == stream["encoder"] == codec
    assert stream["packets"]["received"] == stream["packets"]["sent"]
    assert stream["audio"]["band"] == band
    assert stream["audio"]["correlation"] > 0.7  # a busy machine lets some of it come late
    assert stream["playout"]["status"].count("played") > 0.5 * stream["packets"]["sent"]


def test_call_repair_is_in_its_report(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text("delay_ms = 20\n[a_to_b]\nloss_rate = 0.1\n")
    run = call(tmp_path / "red", "--audio", str(SPEECH), "--red", "2,1", "--network", str(plan), "--no-score",
               duration="2")
    assert run.returncode == 0, run.stderr[-1000:]
    report = report_of(tmp_path / "red")
    assert report["meta"]["settings"]["red_distances"] == "2, 1"
    stream, = report["streams"]
    assert stream["packets"]["recovered"] > 0
    assert stream["audio"]["copy_pct"] > 0
    run = call(tmp_path / "auto", "--audio", str(SPEECH), "--repair", "auto", "--no-score", duration="1")
    assert run.returncode == 0, run.stderr[-1000:]
    assert report_of(tmp_path / "auto")["meta"]["settings"]["repair"] == "auto"


@pytest.mark.parametrize(("args", "status", "text"), [
    (["--repair", "never"], 1, "manual nor auto"),
    (["--red", "3,x"], 1, "--red 3,x"),
    (["--red", "3", "--audio-codec", "pcmu"], 1, "of Opus only"),
    (["--audio-codec", "mp3"], 1, "opus, pcmu, pcma, g722, l16"),
    (["--audio", "no-such-file.wav"], 1, "no-such-file.wav: no such file"),
    (["--audio", "README.md"], 1, "README.md: not a media file"),
    (["--video", str(SPEECH)], 1, "no video in it"),
    (["--encoder", "no-such-encoder"], 1, "libx264"),
    (["--network", "lossi"], 1, "did you mean 'lossy'?"),
    (["--network", "no-such-plan.toml"], 1, "no-such-plan.toml"),
    (["--seed", str(2**64)], 1, "2^64-1"),
    (["--profile", "AES"], 1, "AEAD_AES_128_GCM"),
], ids=lambda value: value[0] if isinstance(value, list) else None)
def test_call_a_fault_is_one_line(tmp_path: Path, args: list[str], status: int, text: str) -> None:
    done = call(tmp_path / "out", *args)
    assert done.returncode == status
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr[-1000:]
    assert done.stderr.startswith("arcrtc: ")
    assert text in done.stderr
    assert not (tmp_path / "out/report.json").exists()


@pytest.mark.parametrize("args", [["--seed", "-1"], ["--seed", "one"], ["--duration", "0.1"], ["--height", "15"],
                                  ["--duration", "nan"], ["--max-latency", "0"], ["--no-such-option"]],
                         ids=" ".join)
def test_call_wrong_usage(tmp_path: Path, args: list[str]) -> None:
    done = call(tmp_path / "out", *args)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Usage:" in done.stderr
    assert "Traceback" not in done.stderr


def test_call_file_without_sound_as_audio(tmp_path: Path, silent_clip: Path) -> None:
    done = call(tmp_path / "out", "--audio", str(silent_clip))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "no audio in it" in done.stderr


def test_call_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    done = call(tmp_path / "file/out")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "--out" in done.stderr


def test_call_recording_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "received.mkv").mkdir()  # root may write anywhere, but not a file over a folder
    done = call(tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr[-1000:]
    assert "received.mkv" in done.stderr


def test_call_seed_repeats_what_the_network_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Times differ between two calls, the fate of the n-th packet does not."""
    relays: list[Relay] = []

    def noted(*args: Any, **kwargs: Any) -> Relay:
        relays.append(Relay(*args, log=10_000, **kwargs))
        return relays[-1]

    monkeypatch.setattr(runner, "Relay", noted)
    plan = NetworkPlan.symmetric(loss_rate=0.2, duplicate_rate=0.1)
    for seed in (7, 7, 8):
        run_call(CallSettings(audio=SPEECH, network=plan, duration_s=1.5, seed=seed), tmp_path)
    fates = [[decision.fate for decision in relay._sides[0].link.log or ()] for relay in relays]
    n = min(map(len, fates))
    assert n > 60
    assert fates[0][:n] == fates[1][:n]
    assert fates[0][:n] != fates[2][:n]
