"""Sockets of the engine from Python: how they are made, and what is said when the system refuses."""
from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arcrtc import AudioFrame, Engine, SrtpConfig
from arcrtc._native import ffi, lib
from arcrtc.errors import ConfigError, TransportError
from arcrtc.udp import UdpConfig, open_udp, udp_features, udp_stats

ROOT = Path(__file__).resolve().parents[2]


def port_of(udp: Any) -> int:
    return int(lib.arc_udp_port(udp))


def address_of(udp: Any) -> str:
    out = ffi.new("char[]", 128)
    assert lib.arc_udp_address(udp, False, out, 128) == lib.ARC_OK
    return str(ffi.string(out).decode())


def run(code: str) -> str:
    """What a program prints that changes limits of its whole process."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False,
                          timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_udp_open_takes_any_free_port_of_every_family() -> None:
    for host, text in (("", "0.0.0.0:"), ("127.0.0.1", "127.0.0.1:"), ("::1", "[::1]:"), ("::", "[::]:")):
        udp = open_udp(UdpConfig(host=host))
        assert address_of(udp) == f"{text}{port_of(udp)}"
        assert port_of(udp) > 0


def test_udp_busy_port_is_named() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(TransportError, match=rf"127\.0\.0\.1 port {port}: Address already in use"):
            open_udp(UdpConfig(host="127.0.0.1", port=port))


def test_udp_busy_range_is_named() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(TransportError, match=rf"all ports {port}\.\.{port} are in use"):
            open_udp(UdpConfig(host="127.0.0.1", port_range=(port, port)))


def test_udp_range_starts_where_the_seed_says() -> None:
    config = UdpConfig(host="127.0.0.1", port_range=(20_000, 50_000))
    first = port_of(open_udp(config, seed=7))
    assert 20_000 <= first <= 50_000
    assert port_of(open_udp(config, seed=7)) == first  # the former is closed
    assert len({port_of(open_udp(config)) for _ in range(8)}) > 1


@pytest.mark.parametrize(("host", "text"), [
    ("192.0.2.1", "this machine has no such address"),
    ("no.such.host.invalid", "no.such.host.invalid"),
    ("256.1.1.1", "256.1.1.1"),
])
def test_udp_wrong_hosts_are_explained(host: str, text: str) -> None:
    with pytest.raises(TransportError, match=text):
        open_udp(UdpConfig(host=host))


def test_udp_privileged_port_is_explained() -> None:
    """As a user who may not have it; where the system lets everybody have it, it is bound."""
    lowest = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    lines = run("import os, arcrtc\n"
                "from arcrtc.udp import UdpConfig, open_udp\n"
                "if os.geteuid() == 0:\n"
                "    os.setgid(65534)\n"
                "    os.setuid(65534)\n"
                "try:\n"
                "    open_udp(UdpConfig(host='127.0.0.1', port=7))\n"
                "    print('bound')\n"
                "except arcrtc.TransportError as error:\n"
                "    print(error)\n")
    if lowest.exists() and int(lowest.read_text()) <= 7:
        assert lines == "bound"
    else:
        assert lines == ("cannot bind UDP 127.0.0.1 port 7: Permission denied "
                         "(ports below 1024 need root or CAP_NET_BIND_SERVICE)")


def test_udp_exhausted_descriptors_are_explained_and_the_engine_goes_on() -> None:
    lines = run("import resource, arcrtc\n"
                "config = arcrtc.SessionConfig(srtp=arcrtc.SrtpConfig.generate())\n"
                "with arcrtc.Engine() as engine:\n"
                "    first = engine.open(local='127.0.0.1:0', config=config)\n"
                "    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)\n"
                "    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))\n"
                "    try:\n"
                "        engine.open(local='127.0.0.1:0', config=config)\n"
                "    except arcrtc.TransportError as error:\n"
                "        print(error)\n"
                "    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))\n"
                "    engine.open(local='127.0.0.1:0', remote=first.local_address, config=config)\n"
                "    print('goes on')\n")
    assert lines.splitlines() == ["cannot bind UDP 127.0.0.1 port 0: Too many open files "
                                  "(the limit of this process; see ulimit -n)", "goes on"]


def test_udp_dead_peer_is_counted_and_the_thread_sleeps() -> None:
    """ICMP answers each datagram: none is lost for it, and the socket does not stay ready."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as dead:
        dead.bind(("127.0.0.1", 0))
        port = dead.getsockname()[1]
    with Engine() as engine:
        peer = engine.open(local="127.0.0.1:0", remote=f"127.0.0.1:{port}", srtp=SrtpConfig.generate())
        speech = peer.send_audio()
        for _ in range(10):
            speech.send(AudioFrame(samples=np.full(960, 3000, np.int16), sample_rate=48_000))
            time.sleep(0.02)
        before = engine.stats()[0]["turns"]
        time.sleep(0.3)
        turns = engine.stats()[0]["turns"] - before
        udp = peer.stats().session["udp"]
    assert udp["sent_pkts"] >= 5
    assert udp["other_errors"] == udp["would_block"] == 0
    assert turns < 100
    if udp["gro"]:  # other systems tell connected sockets only
        assert udp["refused"] >= 1


def test_udp_buffers_are_read_back() -> None:
    stats = udp_stats(open_udp(UdpConfig(rcvbuf_bytes=20_000, sndbuf_bytes=30_000)))
    assert (stats["rcvbuf_bytes"], stats["sndbuf_bytes"]) == (20_000, 30_000)
    assert udp_stats(open_udp())["rcvbuf_bytes"] > 20_000


def test_udp_switches_turn_features_off() -> None:
    names = ("gro", "gso", "timestamps", "read_ecn", "dont_fragment")
    off = udp_stats(open_udp(UdpConfig(gro=False, gso=False, timestamps=False, read_ecn=False, dont_fragment=False)))
    assert [off[name] for name in names] == [0] * 5
    works = {feature.name: feature.works for feature in udp_features()}
    told = [works[name] for name in ("UDP_GRO", "UDP_SEGMENT", "SO_TIMESTAMPNS", "ECN over IPv4", "IP_MTU_DISCOVER")]
    on = udp_stats(open_udp())
    assert [bool(on[name]) for name in names] == told


@pytest.mark.parametrize("wrong", [
    {"port": -1}, {"port": 65536}, {"rcvbuf_bytes": -1}, {"sndbuf_bytes": 2**30 + 1}, {"ecn": 4},
    {"connect": "sometimes"}, {"port_range": (0, 5)}, {"port_range": (9, 8)}, {"port_range": (1, 65536)},
    {"port_range": (9, 10), "port": 9},
])
def test_udp_config_names_the_field(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        UdpConfig(**wrong)


def test_udp_features_have_reasons() -> None:
    features = udp_features()
    assert {"IPv4", "UDP_SEGMENT", "UDP_GRO", "SO_RCVBUFFORCE"} < {feature.name for feature in features}
    for feature in features:
        assert feature.works == (feature.reason == "")
        assert feature.instead
    assert udp_features() is features


def test_udp_features_of_a_user_without_rights() -> None:
    lines = run("import os\n"
                "from arcrtc.udp import udp_features\n"
                "if os.geteuid() == 0:\n"
                "    os.setgid(65534)\n"
                "    os.setuid(65534)\n"
                "print(*(f'{f.name}: {f.reason}; {f.instead}' for f in udp_features() if not f.works), sep='\\n')\n")
    assert "SO_RCVBUFFORCE: needs root or CAP_NET_ADMIN; buffers end at the system's limit" in lines.splitlines()
