"""arcrtc.rtp and wire/rtp, wire/rtpext: packets against the plain model."""
from __future__ import annotations

import copy
import pickle
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc import errors
from arcrtc._native import ffi, lib
from arcrtc.rtp import RtpHeader, RtpPacket
from tests.model.rtp_model import ModelRtp, parse_elements, parse_rtp, write_elements, write_rtp

u16 = st.integers(0, 0xFFFF)
u32 = st.integers(0, 0xFFFFFFFF)
one_byte = st.dictionaries(st.integers(1, 14), st.binary(min_size=1, max_size=16), max_size=8)
two_byte = st.dictionaries(st.integers(1, 255), st.binary(max_size=255), max_size=8)
headers = st.builds(
    RtpHeader, sequence_number=u16, timestamp=u32, ssrc=u32, payload_type=st.integers(0, 127),
    marker=st.booleans(), csrcs=st.lists(u32, max_size=15), extensions=one_byte | two_byte)
packets = st.builds(RtpPacket, header=headers, payload=st.binary(max_size=300), padding=st.integers(0, 255))
other_profile = u16.filter(lambda p: p != 0xBEDE and p & 0xFFF0 != 0x1000)

PLAIN = bytes.fromhex("80e0fffa fffffffe 0badcafe") + b"payload"


@given(packets)
def test_rtp_parse_of_serialize_is_the_same_packet(packet: RtpPacket) -> None:
    data = packet.serialize()
    again = RtpPacket.parse(data)
    assert again == packet
    assert list(again.header.extensions.items()) == list(packet.header.extensions.items())
    assert again.serialize() == data


@given(packets)
def test_rtp_serialize_matches_model(packet: RtpPacket) -> None:
    h = packet.header
    extension = write_elements(list(h.extensions.items())) if h.extensions else None
    assert packet.serialize() == write_rtp(ModelRtp(
        h.payload_type, h.marker, h.sequence_number, h.timestamp, h.ssrc, list(h.csrcs), extension,
        packet.payload, packet.padding))


@st.composite
def nearly_rtp(draw: st.DrawFn) -> bytes:
    """Bytes that a parser takes seriously: valid packets, cut or with bytes changed."""
    data = bytearray(draw(packets).serialize())
    for _ in range(draw(st.integers(0, 3))):
        data[draw(st.integers(0, min(len(data), 40) - 1))] = draw(st.integers(0, 255))
    return bytes(data[:draw(st.integers(0, len(data)))]) if draw(st.booleans()) else bytes(data)


@given(nearly_rtp() | st.binary(max_size=64))
def test_rtp_parse_matches_model_for_any_bytes(data: bytes) -> None:
    model = parse_rtp(data)
    h = ffi.new("struct arc_rtp *")
    status = lib.arc_rtp_parse(data, len(data), h)
    assert (status == lib.ARC_OK) == (model is not None)
    if model is None:
        assert lib.arc_rtp_fault(data, len(data)) != ffi.NULL
        with pytest.raises(errors.ParseError):
            RtpPacket.parse(data)
        return
    assert (h.payload_type, h.marker, h.seq16, h.rtp_ts, h.ssrc) == (
        model.payload_type, model.marker, model.seq16, model.rtp_ts, model.ssrc)
    assert list(h.csrcs)[:h.csrc_count] == model.csrcs
    assert data[h.payload_off:h.payload_off + h.payload_len] == model.payload
    assert h.padding_len == model.padding
    assert h.payload_off + h.payload_len + h.padding_len == len(data)

    profile, body = model.extension or (0, b"")
    assert (h.has_extension, h.ext_profile) == (model.extension is not None, profile)
    assert data[h.ext_off:h.ext_off + h.ext_len] == body
    elements = parse_elements(profile, body)
    if elements is None:
        with pytest.raises(errors.ParseError, match="extension element"):
            RtpPacket.parse(data)
        return
    packet = RtpPacket.parse(data)
    assert packet.header.extensions == dict(reversed(elements))  # the first of an id counts
    known = profile == 0xBEDE or profile & 0xFFF0 == 0x1000
    assert packet.header.other_extension == (None if known or not h.has_extension else (profile, body))


@given(nearly_rtp(), st.integers(1, 255))
def test_rtpext_find_and_iterate_match_model(data: bytes, ident: int) -> None:
    h = ffi.new("struct arc_rtp *")
    if lib.arc_rtp_parse(data, len(data), h) != lib.ARC_OK:
        return
    model = parse_rtp(data)
    assert model is not None
    lent = ffi.from_buffer("uint8_t[]", data)
    step, element = ffi.new("struct arc_rtpext_iter *"), ffi.new("struct arc_rtpext_element *")
    lib.arc_rtpext_iter_init(step, lent, h)
    found = []
    while (status := lib.arc_rtpext_next(step, element)) == lib.ARC_OK:
        found.append((element.id, bytes(ffi.buffer(element.value, element.len))))
    elements = parse_elements(*model.extension) if model.extension else []
    assert (status == lib.ARC_AGAIN) == (elements is not None)
    assert elements is None or found == elements
    assert lib.arc_rtpext_next(step, element) == lib.ARC_AGAIN

    value, length = ffi.new("uint8_t **"), ffi.new("size_t *")
    status = lib.arc_rtpext_find(lent, h, ident, value, length)
    if ident in dict(found):
        assert status == lib.ARC_OK
        assert bytes(ffi.buffer(value[0], length[0])) == dict(reversed(found))[ident]
    else:
        assert status == (lib.ARC_AGAIN if elements is not None else lib.ARC_ERR_FORMAT)


@given(nearly_rtp())
def test_rtp_header_only_parse_leaves_padding_in_the_payload(data: bytes) -> None:
    h = ffi.new("struct arc_rtp *")
    no_padding = bytes([data[0] & 0xDF]) + data[1:] if data else data
    model = parse_rtp(no_padding)
    assert (lib.arc_rtp_parse_header(data, len(data), h) == lib.ARC_OK) == (model is not None)
    if model is not None:
        assert data[h.payload_off:h.payload_off + h.payload_len] == model.payload
        assert h.padding_len == 0
        assert h.has_padding == bool(data[0] & 0x20)


@pytest.mark.parametrize(("data", "reason"), [
    (b"", "too short"),
    (PLAIN[:11], "too short"),
    (b"\x40" + PLAIN[1:], "version"),
    (b"\x8f" + PLAIN[1:], "CSRC list runs past the end"),
    (b"\x90" + PLAIN[1:14], "extension header runs past the end"),
    (b"\x90" + PLAIN[1:12] + b"\xbe\xde\x00\x02" + bytes(7), "extension runs past the end"),
    (b"\xa0" + PLAIN[1:12], "nothing follows"),
    (b"\xa0" + PLAIN[1:] + b"\x00", "padding count is zero"),
    (b"\xa0" + PLAIN[1:] + b"\x09", "padding is longer"),
    (b"\x90" + PLAIN[1:12] + b"\xbe\xde\x00\x01\x13abc", "extension element runs past"),
    (PLAIN + bytes(65536), "longer than a datagram"),
])
def test_rtp_parse_error_says_what_is_wrong(data: bytes, reason: str) -> None:
    with pytest.raises(errors.ParseError, match=reason):
        RtpPacket.parse(data)


def test_rtp_fault_leaves_the_struct_as_it_was() -> None:
    h = ffi.new("struct arc_rtp *")
    assert lib.arc_rtp_parse(PLAIN, len(PLAIN), h) == lib.ARC_OK
    before = bytes(ffi.buffer(h))
    broken = b"\xa0" + PLAIN[1:] + b"\x09"
    assert lib.arc_rtp_parse(broken, len(broken), h) == lib.ARC_ERR_FORMAT
    assert lib.arc_rtp_parse(ffi.NULL, 12, h) == lib.ARC_ERR_ARG
    assert lib.arc_rtp_parse(PLAIN, len(PLAIN), ffi.NULL) == lib.ARC_ERR_ARG
    assert bytes(ffi.buffer(h)) == before
    assert lib.arc_rtp_fault(PLAIN, len(PLAIN)) == ffi.NULL


def test_rtpext_stop_rules_end_the_extension_without_a_fault() -> None:
    """RFC 8285 sections 4.1.2 and 4.2: id 15, and id 0 with a length, end the one-byte form."""
    head = b"\x90" + PLAIN[1:12] + b"\xbe\xde\x00\x02"
    for stop in (0xF7, 0xFF, 0x03):
        packet = RtpPacket.parse(head + b"\x10A" + bytes([stop]) + b"\xff\xff\xff\xff\xff" + b"rest")
        assert packet.header.extensions == {1: b"A"}
        assert packet.payload == b"rest"
    two = RtpPacket.parse(b"\x90" + PLAIN[1:12] + b"\x10\x05\x00\x02" + b"\x00\x0f\x01B\x10\x00\x00\x00")
    assert two.header.extensions == {15: b"B", 16: b""}  # appbits are not ours; 15 is an id like any other


def test_rtpext_first_of_two_elements_with_one_id_counts() -> None:
    packet = RtpPacket.parse(b"\x90" + PLAIN[1:12] + b"\xbe\xde\x00\x01" + b"\x10A\x10B")
    assert packet.header.extensions == {1: b"A"}


def test_rtpext_write_refuses_and_keeps_its_room() -> None:
    out, n, profile = ffi.new("uint8_t[]", 8), ffi.new("size_t *"), ffi.new("uint16_t *")
    write = lib.arc_rtpext_write
    assert write(b"\x00", b"\x01", b"x", 1, out, 8, n, profile) == lib.ARC_ERR_ARG
    assert write(b"\x01", b"\x01", b"x", 256, out, 8, n, profile) == lib.ARC_ERR_ARG
    assert write(b"\x01", b"\x09", b"x" * 9, 1, out, 8, n, profile) == lib.ARC_ERR_SPACE
    assert (n[0], profile[0]) == (0, 0)
    assert write(b"\x01", b"\x07", b"x" * 7, 1, out, 8, n, profile) == lib.ARC_OK
    assert (n[0], profile[0], bytes(ffi.buffer(out))) == (8, 0xBEDE, b"\x16" + b"x" * 7)


@given(u16, u32, u32, st.integers(0, 255))
def test_rtp_setters_change_one_field_in_place(seq16: int, rtp_ts: int, ssrc: int, payload_type: int) -> None:
    data = ffi.new("uint8_t[]", PLAIN)
    lib.arc_rtp_set_seq16(data, seq16)
    lib.arc_rtp_set_ts(data, rtp_ts)
    lib.arc_rtp_set_ssrc(data, ssrc)
    lib.arc_rtp_set_payload_type(data, payload_type)
    model = parse_rtp(bytes(ffi.buffer(data, len(PLAIN))))
    assert model is not None
    assert model == ModelRtp(payload_type & 127, True, seq16, rtp_ts, ssrc, [], None, b"payload", 0)


def test_rtp_write_header_checks_fields_and_room() -> None:
    out, n = ffi.new("uint8_t[]", 64), ffi.new("size_t *")
    h = ffi.new("struct arc_rtp *", {"payload_type": 128})
    assert lib.arc_rtp_write_header(h, ffi.NULL, out, 64, n) == lib.ARC_ERR_ARG
    h.payload_type, h.csrc_count = 127, 16
    assert lib.arc_rtp_write_header(h, ffi.NULL, out, 64, n) == lib.ARC_ERR_ARG
    h.csrc_count, h.has_extension, h.ext_len = 15, True, 3
    assert lib.arc_rtp_write_header(h, ffi.NULL, out, 64, n) == lib.ARC_ERR_ARG
    assert lib.arc_rtp_write_header(h, b"abc", out, 64, n) == lib.ARC_ERR_SPACE
    assert n[0] == 0
    h.csrc_count = 1
    assert lib.arc_rtp_write_header(h, b"abc", out, 24, n) == lib.ARC_OK
    assert n[0] == 24
    assert bytes(ffi.buffer(out, 24))[20:] == b"abc\x00"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda b: np.frombuffer(b, np.uint8)])
def test_rtp_parse_takes_any_bytes_like(kind: object) -> None:
    packet = RtpPacket.parse(kind(PLAIN))  # type: ignore[operator]
    assert packet.payload == b"payload"
    assert (packet.header.sequence_number, packet.header.timestamp) == (0xFFFA, 0xFFFFFFFE)
    assert (packet.header.ssrc, packet.header.payload_type, packet.header.marker) == (0x0BADCAFE, 96, True)


def test_rtp_parse_keeps_nothing_of_a_reused_buffer() -> None:
    buffer = bytearray(PLAIN)
    packet = RtpPacket.parse(buffer)
    buffer[:] = bytes(len(buffer))
    assert packet.payload == b"payload"


@pytest.mark.parametrize("bad", [12, "text", None, [1, 2]])
def test_rtp_parse_refuses_what_is_not_bytes_like(bad: object) -> None:
    with pytest.raises(TypeError):
        RtpPacket.parse(bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(("field", "value"), [
    ("sequence_number", 65536), ("sequence_number", -1), ("timestamp", 2**32), ("ssrc", -1), ("ssrc", 1.5),
    ("payload_type", 128), ("csrcs", (1,) * 16), ("csrcs", (2**32,)), ("extensions", {0: b"x"}),
    ("extensions", {256: b"x"}), ("extensions", {1: b"x" * 256}), ("extensions", {1: "x"}),
    ("other_extension", (0xBEDE, b"")), ("other_extension", (1, b"abc")), ("other_extension", (65536, b"")),
])
def test_rtp_header_refuses_a_field_out_of_range_now_and_when_set(field: str, value: object) -> None:
    good = {"sequence_number": 1, "timestamp": 2, "ssrc": 3, "payload_type": 4}
    with pytest.raises(errors.ArgumentError, match=field.split("_")[0]):
        RtpHeader(**{**good, field: value})  # type: ignore[arg-type]
    packet = RtpPacket(RtpHeader(**good), b"x")
    setattr(packet.header, field, value)
    with pytest.raises(errors.ArgumentError, match=field.split("_")[0]):
        packet.serialize()


def test_rtp_other_extension_excludes_elements() -> None:
    with pytest.raises(errors.ArgumentError, match="exclude"):
        RtpHeader(1, 2, 3, 4, extensions={1: b"x"}, other_extension=(1, b"abcd"))
    packet = RtpPacket(RtpHeader(1, 2, 3, 4, other_extension=(1, b"abcd")), b"x")
    assert RtpPacket.parse(packet.serialize()) == packet


@given(other_profile, st.binary(max_size=40).map(lambda b: b + bytes(-len(b) % 4)))
def test_rtp_foreign_extension_survives(profile: int, body: bytes) -> None:
    packet = RtpPacket(RtpHeader(1, 2, 3, 4, other_extension=(profile, body)), b"x")
    data = packet.serialize()
    assert RtpPacket.parse(data) == packet
    assert RtpPacket.parse(data).serialize() == data


@given(packets)
def test_rtp_header_written_here_is_the_one_of_the_core(packet: RtpPacket) -> None:
    """serialize() makes short headers without a call; the core's functions are the plain version."""
    h = packet.header
    c, out, n = ffi.new("struct arc_rtp *"), ffi.new("uint8_t[]", 4096), ffi.new("size_t *")
    c.payload_type, c.marker, c.seq16, c.rtp_ts, c.ssrc = (
        h.payload_type, h.marker, h.sequence_number, h.timestamp, h.ssrc)
    c.csrc_count, c.csrcs, c.has_padding = len(h.csrcs), h.csrcs, packet.padding > 0
    body, profile = ffi.new("uint8_t[]", 4096), ffi.new("uint16_t *")
    if h.extensions:
        values = b"".join(h.extensions.values())
        assert lib.arc_rtpext_write(bytes(h.extensions), bytes(map(len, h.extensions.values())), values,
                                    len(h.extensions), body, 4096, n, profile) == lib.ARC_OK
        c.has_extension, c.ext_profile, c.ext_len = True, profile[0], n[0]
    assert lib.arc_rtp_write_header(c, body, out, 4096, n) == lib.ARC_OK
    assert packet.serialize().startswith(bytes(ffi.buffer(out, n[0])))


@given(nearly_rtp() | st.binary(max_size=64))
def test_rtp_layout_says_what_the_parsers_say(data: bytes) -> None:
    h, triples = ffi.new("struct arc_rtp *"), ffi.new("int32_t[]", 3 * 255)
    layout = lib.arc_rtpext_layout(data, len(data))
    if lib.arc_rtp_parse(data, len(data), h) != lib.ARC_OK:
        assert layout == 0
        return
    n = lib.arc_rtpext_list(data, h.payload_off, triples)
    assert (layout == 0) == (n == lib.ARC_ERR_FORMAT)
    if layout:
        assert layout & lib.ARC_RTPEXT_LAYOUT_OFFSET == h.payload_off
        assert layout >> lib.ARC_RTPEXT_LAYOUT_PADDING_SHIFT & 0xFF == h.padding_len
        assert layout >> lib.ARC_RTPEXT_LAYOUT_CSRCS_SHIFT == h.csrc_count
    assert lib.arc_rtpext_list(data, h.payload_off, ffi.NULL) == lib.ARC_ERR_ARG
    assert lib.arc_rtpext_list(data, 11, triples) == lib.ARC_ERR_FORMAT


def test_rtp_extension_is_read_when_it_is_first_asked_for() -> None:
    data = RtpPacket(RtpHeader(1, 2, 3, 4, csrcs=[9], extensions={1: b"x", 20: b""}), b"x", padding=4).serialize()
    other = RtpPacket(RtpHeader(1, 2, 3, 4, other_extension=(7, b"abcd")), b"x").serialize()

    header = RtpPacket.parse(data).header
    assert header.other_extension is None
    header.extensions[2] = b"more"
    assert header.extensions == {1: b"x", 20: b"", 2: b"more"}

    packet = RtpPacket.parse(data)
    packet.header.extensions = {}
    assert RtpPacket.parse(packet.serialize()) == packet

    packet = RtpPacket.parse(other)
    packet.header.other_extension = (8, b"")
    assert packet.header.extensions == {}
    assert RtpPacket.parse(packet.serialize()).header.other_extension == (8, b"")

    for raw in (data, other):  # unread headers: equal, copied and written alike
        assert RtpPacket.parse(raw) == RtpPacket.parse(raw)
        assert copy.deepcopy(RtpPacket.parse(raw)) == RtpPacket.parse(raw)
        assert copy.copy(RtpPacket.parse(raw).header) == RtpPacket.parse(raw).header
        assert pickle.loads(pickle.dumps(RtpPacket.parse(raw))) == RtpPacket.parse(raw)
        assert RtpPacket.parse(raw).serialize() == raw
    assert len(pickle.dumps(RtpPacket.parse(data + bytes(1000) + b"\x04").header)) < 1000


def test_rtp_canonical_form_does_not_depend_on_a_look_at_the_extension() -> None:
    loose = b"\x90" + PLAIN[1:12] + b"\xbe\xde\x00\x02" + b"\x10A\x00\x10B\x00\x20C" + b"rest"
    packet, looked_at = RtpPacket.parse(loose), RtpPacket.parse(loose)
    assert looked_at.header.extensions == {1: b"A", 2: b"C"}
    assert packet.serialize() == looked_at.serialize() != loose


def test_rtp_one_packet_read_by_many_threads() -> None:
    faults = []
    for i in range(200):
        header = RtpPacket.parse(RtpPacket(RtpHeader(1, 2, 3, 4, extensions={1 + i % 14: b"x"})).serialize()).header
        start = threading.Barrier(4)

        def look(header: RtpHeader = header, expected: int = 1 + i % 14, start: threading.Barrier = start) -> None:
            start.wait()
            if header.extensions != {expected: b"x"} or header.other_extension is not None:
                faults.append(expected)

        threads = [threading.Thread(target=look) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert faults == []


def test_rtp_every_field_at_its_end() -> None:
    """15 CSRCs, both extension forms, appbits, the longest padding, and what is one too many."""
    csrcs = tuple(2**32 - 1 - i for i in range(15))
    for extensions in ({14: bytes(16)}, {15: b"x"}, {1: b""}, {255: bytes(255)}, dict.fromkeys(range(1, 256), b"")):
        packet = RtpPacket(RtpHeader(65535, 2**32 - 1, 2**32 - 1, 127, True, csrcs, extensions), b"", 255)
        data = packet.serialize()
        assert data[0] == 0xBF
        assert RtpPacket.parse(data) == packet
        one_byte = all(i <= 14 and 1 <= len(v) <= 16 for i, v in extensions.items())
        assert data[72:74] == (b"\xbe\xde" if one_byte else b"\x10\x00")
        if not one_byte:
            for appbits in range(16):  # RFC 8285 section 4.3: not ours to judge
                assert RtpPacket.parse(data[:73] + bytes([appbits]) + data[74:]) == packet
            assert RtpPacket.parse(data[:73] + b"\x10" + data[74:]).header.other_extension is not None
    for many in (16, 256):
        with pytest.raises(errors.ArgumentError, match="csrcs"):
            RtpHeader(1, 2, 3, 4, csrcs=range(many))
        packet = RtpPacket(RtpHeader(1, 2, 3, 4), b"x")
        packet.header.csrcs = tuple(range(many))
        with pytest.raises(errors.ArgumentError, match="csrcs"):
            packet.serialize()
    packet = RtpPacket(RtpHeader(1, 2, 3, 4), b"x")
    packet.header.payload_type, packet.header.marker = 128, True
    with pytest.raises(errors.ArgumentError, match="payload_type"):
        packet.serialize()
    packet.header.payload_type = -1
    with pytest.raises(errors.ArgumentError, match="payload_type"):
        packet.serialize()


def test_rtp_packet_limits() -> None:
    header = RtpHeader(1, 2, 3, 4, extensions={i: bytes(255) for i in range(1, 256)})
    with pytest.raises(errors.ArgumentError, match="longer than 65535"):
        RtpPacket(header, bytes(2)).serialize()
    packet = RtpPacket(RtpHeader(1, 2, 3, 4, extensions={i: bytes(200) for i in range(1, 256)}), b"x")
    assert RtpPacket.parse(packet.serialize()) == packet
    for padding in (-1, 256):
        with pytest.raises(errors.ArgumentError, match="padding"):
            RtpPacket(RtpHeader(1, 2, 3, 4), padding=padding)


def test_rtp_packet_is_a_value() -> None:
    packet = RtpPacket(RtpHeader(1, 2, 3, 4, csrcs=[5], extensions={1: b"x"}), b"secret")
    assert copy.deepcopy(packet) == packet
    assert pickle.loads(pickle.dumps(packet)) == packet
    assert packet != RtpPacket(RtpHeader(1, 2, 3, 4), b"secret")
    assert packet != "packet"
    assert packet.header != "header"
    assert repr(packet) == ("RtpPacket(header=RtpHeader(sequence_number=1, timestamp=2, ssrc=3, "
                            "payload_type=4, marker=False, csrcs=(5,), extensions={1: b'x'}), "
                            "payload=<6 bytes>)")
    with pytest.raises(TypeError):
        hash(packet)


def test_rtp_parse_in_many_threads_never_mixes_packets() -> None:
    faults = []

    def work(ssrc: int) -> None:
        for seq in range(3000):
            header = RtpHeader(seq, seq * 3, ssrc, 96, extensions={1: bytes([ssrc])})
            packet = RtpPacket.parse(RtpPacket(header, b"p" * ssrc).serialize())
            h = packet.header
            if (h.sequence_number, h.timestamp, h.ssrc, h.extensions, len(packet.payload)) != (
                    seq, seq * 3, ssrc, {1: bytes([ssrc])}, ssrc):
                faults.append((ssrc, seq))

    threads = [threading.Thread(target=work, args=(i + 1,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert faults == []
