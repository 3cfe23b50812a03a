"""Rules of the tree that a machine can check: each test names the rule and the lines that break it.

The checks are functions of text, so that the tests at the end can show that each of
them finds what it is there to find.
"""
from __future__ import annotations

import ast
import dataclasses
import importlib.util
import inspect
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import arcrtc

ROOT = Path(__file__).resolve().parents[2]
CSRC = ROOT / "csrc"
HEADERS = sorted(CSRC.glob("*/*.h"))
C_FILES = sorted([*HEADERS, *CSRC.glob("*/*.c")])
PYTHON_FILES = sorted((ROOT / "arcrtc").rglob("*.py"))
COMMENT_OR_STRING = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)

# Written in parts, so that this file keeps the rules it checks.
OPEN_WORK = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
BUILD_MACHINE = re.compile(r"(?<![\w.~-])/(?:wo" + r"rk|tmp/w" + r"t|ro" + r"ot)(?![\w-])")


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tracked_files() -> list[Path]:
    """Files under version control; in a source archive: all but what a build leaves."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0 and done.stdout:
        return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]
    left_by_builds = {"build", "dist", "out", ".venv", "__pycache__"}
    return [path for path in sorted(ROOT.rglob("*")) if path.is_file()
            and not left_by_builds.intersection(path.relative_to(ROOT).parts)]


def text_lines(paths: list[Path]) -> Iterator[tuple[str, str]]:
    """(place, line) of every line of the text files in ``paths``."""
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            yield f"{relative(path)}:{number}", line


def code_only(c_source: str) -> str:
    """C without comments and strings; line numbers stay."""
    return COMMENT_OR_STRING.sub(lambda match: "\n" * match.group().count("\n") or " ", c_source)


def calls_of(c_source: str, functions: str) -> list[str]:
    """Calls of ``functions`` (a regular expression) in C code, with their line."""
    pattern = re.compile(rf"(?<![\w.>])({functions})\s*\(")
    lines = enumerate(code_only(c_source).splitlines(), 1)
    return [f"{number}: {found.group(1)}()" for number, line in lines if (found := pattern.search(line))]


def calls_outside(functions: str, *allowed: str) -> list[str]:
    """Calls of ``functions`` in csrc, but for files whose path begins with one of ``allowed``."""
    return [f"{relative(path)}:{call}" for path in C_FILES
            if not relative(path).startswith(tuple(f"csrc/{place}" for place in allowed))
            for call in calls_of(path.read_text(encoding="utf-8"), functions)]


CLOCK = r"clock_gettime|gettimeofday|time|clock|localtime\w*|gmtime\w*|nanosleep|usleep|sleep"
HEAP = r"malloc|calloc|realloc|free|strdup|strndup|aligned_alloc|posix_memalign|alloca"
SYSTEM = (r"getenv|secure_getenv|setenv|rand|srand|random|drand48|printf|fprintf|puts|perror|fopen|open|read|"
          r"write|close|socket|sendto|recvfrom|sendmmsg|recvmmsg|system|abort|exit|pthread_\w+")


def test_contract_no_clock_below_io() -> None:
    assert calls_outside(CLOCK, "io/") == []


def test_contract_only_base_mem_allocates() -> None:
    assert calls_outside(HEAP, "base/mem.c") == []


def test_contract_only_io_talks_to_the_system() -> None:
    assert calls_outside(SYSTEM, "io/") == []


def documents_owner_and_threads(header: str) -> bool:
    """True if the head comment says both, or the header declares no function and no struct."""
    comment = re.search(r"/\*\*.*?\*/", header, re.S)
    head = comment.group() if comment else ""
    code = code_only(re.sub(r"static inline.*?\n}\n", "", header, flags=re.S))
    if not re.search(r"\)\s*;|struct \w+ \{", code):
        return True
    return all(re.search(rf"^ \* {word}: ", head, re.M) for word in ("Owner", "Threads"))


def test_contract_every_header_documents_owner_and_threads() -> None:
    assert [relative(path) for path in HEADERS
            if not documents_owner_and_threads(path.read_text(encoding="utf-8"))] == []


def test_contract_every_module_has_a_line_in_the_map() -> None:
    """csrc/README.md is the page to read first: a table row ``| `layer/module` | what it is |``."""
    page = (CSRC / "README.md").read_text(encoding="utf-8")
    described = set(re.findall(r"^\| `(\w+/\w+)` \| \S", page, re.M))
    modules = {f"{path.parent.name}/{path.stem}" for path in C_FILES}
    assert sorted(modules - described) == []


def load_check_layers() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_layers", ROOT / "ci/check_layers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_contract_includes_point_to_lower_layers() -> None:
    assert load_check_layers().faults(CSRC) == []


def test_contract_one_file_includes_each_library() -> None:
    """A library's headers are included by the files of one module only, so that it can be replaced."""
    folders: dict[str, str | tuple[str, ...]] = {
        "openssl": "srtp/cipher_openssl", "intel-ipsec-mb": "srtp/cipher_ipsecmb", "opus": "audio/opuscodec",
        "libswscale": "video/", "libswresample": "audio/resample", "libavcodec": ("video/", "audio/ffaudio"),
        "libavutil": ("video/", "audio/resample"), "vpx": "video/", "aom": "video/",
        "dav1d": "video/"}
    faults = []
    for path in C_FILES:
        place = f"{path.parent.name}/{path.stem}"
        for library in re.findall(r"^#include <([\w-]+)[/.]", path.read_text(encoding="utf-8"), re.M):
            if not place.startswith(folders.get(library, "")):
                faults.append(f"{relative(path)} includes <{library}...>")
    assert faults == []


def test_contract_every_fuzz_target_has_a_seed_input() -> None:
    targets = [path.stem.removeprefix("fuzz_") for path in (ROOT / "tests/fuzz").glob("fuzz_*.c")]
    assert [name for name in targets if not any((ROOT / "tests/fuzz/corpus" / name).glob("*"))] == []


def test_contract_no_unfinished_work_is_marked() -> None:
    assert [place for place, line in text_lines(tracked_files()) if OPEN_WORK.search(line)] == []


def test_contract_no_path_of_a_build_machine() -> None:
    assert [place for place, line in text_lines(tracked_files()) if BUILD_MACHINE.search(line)] == []


def prints(source: str) -> list[int]:
    """Lines that call print()."""
    return [node.lineno for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name) and node.func.id == "print"]


def test_contract_only_the_command_line_prints() -> None:
    assert [f"{relative(path)}:{line}" for path in PYTHON_FILES if "cli" not in path.parts
            for line in prints(path.read_text(encoding="utf-8"))] == []


def test_contract_only_native_imports_the_core() -> None:
    importing = re.compile(r"^\s*(?:(?:from|import) arcrtc\._core|from arcrtc import .*\b_core\b)", re.M)
    assert [relative(path) for path in PYTHON_FILES
            if importing.search(path.read_text(encoding="utf-8"))] == ["arcrtc/_native.py"]


def test_contract_public_names_are_documented() -> None:
    names = arcrtc.__all__
    assert sorted(set(names)) == sorted(names)
    undocumented = []
    for name in names:
        thing = getattr(arcrtc, name)
        if (inspect.isclass(thing) or callable(thing)) and not (thing.__doc__ or "").strip():
            undocumented.append(name)
    assert undocumented == []


def undescribed_fields(cls: type) -> list[str]:
    """Fields of a dataclass that its docstring does not explain."""
    text = cls.__doc__ or ""
    return [f"{cls.__name__}.{field.name}" for field in dataclasses.fields(cls)
            if not re.search(rf":ivar {field.name}:|``{field.name}``|^\s+{field.name}\b", text, re.M)]


def test_contract_public_fields_are_described() -> None:
    """Each by ``:ivar name:``; units and ranges stand there."""
    public = [getattr(arcrtc, name) for name in arcrtc.__all__]
    assert [field for thing in public if dataclasses.is_dataclass(thing)
            for field in undescribed_fields(thing)] == []


def test_contract_public_names_are_in_dir() -> None:
    """dir() and __all__ agree, and a wrong name is an AttributeError."""
    assert set(arcrtc.__all__) <= set(dir(arcrtc))
    with pytest.raises(AttributeError):
        _ = arcrtc.no_such_name  # type: ignore[attr-defined]


def test_contract_text_files_are_tidy() -> None:
    """No trailing blanks, no tabs in C and Python, one line feed at the end."""
    faults = []
    for path in tracked_files():
        if path.suffix not in (".c", ".h", ".py", ".md", ".toml", ".sh", ".mk"):
            continue
        text = path.read_text(encoding="utf-8")
        if text and (not text.endswith("\n") or text.endswith("\n\n")):
            faults.append(f"{relative(path)}: end of file")
        for number, line in enumerate(text.splitlines(), 1):
            if line != line.rstrip() or ("\t" in line and path.suffix in (".c", ".h", ".py")):
                faults.append(f"{relative(path)}:{number}: blanks")
    assert faults == []


# The checks themselves: each must be able to fail.

def test_check_finds_calls_but_not_words() -> None:
    source = ('/* malloc(1) */ char *s = "free(p)"; // free(q)\n'
              "p = malloc(3);\nav_free(p);\nx->free(p);\nx.free(p);\narc_mem_free(p);\nfree (p);\n")
    assert calls_of(source, HEAP) == ["2: malloc()", "7: free()"]
    assert calls_of("now = time(NULL);\nrun_time(3);\nt = next_time (4);\n", CLOCK) == ["1: time()"]


@pytest.mark.parametrize(("header", "good"), [
    ("/**\n * Owner: x\n * Threads: y\n */\nvoid f(void);\n", True),
    ("/**\n * Owner: x\n */\nvoid f(void);\n", False),
    ("/**\n * x\n */\nstruct a {\n    int b;\n};\n", False),
    ("/**\n * x\n */\n#define A 1\nstatic inline int f(void)\n{\n    return g();\n}\n", True),
    ("void f(void);\n", False),
])
def test_check_reads_header_comments(header: str, good: bool) -> None:
    assert documents_owner_and_threads(header) is good


def test_check_finds_marks_and_paths() -> None:
    assert OPEN_WORK.search("/* TO" + "DO: later */")
    assert not OPEN_WORK.search("mastodon, todos")
    assert BUILD_MACHINE.search("see /wo" + "rk/shared/x")
    assert BUILD_MACHINE.search("'/ro" + "ot'")
    assert not BUILD_MACHINE.search("this/wo" + "rk, ~/wo" + "rk, /wo" + "rker, /ro" + "ot-ca")


def test_check_finds_fields_without_a_word() -> None:
    @dataclasses.dataclass
    class Config:
        """Made of ``one``.

        :ivar two: second.
        """

        one: int
        two: int
        three: int

    assert undescribed_fields(Config) == ["Config.three"]


def test_check_finds_print() -> None:
    assert prints("x = 1\nprint(x)\npprint(x)\nself.print(x)\n") == [2]


def test_check_layers_finds_each_fault(tmp_path: Path) -> None:
    def write(name: str, text: str) -> None:
        path = tmp_path / "csrc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    write("base/a.h", '#ifndef ARC_BASE_A_H\n#include "wire/b.h"\n')
    write("wire/b.h", '#ifndef WRONG_GUARD\n#include "base/a.h"\n')
    write("srtp/c.c", '#include "audio/d.h"\n#include "c.h"\n')
    write("attic/e.c", "")
    faults = load_check_layers().faults(tmp_path / "csrc")
    assert len(faults) == 5
    for expected in ("base/a.h: includes wire/b.h", "guard must be ARC_WIRE_B_H",
                     "srtp/c.c: includes audio/d.h", '"c.h" must be written', "'attic' is not a layer"):
        assert any(expected in fault for fault in faults), expected


def test_contract_make_test_runs_every_folder_of_tests() -> None:
    rules = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = {word for line in rules.splitlines() if line.startswith(("LIVE ", "SHARED ")) for word in line.split()[2:]}
    assert named == {f"tests/{path.relative_to(ROOT / 'tests').parts[0]}" for path in ROOT.glob("tests/*/**/test_*.py")}
