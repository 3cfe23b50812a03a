"""Captures for programs that read them."""
from __future__ import annotations

import struct
from pathlib import Path


def _checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def _ip_packet(payload: bytes, port: int) -> bytes:
    """UDP over IPv4, sound to the last checksum (UDP's is left out, as IPv4 allows)."""
    udp = struct.pack("!HHHH", port, port, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\x7f\0\0\1", b"\x7f\0\0\1")
    return head[:10] + struct.pack("!H", _checksum(head)) + head[12:] + udp


def write_pcap(path: Path, payloads: list[bytes], port: int) -> None:
    """A capture of these datagrams, one a second, from and to ``port``."""
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)  # link type 101: raw IP
    for i, payload in enumerate(payloads):
        packet = _ip_packet(payload, port)
        out += struct.pack("<IIII", 1 + i, 0, len(packet), len(packet)) + packet
    path.write_bytes(out)
