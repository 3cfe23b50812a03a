"""What the commands share: options, the terminal, and one line for each fault.

Imports of rich stand inside the functions, so that ``arcrtc --help`` stays quick.
"""
from __future__ import annotations

import json
import logging
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console


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
