"""The report of a call as one HTML file: nothing from outside, no script, readable offline."""
from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from html import escape
from os import PathLike
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.image import imsave
from numpy.typing import NDArray

from arcrtc.errors import ArgumentError
from arcrtc.report import plots, voiceplots, words
from arcrtc.report.facts import rows, rows_of_stream, tiles
from arcrtc.report.jsonio import write_text
from arcrtc.report.schema import CallReport, NetworkDirection, ProcessFigures, StreamReport
from arcrtc.report.verdict import judge

_MOST_EVENTS: Final = 200  # the rest is in report.json
_MOST_PICTURE_WIDTH_PX: Final = 960
_JPEG_QUALITY: Final = 88
_SHADES_PCT: Final = (100, 46, 78, 30, 90, 58)  # of the stream's colour; neighbours differ

_FRAME_COLORS: Final = (
    (plots.GOOD, "shown when due"), (plots.LATE, "shown late"), (plots.BAD, "frozen"))
_PACKET_COLORS: Final = (
    (plots.GOOD, "played"), (plots.REPAIRED, "rebuilt by a repair"), (plots.BAD, "concealed or left out"))
_TITLES: Final = {  # section -> its title, and what to look for in it
    "streams": ("Streams", ""),
    "pictures": ("First and last picture", ""),
    "rate": ("Rate", "What left the sender, repairs included, what arrived, and what the encoder was told "
             "to make."),
    "loss": ("Loss and repair", "Packets that the network lost, in each interval. What is red was missing "
             "when it had to be played."),
    "jitter": ("Jitter buffer", "Its delay on top of the network's. Aim above the network's peaks: needless "
               "delay. Aim below them: concealment."),
    "playout": ("Play-out over the network", "Each packet of sound from leaving the sender: its way through the "
                "network as a dot, the moment at which it was heard as a line. What lies above the line came too "
                "late."),
    "mos": ("How it sounds", "Mean opinion scores, 1 bad to 5 excellent: the E-model's estimate from losses and delay, "
            "and what PESQ and PLCMOS make of the sound itself."),
    "latency": ("Latency", "From capture to play-out: one dot for each block of sound or picture."),
    "stages": ("Where each millisecond goes", "Mean time in each stage; all bars have one scale."),
    "frames": ("Every picture", "Its size as sent, and below it what became of it."),
    "network": ("Network", "Counted in the network itself."),
    "events": ("Events", ""),
    "settings": ("Settings", ""),
}


@dataclass(frozen=True, slots=True, eq=False)
class FramePair:
    """A picture as it was sent and as it was received.

    :ivar source: shape (height, width, 3), uint8, R, G, B.
    :ivar received: the same; None: it never arrived.
    :ivar note: e.g. its time; printed below.
    """

    source: NDArray[np.uint8]
    received: NDArray[np.uint8] | None
    note: str = ""

    def __post_init__(self) -> None:
        for name in ("source", "received"):
            image = getattr(self, name)
            if image is not None and (image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8):
                raise ArgumentError(f"{name}: {image.dtype} {image.shape}, must be uint8 (height, width, 3)")


def write_html(report: CallReport, path: str | PathLike[str], first_frames: FramePair | None = None,
               last_frames: FramePair | None = None) -> None:
    """Write ``report.html``.

    :param first_frames: first picture of the call, as sent and as received; None: none to show.
    :param last_frames: last picture likewise.
    :raises MediaError: the file cannot be written.
    """
    write_text(to_html(report, first_frames, last_frames), path)


def to_html(report: CallReport, first_frames: FramePair | None = None,
            last_frames: FramePair | None = None) -> str:
    """Make the page; parameters as write_html()."""
    css = Path(__file__).with_name("templates").joinpath("report.css").read_text(encoding="utf-8")
    verdict = judge(report)
    contents = {
        "streams": _stream_table(report),
        "pictures": _pictures(first_frames, last_frames),
        "rate": _per_stream(report, plots.rate_plot),
        "loss": _per_stream(report, plots.loss_plot),
        "jitter": _per_stream(report, plots.jitter_plot),
        "playout": _playout(report),
        "mos": _per_stream(report, voiceplots.mos_plot),
        "latency": _per_stream(report, plots.latency_plot),
        "stages": _stages(report),
        "frames": _frames(report),
        "network": _network(report),
        "events": _events(report),
        "settings": _settings(report)}
    body = "\n".join([_header(report), *(_section(name, content) for name, content in contents.items())])
    return (
        "<!doctype html>\n"
        '<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(verdict.headline)}</title>\n<style>\n{css}</style>\n"
        f"</head>\n<body>\n<main>\n{body}\n"
        f"<footer>arcrtc {escape(report.meta.arcrtc_version)}, format {report.version}. "
        "The numbers behind this page are in report.json.</footer>\n</main>\n</body>\n</html>\n")


def _header(report: CallReport) -> str:
    verdict, meta = judge(report), report.meta
    findings = "".join(f'<li class="{f.grade}">{escape(f.text)}</li>' for f in verdict.findings)
    cards = "".join(f'<div class="tile"><span>{escape(t.label)}</span><b>{escape(t.value)}</b>'
                    f"<span>{escape(t.detail)}</span></div>" for t in tiles(report))
    seed = f", seed {meta.seed}" if meta.seed is not None else ""
    when = meta.created_utc.replace("T", " ").replace("Z", " UTC")
    return (
        f'<header>\n<p class="kicker">arcrtc call of {escape(words.seconds(meta.duration_s))} over '
        f"\N{LEFT DOUBLE QUOTATION MARK}{escape(meta.network)}\N{RIGHT DOUBLE QUOTATION MARK}{seed}, "
        f"{escape(when)}</p>\n"
        f'<section id="verdict" class="verdict {verdict.grade}">\n<h1>{escape(verdict.headline)}</h1>\n'
        f'<ul class="findings">{findings}</ul>\n</section>\n<div class="tiles">{cards}</div>\n</header>')


def _section(name: str, content: str) -> str:
    title, note = _TITLES[name]
    content = content or '<p class="note">Not measured.</p>'
    note = f'<p class="note">{escape(note)}</p>\n' if note else ""
    return f'<section id="{name}">\n<h2>{escape(title)}</h2>\n{note}{content}\n</section>'


def _label(report: CallReport, stream: StreamReport) -> str:
    color = plots.css_variable(plots.stream_color(report, stream))
    return (f'<span class="swatch" style="background:{color}"></span>{escape(stream.name)} '
            f"{escape(stream.direction)}")


def _stream_table(report: CallReport) -> str:
    if not report.streams:
        return ""
    columns = [dict(rows_of_stream(s)) for s in report.streams]
    return _table([_label(report, s) for s in report.streams], columns)


def _table(heads: list[str], columns: list[dict[str, str]]) -> str:
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    lines = []
    for name, values in rows(columns):
        cells = "".join(f"<td>{_cell(value)}</td>" for value in values)
        lines.append(f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>')
    return (f'<div class="card scroll"><table class="streams"><thead><tr><td></td>{head}</tr></thead>'
            f'<tbody>{"".join(lines)}</tbody></table></div>')


def _cell(text: str) -> str:
    """What stands in brackets is said in a lower voice."""
    main, bracket, rest = escape(text).partition(" (")
    return f"{main} <small>({rest}</small>" if bracket else main


def _per_stream(report: CallReport, plot: Callable[[CallReport, StreamReport], str | None]) -> str:
    cards = [f'<div class="card"><h3>{_label(report, s)}</h3>{svg}</div>'
             for s in report.streams if (svg := plot(report, s))]
    return f'<div class="pair">{"".join(cards)}</div>' if cards else ""


def _frames(report: CallReport) -> str:
    return _whole_width(report, plots.frames_plot, _FRAME_COLORS)


def _playout(report: CallReport) -> str:
    return _whole_width(report, voiceplots.playout_plot, _PACKET_COLORS)


def _whole_width(report: CallReport, plot: Callable[[CallReport, StreamReport], str | None],
                 colors: tuple[tuple[str, str], ...]) -> str:
    """A card for each stream that has this plot, with a legend of the strip below it."""
    legend = "".join(
        f'<li><span class="swatch" style="background:{plots.css_variable(color)}"></span>{text}</li>'
        for color, text in colors)
    return "".join(
        f'<div class="card"><h3>{_label(report, s)}</h3><div class="scroll wide">{svg}</div>'
        f'<ul class="stages">{legend}</ul></div>'
        for s in report.streams if (svg := plot(report, s)))


def _stages(report: CallReport) -> str:
    measured = [s for s in report.streams if s.latency and s.latency.stages_ms]
    longest = max((sum(s.latency.stages_ms.values()) for s in measured if s.latency), default=0.0)
    return "".join(_stage_bar(report, s, longest) for s in measured) if longest > 0 else ""


def _stage_bar(report: CallReport, stream: StreamReport, longest_ms: float) -> str:
    assert stream.latency is not None
    color = plots.css_variable(plots.stream_color(report, stream))
    total = sum(stream.latency.stages_ms.values())
    bars, names = [], []
    for i, (stage, value) in enumerate(stream.latency.stages_ms.items()):
        shade = f"background:color-mix(in srgb, {color} {_SHADES_PCT[i % len(_SHADES_PCT)]}%, var(--card))"
        title = escape(f"{stage} {words.ms(value)}", quote=True)
        bars.append(f'<i style="{shade};flex:{max(value, 0):.3f}" title="{title}"></i>')
        swatch = f'<span class="swatch" style="{shade}"></span>'
        names.append(f"<li>{swatch}{escape(stage)} <b>{words.ms(value)}</b></li>")
    return (f'<div class="card"><h3>{_label(report, stream)}: {words.ms(total)}</h3>'
            f'<div class="bar" style="width:{100 * total / longest_ms:.1f}%">{"".join(bars)}</div>'
            f'<ul class="stages">{"".join(names)}</ul></div>')


def _pictures(first: FramePair | None, last: FramePair | None) -> str:
    parts = []
    for title, pair in (("First", first), ("Last", last)):
        if pair is None:
            continue
        note = f", {escape(pair.note)}" if pair.note else ""
        figures = "".join(_figure(image, f"{title} picture {side}{note}")
                          for image, side in ((pair.source, "as sent"), (pair.received, "as received")))
        parts.append(f'<div class="pair two">{figures}</div>')
    return "\n".join(parts)


def _figure(image: NDArray[np.uint8] | None, caption: str) -> str:
    if image is None:
        return f'<figure class="card"><figcaption>{caption}: never arrived</figcaption></figure>'
    return (f'<figure><img alt="{caption}" src="{_data_uri(image)}" width="{image.shape[1]}" '
            f'height="{image.shape[0]}"><figcaption>{caption}</figcaption></figure>')


def _data_uri(image: NDArray[np.uint8]) -> str:
    step = -(-image.shape[1] // _MOST_PICTURE_WIDTH_PX)
    buffer = io.BytesIO()
    imsave(buffer, np.ascontiguousarray(image[::step, ::step]), format="jpeg",
           pil_kwargs={"quality": _JPEG_QUALITY})
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _network(report: CallReport) -> str:
    drawn = (("Round trip", plots.path_plot(report)),
             ("Capacity and its estimate", plots.estimate_plot(report)))
    cards = "".join(f'<div class="card"><h3>{title}</h3>{svg}</div>' for title, svg in drawn if svg)
    table = ""
    if report.network:
        reasons = list(dict.fromkeys(reason for n in report.network for reason in n.dropped))
        columns = [dict(_network_rows(n, reasons)) for n in report.network]
        table = _table([escape(n.name) for n in report.network], columns)
    return table + (f'<div class="pair">{cards}</div>' if cards else "")


def _network_rows(network: NetworkDirection, reasons: list[str]) -> Iterator[tuple[str, str]]:
    yield "Datagrams in", f"{words.count(network.packets_in)} ({words.size(network.bytes_in)})"
    yield "Datagrams out", f"{words.count(network.packets_out)} ({words.size(network.bytes_out)})"
    for reason in reasons:
        n = network.dropped.get(reason, 0)
        share = f" ({words.percent(100 * n / network.packets_in)})" if n and network.packets_in else ""
        yield f"Dropped: {reason}", f"{words.count(n)}{share}"
    yield "Duplicated", words.count(network.duplicated)
    yield "Reordered", words.count(network.reordered)
    yield "Delay p50 / p95 / max", " / ".join(
        words.ms(v) for v in (network.delay_p50_ms, network.delay_p95_ms, network.delay_max_ms))
    yield "Fullest queue", words.size(network.queue_max_bytes)


def _events(report: CallReport) -> str:
    if not report.events:
        return '<p class="note">None.</p>'
    lines = "".join(
        f'<tr><td class="number">{e.t_ms / 1e3:.2f}\N{NO-BREAK SPACE}s</td>'
        f'<td class="when-wide">{escape(e.stream or "call")}</td><td>{escape(e.kind.replace("_", " "))}</td>'
        f"<td>{escape(e.text)}</td></tr>" for e in report.events[:_MOST_EVENTS])
    more = len(report.events) - _MOST_EVENTS
    rest = f'<p class="note">{words.count(more)} more in report.json.</p>' if more > 0 else ""
    return (f'<div class="card scroll"><table class="events"><thead><tr><th class="number">Time</th>'
            f'<th class="when-wide">Stream</th><th>What</th><th>Why</th></tr></thead><tbody>{lines}</tbody>'
            f"</table></div>{rest}")


def _settings(report: CallReport) -> str:
    meta, machine = report.meta, report.meta.machine
    memory = f", {words.size(machine.memory_bytes)} of memory" if machine.memory_bytes else ""
    run = [("Command", f"<code>{escape(meta.command)}</code>"), ("Sent", escape(meta.media)),
           ("Network", f"{escape(meta.network)}: {escape(meta.network_description)}"),
           *((escape(name), escape(_setting(value))) for name, value in meta.settings.items())]
    place = [("Processor", escape(f"{machine.cpu}, {words.times(machine.cores, 'core')}{memory}")),
             ("System", escape(f"{machine.os}, Python {machine.python}")),
             *((escape(name), escape(version)) for name, version in meta.libraries.items()),
             *((escape(p.name), escape(_used(p))) for p in report.processes)]
    return ('<div class="pair">'
            f'<div class="card">{_facts(run)}</div><div class="card">{_facts(place)}</div></div>')


def _used(process: ProcessFigures) -> str:
    memory = f", {words.size(process.peak_memory_bytes)} of memory" if process.peak_memory_bytes else ""
    return (f"used {words.number(process.cpu_s)} s of processor time, "
            f"{words.percent(100 * process.cpu_s_per_s)} of a core{memory}")


def _setting(value: str | int | float | bool | None) -> str:
    if value is None or isinstance(value, bool):
        return {None: "none", True: "on", False: "off"}[value]
    return str(value)


def _facts(pairs: Iterable[tuple[str, str]]) -> str:
    inner = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in pairs)
    return f'<dl class="facts">{inner}</dl>'
