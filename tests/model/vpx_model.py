"""Payload descriptors of VP8 (RFC 7741 section 4.2) and VP9 (RFC 9628 section 4.2), read and written the plain way."""
from __future__ import annotations

from dataclasses import dataclass, field


class Malformed(Exception):
    """These bytes are no payload of the format."""


class Bytes:
    """The bytes of a payload, from the front."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self) -> int:
        if self.at >= len(self.data):
            raise Malformed("cut")
        self.at += 1
        return self.data[self.at - 1]

    def take16(self) -> int:
        high = self.take()
        return high * 256 + self.take()


@dataclass
class Ids:
    """Running numbers; None: absent. ``picture_id`` is (bits, number)."""

    picture_id: tuple[int, int] | None = None
    tl0picidx: int | None = None
    keyidx: int | None = None


@dataclass
class Vp8:
    """A VP8 descriptor; ``layer`` is (TID, Y)."""

    non_reference: bool = False
    start: bool = True
    partition: int = 0
    ids: Ids = field(default_factory=Ids)
    layer: tuple[int, bool] | None = None
    length: int = 0
    key: bool = False


def _read_picture_id(data: Bytes) -> tuple[int, int]:
    first = data.take()
    return (15, (first - 128) * 256 + data.take()) if first >= 128 else (7, first)


def _picture_id_bytes(picture_id: tuple[int, int] | None) -> bytes:
    if picture_id is None:
        return b""
    bits, number = picture_id
    return (number + 0x8000).to_bytes(2, "big") if bits == 15 else bytes([number])


def read_vp8(payload: bytes) -> Vp8:
    """Read the descriptor of a payload."""
    data = Bytes(payload)
    first = data.take()
    out = Vp8(bool(first & 32), bool(first & 16), first & 7)
    if first & 128:
        has = data.take()
        if has & 128:
            out.ids.picture_id = _read_picture_id(data)
        if has & 64:
            out.ids.tl0picidx = data.take()
        if has & 48:
            last = data.take()
            out.layer = (last // 64, bool(last & 32)) if has & 32 else None
            out.ids.keyidx = last % 32 if has & 16 else None
    out.length = data.at
    out.key = data.take() % 2 == 0 and out.start and out.partition == 0
    return out


def write_vp8(d: Vp8) -> bytes:
    """The shortest descriptor that says this."""
    has = (128 * (d.ids.picture_id is not None) + 64 * (d.ids.tl0picidx is not None)
           + 32 * (d.layer is not None) + 16 * (d.ids.keyidx is not None))
    out = bytes([128 * (has > 0) + 32 * d.non_reference + 16 * d.start + d.partition])
    if has:
        out += bytes([has]) + _picture_id_bytes(d.ids.picture_id)
        if d.ids.tl0picidx is not None:
            out += bytes([d.ids.tl0picidx])
        if has & 48:
            tid, sync = d.layer or (0, False)
            out += bytes([64 * tid + 32 * sync + (d.ids.keyidx or 0)])
    return out


@dataclass
class Picture:
    """One picture of a picture group."""

    tid: int
    up: bool
    diffs: list[int]


@dataclass
class Structure:
    """Scalability structure; ``group`` None: not present."""

    n_spatial: int
    sizes: list[tuple[int, int]]
    group: list[Picture] | None


@dataclass
class Vp9:
    """A VP9 descriptor; ``layer`` is (TID, U, SID, D)."""

    predicted: bool = False
    flexible: bool = False
    start: bool = True
    end: bool = True
    no_upper_ref: bool = False
    ids: Ids = field(default_factory=Ids)
    layer: tuple[int, bool, int, bool] | None = None
    diffs: list[int] = field(default_factory=list)
    structure: Structure | None = None
    length: int = 0
    key_data: bool = False


def _read_structure(data: Bytes) -> Structure:
    first = data.take()
    n = first // 32 + 1
    sizes = [(data.take16(), data.take16()) for _ in range(n)] if first & 16 else []
    if not first & 8:
        return Structure(n, sizes, None)
    group = []
    for _ in range(data.take()):
        byte = data.take()
        group.append(Picture(byte // 32, bool(byte & 16), [data.take() for _ in range(byte // 4 % 4)]))
    return Structure(n, sizes, group)


def _structure_bytes(s: Structure) -> bytes:
    out = bytes([32 * (s.n_spatial - 1) + 16 * bool(s.sizes) + 8 * (s.group is not None)])
    out += b"".join(w.to_bytes(2, "big") + h.to_bytes(2, "big") for w, h in s.sizes)
    if s.group is not None:
        out += bytes([len(s.group)])
        out += b"".join(bytes([32 * p.tid + 16 * p.up + 4 * len(p.diffs), *p.diffs]) for p in s.group)
    return out


def _begins_key_frame(byte: int) -> bool:
    bits = f"{byte:08b}"
    if bits[:2] != "10":
        return False
    rest = bits[5:] if bits[2:4] == "11" else bits[4:]
    return rest.startswith("00")


def read_vp9(payload: bytes) -> Vp9:
    """Read the descriptor of a payload."""
    data = Bytes(payload)
    first = data.take()
    out = Vp9(bool(first & 64), bool(first & 16), bool(first & 8), bool(first & 4), bool(first & 1))
    if first & 128:
        out.ids.picture_id = _read_picture_id(data)
    elif out.flexible:
        raise Malformed("flexible mode without PictureID")
    if first & 32:
        byte = data.take()
        out.layer = (byte // 32, bool(byte & 16), byte // 2 % 8, bool(byte & 1))
        if not out.flexible:
            out.ids.tl0picidx = data.take()
    more = out.flexible and out.predicted
    while more:
        byte = data.take()
        if byte < 2 or len(out.diffs) == 3:
            raise Malformed("reference")
        out.diffs.append(byte // 2)
        more = byte % 2 == 1
    if first & 2:
        out.structure = _read_structure(data)
    out.length = data.at
    out.key_data = _begins_key_frame(data.take()) and out.start
    return out


def write_vp9(d: Vp9) -> bytes:
    """The bytes of a descriptor."""
    out = bytes([128 * (d.ids.picture_id is not None) + 64 * d.predicted + 32 * (d.layer is not None)
                 + 16 * d.flexible + 8 * d.start + 4 * d.end + 2 * (d.structure is not None) + d.no_upper_ref])
    out += _picture_id_bytes(d.ids.picture_id)
    if d.layer is not None:
        tid, up, sid, inter = d.layer
        out += bytes([32 * tid + 16 * up + 2 * sid + inter])
        if not d.flexible:
            out += bytes([d.ids.tl0picidx or 0])
    out += bytes(2 * diff + (n + 1 < len(d.diffs)) for n, diff in enumerate(d.diffs))
    return out + (_structure_bytes(d.structure) if d.structure else b"")
