"""rx/framerefs: layered streams with losses against a plain set of decoded frames, and its corner cases."""
from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from arcrtc._native import ffi, lib
from tests.model import framerefs_model as model
from tests.model import vpx_model
from tests.model.framerefs_model import Frame

CODEC = {"order": lib.ARC_VIDEO_H264, "disposable": lib.ARC_VIDEO_VP8, "temporal": lib.ARC_VIDEO_VP8,
         "flexible": lib.ARC_VIDEO_VP9, "pattern": lib.ARC_VIDEO_VP9, "depdesc": lib.ARC_VIDEO_AV1}
EXACT = ("order", "flexible", "pattern", "depdesc")
PATIENCE = 6  # arrivals


def stream(kind: str, rng: random.Random, count: int) -> list[Frame]:
    makers: dict[str, Callable[[], list[Frame]]] = {
        "order": lambda: model.in_order(rng, count),
        "disposable": lambda: model.disposables(rng, count),
        "temporal": lambda: model.temporal(rng, count),
        "flexible": lambda: model.by_reference(rng, count, rng.randint(1, 3), count_frames=False),
        "pattern": lambda: model.by_pattern(rng, count, rng.randint(1, 3), rng.randint(1, 3)),
        "depdesc": lambda: model.by_reference(rng, count, rng.randint(1, 3), count_frames=True),
    }
    return makers[kind]()


class Receiver:
    """One object under test, and what the frames of ``kind`` tell it."""

    def __init__(self, kind: str, first_id: int = 0, bits: int = 15) -> None:
        self.kind, self.first_id, self.bits = kind, first_id, bits
        self.r = ffi.new("struct arc_framerefs *")
        assert lib.arc_framerefs_init(self.r, CODEC[kind]) == lib.ARC_OK

    def native(self, f: Frame) -> Any:
        c = ffi.new("struct arc_framerefs_frame *", {"first_seq": f.first_seq, "last_seq": f.last_seq})
        info = c.info
        info.is_key, info.is_reference, info.is_predicted = f.key, not f.disposable, not f.key
        info.tid, info.sid, info.has_layers = f.tid, f.sid, self.kind != "order"
        if self.kind == "depdesc":
            info.has_frame_number, info.frame_number = True, (self.first_id + f.number) % 65536
        elif self.kind != "order":
            info.ids.picture_id_bits = self.bits
            info.ids.picture_id = (self.first_id + f.picture) % (1 << self.bits)
        if self.kind == "temporal":
            info.ids.tl0picidx_off, info.ids.tl0picidx, info.is_layer_sync = 3, f.tl0 % 256, f.sync
        if self.kind == "flexible":
            info.is_inter_layer = f.inter_layer
            info.is_predicted = bool(f.told)
        info.has_refs = self.kind in ("flexible", "depdesc") or (self.kind == "pattern" and not f.refs[f.sid > 0:])
        if self.kind == "pattern":
            info.is_inter_layer = f.inter_layer
            info.is_predicted = bool(f.refs[f.inter_layer:])
        info.n_refs = len(f.told)
        info.refs = f.told + [0] * (16 - len(f.told))
        return c

    def payload(self, f: Frame, layers: int) -> bytes:
        """A first payload of a key picture: with the structure of the pattern."""
        group = [vpx_model.Picture(tid, True, back) for tid, back in model.PATTERNS[layers]]
        d = vpx_model.Vp9(ids=vpx_model.Ids((15, (self.first_id + f.picture) % 32768), 0), layer=(0, False, 0, False),
                          structure=vpx_model.Structure(1, [], group))
        return vpx_model.write_vp9(d) + b"x"

    def note(self, f: Frame, payload: bytes = b"") -> None:
        c = self.native(f)
        lib.arc_framerefs_note(self.r, ffi.addressof(c, "info"), payload or ffi.NULL, len(payload))

    def judge(self, f: Frame) -> int:
        return int(lib.arc_framerefs_judge(self.r, self.native(f)))

    def decoded(self, f: Frame) -> None:
        lib.arc_framerefs_on_decoded(self.r, self.native(f))

    def give_up(self, f: Frame) -> None:
        lib.arc_framerefs_give_up(self.r, self.native(f))

    @property
    def needs_key(self) -> bool:
        return bool(lib.arc_framerefs_needs_key(self.r))


class Truth:
    """What was decoded, and what must not be refused."""

    def __init__(self, kind: str, frames: list[Frame]) -> None:
        self.kind, self.frames = kind, frames
        self.decoded: set[int] = set()
        self.in_time: set[int] = set()  # frames that came before a later one was decoded
        self.broken: Frame | None = None  # first base frame that was, since one behind it was decoded

    def arrived(self, f: Frame) -> None:
        if f.number > max(self.decoded, default=-1):
            self.in_time.add(f.number)

    def needs_key(self, f: Frame, verdict: int) -> bool:
        """After this verdict, which is the last on this frame."""
        is_base = f.tid == 0 and f.sid == 0 and not f.disposable
        if verdict == lib.ARC_FRAME_DECODABLE:
            self.decoded.add(f.number)
            if is_base and self.broken and f.number > self.broken.number:
                self.broken = None
        elif verdict == lib.ARC_FRAME_BROKEN and is_base and self.decoded:
            self.broken = self.broken or f
        return bool(self.broken or not self.decoded)

    def has_refs(self, f: Frame) -> bool:
        return set(f.refs) <= self.decoded

    def must_take(self, f: Frame) -> bool:
        """Whether what the frame says is enough to know that it can be decoded."""
        if not self.has_refs(f):
            return False
        if self.kind == "pattern" and any(k.key and k.number in self.in_time for k in self.frames[f.number + 1:]):
            return False  # the group of that key picture is known in place of this frame's
        if self.kind in EXACT or f.key:
            return True
        key = max(n for n in range(f.number + 1) if self.frames[n].key)
        if f.sync or (self.kind == "temporal" and f.tid == 0):
            return True
        # Of a frame that did not come, nobody knows the layer.
        before = [k for k in self.frames[key:f.number] if k.tid <= f.tid or k.number not in self.in_time]
        return all(k.number in self.decoded for k in before)

    def check(self, f: Frame, verdict: int) -> None:
        if verdict == lib.ARC_FRAME_DECODABLE:
            assert self.has_refs(f), f
        elif verdict != lib.ARC_FRAME_LATE:
            assert not self.must_take(f), (f, verdict)


def run(kind: str, seed: int, loss: float, first_id: int = 0, bits: int = 15) -> tuple[Receiver, Truth]:
    """Hand the frames over as they arrive; what must wait is given up after some more have come."""
    rng = random.Random(seed)
    frames = stream(kind, rng, 150)
    layers = 1 + max(f.tid for f in frames)
    receiver, truth = Receiver(kind, first_id, bits), Truth(kind, frames)
    pending: list[tuple[int, int, Frame]] = []
    for now, arrived in enumerate([*model.arrivals(frames, rng, loss), None, None]):
        if arrived is None:
            now += PATIENCE
        else:
            receiver.note(arrived, receiver.payload(arrived, layers) if kind == "pattern" and arrived.key else b"")
            truth.arrived(arrived)
            pending.append((arrived.first_seq, now, arrived))
        while pending:
            _, since, frame = min(pending)
            verdict = receiver.judge(frame)
            truth.check(frame, verdict)
            if verdict == lib.ARC_FRAME_WAIT:
                if now - since < PATIENCE:
                    break
                receiver.give_up(frame)
                verdict = receiver.judge(frame)
                assert verdict in (lib.ARC_FRAME_DECODABLE, lib.ARC_FRAME_BROKEN)
                truth.check(frame, verdict)
            pending.remove(min(pending))
            if verdict == lib.ARC_FRAME_DECODABLE:
                receiver.decoded(frame)
            assert receiver.needs_key == truth.needs_key(frame, verdict)
    return receiver, truth


@pytest.mark.parametrize("kind", CODEC)
@pytest.mark.parametrize("loss", [0.02, 0.2])
@pytest.mark.parametrize("seed", range(12))
def test_framerefs_agree_with_the_set_of_decoded_frames(kind: str, loss: float, seed: int) -> None:
    receiver, truth = run(kind, seed, loss, first_id=(0, 32700, 65500)[seed % 3])
    assert receiver.r.stats.decoded == len(truth.decoded) > 0


@pytest.mark.parametrize(("kind", "bits"), [*((kind, 15) for kind in CODEC), ("disposable", 7), ("temporal", 7)])
def test_framerefs_decode_all_of_a_stream_without_loss(kind: str, bits: int) -> None:
    frames = stream(kind, random.Random(5), 400)
    receiver = Receiver(kind, 32600, bits)
    layers = 1 + max(f.tid for f in frames)
    assert receiver.needs_key
    for f in frames:
        receiver.note(f, receiver.payload(f, layers) if kind == "pattern" and f.key else b"")
        assert receiver.judge(f) == lib.ARC_FRAME_DECODABLE
        receiver.decoded(f)
    assert not receiver.needs_key
    assert receiver.judge(frames[-1]) == lib.ARC_FRAME_LATE


def test_framerefs_lost_top_layer_breaks_nothing() -> None:
    """Half of the pictures are lost, all of the top layer: no wait, no key frame."""
    for kind in ("temporal", "pattern"):
        receiver = Receiver(kind)
        for n in range(0, 40, 2):
            f = Frame(n, n, n == 0, tl0=n // 2, refs=[n - 2] if n else [], first_seq=n, last_seq=n)
            receiver.note(f, receiver.payload(f, 2) if kind == "pattern" and f.key else b"")
            assert receiver.judge(f) == lib.ARC_FRAME_DECODABLE
            receiver.decoded(f)
        assert not receiver.needs_key


def test_framerefs_lost_base_waits_then_asks_for_a_key_frame() -> None:
    receiver = Receiver("temporal")
    f = [Frame(n, n, n in (0, 4), tl0=n, first_seq=n, last_seq=n) for n in range(6)]
    receiver.note(f[0])
    receiver.decoded(f[0])
    receiver.note(f[2])
    assert receiver.judge(f[2]) == lib.ARC_FRAME_WAIT
    assert not receiver.needs_key
    receiver.give_up(f[2])
    assert receiver.judge(f[2]) == lib.ARC_FRAME_BROKEN
    assert receiver.needs_key
    receiver.note(f[3])
    assert receiver.judge(f[3]) == lib.ARC_FRAME_BROKEN  # at once: it needs the broken one
    receiver.note(f[4])
    assert receiver.judge(f[4]) == lib.ARC_FRAME_DECODABLE
    receiver.decoded(f[4])
    assert not receiver.needs_key
    receiver.note(f[5])
    assert receiver.judge(f[5]) == lib.ARC_FRAME_DECODABLE
    assert (receiver.r.stats.broken, receiver.r.stats.base_broken, receiver.r.stats.key_frames) == (2, 2, 2)


@pytest.mark.parametrize("kind", ["flexible", "temporal", "depdesc", "disposable"])
def test_framerefs_key_frame_of_a_new_count_is_taken(kind: str) -> None:
    receiver = Receiver(kind, 5000)
    for n in range(4):
        f = Frame(n, n, n == 0, tl0=n, told=[1] if n else [], first_seq=n, last_seq=n)
        receiver.note(f)
        assert receiver.judge(f) == lib.ARC_FRAME_DECODABLE
        receiver.decoded(f)
    receiver.first_id = 100  # the sender began anew: its packets go on in number, its pictures do not
    for n in range(4):
        f = Frame(n, n, n == 0, tl0=n, told=[1] if n else [], first_seq=10 + n, last_seq=10 + n)
        receiver.note(f)
        assert receiver.judge(f) == lib.ARC_FRAME_DECODABLE
        receiver.decoded(f)
    f = Frame(9, 9, False, tl0=9, told=[1], first_seq=30, last_seq=30)
    receiver.note(f)
    assert receiver.judge(f) == lib.ARC_FRAME_WAIT


def test_framerefs_numbers_that_go_back_without_a_key_frame_are_broken() -> None:
    receiver = Receiver("flexible", 5000)
    for n in range(3):
        f = Frame(n, n, n == 0, told=[1] if n else [], first_seq=n, last_seq=n)
        receiver.note(f)
        receiver.decoded(f)
    f = Frame(1, 1, False, told=[1], first_seq=9, last_seq=9)
    receiver.note(f)
    assert receiver.judge(f) == lib.ARC_FRAME_BROKEN
    assert receiver.needs_key


def test_framerefs_references_beyond_the_window_are_gone() -> None:
    receiver = Receiver("depdesc")
    for n in range(lib.ARC_FRAMEREFS_WINDOW + 1):
        f = Frame(n, n, n == 0, told=[1] if n else [], first_seq=n, last_seq=n)
        receiver.note(f)
        receiver.decoded(f)
    n += 1
    for told, verdict in (([512], lib.ARC_FRAME_DECODABLE), ([513], lib.ARC_FRAME_BROKEN)):
        f = Frame(n, n, False, told=told, first_seq=n, last_seq=n)
        assert receiver.judge(f) == verdict
    assert lib.arc_framerefs_init(receiver.r, 4) == lib.ARC_ERR_ARG
