"""cli/: exit statuses, one line for a fault, the help page, and what each command prints."""
from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from arcrtc import __version__
from arcrtc.cli import app, main
from arcrtc.errors import ConfigError, MediaError

ROOT = Path(__file__).resolve().parents[2]


def add_command(monkeypatch: pytest.MonkeyPatch, name: str, function: Any) -> None:
    """Put a command into the frame the way a new file in arcrtc/cli/ would."""
    module = types.ModuleType(f"arcrtc.cli.{name}")
    setattr(module, name, function)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(app, "COMMANDS", (*app.COMMANDS, name))
    monkeypatch.setattr(app.build_app, "__defaults__", (app.COMMANDS,))


def run_program(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "arcrtc", *args], capture_output=True, text=True, cwd=ROOT,
                          env={**os.environ, **environment}, timeout=60, check=False)


def test_cli_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f" {name} " in text for name in app.COMMANDS)


@pytest.mark.parametrize("command", app.COMMANDS)
def test_cli_every_command_explains_itself_and_takes_json(
        command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert "--json" in text
    assert "--verbose" in text


def test_cli_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"arcrtc {__version__}\n"


@pytest.mark.parametrize("args", [["no-such-command"], ["doctor", "--no-such-option"], ["bench", "a", "b"]])
def test_cli_wrong_usage_is_2(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(args) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Usage:" in captured.err


@pytest.mark.parametrize("error", [
    ConfigError("bitrate=5 is outside 6000..510000"), MediaError("clip.mp4: no such file"),
    OSError(98, "Address already in use"), ImportError("arcrtc: the compiled core cannot be loaded"),
    MediaError("two\n  lines"), MediaError()])
def test_cli_a_fault_is_one_line_and_1(error: Exception, monkeypatch: pytest.MonkeyPatch,
                                       capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> None:
        """Fail."""
        raise error

    monkeypatch.delenv("ARCRTC_TRACEBACK", raising=False)
    add_command(monkeypatch, "broken", broken)
    assert main(["broken"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("arcrtc: ")
    assert (" ".join(str(error).split()) or "MediaError") in captured.err


def test_cli_shows_the_traceback_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        """Fail."""
        raise MediaError("clip.mp4: no such file")

    monkeypatch.setenv("ARCRTC_TRACEBACK", "1")
    add_command(monkeypatch, "broken", broken)
    with pytest.raises(MediaError):
        main(["broken"])


def test_cli_a_mistake_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        """Fail."""
        raise AssertionError("ours")

    add_command(monkeypatch, "broken", broken)
    with pytest.raises(AssertionError):
        main(["broken"])


def test_cli_ctrl_c_cleans_up_and_is_130(monkeypatch: pytest.MonkeyPatch,
                                         capsys: pytest.CaptureFixture[str]) -> None:
    cleaned = []

    def waits() -> None:
        """Be stopped by the user."""
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            cleaned.append(True)

    add_command(monkeypatch, "waits", waits)
    assert main(["waits"]) == 130
    assert cleaned == [True]
    assert capsys.readouterr().err == "arcrtc: stopped\n"


def test_cli_as_a_module_passes_its_status_on() -> None:
    assert run_program("no-such-command").returncode == 2
    done = run_program("bench", "no-such-group")
    assert done.returncode == 1
    assert done.stderr == "arcrtc: no benchmark is named 'no-such-group'; 'arcrtc bench --list' shows all\n"


def test_cli_a_reader_that_leaves_is_no_traceback() -> None:
    with subprocess.Popen([sys.executable, "-m", "arcrtc", "doctor", "--json"], cwd=ROOT,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        process.wait(timeout=60)
    assert process.returncode == 1


def test_cli_help_loads_nothing_heavy() -> None:
    """What takes long to import is imported by the command, or the public name, that needs it."""
    code = ("import sys; before = set(sys.modules); import arcrtc.cli; arcrtc.cli.main(['--help']); "
            "print(*(set(sys.modules) - before), sep='\\n')")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.splitlines()}
    assert "typer" in loaded
    assert not loaded & {"numpy", "av", "matplotlib", "cffi", "asyncio"}


def test_doctor_reports_this_build(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report) == {"package", "opus", "python_packages", "libraries", "crypto", "machine", "network",
                           "clock", "decoders", "devices", "verdicts"}
    assert report["package"]["version"] == __version__
    assert Path(report["package"]["core"]).is_file()
    libraries = {entry["name"]: entry for entry in report["libraries"]}
    assert set(libraries) == {"libcrypto", "opus", "libavcodec", "libavutil", "libswresample", "libswscale", "vpx",
                              "aom", "dav1d", "IPSec_MB"}
    assert all(libraries[name]["compiled"][0].isdigit() for name in ("libcrypto", "opus", "libavcodec"))
    assert report["machine"]["cores"] >= 1
    backends = {backend["name"]: backend for backend in report["crypto"]["backends"]}
    assert set(backends) == {"openssl", "ipsecmb"}
    assert backends[report["crypto"]["in_use"]]["unusable"] == ""
    features = {feature["name"]: feature for feature in report["network"]["features"]}
    assert features["IPv4"] == {"name": "IPv4", "works": True, "reason": "", "instead": "IPv6 only"}
    assert all(feature["works"] == (feature["reason"] == "") for feature in features.values())
    assert all(verdict["level"] in ("good", "hint") for verdict in report["verdicts"])


def test_doctor_text_has_every_section(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    for title in ("arcrtc", "Libraries", "Encryption", "Python packages", "Machine", "Network", "Clock", "Devices",
                  "Verdict"):
        assert f"\n{title}\n" in f"\n{text}"
    assert "libavcodec" in text
    assert re.search(r"^  UDP_SEGMENT +(works|no: .+; each datagram leaves)", text, re.M)


def test_encoders_prints_what_the_library_lists(monkeypatch: pytest.MonkeyPatch,
                                                capsys: pytest.CaptureFixture[str]) -> None:
    listing = types.ModuleType("arcrtc.video.encoders")
    h264 = types.SimpleNamespace(value="h264")
    entries = [types.SimpleNamespace(name="libx264", codec=h264, library="FFmpeg", hardware=False,
                                     usable=True, reason=""),
               types.SimpleNamespace(name="h264_nvenc", codec=h264, library="FFmpeg", hardware=True,
                                     usable=False, reason="h264_nvenc: cannot load libcuda.so.1 [1]")]
    listing.list_encoders = lambda: entries  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "arcrtc.video", types.ModuleType("arcrtc.video"))
    monkeypatch.setitem(sys.modules, "arcrtc.video.encoders", listing)
    assert main(["encoders"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["libx264", "h264", "FFmpeg", "software", "yes"]
    assert lines[2].split(maxsplit=4)[4].strip() == "cannot load libcuda.so.1 [1]"
    assert main(["encoders", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["encoders"] == [
        {**vars(entry), "codec": "h264"} for entry in entries]
