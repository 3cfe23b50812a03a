"""call/summary: from what a call measured to the numbers of its report, on calls made up for it."""
from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrtc.call import summary
from arcrtc.call.sampler import Sample
from arcrtc.call.sink import Arrival
from arcrtc.events import Concealment, SentFrame

MS = 1000


def sent(i: int, *, capture_us: int | None = None, stream: int = 0, timestamp: int | None = None) -> SentFrame:
    at = 40 * MS * i if capture_us is None else capture_us
    return SentFrame(stream=stream, rtp_timestamp=3600 * i if timestamp is None else timestamp, is_keyframe=i == 0,
                     packets=2, bytes=1000 + i, capture_us=at, encoded_us=at + 5 * MS, first_us=at + 6 * MS,
                     last_us=at + 8 * MS)


def arrival(i: int, *, playout_us: int | None = None, concealment: Concealment = Concealment.DECODED,
            late: bool = False, timestamp: int | None = None, known: bool = True) -> Arrival:
    at = 40 * MS * i
    return Arrival(rtp_timestamp=3600 * i if timestamp is None else timestamp,
                   arrival_us=at + 26 * MS if known else -1, complete_us=at + 28 * MS if known else -1,
                   decoded_us=at + 30 * MS, playout_us=at + 50 * MS if playout_us is None else playout_us,
                   concealment=concealment, late=late, bytes=1000)


# --- frames that were sent, and what became of them ---

def test_summary_match_pairs_by_timestamp_in_the_order_of_play_out() -> None:
    frames = [sent(i) for i in range(5)]
    played = [arrival(1), arrival(3), arrival(2)]
    pairs = summary._match(frames, played)
    assert [f.rtp_timestamp // 3600 for f, _ in pairs] == [1, 3, 2]
    assert [a for _, a in pairs] == played


def test_summary_match_leaves_out_what_nobody_sent() -> None:
    made_up = [arrival(i, concealment=kind) for i, kind in enumerate(Concealment)]
    pairs = summary._match([sent(i) for i in range(len(made_up))], [*made_up, arrival(99)])
    assert [a.concealment for _, a in pairs] == [Concealment.DECODED]


def test_summary_match_across_the_wrap_of_timestamps() -> None:
    frames = [sent(0, timestamp=2**32 - 3600), sent(1, timestamp=0)]
    pairs = summary._match(frames, [arrival(0, timestamp=2**32 - 3600), arrival(1, timestamp=0)])
    assert [f.rtp_timestamp for f, _ in pairs] == [2**32 - 3600, 0]


def test_summary_latency_is_the_sum_of_its_stages() -> None:
    pairs = summary._match([sent(i) for i in range(10)], [arrival(i) for i in range(10)])
    for kind in ("audio", "video"):
        latency = summary._latency(pairs, kind)
        assert latency is not None
        assert (latency.p50_ms, latency.p95_ms, latency.max_ms) == (50, 50, 50)
        assert sum(latency.stages_ms.values()) == pytest.approx(50)
        assert latency.stages_ms["pacing"] == 3
        assert latency.stages_ms["network and repair"] == 20
    assert summary._latency([], "video") is None


def test_summary_latency_without_arrival_times_has_no_stages() -> None:
    latency = summary._latency([(sent(0), arrival(0, known=False))], "audio")
    assert latency is not None
    assert latency.p50_ms == 50
    assert latency.stages_ms == {}


def test_summary_frames_say_what_was_seen_of_each() -> None:
    frames = [sent(i) for i in range(4)]
    pairs = summary._match(frames, [arrival(0), arrival(2, late=True, playout_us=500 * MS), arrival(3)])
    found = summary._frames(frames, pairs, start_us=10 * MS)
    assert found.status == ("shown", "frozen", "late", "shown")
    assert found.capture_us == (-10 * MS, 30 * MS, 70 * MS, 110 * MS)
    assert found.shown_us == (40 * MS, None, 490 * MS, 160 * MS)
    assert found.key == (True, False, False, False)
    assert found.sent_bytes == (1000, 1001, 1002, 1003)


# --- freezes ---

def at_times(gaps_ms: Sequence[int]) -> list[Arrival]:
    times = np.concatenate([[0], np.cumsum(gaps_ms)]) * MS
    return [arrival(i, playout_us=int(t)) for i, t in enumerate(times)]


def freezes_by_the_rule(gaps_ms: Sequence[int]) -> list[int]:
    """webrtc-stats, freezeCount, one frame after the other: the plain model."""
    found: list[int] = []
    last: list[int] = []
    for gap in gaps_ms:
        if len(last) >= 5:
            average = Fraction(sum(last), len(last))
            if gap >= max(3 * average, average + 150):
                found.append(gap)
        last = [*last, gap][-30:]
    return found


@pytest.mark.parametrize(("gaps", "count", "longest"), [
    ([], 0, 0), ([40], 0, 0), ([40] * 100, 0, 0),
    ([40] * 30 + [189] + [40] * 30, 0, 0),  # 190 is 40 + 150
    ([40] * 30 + [190] + [40] * 30, 1, 190),
    ([100] * 30 + [299] + [100] * 30, 0, 0),  # 300 is 3 * 100
    ([100] * 30 + [300] + [100] * 30, 1, 300),
    ([40] * 60 + [2000] + [40] * 5, 1, 2000),
    ([40] * 30 + [400, 40, 40, 500] + [40] * 30, 2, 500),
    # A slower camera later does not excuse what stood still before, nor do freezes at the end.
    ([40] * 30 + [400] + [200] * 60, 1, 400),
    ([40] * 30 + [300] + [40] * 40 + [1000, 40, 1000, 40, 1000], 4, 1000),
])
def test_summary_freezes_by_the_rule_of_webrtc_stats(gaps: list[int], count: int, longest: float) -> None:
    assert summary._freezes(at_times(gaps)) == (count, longest)
    assert len(freezes_by_the_rule(gaps)) == count


@given(st.lists(st.sampled_from([20, 33, 40, 41, 100, 180, 250, 400, 3000]), max_size=120))
def test_summary_freezes_equal_the_plain_model(gaps: list[int]) -> None:
    expected = freezes_by_the_rule(gaps)
    assert summary._freezes(at_times(gaps)) == (len(expected), max(expected, default=0.0))


# --- over time ---

def sample(t_s: float, *, sent_bytes: int = 0, rtx_bytes: int = 0, received_bytes: int = 0, pkts: int = 0,
           lost: int = 0, recovered: int = 0, target: int = 500_000, fec_samples: int = 0) -> Sample:
    sender: dict[str, Any] = {"session": {"rtt_us": 30 * MS}, "send": [{
        "kind": "video", "network": {"bytes": sent_bytes, "rtx_bytes": rtx_bytes, "pkts": 0, "rtx_pkts": 0},
        "media": {"target_bps": target}}]}
    receiver: dict[str, Any] = {"session": {}, "receive": [{
        "kind": "video", "network": {"bytes": received_bytes, "pkts": pkts, "lost_pkts": lost,
                                     "recovered_pkts": recovered},
        "media": {"target_ms": 40.0, "sync_ms": 5.0, "depth_ms": 30.0, "samples_out": 960, "frames_out": 1,
                  "fec_samples": fec_samples, "copy_samples": 0}}]}
    return Sample(round(t_s * 1e6), sender, receiver)


def test_summary_series_are_differences_over_time() -> None:
    samples = [sample(0.5, sent_bytes=5000, rtx_bytes=1000, received_bytes=4000, pkts=8, lost=2),
               sample(1.0, sent_bytes=15_000, rtx_bytes=1000, received_bytes=14_000, pkts=18, lost=2),
               sample(2.0, sent_bytes=35_000, rtx_bytes=1000, received_bytes=34_000, pkts=37, lost=3)]
    found = summary._series(samples, 0, [], start_us=0)
    assert found.t_ms == (500, 1000, 2000)
    assert found.send_rate_bps == (96_000, 160_000, 160_000)  # 6000 bytes in 0.5 s, 10 000, 20 000 in 1 s
    assert found.receive_rate_bps == (64_000, 160_000, 160_000)
    assert found.target_rate_bps == (500_000,) * 3
    assert found.lost_pct == (20, 0, 5)
    assert found.jitter_target_ms == (45,) * 3  # with what lip-sync adds
    assert found.jitter_depth_ms == (30,) * 3


def test_summary_series_a_repair_comes_later_than_its_loss() -> None:
    """Four packets are lost in the second interval; three come back in the fourth, one never does."""
    lost = [0, 4, 4, 4, 4, 4, 4, 4]
    back = [0, 0, 1, 3, 3, 3, 3, 3]
    samples = [sample(0.2 * (k + 1), pkts=16 * (k + 1), lost=lost[k], recovered=back[k]) for k in range(8)]
    found = summary._series(samples, 0, [], start_us=0)
    assert found.lost_pct == (0, 20, 0, 0, 0, 0, 0, 0)
    assert found.unrepaired_pct == (0, 5, 0, 0, 0, 0, 0, 0)


def test_summary_series_doubles_are_no_negative_loss() -> None:
    samples = [sample(0.2, pkts=10), sample(0.4, pkts=25, lost=-5)]
    found = summary._series(samples, 0, [], start_us=0)
    assert found.lost_pct == (0, 0)
    assert found.unrepaired_pct == (0, 0)


def test_summary_series_of_nothing() -> None:
    assert summary._series([], 0, [], start_us=0).t_ms == ()
    found = summary._series([sample(0.2)], 0, [], start_us=0)
    assert found.lost_pct == (None,)
    assert found.network_delay_ms == (None,)


def test_summary_network_delay_is_that_of_the_interval() -> None:
    frames = [sent(i) for i in range(5)]  # first packets arrive 20 ms after they left, at 26 + 40 * i
    pairs = summary._match(frames, [arrival(i) for i in range(5)])
    pairs[4][1].arrival_us += 30 * MS
    edges = [0, 60 * MS, 61 * MS, 200 * MS, 300 * MS]
    assert summary._interval_delay(pairs, edges) == [20, None, 20, 50]


def test_summary_latency_series() -> None:
    pairs = summary._match([sent(i) for i in range(3)], [arrival(0), arrival(2, playout_us=200 * MS)])
    found = summary._latency_series(pairs, start_us=10 * MS)
    assert found.t_ms == (40, 190)
    assert found.latency_ms == (50, 120)
