"""Layered video streams with losses, and the plain truth of what can be decoded: a set of decoded frames."""
from __future__ import annotations

import random
from dataclasses import dataclass, field

PATTERNS = {1: [(0, [1])], 2: [(0, [2]), (1, [1])], 3: [(0, [4]), (2, [1]), (1, [2]), (2, [1])]}


@dataclass
class Frame:
    """One spatial layer's frame of one picture.

    ``refs`` are the frames it needs, by their place in the stream; ``told`` what it says of them: pictures back, or
    frames back.
    """

    number: int
    picture: int
    key: bool
    tid: int = 0
    sid: int = 0
    refs: list[int] = field(default_factory=list)
    told: list[int] = field(default_factory=list)
    inter_layer: bool = False
    sync: bool = False
    disposable: bool = False
    tl0: int = 0
    first_seq: int = 0
    last_seq: int = 0


def number_packets(frames: list[Frame], rng: random.Random, first: int = 1000) -> list[Frame]:
    """Give each frame one to three packets."""
    for frame in frames:
        frame.first_seq, frame.last_seq = first, first + rng.randint(0, 2)
        first = frame.last_seq + 1
    return frames


def in_order(rng: random.Random, count: int) -> list[Frame]:
    """Each frame needs the one before it."""
    return number_packets([Frame(n, n, key, refs=[] if key else [n - 1])
                           for n, key in enumerate(keys(rng, count))], rng)


def keys(rng: random.Random, count: int) -> list[bool]:
    """Which pictures are key pictures; the first is."""
    return [n == 0 or rng.random() < 0.03 for n in range(count)]


def disposables(rng: random.Random, count: int) -> list[Frame]:
    """One layer, in which some frames are not referred to and say so."""
    frames: list[Frame] = []
    last = 0
    for n, key in enumerate(keys(rng, count)):
        disposable = not key and rng.random() < 0.4
        frames.append(Frame(n, n, key, refs=[] if key else [last], disposable=disposable))
        last = last if disposable else n
    return number_packets(frames, rng)


def temporal(rng: random.Random, count: int) -> list[Frame]:
    """Temporal layers as VP8 tells them: TL0PICIDX, and Y where only the base is needed."""
    frames: list[Frame] = []
    layers, tl0, base, floor, phase = rng.randint(2, 4), rng.randrange(256), 0, 0, 0
    for n, key in enumerate(keys(rng, count)):
        phase = 0 if key else phase + 1
        tid = 0 if phase % 2 == 0 and rng.random() < 0.7 else rng.randrange(layers)
        frame = Frame(n, n, key, 0 if key else tid)
        if frame.tid == 0:
            tl0 += 1
            frame.refs = [] if key else [base]
            base = n
            floor = n if key else floor
        else:
            frame.sync = rng.random() < 0.3
            older = [f.number for f in frames[floor:] if 0 < f.tid <= frame.tid and not f.disposable]
            frame.refs = [base] + ([] if frame.sync else [k for k in older if rng.random() < 0.5])
            floor = base if frame.sync else floor
            frame.disposable = frame.tid == layers - 1 and rng.random() < 0.5
        frame.tl0 = tl0
        frames.append(frame)
    return number_packets(frames, rng)


def by_reference(rng: random.Random, count: int, spatial: int, *, count_frames: bool) -> list[Frame]:
    """Each frame names up to three earlier ones of its own layer since the key picture."""
    frames: list[Frame] = []
    of_layer: list[list[Frame]] = [[] for _ in range(spatial)]
    for picture, key in enumerate(keys(rng, count)):
        for sid in range(spatial if key else rng.randint(1, spatial)):
            if key and sid == 0:
                of_layer = [[] for _ in range(spatial)]
            frame = Frame(len(frames), picture, key and sid == 0, 0, sid)
            frame.inter_layer = sid > 0 and (key or rng.random() < 0.6)
            known = of_layer[sid][-9:]
            chosen = rng.sample(known, min(len(known), rng.randint(1, 3)))
            frame.refs = [f.number for f in chosen] + [frame.number - 1] * frame.inter_layer
            frame.told = ([frame.number - n for n in frame.refs] if count_frames
                          else [picture - f.picture for f in chosen])
            if not frame.refs and not frame.key:
                continue
            of_layer[sid].append(frame)
            frames.append(frame)
    return number_packets(frames, rng)


def by_pattern(rng: random.Random, count: int, layers: int, spatial: int) -> list[Frame]:
    """Pictures that follow a group from each key picture on."""
    frames: list[Frame] = []
    since = 0
    pattern = PATTERNS[layers]
    for picture, key in enumerate(keys(rng, count)):
        since = 0 if key else since + 1
        tid, back = pattern[since % len(pattern)]
        for sid in range(spatial):
            frame = Frame(len(frames), picture, key and sid == 0, tid, sid)
            frame.inter_layer = sid > 0
            frame.refs = ([] if key else [frame.number - d * spatial for d in back]) + [frame.number - 1] * (sid > 0)
            frames.append(frame)
    return number_packets(frames, rng)


def arrivals(frames: list[Frame], rng: random.Random, loss: float) -> list[Frame]:
    """The frames that come, in the order in which they do: some never, some late; the first key frame does."""
    at = [(f.number + (rng.randint(1, 12) if rng.random() < 0.1 else 0.5 * rng.random()), f)
          for f in frames if f.number == 0 or rng.random() >= loss]
    return [f for _, f in sorted(at, key=lambda pair: pair[0])]
