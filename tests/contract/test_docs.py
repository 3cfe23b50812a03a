"""What the pages say is true: their Python runs, their TOML loads, their commands, options and links exist."""
from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

import arcrtc.errors
from arcrtc.benchmarks import select
from arcrtc.cli.app import COMMANDS, build_app
from arcrtc.media import sample_path
from arcrtc.routing import RouterEventType
from arcrtc.sim import NetworkPlan

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "csrc/README.md"])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def blocks(text: str, language: str) -> list[tuple[int, str]]:
    """(line, text) of each fenced block of a language."""
    return [(text[:found.start()].count("\n") + 1, found.group(2)) for found in BLOCK.finditer(text)
            if found.group(1) == language]


def all_blocks(language: str) -> list[object]:
    return [pytest.param(code, id=f"{page.relative_to(ROOT).as_posix()}:{line}") for page in PAGES
            for line, code in blocks(page.read_text(encoding="utf-8"), language)]


def commands(text: str) -> Iterator[list[str]]:
    """Words of each command of ours: indented lines, and what stands between back quotes."""
    prose = BLOCK.sub("", text)
    found = re.findall(r"^    ((?:arcrtc|make|python) .*)$", prose, re.M)
    found += re.findall(r"`((?:arcrtc|make|python) [^`\n]+)`", prose)
    for line in found:
        yield shlex.split(line.replace("`", "").replace("\\", ""), comments=True)


def faults_of(words: list[str], options: dict[str, set[str]], targets: set[str]) -> list[str]:
    """What is wrong with a command: a name or an option that does not exist."""
    program, *rest = words
    if program == "make":
        return [f"make {word}" for word in rest if "=" not in word and word not in targets]
    if program == "python":
        script = next((word for word in rest if word.endswith(".py")), None)
        return [f"python {script}"] if script is not None and not (ROOT / script).is_file() else []
    name = rest[0] if rest else ""
    if name.startswith("-"):
        return [] if name in options[""] else [f"arcrtc {name}"]
    if name.strip("[]") != name or name == "...":
        return []
    if name not in options:
        return [f"arcrtc {name}"]
    return [f"arcrtc {name} {word}" for word in rest[1:] if word.startswith("--")
            and word.partition("=")[0] not in options[name]]


@pytest.fixture(scope="module")
def options() -> dict[str, set[str]]:
    """Options of each command, from the application itself; "": those before a command."""
    group = typer.main.get_command(build_app())
    found = {"": {option for param in group.params for option in (*param.opts, *param.secondary_opts)} | {"--help"}}
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        found[name] = {"--help", *(option for param in command.params
                                   for option in (*param.opts, *param.secondary_opts))}
    return found


@pytest.fixture(scope="module")
def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where snippets run: with the files that they name."""
    out = tmp_path_factory.mktemp("docs")
    shutil.copy(sample_path(), out / "clip.mp4")
    command = [sys.executable, "-m", "arcrtc", "call", "--duration", "0.5", "--out", str(out), "--json"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    return out


@pytest.mark.parametrize("code", all_blocks("python"))
def test_docs_python_runs(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    exec(compile(code, "snippet", "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("code", all_blocks("toml"))
def test_docs_plans_load(code: str) -> None:
    plan = NetworkPlan.from_toml_text(code)
    assert NetworkPlan.from_toml_text(plan.to_toml()) == plan


def test_docs_name_commands_and_options_that_exist(options: dict[str, set[str]], targets: set[str]) -> None:
    faults = [f"{page.relative_to(ROOT).as_posix()}: {fault}" for page in PAGES
              for words in commands(page.read_text(encoding="utf-8")) for fault in faults_of(words, options, targets)]
    assert faults == []


def test_docs_call_page_has_every_option_and_no_other(options: dict[str, set[str]]) -> None:
    page = (ROOT / "docs/call.md").read_text(encoding="utf-8")
    table = "\n".join(re.findall(r"^\| `--.*$", page, re.M))
    usual = {"--help", "--verbose"}
    assert set(OPTION.findall(table)) == {o for o in options["call"] if o.startswith("--")} - usual


def test_docs_preset_table_has_every_preset() -> None:
    from arcrtc.sim import PRESETS

    page = (ROOT / "docs/simulation.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.M)) == set(PRESETS)


def unnamed(page: str, names: set[str]) -> set[str]:
    """Those of the names that a page does not have between back quotes."""
    return names - set(re.findall(r"`(\w+)`", page))


def test_docs_errors_page_has_every_error_and_status() -> None:
    page = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    classes = {name for name in dir(arcrtc.errors) if isinstance(getattr(arcrtc.errors, name), type)
               and issubclass(getattr(arcrtc.errors, name), arcrtc.ArcError)}
    header = (ROOT / "csrc/base/status.h").read_text(encoding="utf-8")
    assert unnamed(page, classes) == set()
    assert unnamed(page, set(re.findall(r"^\s+(ARC_ERR_\w+)", header, re.M))) == set()


def test_docs_router_page_has_every_event() -> None:
    page = (ROOT / "docs/router.md").read_text(encoding="utf-8")
    assert unnamed(page, {kind.name for kind in RouterEventType}) == set()


def test_docs_readme_names_every_command() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = "".join(re.findall(r"^\| `arcrtc .*$", readme, re.M))
    assert set(re.findall(r"`arcrtc (\w+)`", rows)) == set(COMMANDS)


def test_docs_name_benchmarks_that_exist() -> None:
    listed, unavailable = select("")
    names = {entry.name for entry in listed} | {entry.name for entry in unavailable}
    kind = "|".join(sorted({name.partition(".")[0] for name in names}))
    named = {name for page in PAGES for name in
             re.findall(rf"`((?:{kind})\.\w+\.\w[\w.]*)`", page.read_text(encoding="utf-8"))}
    assert "router.forward.gcm128.1200B.fanout10" in named
    assert named - names == set()


def test_docs_links_lead_somewhere() -> None:
    faults = []
    for page in PAGES:
        for target in LINK.findall(BLOCK.sub("", page.read_text(encoding="utf-8"))):
            if "://" not in target and not (page.parent / target).exists():
                faults.append(f"{page.relative_to(ROOT).as_posix()}: {target}")
    assert faults == []


def test_docs_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in ROOT.glob("docs/**/*.md")} - {"index.md"}
    assert {page for page in pages if f"({page})" not in index} == set()


# The checks themselves: each must be able to fail.

def test_check_finds_wrong_commands() -> None:
    known = {"": {"--version"}, "call": {"--out"}}
    text = ("    arcrtc call --out x --outt=y\n`arcrtc cal` and `make tset OUT=x`\n"
            "`python bench/none.py`\n    arcrtc --version\n")
    assert [fault for words in commands(text) for fault in faults_of(words, known, {"test"})] == [
        "arcrtc call --outt=y", "arcrtc cal", "make tset", "python bench/none.py"]


def test_check_finds_what_a_page_does_not_name() -> None:
    assert unnamed("`A` and B, `C`", {"A", "B"}) == {"B"}


def test_check_finds_blocks_and_links() -> None:
    text = "a\n```python\nx = 1\n```\n```toml\ny = 1\n```\n[b](c.md#d) [e](https://f)\n"
    assert blocks(text, "python") == [(2, "x = 1\n")]
    assert LINK.findall(text) == ["c.md", "https://f"]
