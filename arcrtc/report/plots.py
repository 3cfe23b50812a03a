"""The plots of a call as SVG that takes its colours from the page.

Each function gives one ``<svg>`` element without outside references. Colours are written
as place-holders and replaced by CSS variables, so that one picture serves a light and a
dark page. matplotlib draws; its global state is not touched but inside rc_context.
"""
from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from arcrtc.report import words
from arcrtc.report.schema import CallReport, FrameSeries, StreamReport
from arcrtc.report.verdict import directions

# Place-holders, and the CSS variable that each becomes.
INK: Final = "#0a0b01"
MUTED: Final = "#0a0b02"
GRID: Final = "#0a0b03"
GOOD: Final = "#0a0b04"
LATE: Final = "#0a0b05"
BAD: Final = "#0a0b06"
REPAIRED: Final = "#0a0b07"
_STREAM: Final = ("#0a0b10", "#0a0b11", "#0a0b12", "#0a0b13")
_VARIABLES: Final = {
    INK: "--ink", MUTED: "--muted", GRID: "--grid", GOOD: "--good", LATE: "--late", BAD: "--bad",
    REPAIRED: "--repaired", **{color: f"--stream{i}" for i, color in enumerate(_STREAM)}}

_STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none", "font.size": 10.5, "font.family": "DejaVu Sans",
    "axes.edgecolor": GRID, "axes.labelcolor": MUTED,
    "text.color": INK, "xtick.color": MUTED, "ytick.color": MUTED,
    "xtick.labelsize": 9.5, "ytick.labelsize": 9.5, "axes.spines.top": False, "axes.spines.right": False,
    "axes.spines.left": False, "axes.grid": True, "grid.color": GRID, "grid.linewidth": 0.8,
    "axes.axisbelow": True, "xtick.major.size": 0, "ytick.major.size": 0, "legend.frameon": False,
    "legend.fontsize": 9.5, "legend.handlelength": 1.4, "legend.columnspacing": 1.2, "legend.borderpad": 0,
    "legend.handletextpad": 0.5, "lines.linewidth": 1.6, "lines.solid_capstyle": "round",
    "axes.xmargin": 0.0, "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none"}

_Row: TypeAlias = NDArray[np.float64]

_HALF: Final = (5.4, 2.35)  # inches: one of two columns
WHOLE_WIDTH: Final = 11.2
_MOST_POINTS: Final = 1200  # dots or pictures drawn: more than a screen has columns
_MOST_INTERVALS: Final = 480  # of a series
_STATUS: Final = ("shown", "late", "frozen")  # from good to bad
DASHED: Final = (0, (4, 2))


def stream_color(report: CallReport, stream: StreamReport) -> str:
    """Place-holder of the colour that this stream has everywhere; sound and picture differ first."""
    number = 2 * directions(report).index(stream.direction) + (stream.kind == "video")
    return _STREAM[number % len(_STREAM)]


def css_variable(color: str) -> str:
    """CSS value for a place-holder: ``var(--stream0)``."""
    return f"var({_VARIABLES[color]})"


def rate_plot(report: CallReport, stream: StreamReport) -> str | None:
    """Send, receive and target rate; None: not measured."""
    series, color = stream.series, stream_color(report, stream)
    t, (sent, received, target) = intervals(
        series.t_ms, series.send_rate_bps, series.receive_rate_bps, series.target_rate_bps)
    top = max((float(np.nanmax(row)) for row in (sent, received, target) if known(row)), default=None)
    if top is None:
        return None
    size, unit = (1e6, "Mb/s") if top >= 1e6 else (1e3, "kb/s")
    with drawing():
        fig, ax = axes()
        if known(received):
            ax.fill_between(t, received / size, color=color, alpha=0.22, linewidth=0, label="received")
        if known(sent):
            ax.plot(t, sent / size, color=color, label="sent")
        if known(target):
            ax.plot(t, target / size, color=INK, linestyle=DASHED, linewidth=1.1, drawstyle="steps-post",
                    label="target")
        finish(ax, report, unit)
        return svg(fig, f"rate-{stream.ssrc}", f"Rate of {stream.name}: sent, received and target, {unit}")


def loss_plot(report: CallReport, stream: StreamReport) -> str | None:
    """Packets lost, split into repaired and not; None: not measured."""
    t, (lost, missing) = intervals(stream.series.t_ms, stream.series.lost_pct, stream.series.unrepaired_pct)
    if not known(lost):
        return None
    lost = np.nan_to_num(lost)
    missing = np.nan_to_num(missing) if known(missing) else lost
    width = float(np.min(np.diff(t))) if len(t) > 1 else float(t[0])
    with drawing():
        fig, ax = axes()
        bars = {"width": width * 0.82, "linewidth": 0}
        ax.bar(t - width / 2, missing, color=BAD, label="lost for good", **bars)
        ax.bar(t - width / 2, np.maximum(0, lost - missing), bottom=missing, color=REPAIRED,
               label="lost, repaired in time", **bars)
        finish(ax, report, "% of packets", least_top=1.0)
        return svg(fig, f"loss-{stream.ssrc}", f"Packets of {stream.name} lost and repaired, percent")


def jitter_plot(report: CallReport, stream: StreamReport) -> str | None:
    """Delay of the network, and what the jitter buffer puts on top; None: not measured."""
    series, color = stream.series, stream_color(report, stream)
    t, (network, depth, target) = intervals(
        series.t_ms, series.network_delay_ms, series.jitter_depth_ms, series.jitter_target_ms)
    if not known(depth) and not known(target):
        return None
    base = network if known(network) else np.zeros(len(t))
    with drawing():
        fig, ax = axes()
        if known(network):
            ax.fill_between(t, base, color=MUTED, alpha=0.28, linewidth=0, label="network")
        if known(depth):
            ax.fill_between(t, base, base + depth, color=color, alpha=0.35, linewidth=0,
                            label="waiting in the buffer")
        if known(target):
            ax.plot(t, base + target, color=color, label="aim of the buffer")
        finish(ax, report, "ms")
        return svg(fig, f"jitter-{stream.ssrc}", f"Network delay and jitter buffer of {stream.name}, ms")


def latency_plot(report: CallReport, stream: StreamReport) -> str | None:
    """Latency of every block or picture with its median and 95th percentile; None: not measured."""
    if not stream.latency_series.t_ms or stream.latency is None:
        return None
    color = stream_color(report, stream)
    with drawing():
        fig, ax = axes()
        t, value = _thinned(np.array(stream.latency_series.t_ms) / 1e3,
                            np.array(stream.latency_series.latency_ms))
        ax.plot(t, value, linestyle="none", marker="o", markersize=2.2, markeredgewidth=0, color=color,
                alpha=0.55)
        end = report.meta.duration_s
        marks = (("p50", stream.latency.p50_ms, "solid"), ("p95", stream.latency.p95_ms, DASHED))
        apart = max(value.max(), stream.latency.p95_ms) * 0.085
        raised = max(stream.latency.p95_ms, stream.latency.p50_ms + apart)
        for (name, mark, style), y in zip(marks, (stream.latency.p50_ms, raised), strict=True):
            ax.plot([0, end], [mark, mark], color=INK, linewidth=1.0, linestyle=style)
            ax.annotate(f"{name} {words.ms(mark)}", (end, y), xytext=(5, 0), textcoords="offset points",
                        va="center", fontsize=9.5, color=INK, annotation_clip=False)
        finish(ax, report, "ms", legend=False)
        fig.subplots_adjust(right=0.845)
        return svg(fig, f"latency-{stream.ssrc}", f"Latency of {stream.name}, capture to play-out, ms")


def frames_plot(report: CallReport, stream: StreamReport) -> str | None:
    """Size of every picture above a strip of what became of it; None: not measured."""
    frames = stream.frames
    if not frames.capture_us:
        return None
    color = stream_color(report, stream)
    with drawing():
        fig = Figure(figsize=(WHOLE_WIDTH, 2.3))
        sizes, strip = fig.subplots(2, 1, sharex=True, height_ratios=[5, 1])
        fig.subplots_adjust(left=0.055, right=0.982, top=0.87, bottom=0.16, hspace=0.12)
        t, kilobytes, key, status = _thinned_frames(frames)
        sizes.vlines(t[~key], 0, kilobytes[~key], color=color, linewidth=1.1, alpha=0.75, label="picture")
        sizes.vlines(t[key], 0, kilobytes[key], color=INK, linewidth=1.6, label="key frame", clip_on=False)
        finish(sizes, report, "kB")
        for number, tone in enumerate((GOOD, LATE, BAD)):
            runs = list(stretches(t, status, number, report.meta.duration_s))
            strip.broken_barh(runs, (0, 1), color=tone, linewidth=0)
        strip.set_ylim(0, 1)
        strip.set_yticks([])
        strip.grid(visible=False)
        title = f"Every picture of {stream.name}: its size, and whether it was shown when due, late or never"
        return svg(fig, f"frames-{stream.ssrc}", title)


def path_plot(report: CallReport) -> str | None:
    """Round-trip time as the sender saw it; None: not measured."""
    t, (rtt,) = intervals(report.path.t_ms, report.path.rtt_ms)
    if not known(rtt):
        return None
    with drawing():
        fig, ax = axes()
        ax.plot(t, rtt, color=INK)
        finish(ax, report, "ms", legend=False)
        return svg(fig, "rtt", "Round-trip time, ms")


def estimate_plot(report: CallReport) -> str | None:
    """Estimate of the capacity beside the real one; None: not measured."""
    t, (estimate, capacity) = intervals(report.path.t_ms, report.path.estimate_bps, report.path.capacity_bps)
    if not known(estimate):
        return None
    with drawing():
        fig, ax = axes()
        if known(capacity):
            ax.fill_between(t, capacity / 1e6, color=MUTED, alpha=0.28, linewidth=0, step="post",
                            label="capacity")
        ax.plot(t, estimate / 1e6, color=INK, label="estimate")
        finish(ax, report, "Mb/s")
        return svg(fig, "estimate", "Estimated and real capacity, Mb/s")


def drawing() -> Any:
    """The context in which figures of this page are made."""
    return mpl.rc_context(_STYLE)


def axes() -> tuple[Figure, Any]:
    """A figure of one of two columns, and its axes."""
    fig = Figure(figsize=_HALF)
    ax = fig.subplots()
    fig.subplots_adjust(left=0.105, right=0.985, top=0.85, bottom=0.13)
    return fig, ax


def finish(ax: Any, report: CallReport, unit: str, *, least_top: float = 0.0,
           legend: bool = True) -> None:
    """Axes from 0 over the whole call, the unit above them, and a legend."""
    ax.set_xlim(0, max(report.meta.duration_s, 0.001))
    top = max(ax.get_ylim()[1] * 1.02, least_top)
    ax.set_ylim(0, top)
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.grid(visible=False, axis="x")
    left = ax.get_position().x0 / ax.get_position().width
    ax.text(-left + 0.008, 1.05, unit, transform=ax.transAxes, ha="left", va="bottom", color=MUTED, size=9.5)
    _time_axis(ax)
    if legend:
        ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=4)


def _time_axis(ax: Any) -> None:
    """Round seconds; the unit stands beside the last of them."""
    end = ax.get_xlim()[1]
    ticks = [x for x in MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(0, end) if 0 <= x <= end]
    ax.set_xticks(ticks, [f"{x:g}" for x in ticks[:-1]] + [f"{ticks[-1]:g} s"])


def known(row: _Row) -> bool:
    """Whether any value of it is."""
    return bool(np.any(np.isfinite(row)))


def intervals(t_ms: Sequence[float], *columns: Sequence[float | None]) -> tuple[_Row, list[_Row]]:
    """Times in seconds and columns with NaN for unknown; a long series as means of longer intervals."""
    t = np.array(t_ms, dtype=np.float64) / 1e3
    rows = [np.array(column or [None] * len(t), dtype=np.float64) for column in columns]
    if len(t) <= _MOST_INTERVALS:
        return t, rows
    parts = np.array_split(np.arange(len(t)), _MOST_INTERVALS)
    return t[[part[-1] for part in parts]], [np.array([_mean(row[part]) for part in parts]) for row in rows]


def _mean(values: _Row) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _thinned(t: _Row, value: _Row) -> tuple[_Row, _Row]:
    """At most _MOST_POINTS points: of each stretch of time the lowest and the highest."""
    if len(t) <= _MOST_POINTS:
        return t, value
    kept: list[int] = []
    for part in np.array_split(np.arange(len(t)), _MOST_POINTS // 2):
        kept += sorted({int(part[np.argmin(value[part])]), int(part[np.argmax(value[part])])})
    return t[kept], value[kept]


def _thinned_frames(frames: FrameSeries) -> tuple[_Row, _Row, NDArray[np.bool_], NDArray[np.int64]]:
    """Time in s, size in kB, key and status (0 shown, 1 late, 2 frozen) of at most _MOST_POINTS pictures.

    Of neighbours that fall together the largest size, any key frame and the worst status are kept.
    """
    t, size = np.array(frames.capture_us) / 1e6, np.array(frames.sent_bytes) / 1e3
    key = np.array(frames.key, dtype=np.bool_)
    status = np.array([_STATUS.index(s) for s in frames.status])
    if len(t) <= _MOST_POINTS:
        return t, size, key, status
    starts = np.array([part[0] for part in np.array_split(np.arange(len(t)), _MOST_POINTS)])
    return (t[starts], np.maximum.reduceat(size, starts), np.logical_or.reduceat(key, starts),
            np.maximum.reduceat(status, starts))


def stretches(t: _Row, status: NDArray[np.int64], wanted: int, end: float) -> Iterator[tuple[float, float]]:
    """Stretches (start, length) of pictures with one status, seconds."""
    start = None
    for i, s in enumerate([*status.tolist(), None]):
        at = t[i] if i < len(t) else max(end, t[-1])
        if s == wanted and start is None:
            start = at
        elif s != wanted and start is not None:
            yield float(start), float(at - start)
            start = None


def svg(fig: Figure, name: str, title: str) -> str:
    """The figure as one element: no outside names, ids of its own, colours as CSS variables."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    salt: dict[Any, Any] = {"svg.hashsalt": name}
    with mpl.rc_context(salt):
        fig.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg"):]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text).replace("xlink:href", "href")
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", text)
    text = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font: \1 var(--font)", text)
    for color, variable in _VARIABLES.items():
        text = text.replace(color, f"var({variable})")
    view = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)
    assert view is not None
    title = html.escape(title, quote=True)
    head = f'<svg viewBox="0 0 {view[1]} {view[2]}" role="img" aria-label="{title}"><title>{title}</title>'
    return re.sub(r"\s*\n\s*", "\n", head + text[text.index(">") + 1:].strip())
