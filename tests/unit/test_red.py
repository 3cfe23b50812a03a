"""wire/red: payloads with redundant audio, against a plain model."""
from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from arcrtc._native import ffi, lib
from tests.model import red as model
from tests.model.red import Block

STATUS = {"format": lib.ARC_ERR_FORMAT, "limit": lib.ARC_ERR_LIMIT}
redundant = st.builds(Block, st.integers(0, 127), st.integers(0, 16383) | st.sampled_from([0, 960, 16383]),
                      st.binary(max_size=60) | st.integers(1000, 1023).map(bytes))
primary = st.builds(Block, st.integers(0, 127), st.just(0), st.binary(max_size=2000))
payloads = st.builds(lambda blocks, last: [*blocks, last], st.lists(redundant, max_size=15), primary)


def _parse(payload: bytes) -> list[Block] | int:
    out = ffi.new("struct arc_red *")
    status = int(lib.arc_red_parse(payload, len(payload), out))
    if status != lib.ARC_OK:
        return status
    return [Block(b.payload_type, b.ts_offset, payload[b.off:b.off + b.len]) for b in out.blocks[0:out.n_blocks]]


def _build(blocks: list[Block], cap: int) -> tuple[int, bytes]:
    datas = [ffi.from_buffer(b.data) for b in blocks]
    parts = ffi.new("struct arc_red_part[]", [(b.payload_type, b.ts_offset, data, len(b.data))
                                              for b, data in zip(blocks, datas, strict=True)])
    out, n = ffi.new("uint8_t[]", cap + 1), ffi.new("size_t *", 0)
    status = int(lib.arc_red_build(parts, len(blocks), out, cap, n))
    if status == lib.ARC_OK:
        assert n[0] == lib.arc_red_bytes(parts, len(blocks))
    return status, bytes(ffi.buffer(out, n[0]))


@given(payloads)
def test_red_build_is_rfc2198_and_parse_gives_it_back(blocks: list[Block]) -> None:
    expected = model.build(blocks)
    assert _build(blocks, len(expected)) == (lib.ARC_OK, expected)
    assert _parse(expected) == blocks
    assert _build(blocks, len(expected) - 1) == (lib.ARC_ERR_SPACE, b"")


@given(st.binary(max_size=80) | st.builds(lambda b, cut, more: model.build(b)[:cut] + more, payloads,
                                          st.integers(0, 90), st.binary(max_size=4)))
@example(b"\x80\x00\x00\x00" * 16 + b"\x00")
@example(b"\x80\x00\x00\x00" * 15 + b"\x00")
def test_red_parse_matches_model_for_any_bytes(payload: bytes) -> None:
    expected = model.parse(payload)
    assert _parse(payload) == (STATUS[expected] if isinstance(expected, str) else expected)


@pytest.mark.parametrize("payload", [b"", b"\xe3", b"\xe3\x00\x00", b"\xe3\x0f\x00\x01", b"\xe3\x0f\x00\x02\x6fx",
                                     b"\xe3\x0f\x03\xff\x6f" + bytes(1022)])
def test_red_parse_of_lengths_that_lie_is_a_fault_and_changes_nothing(payload: bytes) -> None:
    out = ffi.new("struct arc_red *", {"n_blocks": 7})
    assert lib.arc_red_parse(payload, len(payload), out) == lib.ARC_ERR_FORMAT
    assert out.n_blocks == 7


def test_red_payload_of_a_primary_alone_is_one_byte_longer() -> None:
    assert _parse(b"\x6fabc") == [Block(111, 0, b"abc")]
    assert _build([Block(111, 0, b"abc")], 4) == (lib.ARC_OK, b"\x6fabc")
    assert _parse(b"\x6f") == [Block(111, 0, b"")]


@pytest.mark.parametrize("wrong", [Block(128, 0, b""), Block(-1, 0, b""), Block(0, 16384, b""), Block(0, -1, b""),
                                   Block(0, 0, bytes(1024))])
def test_red_build_of_what_has_no_form_is_refused(wrong: Block) -> None:
    assert _build([wrong, Block(0, 0, b"")], 2000) == (lib.ARC_ERR_ARG, b"")
    assert _build([Block(0, 0, b"")] * 17, 2000) == (lib.ARC_ERR_ARG, b"")
    assert _build([], 2000) == (lib.ARC_ERR_ARG, b"")


def test_red_build_of_a_primary_longer_than_any_datagram_is_refused() -> None:
    assert _build([Block(0, 99999, bytes(65535))], 70000)[0] == lib.ARC_OK  # its offset is not written
    assert _build([Block(0, 0, bytes(65536))], 70000)[0] == lib.ARC_ERR_ARG
