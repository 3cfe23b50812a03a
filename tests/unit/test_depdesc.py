"""wire/depdesc and arcrtc.rtpext.depdesc: descriptors against the plain model and the tables of the specification."""
from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc import errors
from arcrtc._native import ffi, lib
from arcrtc.rtpext import DependencyDescriptor, DependencyReader, DependencyStructure, Dti, FrameDependencies
from tests.model import depdesc_model as model
from tests.model.depdesc_tables import L1T3, L3T3, frame

#: Descriptors of key frames as browsers send them: (bytes, layers of the targets, templates, resolutions).
CAPTURED = [
    ("80000180003a410180ef808680", ((0, 0),), 2, ((480, 270),)),
    ("800001800214eaa860414d141020842701df010d", ((0, 0), (0, 1), (0, 2)), 5, ((480, 270),)),
    ("d0013481e81485214eafffaaaa863cf0430c10c302afc0aaa0063c00430010c002a000a80006000040001d954926e082b04a0941b820"
     "ac1282503157f974000ca864330e222222eca8655304224230eca87753013f00b3027f016704ff02cf",
     ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)), 15,
     ((320, 180), (640, 360), (1280, 720))),
]


@pytest.mark.parametrize(("data", "layers", "n_templates", "sizes"), CAPTURED)
def test_depdesc_reads_and_writes_what_browsers_send(data: str, layers: object, n_templates: int,
                                                     sizes: object) -> None:
    reader = DependencyReader()
    found = reader.read(bytes.fromhex(data))
    assert found is not None
    assert found.structure is not None
    assert found.structure.target_layers() == layers
    assert len(found.structure.templates) == n_templates
    assert found.structure.resolutions == sizes
    assert reader.active_decode_targets == (1 << found.structure.decode_targets) - 1
    assert found.serialize().hex() == data


@pytest.mark.parametrize("structure", [L1T3, L3T3])
def test_depdesc_tables_of_the_specification_take_three_bytes_a_frame(structure: DependencyStructure) -> None:
    reader = DependencyReader()
    for number, template in enumerate(structure.templates):
        first = number == 0
        said = DependencyDescriptor(65530 + number & 0xFFFF, template, structure=structure if first else None)
        data = said.serialize(structure)
        assert (len(data) == 3) == (not first)
        assert data[0] & 63 == structure.template_id_offset + number
        assert reader.read(data) == said
    assert reader.structure == structure


def test_depdesc_skipped_frames_of_section_a_10_1_3() -> None:
    """Frames 105 to 108 of the dynamic example: what differs from a template is written behind it."""
    structure = DependencyStructure((
        frame(0, 0, "", "0", "S"), frame(0, 0, "2", "2", "R"),
        frame(1, 0, "1", "1", "R"), frame(1, 0, "1 2", "1", "R")), (0,))
    reader = DependencyReader()
    reader.read(DependencyDescriptor(1, structure.templates[0], structure=structure).serialize())
    for number, deps, template, n_bytes in (
            (105, frame(1, 0, "1", "2", "R"), 2, 5), (106, frame(1, 0, "1", "3", "R"), 2, 5),
            (107, frame(1, 0, "1", "4", "R"), 2, 5), (108, frame(0, 0, "5", "5", "R"), 1, 6)):
        said = DependencyDescriptor(number, deps)
        data = said.serialize(structure)
        assert (data[0] & 63, len(data)) == (template, n_bytes)
        assert reader.read(data) == said


def test_depdesc_without_its_templates_is_none_and_changes_nothing() -> None:
    reader = DependencyReader()
    data = DependencyDescriptor(7, L1T3.templates[2]).serialize(L1T3)
    assert reader.read(data) is None
    assert reader.read(bytes([*data, 0x40, 0])) is None  # a mask of unknown length
    assert (reader.structure, reader.active_decode_targets) == (None, 0)
    reader.read(DependencyDescriptor(1, L3T3.templates[0], structure=L3T3).serialize())
    assert reader.read(b"\x0f\0\1") is None  # id 15 is below the offset of L3T3
    assert reader.structure == L3T3
    c, out = ffi.new("struct arc_depdesc_reader *"), ffi.new("struct arc_depdesc *")
    assert lib.arc_depdesc_read(c, data, len(data), out) == lib.ARC_AGAIN
    assert (out.frame_number, out.starts_frame, out.ends_frame) == (7, True, True)


def test_depdesc_active_targets_last_until_the_next_ones() -> None:
    reader = DependencyReader()
    reader.read(DependencyDescriptor(1, L1T3.templates[0], structure=L1T3).serialize())
    assert reader.active_decode_targets == 0b111
    said = DependencyDescriptor(2, L1T3.templates[3], active_decode_targets=0b110)
    assert reader.read(said.serialize(L1T3)) == said
    reader.read(DependencyDescriptor(3, L1T3.templates[2]).serialize(L1T3))
    assert reader.active_decode_targets == 0b110
    said = DependencyDescriptor(4, L1T3.templates[0], structure=L1T3, active_decode_targets=0b011)
    assert reader.read(said.serialize()) == said
    assert reader.active_decode_targets == 0b011
    reader.read(DependencyDescriptor(5, L1T3.templates[0], structure=L1T3).serialize())
    assert reader.active_decode_targets == 0b111  # a structure without a mask: all (A.4)


def test_depdesc_fault_leaves_the_templates() -> None:
    reader = DependencyReader()
    whole = DependencyDescriptor(1, L3T3.templates[0], structure=L3T3).serialize()
    reader.read(whole)
    for n in range(len(whole)):
        if n != 3:
            with pytest.raises(errors.ParseError):
                reader.read(whole[:n])
    with pytest.raises(errors.ParseError):
        reader.read(bytes(256))
    wrong = bytes([whole[0] & 0xC0 | 40]) + whole[1:]  # an id that its own structure does not have
    with pytest.raises(errors.ParseError):
        reader.read(wrong)
    assert reader.structure == L3T3
    assert reader.active_decode_targets == 0x1FF


def descriptor(bits: str) -> bytes:
    """Three bytes of zeros, then these bits."""
    n_bytes = -(-len(bits) // 8)
    return bytes(3) + int(bits.ljust(8 * n_bytes, "0"), 2).to_bytes(n_bytes, "big")


def test_depdesc_more_layers_or_references_than_there_is_room_for() -> None:
    reader = DependencyReader()
    with pytest.raises(errors.LimitError):  # a structure of one target with temporal ids up to 8
        reader.read(descriptor("10000" + "000000" + "00000" + "01" * 8 + "11"))
    reader.read(DependencyDescriptor(1, L1T3.templates[0], structure=L1T3).serialize())
    with pytest.raises(errors.LimitError):  # 17 references of four bits each
        reader.read(descriptor("00010" + "010000" * 17 + "00"))
    found = reader.read(descriptor("00010" + "010000" * 16 + "00"))
    assert found is not None
    assert found.frame.fdiffs == (1,) * 16


@st.composite
def structures(draw: st.DrawFn) -> DependencyStructure:
    n_targets = draw(st.integers(1, 5) | st.just(32))
    n_chains = draw(st.integers(0, min(n_targets, 4)))
    templates, spatial, temporal = [], 0, 0
    for i in range(draw(st.integers(1, 6))):
        kind = draw(st.integers(0, 2)) if i else 0
        temporal = 0 if kind == 2 else min(temporal + (kind == 1), 7)
        spatial += kind == 2
        templates.append(FrameDependencies(
            spatial, temporal, tuple(draw(st.sampled_from(Dti)) for _ in range(n_targets)),
            tuple(draw(st.lists(st.integers(1, 16), max_size=4))),
            tuple(draw(st.integers(0, 15)) for _ in range(n_chains))))
    protected = tuple(draw(st.integers(0, n_chains - 1)) for _ in range(n_targets if n_chains else 0))
    sizes = tuple((draw(st.integers(1, 65536)), 90) for _ in range(spatial + 1)) if draw(st.booleans()) else ()
    return DependencyStructure(tuple(templates), protected, draw(st.integers(0, 63)), sizes)


@st.composite
def descriptors(draw: st.DrawFn) -> tuple[DependencyDescriptor, DependencyStructure]:
    structure = draw(structures())
    deps = draw(st.sampled_from(structure.templates))
    if draw(st.booleans()):
        deps = dataclasses.replace(deps, fdiffs=tuple(draw(st.lists(st.integers(1, 4096), max_size=16))))
    if draw(st.booleans()):
        deps = dataclasses.replace(deps, dtis=tuple(draw(st.sampled_from(Dti)) for _ in deps.dtis))
    if draw(st.booleans()):
        deps = dataclasses.replace(deps, chain_fdiffs=tuple(draw(st.integers(0, 255)) for _ in deps.chain_fdiffs))
    mask = draw(st.none() | st.integers(0, (1 << structure.decode_targets) - 1))
    with_structure = structure if draw(st.booleans()) else None
    return DependencyDescriptor(draw(st.integers(0, 65535)), deps, draw(st.booleans()), draw(st.booleans()),
                                with_structure, mask), structure


def assert_like_model(found: DependencyDescriptor, frame_: model.Frame) -> None:
    assert (found.start_of_frame, found.end_of_frame, found.frame_number) == (
        frame_.start, frame_.end, frame_.number)
    assert found.active_decode_targets == frame_.mask
    d, m = found.frame, frame_.deps
    assert (d.spatial_id, d.temporal_id, list(d.dtis), list(d.fdiffs), list(d.chain_fdiffs)) == (
        m.spatial, m.temporal, m.dtis, m.fdiffs, m.chains)
    assert (found.structure is None) == (frame_.structure is None)
    if found.structure is not None and frame_.structure is not None:
        s, n = found.structure, frame_.structure
        assert (s.template_id_offset, s.decode_targets, s.chains, list(s.protected_by), list(s.resolutions)) == (
            n.offset, n.n_targets, n.n_chains, n.protected_by, n.sizes)
        assert [(t.spatial_id, t.temporal_id, list(t.dtis), list(t.fdiffs), list(t.chain_fdiffs))
                for t in s.templates] == [(t.spatial, t.temporal, t.dtis, t.fdiffs, t.chains) for t in n.templates]


@given(descriptors())
def test_depdesc_read_of_write_is_the_same(drawn: tuple[DependencyDescriptor, DependencyStructure]) -> None:
    said, structure = drawn
    try:
        data = said.serialize(structure)
    except errors.BufferSpaceError:
        return
    reader = DependencyReader()
    first = DependencyDescriptor(0, structure.templates[0], structure=structure).serialize()
    reader.read(first)
    assert reader.read(data) == said
    known = model.read(first, None)
    assert known is not None
    again = model.read(data, known.structure)
    assert again is not None
    assert_like_model(said, again)


@given(descriptors(), st.data())
def test_depdesc_read_matches_model_for_any_bytes(drawn: tuple[DependencyDescriptor, DependencyStructure],
                                                  data: st.DataObject) -> None:
    said, structure = drawn
    reader = DependencyReader()
    first = DependencyDescriptor(0, structure.templates[0], structure=structure).serialize()
    known = model.read(first, None)
    assert known is not None
    reader.read(first)
    raw = bytearray(data.draw(st.binary(max_size=40) | st.just(said.serialize(structure)[:255])))
    for _ in range(data.draw(st.integers(0, 2)) if raw else 0):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        expected = model.read(bytes(raw), known.structure)
    except model.Malformed:
        with pytest.raises(errors.ParseError):
            reader.read(bytes(raw))
        assert reader.structure == structure
        return
    except model.TooMuch:
        with pytest.raises(errors.LimitError):
            reader.read(bytes(raw))
        return
    found = reader.read(bytes(raw))
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        assert_like_model(found, expected)


def test_depdesc_write_refuses_what_the_format_cannot_say() -> None:
    good = L1T3.templates
    chain = (0, 0, 0)
    for templates in (
            (frame(0, 1, "", "0", "SSS"),),
            (good[0], frame(0, 2, "1", "1", "SSS")),
            (good[0], frame(1, 1, "1", "1", "SSS")),
            (good[0], frame(0, 0, "17", "1", "SSS")),
            (good[0], frame(0, 0, "1", "16", "SSS"))):
        with pytest.raises(errors.ArgumentError):
            DependencyDescriptor(1, templates[0], structure=DependencyStructure(templates, chain)).serialize()
    with pytest.raises(errors.ArgumentError):
        DependencyDescriptor(1, frame(1, 0, "1", "1", "SSS")).serialize(L1T3)  # no template of its layer
    for number, deps, mask in ((1, frame(0, 0, "4097", "1", "SSS"), None), (1, frame(0, 0, "1", "256", "SSS"), None),
                               (65536, good[0], None), (1, frame(0, 0, "1", "1", "SS"), None),
                               (1, good[0], 8), (1, good[0], -1), (1, good[0], 2**32),
                               (1, frame(0, 0, "1 " * 17, "1", "SSS"), None)):
        with pytest.raises(errors.ArgumentError):
            DependencyDescriptor(number, deps, active_decode_targets=mask).serialize(L1T3)
    with pytest.raises(errors.ArgumentError, match="no structure"):
        DependencyDescriptor(1, good[0]).serialize()
    for protected in ((0, 0), (0, 0, 1)):
        with pytest.raises(errors.ArgumentError):
            DependencyDescriptor(1, good[0], structure=DependencyStructure(good, protected)).serialize()
    with pytest.raises(errors.ArgumentError):
        DependencyStructure((good[0], frame(0, 0, "", "0", "SS")), chain)
    with pytest.raises(errors.ArgumentError):
        DependencyStructure(())
    with pytest.raises(errors.ArgumentError, match="resolutions"):
        DependencyDescriptor(1, good[0], structure=dataclasses.replace(L1T3, resolutions=((1, 1), (2, 2)))).serialize()


def test_depdesc_write_wants_room() -> None:
    c, s = ffi.new("struct arc_depdesc *"), ffi.new("struct arc_depdesc_structure *")
    out, n = ffi.new("uint8_t[]", 3), ffi.new("size_t *")
    s.n_templates = s.n_targets = 1
    assert lib.arc_depdesc_write(c, s, out, 2, n) == lib.ARC_ERR_SPACE
    assert n[0] == 0
    assert lib.arc_depdesc_write(c, s, out, 3, n) == lib.ARC_OK
    assert n[0] == 3
    assert lib.arc_depdesc_write(ffi.NULL, s, out, 3, n) == lib.ARC_ERR_ARG
    assert lib.arc_depdesc_read(ffi.NULL, out, 3, c) == lib.ARC_ERR_ARG
