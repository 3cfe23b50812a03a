"""Streams of RTP packets with layers, and the C structs of router/layers over them."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from arcrtc._native import ffi, lib
from arcrtc.rtp import RtpHeader, RtpPacket
from tests.model import vpx_model as vpx

OTHER, H264, VP8, VP9, AV1 = range(5)
FORWARD, SWITCH, DROP = range(3)
NONE, SOURCE, WAITS, SPATIAL, TEMPORAL, LATE = range(6)


@dataclass(frozen=True)
class Packet:
    """A packet of one source, ``seq`` unwrapped."""

    seq: int
    rtp_ts: int
    payload: bytes
    marker: bool = True
    dd: bytes | None = None

    def wire(self) -> bytes:
        header = RtpHeader(sequence_number=self.seq & 0xFFFF, timestamp=self.rtp_ts & 0xFFFFFFFF, ssrc=1,
                           payload_type=96, marker=self.marker)
        return RtpPacket(header=header, payload=self.payload).serialize()


class Source:
    """struct arc_layersource."""

    def __init__(self, codec: int, *, descriptors: bool = False) -> None:
        self.c = ffi.new("struct arc_layersource *")
        self.reader = ffi.new("struct arc_depdesc_reader *") if descriptors else ffi.NULL
        assert lib.arc_layersource_init(self.c, codec, self.reader) == lib.ARC_OK

    def read(self, packet: Packet) -> Any:
        """struct arc_layerinfo, or the status if there is none."""
        wire, header, info = packet.wire(), ffi.new("struct arc_rtp *"), ffi.new("struct arc_layerinfo *")
        assert lib.arc_rtp_parse(wire, len(wire), header) == lib.ARC_OK
        dd = ffi.NULL if packet.dd is None else ffi.new("uint8_t[]", list(packet.dd))
        status = lib.arc_layersource_read(self.c, header, wire, dd, len(packet.dd or b""), info)
        return info if status == lib.ARC_OK else status


@dataclass
class Answer:
    """What came of one packet; ``payload`` with its edits."""

    action: int
    reason: int
    payload: bytes
    marker: bool
    frame_number: int | None = None


class Select:
    """struct arc_layerselect over the sources it is given."""

    def __init__(self) -> None:
        self.c = ffi.new("struct arc_layerselect *")
        lib.arc_layerselect_init(self.c)

    def want(self, source: int, spatial: int = 7, temporal: int = 7) -> None:
        assert lib.arc_layerselect_want(self.c, source, spatial, temporal) == lib.ARC_OK

    def on_packet(self, source: int, info: Any, packet: Packet) -> Answer:
        edit = ffi.new("struct arc_layeredit *")
        action = lib.arc_layerselect_on_packet(self.c, source, info, packet.seq, edit)
        payload = ffi.new("uint8_t[]", list(packet.payload))
        if action != DROP:
            lib.arc_layeredit_apply(edit, payload, len(packet.payload))
        return Answer(action, edit.reason, bytes(payload), packet.marker or edit.set_marker,
                      edit.frame_number if edit.has_frame_number else None)

    @property
    def wants_key(self) -> int:
        return int(lib.arc_layerselect_wants_key(self.c))

    def gone(self, source: int) -> None:
        lib.arc_layerselect_gone(self.c, source)

    @property
    def counts(self) -> tuple[int, int, list[int]]:
        return self.c.n_forwarded, self.c.n_switches, list(self.c.n_dropped)


@dataclass
class Vp8Stream:
    """Makes VP8 packets picture by picture; each call of picture() is the next one."""

    seq: int = 1000
    rtp_ts: int = 90000
    picture_id: int = 5
    bits: int = 15
    tl0: int = 200
    keyidx: int | None = None
    packets: list[Packet] = field(default_factory=list)

    def picture(self, tid: int = 0, *, sync: bool = False, key: bool = False, n_packets: int = 1) -> list[Packet]:
        self.tl0 = (self.tl0 + (tid == 0)) & 255
        if key and self.keyidx is not None:
            self.keyidx = (self.keyidx + 1) & 31
        out = []
        for n in range(n_packets):
            ids = vpx.Ids((self.bits, self.picture_id), self.tl0, self.keyidx)
            head = vpx.write_vp8(vpx.Vp8(start=n == 0, ids=ids, layer=(tid, sync)))
            out.append(Packet(self.seq, self.rtp_ts, head + bytes([not key, n, 7]), n == n_packets - 1))
            self.seq += 1
        self.picture_id = (self.picture_id + 1) & ((1 << self.bits) - 1)
        self.rtp_ts += 3000
        self.packets += out
        return out


@dataclass
class Vp9Stream:
    """Makes VP9 pictures of ``spatial`` layers."""

    spatial: int = 1
    flexible: bool = False
    seq: int = 500
    rtp_ts: int = 1
    picture_id: int = 100
    tl0: int = 7

    def picture(self, tid: int = 0, *, key: bool = False, up: bool = False, refs: tuple[int, ...] = (1,),
                structure: vpx.Structure | None = None, n_packets: int = 1, layers: int | None = None,
                fresh: tuple[int, ...] = ()) -> list[Packet]:
        """:param fresh: spatial layers that need no earlier picture (P is 0)."""
        self.tl0 = (self.tl0 + (tid == 0)) & 255
        out, top = [], (layers or self.spatial) - 1
        for sid in range(top + 1):
            for n in range(n_packets):
                predicted = not key and sid not in fresh
                d = vpx.Vp9(predicted, self.flexible, n == 0, n == n_packets - 1,
                            ids=vpx.Ids((15, self.picture_id), None if self.flexible else self.tl0),
                            layer=(tid, up, sid, sid > 0), structure=structure if sid == n == 0 else None,
                            diffs=list(refs) if self.flexible and predicted else [])
                out.append(Packet(self.seq, self.rtp_ts, vpx.write_vp9(d) + b"\x82\x49",
                                  sid == top and n == n_packets - 1))
                self.seq += 1
        self.picture_id = (self.picture_id + 1) & 0x7FFF
        self.rtp_ts += 3000
        return out


def run(select: Select, source: Source, packets: Iterable[Packet], index: int = 0) -> list[Answer]:
    """Give packets of one source in this order."""
    return [select.on_packet(index, source.read(packet), packet) for packet in packets]


def vp8_ids(answers: Iterable[Answer]) -> list[tuple[int, int | None]]:
    """(PictureID, TL0PICIDX) of what is forwarded."""
    read = [vpx.read_vp8(a.payload) for a in answers if a.action != DROP]
    return [(d.ids.picture_id[1] if d.ids.picture_id else -1, d.ids.tl0picidx) for d in read]


def with_seq(packet: Packet, seq: int) -> Packet:
    """The same packet with another number."""
    return replace(packet, seq=seq)
