"""The end of ``arcrtc call`` on a terminal: the verdict, and a column for each stream."""
from __future__ import annotations

from typing import Final

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from arcrtc.report.facts import rows, rows_of_stream
from arcrtc.report.schema import CallReport
from arcrtc.report.verdict import judge

_STYLE: Final = {"good": "green", "fair": "yellow", "poor": "red"}
_MARK: Final = {"good": "+", "fair": "~", "poor": "!"}
_MOST_STREAMS: Final = 3  # columns that fit beside each other on 80 characters


def to_table(report: CallReport) -> Group:
    """What ``rich.print`` shows; the same numbers as the page."""
    verdict = judge(report)
    lines = [Text(verdict.headline, style=f"bold {_STYLE[verdict.grade]}")]
    lines += [Text.assemble((f" {_MARK[f.grade]} ", _STYLE[f.grade]), f.text) for f in verdict.findings]
    tables = [_table(report, first) for first in range(0, len(report.streams), _MOST_STREAMS)]
    return Group(*lines, *(Padding(table, (1, 0, 0, 0)) for table in tables))


def _table(report: CallReport, first: int) -> Table:
    streams = report.streams[first:first + _MOST_STREAMS]
    table = Table(box=None, pad_edge=False, show_edge=False, padding=(0, 3, 0, 0))
    table.add_column("", style="dim", no_wrap=True)
    for stream in streams:
        table.add_column(Text(f"{stream.name} {stream.direction}"), overflow="fold")
    columns = [dict(rows_of_stream(stream)) for stream in streams]
    for name, values in rows(columns):
        table.add_row(Text(name), *map(Text, values))
    return table
