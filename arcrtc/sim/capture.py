"""Recordings of datagrams as pcap files, for tshark, Wireshark and replays.

The file has link type RAW: each record is an IPv4 packet with a UDP header made
here. Times are those of the emulator, so the first record of a simulation is
near 0 (1970); tshark shows them well as seconds since the first.

Source: draft-ietf-opsawg-pcap (file), RFC 791 (IPv4), RFC 768 (UDP; checksum 0: none).
"""
from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from socket import inet_aton, inet_ntoa
from types import TracebackType
from typing import Final, NamedTuple

from arcrtc.errors import ConfigError, ParseError, TransportError

Address = tuple[str, int]

_MAGIC_US: Final = 0xA1B2C3D4
_LINKTYPE_RAW: Final = 101
_UDP: Final = 17
_FILE_HEADER: Final = struct.Struct("<IHHiIII")
_RECORD: Final = struct.Struct("<IIII")
_IPV4: Final = struct.Struct(">BBHHHBBH4s4s")
_UDP_HEADER: Final = struct.Struct(">HHHH")
_HEADERS_BYTES: Final = _IPV4.size + _UDP_HEADER.size


class Captured(NamedTuple):
    """One recorded datagram."""

    t_us: int
    source: Address
    destination: Address
    data: bytes


def _checksum(header: bytes) -> int:
    """Internet checksum of an IPv4 header of 20 bytes (RFC 791 section 3.1)."""
    total: int = sum(struct.unpack(">10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


class Capture:
    """Writes datagrams to a pcap file; a context manager.

    Not thread-safe: one thread at a time. Reads no clock.

    :param path: file to make; an existing one is replaced.
    :param max_bytes: size at which recording ends, 1000 or more; datagrams after that are only
        counted in :attr:`skipped_pkts`. 1 GiB: an hour of 2 Mb/s.
    :raises ConfigError: ``max_bytes`` out of range.
    :raises TransportError: the file cannot be made.
    """

    def __init__(self, path: str | Path, *, max_bytes: int = 2**30) -> None:
        if max_bytes < 1000:
            raise ConfigError(f"max_bytes={max_bytes!r} is below 1000")
        self._path = path
        try:
            self._file = open(path, "wb")  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise TransportError(f"capture {path} cannot be written: {error}") from error
        self._room_bytes = max_bytes
        self._ident = 0
        self.written_pkts = 0  #: records in the file
        self.skipped_pkts = 0  #: datagrams that came after the file was full
        self._put(_FILE_HEADER.pack(_MAGIC_US, 2, 4, 0, 0, 65535, _LINKTYPE_RAW))

    def write(self, t_us: int, source: Address, destination: Address, data: bytes) -> None:
        """Record one datagram.

        :param t_us: microseconds, 0 or more.
        :param source: (IPv4 address, port); ``destination`` likewise.
        :param data: UDP payload, at most 65507 bytes.
        :raises TransportError: the disk is full or the like.
        """
        size = _HEADERS_BYTES + len(data)
        if self._file.closed or _RECORD.size + size > self._room_bytes:
            self.skipped_pkts += 1
            return
        self._ident = self._ident + 1 & 0xFFFF
        address = inet_aton(source[0]), inet_aton(destination[0])
        header = _IPV4.pack(0x45, 0, size, self._ident, 0, 64, _UDP, 0, *address)
        header = _IPV4.pack(0x45, 0, size, self._ident, 0, 64, _UDP, _checksum(header), *address)
        udp = _UDP_HEADER.pack(source[1], destination[1], _UDP_HEADER.size + len(data), 0)
        seconds, rest_us = divmod(t_us, 1_000_000)
        self._put(_RECORD.pack(seconds, rest_us, size, size) + header + udp + data)
        self.written_pkts += 1

    def _put(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise TransportError(f"capture {self._path} cannot be written: {error}") from error
        self._room_bytes -= len(data)

    def close(self) -> None:
        """Finish the file; calling it again does nothing. Later datagrams count as skipped."""
        try:
            self._file.close()
        except OSError as error:
            raise TransportError(f"capture {self._path} cannot be written: {error}") from error

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()


def read_capture(path: str | Path) -> Iterator[Captured]:
    """Read back what :class:`Capture` wrote, in the order of the file.

    :raises ParseError: not such a file, or cut off.
    :raises TransportError: unreadable.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise TransportError(f"capture {path} cannot be read: {error}") from error
    if len(data) < _FILE_HEADER.size or _FILE_HEADER.unpack_from(data)[::6] != (_MAGIC_US, _LINKTYPE_RAW):
        raise ParseError(f"{path} is no pcap file of raw IP packets in microseconds")
    at = _FILE_HEADER.size
    while at < len(data):
        if len(data) - at < _RECORD.size:
            raise ParseError(f"{path} ends inside a record")
        seconds, rest_us, size, _ = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        if size < _HEADERS_BYTES or len(data) - at < size or data[at] != 0x45 or data[at + 9] != _UDP:
            raise ParseError(f"{path}: the record at byte {at} is no whole IPv4 and UDP packet")
        source, destination = (inet_ntoa(data[at + i:at + i + 4]) for i in (12, 16))
        ports = struct.unpack_from(">HH", data, at + _IPV4.size)
        yield Captured(seconds * 1_000_000 + rest_us, (source, ports[0]), (destination, ports[1]),
                       data[at + _HEADERS_BYTES:at + size])
        at += size
