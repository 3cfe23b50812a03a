"""The C programs of tests/c, and every kept input through every fuzz target, as ``make ctest`` runs them."""
from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def make(goal: str, form: str = "none") -> str:
    done = subprocess.run(["make", "-s", "-j2", "-f", "ci/core.mk", f"SAN={form}", goal], cwd=ROOT, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.build
def test_c_programs_pass() -> None:
    programs = list((ROOT / "tests/c").glob("test_*.c"))
    text = make("test")
    assert programs
    assert text.count("checks passed") == len(programs), text


@pytest.mark.build
@pytest.mark.slow
def test_c_sockets_of_other_systems_pass() -> None:
    """The same tests of sockets with what csrc/io/udpsys.c does where there is no Linux."""
    for program in ("build/core-portable/test_udp", "build/core-portable/test_udp_life"):
        make(program, "portable")
        done = subprocess.run([ROOT / program], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "checks passed" in done.stdout


@pytest.mark.build
@pytest.mark.slow
def test_c_fuzz_targets_survive_every_kept_input() -> None:
    targets = sorted(path.stem for path in (ROOT / "tests/fuzz").glob("fuzz_*.c"))
    text = make("replay")
    for name in targets:
        assert f"/{name}: " in text
    assert text.count("inputs replayed") == len(targets)
    assert ": 0 inputs replayed" not in text
