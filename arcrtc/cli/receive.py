"""``arcrtc receive``: what one sender sends, into a media file."""
from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from arcrtc.cli.keys import key_text, parse_key
from arcrtc.cli.output import (
    EXIT_INTERRUPTED,
    Json,
    Verbose,
    console,
    parse_profile,
    print_json,
    progress_bar,
    say,
)
from arcrtc.errors import ConfigError

if TYPE_CHECKING:
    from arcrtc.call.receiving import ReceiveResult
    from arcrtc.srtp import SrtpConfig

OptionalPath = Optional[Path]  # noqa: UP045 - typer evaluates it on Python 3.10 too
OptionalStr = Optional[str]  # noqa: UP045
OptionalFloat = Optional[float]  # noqa: UP045
OptionalInt = Optional[int]  # noqa: UP045
Out = Annotated[Path, typer.Option(help="The recording: .mkv, .mp4 or another that holds Opus and H.264.",
                                   metavar="FILE")]
Listen = Annotated[OptionalStr, typer.Option(
    help="Where to receive; ':PORT' on all addresses. With --sdp only the host counts.", metavar="HOST:PORT",
    show_default="as --sdp says")]
Sdp = Annotated[OptionalPath, typer.Option(
    help="A description by the sender: ports, payload types, keys.", metavar="FILE", show_default="arcrtc sends")]
Key = Annotated[OptionalStr, typer.Option(
    help="SRTP master key and salt in hexadecimal; '-': the first line of standard input.", metavar="HEX|-",
    show_default="a new one, or that of --sdp")]
Profile = Annotated[OptionalStr, typer.Option(help="SRTP profile, or none.", metavar="NAME|none",
                                              show_default="AEAD_AES_128_GCM, or as --sdp says")]
ShowKey = Annotated[bool, typer.Option("--show-key", help="Say a new key with --json too.")]
Duration = Annotated[OptionalFloat, typer.Option(
    help="Seconds of recording.", metavar="S", min=0.5, max=86_400, show_default="until the sender ends")]
Timeout = Annotated[OptionalFloat, typer.Option(
    help="End after so many seconds without a packet.", metavar="S", min=0.5, max=86_400,
    show_default="10, once media have come")]
Channels = Annotated[OptionalInt, typer.Option(help="Of the sound.", min=1, max=2,
                                               show_default="1, or as --sdp says")]
AudioCodec = Annotated[str, typer.Option(help="Of the sound: opus, pcmu, pcma, g722 or l16; --sdp says it itself.",
                                         metavar="NAME")]
VideoCodec = Annotated[str, typer.Option(help="Of the pictures: h264, vp8, vp9 or av1; --sdp says it itself.",
                                         metavar="NAME")]
MaxLatency = Annotated[int, typer.Option(help="Bound of the play-out delay, milliseconds.", min=20, max=10_000)]


def receive(out: Out, listen: Listen = None, sdp: Sdp = None, key: Key = None, profile: Profile = None,
            show_key: ShowKey = False, duration: Duration = None, timeout: Timeout = None,
            channels: Channels = None, audio_codec: AudioCodec = "opus", video_codec: VideoCodec = "h264",
            max_latency: MaxLatency = 500,
            json: Json = False, verbose: Verbose = False) -> None:
    """Receive sound and pictures over RTP and write them into a file.

    Ends when the sender says good-bye, after --duration, after --timeout without a packet, or on
    Ctrl-C; the file is complete each time. The sender is 'arcrtc send', or with --sdp another one.
    Without --key a new key is made, and the line to type at the other end is said.
    """
    from arcrtc.call.description import read_sdp
    from arcrtc.call.receiving import ReceiveSettings, Receiving

    if listen is None and sdp is None:
        raise ConfigError("--listen is needed, or --sdp")
    description = read_sdp(sdp) if sdp is not None else None
    srtp, made = _key(key, profile, described=sdp is not None)
    if made and json and not show_key:
        raise ConfigError("--json does not say the new key: give one with --key, or add --show-key")
    settings = ReceiveSettings(out=out, listen=listen, description=description, srtp=srtp, duration_s=duration,
                               timeout_s=timeout, channels=channels, audio_codec=audio_codec, video_codec=video_codec,
                               max_latency_ms=max_latency)
    with Receiving(settings) as receiving:
        if made and srtp is not None:
            _say_send(srtp, receiving.addresses[0], channels)
        if not json:
            say(f"waiting on {', '.join(receiving.addresses)}")
        with progress_bar("receive", show=not json) as progress:
            result = receiving.run(progress)
    if json:
        print_json({"out": str(out), "end": result.end.value, "recorded_s": result.recorded_s,
                    "overflow_frames": result.overflow_frames, "left_out_frames": result.left_out_frames,
                    "streams": result.streams})
    else:
        _show(result, out)
    if result.end.value == "interrupted":
        raise typer.Exit(EXIT_INTERRUPTED)


def _key(key: str | None, profile: str | None, *, described: bool) -> tuple[SrtpConfig | None, bool]:
    """(key, whether it is new)."""
    from arcrtc.srtp import SrtpConfig as Config

    if described and key is None:
        if profile is not None:
            raise ConfigError("--profile without --key: the description says profile and key")
        return None, False
    chosen = parse_profile(profile or "AEAD_AES_128_GCM")
    if chosen is None:
        if key is not None:
            raise ConfigError("--key with --profile none: nothing would be encrypted")
        return None, False
    if key is not None:
        return parse_key(key, chosen), False
    return Config.generate(chosen), True


def _say_send(srtp: SrtpConfig, address: str, channels: int | None) -> None:
    port = address.rpartition(":")[2]
    to = address if not address.startswith(("0.0.0.0:", "[::]:")) else f"HOST:{port}"
    words = ["arcrtc", "send", "FILE", "--to", to, "--key", key_text(srtp)]
    if srtp.profile.name != "AEAD_AES_128_GCM":
        words += ["--profile", srtp.profile.name]
    if channels == 2:
        words += ["--channels", "2"]
    say(f"at the other end: {shlex.join(words)}")


def _show(result: ReceiveResult, out: Path) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("stream", "packets", "kB", "lost", "repaired", "late", "jitter", "frames", "not shown or made up"):
        table.add_column(title, justify="left" if title == "stream" else "right")
    for stream in result.streams:
        table.add_row(*_row(stream))
    console().print(table)
    if result.recorded_s:
        console().print(f"{out}  {result.recorded_s:.1f} s, ended by {result.end.value}", markup=False)
    if result.overflow_frames:
        say(f"{result.overflow_frames} frames are not in it: this machine could not encode them in time")
    if result.left_out_frames:
        say(f"{result.left_out_frames} frames are not in it: their stream began too late")


def _row(stream: dict[str, Any]) -> list[str]:
    network, media = stream["network"], stream["media"]
    if stream["kind"] == "audio":
        missing = f"{100 * media['concealed_samples'] / max(media['samples_out'], 1):.1f} %"
    else:
        missing = str(media["frames_given_up"] + media["frames_undecodable"])
    return [stream["kind"], str(network["pkts"]), f"{network['bytes'] / 1000:.1f}", str(network["lost_pkts"]),
            str(network["recovered_pkts"]), str(media["late_pkts"]), f"{network['jitter_ms']:.1f} ms",
            str(media["frames_out"]), missing]
