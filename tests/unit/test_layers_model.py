"""router/layers against the plain model: any pictures, lost, late and doubled packets, any changes of mind."""
from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model import vpx_model as vpx
from tests.model.layers_stream import DROP, SWITCH, VP8, VP9, Packet, Select, Source
from tests.model.select_model import Seen, Selector


@dataclass
class Sent:
    """A packet and what it says."""

    packet: Packet
    seen: Seen
    ends: bool


@dataclass(frozen=True)
class Picture:
    """One drawn picture."""

    temporal: int
    key: bool
    flag: bool  #: Y of VP8, U of VP9
    fresh: bool  #: upper spatial layers need no earlier picture
    refs: tuple[int, ...]
    n_packets: int
    skipped: int  #: pictures that were lost as a whole before it


pictures = st.lists(st.builds(
    Picture, st.integers(0, 2), st.integers(0, 7).map(lambda n: n == 0), st.booleans(), st.booleans(),
    st.lists(st.integers(1, 4) | st.integers(1, 70), min_size=1, max_size=2).map(tuple), st.integers(1, 2),
    st.sampled_from([0] * 20 + [1, 2, 5, 62, 63, 64, 200])), min_size=8, max_size=40)


def vp8_packets(drawn: list[Picture], first: int) -> list[Sent]:
    out, number, tl0, seq = [], first, 250, 65500
    for n, p in enumerate(drawn):
        number += 1 + p.skipped
        key = p.key or n == 0
        temporal = 0 if key else p.temporal
        tl0 += temporal == 0
        for k in range(p.n_packets):
            head = vpx.write_vp8(vpx.Vp8(start=k == 0, ids=vpx.Ids((15, number & 0x7FFF), tl0 & 255),
                                         layer=(temporal, p.flag)))
            seen = Seen(number, tl0 & 255, 0, temporal, key and k == 0, k == 0, sync=p.flag)
            out.append(Sent(Packet(seq, 3000 * n, head + bytes([not key]), k == p.n_packets - 1), seen,
                            k == p.n_packets - 1))
            seq += 1
    return out


def vp9_packets(drawn: list[Picture], first: int, layers: int, flexible: bool) -> list[Sent]:
    out, number, tl0, seq = [], first, 250, 65500
    for n, p in enumerate(drawn):
        number += 1 + p.skipped
        key = p.key or n == 0
        temporal = 0 if key else p.temporal
        tl0 += temporal == 0
        for sid in range(layers):
            predicted = not key and not (p.fresh and sid > 0)
            refs = (p.refs if flexible else None) if predicted else ()
            for k in range(p.n_packets):
                starts, ends = k == 0, k == p.n_packets - 1
                d = vpx.Vp9(predicted, flexible, starts, ends, False,
                            vpx.Ids((15, number & 0x7FFF), None if flexible else tl0 & 255),
                            (temporal, p.flag, sid, sid > 0), list(refs or ()))
                seen = Seen(number, 0 if flexible else tl0 & 255, sid, temporal, not predicted and sid == 0, starts,
                            up=p.flag, predicted=predicted, refs=refs)
                out.append(Sent(Packet(seq, 3000 * n, vpx.write_vp9(d) + b"\x86", ends and sid == layers - 1), seen,
                                ends))
                seq += 1
    return out


def compare(streams: list[list[Sent]], codec: int, data: st.DataObject) -> None:
    """Give both the packets of the streams in a drawn order."""
    select, model = Select(), Selector(codec == VP9)
    sources, newest = [Source(codec) for _ in streams], [0 for _ in streams]
    arrivals = sorted(
        (at + delay, index, at) for index, stream in enumerate(streams) for at in range(len(stream))
        for delay in data.draw(st.sampled_from([(0,)] * 12 + [(), (0, 3), (4,), (30,), (150,)])))
    for _, index, at in arrivals:
        if data.draw(st.integers(0, 9)) == 0:
            source = data.draw(st.sampled_from([model.want[0]] * 3 + [0, 1]))
            model.want = (source, data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2)))
            select.want(*model.want)
        sent = streams[index][at]
        in_order = sent.packet.seq > newest[index]
        newest[index] = max(newest[index], sent.packet.seq)
        seen = Seen(**{**sent.seen.__dict__, "in_order": in_order})
        answer = select.on_packet(index, sources[index].read(sent.packet), sent.packet)
        expected = model.packet(index, sent.packet.seq, seen, sent.ends)
        assert (answer.action == DROP) == (expected is None), seen
        if expected is None:
            continue
        switch, number, tl0, marker = expected
        ids = (vpx.read_vp8 if codec == VP8 else vpx.read_vp9)(answer.payload).ids
        assert (answer.action == SWITCH) == switch
        assert ids.picture_id == (15, number & 0x7FFF), seen
        assert ids.tl0picidx in (None, tl0)
        assert answer.marker == (sent.packet.marker or marker)


@settings(max_examples=60)
@given(pictures, pictures, st.sampled_from([5, 32760]), st.data())
def test_layers_vp8_matches_model(low: list[Picture], high: list[Picture], first: int, data: st.DataObject) -> None:
    compare([vp8_packets(low, first), vp8_packets(high, 20000)], VP8, data)


@settings(max_examples=60)
@given(pictures, pictures, st.integers(1, 3), st.booleans(), st.data())
def test_layers_vp9_matches_model(low: list[Picture], high: list[Picture], layers: int, flexible: bool,
                                  data: st.DataObject) -> None:
    compare([vp9_packets(low, 7, layers, flexible), vp9_packets(high, 20000, layers, flexible)], VP9, data)
