"""How speech sounds, by programs that were trained on people's judgement: PESQ, PLCMOS, STOI.

They are packages of their own: ``pip install 'arcrtc[eval]'``.

PESQ (ITU-T P.862.2, wideband): received against source, about 1..4.64. PLCMOS (Diener et al.,
"PLCMOS - a data-driven non-intrusive metric for the evaluation of packet loss concealment
algorithms", Interspeech 2023): received alone, 1..5. STOI (Taal et al., IEEE Trans. Audio
Speech Lang. Process. 19(7), 2011): intelligibility, received against source, 0..1.
"""
from __future__ import annotations

import importlib
import importlib.util
import warnings
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from arcrtc.errors import ArgumentError, UnsupportedError
from arcrtc.media.resample import resample

EVAL_HINT: Final = "pip install 'arcrtc[eval]'"  #: what brings the packages
SCORE_HZ: Final = 16_000  #: the rate at which all three listen
_PACKAGES: Final = ("pesq", "speechmos", "onnxruntime", "pystoi", "scipy")
_SHORTEST_S: Final = 0.5  # less has no sentence in it
_SEED: Final = 1  # PLCMOS draws its listeners at random


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Three judgements of one piece of speech; None: that one could not judge it (silence, too short).

    :ivar pesq: PESQ wideband, MOS-LQO, about 1..4.64.
    :ivar plcmos: PLCMOS version 2, 1..5.
    :ivar stoi: short-time objective intelligibility, 0..1.
    """

    pesq: float | None = None
    plcmos: float | None = None
    stoi: float | None = None


def missing_packages() -> tuple[str, ...]:
    """Packages of the ``eval`` extra that are not installed; empty: score() works."""
    return tuple(name for name in _PACKAGES if importlib.util.find_spec(name) is None)


def score(source: NDArray[Any], received: NDArray[Any], sample_rate: int, *,
          heard: NDArray[Any] | None = None) -> Scores:
    """Judge speech of some ten seconds; for longer recordings :func:`arcrtc.audio.compare.compare` takes windows.

    :param source: shape (n,), int16 or float of -1..1.
    :param received: likewise, in step with the source to a few milliseconds, of equal length.
    :param heard: what PLCMOS listens to: ``received`` as it was played, if it was cut to be in step.
    :param sample_rate: of all, Hz, 1000..384000; they are judged at 16 kHz.
    :raises UnsupportedError: a package is missing; the message says how to get it.
    :raises ArgumentError: lengths differ, or type or rate do not fit.
    """
    if missing := missing_packages():
        raise UnsupportedError(f"scores need {', '.join(missing)}: {EVAL_HINT}")
    if len(source) != len(received):
        raise ArgumentError(f"source has {len(source)} samples and received {len(received)}: must be equal")
    clean, in_step, played = (np.clip(resample(x, sample_rate, SCORE_HZ), -1, 1)
                              for x in (source, received, received if heard is None else heard))
    if len(clean) < _SHORTEST_S * SCORE_HZ or not np.any(clean) or not np.any(in_step) or not np.any(played):
        return Scores()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs, about NumPy and short speech
        return Scores(pesq=_pesq(clean, in_step), plcmos=_plcmos(played), stoi=_stoi(clean, in_step))


def _pesq(clean: NDArray[np.float32], heard: NDArray[np.float32]) -> float | None:
    pesq = importlib.import_module("pesq")
    try:
        return float(pesq.pesq(SCORE_HZ, clean, heard, "wb"))
    except pesq.PesqError:  # nobody speaks
        return None


def _plcmos(heard: NDArray[np.float32]) -> float:
    """Its imagined listeners come from NumPy's global generator: the same ones each time, and it is put back."""
    plcmos = importlib.import_module("speechmos.plcmos")
    state = np.random.get_state()
    np.random.seed(_SEED)
    try:
        return float(plcmos.run(heard, SCORE_HZ)["plcmos"])
    finally:
        np.random.set_state(state)


def _stoi(clean: NDArray[np.float32], heard: NDArray[np.float32]) -> float | None:
    value = float(importlib.import_module("pystoi").stoi(clean, heard, SCORE_HZ))
    return value if value > 1e-4 else None  # 1e-5 is its way to say: too little speech
