"""The report of a call: report.json for programs, report.html for people, a table for terminals."""
from __future__ import annotations

from arcrtc.report.html import FramePair, to_html, write_html
from arcrtc.report.jsonio import from_json, json_schema, read_json, to_json, write_json
from arcrtc.report.schema import (
    SCHEMA_VERSION,
    AudioQuality,
    CallReport,
    Event,
    FrameSeries,
    Latency,
    LatencySeries,
    Machine,
    Meta,
    NetworkDirection,
    PacketCounts,
    PathSeries,
    PlayoutSeries,
    ProcessFigures,
    ScoredWindow,
    SpeechScores,
    StreamReport,
    StreamSeries,
    VideoQuality,
)
from arcrtc.report.table import to_table
from arcrtc.report.verdict import Finding, Verdict, judge

__all__ = [
    "SCHEMA_VERSION",
    "AudioQuality",
    "CallReport",
    "Event",
    "Finding",
    "FramePair",
    "FrameSeries",
    "Latency",
    "LatencySeries",
    "Machine",
    "Meta",
    "NetworkDirection",
    "PacketCounts",
    "PathSeries",
    "PlayoutSeries",
    "ProcessFigures",
    "ScoredWindow",
    "SpeechScores",
    "StreamReport",
    "StreamSeries",
    "Verdict",
    "VideoQuality",
    "from_json",
    "json_schema",
    "judge",
    "read_json",
    "to_html",
    "to_json",
    "to_table",
    "write_html",
    "write_json",
]
