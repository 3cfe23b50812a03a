"""``arcrtc send``: a file's sound and pictures to one receiver, in real time."""
from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from arcrtc.cli.keys import key_text, parse_key
from arcrtc.cli.output import (
    EXIT_INTERRUPTED,
    Json,
    Verbose,
    console,
    parse_distances,
    parse_profile,
    print_json,
    progress_bar,
    say,
)
from arcrtc.errors import ConfigError

if TYPE_CHECKING:
    from arcrtc.call.sending import SendResult, SendSettings
    from arcrtc.srtp import SrtpConfig

OptionalPath = Optional[Path]  # noqa: UP045 - typer evaluates it on Python 3.10 too
OptionalStr = Optional[str]  # noqa: UP045
OptionalFloat = Optional[float]  # noqa: UP045
OptionalInt = Optional[int]  # noqa: UP045
File = Annotated[Path, typer.Argument(
    help="What is sent: the sound, the pictures or both of a file; or testsrc:size=1280x720,rate=30 (a test pattern), "
         "v4l2:/dev/video0, x11grab::0.0.", metavar="FILE", show_default=False)]
To = Annotated[str, typer.Option(help="Where to.", metavar="HOST:PORT")]
Sdp = Annotated[OptionalPath, typer.Option(
    help="Write a description for FFmpeg and other players, and send as they expect it: sound to PORT, pictures to "
         "PORT+2 (alone: to PORT), RTCP one above each.", metavar="FILE", show_default=False)]
Key = Annotated[OptionalStr, typer.Option(
    help="SRTP master key and salt in hexadecimal; '-': the first line of standard input.", metavar="HEX|-",
    show_default="a new one")]
Profile = Annotated[OptionalStr, typer.Option(
    help="SRTP profile, or none.", metavar="NAME|none",
    show_default="AEAD_AES_128_GCM; with --sdp AES_CM_128_HMAC_SHA1_80, which FFmpeg knows")]
ShowKey = Annotated[bool, typer.Option("--show-key", help="Say a new key with --json too.")]
Wait = Annotated[bool, typer.Option("--wait", help="Begin when a line (Enter) comes on standard input.")]
Duration = Annotated[OptionalFloat, typer.Option(
    help="Seconds; the media are repeated.", metavar="S", min=0.5, max=86_400, show_default="one pass")]
Encoder = Annotated[str, typer.Option(help="auto, software, nvenc, vaapi, qsv ... or a library's name.", metavar="E")]
AudioCodec = Annotated[str, typer.Option(help="opus, pcmu, pcma, g722 or l16.", metavar="NAME")]
Red = Annotated[OptionalStr, typer.Option(
    help="Copies of past packets of Opus in later ones (RFC 2198): how many packets back, the most important first; "
         "3 for instance, or 3,1. The other end must take them: arcrtc does.", metavar="D[,D...]",
    show_default="none")]
AudioBitrate = Annotated[int, typer.Option(help="Bits per second of Opus.", min=6_000, max=510_000)]
VideoCodec = Annotated[str, typer.Option(help="h264, vp8, vp9 or av1.", metavar="NAME")]
VideoBitrate = Annotated[int, typer.Option(help="Bits per second of the pictures.", min=10_000, max=1_000_000_000)]
Channels = Annotated[int, typer.Option(help="Of the sound.", min=1, max=2)]
Height = Annotated[OptionalInt, typer.Option(help="Scale the pictures to this height.", min=16, max=4320,
                                             show_default="as in the file")]


def send(file: File, to: To, sdp: Sdp = None, key: Key = None, profile: Profile = None, show_key: ShowKey = False,
         wait: Wait = False, duration: Duration = None, encoder: Encoder = "auto", audio_codec: AudioCodec = "opus",
         video_codec: VideoCodec = "h264", audio_bitrate: AudioBitrate = 32_000,
         video_bitrate: VideoBitrate = 1_500_000, channels: Channels = 1, red: Red = None,
         height: Height = None, json: Json = False, verbose: Verbose = False) -> None:
    """Send a file's sound and pictures over RTP, in real time.

    The other end is 'arcrtc receive', or with --sdp any player that reads the description.
    Without --key a new key is made, and the line to type at the other end is said.
    """
    from arcrtc.call.sending import Sending, SendSettings

    keys, made = _keys(key, profile, apart=sdp is not None)
    if made and json and not show_key and sdp is None:
        raise ConfigError("--json does not say the new key: give one with --key, or add --show-key")
    settings = SendSettings(
        file=file, to=to, sdp=sdp, srtp=keys, duration_s=duration,
        video_codec=video_codec, encoder=encoder, audio_codec=audio_codec, audio_bitrate=audio_bitrate,
        video_bitrate=video_bitrate, channels=channels, height=height, red=parse_distances(red))
    with Sending(settings) as sending:
        if sdp is not None:
            _say_sdp(sdp, keys, quiet=json)
        elif not json or show_key:
            _say_receive(settings, keys if made else (), sending.port)
        if wait or (made and sdp is None and sys.stdin.isatty() and not json):
            say("Enter begins")
            sys.stdin.readline()
        with progress_bar("send", show=not json) as progress:
            result = sending.run(progress)
    if json:
        print_json({"to": to, "sdp": str(sdp) if sdp else None, "srtp": keys[0].profile.name if keys else "none",
                    "duration_s": result.duration_s, "interrupted": result.interrupted, "streams": result.streams})
    else:
        _show(result)
        for name, why in result.passed_over if verbose else ():
            say(f"{name} was not taken: {why}")
    if result.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)


def _keys(key: str | None, profile: str | None, *, apart: bool) -> tuple[tuple[SrtpConfig, ...], bool]:
    """(keys, whether they are new)."""
    from arcrtc.srtp import SrtpConfig as Config

    chosen = parse_profile(profile or ("AES_CM_128_HMAC_SHA1_80" if apart else "AEAD_AES_128_GCM"))
    if chosen is None:
        if key is not None:
            raise ConfigError("--key with --profile none: nothing would be encrypted")
        return (), False
    if key is not None:
        return (parse_key(key, chosen),), False
    return tuple(Config.generate(chosen) for _ in range(1 + apart)), True


def _say_receive(settings: SendSettings, made: tuple[SrtpConfig, ...], port: int) -> None:
    words = ["arcrtc", "receive", "--listen", f":{port}", "--out", "received.mkv"]
    if made:
        words += ["--key", key_text(made[0])]
        if made[0].profile.name != "AEAD_AES_128_GCM":
            words += ["--profile", made[0].profile.name]
    else:
        words += ["--profile", "none"] if not settings.srtp else ["--key", "..."]
        if settings.srtp and settings.srtp[0].profile.name != "AEAD_AES_128_GCM":
            words += ["--profile", settings.srtp[0].profile.name]
    if settings.channels == 2:
        words += ["--channels", "2"]
    if settings.audio_codec != "opus":
        words += ["--audio-codec", settings.audio_codec]
    if settings.video_codec != "h264":
        words += ["--video-codec", settings.video_codec]
    say(f"at the other end: {shlex.join(words)}")


def _say_sdp(sdp: Path, keys: tuple[SrtpConfig, ...], *, quiet: bool) -> None:
    if quiet:
        return
    protocols = "file,udp,rtp" + (",srtp" if keys else "")
    say(f"{sdp} written{', with the keys' if keys else ''}; for instance: "
        f"ffplay -protocol_whitelist {protocols} {shlex.quote(str(sdp))}")


def _show(result: SendResult) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("stream", "encoder", "frames", "dropped", "packets", "kB", "kb/s", "lost", "sent again",
                  "round trip"):
        table.add_column(title, justify="left" if title in ("stream", "encoder") else "right")
    for stream in result.streams:
        table.add_row(*_row(stream, result.duration_s))
    console().print(table)


def _row(stream: dict[str, Any], duration_s: float) -> list[str]:
    network, media = stream["network"], stream["media"]
    answered = stream["rtt_us"] >= 0
    dropped = media["frames_dropped"] + stream["queue"]["dropped"]
    return [stream["kind"], stream["encoder"], str(media["frames_encoded"]), str(dropped), str(network["pkts"]),
            f"{network['bytes'] / 1000:.1f}", f"{network['bytes'] * 8 / 1000 / max(duration_s, 1e-3):.0f}",
            str(network["remote_lost_pkts"]) if answered else "?", str(network["rtx_pkts"]),
            f"{stream['rtt_us'] / 1000:.1f} ms" if answered else "no answer"]
