"""Vectors of wire/: what RFC 8285 prints."""
from __future__ import annotations

import pytest

from arcrtc.rtp import RtpPacket

HEAD = "9060000100000002 00000003"


@pytest.mark.parametrize(("extension", "elements"), [
    # Section 4.2: ids and data are left open there; L, the padding and the order are as printed.
    ("bede0003 10a1 21b1b2 0000 33c1c2c3c4", {1: "a1", 2: "b1b2", 3: "c1c2c3c4"}),
    # Section 4.3
    ("10000003 0100 0201b1 00 0304c1c2c3c4", {1: "", 2: "b1", 3: "c1c2c3c4"}),
])
def test_vec_rfc8285_section_4(extension: str, elements: dict[int, str]) -> None:
    packet = RtpPacket.parse(bytes.fromhex(HEAD + extension) + b"payload")
    assert {i: v.hex() for i, v in packet.header.extensions.items()} == elements
    assert packet.payload == b"payload"
