"""Plain model of the AV1 RTP payload format (AOMedia), for tests: lists of bytes, nothing clever."""
from __future__ import annotations


def leb128(value: int) -> bytes:
    out = b""
    while True:
        value, low = value >> 7, value & 0x7F
        out += bytes([low | (0x80 if value else 0)])
        if not value:
            return out


def read_leb128(data: bytes) -> tuple[int, int]:
    """(value, bytes read); ValueError when it is cut or too long."""
    value = 0
    for i, byte in enumerate(data[:8]):
        value |= (byte & 0x7F) << (7 * i)
        if not byte & 0x80:
            if value >= 2**32:
                break
            return value, i + 1
    raise ValueError("leb128")


def obu(kind: int, payload: bytes, layer: tuple[int, int] | None = None, *, sized: bool = True) -> bytes:
    head = bytes([kind << 3 | (4 if layer else 0) | (2 if sized else 0)])
    if layer:
        head += bytes([layer[0] << 5 | layer[1] << 3])
    return head + (leb128(len(payload)) if sized else b"") + payload


def split_obus(data: bytes) -> list[bytes]:
    """The OBUs of a temporal unit, each without its size."""
    out = []
    while data:
        head = 2 if data[0] & 4 else 1
        if data[0] & 0x80 or len(data) < head:
            raise ValueError("header")
        size, n = read_leb128(data[head:]) if data[0] & 2 else (len(data) - head, 0)
        if size > len(data) - head - n:
            raise ValueError("size")
        out.append(bytes([data[0] & ~2]) + data[1:head] + data[head + n:head + n + size])
        data = data[head + n + size:]
    return out


def elements(payload: bytes) -> tuple[bool, bool, bool, list[bytes]]:
    """(Z, Y, N, elements); ValueError: malformed."""
    if not payload:
        raise ValueError("empty")
    z, y, w, n = payload[0] >> 7 & 1, payload[0] >> 6 & 1, payload[0] >> 4 & 3, payload[0] >> 3 & 1
    if z and n:
        raise ValueError("N with Z")
    rest, found = payload[1:], []
    while rest or (w and len(found) < w) or not found:
        if w and len(found) == w - 1:
            size, skip = len(rest), 0
        elif w and len(found) == w:
            raise ValueError("more than W")
        else:
            size, skip = read_leb128(rest)
        if size == 0 or size > len(rest) - skip:
            raise ValueError("element")
        found.append(rest[skip:skip + size])
        rest = rest[skip + size:]
    return bool(z), bool(y), bool(n), found


def depacketize(payloads: list[bytes]) -> list[bytes]:
    """OBUs, each as it stood in its elements."""
    out: list[bytes] = []
    open_ = False
    for payload in payloads:
        z, y, _, parts = elements(payload)
        if z != open_:
            raise ValueError("a piece is missing")
        for i, part in enumerate(parts):
            if i == 0 and z:
                out[-1] += part
            else:
                out.append(part)
        open_ = y
    if open_:
        raise ValueError("the end is missing")
    return out
