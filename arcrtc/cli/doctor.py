"""``arcrtc doctor``: what this installation is made of, what is missing, what to do."""
from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import typer

from arcrtc.cli import probes
from arcrtc.cli.output import Json, Verbose, console, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from arcrtc.crypto import CryptoBackend
    from arcrtc.libraries import Library
    from arcrtc.machine import Machine
    from arcrtc.video.decoders import DecoderInfo

Level = Literal["good", "hint", "fault"]
_STYLE: Final[dict[str, str]] = {"good": "green", "hint": "yellow", "fault": "bold red"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One finding.

    :ivar level: "good"; "hint": works, but could do better; "fault": will not work.
    :ivar todo: what to do about it; "" where there is nothing to do.
    """

    level: Level
    text: str
    todo: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything the doctor found out.

    :ivar crypto: the cipher backends, each after its known-answer test.
    :ivar decoders: of video, each after it decoded a small picture, or why it could not.
    :ivar crypto_choice: name of the one that SRTP uses; "": ARCRTC_CRYPTO names one that it cannot.
    """

    package: dict[str, str]
    python_packages: dict[str, str]
    libraries: list[Library]
    crypto: list[CryptoBackend]
    crypto_choice: str
    machine: Machine
    network: probes.Network
    clock: probes.Clock
    devices: probes.Devices
    opus: probes.Opus = field(default_factory=probes.Opus)
    decoders: list[DecoderInfo] = field(default_factory=list)

    def to_json(self, verdicts: list[Verdict]) -> dict[str, Any]:
        """One document with all findings."""
        return {
            "package": self.package,
            "python_packages": self.python_packages,
            "libraries": [library.to_json() for library in self.libraries],
            "crypto": {"in_use": self.crypto_choice, "backends": [backend.to_json() for backend in self.crypto]},
            "machine": self.machine.to_json(),
            "network": probes.to_json(self.network),
            "clock": probes.to_json(self.clock),
            "devices": probes.to_json(self.devices),
            "opus": probes.to_json(self.opus),
            "decoders": [{**row._asdict(), "codec": row.codec.value} for row in self.decoders],
            "verdicts": [asdict(verdict) for verdict in verdicts],
        }


def _package_facts() -> dict[str, str]:
    import arcrtc
    from arcrtc._native import lib
    from arcrtc.libraries import build_info, core_path

    info = build_info()
    return {
        "version": arcrtc.__version__,
        "path": str(Path(arcrtc.__file__).parent),
        "core": core_path(),
        "abi": str(lib.arc_abi_version()),
        "compiler": str(info.get("compiler", "")),
        "sanitize": str(info.get("sanitize", "")),
    }


def _python_packages() -> dict[str, str]:
    from importlib import metadata

    found = {}
    for name in ("cffi", "numpy", "av", "matplotlib"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = ""
    if found["av"]:
        import av

        found["av's FFmpeg: libavcodec"] = ".".join(map(str, av.library_versions["libavcodec"]))
    return found


def examine() -> Report:
    """Look at everything; takes under a second."""
    from arcrtc.crypto import backends, chosen
    from arcrtc.libraries import libraries
    from arcrtc.machine import this_machine
    from arcrtc.video.decoders import list_decoders

    return Report(
        package=_package_facts(),
        # Before PyAV is loaded: it brings its own FFmpeg into the process.
        libraries=libraries(),
        crypto=backends(),
        crypto_choice=chosen(),
        python_packages=_python_packages(),
        machine=this_machine(),
        network=probes.probe_network(),
        clock=probes.probe_clock(),
        devices=probes.probe_devices(),
        opus=probes.probe_opus(),
        decoders=list_decoders(),
    )


def judge(report: Report) -> list[Verdict]:
    """Say what the findings mean, the worst first."""
    verdicts = [*_judge_libraries(report.libraries, report.python_packages, report.machine.arch),
                *_judge_crypto(report.crypto, report.crypto_choice), *_judge_machine(report.machine),
                *_judge_network(report.network), *_judge_clock(report.clock), *_judge_devices(report.devices)]
    if report.package["sanitize"]:
        verdicts.append(Verdict("hint", f"the core is compiled with -fsanitize={report.package['sanitize']}",
                                "rebuild it without ARCRTC_SANITIZE: it is slow"))
    order = ("fault", "hint", "good")
    return sorted(verdicts, key=lambda verdict: order.index(verdict.level))


#: Libraries that exist for these processors only.
_ONLY_ON: Final = {"IPSec_MB": ("x86_64", "AMD64")}


def _judge_libraries(libraries: list[Library], python_packages: dict[str, str], arch: str) -> list[Verdict]:
    from arcrtc.libraries import differs

    out = [Verdict("fault", f"the Python package {name} is missing", f"pip install {name}")
           for name, version in python_packages.items() if not version]
    for library in libraries:
        if library.package is not None:
            if arch in _ONLY_ON.get(library.name, (arch,)):
                out.append(Verdict("hint", f"{library.name} is not compiled in",
                                   f"install {library.package.where()}, then install arcrtc again"))
        elif differs(library):
            out.append(Verdict(
                "hint", f"{library.name} {library.loaded} is loaded, compiled against was {library.compiled}",
                "install arcrtc again, so that it is compiled against the new one"))
    if not out:
        out.append(Verdict("good", "every library is compiled in, and loaded as compiled against"))
    return out


def _judge_crypto(backends: list[CryptoBackend], choice: str) -> list[Verdict]:
    if not choice:
        return [Verdict("fault", "the environment variable ARCRTC_CRYPTO asks for what SRTP cannot use here",
                        "unset ARCRTC_CRYPTO, or set it to auto, " + " or ".join(
                            backend.name for backend in backends if not backend.unusable))]
    wrong = [Verdict("fault", f"{backend.name} {backend.version} is not used: {backend.unusable}",
                     f"install another version of {backend.name}")
             for backend in backends if "wrong answer" in backend.unusable]
    return [*wrong, Verdict("good", f"SRTP is encrypted by {choice}")]


def _judge_machine(machine: Machine) -> list[Verdict]:
    if "aes" not in machine.features:
        return [Verdict("hint", "the CPU shows no AES instructions: SRTP takes about ten times longer",
                        "on a virtual machine, pass the host's CPU model through")]
    fast = "vaes" in machine.features and "avx512f" in machine.features
    return [Verdict("good", "AES in hardware" + (", wide (VAES with AVX-512)" if fast else ""))]


def _judge_network(network: probes.Network) -> list[Verdict]:
    out = []
    if network.absent("IPv4"):
        out.append(Verdict("fault", "UDP over the IPv4 loopback does not work", "ip link set lo up"))
    if network.absent("IPv6"):
        out.append(Verdict("hint", "UDP over the IPv6 loopback does not work: IPv4 only",
                           "sudo sysctl -w net.ipv6.conf.lo.disable_ipv6=0"))
    absent = [feature.name for feature in network.absent("UDP_SEGMENT", "UDP_GRO", "recvmmsg, sendmmsg")]
    if absent:
        out.append(Verdict("hint", f"no {' and no '.join(absent)}: more system calls per packet",
                           "use Linux 5.0 or later; some sandboxes (gVisor) lack them"
                           if sys.platform == "linux" else ""))
    else:
        out.append(Verdict("good", "UDP_SEGMENT and UDP_GRO: many packets in one system call"))
    out += [Verdict("hint", f"no {feature.name} ({feature.reason}): {feature.instead}")
            for feature in network.absent("SO_TIMESTAMPNS", "ECN over IPv4", "IP_MTU_DISCOVER", "IP_RECVERR")]
    wanted = probes.WANTED_BUFFER_BYTES
    for word, key, granted in (("receive", "net.core.rmem_max", network.receive_buffer_bytes),
                               ("send", "net.core.wmem_max", network.send_buffer_bytes)):
        if granted < wanted:
            out.append(Verdict("hint", f"{word} buffers end at {granted // 1024} KiB: bursts may be lost",
                               f"sudo sysctl -w {key}={wanted}" if sys.platform == "linux" else ""))
    return out


def _judge_clock(clock: probes.Clock) -> list[Verdict]:
    if clock.step_us > 100 or clock.sleep_over_us > 1000:
        return [Verdict("hint", f"the clock is coarse (steps of {clock.step_us:.0f} us, a sleep of 1 ms is "
                                f"late by {clock.sleep_over_us:.0f} us): packets will leave in clumps",
                        "use a less loaded machine for measurements")]
    return [Verdict("good", f"the clock is fine (a sleep of 1 ms is late by {clock.sleep_over_us:.0f} us)")]


def _judge_devices(devices: probes.Devices) -> list[Verdict]:
    out = [Verdict("hint", f"{path} is there, but this user may not open it",
                   "sudo usermod -aG render,video $USER, then log in again") for path in devices.forbidden]
    if not devices.render and not devices.nvidia:
        out.append(Verdict("good", "no GPU is visible: video is encoded in software"))
    return out


def _show(report: Report, verdicts: list[Verdict], out: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    def section(title: str, rows: list[tuple[str, str]]) -> None:
        out.print(Text(title, style="bold"))
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for key, value in rows:
            table.add_row(f"  {key}", Text(value))
        out.print(table)

    package, machine, network = report.package, report.machine, report.network
    section("arcrtc", [("version", package["version"]), ("path", package["path"]),
                       ("core", f"{package['core']} (ABI {package['abi']}, compiler {package['compiler']})"),
                       ("python", machine.python)])
    section("Libraries", [(library.name, _describe(library)) for library in report.libraries])
    section("Opus", [(name, "yes" if there else "no: it takes libopus 1.5 or later, built with it")
                     for name, there in (("deep PLC", report.opus.deep_plc), ("DRED", report.opus.dred))])
    section("Video decoders", [
        (f"{row.codec.value} {row.name}{row.hwaccel and ' on ' + row.hwaccel}",
         "decodes" if row.usable else f"no: {row.reason}") for row in report.decoders])
    section("Encryption", [(backend.name + (" *" if backend.name == report.crypto_choice else ""),
                            _describe_backend(backend)) for backend in report.crypto])
    section("Python packages", [(name, text or "missing") for name, text in report.python_packages.items()])
    virtual = ", virtual" if machine.virtual else ""
    section("Machine", [
        ("cpu", f"{machine.cpu or 'unknown'}, {machine.cores} cores{virtual}"),
        ("features", " ".join(machine.features) or "none known"),
        ("memory", f"{machine.memory_mib} MiB"),
        ("system", f"{machine.system}, kernel {machine.kernel}, {machine.arch}")])
    asked = probes.WANTED_BUFFER_BYTES // 1024
    section("Network", [
        ("buffers", f"receive {network.receive_buffer_bytes // 1024} KiB, send "
                    f"{network.send_buffer_bytes // 1024} KiB of {asked} asked for"),
        *((feature.name, "works" if feature.works else f"no: {feature.reason}; {feature.instead}")
          for feature in network.features)])
    section("Clock", [("monotonic", f"steps of {report.clock.step_us:g} us, a sleep of 1 ms is late by "
                                    f"{report.clock.sleep_over_us:g} us")])
    devices = report.devices
    section("Devices", [("video", " ".join((*devices.render, *devices.nvidia, *devices.v4l2))
                         or "no /dev/dri/render*, /dev/nvidia* or /dev/video*")])
    out.print(Text("Verdict", style="bold"))
    for verdict in verdicts:
        line = Text("  ").append(f"{verdict.level:5}  ", style=_STYLE[verdict.level]).append(verdict.text)
        out.print(line, soft_wrap=True)
        if verdict.todo:
            out.print(Text(f"         -> {verdict.todo}"), soft_wrap=True)
    out.print(Text("  'arcrtc encoders' tries each video encoder.", style="dim"))


def _describe(library: Library) -> str:
    if library.compiled is None:
        return "not compiled in"
    loaded = f", loaded {library.loaded}" if library.loaded else ""
    return f"compiled against {library.compiled}{loaded}" + (f"  {library.path}" if library.path else "")


def _describe_backend(backend: CryptoBackend) -> str:
    if backend.unusable:
        return f"{backend.version} not used: {backend.unusable}".strip()
    return f"{backend.version}, known answers right" + (f", {backend.code} code" if backend.code else "")


def doctor(json: Json = False, verbose: Verbose = False) -> None:
    """Show libraries, CPU, network and devices; say what is missing and how to get it."""
    report = examine()
    verdicts = judge(report)
    if json:
        print_json(report.to_json(verdicts))
    else:
        _show(report, verdicts, console())
    if any(verdict.level == "fault" for verdict in verdicts):
        raise typer.Exit(1)
