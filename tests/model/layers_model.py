"""Video layers allocation read the plain way, as its page at webrtc.org draws it."""
from __future__ import annotations


def read(data: bytes) -> tuple[int, list[list[dict[str, object]]]] | None:
    """(stream index, layers of each stream); None if it is malformed."""
    if data == b"\0":
        return 0, []
    try:
        return _read(list(data))
    except (IndexError, ValueError):
        return None


def _read(left: list[int]) -> tuple[int, list[list[dict[str, object]]]]:
    first = left.pop(0)
    index, n_streams, shared = first >> 6, (first >> 4 & 3) + 1, first & 15
    masks = [shared] * n_streams
    if not shared:
        for i in range(n_streams):
            masks[i] = left[i // 2] >> 4 if i % 2 == 0 else left[i // 2] & 15
        del left[:(n_streams + 1) // 2]
    if index >= n_streams or not any(masks):
        raise ValueError
    streams: list[list[dict[str, object]]] = [
        [{"id": i} for i in range(4) if mask >> i & 1] for mask in masks]
    every = [layer for stream in streams for layer in stream]
    for i in range(len(every)):
        every[i]["n"] = (left[i // 4] >> (6 - 2 * (i % 4)) & 3) + 1
    del left[:(len(every) + 3) // 4]
    for layer in every:
        layer["rates"] = tuple(_leb128(left) for _ in range(int(str(layer.pop("n")))))
    sizes = bool(left)
    for layer in every:
        if sizes:
            w, h, layer["hz"] = left[0] << 8 | left[1], left[2] << 8 | left[3], left[4]
            layer["size"] = (w + 1, h + 1)
            del left[:5]
    if left:
        raise ValueError
    return index, streams


def _leb128(left: list[int]) -> int:
    value = 0
    for i in range(8):
        byte = left.pop(0)
        value |= (byte & 127) << 7 * i
        if byte < 128:
            if value >= 2**32:
                raise ValueError
            return value
    raise ValueError
