"""tx/fecenc through arcrtc.fec: what repairs cover, what they cost, and that they are what the RFCs say."""
from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc import errors
from arcrtc.fec import FecConfig, FecDecoder, FecEncoder, FecFormat
from arcrtc.rtp import RtpPacket
from tests.model import fec_model as model
from tests.model.allocation import survives_every_failure
from tests.unit.test_fecdec import SSRC, media

TYPE = 118


def packets(n: int, *, first: int = 65_500, size: int | None = None, seed: int = 1) -> list[bytes]:
    rng = random.Random(seed)
    if size is None:
        return [media(first + i, rng) for i in range(n)]
    head = [bytes([0x80, 96]) + ((first + i) % 65536).to_bytes(2, "big") + bytes(4) + SSRC.to_bytes(4, "big")
            for i in range(n)]
    return [h + rng.randbytes(size - 12) for h in head]


def seq_of(packet: bytes) -> int:
    return int.from_bytes(packet[2:4], "big")


def sets_of(config: FecConfig, sent: list[bytes], ends: Any = lambda i: True) -> list[tuple[int, list[int]]]:
    """(packets sent before the repair, offsets that it covers) of each; all are checked against the model."""
    encoder, out = FecEncoder(config), []
    by_seq = {seq_of(p): p for p in sent}
    for i, packet in enumerate(sent):
        for repair in encoder.protect(packet, ends_frame=ends(i)):
            read = RtpPacket.parse(repair)
            assert read.header.payload_type == TYPE
            assert not read.header.marker
            if config.format is FecFormat.ULPFEC:
                want = model.parse_ulpfec(read.payload)
                seqs = want.levels[0].seqs
                assert read.payload == model.build_ulpfec(
                    by_seq, [(list(seqs), len(want.levels[0].parity))], base=seqs[0],
                    long_mask=(seqs[-1] - seqs[0]) % 65536 > 15)
            else:
                assert list(read.header.csrcs) == [SSRC]
                want, (seqs,) = model.parse_flexfec(read.payload, 1)
                assert read.payload == model.build_flexfec(
                    [by_seq[s] for s in seqs], read.payload[8:len(read.payload) - len(want.levels[0].parity)],
                    fixed=not config.masks)
            assert len(want.levels[0].parity) == max(len(by_seq[s]) - 12 for s in seqs)
            out.append((i + 1, [(s - seq_of(sent[0])) % 65536 for s in seqs]))
    return out


formats = pytest.mark.parametrize("form", [
    {"format": FecFormat.ULPFEC}, {"format": FecFormat.FLEXFEC}, {"format": FecFormat.FLEXFEC, "masks": True}],
    ids=["ulpfec", "flexfec", "masks"])


@formats
def test_fecenc_rows_follow_each_other_and_leave_nothing_out(form: dict[str, Any]) -> None:
    sets = sets_of(FecConfig(payload_type=TYPE, overhead=0.25, **form), packets(200, size=1000))
    assert [i for _, covered in sets for i in covered] == list(range(sets[-1][1][-1] + 1))
    assert all(before == covered[-1] + 1 for before, covered in sets)  # no repair waits for more
    assert {len(covered) for _, covered in sets[2:]} <= {4, 5}


@formats
@pytest.mark.parametrize("burst", [2, 3, 8])
def test_fecenc_bursts_hit_each_repair_once(form: dict[str, Any], burst: int) -> None:
    config = FecConfig(payload_type=TYPE, overhead=0.25, burst_packets=burst, **form)
    sent = packets(200, size=1000)
    sets = sets_of(config, sent)
    protected = sum(len(covered) for _, covered in sets)
    assert protected > 150
    for start in range(protected - burst):
        lost = set(range(start, start + burst))
        by_block: dict[int, list[int]] = {}
        for before, covered in sets:
            by_block.setdefault(before, []).append(len(lost & set(covered)))
        assert all(max(hits) <= 1 for hits in by_block.values())


def test_fecenc_grid_has_a_row_at_once_and_columns_at_the_end() -> None:
    sets = sets_of(FecConfig(payload_type=TYPE, overhead=0.5, two_dimensional=True), packets(80, size=1000))
    n = 4
    assert sets[:n] == [(n * (i + 1), list(range(n * i, n * i + n))) for i in range(n)]
    assert sets[n:2 * n] == [(n * n, list(range(i, n * n, n))) for i in range(n)]


@pytest.mark.parametrize("overhead", [0.05, 0.1, 0.3, 1.0])
@pytest.mark.parametrize("shape", [
    {}, {"burst_packets": 4}, {"two_dimensional": True, "max_block_packets": 128}], ids=["row", "burst", "grid"])
def test_fecenc_keeps_to_its_overhead(overhead: float, shape: dict[str, Any]) -> None:
    for sizes in (None, 90, 1200):
        encoder = FecEncoder(FecConfig(payload_type=TYPE, overhead=overhead, **shape))
        for i, packet in enumerate(packets(3000, size=sizes)):
            encoder.protect(packet, ends_frame=i % 7 == 6)
        s = encoder.stats()
        assert s.media_packets == 3000
        assert s.repair_bytes / s.media_bytes <= overhead * 1.02 + 0.002
        # A grid has whole rows: 2/3 is what 3 x 3 costs when 2 x 2 would be too dear.
        assert s.repair_bytes / s.media_bytes >= overhead * (0.6 if "two_dimensional" in shape else 0.9) - 0.01


def test_fecenc_frames_wait_for_no_other_frame() -> None:
    """A frame of ten packets at 20 % has its two repairs at its end, one of two has one every few frames."""
    sets = sets_of(FecConfig(payload_type=TYPE, overhead=0.2), packets(30, size=1200), lambda i: i % 10 == 9)
    assert [(before, covered[0]) for before, covered in sets] == [(10, 0), (10, 1), (20, 10), (20, 11), (30, 20),
                                                                  (30, 21)]
    small = sets_of(FecConfig(payload_type=TYPE, overhead=0.2), packets(30, size=1200), lambda i: i % 2 == 1)
    assert [before for before, _ in small] == [4, 8, 14, 18, 24, 28]


@formats
def test_fecenc_block_is_never_longer_than_told(form: dict[str, Any]) -> None:
    config = FecConfig(payload_type=TYPE, overhead=0.05, max_block_packets=8, **form)
    encoder = FecEncoder(config)
    for packet in packets(400, size=500):
        encoder.protect(packet)
    s = encoder.stats()
    assert all(covered[-1] - covered[0] < 8 for _, covered in sets_of(config, packets(400, size=500)))
    assert s.unprotected_packets > 200  # said, not hidden
    assert s.unprotected_packets + s.repair_packets * 8 >= 400 - 8


@formats
def test_fecenc_gap_in_the_numbers_splits_or_is_skipped(form: dict[str, Any]) -> None:
    """Rows cannot skip a number, masks can; a jump of more than a mask begins a new block."""
    for gap, joined in ((1, form["format"] is FecFormat.ULPFEC or form.get("masks", False)), (500, False)):
        head = packets(2, first=100, size=400)
        sent = head + packets(2, first=102 + gap, size=400)
        sets = sets_of(FecConfig(payload_type=TYPE, overhead=0.3, **form), sent)
        assert [c for _, c in sets][:1] == [[0, 1]] if not joined else True
        for _, covered in sets:
            assert joined or len({i >= 2 + gap for i in covered}) == 1


def test_fecenc_policy_changes_while_running() -> None:
    encoder = FecEncoder(FecConfig(payload_type=TYPE, overhead=0))
    sent = packets(300, size=800)
    made = [sum(len(encoder.protect(p)) for p in sent[:100])]
    assert encoder.stats().media_packets == 0
    encoder.set_policy(0.5)
    made.append(sum(len(encoder.protect(p)) for p in sent[100:200]))
    encoder.set_policy(0.1, burst_packets=3)
    made.append(sum(len(encoder.protect(p)) for p in sent[200:]))
    assert made[0] == 0
    assert 46 <= made[1] <= 50
    assert made[2] == 9
    for wrong in ({"overhead": 1.1}, {"overhead": -0.1}, {"overhead": 0.1, "burst_packets": 33},
                  {"overhead": 0.1, "burst_packets": 0}):
        with pytest.raises(errors.ConfigError):
            encoder.set_policy(**wrong)


def test_fecenc_leaves_out_what_is_too_long() -> None:
    encoder = FecEncoder(FecConfig(payload_type=TYPE, overhead=1), max_packet_bytes=500)
    assert encoder.protect(packets(1, size=501)[0]) == []
    assert encoder.stats().unprotected_packets == 1
    assert len(encoder.protect(packets(1, size=500)[0])) == 1


@given(st.sampled_from([{"format": FecFormat.ULPFEC}, {}, {"masks": True}]), st.floats(0.05, 1), st.integers(1, 12),
       st.booleans(), st.integers(2, 48), st.integers(0, 2**32), st.floats(0, 0.3), st.integers(1, 9))
def test_fecenc_to_fecdec_brings_only_what_was_sent(form: dict[str, Any], overhead: float, burst: int, grid: bool,
                                                     most: int, seed: int, loss: float, frame: int) -> None:
    config = FecConfig(payload_type=TYPE, overhead=overhead, burst_packets=burst, two_dimensional=grid,
                       max_block_packets=most, **form)
    encoder, decoder = FecEncoder(config), FecDecoder(config)
    rng = random.Random(seed)
    sent = packets(120, first=rng.randrange(65_536), seed=seed)
    got, lost = [], []
    for i, packet in enumerate(sent):
        repairs = encoder.protect(packet, ends_frame=i % frame == frame - 1)
        if i > 0 and rng.random() < loss:
            lost.append(packet)
        else:
            got += decoder.push(packet)
        for repair in repairs:
            if rng.random() >= loss:
                got += decoder.push(repair)
    assert all(g in lost for g in got)
    assert len(got) == decoder.stats().recovered
    assert decoder.stats().malformed == decoder.stats().too_wide == decoder.stats().unseen == 0


def test_fec_config_names_what_is_wrong() -> None:
    for field, value in (("payload_type", 128), ("overhead", 1.5), ("overhead", float("nan")), ("burst_packets", 0),
                         ("max_block_packets", 1), ("max_block_packets", 129), ("format", 1), ("ssrc", 0)):
        with pytest.raises(errors.ConfigError, match=field):
            FecConfig(**{field: value})
    with pytest.raises(errors.ConfigError, match="max_block_packets"):
        FecConfig(format=FecFormat.ULPFEC, max_block_packets=49)
    with pytest.raises(errors.ConfigError, match="max_block_packets"):
        FecConfig(masks=True, max_block_packets=111)
    with pytest.raises(errors.ConfigError, match="in_stream"):
        FecConfig(in_stream=True)
    with pytest.raises(errors.ConfigError, match="in_stream"):
        FecConfig(format=FecFormat.ULPFEC, in_stream=True, ssrc=5)
    with pytest.raises(errors.ConfigError, match="max_packet_bytes"):
        FecEncoder(max_packet_bytes=1501)


def test_fecenc_survives_every_allocation_failure() -> None:
    assert survives_every_failure(FecEncoder)[0] >= 3
