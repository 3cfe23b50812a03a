"""Frames of an Opus packet the plain way, straight from RFC 6716 section 3."""
from __future__ import annotations

_FRAME_US = [us for us in ([10000, 20000, 40000, 60000],) for _ in range(3)] + [[10000, 20000]] * 2 \
    + [[2500, 5000, 10000, 20000]] * 4
FRAME_US = [us for group in _FRAME_US for us in group]  # by config, table 2


def _length(data: bytes) -> tuple[int, bytes]:
    if not data or (data[0] >= 252 and len(data) < 2):
        raise ValueError
    if data[0] < 252:
        return data[0], data[1:]
    return data[0] + 4 * data[1], data[2:]


def _equal(data: bytes, n: int) -> list[bytes]:
    size, left = divmod(len(data), n)
    if left:
        raise ValueError
    return [data[i * size:(i + 1) * size] for i in range(n)]


def _with_lengths(data: bytes, n: int) -> list[bytes]:
    sizes = []
    for _ in range(n - 1):
        size, data = _length(data)
        sizes.append(size)
    frames = []
    for size in sizes:
        if size > len(data):
            raise ValueError
        frames.append(data[:size])
        data = data[size:]
    return [*frames, data]


def _code3(data: bytes, frame_us: int) -> list[bytes]:
    if not data:
        raise ValueError
    head, data = data[0], data[1:]
    n = head & 63
    if n == 0 or n * frame_us > 120000:
        raise ValueError
    if head & 64:
        padding = 0
        while True:
            if not data:
                raise ValueError
            byte, data = data[0], data[1:]
            padding += min(byte, 254)
            if byte != 255:
                break
        if padding > len(data):
            raise ValueError
        data = data[:len(data) - padding]
    return _with_lengths(data, n) if head & 128 else _equal(data, n)


def frames_of(packet: bytes) -> list[bytes] | None:
    """The frames, or None if the packet breaks a rule of section 3.4."""
    if not packet:
        return None
    code, data = packet[0] & 3, packet[1:]
    try:
        frames = [lambda: [data], lambda: _equal(data, 2), lambda: _with_lengths(data, 2),
                  lambda: _code3(data, FRAME_US[packet[0] >> 3])][code]()
    except ValueError:
        return None
    return None if any(len(frame) > 1275 for frame in frames) else frames
