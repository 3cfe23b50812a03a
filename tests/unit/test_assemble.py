"""rx/assemble, by numbers."""
from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc import errors
from arcrtc._native import NEVER_US, ffi, lib, new_handle
from tests.model.allocation import survives_every_failure
from tests.model.assemble import AssembleModel, Frame, P

MS = 1000
START = 65_530


class Core:
    def __init__(self, wait_us: int = 100 * MS, max_pkts: int = 0, max_frames: int = 0) -> None:
        cfg = ffi.new("struct arc_assemble_config *", [max_pkts, max_frames, wait_us])
        self.handle = new_handle(lib.arc_assemble_new, lib.arc_assemble_free, "struct arc_assemble", cfg,
                                 what="assemble")
        self.out = ffi.new("struct arc_assembled *")

    def push(self, p: P, repaired: bool = False) -> str:
        x = ffi.new("struct arc_rxpkt *", {
            "seq": p.seq, "ts": p.ts, "marker": p.marker, "starts_frame": p.starts, "is_key": p.key,
            "payload_len": p.payload, "arrival_us": p.arrival, "repaired": repaired})
        status = lib.arc_assemble_push(self.handle, x, p.arrival)
        return {lib.ARC_OK: "kept", lib.ARC_ERR_REPLAY: "duplicate", lib.ARC_ERR_OLD: "late",
                lib.ARC_ERR_SPACE: "full", lib.ARC_ERR_ARG: "argument"}[status]

    def pop(self, now: int) -> Frame | None:
        if lib.arc_assemble_pop(self.handle, now, self.out) != lib.ARC_OK:
            return None
        f = self.out
        assert f.n_pkts == f.last_seq - f.first_seq + 1
        for seq in range(f.first_seq, f.last_seq + 1):
            assert lib.arc_assemble_packet(self.handle, seq).seq == seq
        assert lib.arc_assemble_packet(self.handle, f.first_seq - 1) == ffi.NULL
        assert lib.arc_assemble_packet(self.handle, f.last_seq + 1) == ffi.NULL
        return Frame(f.first_seq, f.last_seq, f.is_key, f.after_gap)

    def next_us(self) -> int:
        return int(lib.arc_assemble_next_us(self.handle))

    def stats(self) -> Any:
        s = ffi.new("struct arc_assemble_stats *")
        lib.arc_assemble_stats(self.handle, s)
        return s


def stream(sizes: list[int], keys: set[int] = frozenset(), first: int = START, markers: bool = True,  # type: ignore[assignment]
           gap_us: int = 33 * MS) -> list[list[P]]:
    """Frames of so many packets; size 0: one packet of padding, with the time of the next."""
    out, seq = [], first
    for i, size in enumerate(sizes):
        n = max(size, 1)
        out.append([P(seq + k, (i + (size == 0)) * 3000, markers and k == n - 1 and size > 0, k == 0,
                      i in keys and k == 0, 1000 * (size > 0), i * gap_us) for k in range(n)])
        seq += n
    return out


@given(st.data())
def test_assemble_matches_model_for_loss_order_and_time(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(0, 5), min_size=10, max_size=40))
    seed = data.draw(st.integers(0, 10**6))
    loss, swap, dup = (data.draw(st.sampled_from([0.0, 0.1, 0.3])) for _ in range(3))
    markers = data.draw(st.booleans())
    wait = data.draw(st.sampled_from([0, 50 * MS, 200 * MS]))
    random = Random(seed)
    keys = {i for i in range(len(sizes)) if random.random() < 0.2}
    packets = []
    for p in [p for f in stream(sizes, keys, markers=markers) for p in f]:
        for _ in range(1 + (random.random() < dup)):
            if random.random() >= loss:
                delay = random.randrange(120) * MS if random.random() < swap else 0
                starts = p.starts or random.random() < 0.1
                packets.append(p._replace(arrival=p.arrival + delay, starts=starts))
    core, model = Core(wait), AssembleModel(wait)
    for p in sorted(packets, key=lambda p: p.arrival):
        assert core.push(p) == model.push(p)
        for _ in range(random.randrange(3)):
            assert core.pop(p.arrival) == model.pop(p.arrival)
    end = len(sizes) * 33 * MS
    for now in range(end, end + 500 * MS, 25 * MS):
        while (frame := core.pop(now)) is not None:
            assert frame == model.pop(now)
        assert model.pop(now) is None
    assert core.stats().depth_pkts == len(model.held)


@pytest.mark.parametrize("markers", [True, False])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_assemble_reordered_and_repeated_packets_give_every_frame(seed: int, markers: bool) -> None:
    random = Random(seed)
    frames = stream([random.randint(1, 9) for _ in range(300)], {0}, markers=markers, gap_us=MS)
    packets = [p for f in frames for p in f] + random.sample([p for f in frames for p in f], 100)
    packets.sort(key=lambda p: p.seq + random.random() * 20)
    core, got = Core(10_000 * MS), []
    for p in packets:
        core.push(p)
        while (frame := core.pop(p.arrival)) is not None:
            got.append((frame.first, frame.last))
    want = [(f[0].seq, f[-1].seq) for f in frames]
    assert got == (want if markers else want[:-1])  # nothing shows the end of the last
    assert core.stats().duplicate == 100
    assert core.stats().given_up == 0


def test_assemble_describes_the_frame() -> None:
    core = Core()
    a, b, c = stream([3], {0})[0]
    core.push(b._replace(arrival=7 * MS))
    core.push(a._replace(arrival=9 * MS), repaired=True)
    core.push(c._replace(arrival=8 * MS))
    assert core.pop(9 * MS) == (START, START + 2, True, False)
    out = core.out
    assert (out.ts, out.n_pkts, out.first_arrival_us, out.complete_us, out.repaired) == (
        0, 3, 7 * MS, 9 * MS, True)
    assert core.stats().key_frames == 1


def test_assemble_gap_holds_back_until_wait_then_delta_comes_after_gap() -> None:
    core = Core(wait_us=100 * MS)
    frames = stream([2, 2, 2, 2], {0})
    for f in frames:
        for p in f:
            if p.seq != START + 2:
                core.push(p)
    assert core.pop(0) == (START, START + 1, True, False)
    assert core.pop(99 * MS) is None
    assert core.next_us() == (33 + 100) * MS
    assert core.pop(133 * MS - 1) is None
    assert core.pop(133 * MS) == (START + 4, START + 5, False, True)
    assert core.pop(133 * MS) == (START + 6, START + 7, False, False)
    assert core.next_us() == NEVER_US
    assert core.push(frames[1][0]) == "late"
    s = core.stats()
    assert (s.frames, s.given_up, s.dropped, s.late) == (3, 1, 1, 1)


def test_assemble_repair_in_time_loses_nothing() -> None:
    core = Core()
    frames = stream([2, 2, 2], {0})
    for f in frames:
        for p in f:
            if p.seq != START + 2:
                core.push(p)
    assert core.pop(0) is not None
    assert core.pop(90 * MS) is None
    core.push(frames[1][0]._replace(arrival=95 * MS), repaired=True)
    assert core.pop(95 * MS) == (START + 2, START + 3, False, False)
    assert core.out.repaired
    assert core.pop(95 * MS) == (START + 4, START + 5, False, False)


def test_assemble_gives_up_for_the_first_complete_key_frame() -> None:
    core = Core(wait_us=50 * MS)
    frames = stream([2, 2, 2, 3, 2], {0, 3})
    for f in frames:
        for p in f:
            if p.seq != START + 3:
                core.push(p)
    assert core.pop(0) == (START, START + 1, True, False)
    assert core.pop(200 * MS) == (START + 6, START + 8, True, True)
    assert core.pop(200 * MS) == (START + 9, START + 10, False, False)
    assert core.stats().given_up == 2


def test_assemble_waits_on_while_nothing_behind_the_gap_is_complete() -> None:
    core = Core(wait_us=50 * MS)
    frames = stream([2, 2, 2], {0})
    core.push(frames[0][0])
    core.push(frames[0][1])
    core.push(frames[1][1])
    core.push(frames[2][0])
    assert core.pop(0) is not None
    assert core.pop(1000 * MS) is None
    assert core.next_us() == NEVER_US  # only a packet can help
    core.push(frames[1][0]._replace(arrival=1001 * MS))
    assert core.pop(1001 * MS) == (START + 2, START + 3, False, False)


def test_assemble_lost_whole_frame_is_seen_by_its_gap() -> None:
    core = Core(wait_us=50 * MS)
    frames = stream([1, 1, 1], {0})
    core.push(frames[0][0])
    core.push(frames[2][0])
    assert core.pop(66 * MS) is not None
    assert core.pop(66 * MS) is None
    assert core.pop(116 * MS) == (START + 2, START + 2, False, True)
    assert core.stats().given_up == 1


def test_assemble_padding_between_frames_is_no_frame() -> None:
    core = Core()
    for f in stream([2, 0, 0, 1, 0], {0}):
        for p in f:
            core.push(p)
    assert [core.pop(0), core.pop(0), core.pop(0)] == [
        (START, START + 1, True, False), (START + 4, START + 4, False, False), None]
    assert core.stats().depth_pkts == 0


def test_assemble_joins_in_the_middle_of_a_frame() -> None:
    core = Core(wait_us=20 * MS)
    frames = stream([5, 2], {1})
    for p in [*frames[0][3:], *frames[1]]:
        core.push(p)
    assert core.pop(33 * MS) == (START + 5, START + 6, True, True)


def test_assemble_full_buffer_ends_the_wait_or_starts_anew() -> None:
    core = Core(wait_us=10_000 * MS, max_pkts=16)
    frames = stream([1] * 40, {0})
    for i, f in enumerate(frames[:17]):
        assert i == 1 or core.push(f[0]) == "kept"
        if i == 0:
            assert core.pop(0) is not None
    assert core.push(frames[17][0]) == "full"
    assert core.pop(600 * MS) == (START + 2, START + 2, False, True)
    assert core.push(frames[17][0]) == "kept"

    stuck = Core(wait_us=0, max_pkts=16)
    headless = [P(START + i, 0, False, False, False, 1, 0) for i in range(17)]
    for p in headless[:16]:
        assert stuck.push(p) == "kept"
    assert stuck.pop(1000) is None
    assert stuck.push(headless[16]) == "kept"
    assert (stuck.stats().overflow, stuck.stats().depth_pkts, stuck.stats().restarts) == (16, 1, 1)


def test_assemble_too_many_frames_end_the_wait() -> None:
    core = Core(wait_us=10_000 * MS, max_frames=4)
    frames = stream([1] * 10, {0})
    core.push(frames[0][0])
    assert core.pop(0) is not None
    for f in frames[2:6]:
        core.push(f[0])
        assert core.pop(0) is None
    core.push(frames[6][0])
    assert core.pop(0) == (START + 2, START + 2, False, True)


@pytest.mark.parametrize("jump", [5000, -5000])
def test_assemble_follows_a_restarted_sender(jump: int) -> None:
    core = Core()
    for f in stream([2] * 4, {0}, first=100_000):
        for p in f:
            core.push(p)
            core.pop(0)
    frames = stream([1] * 4, {0}, first=100_000 + jump)
    results = [core.push(f[0]) for f in frames]
    assert results == ["kept" if jump > 0 else "late", "kept", "kept", "kept"]
    got = []
    while (frame := core.pop(500 * MS)) is not None:
        got.append(frame)
    assert got[-1].last == 100_000 + jump + 3
    assert got[0].after_gap


def test_assemble_push_refuses_numbers_that_would_overflow() -> None:
    core = Core()
    p = stream([1])[0][0]
    for wrong in (p._replace(seq=2**48), p._replace(ts=-2**47), p._replace(arrival=2**52)):
        assert core.push(wrong) == "argument"
    assert core.pop(0) is None


@pytest.mark.parametrize("cfg", [(15, 1, 0), (24, 1, 0), (65_536, 1, 0), (16, 1025, 0), (16, 1, -1),
                                 (16, 1, 10_000_001), (-16, 1, 0), (16, -1, 0)])
def test_assemble_new_refuses_wrong_configuration(cfg: tuple[int, int, int]) -> None:
    with pytest.raises(errors.ArgumentError):
        Core(wait_us=cfg[2], max_pkts=cfg[0], max_frames=cfg[1])


def test_assemble_new_survives_every_allocation_failure() -> None:
    allowed, _ = survives_every_failure(lambda: Core())
    assert allowed == 2
