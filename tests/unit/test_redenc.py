"""tx/redenc: copies of past frames, and what is left of them at a receiver."""
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc import errors
from arcrtc._native import ffi, lib, new_handle
from tests.model import red as model
from tests.model.allocation import survives_every_failure
from tests.model.red import Block

OPUS, STEP = 111, 960


class Core:
    """The C module; ``build`` returns the payload as blocks."""

    def __init__(self, distances: tuple[int, ...] = (1,), overhead: int = 400, always: bool = False) -> None:
        self.handle = new_handle(lib.arc_redenc_new, lib.arc_redenc_free, "struct arc_redenc",
                                 self.set(distances, overhead), always, what="redundancy")
        self.out, self.n, self.red = ffi.new("uint8_t[2000]"), ffi.new("int32_t *"), ffi.new("bool *")

    @staticmethod
    def set(distances: tuple[int, ...], overhead: int = 400) -> Any:
        padded = (*distances, 0, 0, 0, 0)[:4]
        return ffi.new("struct arc_redenc_set *", {"n_copies": len(distances), "distances": padded,
                                                   "max_overhead_pct": overhead})

    def build(self, ts: int, frame: bytes, cap: int = 1200) -> list[Block] | int:
        status = int(lib.arc_redenc_build(self.handle, OPUS, ts % 2**32, frame, len(frame), self.out, cap, self.n,
                                          self.red))
        if status != lib.ARC_OK:
            return status
        payload = bytes(ffi.buffer(self.out, self.n[0]))
        assert len(payload) <= cap
        if not self.red[0]:
            return [Block(OPUS, 0, payload)]
        blocks = model.parse(payload)
        assert not isinstance(blocks, str)
        return blocks

    def stats(self) -> Any:
        s = ffi.new("struct arc_redenc_stats *")
        lib.arc_redenc_stats(self.handle, s)
        return s


def frame_of(k: int, size: int = 20) -> bytes:
    return bytes([0x48]) + k.to_bytes(2, "big") + bytes(size - 3)


frames = st.lists(st.integers(3, 60) | st.just(0) | st.just(1100), min_size=1, max_size=60)
distances = st.lists(st.integers(1, 16), max_size=4, unique=True).map(tuple)


@given(st.sampled_from([0, 2**32 - 5 * STEP]), frames, distances)
def test_redenc_sends_each_frame_again_at_each_distance(first: int, sizes: list[int],
                                                        wanted: tuple[int, ...]) -> None:
    core, sent = Core(wanted), [frame_of(k, size) if size else b"" for k, size in enumerate(sizes)]
    for k, frame in enumerate(sent):
        blocks = core.build(first + k * STEP, frame, 6000)
        # What can be copied: the frame was sent, and fits the ten bits of its length.
        due = {d: sent[k - d] for d in wanted if d <= k and 0 < len(sent[k - d]) <= 1023}
        if not frame and not due:
            assert blocks == lib.ARC_AGAIN
            continue
        if isinstance(blocks, int):
            assert not frame
            continue  # silent, and the rate allowed none
        assert blocks[-1].data == (frame or b"\x48")
        got = {b.ts_offset // STEP: b.data for b in blocks[:-1]}
        assert got.items() <= due.items()
        assert [b.ts_offset for b in blocks[:-1]] == sorted((b.ts_offset for b in blocks[:-1]), reverse=True)
    s = core.stats()
    assert s.copy_bytes <= 4 * s.frame_bytes


def test_redenc_copies_are_the_frames_of_the_set() -> None:
    core = Core((3, 1))
    seen = [core.build(k * STEP, frame_of(k)) for k in range(6)]
    assert seen[0] == [Block(OPUS, 0, frame_of(0))]  # nothing to repeat: not RED
    assert seen[5] == [Block(OPUS, 3 * STEP, frame_of(2)), Block(OPUS, STEP, frame_of(4)), Block(OPUS, 0, frame_of(5))]


def test_redenc_silence_sends_what_is_due_and_then_nothing() -> None:
    core = Core((3, 1))
    for k in range(5):
        core.build(k * STEP, frame_of(k))
    after = [core.build(k * STEP, b"") for k in range(5, 12)]
    told = [[(b.ts_offset // STEP, b.data) for b in blocks] if not isinstance(blocks, int) else blocks
            for blocks in after]
    toc = (0, b"\x48")  # Opus: nothing in it (RFC 6716 section 3.2.1)
    assert told == [[(3, frame_of(2)), (1, frame_of(4)), toc], [(3, frame_of(3)), toc], [(3, frame_of(4)), toc],
                    *[lib.ARC_AGAIN] * 4]
    assert core.stats().afterwards == 3
    assert core.build(12 * STEP, frame_of(12)) == [Block(OPUS, 0, frame_of(12))]


def test_redenc_filler_of_silence_is_a_packet_of_opus() -> None:
    core = Core()
    core.build(0, frame_of(0))
    blocks = core.build(STEP, b"")
    assert not isinstance(blocks, int)
    assert lib.arc_opus_packet_samples(blocks[-1].data, 1, 16_000) == 320


def test_redenc_always_gives_frames_without_a_copy_the_same_form() -> None:
    core = Core((), always=True)
    status = lib.arc_redenc_build(core.handle, OPUS, 0, frame_of(0), 20, core.out, 21, core.n, core.red)
    assert (status, core.red[0], bytes(ffi.buffer(core.out, core.n[0]))) == (lib.ARC_OK, True, b"\x6f" + frame_of(0))
    assert core.build(STEP, frame_of(1), 20) == lib.ARC_ERR_SPACE
    assert core.build(STEP, b"") == lib.ARC_AGAIN


def test_redenc_changed_set_applies_to_past_frames() -> None:
    core = Core(())
    for k in range(4):
        assert core.build(k * STEP, frame_of(k)) == [Block(OPUS, 0, frame_of(k))]
    assert lib.arc_redenc_change(core.handle, core.set((2,))) == lib.ARC_OK
    assert core.build(4 * STEP, frame_of(4)) == [Block(OPUS, 2 * STEP, frame_of(2)), Block(OPUS, 0, frame_of(4))]
    assert lib.arc_redenc_change(core.handle, core.set((17,))) == lib.ARC_ERR_ARG
    assert core.build(5 * STEP, frame_of(5)) == [Block(OPUS, 2 * STEP, frame_of(3)), Block(OPUS, 0, frame_of(5))]


@pytest.mark.parametrize(("room", "copies"), [(200, 2), (69, 2), (68, 1), (45, 1), (44, 0), (20, 0)])
def test_redenc_leaves_out_the_least_important_copy_that_does_not_fit(room: int, copies: int) -> None:
    core = Core((1, 2))
    for k in range(2):
        core.build(k * STEP, frame_of(k))
    blocks = core.build(2 * STEP, frame_of(2), room)
    assert not isinstance(blocks, int)
    assert [b.ts_offset // STEP for b in blocks] == [*([[], [1], [2, 1]][copies]), 0]
    assert core.stats().left_out_room == 2 - copies


def test_redenc_frame_too_long_for_the_datagram_still_gets_its_copy() -> None:
    core = Core((1,))
    core.build(0, frame_of(0))
    assert core.build(STEP, frame_of(1, 50), 40) == lib.ARC_ERR_SPACE
    assert core.build(2 * STEP, frame_of(2), 200) == [Block(OPUS, STEP, frame_of(1, 50)), Block(OPUS, 0, frame_of(2))]


def test_redenc_copies_stay_within_the_stated_overhead() -> None:
    core = Core((1, 2), overhead=50)
    for k in range(500):
        core.build(k * STEP, frame_of(k, 40 + k % 30))
    s = core.stats()
    assert 0.48 * s.frame_bytes < s.copy_bytes <= 0.5 * s.frame_bytes
    assert s.left_out_rate > 0


def test_redenc_time_that_jumps_beyond_14_bits_leaves_the_copy_out() -> None:
    core = Core((1,))
    core.build(0, frame_of(0))
    assert core.build(16384, frame_of(1)) == [Block(OPUS, 0, frame_of(1))]
    assert core.build(16384 + 16383, frame_of(2)) == [Block(OPUS, 16383, frame_of(1)), Block(OPUS, 0, frame_of(2))]
    assert core.build(100, frame_of(3)) == [Block(OPUS, 0, frame_of(3))]  # backwards
    assert core.stats().left_out_form == 2


@pytest.mark.parametrize(("wanted", "overhead"), [((0,), 100), ((17,), 100), ((2, 2), 100), ((1,), 0), ((1,), 401)])
def test_redenc_set_out_of_range_raises(wanted: tuple[int, ...], overhead: int) -> None:
    with pytest.raises(errors.ArgumentError):
        Core(wanted, overhead)


def test_redenc_new_survives_every_failed_allocation() -> None:
    assert survives_every_failure(Core)[0] == 2


def speech(active: bool, k: int = 0) -> bytes:
    """A packet of SILK, wideband, 20 ms, mono."""
    return bytes([0x48, 0x80 * active]) + k.to_bytes(2, "big") + bytes(30)


@pytest.mark.parametrize("speech_only", [False, True])
def test_redenc_speech_only_copies_speech_and_how_it_ends(speech_only: bool) -> None:
    core, flags = Core((2,)), "0001110000110000"
    wanted = core.set((2,))
    wanted.speech_only = speech_only
    assert lib.arc_redenc_change(core.handle, wanted) == lib.ARC_OK
    copied = ""
    for k, flag in enumerate(flags):
        blocks = core.build(k * STEP, speech(flag == "1", k))
        assert not isinstance(blocks, int)
        copied += "1" if len(blocks) == 2 else "0"
    assert copied[2:] == ("00011110001110" if speech_only else "1" * 14)
    s = core.stats()
    assert s.copies + s.left_out_pause == len(flags) - 2
    assert s.left_out_room == s.left_out_rate == s.left_out_form == 0


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=80), st.integers(1, 400))
def test_redenc_speech_only_keeps_its_overhead_on_any_bytes(packets: list[bytes], overhead: int) -> None:
    core = Core((1,))
    wanted = core.set((3, 1), overhead)
    wanted.speech_only = True
    assert lib.arc_redenc_change(core.handle, wanted) == lib.ARC_OK
    for k, packet in enumerate(packets):
        assert lib.arc_redenc_build(core.handle, OPUS, k * STEP, packet, len(packet), core.out, 1200, core.n,
                                    core.red) == lib.ARC_OK
    s = core.stats()
    assert 100 * s.copy_bytes <= overhead * s.frame_bytes


# --- the total rate ---

START = 2**32 - 3 * STEP


def bounded(distances: tuple[int, ...], total_bps: int, speech_only: bool = False, always: bool = True) -> Core:
    core, wanted = Core(distances, always=always), Core.set(distances)
    wanted.max_total_bps, wanted.speech_only = total_bps, speech_only
    assert lib.arc_redenc_change(core.handle, wanted) == lib.ARC_OK
    return core


def sizes_of(core: Core, frames: list[int], steps: list[int] | None = None,
             ) -> tuple[list[int], list[int], list[bool]]:
    """Time, bytes of the payload, and whether it has copies, of each packet that leaves."""
    times, sizes, copies, ts = [], [], [], START
    for k, size in enumerate(frames):
        status = lib.arc_redenc_build(core.handle, OPUS, ts % 2**32, bytes([0x48, 0x80, *bytes(58)]), size, core.out,
                                      1200, core.n, core.red)
        if status == lib.ARC_OK:
            blocks = model.parse(bytes(ffi.buffer(core.out, core.n[0]))) if core.red[0] else []
            times.append(ts)
            sizes.append(core.n[0])
            copies.append(len(blocks) > 1)
        ts += STEP if steps is None else steps[k]
    return times, sizes, copies


steps = st.sampled_from([STEP, STEP, STEP, 2 * STEP])
timed = st.lists(st.tuples(st.just(0) | st.integers(2, 60), steps), min_size=1, max_size=200)


@given(timed, st.integers(25_000, 60_000), st.sampled_from([(1,), (4, 1), (1, 2, 3, 4)]), st.booleans())
def test_redenc_total_rate_holds_in_any_stretch(frames: list[tuple[int, int]], bps: int, wanted: tuple[int, ...],
                                                always: bool) -> None:
    core = bounded(wanted, bps, always=always)
    times, sizes, copies = sizes_of(core, [f[0] for f in frames], [f[1] for f in frames])
    for i in range(len(times)):
        # From the first call on exactly; later on a second may have been saved.
        allowed = bps * (48_000 + times[i] - times[i - 1] if i else times[0] - START)
        used = 0
        for j in range(i, len(times)):
            allowed += bps * (times[j] - times[j - 1]) if j > i else 0
            used += 8 * 48_000 * sizes[j]
            assert used <= allowed or not copies[j]  # frames alone may be more for a while, never with copies


def test_redenc_total_rate_is_used_and_copies_that_it_has_room_for_are_all_sent() -> None:
    core = bounded((4, 1), 26_400)  # frames of 21 bytes with two copies of 24: 27 600
    sizes = sizes_of(core, [20] * 500)[1]
    assert 0.97 * 26_400 < 8 * sum(sizes) / 10 <= 26_400
    s = core.stats()
    assert s.left_out_rate > 0
    assert s.copies + s.left_out_rate == 500 - 4 + 500 - 1
    enough = bounded((4, 1), 30_000)
    sizes_of(enough, [20] * 500)
    assert enough.stats().left_out_rate <= 30  # until there is a reserve


def test_redenc_total_rate_leaves_out_the_least_important_copy_first() -> None:
    core = bounded((4, 1), 20_000)
    near, far = 0, 0
    for k in range(500):
        blocks = core.build(k * STEP, frame_of(k))
        assert not isinstance(blocks, int)
        offsets = [b.ts_offset // STEP for b in blocks]
        near, far = near + (1 in offsets), far + (4 in offsets)
    assert far > 490
    assert 60 < near < 100


def test_redenc_total_rate_saves_a_second_and_forgets_what_is_owed_beyond_one() -> None:
    core = bounded((1,), 16_000)  # frames of 41 bytes alone: 16 400
    sizes_of(core, [2] * 500)     # ten seconds of next to nothing
    _, sizes, copies = sizes_of(core, [40] * 100)
    assert 1_800 < sum(size - 41 for size in sizes) <= 2_000
    assert not any(copies[60:])
    sizes_of(core, [60] * 1000)   # twenty seconds of half as much again
    _, _, copies = sizes_of(core, [10] * 100)
    assert not any(copies[:50])
    assert all(copies[-20:])


def test_redenc_total_rate_of_none_bounds_nothing_and_out_of_range_raises() -> None:
    core = bounded((1,), 0)
    assert all(sizes_of(core, [1100 // 20] * 50)[2][1:])
    for wrong in (-1, lib.ARC_REDENC_MAX_TOTAL_BPS + 1):
        wanted = Core.set((1,))
        wanted.max_total_bps = wrong
        assert lib.arc_redenc_change(core.handle, wanted) == lib.ARC_ERR_ARG
