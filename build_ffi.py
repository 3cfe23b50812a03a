"""Build plan of the native core: which libraries, which sources, what Python sees.

``setup.py`` calls :func:`ffi_builder` through cffi. The declarations that Python
sees stand in the headers only, between ``ARC_CDEF_BEGIN`` and ``ARC_CDEF_END``;
they are handed to cffi untouched and in layer order, and the C compiler checks
them against the headers they came from.

Environment:

``ARCRTC_SANITIZE``
    ``address``, ``undefined`` or ``thread``: compile the core with that
    sanitizer (``make asan ubsan tsan``).
``ARCRTC_WITHOUT``
    Optional libraries to leave out although they are present, by name and
    separated by commas (``vpx,dav1d``). For tests of a lean build.
"""
from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

import cffi
from cffi import FFI

ROOT = Path(__file__).resolve().parent
CSRC = ROOT / "csrc"
LAYERS = ("base", "wire", "srtp", "cc", "audio", "video", "rx", "tx", "session", "router", "io")
CDEF = re.compile(r"/\* ARC_CDEF_BEGIN \*/\n(.*?)/\* ARC_CDEF_END \*/", re.S)


class Library(NamedTuple):
    """A library the core links against, and how a person gets it."""

    name: str  #: pkg-config module
    debian: str
    fedora: str
    brew: str
    required: bool = True
    minimum: str = "0"
    link: tuple[str, ...] = ()  #: flags for a library without a pkg-config file
    header: str = ""  #: header that proves such a library present
    version_macro: str = ""  #: string literal in that header with the version

    @property
    def macro(self) -> str:
        """Preprocessor symbol that says the library is compiled in."""
        return "ARC_HAVE_" + re.sub(r"^lib", "", self.name).upper().replace("-", "_")


LIBRARIES = (
    Library("libcrypto", "libssl-dev", "openssl-devel", "openssl@3", minimum="3.0"),
    Library("opus", "libopus-dev", "opus-devel", "opus", minimum="1.3"),
    Library("libavcodec", "libavcodec-dev", "ffmpeg-free-devel", "ffmpeg", minimum="59.24"),
    Library("libavutil", "libavutil-dev", "ffmpeg-free-devel", "ffmpeg", minimum="57.24"),
    Library("libswscale", "libswscale-dev", "ffmpeg-free-devel", "ffmpeg", minimum="6"),
    Library("libswresample", "libswresample-dev", "ffmpeg-free-devel", "ffmpeg", minimum="4.5"),
    Library("vpx", "libvpx-dev", "libvpx-devel", "libvpx", required=False, minimum="1.8"),
    Library("IPSec_MB", "libipsec-mb-dev", "intel-ipsec-mb-devel", "", required=False, minimum="1.3",
            link=("-lIPSec_MB",), header="intel-ipsec-mb.h", version_macro="IMB_VERSION_STR"),
    Library("aom", "libaom-dev", "libaom-devel", "aom", required=False, minimum="3.5"),
    Library("dav1d", "libdav1d-dev", "libdav1d-devel", "dav1d", required=False, minimum="0.9"),
)


class MissingLibrary(SystemExit):
    """The build cannot go on; the message says what to install."""


def _pkg_config(*args: str) -> str | None:
    tool = os.environ.get("PKG_CONFIG", "pkg-config")
    if shutil.which(tool) is None:
        raise MissingLibrary(
            "arcrtc: pkg-config was not found. It tells where the libraries are.\n"
            "  Debian, Ubuntu:  sudo apt-get install pkg-config\n"
            "  Fedora:          sudo dnf install pkgconf-pkg-config\n"
            "  Homebrew:        brew install pkg-config")
    done = subprocess.run([tool, *args], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def _missing_message(missing: list[tuple[Library, str | None]]) -> str:
    lines = ["arcrtc: the core cannot be built, these libraries are missing:"]
    lines += [f"  {lib.name} {lib.minimum} or later ({f'found {found}' if found else 'not found'})"
              for lib, found in missing]

    def names(attribute: str) -> str:
        return " ".join(dict.fromkeys(getattr(lib, attribute) for lib, _ in missing))

    lines += ["To get them:",
              f"  Debian, Ubuntu:  sudo apt-get install {names('debian')}",
              f"  Fedora:          sudo dnf install {names('fedora')}",
              f"  Homebrew:        brew install {names('brew')}",
              "Then run the same command again. If the library is installed elsewhere, put the",
              "folder of its .pc file into PKG_CONFIG_PATH."]
    return "\n".join(lines)


def _version_in_header(lib: Library) -> str | None:
    """Version of a library without a pkg-config file; None: the compiler does not find its header."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    source = f'#include <{lib.header}>\nversion {lib.version_macro}\n'
    done = subprocess.run([*compiler, "-E", "-P", "-"], input=source, capture_output=True, text=True, check=False)
    found = re.search(r'^version\s+"([^"]+)"\s*$', done.stdout, re.M)
    return found.group(1) if done.returncode == 0 and found else None


def _is_at_least(version: str, minimum: str) -> bool:
    numbers = [[int(n) for n in re.findall(r"\d+", text)] for text in (version, minimum)]
    return numbers[0] >= numbers[1]


def _look_for(lib: Library) -> tuple[str | None, bool]:
    """(version or None, whether it is new enough)."""
    if lib.header:
        version = _version_in_header(lib)
        return version, version is not None and _is_at_least(version, lib.minimum)
    version = _pkg_config("--modversion", lib.name)
    return version, version is not None and _pkg_config("--exists", f"{lib.name} >= {lib.minimum}") is not None


def find_libraries() -> dict[str, str]:
    """Return {name: version} of what will be linked.

    :raises MissingLibrary: a required one is absent or too old, or ``ARCRTC_WITHOUT``
        names one that is not optional.
    """
    without = {name.strip() for name in os.environ.get("ARCRTC_WITHOUT", "").split(",")} - {""}
    optional = [lib.name for lib in LIBRARIES if not lib.required]
    if unknown := sorted(without.difference(optional)):
        raise MissingLibrary(f"arcrtc: ARCRTC_WITHOUT={','.join(unknown)}: only these can be left out: "
                             + ", ".join(optional))
    found: dict[str, str] = {}
    missing: list[tuple[Library, str | None]] = []
    for lib in LIBRARIES:
        version, usable = _look_for(lib)
        if usable and (lib.required or lib.name not in without):
            found[lib.name] = str(version)
        elif lib.required:
            missing.append((lib, version))
    if missing:
        raise MissingLibrary(_missing_message(missing))
    return found


def headers() -> list[Path]:
    """Every header with something for Python, in layer order, then by name; before all the one with enum arc_status."""
    return [path for layer in LAYERS
            for path in sorted((CSRC / layer).glob("*.h"), key=lambda path: (path.name != "status.h", path.name))
            if CDEF.search(path.read_text(encoding="utf-8"))]


def sources() -> list[str]:
    """Every C file of the core, relative to the project root."""
    return [str(path.relative_to(ROOT)) for layer in LAYERS
            for path in sorted((CSRC / layer).glob("*.c"))]


def declarations() -> str:
    """What cffi sees: the marked blocks of all headers."""
    return "\n".join(block for path in headers()
                     for block in CDEF.findall(path.read_text(encoding="utf-8")))


def compile_flags() -> list[str]:
    """Compiler flags that do not come from pkg-config."""
    flags = ["-std=c99", "-O2", "-g", "-fvisibility=hidden", "-fno-strict-aliasing",
             "-Wall", "-Wextra", "-Wno-unused-parameter"]
    sanitizer = os.environ.get("ARCRTC_SANITIZE", "")
    if sanitizer:
        # Python's own flags may make overflow defined and drop assert(): here both must show.
        flags += [f"-fsanitize={sanitizer}", "-fno-omit-frame-pointer", "-O1", "-fno-wrapv", "-UNDEBUG"]
        if sanitizer == "undefined":
            flags.append("-fno-sanitize-recover=undefined")
    return flags


def build_info(found: dict[str, str]) -> str:
    """The text of ``arc_build_info()`` (csrc/base/buildinfo.h), without the compiler."""
    entries = [f"{lib.name}={found[lib.name]}" if lib.name in found
               else f"{lib.name}=!{lib.debian},{lib.fedora},{lib.brew}" for lib in LIBRARIES]
    if sanitizer := os.environ.get("ARCRTC_SANITIZE", ""):
        entries.append(f"sanitize={sanitizer}")
    return "".join(f"{entry};" for entry in entries)


def _note_configuration(text: str) -> str:
    """Write down what objects are compiled with; setuptools compiles again when the file is newer.

    :returns: the file's path relative to the project root.
    """
    path = ROOT / "build" / f"configuration-{os.environ.get('ARCRTC_SANITIZE') or 'plain'}.txt"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return str(path.relative_to(ROOT))


def check_free_threading() -> None:
    """A free-threaded Python takes its lock back for a module that cffi below 2.0 has made.

    :raises MissingLibrary: this is such a Python, and such a cffi.
    """
    if sysconfig.get_config_var("Py_GIL_DISABLED") and not _is_at_least(cffi.__version__, "2.0"):
        raise MissingLibrary(f"arcrtc: cffi {cffi.__version__} would bring the interpreter's lock back into this "
                             "free-threaded Python. It takes: pip install 'cffi>=2.0'")


def ffi_builder() -> FFI:
    """The cffi builder that setup.py asks for."""
    check_free_threading()
    found = find_libraries()
    by_pkg_config = [lib.name for lib in LIBRARIES if lib.name in found and not lib.header]
    cflags = (_pkg_config("--cflags", *by_pkg_config) or "").split()
    libs = (_pkg_config("--libs", *by_pkg_config) or "").split()
    libs += [flag for lib in LIBRARIES if lib.name in found for flag in lib.link]
    macros = [(lib.macro, "1") for lib in LIBRARIES if lib.name in found and not lib.required]
    macros.append(("ARC_BUILD_INFO", f'"{build_info(found)}"'))
    sanitizer = os.environ.get("ARCRTC_SANITIZE", "")

    builder = FFI()
    builder.cdef(declarations())
    includes = "".join(f'#include "{path.relative_to(CSRC)}"\n' for path in headers())
    builder.set_source(
        "arcrtc._core", includes,
        sources=sources(),
        include_dirs=[str(CSRC.relative_to(ROOT))],
        define_macros=macros,
        extra_compile_args=compile_flags() + cflags,
        extra_link_args=libs + ["-lm", "-lpthread"]
        + ([f"-fsanitize={sanitizer}"] if sanitizer else []),
        depends=[_note_configuration(repr((macros, compile_flags(), cflags, libs))),
                 *(str(path.relative_to(ROOT)) for path in sorted(CSRC.rglob("*.h")))],
    )
    return builder


if __name__ == "__main__":
    if sys.argv[1:] == ["--cdef"]:
        print(declarations())
    elif sys.argv[1:] == ["--build-info"]:
        print(build_info(find_libraries()))
    else:
        for library, found_version in find_libraries().items():
            print(f"{library:12} {found_version}")
