"""How the engine sounds where packets are lost and each carries copies of earlier ones (RFC 2198).

Usage: PYTHONPATH=. python bench/voice_quality/arcrtc_red.py [SPEECH.wav] [--frames 2,3,4] [--loss iid_20,burst_20_4]

:data:`CONCEALERS` maps names to factories ``(rate, frame_ms)`` as in arcrtc_plc.py; what they make has ``encode`` too,
and the packets are payloads of RFC 2198. Copies are made by tx/redenc, found by wire/red, wait in rx/copies, are
decoded as the packets they stand for, and what is still missing is concealed as in arcrtc_plc.py.

``arc_red4`` holds the sound back until the fourth packet after it, three frames more than any concealer with one
frame of look-ahead.
"""
from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from arcrtc_plc import CONCEALERS as PLAIN
from arcrtc_plc import LOSSES, SAMPLE, Concealer, Pcm, encode, lost, read_speech, receive, scores

from arcrtc._native import check, ffi, lib, new_handle
from arcrtc.redundancy import native_set, speech_plan

TICKS = 960          # of a frame of 20 ms
OPUS = 111
BUDGET = 1.5         # all bytes over those of the plain stream
CAPACITY = 16


class Redundant(Concealer):
    """A receiver of payloads with copies.

    :ivar reach: frames that it waits.
    """

    ahead = 1
    reach = 3

    def __init__(self, rate: int, frame_ms: int = 20) -> None:
        super().__init__(rate, frame_ms)
        self._copies = new_handle(lib.arc_copies_new, lib.arc_copies_free, "struct arc_copies", CAPACITY, what="copies")
        self._blocks: dict[tuple[int, int], bytes] = {}  # by number of the packet, and place in it
        self._frames: dict[int, bytes] = {}              # primary blocks by frame number
        self._came = 0                                   # frames whose packets came, or did not

    def encode(self, pcm: Pcm, rate: int, bitrate: int, loss: float) -> list[bytes]:
        """Payloads of 20 ms, mono; ``loss``: part of the packets, as a peer would report it."""
        red, own = speech_plan(int(BUDGET * bitrate), loss, self.reach)
        maker = new_handle(lib.arc_redenc_new, lib.arc_redenc_free, "struct arc_redenc", native_set(red), True,
                           what="redundancy")
        out, n, is_red, payloads = ffi.new("uint8_t[]", 1500), ffi.new("int32_t *"), ffi.new("bool *"), []
        narrow = own < red.wideband_below_bps  # as a session does it
        most = lib.ARC_OPUS_BANDWIDTH_WB if narrow else lib.ARC_OPUS_BANDWIDTH_AUTO
        for k, frame in enumerate(encode(pcm, rate, own, most)):
            check(lib.arc_redenc_build(maker, OPUS, k * TICKS, frame, len(frame), out, 1200, n, is_red), "build")
            payloads.append(bytes(ffi.buffer(out, n[0])))
        return payloads

    def _open(self, number: int, payload: bytes) -> None:
        red = ffi.new("struct arc_red *")
        check(lib.arc_red_parse(payload, len(payload), red), "parse")
        for i in range(red.n_blocks):
            block = red.blocks[i]
            data, ts = payload[block.off:block.off + block.len], number * TICKS - block.ts_offset
            if i == red.n_blocks - 1:
                self._frames[number] = data
            elif lib.arc_copies_push(self._copies, ffi.new("struct arc_rxpkt *", {
                    "ts": ts, "seq": number, "payload_off": i, "payload_len": block.len})) == lib.ARC_OK:
                self._blocks[number, i] = data

    def _frame(self, number: int) -> bytes | None:
        """A frame by its packet, or by a copy."""
        copy = ffi.new("struct arc_rxpkt *")
        if number in self._frames:
            return self._frames[number]
        if lib.arc_copies_find(self._copies, number * TICKS, copy) == lib.ARC_OK:
            return self._blocks[copy.seq, copy.payload_off]
        return None

    def decode(self, packet: bytes | None, next_packet: bytes | None = None) -> Pcm:
        """One payload in, one frame out, ``reach - 1`` frames later: ``next_packet`` is one of those it waits for."""
        for number, payload in ((self._came, packet), (self._came + 1, next_packet)):
            if payload is not None and number not in self._frames:
                self._open(number, payload)
        played, self._came = self._came - (self.reach - 1), self._came + 1
        if played < 0:
            return np.zeros(self.n, dtype=np.int16)
        out = super().decode(self._frame(played), self._frame(played + 1))
        lib.arc_copies_drop_before(self._copies, played * TICKS)
        return out


def _with(reach: int) -> type[Redundant]:
    return type("Redundant", (Redundant,), {"reach": reach})


CONCEALERS: dict[str, type[Redundant]] = {f"arc_red{reach}": _with(reach) for reach in (2, 3, 4)}


def hear(factory: type[Redundant], pcm: Pcm, rate: int, bitrate: int, holes: Any) -> tuple[Pcm, float]:
    """What is heard, without the delay, and the bitrate."""
    receiver = factory(rate)
    payloads = receiver.encode(pcm, rate, bitrate, float(np.mean(holes)))
    late = receiver.reach - 1
    got = [None if hole else p for p, hole in zip(payloads, holes, strict=True)] + [None] * (late + 1)
    out = np.concatenate([receiver.decode(a, b) for a, b in pairwise(got)])
    return out[late * receiver.n:], 8 * sum(map(len, payloads)) / (len(payloads) * 0.02)


def main() -> None:
    """Print a table: a line for each loss pattern and length of the wait."""
    parser = argparse.ArgumentParser(description="scores of the engine's redundancy")
    parser.add_argument("speech", nargs="?", type=Path, default=SAMPLE)
    parser.add_argument("--frames", default="2,3,4", help="frames that the receiver waits")
    parser.add_argument("--loss", default=",".join(LOSSES), help="patterns: " + ", ".join(LOSSES))
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    original, rate = read_speech(parser, args.speech)
    packets = encode(original, rate, 24_000)
    clean = receive(PLAIN["arc_codec"], rate, packets, np.zeros(len(packets), dtype=bool))
    for pattern in args.loss.split(","):
        holes = lost(len(packets), *LOSSES[pattern], args.seed)
        for wait in args.frames.split(","):
            heard, bps = hear(CONCEALERS[f"arc_red{wait}"], original, rate, 24_000, holes)
            row = "  ".join(f"{key} {value:6.2f}" for key, value in scores(original, clean, heard, rate).items())
            print(f"{pattern:12s} arc_red{wait}  {bps / 1000:5.1f} kb/s  {row}")


if __name__ == "__main__":
    main()
