"""What the commands share: options, the terminal, and one line for each fault.

Imports of rich stand inside the functions, so that ``arcrtc --help`` stays quick.
"""
from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from arcrtc.call.runner import Progress
    from arcrtc.srtp import SrtpProfile

EXIT_FAULT: Final = 1
EXIT_INTERRUPTED: Final = 130  #: 128 + SIGINT, as shells report it


def _set_log_level(verbose: bool) -> bool:
    if verbose:
        logging.basicConfig(level=logging.DEBUG, stream=sys.stderr,
                            format="%(relativeCreated)8.0f ms %(name)s: %(message)s")
    return verbose


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", callback=_set_log_level,
                                       help="Say more while it runs, on standard error.")]


def console(*, stderr: bool = False) -> Console:
    """A rich console; on standard error for progress, so that output can be piped.

    A pipe or a file has no width: lines there may be long, so that tables keep one line a row.
    """
    from rich.console import Console

    found = Console(stderr=stderr, highlight=False)
    if not found.is_terminal and "COLUMNS" not in os.environ:
        found.width = 200
    return found


def print_json(document: Any) -> None:
    """Write one JSON document to standard output.

    :raises ValueError: it holds NaN or infinity, which JSON cannot say.
    """
    json.dump(document, sys.stdout, indent=2, allow_nan=False)
    sys.stdout.write("\n")


def say(line: str) -> None:
    """Write one line for people to standard error."""
    sys.stderr.write(f"{line}\n")


def say_fault(error: BaseException) -> None:
    """Write one clear line about ``error`` to standard error."""
    text = " ".join(str(error).split()) or type(error).__name__
    say(f"arcrtc: {text}")


def parse_profile(name: str) -> SrtpProfile | None:
    """The SrtpProfile of this name, or of this suite of SDP (RFC 4568); None for "none".

    :raises ConfigError: no such profile.
    """
    from arcrtc.errors import ConfigError
    from arcrtc.sdes import SUITE_PROFILES
    from arcrtc.srtp import SrtpProfile as Profiles

    if name.lower() == "none":
        return None
    if name.upper() in SUITE_PROFILES:
        return SUITE_PROFILES[name.upper()]
    if name.upper() not in Profiles.__members__:
        raise ConfigError(f"profile {name!r} is not one of {', '.join(Profiles.__members__)}, none")
    return Profiles[name.upper()]


def parse_distances(text: str | None) -> tuple[int, ...]:
    """Numbers with commas between them, such as "3,1"; None: none.

    :raises ConfigError: something else.
    """
    from arcrtc.errors import ConfigError

    if text is None:
        return ()
    parts = text.replace(" ", "").split(",")
    if not all(part.isascii() and part.isdigit() and len(part) < 4 for part in parts):
        raise ConfigError(f"--red {text}: must be numbers with commas between them, such as 3,1")
    return tuple(map(int, parts))


@contextmanager
def progress_bar(what: str, *, show: bool) -> Iterator[Progress | None]:
    """A bar on standard error while something runs; nothing when that is no terminal."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    terminal = console(stderr=True)
    if not (show and terminal.is_terminal):
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
               TimeElapsedColumn(), TextColumn("{task.fields[words]}"))
    with Progress(*columns, console=terminal, transient=True) as bar:
        task = bar.add_task(what, total=None, words="")

        def advance(done_s: float, total_s: float | None, words: str) -> None:
            bar.update(task, completed=done_s, total=total_s, words=words)

        yield advance
