"""``arcrtc bench``: the microbenchmarks, each beside its peer."""
from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arcrtc.cli.output import Json, Verbose, console, print_json, say

if TYPE_CHECKING:
    from arcrtc.benchmarks import Benchmark, Effort, Result, Unavailable

Group = Annotated[str, typer.Argument(help="First words of the names to run, e.g. 'srtp' or 'srtp.protect'; "
                                           "all when left out.", metavar="[GROUP]", show_default=False)]
Quick = Annotated[bool, typer.Option("--quick", help="Short samples: to see that all runs, not for figures.")]
ListOnly = Annotated[bool, typer.Option("--list", help="List the benchmarks and run none.")]


def bench(group: Group = "", quick: Quick = False, list_only: ListOnly = False, json: Json = False,
          verbose: Verbose = False) -> None:
    """Measure the core and the Python API on this machine, beside other implementations.

    Times are CPU time, or time on the clock where something waits.

    Given is the median of repeated samples; the spread is their interquartile range.

    The peer's samples are taken between ours, in the same run.
    """
    from arcrtc.benchmarks import Effort, select

    found, unavailable = select(group)
    if list_only:
        _list(found, unavailable, json=json)
        return
    results, failed = _run(found, Effort.quick() if quick else Effort.normal(), show=not json)
    unavailable += failed
    for missing in unavailable:
        say(f"arcrtc: {missing.name} cannot run here: {missing.reason}")
    if json:
        from arcrtc.machine import this_machine

        print_json({"machine": this_machine().to_json(), "results": [result.to_json() for result in results]})
    elif results:
        _show(results)
    if not results:
        raise typer.Exit(1)


def _run(found: list[Benchmark], effort: Effort, *, show: bool) -> tuple[list[Result], list[Unavailable]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from arcrtc.benchmarks import Unavailable, measure
    from arcrtc.errors import ArcError

    results, failed = [], []
    terminal = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=terminal, transient=True,
                  disable=not (show and terminal.is_terminal)) as progress:
        task = progress.add_task("", total=len(found))
        for entry in found:
            progress.update(task, description=entry.name)
            try:
                results.append(measure(entry, effort))
            except (ArcError, ImportError) as error:
                failed.append(Unavailable(entry.name, " ".join(str(error).split())))
            progress.advance(task)
    return results, failed


def _list(found: list[Benchmark], unavailable: list[Unavailable], *, json: bool) -> None:
    if json:
        print_json({"benchmarks": [{"name": entry.name, "unit": entry.unit} for entry in found],
                    "unavailable": [asdict(missing) for missing in unavailable]})
        return
    width = max((len(entry.name) for entry in found), default=0)
    out: Any = console()
    for entry in found:
        out.print(f"{entry.name:{width}}  {entry.unit}", markup=False)
    for missing in unavailable:
        out.print(f"{missing.name}: cannot run here: {missing.reason}", markup=False, style="dim")


def _number(value: float) -> str:
    """Four significant digits, thousands apart."""
    digits = 0 if value >= 1000 else 1 if value >= 100 else 2 if value >= 10 else 3
    return f"{value:,.{digits}f}".replace(",", " ")


def _show(results: list[Result]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("benchmark", no_wrap=True)
    for title in ("median", "spread"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    table.add_column("peer's", justify="right", no_wrap=True)
    table.add_column("better", justify="right", no_wrap=True)
    table.add_column("peer", style="dim")
    for r in results:
        better = r.times_better
        style = "green" if better is None or better >= 1 else "yellow"
        table.add_row(
            r.name, _number(r.value), _number(r.spread), r.unit,
            "" if r.peer_value is None else _number(r.peer_value),
            Text("" if better is None else f"{better:.2f}x", style=style),
            r.peer or "")
    console().print(table)
