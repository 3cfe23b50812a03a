"""Programs at both ends of a stream, and a look at what came out against what went in."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from arcrtc.audio.align import align
from arcrtc.media import MediaAudio, open_media, sample_path
from arcrtc.video.quality import psnr

ROOT = Path(__file__).resolve().parents[2]
CLIP = sample_path()
FRAME_RATE = 25
FFMPEG = ("ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y")


@contextmanager
def program(*words: str, log: Path) -> Iterator[subprocess.Popen[str]]:
    """A running program with its output in files beside ``log``; killed at the end if it still runs."""
    with log.with_suffix(".err").open("w") as errors, log.with_suffix(".out").open("w") as output:
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=output, stderr=errors, text=True, cwd=ROOT,
                                   env={**os.environ, "PYTHONUNBUFFERED": "1"})
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdin is not None:
                process.stdin.close()


def arcrtc(*words: str, log: Path) -> Any:
    """``arcrtc`` with these words, as program()."""
    return program(sys.executable, "-m", "arcrtc", *words, log=log)


def finish(process: subprocess.Popen[str], log: Path, *, expect: int = 0, timeout_s: float = 40) -> str:
    """Wait for the end; what it wrote to standard output."""
    status = process.wait(timeout=timeout_s)
    assert status == expect, f"exit status {status}: {log.with_suffix('.err').read_text()[-2000:]}"
    return log.with_suffix(".out").read_text()


def enter(process: subprocess.Popen[str]) -> None:
    """Press Enter."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def wait_for_file(path: Path, process: subprocess.Popen[str]) -> None:
    """Until the program has written it."""
    end = time.monotonic() + 20
    while not path.exists():
        assert process.poll() is None, f"ended with {process.returncode} before it wrote {path.name}"
        assert time.monotonic() < end
        time.sleep(0.02)


def wait_until_recording(path: Path) -> None:
    """Until arcrtc receive is ready for the first packet: it has made its file by then."""
    end = time.monotonic() + 20
    while not path.exists() or path.stat().st_size == 0:
        assert time.monotonic() < end
        time.sleep(0.02)


def wait_for_text(path: Path, text: str) -> None:
    """Until the file has this text."""
    end = time.monotonic() + 20
    while text not in path.read_text():
        assert time.monotonic() < end, path.read_text()[-2000:]
        time.sleep(0.02)


def probe(path: Path) -> dict[str, dict[str, Any]]:
    """What ffprobe finds: kind of stream -> its values, ``nb_read_frames`` counted."""
    done = subprocess.run(["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-of", "json", str(path)],
                          capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == "", done.stderr
    return {stream["codec_type"]: stream for stream in json.loads(done.stdout)["streams"]}


@dataclass
class Media:
    """A decoded file: pictures with their times, sound from ``sound_us`` on."""

    times_us: list[int]
    luma: list[np.ndarray]
    sound: np.ndarray
    sound_us: int


def decode(path: Path, *, height: int | None = None, seconds: float = 60) -> Media:
    """Read a file, scaled and cut."""
    times_us, luma, sound, sound_us = [], [], [np.zeros(0, np.int16)], 0
    for frame in open_media(path, height=height):
        if frame.pts_us >= seconds * 1e6:
            break
        if isinstance(frame, MediaAudio):
            sound_us = frame.pts_us if len(sound) == 1 else sound_us
            sound.append(frame.samples[:, 0])
        else:
            times_us.append(frame.pts_us)
            luma.append(frame.planes[:frame.height])
    return Media(times_us, luma, np.concatenate(sound), sound_us)


def match_pictures(source: Media, received: Media) -> tuple[list[int], list[float]]:
    """(which source picture each received one is, its luma PSNR): in order; some may be missing."""
    which: list[int] = []
    quality: list[float] = []
    start = 0
    for n, picture in enumerate(received.luma):
        missing = len(source.luma) - start - (len(received.luma) - n)
        found = [psnr(y, picture) for y in source.luma[start:start + missing + 1]]
        which.append(start + int(np.argmax(found)))
        quality.append(max(found))
        start = which[-1] + 1
    return which, quality


def video_delay_ms(source: Media, received: Media, which: list[int]) -> float:
    """How much later the pictures stand in the recording, median."""
    return float(np.median([t - source.times_us[i] for t, i in zip(received.times_us, which, strict=True)])) / 1000


def sound_matches(source: Media, received: Media, window_s: float = 0.5) -> list[tuple[float, float]]:
    """(delay in ms, correlation) of each stretch of the recording in which somebody speaks."""
    n, found = round(window_s * 48_000), []
    for start in range(0, len(received.sound) - n, n):
        stretch = received.sound[start:start + n]
        if np.sqrt(np.mean(stretch.astype(np.float64) ** 2)) < 600:
            continue
        match = align(source.sound, stretch, 48_000)  # where the source stands in the stretch
        at_ms = received.sound_us / 1000 + start / 48 + match.offset_ms - source.sound_us / 1000
        found.append((at_ms, match.correlation))
    return found
