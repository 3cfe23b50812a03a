"""report/: JSON there and back, the page, the terminal table, the verdict."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from arcrtc.errors import ArgumentError, MediaError, ParseError
from arcrtc.report import (
    AudioQuality,
    CallReport,
    Event,
    FramePair,
    FrameSeries,
    Latency,
    LatencySeries,
    PathSeries,
    PlayoutSeries,
    StreamReport,
    StreamSeries,
    from_json,
    json_schema,
    judge,
    read_json,
    to_html,
    to_json,
    to_table,
    words,
    write_html,
    write_json,
)
from arcrtc.report.docs import markdown, schema_text
from tests.model.call_report import sample_report
from tests.model.json_schema import faults

DOCS = Path(__file__).resolve().parents[2] / "docs"
SECTIONS = [
    "streams",
    "pictures",
    "rate",
    "loss",
    "jitter",
    "playout",
    "mos",
    "latency",
    "stages",
    "frames",
    "network",
    "events",
    "settings",
]


@pytest.fixture(scope="module")
def report() -> CallReport:
    return sample_report()


@pytest.fixture(scope="module")
def page(report: CallReport) -> str:
    ramp = np.linspace(0, 255, 64 * 36 * 3).astype(np.uint8).reshape(36, 64, 3)
    return to_html(report, FramePair(ramp, ramp[::-1], "0.00 s"), FramePair(ramp, None, "20.0 s"))


def without_measurements(report: CallReport) -> CallReport:
    """The same call, of which hardly anything is known."""
    bare = tuple(
        replace(
            s,
            latency=None,
            audio=None,
            video=None,
            series=StreamSeries(),
            frames=FrameSeries(),
            latency_series=LatencySeries(),
            playout=PlayoutSeries(),
        )
        for s in report.streams
    )
    return replace(report, streams=bare, network=(), path=PathSeries(), events=(), processes=())


def with_stream(report: CallReport, number: int, **changes: Any) -> CallReport:
    streams = list(report.streams)
    streams[number] = replace(streams[number], **changes)
    return replace(report, streams=tuple(streams))


# --- JSON


def test_report_json_gives_the_report_back(report: CallReport, tmp_path: Path) -> None:
    assert from_json(to_json(report)) == report
    write_json(report, tmp_path / "report.json")
    assert read_json(tmp_path / "report.json") == report
    assert from_json(to_json(without_measurements(report))) == without_measurements(report)


def test_report_json_follows_its_schema(report: CallReport) -> None:
    assert faults(json.loads(to_json(report)), json_schema()) == []
    assert faults(json.loads(to_json(without_measurements(report))), json_schema()) == []


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda r: r.update(version=1), "$.version"),
        (lambda r: r["meta"].pop("seed"), "$.meta.seed: missing"),
        (lambda r: r["meta"].update(colour="red"), "$.meta.colour: unknown"),
        (lambda r: r["streams"][0].update(kind="smell"), "$.streams[0].kind"),
        (lambda r: r["streams"][1]["packets"].update(sent=1.5), "$.streams[1].packets.sent"),
        (
            lambda r: r["streams"][1]["frames"]["status"].__setitem__(3, "gone"),
            "$.streams[1].frames.status[3]",
        ),
        (
            lambda r: r["streams"][0]["series"]["lost_pct"].__setitem__(0, "much"),
            "$.streams[0].series.lost_pct[0]",
        ),
    ],
)
def test_report_schema_and_reader_refuse_alike(report: CallReport, change: Any, where: str) -> None:
    value = json.loads(to_json(report))
    change(value)
    assert any(fault.startswith(where) for fault in faults(value, json_schema()))
    with pytest.raises(ParseError, match="report"):
        from_json(json.dumps(value))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"version": 2}', "null", "[" * 100_000, b"\xff\xfe\x00"])
def test_report_reader_refuses_what_is_no_report(text: str | bytes) -> None:
    with pytest.raises(ParseError):
        from_json(text)


def test_report_reader_names_a_series_of_wrong_length(report: CallReport) -> None:
    value = json.loads(to_json(report))
    value["streams"][1]["frames"]["key"].pop()
    with pytest.raises(
        ParseError, match=r"report\.streams\[1\]\.frames: frames\.key: 499 values for 500 times"
    ):
        from_json(json.dumps(value))


def test_report_reader_takes_whole_numbers_for_numbers(report: CallReport) -> None:
    value = json.loads(to_json(report))
    value["meta"]["duration_s"] = 20
    assert from_json(json.dumps(value)) == report


def test_report_writer_refuses_what_json_cannot_say(report: CallReport, tmp_path: Path) -> None:
    bad = with_stream(report, 0, audio=AudioQuality(concealed_pct=math.nan))
    with pytest.raises(ArgumentError, match=r"report\.streams\[0\]\.audio\.concealed_pct"):
        to_json(bad)
    with pytest.raises(MediaError, match="No such"):
        write_json(report, tmp_path / "none" / "report.json")
    with pytest.raises(MediaError, match="No such"):
        write_html(report, tmp_path / "none" / "report.html")
    with pytest.raises(MediaError, match="No such"):
        read_json(tmp_path / "report.json")


def test_report_series_must_be_of_one_length() -> None:
    with pytest.raises(ArgumentError, match=r"series\.lost_pct: 1 values for 2 times"):
        StreamSeries(t_ms=(1.0, 2.0), lost_pct=(1.0,))
    with pytest.raises(ArgumentError, match=r"playout\.status: 0 values for 1 times"):
        PlayoutSeries(t_ms=(1.0,), network_ms=(None,), playout_ms=(2.0,))
    with pytest.raises(ArgumentError, match=r"path\.rtt_ms"):
        PathSeries(t_ms=(1.0, 2.0), rtt_ms=(1.0,))
    with pytest.raises(ArgumentError, match=r"latency_series\.latency_ms"):
        LatencySeries(t_ms=(1.0, 2.0))


def test_report_docs_are_those_of_the_code() -> None:
    """If this fails: python -m arcrtc.report.docs docs."""
    assert (DOCS / "report.md").read_text(encoding="utf-8") == markdown()
    assert (DOCS / "report.schema.json").read_text(encoding="utf-8") == schema_text()


# --- the page


class Outline(HTMLParser):
    """Ids, tags left open, and every address that the page names."""

    VOID = {"meta", "img", "br", "link", "input", "hr"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.tags: set[str] = set()
        self.open: list[str] = []
        self.mistakes: list[str] = []
        self.feed(text)
        self.mistakes += self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        self._note(attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._note(attrs)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.mistakes.append(f"/{tag}")

    def _note(self, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "action", "data", "poster", "srcset"):
                self.addresses.append(value or "")


def test_page_has_every_section_once_and_is_well_formed(page: str) -> None:
    outline = Outline(page)
    assert outline.mistakes == []
    assert [i for i in outline.ids if i in SECTIONS] == SECTIONS
    assert len(outline.ids) == len(set(outline.ids))
    assert "Not measured" not in page


def test_page_needs_nothing_from_outside(page: str) -> None:
    outline = Outline(page)
    assert not outline.tags & {"script", "link", "iframe", "object", "embed"}
    assert all(a.startswith(("data:image/jpeg;base64,", "#")) for a in outline.addresses)
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", re.sub(r"base64,[A-Za-z0-9+/=]+", "", page))
    assert len(page) < 2_000_000


def test_page_plots_are_sound_svg_in_the_colours_of_the_page(page: str) -> None:
    plots = re.findall(r"<svg.*?</svg>", page, flags=re.S)
    assert len(plots) == 13  # rate, loss, jitter, latency of two streams; play-out, MOS; pictures; round trip; capacity
    for plot in plots:
        root = ElementTree.fromstring(plot)
        assert root.find("title") is not None
        colors = set(re.findall(r"#[0-9a-fA-F]{6}\b", plot))
        assert colors <= {"#000000"}, "a colour that does not follow the page"
        ids = {e.get("id") for e in root.iter()}
        assert {r for r in re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', plot) for r in r if r} <= ids
    assert "var(--stream0)" in plots[0]
    assert "var(--stream1)" in plots[1]


def test_page_is_the_same_each_time(report: CallReport) -> None:
    assert to_html(report) == to_html(report)


def test_page_escapes_every_text(report: CallReport) -> None:
    evil = "<script>alert('&\"')</script>"
    meta = replace(
        report.meta,
        network=evil,
        command=evil,
        media=evil,
        created_utc=evil,
        network_description=evil,
        arcrtc_version=evil,
        libraries={evil: evil},
        settings={evil: evil},
        machine=replace(report.meta.machine, cpu=evil, os=evil, python=evil),
    )
    streams = tuple(
        replace(
            s,
            name=evil,
            direction=evil,
            codec=evil,
            encoder=evil,
            latency=Latency(p50_ms=1, p95_ms=2, max_ms=3, stages_ms={evil: 1.0}),
        )
        for s in report.streams
    )
    network = tuple(replace(n, name=evil, dropped={evil: 1}) for n in report.network)
    processes = tuple(replace(p, name=evil) for p in report.processes)
    text = to_html(
        replace(
            report,
            meta=meta,
            streams=streams,
            network=network,
            processes=processes,
            events=(Event(t_ms=1, kind=evil, text=evil, stream=evil),),
        ),
        FramePair(np.zeros((4, 4, 3), np.uint8), None, evil),
    )
    outline = Outline(text)
    assert "script" not in outline.tags
    assert outline.mistakes == []
    assert text.count("&lt;script&gt;") > 20


def test_page_says_what_was_not_measured(report: CallReport) -> None:
    text = to_html(without_measurements(report))
    outline = Outline(text)
    assert outline.mistakes == []
    assert [i for i in outline.ids if i in SECTIONS] == SECTIONS
    assert text.count("Not measured.") == 10
    assert Outline(to_html(replace(report, streams=()))).mistakes == []


def test_page_of_a_short_or_silent_call_is_drawn(report: CallReport) -> None:
    """One value in each series, and none of them known."""
    one = StreamSeries(
        t_ms=(100.0,),
        send_rate_bps=(None,),
        receive_rate_bps=(0.0,),
        lost_pct=(0.0,),
        jitter_depth_ms=(None,),
        jitter_target_ms=(3.0,),
    )
    frames = FrameSeries(
        capture_us=(0,), shown_us=(None,), sent_bytes=(100,), key=(True,), status=("frozen",)
    )
    series = LatencySeries(t_ms=(50.0,), latency_ms=(50.0,))
    short = replace(
        report,
        meta=replace(report.meta, duration_s=0.1),
        streams=tuple(
            replace(
                s, series=one, latency_series=series, frames=frames if s.kind == "video" else FrameSeries()
            )
            for s in report.streams
        ),
    )
    assert Outline(to_html(short)).mistakes == []


def test_page_of_a_long_call_stays_small(report: CallReport) -> None:
    t = tuple(float(i) for i in range(0, 3_600_000, 20))
    values = tuple(80.0 + (500.0 if i == 77_777 else i % 7) for i in range(len(t)))
    n = 90_000
    frames = FrameSeries(
        capture_us=tuple(range(0, n * 40_000, 40_000)),
        shown_us=(None,) * n,
        sent_bytes=(5000,) * n,
        key=(False,) * n,
        status=("late", "shown") * (n // 2),
    )
    quarters = tuple(float(i) for i in range(250, 3_600_000, 250))
    row = tuple(float(i % 5) for i in range(len(quarters)))
    series = StreamSeries(
        t_ms=quarters,
        send_rate_bps=row,
        receive_rate_bps=row,
        lost_pct=row,
        unrepaired_pct=(None,) * len(quarters),
        jitter_depth_ms=row,
    )
    long = replace(
        report,
        meta=replace(report.meta, duration_s=3600.0),
        streams=tuple(
            replace(
                s,
                series=series,
                latency_series=LatencySeries(t_ms=t, latency_ms=values),
                frames=frames if s.kind == "video" else FrameSeries(),
            )
            for s in report.streams
        ),
    )
    text = to_html(long)
    assert Outline(text).mistakes == []
    assert len(text) < 1_500_000


def test_page_lists_at_most_200_events(report: CallReport) -> None:
    events = tuple(Event(t_ms=i, kind="rate_changed", text=f"number {i}.") for i in range(250))
    text = to_html(replace(report, events=events))
    assert "number 199." in text
    assert "number 200." not in text
    assert "50 more in report.json" in text


def test_frame_pair_refuses_what_is_no_picture() -> None:
    good = np.zeros((4, 4, 3), np.uint8)
    for bad in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)):
        with pytest.raises(ArgumentError, match="source"):
            FramePair(bad, good)
        with pytest.raises(ArgumentError, match="received"):
            FramePair(good, bad)


# --- the terminal


@pytest.mark.parametrize("width", [60, 80, 140])
def test_table_shows_the_numbers_of_the_page(report: CallReport, page: str, width: int) -> None:
    console = Console(width=width, record=True, file=open("/dev/null", "w", encoding="utf-8"))  # noqa: SIM115
    console.print(to_table(report))
    console.file.close()
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    flat = re.sub(r"\s+", "", text)
    for value in ("Fair call", "0x1a2b3c4d", words.rate(report.streams[1].bitrate_bps), "PSNR"):
        assert re.sub(r"\s+", "", value) in flat
        assert value in page


def test_table_prints_brackets_of_names_as_they_are(report: CallReport) -> None:
    console = Console(width=100, record=True, file=open("/dev/null", "w", encoding="utf-8"))  # noqa: SIM115
    console.print(to_table(with_stream(report, 0, name="[red]x[/red]")))
    console.file.close()
    assert "[red]x[/red]" in console.export_text()


# --- the verdict


def good_call(report: CallReport) -> CallReport:
    speech, camera = report.streams
    assert camera.video is not None
    latency = Latency(p50_ms=61.0, p95_ms=75.0, max_ms=90.0)
    video = replace(camera.video, shown=500, late=0, frozen=0, freezes=0, longest_freeze_ms=0.0)
    return replace(
        report,
        streams=(
            replace(speech, latency=latency, audio=AudioQuality(concealed_pct=0.2)),
            replace(camera, latency=replace(latency, p50_ms=80.0, p95_ms=99.0), video=video),
        ),
    )


def test_verdict_says_it_in_one_line(report: CallReport) -> None:
    headline = judge(good_call(report)).headline.replace("\N{NO-BREAK SPACE}", " ")
    assert headline == "Good call: 0.2 % audio concealed, no frozen video, 61 ms mouth to ear."
    assert judge(replace(report, streams=())).headline == "No call: nothing was sent."


@pytest.mark.parametrize(
    ("concealed_pct", "grade"), [(0.0, "good"), (1.0, "good"), (1.01, "fair"), (5.0, "fair"), (5.1, "poor")]
)
def test_verdict_grades_concealment(report: CallReport, concealed_pct: float, grade: str) -> None:
    audio = AudioQuality(concealed_pct=concealed_pct)
    assert judge(with_stream(good_call(report), 0, audio=audio)).grade == grade


@pytest.mark.parametrize(
    ("p50_ms", "p95_ms", "grade"),
    [
        (79.0, 150.0, "good"),
        (79.0, 151.0, "fair"),
        (79.0, 401.0, "poor"),
        (106.0, 149.0, "good"),
        (107.0, 149.0, "fair"),
        (152.0, 399.0, "poor"),  # sound ahead: 46 ms, 91 ms
    ],
)
def test_verdict_grades_delay_and_lip_sync(
    report: CallReport, p50_ms: float, p95_ms: float, grade: str
) -> None:
    latency = Latency(p50_ms=p50_ms, p95_ms=p95_ms, max_ms=500.0)
    assert judge(with_stream(good_call(report), 1, latency=latency)).grade == grade


def test_verdict_is_poor_when_nothing_arrives(report: CallReport) -> None:
    camera = report.streams[1]
    gone = with_stream(good_call(report), 1, packets=replace(camera.packets, received=0), latency=None)
    assert judge(gone).grade == "poor"
    assert any("nothing arrived" in f.text for f in judge(gone).findings)


def test_missing_at_play_out_is_what_no_repair_brought_back(report: CallReport) -> None:
    packets = replace(report.streams[0].packets, lost_by_network=10, recovered=7, late=2)
    assert packets.missing == 5


# --- numbers in words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (words.ms(61.4), "61 ms"),
        (words.ms(0.04), "0.0 ms"),
        (words.ms(9.96), "10 ms"),
        (words.ms(None), "–"),
        (words.percent(0.0), "0 %"),
        (words.percent(0.004), "< 0.01 %"),
        (words.percent(0.23), "0.2 %"),
        (words.percent(0.046), "0.05 %"),
        (words.percent(12.34), "12 %"),
        (words.percent(100.0), "100 %"),
        (words.rate(999.0), "999 b/s"),
        (words.rate(32_100), "32.1 kb/s"),
        (words.rate(1_520_000), "1.52 Mb/s"),
        (words.size(960), "960 B"),
        (words.size(48_212), "48.2 kB"),
        (words.size(8e9), "8 GB"),
        (words.count(1234567), "1 234 567"),
        (words.decibel(-26.34, "dBFS"), "−26.3 dBFS"),
        (words.seconds(20.0), "20 s"),
        (words.seconds(125.0), "2 min 05 s"),
        (words.seconds(179.6), "3 min 00 s"),
        (words.times(1, "freeze"), "1 freeze"),
        (words.times(2, "freeze"), "2 freezes"),
        (words.number(0.4567), "0.457"),
    ],
)
def test_words(text: str, expected: str) -> None:
    assert re.sub("[\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}]", " ", text) == expected


@given(st.floats(0.0, 100.0))
def test_words_percent_never_hides_a_loss(value: float) -> None:
    text = words.percent(value)
    assert (text == "0\N{NO-BREAK SPACE}%") == (value == 0)


@given(st.floats(1e-6, 1e12))
def test_words_number_is_within_one_percent(value: float) -> None:
    shown = float(words.number(value).replace("\N{NARROW NO-BREAK SPACE}", ""))
    assert shown == pytest.approx(value, rel=0.01)


def test_stream_refuses_an_ssrc_of_more_than_32_bits(report: CallReport) -> None:
    with pytest.raises(ArgumentError, match="ssrc"):
        replace(report.streams[0], ssrc=2**32)
    assert isinstance(report.streams[0], StreamReport)


def test_page_of_a_long_call_keeps_the_worst_packets_in_its_plot(report: CallReport) -> None:
    """An hour of packets is thinned, and one lost packet among 180 000 is still red."""
    from arcrtc.report import voiceplots

    n = 180_000
    status = ["played"] * n
    status[77_777] = "concealed"
    series = PlayoutSeries(t_ms=tuple(20.0 * i for i in range(n)), network_ms=(30.0,) * n, playout_ms=(60.0,) * n,
                           status=tuple(status))  # type: ignore[arg-type]
    t, network, played, thinned = voiceplots._thinned(series)
    assert len(t) == len(network) == len(played) == len(thinned) == 2400
    assert sorted(set(thinned.tolist())) == [0, 2]
    long = replace(report, meta=replace(report.meta, duration_s=3600.0))
    drawn = voiceplots.playout_plot(long, replace(report.streams[0], playout=series))
    assert drawn is not None
    assert len(drawn) < 400_000


def test_facts_say_how_to_get_scores_that_are_missing(report: CallReport) -> None:
    audio = AudioQuality(concealed_pct=0.0, score_note="not installed: pesq; pip install 'arcrtc[eval]'")
    assert "pip install &#x27;arcrtc[eval]&#x27;" in to_html(with_stream(report, 0, audio=audio))
