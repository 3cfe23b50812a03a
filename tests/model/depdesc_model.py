"""The dependency descriptor read the plain way: AV1 RTP payload format, appendix A.8.2, on a text of bits."""
from __future__ import annotations

from dataclasses import dataclass, field


class Malformed(Exception):
    """The bits end too early, or say what the format cannot."""


class TooMuch(Exception):
    """More layers or references than the core has room for."""


MAX_LAYERS, MAX_FDIFFS = 8, 16


class Bits:
    def __init__(self, data: bytes) -> None:
        self.text = "".join(f"{byte:08b}" for byte in data)

    def f(self, n: int) -> int:
        if n > len(self.text):
            raise Malformed
        head, self.text = self.text[:n], self.text[n:]
        return int(head, 2) if n else 0

    def ns(self, n: int) -> int:
        w = n.bit_length()
        m = (1 << w) - n
        v = self.f(w - 1)
        return v if v < m else (v << 1) - m + self.f(1)


@dataclass
class Deps:
    spatial: int
    temporal: int
    dtis: list[int] = field(default_factory=list)
    fdiffs: list[int] = field(default_factory=list)
    chains: list[int] = field(default_factory=list)


@dataclass
class Structure:
    offset: int
    n_targets: int
    templates: list[Deps]
    n_chains: int = 0
    protected_by: list[int] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class Frame:
    start: int
    end: int
    number: int
    deps: Deps
    structure: Structure | None
    mask: int | None


def read_structure(b: Bits) -> Structure:
    offset, n_targets = b.f(6), b.f(5) + 1
    templates, spatial, temporal = [], 0, 0
    while True:
        if len(templates) == 64:
            raise Malformed
        if spatial >= MAX_LAYERS or temporal >= MAX_LAYERS:
            raise TooMuch
        templates.append(Deps(spatial, temporal))
        step = b.f(2)
        if step == 3:
            break
        if step == 1:
            temporal += 1
        if step == 2:
            temporal, spatial = 0, spatial + 1
    for t in templates:
        t.dtis = [b.f(2) for _ in range(n_targets)]
    for t in templates:
        while b.f(1):
            if len(t.fdiffs) == MAX_FDIFFS:
                raise TooMuch
            t.fdiffs.append(b.f(4) + 1)
    s = Structure(offset, n_targets, templates, b.ns(n_targets + 1))
    if s.n_chains:
        s.protected_by = [b.ns(s.n_chains) for _ in range(n_targets)]
        for t in templates:
            t.chains = [b.f(4) for _ in range(s.n_chains)]
    if b.f(1):
        s.sizes = [(b.f(16) + 1, b.f(16) + 1) for _ in range(spatial + 1)]
    return s


def read(data: bytes, known: Structure | None) -> Frame | None:
    """The frame; None: its templates are not known. Raises Malformed or TooMuch."""
    if not 3 <= len(data) <= 255:
        raise Malformed
    b = Bits(data)
    start, end, ident, number = b.f(1), b.f(1), b.f(6), b.f(16)
    has_structure = has_mask = dtis = fdiffs = chains = 0
    s, mask, new = known, None, None
    if len(data) > 3:
        has_structure, has_mask, dtis, fdiffs, chains = (b.f(1) for _ in range(5))
        if has_structure:
            s = new = read_structure(b)
        if s is None:
            return None
        if has_mask:
            mask = b.f(s.n_targets)
    if s is None:
        return None
    index = (ident - s.offset) % 64
    if index >= len(s.templates):
        if new:
            raise Malformed
        return None
    t = s.templates[index]
    deps = Deps(t.spatial, t.temporal, t.dtis, t.fdiffs, t.chains)
    if dtis:
        deps.dtis = [b.f(2) for _ in range(s.n_targets)]
    if fdiffs:
        deps.fdiffs = []
        while size := b.f(2):
            if len(deps.fdiffs) == MAX_FDIFFS:
                raise TooMuch
            deps.fdiffs.append(b.f(4 * size) + 1)
    if chains:
        deps.chains = [b.f(8) for _ in range(s.n_chains)]
    return Frame(start, end, number, deps, new, mask)
