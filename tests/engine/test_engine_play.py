"""play(), flush() and levels on an engine's threads, over real sockets."""
from __future__ import annotations

import time

import numpy as np
import pytest

from arcrtc import BackpressureError
from tests.engine.test_engine_peers import pair, until
from tests.model.speech import sine


def test_engine_play_is_sent_in_its_time_and_cut_off_by_flush() -> None:
    with pair() as (_, a, b):
        voice = a.send_audio(sample_rate=16_000, level_extension=1)
        heard = b.receive_audio(sample_rate=16_000, level_extension=1)
        start = time.monotonic()
        voice.play(sine(16_000, 300, 10.0))
        assert time.monotonic() - start < 1.0  # it does not wait
        until(lambda: heard.stats()["network"]["pkts"] >= 10)
        assert time.monotonic() - start > 0.17  # not sent in a burst
        before = time.monotonic() - start
        played = voice.flush()
        after = time.monotonic() - start
        assert before * 1000 - 150 < played.played_ms < after * 1000 + 45
        assert played.played_ms + played.waiting_ms == pytest.approx(10_000, abs=45)
        time.sleep(0.1)
        n = heard.stats()["network"]["pkts"]
        time.sleep(0.15)
        assert heard.stats()["network"]["pkts"] == n
        assert heard.stats()["network"]["level_pkts"] == n
        assert abs(n * 20 - played.played_ms) <= 45
        voice.play(sine(16_000, 300, 0.2))
        until(lambda: heard.stats()["network"]["pkts"] >= n + 10)


def test_engine_play_refuses_more_than_its_limit() -> None:
    with pair() as (_, a, _):
        voice = a.send_audio(sample_rate=16_000, play_limit_s=2)
        voice.play(np.zeros(30_000, dtype=np.int16))
        with pytest.raises(BackpressureError):
            voice.play(np.zeros(30_000, dtype=np.int16))
        assert voice.flush().waiting_ms > 1000
