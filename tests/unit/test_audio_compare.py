"""A recording against its source: delay, gaps, shifts, and the scores of the ``eval`` packages."""
from __future__ import annotations

import importlib.util
import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from arcrtc.audio.compare import Comparison, compare
from arcrtc.audio.score import EVAL_HINT, Scores, missing_packages, score
from arcrtc.cli import main
from arcrtc.errors import ArgumentError, UnsupportedError
from arcrtc.media.resample import resample
from tests.model.speech import SPEECH_RATE, noise, sine, speech

SAID = speech()[16_000:64_000]  # three seconds are enough to be judged


def plain(received: NDArray[Any], **options: Any) -> Comparison:
    return compare(speech(), received, SPEECH_RATE, scored=False, **options)


def spoken_at(t_s: float, length: int) -> bool:
    """The sample's own level there is well above its pauses."""
    piece = speech()[round(t_s * SPEECH_RATE):][:length].astype(np.float64)
    return bool(np.sqrt(np.mean(piece**2)) > 500)


def test_compare_of_the_same_finds_nothing() -> None:
    found = plain(speech())
    assert (found.delay_ms, found.correlation, found.gain_db, found.gaps, found.shifts) == (0, 1, 0, (), ())
    assert found.put_in_ms == found.left_out_ms == 0
    assert found.scores is None
    assert found.windows == ()


def test_compare_finds_delay_and_level() -> None:
    found = plain(np.concatenate([np.zeros(3000), speech() / 65536.0]))
    assert found.delay_ms == 187.5
    assert found.gain_db == pytest.approx(-6.02, abs=0.01)
    assert found.shifts == found.gaps == ()


@settings(max_examples=10, deadline=None)
@given(st.integers(100, 500), st.sampled_from([-1, 1]), st.integers(-35, -30))
def test_compare_finds_what_was_put_in_or_left_out(ms: int, sign: int, snr_db: int) -> None:
    """In the middle of a word: up to half a second repeated or left out, under noise."""
    at, n = 40_000, ms * 16 // 10  # 10..50 ms
    x = speech() / 32768.0
    received = np.concatenate([x[:at], x[at - n:]]) if sign > 0 else np.concatenate([x[:at], x[at + n:]])
    found = plain(received + noise(len(received), snr_db - 26))
    assert [round(s.change_ms, 1) for s in found.shifts] == [pytest.approx(sign * n / 16, abs=0.3)]
    assert found.shifts[0].t_s == pytest.approx(2.5, abs=0.2)
    assert (found.put_in_ms if sign > 0 else found.left_out_ms) == pytest.approx(n / 16, abs=0.3)


def test_compare_finds_several_shifts_in_order() -> None:
    x = speech()
    received = np.concatenate([x[:24_000], np.zeros(800, np.int16), x[24_000:64_000], x[65_600:]])
    assert [(s.change_ms, round(s.t_s, 0)) for s in plain(received).shifts] == [
        (50, 2), (-100, 4)]


def test_compare_finds_gaps_where_somebody_speaks() -> None:
    received = speech().copy()
    assert spoken_at(2.0, 1600)
    received[32_000:33_600] = 0
    received[80_000:80_160] = 0  # 10 ms: shorter than a gap
    found = plain(received)
    assert [(g.t_s, g.length_ms) for g in found.gaps] == [(2.0, 100.0)]
    assert found.shifts == ()


def test_compare_finds_gaps_at_the_delay_that_holds_there() -> None:
    x = speech()
    received = np.concatenate([x[:24_000], np.zeros(1600, np.int16), x[24_000:]])
    received[32_000 + 1600:33_600 + 1600] = 0
    assert (2.0, 100.0) in [(g.t_s, g.length_ms) for g in plain(received).gaps]


def test_compare_a_source_that_repeats_itself_is_found_where_it_should_be() -> None:
    looped = np.concatenate([speech()] * 4)
    received = np.concatenate([np.zeros(4000, np.int16), looped[:-50_000]])
    found = compare(looped, received, SPEECH_RATE, near_ms=900, scored=False)
    assert found.delay_ms == pytest.approx(250, abs=0.01)
    assert found.shifts == ()


def test_compare_near_a_negative_delay() -> None:
    assert plain(speech()[8000:], near_ms=-300).delay_ms == pytest.approx(-500, abs=0.01)


def test_compare_of_silence_nothing_and_other_sound() -> None:
    for received in (np.zeros(96_000, np.int16), np.zeros(0, np.int16), speech()[:100]):
        found = plain(received)
        assert found.correlation == 0
        assert found.shifts == ()
    assert compare(np.zeros(0, np.int16), speech(), SPEECH_RATE, scored=False).gaps == ()
    assert abs(plain(noise(96_000, -30)).correlation) < 0.1


def test_resample_keeps_time_and_level() -> None:
    t = np.arange(48_000) / 16_000
    for rate in (8000, 22_050, 44_100, 48_000):
        out = resample(sine(rate, 440, 3), rate, 16_000)
        assert len(out) == 48_000
        assert np.abs(out - 0.5 * np.sin(2 * np.pi * 440 * t))[100:-100].max() < 2e-3
    assert np.array_equal(resample(np.array([-32768, 16384], np.int16), 16_000, 16_000), [-1, 0.5])
    assert len(resample(np.zeros(0, np.int16), 8000, 16_000)) == 0


def test_resample_refuses_what_it_cannot_read() -> None:
    with pytest.raises(ArgumentError, match="shape"):
        resample(np.zeros((3, 2)), 8000, 16_000)
    with pytest.raises(ArgumentError, match="to_rate"):
        resample(np.zeros(3), 8000, 10)


# --- the scores: the packages are among those of the tests

def test_score_packages_are_installed_with_the_tests() -> None:
    assert missing_packages() == ()


def test_score_of_the_source_is_the_best_there_is() -> None:
    best = score(SAID, SAID, SPEECH_RATE)
    assert best.pesq == pytest.approx(4.644, abs=0.001)
    assert best.stoi == pytest.approx(1, abs=1e-6)
    assert best.plcmos is not None
    assert best.plcmos > 4.5


def test_score_falls_with_losses_and_repeats_itself() -> None:
    lossy = SAID.copy()
    for at in range(2000, 46_000, 2000):
        lossy[at:at + 320] = 0
    state = np.random.get_state()[1]
    worse, again = (score(SAID, lossy, SPEECH_RATE) for _ in range(2))
    assert worse == again
    assert np.array_equal(np.random.get_state()[1], state)  # other people's random numbers stay theirs
    assert worse.pesq is not None
    assert worse.plcmos is not None
    assert worse.pesq < 3
    assert worse.plcmos < 4


def test_score_of_what_cannot_be_judged_is_none() -> None:
    silence = np.zeros(96_000, np.int16)
    assert score(speech(), silence, SPEECH_RATE) == Scores()
    assert score(speech()[:1000], speech()[:1000], SPEECH_RATE) == Scores()
    with pytest.raises(ArgumentError, match="96000"):
        score(speech(), speech()[1:], SPEECH_RATE)


@pytest.mark.slow
def test_compare_scores_windows_of_a_long_recording() -> None:
    looped = np.concatenate([speech()] * 4)
    received = np.concatenate([np.zeros(1600, np.int16), looped])
    received[1600 + 160_000:][:80_000] //= 8
    received[1600 + 160_000:][:80_000] += (3000 * noise(80_000, 0, 3) / 8).astype(np.int16)
    found = compare(looped, received, SPEECH_RATE, near_ms=100)
    assert [(w.t_s, w.length_s) for w in found.windows] == [(0, 10), (10, 10)]
    first, second = (w.scores.pesq for w in found.windows)
    assert first is not None
    assert second is not None
    assert first > 4
    assert second < 3
    assert found.scores is not None
    assert found.scores.pesq == pytest.approx((first + second) / 2, abs=1e-3)


def without_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "pesq" else find(name, *a))


def test_score_without_its_packages_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    without_packages(monkeypatch)
    with pytest.raises(UnsupportedError, match="pesq") as caught:
        score(speech(), speech(), SPEECH_RATE)
    assert EVAL_HINT in str(caught.value)
    assert compare(speech(), speech(), SPEECH_RATE).scores is None


# --- arcrtc score

@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Source, and a recording of it that is 100 ms late and has 20 ms twice."""
    folder = tmp_path_factory.mktemp("score")
    x = speech()
    received = np.concatenate([np.zeros(1600, np.int16), x[:40_000], x[39_680:]])
    paths = []
    for name, samples in (("source.wav", x), ("received.wav", received)):
        with wave.open(str(folder / name), "wb") as file:
            file.setparams((1, 2, SPEECH_RATE, 0, "NONE", ""))
            file.writeframes(samples.tobytes())
        paths.append(str(folder / name))
    return paths[0], paths[1]


def test_cli_score_says_what_it_found(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", *files]) == 0
    text = capsys.readouterr().out
    assert "PESQ" in text
    assert "100.0 ms" in text
    assert "1 place: 20 ms at 2.5" in text


def test_cli_score_json(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", *files, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["delay_ms"] == 100
    assert found["put_in_ms"] == 20
    assert found["left_out_ms"] == 0
    assert 1 < found["scores"]["pesq"] < 4.7
    assert found["missing_packages"] == []


def test_cli_score_without_packages_still_compares(files: tuple[str, str], monkeypatch: pytest.MonkeyPatch,
                                                   capsys: pytest.CaptureFixture[str]) -> None:
    without_packages(monkeypatch)
    assert main(["score", *files]) == 0
    said = capsys.readouterr()
    assert "100.0 ms" in said.out
    assert "PESQ" not in said.out
    assert EVAL_HINT in said.err
    assert main(["score", *files, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["scores"], found["missing_packages"]) == (None, ["pesq"])


def test_cli_score_of_no_sound_is_a_fault(files: tuple[str, str], tmp_path: Path,
                                          capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", files[0], str(tmp_path / "none.wav")]) == 1
    assert "no such file" in capsys.readouterr().err
