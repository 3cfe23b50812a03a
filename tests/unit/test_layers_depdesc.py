"""router/layers with dependency descriptors: decode targets of AV1, by the tables of the specification."""
from __future__ import annotations

import dataclasses

from arcrtc._native import ffi, lib
from arcrtc.rtpext import DependencyDescriptor, DependencyStructure
from tests.model.depdesc_tables import L1T3, L3T3, L3T3_KEY_SHIFT, S2T1
from tests.model.layers_stream import (
    AV1,
    DROP,
    FORWARD,
    H264,
    LATE,
    NONE,
    SPATIAL,
    SWITCH,
    TEMPORAL,
    Answer,
    Packet,
    Select,
    Source,
    run,
)


class Stream:
    """Frames by the templates of a structure; a picture is a list of them."""

    def __init__(self, structure: DependencyStructure, *, number: int = 65530) -> None:
        self.structure, self.number, self.seq, self.rtp_ts = structure, number, 100, 0

    def picture(self, *templates: int, key: bool = False, targets: int | None = None) -> list[Packet]:
        out = []
        self.rtp_ts += 3000
        for n, index in enumerate(templates):
            d = DependencyDescriptor(self.number & 0xFFFF, self.structure.templates[index], True, True,
                                     self.structure if key and n == 0 else None, targets if n == 0 else None)
            out.append(Packet(self.seq, self.rtp_ts, b"\x10\x00", n == len(templates) - 1,
                              d.serialize(self.structure)))
            self.seq += 1
            self.number += 1
        return out


def marks(answers: list[Answer]) -> str:
    """One letter a packet: F, S, or t, s, l, ... the reason why not; a dot behind a marker."""
    letters = {TEMPORAL: "t", SPATIAL: "s", LATE: "l", NONE: "?"}
    return "".join(("FS"[a.action] + "." * a.marker) if a.action != DROP else letters.get(a.reason, "w")
                   for a in answers)


def group_l1t3(stream: Stream) -> list[Packet]:
    return stream.picture(1) + stream.picture(3) + stream.picture(2) + stream.picture(4)


def group_l3t3(stream: Stream) -> list[Packet]:
    return (stream.picture(1, 6, 11) + stream.picture(3, 8, 13) + stream.picture(2, 7, 12) + stream.picture(4, 9, 14))


def test_layers_l1t3_temporal_layers() -> None:
    stream, source, select = Stream(L1T3), Source(AV1, descriptors=True), Select()
    assert marks(run(select, source, group_l1t3(Stream(L1T3)))) == "wwww"
    source = Source(AV1, descriptors=True)
    packets = (stream.picture(0, key=True) + stream.picture(3) + stream.picture(2) + stream.picture(4))
    assert marks(run(select, source, packets)) == "S.F.F.F."
    select.want(0, 7, 1)
    assert marks(run(select, source, group_l1t3(stream))) == "F.tF.t"
    select.want(0, 7, 0)
    assert marks(run(select, source, group_l1t3(stream))) == "F.ttt"
    select.want(0, 7, 7)
    assert marks(run(select, source, group_l1t3(stream))) == "F.F.F.F."
    assert select.wants_key == -1


def test_layers_l1t3_up_waits_for_a_switch_indication() -> None:
    stream, source, select = Stream(L1T3), Source(AV1, descriptors=True), Select()
    select.want(0, 7, 0)
    packets = stream.picture(0, key=True) + stream.picture(3) + stream.picture(2)
    assert marks(run(select, source, packets)) == "S.tt"
    select.want(0, 7, 7)
    # T2 discards, T0 switches; T1 before it would too ("SD-"), but for T1 only
    assert marks(run(select, source, stream.picture(4) + group_l1t3(stream))) == "tF.F.F.F."


def test_layers_l3t3_spatial_layers() -> None:
    stream, source, select = Stream(L3T3), Source(AV1, descriptors=True), Select()
    packets = (stream.picture(0, 5, 10, key=True) + stream.picture(3, 8, 13) + stream.picture(2, 7, 12)
               + stream.picture(4, 9, 14))
    assert marks(run(select, source, packets)) == "SFF." + "FFF." * 3
    first, *rest = group_l3t3(stream)
    run(select, source, [first])
    select.want(0, 1, 7)
    assert marks(run(select, source, rest)) == "FF." + "FF.s" * 3  # not within a picture
    select.want(0, 0, 1)
    assert marks(run(select, source, group_l3t3(stream))) == "F.ss" + "tss" + "F.ss" + "tss"
    assert select.wants_key == -1
    select.want(0, 1, 1)
    assert marks(run(select, source, group_l3t3(stream))) == "F.ts" + "tts" + "F.ts" + "tts"
    assert select.wants_key == 0
    assert marks(run(select, source, stream.picture(0, 5, 10, key=True))) == "FF.s"
    assert marks(run(select, source, stream.picture(3, 8, 13) + stream.picture(2, 7, 12))) == "tts" + "FF.s"
    assert select.wants_key == -1


def test_layers_spatial_layers_that_are_independent_of_the_lower_ones() -> None:
    stream, source, select = Stream(L3T3_KEY_SHIFT), Source(AV1, descriptors=True), Select()
    select.want(0, 1, 7)
    assert marks(run(select, source, stream.picture(0, 7, 14, key=True))) == "SF.s"
    # VGA does not use QVGA's frames after the key frame; stepping down needs a new one
    assert [a.action for a in run(select, source, stream.picture(1, 12, 18))] == [DROP, FORWARD, DROP]
    select.want(0, 0, 7)
    assert [a.action for a in run(select, source, stream.picture(1, 12, 18))] == [DROP, FORWARD, DROP]
    assert select.wants_key == 0
    assert marks(run(select, source, stream.picture(0, 7, 14, key=True))) == "F.ss"
    assert select.wants_key == -1


def test_layers_two_encodings_on_one_ssrc() -> None:
    stream, source, select = Stream(S2T1), Source(AV1, descriptors=True), Select()
    select.want(0, 1, 0)
    # the first frame carries the structure, and is sent for that
    assert marks(run(select, source, stream.picture(0, 2, key=True))) == "SF."
    assert [a.action for a in run(select, source, stream.picture(1, 3))] == [DROP, FORWARD]
    select.want(0, 0, 0)
    assert [a.action for a in run(select, source, stream.picture(1, 3))] == [DROP, FORWARD]
    assert select.wants_key == 0
    assert marks(run(select, source, stream.picture(0, 2, key=True) + stream.picture(1, 3))) == "F.sF.s"


def test_layers_targets_that_are_switched_off() -> None:
    stream, source, select = Stream(L3T3), Source(AV1, descriptors=True), Select()
    run(select, source, stream.picture(0, 5, 10, key=True))
    # HD is switched off: VGA is the best there is, and the picture ends with it
    answers = run(select, source, stream.picture(1, 6, targets=0b111111000))
    assert [a.action for a in answers] == [FORWARD, FORWARD]
    select.want(0, 2, 7)
    assert select.wants_key == -1


def test_layers_frame_numbers_go_on_over_a_change_of_source() -> None:
    low, high = Stream(L1T3, number=65534), Stream(L1T3, number=500)
    sources, select = [Source(AV1, descriptors=True) for _ in range(2)], Select()
    answers = run(select, sources[0], low.picture(0, key=True) + low.picture(3) + low.picture(2))
    assert [a.frame_number for a in answers] == [65534, 65535, 0]
    select.want(1)
    answers = run(select, sources[1], high.picture(3) + high.picture(0, key=True) + high.picture(3), 1)
    assert [(a.action, a.frame_number) for a in answers] == [(DROP, None), (SWITCH, 1), (FORWARD, 2)]


def test_layers_late_structure_does_not_replace_a_newer_one() -> None:
    old, new = Stream(L1T3, number=10), Stream(dataclasses.replace(L1T3, template_id_offset=20), number=20)
    source, select = Source(AV1, descriptors=True), Select()
    first, *_ = old.picture(0, key=True)
    run(select, source, [first])
    new.seq, new.rtp_ts = 110, 90000
    key = new.picture(0, key=True)
    run(select, source, key)
    again = dataclasses.replace(first, seq=109)
    assert source.read(again).targets == ffi.NULL
    assert marks(run(select, source, new.picture(3) + new.picture(2))) == "F.F."
    assert source.c.n_bad_descriptors == 0


def test_layers_frames_of_an_unknown_structure_are_forwarded() -> None:
    """The packet with it may still come; without these it would be of no use."""
    stream, source, select = Stream(L1T3), Source(AV1, descriptors=True), Select()
    run(select, source, stream.picture(0, key=True))
    new = Stream(dataclasses.replace(L1T3, template_id_offset=20), number=stream.number)
    new.seq, new.rtp_ts = stream.seq, stream.rtp_ts
    select.want(0, 7, 0)
    lost, later = new.picture(0, key=True), new.picture(3)
    assert marks(run(select, source, later + lost + new.picture(2))) == "F.F.t"


def test_layers_bad_descriptors_are_counted_and_the_payload_tells() -> None:
    source = Source(AV1, descriptors=True)
    info = source.read(Packet(1, 1, b"\x18\x00", dd=b"\x00"))
    assert (info.is_key, info.has_descriptor, source.c.n_bad_descriptors) == (True, False, 1)
    plain = Source(AV1)
    assert not plain.read(Packet(1, 1, b"\x18\x00", dd=Stream(L1T3).picture(0, key=True)[0].dd)).has_descriptor


def test_layers_h264_with_descriptors_has_temporal_layers() -> None:
    stream, source, select = Stream(L1T3), Source(H264, descriptors=True), Select()
    select.want(0, 7, 0)
    packets = stream.picture(0, key=True) + stream.picture(3) + stream.picture(1)
    assert marks(run(select, source, packets)) == "S.tF."
    assert lib.arc_layerselect_wants_key(select.c) == -1
