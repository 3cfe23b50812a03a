"""What telephony needs of session descriptions: static types, comfort noise, keys; and clocks (RFC 7273)."""
from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc.errors import ConfigError, ParseError
from arcrtc.sdp import MediaClock, MediaDescription, ReferenceClock, SessionDescription, parse

HEAD = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"


def test_description_of_a_telephone_is_read() -> None:
    text = HEAD + ("a=ts-refclk:ntp=/traceable/\r\nm=audio 5004 RTP/AVP 0 8 13 101\r\n"
                   "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=maxptime:60\r\n")
    media = parse(text).media[0]
    assert (media.codec, media.clock_rate, media.payload_type) == ("pcmu", 8000, 0)
    assert (media.noise_payload_type, media.dtmf_payload_type) == (13, 101)
    assert (media.ptime_ms, media.max_ptime_ms) == (20, 60)
    assert media.reference_clocks == (ReferenceClock("ntp", "/traceable/"),)


@pytest.mark.parametrize("text", ["101 telephone-event/48000", "101 speex/8000", "13 CN/16000"])
def test_description_what_is_on_another_clock_is_passed_over(text: str) -> None:
    number = text.split()[0]
    media = parse(HEAD + f"m=audio 5004 RTP/AVP 0 {number}\r\na=rtpmap:{text}\r\n").media[0]
    assert media.noise_payload_type is media.dtmf_payload_type is None


@pytest.mark.parametrize(("codec", "clock", "channels", "line"), [
    ("pcmu", 8000, 1, "PCMU/8000"), ("g722", 8000, 1, "G722/8000"), ("l16", 44_100, 2, "L16/44100/2")])
def test_description_of_codecs_is_written_and_read_back(codec: str, clock: int, channels: int, line: str) -> None:
    media = MediaDescription("audio", 5004, 96, codec, clock, channels, noise_payload_type=13, dtmf_payload_type=101,
                             max_ptime_ms=40)
    if clock != 8000:
        media = replace(media, noise_payload_type=None, dtmf_payload_type=None)
    text = SessionDescription((media,)).to_text()
    assert f"a=rtpmap:96 {line}\r\n" in text
    assert parse(text).media[0] == media


def test_description_refuses_a_type_twice() -> None:
    with pytest.raises(ConfigError, match="dtmf_payload_type"):
        MediaDescription("audio", 5004, 0, "pcmu", 8000, dtmf_payload_type=13, noise_payload_type=13)


# --- clocks ---

@pytest.mark.parametrize(("text", "kind", "value", "traceable"), [
    ("ntp=203.0.113.10", "ntp", "203.0.113.10", False), ("ntp=/traceable/", "ntp", "/traceable/", True),
    ("ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0:0", "ptp", "IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0:0", False),
    ("ptp=IEEE1588-2008:traceable", "ptp", "IEEE1588-2008:traceable", True), ("gps", "gps", "", True),
    ("local", "local", "", False), ("private:traceable", "private", "traceable", True)])
def test_reference_clocks_of_rfc_7273(text: str, kind: str, value: str, traceable: bool) -> None:
    clock = ReferenceClock.parse(text)
    assert (clock.kind, clock.value, clock.is_traceable) == (kind, value, traceable)
    assert clock.to_text() == text


@pytest.mark.parametrize(("text", "clock"), [
    ("sender", MediaClock("sender")), ("direct", MediaClock("direct")),
    ("direct=963214424 rate=1000/1001", MediaClock("direct", 963_214_424, (1000, 1001))),
    ("id=MDA6NjA6MmI6MjA6MTI6MWY= sender", MediaClock("sender", ident="MDA6NjA6MmI6MjA6MTI6MWY=")),
    ("id=src:MDA6= sender", MediaClock("sender", ident="MDA6=", ident_is_of_source=True)),
    ("IEEE1722=38-D6-6D-8E-D2-78-13-2F", MediaClock("IEEE1722", value="38-D6-6D-8E-D2-78-13-2F"))])
def test_media_clocks_of_rfc_7273(text: str, clock: MediaClock) -> None:
    assert MediaClock.parse(text) == clock
    assert clock.to_text() == text


@pytest.mark.parametrize("text", ["", "direct=x", "direct=99999999999", "direct=1 rate=1", "direct=1 rate=0/1",
                                  "id=abc", "sender=5"])
def test_media_clocks_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ParseError, match="mediaclk"):
        MediaClock.parse(text)


@given(st.text(max_size=60))
def test_clocks_of_any_text_are_read_or_refused(text: str) -> None:
    for cls in (ReferenceClock, MediaClock):
        try:
            clock = cls.parse(text)
        except ParseError:
            continue
        assert cls.parse(clock.to_text()) == clock


def test_description_carries_clocks_and_a_section_has_its_own() -> None:
    media = MediaDescription("audio", 5004, 96, "l16", 48_000, reference_clocks=(ReferenceClock("local"),),
                             media_clock=MediaClock("direct", 5))
    text = SessionDescription((media, MediaDescription("video", 5006, 97, "h264", 90_000))).to_text()
    text = text.replace("t=0 0\r\n", "t=0 0\r\na=ts-refclk:gps\r\na=mediaclk:sender\r\n")
    audio, video = parse(text).media
    assert audio == media
    assert video.reference_clocks == (ReferenceClock("gps"),)
    assert video.media_clock == MediaClock("sender")
