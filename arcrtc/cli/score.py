"""``arcrtc score``: a recording against what was said."""
from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arcrtc.cli.output import Json, Verbose, console, print_json, say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from arcrtc.audio.compare import Comparison

Reference = Annotated[Path, typer.Argument(help="What was said: its sound is the source.", metavar="REFERENCE",
                                           show_default=False)]
Received = Annotated[Path, typer.Argument(help="What was heard.", metavar="RECEIVED", show_default=False)]
Scored = Annotated[bool, typer.Option("--score/--no-score", help="Judge it by PESQ, PLCMOS and STOI.")]


def score(reference: Reference, received: Received, scored: Scored = True, json: Json = False,
          verbose: Verbose = False) -> None:
    """Compare a recording with its source: how it sounds, how late it is, what is missing.

    Any files that FFmpeg reads; the first channel of each counts. PESQ, PLCMOS and STOI need
    packages of their own: pip install 'arcrtc[eval]'. All else works without them.
    """
    from arcrtc.audio.compare import compare
    from arcrtc.audio.score import SCORE_HZ, missing_packages

    missing = missing_packages() if scored else ()
    found = compare(_sound(reference), _sound(received), SCORE_HZ, scored=scored)
    if json:
        print_json({"reference": str(reference), "received": str(received), **asdict(found),
                    "put_in_ms": found.put_in_ms, "left_out_ms": found.left_out_ms,
                    "missing_packages": list(missing)})
        return
    _show(found)
    if missing:
        from arcrtc.audio.score import EVAL_HINT

        say(f"not scored, for want of {', '.join(missing)}: {EVAL_HINT}")


def _sound(path: Path) -> NDArray[np.int16]:
    """All sound of a file at 16 kHz.

    :raises MediaError: it cannot be read, or has no sound.
    """
    import numpy as np

    from arcrtc.audio.score import SCORE_HZ
    from arcrtc.media import MediaAudio, open_media

    blocks = [frame.samples[:, 0] for frame in open_media(path, video=False, sample_rate=SCORE_HZ)
              if isinstance(frame, MediaAudio)]
    return np.concatenate(blocks) if blocks else np.zeros(0, np.int16)


def _show(found: Comparison) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in _rows(found):
        table.add_row(name, value)
    console().print(table)


def _rows(found: Comparison) -> list[tuple[str, Any]]:
    def places(what: list[tuple[float, float]], one: str) -> str:
        named = [f"{ms:.0f} ms at {t_s:.2f} s" for t_s, ms in what[:5]]
        more = f" and {len(what) - 5} more" if len(what) > 5 else ""
        return f"{len(what)} {one if len(what) == 1 else one + 's'}: {', '.join(named)}{more}" if what else "none"

    rows: list[tuple[str, Any]] = []
    if found.scores is not None:
        for name, value, scale in (("PESQ (wideband)", found.scores.pesq, "1 to 4.64"),
                                   ("PLCMOS", found.scores.plcmos, "1 to 5"), ("STOI", found.scores.stoi, "0 to 1")):
            rows.append((name, "not judged" if value is None else f"{value:.2f}  ({scale})"))
    rows += [("delay", f"{found.delay_ms:.1f} ms  (correlation {found.correlation:.3f})"),
             ("level", f"{found.level_source_dbfs:.1f} dBFS in, {found.level_received_dbfs:.1f} dBFS out, "
                       f"speech {found.gain_db:+.1f} dB"),
             ("silent in speech", places([(g.t_s, g.length_ms) for g in found.gaps], "gap")),
             ("put in", places([(s.t_s, s.change_ms) for s in found.shifts if s.change_ms > 0], "place")),
             ("left out", places([(s.t_s, -s.change_ms) for s in found.shifts if s.change_ms < 0], "place"))]
    return rows
