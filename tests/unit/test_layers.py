"""router/layers: which packets a subscriber gets, and with which numbers."""
from __future__ import annotations

import pytest

from arcrtc._native import ffi, lib
from tests.model import vpx_model as vpx
from tests.model.layers_stream import (
    AV1,
    DROP,
    FORWARD,
    H264,
    LATE,
    NONE,
    OTHER,
    SOURCE,
    SPATIAL,
    SWITCH,
    TEMPORAL,
    VP8,
    VP9,
    WAITS,
    Answer,
    Packet,
    Select,
    Source,
    Vp8Stream,
    Vp9Stream,
    run,
    vp8_ids,
)


def actions(answers: list[Answer]) -> list[int]:
    return [a.action for a in answers]


def test_layers_nothing_is_forwarded_before_a_key_frame() -> None:
    stream, source, select = Vp8Stream(), Source(VP8), Select()
    answers = run(select, source, stream.picture() + stream.picture(1))
    assert [(a.action, a.reason) for a in answers] == [(DROP, WAITS)] * 2
    assert select.wants_key == 0
    answers = run(select, source, stream.picture(key=True, n_packets=2) + stream.picture())
    assert actions(answers) == [SWITCH, FORWARD, FORWARD]
    assert select.wants_key == -1
    assert select.counts == (3, 1, [0, 0, 2, 0, 0, 0])


def test_layers_first_source_keeps_its_numbers() -> None:
    stream, source, select = Vp8Stream(picture_id=32766, tl0=254), Source(VP8), Select()
    packets = stream.picture(key=True) + stream.picture() + stream.picture() + stream.picture()
    assert vp8_ids(run(select, source, packets)) == [(32766, 255), (32767, 0), (0, 1), (1, 2)]


def test_layers_vp8_temporal_down_at_once_up_at_a_layer_sync() -> None:
    stream, source, select = Vp8Stream(picture_id=10, tl0=0), Source(VP8), Select()

    def group(sync: bool) -> list[Packet]:
        return (stream.picture(0) + stream.picture(2, sync=sync) + stream.picture(1, sync=sync)
                + stream.picture(2))

    run(select, source, stream.picture(key=True))
    assert actions(run(select, source, group(False))) == [FORWARD] * 4
    select.want(0, 7, 0)
    answers = run(select, source, group(True))
    assert [(a.action, a.reason) for a in answers] == [(FORWARD, NONE)] + [(DROP, TEMPORAL)] * 3
    select.want(0, 7, 7)
    assert actions(run(select, source, group(False))) == [FORWARD, DROP, DROP, DROP]
    # T2's sync is above the next layer; then T1's lets T1 in; T2 follows at its own sync.
    assert actions(run(select, source, group(True))) == [FORWARD, DROP, FORWARD, DROP]
    assert actions(run(select, source, group(True))) == [FORWARD] * 4
    assert select.wants_key == -1


def test_layers_what_is_left_out_leaves_no_gap_in_the_numbers() -> None:
    stream, source, select = Vp8Stream(picture_id=126, bits=7, tl0=10), Source(VP8), Select()
    select.want(0, 7, 0)
    packets = stream.picture(key=True)
    for _ in range(3):
        packets += stream.picture(1) + stream.picture(0)
    assert vp8_ids(run(select, source, packets)) == [(126, 11), (127, 12), (0, 13), (1, 14)]


def test_layers_change_of_source_waits_for_its_key_frame() -> None:
    low, high = Vp8Stream(picture_id=100, tl0=3, keyidx=30), Vp8Stream(picture_id=9000, tl0=77, keyidx=30)
    sources, select = [Source(VP8), Source(VP8)], Select()
    run(select, sources[0], low.picture(key=True) + low.picture())
    select.want(1)
    assert select.wants_key == 1
    answers = run(select, sources[1], high.picture(), 1)
    assert [(a.action, a.reason) for a in answers] == [(DROP, WAITS)]
    assert actions(run(select, sources[0], low.picture())) == [FORWARD]
    answers = run(select, sources[1], high.picture(key=True, n_packets=2) + high.picture(), 1)
    assert actions(answers) == [SWITCH, FORWARD, FORWARD]
    assert vp8_ids(answers) == [(103, 7), (103, 7), (104, 8)]
    assert [vpx.read_vp8(a.payload).ids.keyidx for a in answers] == [0, 0, 0]
    assert select.wants_key == -1
    answers = run(select, sources[0], low.picture(key=True))
    assert [(a.action, a.reason) for a in answers] == [(DROP, SOURCE)]


def test_layers_change_of_source_keeps_the_width_of_the_packet() -> None:
    low, high = Vp8Stream(picture_id=126, bits=7), Vp8Stream(picture_id=9000)
    sources, select = [Source(VP8), Source(VP8)], Select()
    run(select, sources[0], low.picture(key=True) + low.picture())
    select.want(1)
    assert vp8_ids(run(select, sources[1], high.picture(key=True), 1)) == [(128, 203)]
    select.want(0)
    answers = run(select, sources[0], low.picture(key=True))
    assert vpx.read_vp8(answers[0].payload).ids.picture_id == (7, 1)


def test_layers_a_key_frame_without_its_first_packet_is_not_entered() -> None:
    stream, source, select = Vp8Stream(), Source(VP8), Select()
    first, second, third = stream.picture(key=True, n_packets=3)
    assert actions(run(select, source, [second, first, third])) == [DROP] * 3
    assert actions(run(select, source, stream.picture(key=True))) == [SWITCH]
    assert [a.reason for a in run(select, source, [third])] == [LATE]


def test_layers_gone_source_is_entered_again_at_a_key_frame() -> None:
    stream, source, select = Vp8Stream(picture_id=1), Source(VP8), Select()
    run(select, source, stream.picture(key=True) + stream.picture())
    select.gone(1)
    assert select.wants_key == -1
    select.gone(0)
    assert select.wants_key == 0
    assert actions(run(select, source, stream.picture())) == [DROP]
    answers = run(select, source, stream.picture(key=True))
    assert (actions(answers), vp8_ids(answers)[0][0]) == ([SWITCH], 3)


def test_layers_late_packets_get_the_answer_of_their_picture() -> None:
    stream, source, select = Vp8Stream(picture_id=50, tl0=0), Source(VP8), Select()
    select.want(0, 7, 0)
    run(select, source, stream.picture(key=True))
    base, late_base = stream.picture(0, n_packets=2)
    upper, late_upper = stream.picture(1, n_packets=2)
    more = stream.picture(0)
    run(select, source, [base, upper, *more])
    answers = run(select, source, [late_upper, late_base])
    assert [(a.action, a.reason) for a in answers] == [(DROP, TEMPORAL), (FORWARD, NONE)]
    assert vp8_ids(answers) == [(51, 2)]
    # ... and a change of what is wanted does not touch pictures that were decided before
    select.want(0, 7, 7)
    assert actions(run(select, source, [late_upper, late_base])) == [DROP, FORWARD]


def test_layers_a_lost_picture_keeps_its_number() -> None:
    stream, source, select = Vp8Stream(picture_id=50, tl0=0), Source(VP8), Select()
    select.want(0, 7, 0)
    run(select, source, stream.picture(key=True))
    lost = stream.picture(0)
    answers = run(select, source, stream.picture(0) + lost)
    assert actions(answers) == [FORWARD, FORWARD]
    assert vp8_ids(answers) == [(52, 3), (51, 2)]
    lost = stream.picture(1)
    answers = run(select, source, stream.picture(0) + lost)
    assert [(a.action, a.reason) for a in answers] == [(FORWARD, NONE), (DROP, TEMPORAL)]
    assert vp8_ids(answers) == [(54, 4)]


def test_layers_forgets_after_64_pictures() -> None:
    stream, source, select = Vp8Stream(picture_id=50), Source(VP8), Select()
    run(select, source, stream.picture(key=True))
    late, *_ = stream.picture(0)
    for _ in range(lib.ARC_LAYERSELECT_MEMORY - 1):
        run(select, source, stream.picture(0))
    assert actions(run(select, source, [late])) == [FORWARD]
    run(select, source, stream.picture(0))
    assert [a.reason for a in run(select, source, [late])] == [LATE]


def test_layers_a_long_break_and_a_restart_of_the_numbers_go_on() -> None:
    stream, source, select = Vp8Stream(picture_id=50), Source(VP8), Select()
    run(select, source, stream.picture(key=True))
    stream.picture_id += 500
    assert vp8_ids(run(select, source, stream.picture())) == [(50 + 64, 202)]
    stream.picture_id = 20000  # more than half the range: behind
    assert vp8_ids(run(select, source, stream.picture())) == [(50 + 65, 203)]
    stream.picture_id = 19999
    assert vp8_ids(run(select, source, stream.picture())) == [(50 + 66, 204)]


def test_layers_vp9_spatial_down_at_once_with_the_marker() -> None:
    stream, source, select = Vp9Stream(3), Source(VP9), Select()
    answers = run(select, source, stream.picture(key=True) + stream.picture())
    assert actions(answers) == [SWITCH] + [FORWARD] * 5
    assert [a.marker for a in answers] == [False, False, True] * 2
    select.want(0, 1, 7)
    answers = run(select, source, stream.picture(n_packets=2))
    assert [(a.action, a.reason) for a in answers] == [(FORWARD, NONE)] * 4 + [(DROP, SPATIAL)] * 2
    assert [a.marker for a in answers[:4]] == [False, False, False, True]
    assert select.wants_key == -1


def test_layers_vp9_spatial_up_at_a_key_picture() -> None:
    stream, source, select = Vp9Stream(3), Source(VP9), Select()
    select.want(0, 0, 7)
    answers = run(select, source, stream.picture(key=True) + stream.picture())
    assert actions(answers) == [SWITCH, DROP, DROP, FORWARD, DROP, DROP]
    assert [a.marker for a in answers if a.action != DROP] == [True, True]
    assert select.wants_key == -1
    select.want(0, 2, 7)
    assert actions(run(select, source, stream.picture())) == [FORWARD, DROP, DROP]
    assert select.wants_key == 0
    answers = run(select, source, stream.picture(key=True) + stream.picture())
    assert actions(answers) == [FORWARD] * 6
    assert [a.marker for a in answers] == [False, False, True] * 2
    assert select.wants_key == -1


def test_layers_vp9_spatial_up_at_a_frame_that_needs_no_picture() -> None:
    stream, source, select = Vp9Stream(3), Source(VP9), Select()
    select.want(0, 0, 7)
    run(select, source, stream.picture(key=True))
    select.want(0, 7, 7)
    assert actions(run(select, source, stream.picture(fresh=(2,)))) == [FORWARD, DROP, DROP]
    assert actions(run(select, source, stream.picture(fresh=(1,)))) == [FORWARD, FORWARD, DROP]
    assert select.wants_key == 0
    assert actions(run(select, source, stream.picture(fresh=(2,)))) == [FORWARD] * 3
    assert select.wants_key == -1


def test_layers_vp9_late_packets_of_a_spatial_layer() -> None:
    stream, source, select = Vp9Stream(2), Source(VP9), Select()
    run(select, source, stream.picture(key=True))
    base, upper = stream.picture()
    run(select, source, [base])
    select.want(0, 0, 7)
    run(select, source, stream.picture())
    assert actions(run(select, source, [upper])) == [FORWARD]


def test_layers_vp9_temporal_up_after_a_switching_up_point() -> None:
    stream, source, select = Vp9Stream(), Source(VP9), Select()
    select.want(0, 7, 0)
    run(select, source, stream.picture(key=True))
    select.want(0, 7, 7)
    packets = stream.picture(0) + stream.picture(2) + stream.picture(1) + stream.picture(2)
    assert actions(run(select, source, packets)) == [FORWARD, DROP, DROP, DROP]
    packets = stream.picture(0, up=True) + stream.picture(2) + stream.picture(1)
    assert actions(run(select, source, packets)) == [FORWARD] * 3


@pytest.mark.parametrize("flexible", [True, False])
def test_layers_vp9_temporal_up_by_references(flexible: bool) -> None:
    """T0 T2 T1 T2, where the second T2 needs T1 and the first, and T1 the T1 before in every second group."""
    stream, source, select = Vp9Stream(flexible=flexible), Source(VP9), Select()
    pattern = [(0, [4]), (2, [1]), (1, [2]), (2, [1, 2]), (0, [4]), (2, [1]), (1, [2, 4]), (2, [1, 2])]
    structure = vpx.Structure(1, [], [vpx.Picture(tid, False, refs) for tid, refs in pattern])

    def group(half: int, *, key: bool = False) -> list[Packet]:
        out: list[Packet] = []
        for n, (tid, refs) in enumerate(pattern[4 * half:4 * half + 4]):
            first = key and n == 0
            out += stream.picture(tid, key=first, refs=tuple(refs),
                                  structure=structure if first and not flexible else None)
        return out

    assert actions(run(select, source, group(0, key=True))) == [SWITCH, FORWARD, FORWARD, FORWARD]
    select.want(0, 7, 0)
    assert actions(run(select, source, group(1))) == [FORWARD, DROP, DROP, DROP]
    assert actions(run(select, source, group(0))) == [FORWARD, DROP, DROP, DROP]
    select.want(0, 7, 7)
    # T1 needs the one that was left out; so does T2 behind it.
    assert actions(run(select, source, group(1))) == [FORWARD, FORWARD, DROP, DROP]
    assert actions(run(select, source, group(0) + group(1))) == [FORWARD] * 8


def test_layers_vp9_numbers_keep_their_distance() -> None:
    """References are counted in PictureIDs: what is left out must not move the others together."""
    streams, sources = [Vp9Stream(picture_id=9), Vp9Stream(picture_id=700)], [Source(VP9), Source(VP9)]
    select = Select()
    select.want(0, 7, 0)
    packets = streams[0].picture(key=True)
    for tid in (1, 0, 1, 0, 1):
        packets += streams[0].picture(tid)
    late = streams[0].picture()
    packets += streams[0].picture() + late
    streams[0].picture_id += 200
    packets += streams[0].picture() + streams[0].picture(1)
    answers = run(select, sources[0], packets)
    select.want(1, 7, 0)
    answers += run(select, sources[1], streams[1].picture(key=True) + streams[1].picture(1) + streams[1].picture(), 1)
    ids = [vpx.read_vp9(a.payload).ids.picture_id for a in answers if a.action != DROP]
    assert [i and i[1] for i in ids] == [9, 11, 13, 16, 15, 217, 219, 221]


def test_layers_vp9_bare_descriptors_are_told_by_their_data() -> None:
    source, select = Source(VP9), Select()
    key, inter = b"\x0c\x82\x49", b"\x0c\x86\x00"
    answers = run(select, source, [Packet(1, 1, inter), Packet(2, 2, key), Packet(3, 3, inter)])
    assert actions(answers) == [DROP, SWITCH, FORWARD]
    assert answers[1].payload == key


IDR, SPS, PPS, SLICE, SEI, AUD = b"\x65\x88", b"\x67\x42", b"\x68\xce", b"\x41\x9a", b"\x06\x05", b"\x09\x10"
FU_START, FU_END = b"\x7c\x85\x00", b"\x7c\x45\x00"


@pytest.mark.parametrize(("frames", "expected"), [
    ([[SLICE], [SPS, PPS, IDR], [SLICE]], [DROP, SWITCH, FORWARD, FORWARD, FORWARD]),
    ([[SLICE], [AUD, SEI, SPS, PPS, IDR]], [DROP, DROP, DROP, SWITCH, FORWARD, FORWARD]),
    ([[SLICE], [FU_START, FU_END]], [DROP, SWITCH, FORWARD]),
    ([[FU_END], [SLICE, IDR]], [DROP, DROP, DROP]),
    ([[b"\x78\x00\x02" + SPS + b"\x00\x02" + PPS, IDR]], [SWITCH, FORWARD]),
    ([[b"\x1e\x00"], [IDR]], [DROP, SWITCH]),
])
def test_layers_h264_starts_at_parameter_sets_or_an_idr(frames: list[list[bytes]], expected: list[int]) -> None:
    packets = []
    for n, frame in enumerate(frames):
        packets += [Packet(65530 + len(packets) + k, 3000 * n, nal, k == len(frame) - 1)
                    for k, nal in enumerate(frame)]
    assert actions(run(Select(), Source(H264), packets)) == expected


def test_layers_h264_behind_a_gap_is_no_start() -> None:
    """What is missing may be the parameter sets."""
    packets = [Packet(1, 0, SLICE), Packet(3, 3000, IDR), Packet(4, 6000, SPS, False), Packet(5, 6000, IDR)]
    assert actions(run(Select(), Source(H264), packets)) == [DROP, DROP, SWITCH, FORWARD]


def test_layers_h264_padding_is_no_gap() -> None:
    source, select = Source(H264), Select()
    packets = [Packet(1, 0, SLICE), Packet(2, 0, b""), Packet(3, 0, b""), Packet(4, 3000, IDR)]
    assert [source.read(p) for p in packets[1:3]] == [lib.ARC_AGAIN] * 2
    source = Source(H264)
    infos = [source.read(p) for p in packets]
    assert [infos[3].is_key, infos[3].starts_frame] == [True, True]
    assert select.on_packet(0, infos[3], packets[3]).action == SWITCH


def test_layers_av1_without_descriptors_starts_at_a_new_sequence() -> None:
    heads = (0x10, 0x88, 0x18, 0x10)
    packets = [Packet(n, n, bytes([head, 0])) for n, head in enumerate(heads)]
    assert actions(run(Select(), Source(AV1), packets)) == [DROP, DROP, SWITCH, FORWARD]


def test_layers_other_codecs_change_at_any_packet() -> None:
    sources, select = [Source(OTHER), Source(OTHER)], Select()
    assert actions(run(select, sources[0], [Packet(1, 0, b"x"), Packet(2, 960, b"x")])) == [SWITCH, FORWARD]
    select.want(1)
    assert actions(run(select, sources[1], [Packet(9, 0, b"x")], 1)) == [SWITCH]


def test_layers_malformed_and_empty_payloads() -> None:
    source = Source(VP8)
    assert source.read(Packet(1, 0, b"\x80")) == lib.ARC_ERR_FORMAT
    assert source.read(Packet(2, 0, b"")) == lib.ARC_AGAIN
    assert source.c.n_malformed == 1


def test_layers_arguments() -> None:
    source, select = ffi.new("struct arc_layersource *"), Select()
    assert lib.arc_layersource_init(ffi.NULL, VP8, ffi.NULL) == lib.ARC_ERR_ARG
    assert lib.arc_layersource_init(source, 5, ffi.NULL) == lib.ARC_ERR_ARG
    assert lib.arc_layersource_init(source, -1, ffi.NULL) == lib.ARC_ERR_ARG
    for wanted in ((-1, 0, 0), (255, 0, 0), (0, 8, 0), (0, -1, 0), (0, 0, 8), (0, 0, -1)):
        assert lib.arc_layerselect_want(select.c, *wanted) == lib.ARC_ERR_ARG
    assert (select.c.want_source, select.c.want_spatial, select.c.want_temporal) == (0, 7, 7)


def test_layers_hot_state_is_small() -> None:
    """One of these is touched for every packet and subscriber."""
    assert ffi.offsetof("struct arc_layerselect", "n_forwarded") <= 128
    assert ffi.sizeof("struct arc_layerinfo") <= 128
