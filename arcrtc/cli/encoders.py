"""``arcrtc encoders``: each video encoder, and whether it is usable here."""
from __future__ import annotations

from arcrtc.cli.output import Json, Verbose, console, print_json


def encoders(json: Json = False, verbose: Verbose = False) -> None:
    """List each video encoder: codec, library, hardware or software, usable here or why not."""
    from arcrtc.video.encoders import list_encoders

    found = list_encoders()
    if json:
        print_json({"encoders": [
            {"name": e.name, "codec": e.codec.value, "library": e.library, "hardware": e.hardware,
             "usable": e.usable, "reason": e.reason} for e in found]})
        return

    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("encoder", "codec", "library", "kind", "usable here"):
        table.add_column(title)
    for e in found:
        reason = e.reason.removeprefix(f"{e.name}: ") or "no"
        verdict = Text("yes", style="green") if e.usable else Text(reason, style="dim")
        table.add_row(e.name, e.codec.value, e.library, "hardware" if e.hardware else "software", verdict)
    console().print(table)
