"""Instructions that a function of a compiled program takes, counted by valgrind.

    python bench/instructions.py [--json] FUNCTION PROGRAM [ARGUMENT ...]
    python bench/instructions.py unprotect build/core-bench/bench_srtp --once openssl gcm 1200 unprotect

The mean of the calls that ``main`` makes (functions inlined into it count as it), with
all that the function calls in turn. The number depends on the program and on the
features of the processor alone, not on what else the machine does: a change of one
per cent is seen in one run. It is no time: valgrind knows neither AVX-512 nor VAES,
so cipher libraries take another way there than on such a processor.

A program runs some fifty times slower: give it little work.
"""
from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path


def parse_profile(lines: Iterable[str]) -> dict[tuple[str, str], tuple[int, int]]:
    """Calls and inclusive instructions of each (caller, callee).

    :param lines: what ``--tool=callgrind`` wrote with ``--compress-strings=no``. ``fn=`` names the
        caller, ``cfn=`` the callee, ``calls=`` says how often; the last number of the line after that, what it cost.
    """
    found: dict[tuple[str, str], tuple[int, int]] = {}
    caller, callee, calls = "", "", -1
    for line in lines:
        if line.startswith("fn="):
            caller = line[3:].strip()
        elif line.startswith("cfn="):
            callee = line[4:].strip()
        elif line.startswith("calls="):
            calls = int(line[6:].split()[0])
        elif calls >= 0:
            had = found.get((caller, callee), (0, 0))
            found[caller, callee] = (had[0] + calls, had[1] + int(line.split()[-1]))
            calls = -1
    return found


def measure(function: str, program: str, arguments: Sequence[str] = ()) -> tuple[int, float]:
    """Run a program under valgrind; how often ``main`` called the function, and the instructions a call.

    :raises ValueError: it did not. :raises OSError: there is no valgrind.
    :raises subprocess.CalledProcessError: the program failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind.out"
        subprocess.run(["valgrind", "--quiet", "--tool=callgrind", "--compress-strings=no", "--compress-pos=no",
                        f"--callgrind-out-file={out}", program, *arguments], check=True, stdout=subprocess.DEVNULL)
        with out.open(encoding="utf-8", errors="replace") as file:
            found = parse_profile(file)
    if ("main", function) not in found:
        there = ", ".join(sorted(callee for caller, callee in found if caller == "main"))
        raise ValueError(f"main does not call {function}, but {there}")
    calls, cost = found["main", function]
    return calls, cost / calls


def main(words: Sequence[str]) -> int:
    """Print the count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one document for machines")
    parser.add_argument("function")
    parser.add_argument("program")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="argument")
    given = parser.parse_args(words)
    try:
        calls, instructions = measure(given.function, given.program, given.arguments)
    except (ValueError, OSError, subprocess.CalledProcessError) as error:
        print(f"instructions: {error}", file=sys.stderr)
        return 1
    if given.json:
        print(json.dumps({"function": given.function, "calls": calls, "instructions_per_call": instructions}))
    else:
        print(f"{given.function}: {instructions:.0f} instructions a call, {calls} calls")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
