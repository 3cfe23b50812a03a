"""rx/fecdec through arcrtc.fec, against the plain decoder of the model."""
from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import chain, combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc import errors
from arcrtc.fec import FecConfig, FecDecoder, FecFormat
from arcrtc.rtp import RtpHeader, RtpPacket
from tests.model import fec_model as model
from tests.model.allocation import survives_every_failure

SSRC, TYPE = 0x5EED, 118
ULP = FecConfig(format=FecFormat.ULPFEC, payload_type=TYPE)
FLEX = FecConfig(format=FecFormat.FLEXFEC, payload_type=TYPE)


def media(seq: int, rng: random.Random) -> bytes:
    """A packet with any of what a packet may have."""
    header = RtpHeader(sequence_number=seq % 65536, timestamp=rng.getrandbits(32), ssrc=SSRC,
                       payload_type=rng.choice([96, 97]), marker=rng.random() < 0.5,
                       csrcs=[rng.getrandbits(32) for _ in range(rng.choice([0, 0, 3, 15]))],
                       extensions={1: rng.randbytes(rng.randint(1, 16))} if rng.random() < 0.4 else {})
    return RtpPacket(header, rng.randbytes(rng.choice([0, 1, 7, 60, 200])),
                     padding=rng.choice([0, 0, 0, 1, 9, 255])).serialize()


def block(n: int, first: int = 65_530, seed: int = 1) -> dict[int, bytes]:
    rng = random.Random(seed)
    return {(first + i) % 65536: media(first + i, rng) for i in range(n)}


def repair(payload: bytes, *, csrcs: Iterable[int] = (), padding: int = 0) -> bytes:
    header = RtpHeader(sequence_number=1, timestamp=2, ssrc=3, payload_type=TYPE, csrcs=list(csrcs))
    return RtpPacket(header, payload, padding=padding).serialize()


def ulpfec(packets: dict[int, bytes], seqs: list[int], **more: Any) -> bytes:
    span = max((s - seqs[0]) % 65536 for s in seqs)
    length = max(len(packets[s]) - 12 for s in seqs)
    return repair(model.build_ulpfec(packets, [(seqs, length)], base=seqs[0], long_mask=span > 15), **more)


def flexfec(packets: dict[int, bytes], seqs: list[int], columns: int = 0, rows: int = 0) -> bytes:
    base = seqs[0].to_bytes(2, "big")
    sets = base + bytes([columns, rows]) if columns else model.flex_mask(seqs[0], [(s - seqs[0]) % 65536 for s in seqs])
    return repair(model.build_flexfec([packets[s] for s in seqs], sets, fixed=columns > 0), csrcs=[SSRC])


def push_all(decoder: FecDecoder, packets: Iterable[bytes]) -> list[bytes]:
    return list(chain.from_iterable(decoder.push(p) for p in packets))


def balanced(decoder: FecDecoder) -> bool:
    """Each repair is accounted for once."""
    s = decoder.stats()
    return s.repair_packets == (s.recovered + s.unneeded + s.unrecoverable + s.malformed + s.unsupported + s.unseen
                                + s.too_old + s.too_wide + s.partial + s.no_packet + s.waiting)


# --- every pattern ---

@pytest.mark.parametrize("fmt", list(FecFormat))
def test_fecdec_every_mask_of_six_and_every_loss(fmt: FecFormat) -> None:
    """A repair brings its only lost packet back to the bit, and nothing else ever."""
    packets = block(6)
    seqs = list(packets)
    make = ulpfec if fmt is FecFormat.ULPFEC else flexfec
    for covered in chain.from_iterable(combinations(seqs, k) for k in range(1, 7)):
        code = make(packets, list(covered))
        for lost in chain.from_iterable(combinations(seqs, k) for k in range(4)):
            decoder = FecDecoder(ULP if fmt is FecFormat.ULPFEC else FLEX, window_packets=16)
            got = push_all(decoder, [packets[s] for s in seqs if s not in lost] + [code])
            hit = set(lost) & set(covered)
            assert got == ([packets[hit.pop()]] if len(hit) == 1 else [])
            assert balanced(decoder)


def _grid(packets: dict[int, bytes], columns: int, rows: int) -> list[bytes]:
    seqs = list(packets)
    codes = [flexfec(packets, seqs[r * columns:(r + 1) * columns], columns, 1) for r in range(rows)]
    return codes + [flexfec(packets, seqs[c::columns], columns, rows) for c in range(columns)]


def test_fecdec_grid_every_loss_of_four_is_what_iteration_brings() -> None:
    """3 x 3, RFC 8627 section 6.3.4: all but the rectangles come back."""
    packets = block(9)
    seqs, codes = list(packets), _grid(packets, 3, 3)
    for k in range(1, 5):
        for lost in combinations(range(9), k):
            decoder = FecDecoder(FLEX, window_packets=32)
            got = push_all(decoder, [packets[s] for i, s in enumerate(seqs) if i not in lost] + codes)
            cells = {(i // 3, i % 3) for i in lost}
            rectangle = k == 4 and len({r for r, _ in cells}) == 2 and len({c for _, c in cells}) == 2
            assert len(got) == (0 if rectangle else k)
            assert all(packets[int.from_bytes(g[2:4], "big")] == g for g in got)


def test_fecdec_example_of_rfc8627_figure_16() -> None:
    packets = block(12, first=1)
    lost = {1, 2, 10, 11}
    decoder = FecDecoder(FLEX, window_packets=32)
    got = push_all(decoder, [p for s, p in packets.items() if s not in lost] + _grid(packets, 4, 3))
    assert {int.from_bytes(g[2:4], "big"): g for g in got} == {s: packets[s] for s in lost}


# --- any order, against the model ---

@st.composite
def exchanges(draw: st.DrawFn) -> tuple[FecFormat, dict[int, bytes], list[bytes], list[bool], int]:
    """Format, packets, repairs, which of all arrive, and a seed of their order."""
    n = draw(st.integers(2, 24))
    packets = block(n, first=draw(st.sampled_from([7, 65_520, 32_760])), seed=draw(st.integers(0, 99)))
    seqs = list(packets)
    fmt = draw(st.sampled_from(FecFormat))
    codes = []
    for indices in draw(st.lists(st.sets(st.integers(0, n - 1), min_size=1, max_size=8), min_size=1, max_size=12)):
        chosen = [seqs[i] for i in sorted(indices)]
        codes.append(ulpfec(packets, chosen) if fmt is FecFormat.ULPFEC else flexfec(packets, chosen))
    arrives = draw(st.lists(st.sampled_from([True, True, True, False]), min_size=n + len(codes),
                            max_size=n + len(codes)))
    return fmt, packets, codes, arrives, draw(st.integers(0, 2**32))


@given(exchanges())
def test_fecdec_recovers_what_the_model_recovers_in_any_order(
        exchange: tuple[FecFormat, dict[int, bytes], list[bytes], list[bool], int]) -> None:
    fmt, packets, codes, arrives, seed = exchange
    sent = [p for p, came in zip([*packets.values(), *codes], arrives, strict=True) if came]
    there = [p for p in packets.values() if p in sent]
    if not there:
        return
    rng = random.Random(seed)
    rest = [p for p in sent if p is not there[0]]
    rest += rng.sample(rest, min(3, len(rest)))  # some come twice
    rng.shuffle(rest)
    plain = model.PlainDecoder(SSRC)
    for p in sent:
        if p not in codes:
            plain.add(p)
            continue
        payload = RtpPacket.parse(p).payload
        read = model.parse_ulpfec(payload) if fmt is FecFormat.ULPFEC else model.parse_flexfec(payload, 1)[0]
        plain.repairs.append(read)
    decoder = FecDecoder(ULP if fmt is FecFormat.ULPFEC else FLEX, window_packets=64)
    got = push_all(decoder, [there[0], *rest])
    by_seq = {int.from_bytes(g[2:4], "big"): g for g in got}
    late = {s for s in by_seq if packets[s] in sent}  # recovered before it came
    assert {s: g for s, g in by_seq.items() if s not in late} == plain.recover()
    assert all(packets[s] == g for s, g in by_seq.items())
    assert len(by_seq) == len(got)
    assert balanced(decoder)


def test_fecdec_repair_before_its_packets_waits_for_them() -> None:
    packets = block(5)
    seqs = list(packets)
    decoder = FecDecoder(ULP)
    assert decoder.push(packets[seqs[0]]) == []
    assert decoder.push(ulpfec(packets, seqs)) == []
    assert push_all(decoder, [packets[s] for s in (seqs[4], seqs[2])]) == []
    assert decoder.push(packets[seqs[1]]) == [packets[seqs[3]]]
    assert decoder.push(packets[seqs[3]]) == []  # the packet itself, late


# --- levels of RFC 5109 ---

def test_fecdec_levels_bring_as_much_as_they_protect() -> None:
    rng = random.Random(4)
    packets = {s: RtpPacket(RtpHeader(s, s, SSRC, 96), rng.randbytes(n)).serialize()
               for s, n in ((8, 150), (9, 140), (10, 100), (11, 155))}
    two = repair(model.build_ulpfec(packets, [([10, 11], 70), ([8, 9, 10, 11], 90)], base=8, long_mask=False))
    for lost in (10, 11):
        decoder = FecDecoder(ULP)
        assert push_all(decoder, [packets[s] for s in packets if s != lost] + [two]) == [packets[lost]]
    for missing in ((10, 9), (11, 8)):  # level 1 lacks one of the others
        decoder = FecDecoder(ULP)
        assert push_all(decoder, [packets[s] for s in packets if s not in missing] + [two]) == []
        assert decoder.stats().partial == 1
    short = repair(model.build_ulpfec(packets, [([8, 10], 120)], base=8, long_mask=False))
    for lost, brought in ((10, [packets[10]]), (8, [])):  # 100 bytes are inside, 150 are not
        decoder = FecDecoder(ULP)
        assert push_all(decoder, [packets[s] for s in packets if s != lost] + [short]) == brought


# --- what lies, and what is of no use ---

def test_fecdec_lying_lengths_bring_nothing() -> None:
    packets = block(4, first=100)
    seqs = list(packets)
    code = ulpfec(packets, seqs)
    body = RtpPacket.parse(code).payload
    for change in (1, 0x40, 0x100, 0x8000):  # of the length recovery field
        lie = int.from_bytes(body[8:10], "big") ^ change
        decoder = FecDecoder(ULP)
        got = push_all(decoder, [packets[s] for s in seqs[1:]]
                       + [repair(body[:8] + lie.to_bytes(2, "big") + body[10:])])
        assert got == []
        assert decoder.stats().malformed + decoder.stats().partial == 1
    wrong = dict(packets)
    wrong[seqs[2]] = media(seqs[2], random.Random(99))  # not what the parity was made of
    decoder = FecDecoder(ULP)
    got = push_all(decoder, [wrong[s] for s in seqs[1:]] + [code])
    assert got == [] or got[0][8:12] == SSRC.to_bytes(4, "big")


def test_fecdec_counts_each_reason() -> None:
    packets = block(40, first=1000)
    seqs = list(packets)
    decoder = FecDecoder(FLEX, window_packets=32)
    one = flexfec(packets, seqs[:3])
    assert decoder.push(one) == []  # nothing was seen yet
    push_all(decoder, [packets[s] for s in seqs])
    assert push_all(decoder, [flexfec(packets, seqs[-3:])]) == []
    assert push_all(decoder, [one]) == []
    far = (seqs[-1] + 20).to_bytes(2, "big") + bytes([3, 0])
    assert push_all(decoder, [repair(b"\x40" + bytes(7) + far, csrcs=[SSRC])]) == []
    wide = seqs[-20].to_bytes(2, "big") + bytes([17, 0])
    assert push_all(decoder, [repair(b"\x40" + bytes(7) + wide, csrcs=[SSRC])]) == []
    payload = RtpPacket.parse(flexfec(packets, seqs[-3:])).payload
    assert push_all(decoder, [repair(payload, csrcs=[SSRC + 1])]) == []
    assert push_all(decoder, [repair(payload[:8] + 2 * payload[8:12], csrcs=[SSRC, 5])]) == []
    assert push_all(decoder, [repair(b"\xc0" + payload[1:], csrcs=[SSRC])]) == []
    assert push_all(decoder, [repair(payload[:9], csrcs=[SSRC]), repair(payload)]) == []
    s = decoder.stats()
    assert (s.unseen, s.unneeded, s.too_old, s.too_wide, s.unsupported, s.malformed) == (3, 1, 1, 1, 2, 2)
    assert balanced(decoder)


def test_fecdec_flexfec_retransmission_is_a_repair_of_one() -> None:
    packets = block(3, first=10)
    again = repair(bytes([packets[11][0] & 0x3F | 0x80]) + packets[11][1:])
    for lost in (False, True):
        decoder = FecDecoder(FLEX)
        assert push_all(decoder, [p for s, p in packets.items() if s != 11 or not lost] + [again]) == (
            [packets[11]] if lost else [])


def test_fecdec_padding_of_the_repair_packet_is_none_of_the_parity() -> None:
    packets = block(4)
    seqs = list(packets)
    decoder = FecDecoder(ULP)
    assert push_all(decoder, [packets[s] for s in seqs[:3]] + [ulpfec(packets, seqs, padding=20)]) == [packets[seqs[3]]]


# --- bounds ---

def test_fecdec_holds_64_repairs_and_lets_the_oldest_go() -> None:
    packets = block(200, first=1000)
    seqs = list(packets)
    decoder = FecDecoder(FLEX, window_packets=512)
    decoder.push(packets[seqs[-1]])
    push_all(decoder, [flexfec(packets, seqs[i:i + 2]) for i in range(0, 160, 2)])
    assert (decoder.stats().waiting, decoder.stats().unrecoverable) == (64, 16)
    assert decoder.push(packets[seqs[0]]) == []
    assert decoder.push(packets[seqs[33]]) == [packets[seqs[32]]]


def test_fecdec_window_forgets_and_repairs_leave_with_their_packets() -> None:
    packets = block(60, first=65_500)
    seqs = list(packets)
    decoder = FecDecoder(ULP, window_packets=16)
    push_all(decoder, [packets[s] for s in seqs[2:4]])
    decoder.push(ulpfec(packets, seqs[:4]))
    assert decoder.stats().waiting == 1
    push_all(decoder, [packets[s] for s in seqs[4:40]])
    s = decoder.stats()
    assert (s.waiting, s.unrecoverable) == (0, 1)
    decoder.push(ulpfec(packets, seqs[20:24]))
    assert decoder.stats().too_old == 1


@pytest.mark.parametrize("jump", [-20_000, -300, 5000, 32_000])
def test_fecdec_restarted_sender_is_followed_after_two_packets(jump: int) -> None:
    before, after = block(100, first=40_000), block(20, first=40_000 + jump, seed=2)
    decoder = FecDecoder(FLEX, window_packets=64)
    push_all(decoder, before.values())
    seqs = list(after)
    got = push_all(decoder, [after[s] for s in seqs if s != seqs[5]] + [flexfec(after, seqs[2:9])])
    assert got == [after[seqs[5]]]
    assert decoder.stats().restarts == (jump < 0)


def test_fecdec_one_stray_number_forgets_nothing() -> None:
    packets = block(10, first=30_000)
    seqs = list(packets)
    decoder = FecDecoder(FLEX, window_packets=64)
    got = push_all(decoder, [packets[s] for s in seqs[:5]] + [media(100, random.Random(1))]
                   + [packets[s] for s in seqs[6:]] + [flexfec(packets, seqs)])
    assert got == [packets[seqs[5]]]


def test_fecdec_reset_forgets() -> None:
    packets = block(4)
    seqs = list(packets)
    decoder = FecDecoder(ULP)
    push_all(decoder, [packets[s] for s in seqs[:2]])
    decoder.push(ulpfec(packets, seqs))
    decoder.reset()
    assert (decoder.stats().waiting, decoder.stats().unrecoverable, decoder.stats().restarts) == (0, 1, 1)
    assert decoder.push(packets[seqs[2]]) == []


def test_fecdec_checks_arguments_and_survives_every_allocation_failure() -> None:
    for wrong in (0, 8, 100, 16_384):
        with pytest.raises(errors.ConfigError, match="window_packets"):
            FecDecoder(window_packets=wrong)
    with pytest.raises(errors.ParseError):
        FecDecoder().push(b"no packet")
    with pytest.raises(errors.BufferSpaceError):
        FecDecoder().push(RtpPacket(RtpHeader(1, 2, 3, 4), bytes(1984)).serialize())
    assert survives_every_failure(FecDecoder)[0] >= 3
