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
