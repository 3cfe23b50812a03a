"""The plots of a call that are about its sound: play-out over the network, and the rating over time."""
from __future__ import annotations

from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from arcrtc.report import plots
from arcrtc.report.schema import CallReport, PlayoutSeries, StreamReport

_WHOLE: Final = (plots.WHOLE_WIDTH, 3.1)  # inches
_MOST_PACKETS: Final = 2400  # dots drawn: twice as many as a screen has columns
_STATUS: Final = ("played", "repaired", "concealed")  # from good to bad
_CHANGE_MS: Final = 2.0  # of the play-out delay from packet to packet: a pitch period, 2.5 ms or more
_MOS_TICKS: Final = (1, 2, 3, 4, 5)

_Row = NDArray[np.float64]


def playout_plot(report: CallReport, stream: StreamReport) -> str | None:
    """Play-out delay over the delay of each packet in the network; below, what became of it. None: not measured."""
    series = stream.playout
    if not series.t_ms:
        return None
    color = plots.stream_color(report, stream)
    t, network, played, status = _thinned(series)
    with plots.drawing():
        fig = Figure(figsize=_WHOLE)
        ax, strip = fig.subplots(2, 1, sharex=True, height_ratios=[8, 1])
        fig.subplots_adjust(left=0.055, right=0.982, top=0.89, bottom=0.115, hspace=0.1)
        ax.plot(t, network, linestyle="none", marker="o", markersize=2.4, markeredgewidth=0, color=plots.MUTED,
                alpha=0.75, label="network, each packet")
        ax.plot(t, played, color=color, linewidth=1.3, drawstyle="steps-post", label="play-out")
        _mark_changes(ax, t, played)
        plots.finish(ax, report, "ms since it left the sender")
        _strip(strip, t, status, report.meta.duration_s)
        title = f"Every packet of {stream.name}: delay in the network, delay of play-out, and whether it was played"
        return plots.svg(fig, f"playout-{stream.ssrc}", title)


def mos_plot(report: CallReport, stream: StreamReport) -> str | None:
    """The E-model's score over time, and the scores of the windows; None: neither was measured."""
    t, (mos,) = plots.intervals(stream.series.t_ms, stream.series.mos)
    windows = stream.audio.score_windows if stream.audio else ()
    if not plots.known(mos) and not windows:
        return None
    with plots.drawing():
        fig, ax = plots.axes()
        if plots.known(mos):
            ax.plot(t, mos, color=plots.stream_color(report, stream), label="E-model")
        for name, style in (("pesq", "solid"), ("plcmos", plots.DASHED)):
            for i, w in enumerate(w for w in windows if getattr(w.scores, name) is not None):
                ax.plot([w.t_ms / 1e3, (w.t_ms + w.length_ms) / 1e3], [getattr(w.scores, name)] * 2,
                        color=plots.INK, linestyle=style, linewidth=1.2,
                        label={"pesq": "PESQ", "plcmos": "PLCMOS"}[name] if i == 0 else None)
        plots.finish(ax, report, "MOS")
        ax.set_ylim(1, 5)
        ax.set_yticks(_MOS_TICKS)
        return plots.svg(fig, f"mos-{stream.ssrc}", f"Mean opinion score of {stream.name} over time, 1 to 5")


def _mark_changes(ax: Any, t: _Row, played: _Row) -> None:
    """Where play-out was slowed down or hurried on."""
    change = np.diff(played)
    at = np.flatnonzero(np.abs(np.nan_to_num(change)) >= _CHANGE_MS) + 1
    if len(at):
        ax.plot(t[at], played[at], linestyle="none", marker="|", markersize=7, markeredgewidth=1.2,
                color=plots.LATE, label="slowed down or hurried on")


def _strip(strip: Any, t: _Row, status: NDArray[np.int64], end: float) -> None:
    for number, tone in enumerate((plots.GOOD, plots.REPAIRED, plots.BAD)):
        strip.broken_barh(list(plots.stretches(t, status, number, end)), (0, 1), color=tone, linewidth=0)
    strip.set_ylim(0, 1)
    strip.set_yticks([])
    strip.grid(visible=False)


def _thinned(series: PlayoutSeries) -> tuple[_Row, _Row, _Row, NDArray[np.int64]]:
    """Times in s, delays in ms and status (0 played, 1 repaired, 2 concealed) of at most _MOST_PACKETS packets.

    Of neighbours that fall together the slowest in the network and the worst status are kept.
    """
    t = np.array(series.t_ms) / 1e3
    network, played = (np.array(row, dtype=np.float64) for row in (series.network_ms, series.playout_ms))
    status = np.array([_STATUS.index(s) for s in series.status])
    if len(t) <= _MOST_PACKETS:
        return t, network, played, status
    starts = np.array([part[0] for part in np.array_split(np.arange(len(t)), _MOST_PACKETS)])
    return t[starts], np.fmax.reduceat(network, starts), played[starts], np.maximum.reduceat(status, starts)
