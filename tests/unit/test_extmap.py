"""arcrtc.extmap: the examples of RFC 8285 and RFC 6904, round trips, refusals."""
from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcrtc.errors import ConfigError, ParseError
from arcrtc.extmap import DIRECTIONS, ENCRYPT_URI, ExtensionMap

_printable = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]), min_size=1, max_size=8)


@pytest.mark.parametrize(("text", "expected"), [
    ("1 http://example.com/082005/ext.htm#ttime", ExtensionMap(1, "http://example.com/082005/ext.htm#ttime")),
    ("2/sendrecv http://example.com/082005/ext.htm#xmeta short",
     ExtensionMap(2, "http://example.com/082005/ext.htm#xmeta", "sendrecv", "short")),
    ("4096 urn:x:gps-string", ExtensionMap(4096, "urn:x:gps-string")),
    (f"1 {ENCRYPT_URI} urn:ietf:params:rtp-hdrext:smpte-tc 25@600/24",
     ExtensionMap(1, "urn:ietf:params:rtp-hdrext:smpte-tc", None, "25@600/24", True)),
    (f"255/inactive {ENCRYPT_URI} urn:x:y", ExtensionMap(255, "urn:x:y", "inactive", "", True)),
])
def test_extmap_reads_and_writes(text: str, expected: ExtensionMap) -> None:
    assert ExtensionMap.parse(text) == expected
    assert expected.to_text() == text


@given(st.builds(ExtensionMap, st.integers(1, 255) | st.integers(4096, 4351),
                 st.builds("{}:{}".format, st.sampled_from(["urn", "http", "a+b.c-d"]),
                           st.text("abz09/#?:%.-", min_size=1)),
                 st.none() | st.sampled_from(DIRECTIONS), st.lists(_printable, max_size=3).map(" ".join),
                 st.booleans()))
@settings(deadline=None)
def test_extmap_parse_gives_back_what_was_written(one: ExtensionMap) -> None:
    assert ExtensionMap.parse(one.to_text()) == one


@given(st.text(max_size=60) | st.builds("{} urn:{}".format, st.integers(0, 99999), st.text(max_size=30)))
@settings(deadline=None)
def test_extmap_any_text_is_good_or_a_parse_error(text: str) -> None:
    try:
        one = ExtensionMap.parse(text)
    except ParseError:
        return
    assert ExtensionMap.parse(one.to_text()) == one


@pytest.mark.parametrize("text", [
    "", "1", "x urn:x:y", "0 urn:x:y", "256 urn:x:y", "4095 urn:x:y", "4352 urn:x:y", "123456 urn:x:y", "-1 urn:x:y",
    "1/up urn:x:y", "1/ urn:x:y", "1/sendonly/recvonly urn:x:y", "1 relative", "1 urn:", "1 urn:\u00e9", "1 :x",
    f"1 {ENCRYPT_URI}", f"1 {ENCRYPT_URI} {ENCRYPT_URI} urn:x:y", "1 urn:x:y a\x01b",
])
def test_extmap_refuses_what_is_not_valid(text: str) -> None:
    with pytest.raises(ParseError, match="a=extmap"):
        ExtensionMap.parse(text)


@pytest.mark.parametrize("values", [
    {"ident": 0}, {"ident": True}, {"uri": "x"}, {"uri": ENCRYPT_URI}, {"direction": "up"}, {"attributes": "a\r\nb"},
    {"attributes": " a"}, {"encrypted": 1},
], ids=str)
def test_extmap_refuses_what_cannot_be_written(values: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        ExtensionMap(**{"ident": 1, "uri": "urn:x:y", **values})
