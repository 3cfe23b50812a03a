"""``arcrtc call``: a whole call between two peers on this machine, and its report."""
from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Optional

import typer

from arcrtc.cli.output import (
    EXIT_INTERRUPTED,
    Json,
    Verbose,
    console,
    parse_distances,
    parse_profile,
    progress_bar,
    say,
)
from arcrtc.errors import ConfigError

if TYPE_CHECKING:
    from arcrtc.call import CallResult, CallSettings
    from arcrtc.report import CallReport

OptionalPath = Optional[Path]  # noqa: UP045 - typer evaluates it on Python 3.10 too
OptionalStr = Optional[str]  # noqa: UP045
OptionalFloat = Optional[float]  # noqa: UP045
OptionalInt = Optional[int]  # noqa: UP045
Audio = Annotated[OptionalPath, typer.Option(help="File whose sound is sent.", metavar="FILE", show_default="sample")]
Video = Annotated[OptionalPath, typer.Option(
    help="File whose pictures are sent, and its sound unless --audio names another.", metavar="FILE",
    show_default="sample")]
Network = Annotated[str, typer.Option(
    help="perfect, wifi, lte, lossy, congested, or a plan: a file that ends in .toml.", metavar="NAME|PLAN.toml")]
Duration = Annotated[OptionalFloat, typer.Option(
    help="Seconds; the media are repeated.", metavar="S", min=0.5, max=86_400, show_default="one pass")]
Seed = Annotated[int, typer.Option(help="Of every decision of the network: the same seed, the same decisions.",
                                   metavar="N", min=0)]
Encoder = Annotated[str, typer.Option(help="auto, software, nvenc, vaapi, qsv ... or a library's name.", metavar="E")]
Out = Annotated[Path, typer.Option(help="Folder for received.mkv, report.json and report.html.", metavar="DIR")]
AudioCodec = Annotated[str, typer.Option(help="opus, pcmu, pcma, g722 or l16.", metavar="NAME")]
AudioBitrate = Annotated[int, typer.Option(help="Bits per second of Opus.", min=6_000, max=510_000)]
VideoCodec = Annotated[str, typer.Option(help="h264, vp8, vp9 or av1.", metavar="NAME")]
VideoBitrate = Annotated[int, typer.Option(help="Bits per second of the pictures.", min=10_000, max=1_000_000_000)]
Height = Annotated[OptionalInt, typer.Option(help="Scale the pictures to this height.", min=16, max=4320,
                                             show_default="as in the file")]
Profile = Annotated[str, typer.Option(help="SRTP profile, or none.", metavar="NAME|none")]
Nack = Annotated[bool, typer.Option(help="Have lost video packets sent again.")]
NackAudio = Annotated[bool, typer.Option(help="Lost audio packets too; costs a round trip of delay.")]
Fec = Annotated[bool, typer.Option(help="In-band FEC of Opus.")]
Red = Annotated[OptionalStr, typer.Option(
    help="Copies of past packets of Opus in later ones (RFC 2198): how many packets back, the most important first; "
         "3 for instance, or 3,1.", metavar="D[,D...]", show_default="none")]
Repair = Annotated[str, typer.Option(
    help="manual: as the options say. auto: copies, parity and resends are agreed on, and a policy chooses.",
    metavar="manual|auto")]
Score = Annotated[bool, typer.Option("--score/--no-score", help="Judge the sound afterwards by PESQ, PLCMOS and STOI, "
                                     "if they are installed: pip install 'arcrtc[eval]'.")]
MaxLatency = Annotated[int, typer.Option(help="Bound of the play-out delay, milliseconds.", min=20, max=10_000)]


def call(audio: Audio = None, video: Video = None, network: Network = "perfect", duration: Duration = None,
         seed: Seed = 0, encoder: Encoder = "auto", out: Out = Path("out/call"), audio_codec: AudioCodec = "opus",
         video_codec: VideoCodec = "h264",
         audio_bitrate: AudioBitrate = 32_000, video_bitrate: VideoBitrate = 1_500_000, height: Height = None,
         profile: Profile = "AEAD_AES_128_GCM", nack: Nack = True, nack_audio: NackAudio = False, fec: Fec = True,
         red: Red = None, repair: Repair = "manual", max_latency: MaxLatency = 500,
         score: Score = True, json: Json = False, verbose: Verbose = False) -> None:
    """Hold a whole call between two peers on this machine and report how it was.

    Real UDP on loopback with SRTP, through an emulated network. Writes received.mkv, report.json
    and report.html. Ctrl-C ends the call early and still writes the report of what there was.
    """
    from arcrtc.call import CallSettings, run_call
    from arcrtc.sim import NetworkPlan

    settings = CallSettings(
        audio=audio, video=video, network=NetworkPlan.load(network), duration_s=duration, seed=seed,
        video_codec=video_codec, encoder=encoder,
        audio_codec=audio_codec, red=parse_distances(red), repair=_parse_repair(repair),
        audio_bitrate=audio_bitrate, video_bitrate=video_bitrate, height=height,
        profile=parse_profile(profile), nack=nack, nack_audio=nack_audio, fec=fec, max_latency_ms=max_latency)
    make_folder(out)
    with progress_bar("call", show=not json) as progress:
        result = run_call(settings, out, progress)
    report = _write(result, out, scored=score, show=not json)
    if json:
        from arcrtc.report import to_json

        sys.stdout.write(to_json(report) + "\n")
    else:
        _show(report, out, settings)
    if result.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)


def _parse_repair(text: str) -> Literal["manual", "auto"]:
    if text not in ("manual", "auto"):
        raise ConfigError(f"--repair {text}: is neither manual nor auto")
    return "auto" if text == "auto" else "manual"


def make_folder(out: Path) -> None:
    """Make the folder for results.

    :raises MediaError: it cannot be made or written to.
    """
    import os

    from arcrtc.errors import MediaError

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MediaError(f"--out {out}: {error.strerror or error}") from error
    if not os.access(out, os.W_OK | os.X_OK):
        raise MediaError(f"--out {out}: cannot be written to")


def _command() -> str:
    return shlex.join(["arcrtc", *sys.argv[1:]])


def _write(result: CallResult, out: Path, *, scored: bool, show: bool) -> CallReport:
    from arcrtc.call.summary import build_report, first_and_last
    from arcrtc.report import write_html, write_json

    if show and console(stderr=True).is_terminal:
        say("writing the report ...")
    report = build_report(result, _command(), scored=scored)
    write_json(report, out / "report.json")
    first, last = first_and_last(result)
    write_html(report, out / "report.html", first, last)
    return report


def _show(report: CallReport, out: Path, settings: CallSettings) -> None:
    from arcrtc.report import to_table

    terminal = console()
    terminal.print(to_table(report))
    terminal.print()
    for name, what in (("received.mkv", "what was heard and seen"), ("report.html", "for people"),
                       ("report.json", "for programs")):
        terminal.print(f"{out / name}  {what}", markup=False)
