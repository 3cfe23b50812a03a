"""The scripts in bench/ that other scripts call: what they print, and how a profile of valgrind is read."""
from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"

PROFILE = """\
# callgrind format
events: Ir
fl=bench/a.c
fn=main
10 5
cfn=protect
calls=4 20
12 4000
cfi=csrc/b.c
cfn=fill
calls=1 7
13 30
cfn=protect
calls=2 20
14 2600

fn=protect
20 100
cfn=protect
calls=1 30
21 77
"""


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, BENCH / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def test_instructions_are_those_of_each_caller_apart() -> None:
    found = load("instructions").parse_profile(PROFILE.splitlines())
    assert found == {("main", "protect"): (6, 6600), ("main", "fill"): (1, 30), ("protect", "protect"): (1, 77)}


def test_instructions_says_what_it_cannot_run(
        capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert load("instructions").main(["f", "program"]) == 1
    assert "valgrind" in capsys.readouterr().err


@pytest.mark.build
def test_bench_libsrtp_prints_what_the_driver_reads() -> None:
    done = subprocess.run([sys.executable, BENCH / "bench_libsrtp.py", "--json", "--rounds", "2"], check=True,
                          capture_output=True, text=True, timeout=60)
    report = json.loads(done.stdout)
    assert set(report["machine"]["libsrtp"]) == {"wheel", "debian"}
    names = {r["name"] for r in report["results"]}
    assert len(names) == 2 * 2 * 2 * 2
    assert "libsrtp.wheel.protect.gcm128.1200B" in names
    assert all(r["value"] > 0 and r["unit"] == "ns/packet" for r in report["results"])


def test_bench_scale_in_small_gives_its_figures_and_all_memory_back(capsys: pytest.CaptureFixture[str]) -> None:
    scale = load("bench_scale")
    scale.ACTIVE = 4
    assert scale.main(["--publishers", "12", "--fan-out", "3", "--cycles", "2", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["faults"] == []
    assert len(result["cycles"]) == 2
    assert result["cycles"][0]["tables"]["streams"] == 12 + 36
    assert result["active_stream"]["packets_received"] > 0
    assert "| route |" in scale.report(result)


def test_bench_scale_says_how_many_files_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert load("bench_scale").main(["--publishers", "100000000"]) == 1
    assert "ulimit -Hn" in capsys.readouterr().err


def test_bench_scale_finds_what_does_not_come_back() -> None:
    scale = load("bench_scale")
    mib = 1 << 20
    flat = {"before": [5, 60 * mib], "after": [5, 70 * mib]}
    assert scale.faults({"cycles": [flat, flat, flat]}) == []
    assert "1 bytes stay" in scale.faults({"cycles": [flat, {**flat, "after": [6, 70 * mib]}]})[0]
    assert "grew by 30 MiB" in scale.faults({"cycles": [flat, flat, {**flat, "after": [5, 100 * mib]}]})[0]


def test_bench_voice_in_small_gives_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    voice = load("bench_voice")
    voice.main(["--seconds", "2", "--rounds", "2", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert set(report["results"]) == set(voice.NETWORKS)
    for found in report["results"].values():
        assert found["arcrtc"]["ms_per_s"] > 0
        assert 1.5 < found["arcrtc"]["seconds_out"] < 2.5
        assert 1.5 < found["libopus"]["seconds_out"] <= 2
    voice._print(report["results"])
    assert "libopus alone" in capsys.readouterr().out


def test_bench_voice_memory_counts_every_part(capsys: pytest.CaptureFixture[str]) -> None:
    memory = load("bench_voice_memory")
    assert memory.main(["--rates", "16000", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["16000"]
    names = list(found)
    assert all(found[name] > 0 for name in names)
    assert sum(found[name] for name in names[:names.index("all")]) == pytest.approx(found["all"])
    assert memory.main(["--rates", "16000"]) == 0
    assert "| all |" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["bench_jitter", "bench_voice"])
def test_bench_ctrl_c_ends_it_without_a_traceback(name: str) -> None:
    """The script is run as from a shell; Ctrl-C comes out of its main()."""
    code = ("import runpy, sys, argparse\n"
            "def stop(*args, **kwargs): raise KeyboardInterrupt\n"
            "argparse.ArgumentParser.parse_args = stop\n"
            f"runpy.run_path({str(BENCH / (name + '.py'))!r}, run_name='__main__')\n")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
                          cwd=BENCH.parent, check=False)
    assert (done.returncode, done.stderr) == (130, "")


def test_bench_emodel_finds_the_factors_it_was_given() -> None:
    """Losses drawn as asked for, and a fit of rows that the model itself made."""
    from arcrtc.audio.emodel import equipment_impairment

    emodel = load("bench_emodel")
    for burst in (1, 3):
        lost = emodel.losses(200_000, 10, burst, seed=1)
        starts = int((lost[1:] & ~lost[:-1]).sum())
        assert lost.mean() == pytest.approx(0.1, abs=0.01)
        assert lost.sum() / starts == pytest.approx(burst if burst > 1 else 1 / 0.9, rel=0.05)
    rows = [(loss, burst, equipment_impairment(10, 12.5, loss, burst)) for loss in (3, 10, 20) for burst in (1, 2)]
    assert emodel.fit_bpl(rows, 10) == pytest.approx(12.5, rel=0.02)
    assert emodel.raw_ie(emodel.BEST_PESQ) == pytest.approx(0, abs=0.1)
