"""The frame of the command line: the list of commands, exit statuses, faults.

To add a command: write ``arcrtc/cli/<name>.py`` with a function ``<name>`` that
typer can read (its docstring is the help text), and put the name into COMMANDS.
Modules that take long to load are imported inside the function.

``ARCRTC_TRACEBACK=1`` shows the traceback of a fault instead of one line.
"""
from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final

import typer

from arcrtc.cli.output import EXIT_FAULT, EXIT_INTERRUPTED, say, say_fault
from arcrtc.errors import ArcError

COMMANDS: Final = ("call", "send", "receive", "score", "doctor", "encoders", "bench")  #: in the order of the help page


def _print_version(wanted: bool) -> None:
    if wanted:
        from arcrtc import __version__

        typer.echo(f"arcrtc {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True,
                                          help="Print the version and leave.")] = False,
) -> None:
    """Real-time media engine: calls, measurements and a look at this machine."""


def guarded(function: Callable[..., None]) -> Callable[..., None]:
    """Turn a fault of a command into one line and exit status 1, Ctrl-C into 130."""

    @functools.wraps(function)
    def run_guarded(*args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
            sys.stdout.flush()
        except KeyboardInterrupt:
            say("arcrtc: stopped")
            raise typer.Exit(EXIT_INTERRUPTED) from None
        except BrokenPipeError:
            # The reader of a pipe has left. Python flushes at exit: give it somewhere to go.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(EXIT_FAULT) from None
        except (ArcError, OSError, ImportError) as error:
            if os.environ.get("ARCRTC_TRACEBACK") == "1":
                raise
            say_fault(error)
            raise typer.Exit(EXIT_FAULT) from None

    return run_guarded


def build_app(commands: Sequence[str] = COMMANDS) -> typer.Typer:
    """The typer application with ``commands``, each out of the module of its name."""
    app = typer.Typer(name="arcrtc", no_args_is_help=True, add_completion=False,
                      pretty_exceptions_enable=False,
                      context_settings={"help_option_names": ["-h", "--help"]})
    app.callback()(_root)
    for name in commands:
        module = importlib.import_module(f"arcrtc.cli.{name}")
        app.command(name)(guarded(getattr(module, name)))
    return app


def run(args: Sequence[str] | None) -> int:
    """Run the application and return its exit status; see :func:`arcrtc.cli.main`."""
    try:
        build_app()(args=None if args is None else list(args), prog_name="arcrtc")
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return 0
