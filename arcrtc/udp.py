"""UDP sockets of the engine: how they are made, what they tell, what this machine can do (C module ``io/udp``).

Nothing here is on the way of a packet: native threads read and write these sockets.
"""
from __future__ import annotations

import functools
import secrets
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

from arcrtc._native import check, error_for, ffi, lib
from arcrtc.config import check_range
from arcrtc.errors import ArgumentError, ConfigError
from arcrtc.events import to_dict

_WHY_BYTES: Final = 256
_ADDRESS_BYTES: Final = 128
_MAX_BUFFER_BYTES: Final = 2**30
_CONNECT: Final = {"never": lib.ARC_UDP_CONNECT_NEVER, "set": lib.ARC_UDP_CONNECT_SET,
                   "always": lib.ARC_UDP_CONNECT_ALWAYS}
_SWITCHES: Final = ("reuse_port", "gro", "gso", "batch", "timestamps", "read_ecn", "dont_fragment")


@dataclass(frozen=True, slots=True, kw_only=True)
class UdpConfig:
    """How a socket is made. What may be switched off costs speed or knowledge only.

    :ivar host: name or number; "": all IPv4 addresses; "::": all, of both families.
    :ivar port: 0..65535; 0: any free one, or one of ``port_range``.
    :ivar port_range: first and last port, 1..65535, of which a free one is taken, from a
        random one on (RFC 6056 section 3.3.1); None: no range.
    :ivar rcvbuf_bytes: what may wait to be read, 0..2^30; 0: 4 MiB. Much more costs speed.
    :ivar sndbuf_bytes: what may wait to leave, 0..2^30; 0: 4 MiB.
    :ivar ecn: ECN bits of packets, 0..3 (RFC 3168 section 5): 1 for L4S (RFC 9331).
    :ivar connect: when the socket is tied to its remote address, which makes sending
        cheaper and keeps everybody else out: "never", "set" (where the address is
        given) or "always" (where it is learned as well).
    :ivar reuse_port: share the port with other sockets that do so.
    :ivar gro: read datagrams that the system has merged (UDP_GRO).
    :ivar gso: have the system cut up trains of datagrams (UDP_SEGMENT).
    :ivar batch: several messages with one system call (recvmmsg, sendmmsg).
    :ivar timestamps: take the arrival times from the kernel.
    :ivar read_ecn: read the ECN bits of what arrives.
    :ivar dont_fragment: obey the path MTU (RFC 1191, RFC 8201).
    :raises ConfigError: a value is outside of what is stated here.
    """

    host: str = ""
    port: int = 0
    port_range: tuple[int, int] | None = None
    rcvbuf_bytes: int = 0
    sndbuf_bytes: int = 0
    ecn: int = 0
    connect: Literal["never", "set", "always"] = "never"
    reuse_port: bool = False
    gro: bool = True
    gso: bool = True
    batch: bool = True
    timestamps: bool = True
    read_ecn: bool = True
    dont_fragment: bool = True

    def __post_init__(self) -> None:
        """Check every field."""
        check_range("port", self.port, 0, 65535)
        check_range("rcvbuf_bytes", self.rcvbuf_bytes, 0, _MAX_BUFFER_BYTES)
        check_range("sndbuf_bytes", self.sndbuf_bytes, 0, _MAX_BUFFER_BYTES)
        check_range("ecn", self.ecn, 0, 3)
        if self.connect not in _CONNECT:
            raise ConfigError(f"connect={self.connect!r} is none of {', '.join(_CONNECT)}")
        if self.port_range is not None:
            low, high = self.port_range
            check_range("port_range[0]", low, 1, 65535)
            check_range("port_range[1]", high, low, 65535)
            if self.port:
                raise ConfigError(f"port={self.port} and port_range={self.port_range}: give one of them")


def _fill(native: Any, config: UdpConfig, seed: int) -> None:
    for name in ("port", "rcvbuf_bytes", "sndbuf_bytes", "ecn", *_SWITCHES):
        setattr(native, name, getattr(config, name))
    native.port_min, native.port_max = config.port_range or (0, 0)
    native.connect = _CONNECT[config.connect]
    native.seed = seed


def open_udp(config: UdpConfig | None = None, *, seed: int | None = None) -> Any:
    """Open and bind a socket; it is closed with its last reference.

    :param config: None: any free port of all IPv4 addresses.
    :param seed: where the search of a range of ports starts; None: anywhere.
    :returns: a ``struct arc_udp *``, for one owner at a time.
    :raises TransportError: the system refuses; the message says what and why.
    """
    config = config or UdpConfig()
    host = ffi.new("char[]", config.host.encode())
    why = ffi.new("char[]", _WHY_BYTES)
    native = ffi.new("struct arc_udp_config *")
    out = ffi.new("struct arc_udp **")
    lib.arc_udp_config_init(native)
    _fill(native, config, secrets.randbits(64) if seed is None else seed)
    native.host = host
    status = lib.arc_udp_open_config(native, out, why, _WHY_BYTES)
    if status != lib.ARC_OK:
        raise explained(status, why)
    return ffi.gc(out[0], lib.arc_udp_close)


def explained(status: int, why: Any) -> Exception:
    """What io/udp says in words, as an exception of the status."""
    text = ffi.string(why).decode(errors="replace")
    error = error_for(status, "UDP")
    return type(error)(text) if text else error


def parse_address(address: str) -> tuple[str, int]:
    """Split ``"host:port"``, ``"[v6]:port"`` or ``":port"``.

    :raises ArgumentError: no port, or not 0..65535.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ArgumentError(f"address {address!r} must be host:port with a port of 0..65535")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ArgumentError(f"address {address!r}: write an IPv6 host in brackets, [{host}]:{port}")
    return host, int(port)


@functools.lru_cache(maxsize=64)  # thousands of sockets are made alike
def udp_config(local: str, socket: UdpConfig | None) -> UdpConfig:
    """``socket`` at a local address, "host:port"; port 0 leaves it the port or range that it names.

    :raises ArgumentError: not an address.
    """
    host, port = parse_address(local)
    socket = socket or UdpConfig()
    return replace(socket, host=host, port=port, port_range=None) if port else replace(socket, host=host)


def set_remote(udp: Any, remote: str) -> None:
    """Send to ``remote``, "host:port", from now on.

    :raises ArgumentError: not an address. :raises TransportError: the host is unknown.
    """
    why = ffi.new("char[]", _WHY_BYTES)
    host, port = parse_address(remote)
    status = lib.arc_udp_set_remote(udp, host.encode(), port, why, _WHY_BYTES)
    if status != lib.ARC_OK:
        raise explained(status, why)


def address_of(udp: Any, *, remote: bool) -> str:
    """Local or remote address, "host:port"; "": not known."""
    out = ffi.new("char[]", _ADDRESS_BYTES)
    check(lib.arc_udp_address(udp, remote, out, _ADDRESS_BYTES), "UDP")
    return str(ffi.string(out).decode())


def udp_stats(udp: Any) -> dict[str, Any]:
    """Numbers of a socket of :func:`open_udp` that no thread drives; csrc/io/udp.h says what they are."""
    out = ffi.new("struct arc_udp_stats *")
    lib.arc_udp_get_stats(udp, out)
    return to_dict(out[0])


@dataclass(frozen=True, slots=True)
class UdpFeature:
    """Something that UDP sockets can do on some machines.

    :ivar name: as the system's manual has it, e.g. ``"UDP_SEGMENT"``.
    :ivar works: it was tried on the loopback, and worked.
    :ivar reason: why it does not; "" if it works.
    :ivar instead: what the engine does where it does not work.
    """

    name: str
    works: bool
    reason: str
    instead: str

    def to_json(self) -> dict[str, Any]:
        """The same as a dict that JSON can hold."""
        return asdict(self)


def _probe(i: int) -> UdpFeature:
    row = ffi.new("struct arc_udpcap *")
    check(lib.arc_udpcaps_probe(i, row), "udp_features")
    name, reason, instead = (ffi.string(text).decode(errors="replace") for text in (row.name, row.reason, row.instead))
    return UdpFeature(name, bool(row.works), reason, instead)


@functools.cache
def udp_features() -> tuple[UdpFeature, ...]:
    """Try everything on the loopback, once in a process; takes some milliseconds, a second where little works."""
    return tuple(_probe(i) for i in range(lib.arc_udpcaps_count()))
