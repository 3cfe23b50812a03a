"""Building and installing: what a person sees who has a library missing, and what a wheel holds."""
from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import arcrtc

ROOT = Path(__file__).resolve().parents[2]
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")
OFFLINE = ("--no-index", "--no-deps", "--no-build-isolation", "-q")
NO_LIBRARIES = {"PKG_CONFIG_LIBDIR": "/nonexistent", "PKG_CONFIG_PATH": ""}


def run(*args: str | Path, cwd: Path = ROOT, status: int = 0,
        **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(arg) for arg in args], cwd=cwd, capture_output=True, text=True,
                          env={**os.environ, **environment}, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done


def test_packaging_one_version() -> None:
    stated = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M)
    assert stated is not None
    assert stated.group(1) == arcrtc.__version__


def test_packaging_names_missing_libraries_and_how_to_get_them() -> None:
    done = run(sys.executable, "build_ffi.py", status=1, **NO_LIBRARIES)
    assert "Traceback" not in done.stderr
    for expected in ("opus 1.3 or later (not found)", "apt-get install libssl-dev libopus-dev", "dnf install",
                     "brew install openssl@3", "PKG_CONFIG_PATH"):
        assert expected in done.stderr
    assert done.stderr.count("ffmpeg-free-devel") == 1


def test_packaging_says_that_a_library_is_too_old(tmp_path: Path) -> None:
    old = tmp_path / "opus.pc"
    old.write_text("Name: opus\nDescription: old\nVersion: 1.1\nLibs:\nCflags:\n", encoding="utf-8")
    done = run(sys.executable, "build_ffi.py", status=1, PKG_CONFIG_PATH=str(tmp_path))
    assert "  opus 1.3 or later (found 1.1)\n" in done.stderr
    assert "install libopus-dev\n" in done.stderr
    assert "libcrypto" not in done.stderr


FREE_THREADED = """
import sysconfig, cffi, build_ffi
cffi.__version__ = {version!r}
plain = sysconfig.get_config_var
sysconfig.get_config_var = lambda name: 1 if name == "Py_GIL_DISABLED" else plain(name)
build_ffi.check_free_threading()
"""


def test_packaging_free_threaded_python_needs_a_cffi_that_leaves_it_so() -> None:
    done = run(sys.executable, "-c", FREE_THREADED.format(version="1.17.1"), status=1)
    assert "pip install 'cffi>=2.0'" in done.stderr
    assert "Traceback" not in done.stderr
    run(sys.executable, "-c", FREE_THREADED.format(version="2.0.0"))


def test_packaging_says_that_pkg_config_is_missing() -> None:
    done = run(sys.executable, "build_ffi.py", status=1, PKG_CONFIG="no-such-pkg-config")
    assert "apt-get install pkg-config" in done.stderr
    assert "Traceback" not in done.stderr


def test_packaging_leaves_out_only_what_is_optional() -> None:
    assert "opus" in run(sys.executable, "build_ffi.py", ARCRTC_WITHOUT="vpx,dav1d").stdout
    done = run(sys.executable, "build_ffi.py", status=1, ARCRTC_WITHOUT="vpx,opus")
    assert done.stderr == "arcrtc: ARCRTC_WITHOUT=opus: only these can be left out: vpx, IPSec_MB, aom, dav1d\n"


def test_packaging_build_info_names_packages_of_what_is_left_out() -> None:
    text = run(sys.executable, "build_ffi.py", "--build-info", ARCRTC_WITHOUT="vpx,dav1d").stdout
    assert "dav1d=!libdav1d-dev,libdav1d-devel,dav1d;" in text
    assert re.search(r"opus=1\.\d", text)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source archive, made from what is tracked (or from an unpacked archive)."""
    folder = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "build", "--sdist", "--no-isolation", "--skip-dependency-check",
        "--outdir", folder, ROOT)
    return next(folder.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def unpacked(archive: Path) -> Path:
    with tarfile.open(archive) as tar:
        tar.extractall(archive.parent, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    return next(path for path in archive.parent.iterdir() if path.is_dir())


@pytest.mark.build
@pytest.mark.slow
def test_packaging_archive_holds_every_tracked_file(unpacked: Path) -> None:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    tracked = {name for name in done.stdout.splitlines() if (ROOT / name).is_file()}
    packed = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    assert sorted(tracked - packed) == []
    assert not [name for name in packed if name.endswith((".so", ".pyc", "/_core.c"))]


@pytest.mark.build
@pytest.mark.slow
def test_packaging_wheel_from_archive_installs_and_runs_elsewhere(unpacked: Path, tmp_path: Path) -> None:
    run(*PIP, "wheel", *OFFLINE, "-w", tmp_path, unpacked)
    wheel = next(tmp_path.glob("*.whl"))
    assert re.fullmatch(r"arcrtc-[\d.]+-cp310-abi3-\w+\.whl", wheel.name)
    names = zipfile.ZipFile(wheel).namelist()
    assert "arcrtc/_core.abi3.so" in names
    assert "arcrtc/py.typed" in names
    assert not [name for name in names if name.startswith(("tests", "csrc", "build"))]

    run(*PIP, "install", *OFFLINE, "--target", tmp_path / "site", wheel)
    report = json.loads(run(sys.executable, "-m", "arcrtc", "doctor", "--json", cwd=tmp_path,
                            PYTHONPATH=str(tmp_path / "site")).stdout)
    assert report["package"]["path"] == str(tmp_path / "site" / "arcrtc")
    assert report["package"]["core"].startswith(str(tmp_path / "site"))
    done = run(tmp_path / "site/bin/arcrtc", "--version", cwd=tmp_path, PYTHONPATH=str(tmp_path / "site"))
    assert done.stdout == f"arcrtc {arcrtc.__version__}\n"


@pytest.mark.build
@pytest.mark.slow
def test_packaging_lean_build_works_and_says_what_it_lacks(unpacked: Path, tmp_path: Path) -> None:
    run(*PIP, "install", *OFFLINE, "--target", tmp_path / "site", unpacked, ARCRTC_WITHOUT="vpx,dav1d,IPSec_MB")
    report = json.loads(run(sys.executable, "-m", "arcrtc", "doctor", "--json", cwd=tmp_path,
                            PYTHONPATH=str(tmp_path / "site")).stdout)
    left_out = {entry["name"]: entry["package"] for entry in report["libraries"] if entry["compiled"] is None}
    assert set(left_out) == {"vpx", "dav1d", "IPSec_MB"}
    assert left_out["dav1d"]["debian"] == "libdav1d-dev"
    assert any("dav1d is not compiled in" in verdict["text"] for verdict in report["verdicts"])


@pytest.mark.build
@pytest.mark.slow
def test_packaging_pip_shows_the_message_and_no_traceback(unpacked: Path, tmp_path: Path) -> None:
    done = run(*PIP, "install", *OFFLINE, "--target", tmp_path / "site", unpacked, status=1, **NO_LIBRARIES)
    text = done.stdout + done.stderr
    assert "sudo apt-get install libssl-dev" in text
    assert "Traceback" not in text
    assert len(text.splitlines()) < 40
