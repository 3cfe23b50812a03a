"""What doctor concludes from findings of machines unlike this one."""
from __future__ import annotations

from dataclasses import replace

import pytest

from arcrtc.cli import doctor, probes
from arcrtc.crypto import CryptoBackend
from arcrtc.libraries import Library, Package, differs, parse_build_info
from arcrtc.machine import Machine, parse_cpuinfo, this_machine
from arcrtc.udp import udp_features

GOOD_MACHINE = Machine(cpu="CPU", cores=4, features=("aes", "vaes", "avx512f"), memory_mib=8192,
                       arch="x86_64", kernel="6.1", system="Debian", python="CPython 3.11", virtual=False)
GOOD_NETWORK = probes.Network(features=tuple(replace(feature, works=True, reason="") for feature in udp_features()),
                              receive_buffer_bytes=probes.WANTED_BUFFER_BYTES,
                              send_buffer_bytes=probes.WANTED_BUFFER_BYTES)
GPU = "/dev/dri/renderD128"
OPUS = Library(name="opus", compiled="1.3.1", loaded="1.3.1", path="/usr/lib/libopus.so.0", package=None)
OPENSSL = CryptoBackend(name="openssl", version="3.0", code="", unusable="")
WRONG = CryptoBackend(name="ipsecmb", version="1.3", code="AVX2", unusable="AES-128-GCM gives a wrong answer")
NO_IPSECMB = Library(name="IPSec_MB", compiled=None, loaded="", path="",
                     package=Package("libipsec-mb-dev", "x", ""))
GOOD = doctor.Report(
    package={"version": "0", "path": "/", "core": "/", "abi": "1", "compiler": "12", "sanitize": ""},
    python_packages={"numpy": "2.0"}, libraries=[OPUS], crypto=[OPENSSL], crypto_choice="openssl",
    machine=GOOD_MACHINE, network=GOOD_NETWORK,
    clock=probes.Clock(step_us=0.05, sleep_over_us=60), devices=probes.Devices(render=(GPU,)))


def without(*names: str) -> doctor.Report:
    """GOOD on a machine where these features do not work."""
    assert {feature.name for feature in GOOD_NETWORK.features} >= set(names)
    features = tuple(replace(feature, works=False, reason="broken") if feature.name in names else feature
                     for feature in GOOD_NETWORK.features)
    return replace(GOOD, network=replace(GOOD_NETWORK, features=features))


def worst(report: doctor.Report) -> doctor.Verdict:
    return doctor.judge(report)[0]


def test_doctor_finds_nothing_wrong_with_a_good_machine() -> None:
    assert {verdict.level for verdict in doctor.judge(GOOD)} == {"good"}


@pytest.mark.parametrize(("report", "level", "text", "todo"), [
    (replace(GOOD, python_packages={"av": ""}), "fault", "av is missing", "pip install av"),
    (without("IPv4"), "fault", "IPv4", "ip link set lo up"),
    (without("IPv6"), "hint", "IPv6", "disable_ipv6=0"),
    (without("UDP_SEGMENT"), "hint", "no UDP_SEGMENT:", "Linux 5.0"),
    (without("UDP_GRO", "recvmmsg, sendmmsg"), "hint", "no recvmmsg, sendmmsg and no UDP_GRO:", "Linux 5.0"),
    (without("ECN over IPv4"), "hint", "no ECN over IPv4 (broken): congestion shows by loss", ""),
    (without("SO_TIMESTAMPNS"), "hint", "no SO_TIMESTAMPNS (broken): arrival is when", ""),
    (replace(GOOD, network=replace(GOOD_NETWORK, receive_buffer_bytes=212992)), "hint",
     "receive buffers end at 208 KiB", "net.core.rmem_max=4194304"),
    (replace(GOOD, machine=replace(GOOD_MACHINE, features=())), "hint", "no AES", "CPU model"),
    (replace(GOOD, clock=probes.Clock(step_us=15_600, sleep_over_us=14_000)),
     "hint", "coarse", "less loaded"),
    (replace(GOOD, devices=probes.Devices(render=(GPU,), forbidden=(GPU,))),
     "hint", f"{GPU} is there", "usermod"),
    (replace(GOOD, package={**GOOD.package, "sanitize": "address"}), "hint", "-fsanitize=address", "rebuild"),
    (replace(GOOD, libraries=[replace(OPUS, loaded="1.4")]),
     "hint", "opus 1.4 is loaded", "install arcrtc again"),
    (replace(GOOD, libraries=[Library(name="dav1d", compiled=None, loaded="", path="",
                                      package=Package("libdav1d-dev", "dav1d-devel", "dav1d"))]),
     "hint", "dav1d is not compiled in", "libdav1d-dev (Debian"),
    (replace(GOOD, libraries=[NO_IPSECMB]), "hint", "IPSec_MB",
     "install libipsec-mb-dev (Debian, Ubuntu) or x (Fedora), "),
    (replace(GOOD, crypto=[OPENSSL, WRONG]), "fault", "ipsecmb 1.3 is not used: AES-128-GCM", "another version"),
    (replace(GOOD, crypto=[OPENSSL, WRONG], crypto_choice=""), "fault", "ARCRTC_CRYPTO", "auto, openssl"),
])
def test_doctor_says_what_is_wrong_and_what_to_do(report: doctor.Report, level: str, text: str,
                                                  todo: str) -> None:
    verdict = worst(report)
    assert verdict.level == level
    assert text in verdict.text
    assert todo in verdict.todo


def test_doctor_does_not_ask_for_what_only_some_need() -> None:
    report = without("SO_RCVBUFFORCE", "SO_REUSEPORT")
    assert {verdict.level for verdict in doctor.judge(report)} == {"good"}


def test_doctor_does_not_ask_for_what_the_processor_cannot_run() -> None:
    arm = replace(GOOD, libraries=[NO_IPSECMB], machine=replace(GOOD_MACHINE, arch="aarch64"))
    assert {verdict.level for verdict in doctor.judge(arm)} == {"good"}


def test_libraries_differ_by_major_and_minor_only() -> None:
    assert not differs(OPUS)
    assert not differs(replace(OPUS, loaded="1.3.2"))
    assert not differs(replace(OPUS, loaded=""))
    assert differs(replace(OPUS, loaded="1.5.2"))
    assert not differs(replace(OPUS, compiled=None))


def test_build_info_is_split_into_versions_and_packages() -> None:
    text = "opus=1.3.1;dav1d=!libdav1d-dev,dav1d-devel,dav1d;compiler=Clang 14.0.6 (x=y)"
    assert parse_build_info(text) == {
        "opus": "1.3.1", "dav1d": Package("libdav1d-dev", "dav1d-devel", "dav1d"),
        "compiler": "Clang 14.0.6 (x=y)"}
    assert parse_build_info("") == {}


def test_cpuinfo_of_x86_and_arm() -> None:
    x86 = ("processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu aes avx2\n\n"
           "processor\t: 1\nmodel name\t: Other\n")
    arm = "processor\t: 0\nFeatures\t: fp asimd aes\nCPU part\t: 0xd0c\n"
    assert parse_cpuinfo(x86) == ("Some CPU", {"fpu", "aes", "avx2"})
    assert parse_cpuinfo(arm) == ("0xd0c", {"fp", "asimd", "aes"})
    assert parse_cpuinfo("") == ("", frozenset())


def test_this_machine_is_json_and_plausible() -> None:
    machine = this_machine()
    assert machine.cores >= 1
    assert machine.to_json()["features"] == list(machine.features)
    assert machine.python.startswith("CPython 3.")


def test_devices_are_looked_for_but_not_opened() -> None:
    devices = probes.probe_devices()
    assert all(path.startswith("/dev/") for path in (*devices.render, *devices.nvidia, *devices.v4l2))
    assert set(devices.forbidden) <= {*devices.render, *devices.nvidia, *devices.v4l2}


def test_doctor_tells_of_opus_what_the_core_finds() -> None:
    from arcrtc._native import ffi, lib
    from arcrtc.cli import probes

    out = ffi.new("struct arc_opus_features *")
    assert lib.arc_opus_probe(out) == lib.ARC_OK
    assert probes.to_json(probes.probe_opus()) == {"deep_plc": out.deep_plc, "dred": out.dred}
