"""What _native.py refuses at import: a core, or libraries under it, of another making."""
from __future__ import annotations

import importlib.util
import sys
import time
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from arcrtc import _native
from arcrtc._native import ffi, lib
from arcrtc.libraries import libraries


class OtherLib:
    """The true core, but for some functions."""

    def __init__(self, **other: Any) -> None:
        self._other = other

    def __getattr__(self, name: str) -> Any:
        return self._other.get(name) or getattr(lib, name)


def import_over(monkeypatch: pytest.MonkeyPatch, **other: Any) -> ModuleType:
    """Import _native.py anew over a core in which some functions are others."""
    monkeypatch.setitem(sys.modules, "arcrtc._core", SimpleNamespace(ffi=ffi, lib=OtherLib(**other)))
    spec = importlib.util.spec_from_file_location("arcrtc._native_again", _native.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compiled_against(text: str) -> Any:
    kept = ffi.new("char[]", text.encode("ascii"))
    return lambda: kept


TRUE_INFO = ffi.string(lib.arc_build_info()).decode("ascii")
COMPILED = {library.name: str(library.compiled) for library in libraries() if library.compiled}


def test_import_over_the_true_core_succeeds_and_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_over(monkeypatch)
    assert {name.removeprefix("lib") for name in COMPILED} <= set(module.loaded_versions())
    spent = []
    for _ in range(20):
        begin = time.process_time_ns()
        module._compare_libraries()
        spent.append(time.process_time_ns() - begin)
    assert min(spent) < 1_000_000


@pytest.mark.parametrize("name", ["libcrypto", "opus", "libavcodec", "libavutil", "libswresample", "libswscale"])
def test_import_refuses_another_major_version(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    true = f"{name}={COMPILED[name]};"
    assert true in TRUE_INFO
    with pytest.raises(ImportError) as raised:
        import_over(monkeypatch, arc_build_info=compiled_against(TRUE_INFO.replace(true, f"{name}=99.1.2;")))
    assert f"{name} {COMPILED[name].split('.')[0]}." in str(raised.value)
    assert "is loaded, but the core was compiled against 99.1.2. Rebuild it" in str(raised.value)


def test_import_names_every_library_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImportError, match=r"libcrypto .* against 1\.1; opus .* against 0\.9\. Rebuild"):
        import_over(monkeypatch, arc_build_info=compiled_against("libcrypto=1.1;opus=0.9;compiler=12.2.0"))


@pytest.mark.parametrize("info", [
    "opus={opus_major}.99.7;compiler=12.2.0",  # a minor version keeps the ABI
    "dav1d=!libdav1d-dev,dav1d-devel,dav1d;compiler=12.2.0",  # left out of this build
    "compiler=1.0", "",  # a build by other hands says nothing
    "sanitize=address;compiler=99.1",
])
def test_import_does_not_mind(monkeypatch: pytest.MonkeyPatch, info: str) -> None:
    info = info.format(opus_major=COMPILED["opus"].split(".")[0])
    import_over(monkeypatch, arc_build_info=compiled_against(info))


def test_import_cannot_judge_a_library_without_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_over(monkeypatch, arc_cipher_version=lambda _: compiled_against("NamedSSL")())
    assert module.loaded_versions()["crypto"] == "NamedSSL"


def test_import_refuses_another_abi(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImportError, match=r"has ABI 7, this package needs 1\. Rebuild"):
        import_over(monkeypatch, arc_abi_version=lambda: 7)
