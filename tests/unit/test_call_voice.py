"""From what a call measured of its sound to its report: packets, intervals, scores."""
from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from arcrtc.audio.compare import Comparison, Window
from arcrtc.audio.score import Scores
from arcrtc.call import voice
from arcrtc.call.sink import Arrival
from arcrtc.session import Concealment, SentFrame

MS = 1000


def sent(i: int, first_ts: int = 0) -> SentFrame:
    """The i-th packet of 20 ms; leaves 25 ms after its first sample was taken."""
    t = 20 * MS * i
    return SentFrame(stream=0, rtp_timestamp=(first_ts + 960 * i) % 2**32, is_keyframe=False, packets=1, bytes=80,
                     capture_us=t, encoded_us=t + 21 * MS, first_us=t + 25 * MS, last_us=t + 25 * MS)


def block(i: float, kind: Concealment = Concealment.DECODED, *, arrival_ms: float | None = None,
          playout_ms: float = 100, first_ts: int = 0) -> Arrival:
    """The block of 10 or 20 ms that begins at the i-th packet; arrives 30 ms after it left, by default."""
    t = round(20 * MS * i)
    known = kind is Concealment.DECODED
    arrival = t + round(MS * (55 if arrival_ms is None else arrival_ms)) if known else -1
    return Arrival(rtp_timestamp=(first_ts + round(960 * i)) % 2**32, arrival_us=arrival, complete_us=arrival,
                   decoded_us=t, playout_us=t + round(MS * playout_ms), concealment=kind, late=False, bytes=80)


def test_playout_of_each_packet() -> None:
    arrivals = [block(0), block(1, Concealment.FEC), block(2, Concealment.CONCEALED), block(4, playout_ms=120)]
    found = voice.playout([sent(i) for i in range(5)], arrivals, start_us=5 * MS)
    assert found.t_ms == (20, 40, 60, 80, 100)
    assert found.network_ms == (30, None, None, None, 30)
    assert found.playout_ms == (75, 75, 75, None, 95)  # since it left, which is 25 ms after capture
    assert found.status == ("played", "repaired", "concealed", "concealed", "played")


def test_playout_in_blocks_shorter_than_packets_is_as_bad_as_the_worst_of_them() -> None:
    arrivals = [block(0), block(0.5), block(1), block(1.5, Concealment.CONCEALED), block(2, Concealment.FEC),
                block(2.5, Concealment.FEC)]
    found = voice.playout([sent(i) for i in range(3)], arrivals, start_us=0)
    assert found.status == ("played", "concealed", "repaired")
    assert found.network_ms == (30, 30, None)


def test_playout_stretched_sound_is_played_copies_are_repairs_and_gaps_losses() -> None:
    arrivals = [block(0, Concealment.INSERTED), block(1, Concealment.COPY), block(2, Concealment.GAP),
                block(3, Concealment.SILENT)]
    found = voice.playout([sent(i) for i in range(4)], arrivals, start_us=0)
    assert found.status == ("played", "repaired", "concealed", "played")


def test_playout_over_the_wrap_of_time_stamps() -> None:
    first = 2**32 - 1000
    found = voice.playout([sent(i, first) for i in range(3)], [block(i, first_ts=first) for i in range(3)], start_us=0)
    assert found.status == ("played",) * 3
    assert found.network_ms == (30,) * 3


def test_playout_counts_what_leaves_late_as_late() -> None:
    late = replace(sent(1), first_us=sent(1).first_us + 40 * MS)
    found = voice.playout([sent(0), late], [block(0), block(1, arrival_ms=95)], start_us=0)
    assert found.t_ms == (25, 45)
    assert found.network_ms == (30, 70)
    assert found.playout_ms == (75, 75)


def test_match_sets_a_block_back_to_the_beginning_of_its_packet() -> None:
    """After stretching, blocks begin anywhere in a packet."""
    arrivals = [block(0.25, playout_ms=105), block(0.75), block(1, Concealment.CONCEALED), block(2.5)]
    pairs = voice.match([sent(i) for i in range(4)], arrivals)
    assert [f.rtp_timestamp for f, _ in pairs] == [0, 1920]
    assert [a.playout_us - f.capture_us for f, a in pairs] == [105 * MS, 100 * MS]
    assert arrivals[0].playout_us == 110 * MS  # what was kept stays as it was


def test_playout_of_nothing() -> None:
    assert voice.playout([], [], 0).t_ms == ()
    assert voice.playout([], [block(0)], 0).t_ms == ()
    assert voice.playout([sent(0)], [], 0).status == ("concealed",)


def stats(played: int, concealed: int, mos: float | None) -> dict[str, Any]:
    media = {"samples_out": played, "concealed_samples": concealed, "fec_samples": 0, "copy_samples": 0,
             "silent_samples": 0,
             "inserted_samples": 0, "skipped_samples": 0, "gaps": 0}
    return {"kind": "audio", "media": media, "quality": None if mos is None else {"mos": mos},
            "network": {"lost_pkts": 0, "pkts": 0, "recovered_pkts": 0, "bytes": 0, "copy_bytes": 0}}


def test_interval_is_the_difference_of_two_samples() -> None:
    assert voice.interval(stats(1000, 100, None), stats(3000, 300, 4.1)) == (10, 4.1)
    assert voice.interval(None, stats(1000, 50, None)) == (5, None)
    assert voice.interval(stats(1000, 0, 4.0), stats(1000, 0, 4.0)) == (None, 4.0)
    assert voice.interval(None, {"kind": "video"}) == (None, None)


def test_score_fields_of_a_comparison() -> None:
    """What the packages say goes into the report as it is; without them nothing does."""
    scores = Scores(pesq=3.12345, plcmos=None, stoi=0.91)
    found = Comparison(delay_ms=1, correlation=1, gain_db=0, level_source_dbfs=-26, level_received_dbfs=-26,
                       windows=(Window(t_s=10.0, length_s=5.5, scores=scores),), scores=Scores(pesq=3.123, stoi=0.91))
    fields = voice.score_fields(found)
    assert fields["scores"].pesq == 3.123
    assert fields["scores"].plcmos is None
    assert (fields["score_windows"][0].t_ms, fields["score_windows"][0].length_ms) == (10_000, 5500)
    assert fields["score_windows"][0].scores.pesq == pytest.approx(3.123)
    nothing = Comparison(delay_ms=0, correlation=0, gain_db=0, level_source_dbfs=-120, level_received_dbfs=-120)
    assert "judged" in voice.score_fields(nothing)["score_note"]
