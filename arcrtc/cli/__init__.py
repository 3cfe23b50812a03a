"""The command line: one file a command, the frame they share in :mod:`arcrtc.cli.app`."""
from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line.

    :param args: words after the program's name; None: those of this process.
    :returns: exit status: 0 good, 1 a fault (one line on standard error says which),
        2 wrong usage, 130 stopped by Ctrl-C.
    """
    from arcrtc.cli.app import run

    return run(args)
